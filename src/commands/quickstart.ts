// `quickstart`: writes a first configuration, with user, folders and unit, and prints what is left to do elsewhere.
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { OperationalError } from '../errors.ts'
import { formatAddress, parseAddress } from '../ip/address.ts'
import { type CommandContext, exitCodes, wrongUse } from './command.ts'
import { formatColumns, wrapText } from './format.ts'
import {
  hasServiceUser,
  install,
  isRoot,
  ownerName,
  refusal,
  refuseExisting,
  requireFolder,
  requirePlainPath,
  requireReadable,
  useraddArguments,
} from './quickstart/install.ts'
import { formatInstructions } from './quickstart/instructions.ts'
import {
  folderLayout,
  type Layout,
  type Ownership,
  programFolder,
  systemLayout,
} from './quickstart/layout.ts'
import {
  addressType,
  isListingChoice,
  type ListingChoice,
  listingChoices,
  makePlan,
  type Plan,
  readRequest,
} from './quickstart/plan.ts'

interface QuickstartOptions {
  readonly ns?: readonly string[]
  readonly trapDomain?: readonly string[]
  readonly listing?: ListingChoice
  readonly lmtp?: true
  readonly dir?: string
  readonly dryRun?: true
}

const choiceNames = Object.keys(listingChoices)

/** Exit code 1 if a file is there already, or if the system cannot be changed. */
export async function quickstart(
  context: CommandContext,
  zone: string,
  options: QuickstartOptions,
): Promise<number> {
  if (context.file !== undefined) {
    throw wrongUse('quickstart makes a new configuration: give --dir DIR in place of --config')
  }
  const request = readRequest(zone, options.ns, options.trapDomain)
  const isDryRun = options.dryRun === true
  const layout = makeLayout(options.dir && resolve(context.cwd, options.dir))
  if (!isDryRun) refuseImpossible(layout)
  const listing = options.listing ?? (await chooseListing())
  const isLmtp = options.lmtp === true || (await hasMailServer())
  const plan = makePlan(request, { listing, isLmtp }, ownAddresses())
  if (isDryRun) {
    context.write(formatDryRun(layout, plan))
  } else {
    const pieces = install(layout, plan)
    context.write(`Made:\n${formatPieces({ ...layout, pieces })}`)
  }
  context.write(`\n${formatInstructions(plan)}\nNext:\n${formatNext(layout)}`)
  if (!plan.publicAddresses.some((address) => addressType(address) === 'A')) {
    console.error(
      `This machine has only ${plan.publicAddresses.join(', ')} here: hosts without IPv6 reach neither this name server nor the traps.`,
    )
  }
  const why = isDryRun ? whyImpossible(layout) : undefined
  if (why !== undefined) console.error(`Without --dry-run this is refused: ${why}`)
  return exitCodes.done
}

function makeLayout(folder: string | undefined): Layout {
  for (const path of [programFolder, folder ?? '/']) requirePlainPath(path)
  return folder === undefined ? systemLayout() : folderLayout(folder, ownerName(folder))
}

/** What `refuseImpossible` says; undefined if the layout can be made. */
function whyImpossible(layout: Layout): string | undefined {
  try {
    refuseImpossible(layout)
    return undefined
  } catch (error) {
    if (error instanceof OperationalError) return error.message
    throw error
  }
}

/** Throws if the layout cannot be made here, before anything is asked or changed. */
function refuseImpossible(layout: Layout): void {
  if (layout.folder === undefined) {
    if (!isRoot) {
      throw refusal(
        'making the user, the folders and the unit needs root: use sudo, or try it in a folder of your own with --dir DIR',
      )
    }
    requireReadable(programFolder)
  } else {
    requireFolder(layout.folder)
  }
  refuseExisting(layout)
}

/** Asks on a terminal. Elsewhere it takes the careful choice and says so. */
async function chooseListing(): Promise<ListingChoice> {
  if (process.stdin.isTTY && process.stderr.isTTY) return await askListing()
  console.error(`Without --listing, two-traps is used. ${listingChoices['two-traps']}`)
  return 'two-traps'
}

async function askListing(): Promise<ListingChoice> {
  const choices = Object.entries(listingChoices).map(
    ([name, means]) => `\n${name}\n${indented(wrapText(means).join('\n'))}`,
  )
  console.error(
    `When is a host listed? Each answer reveals something to others.\n${choices.join('')}`,
  )
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const closed = new Promise<never>((_, reject) => {
    terminal.once('close', () => reject(refusal('no answer: nothing was made')))
  })
  try {
    for (;;) {
      const question = `Your choice (${choiceNames.join(', ')}) [two-traps]: `
      const answer = (await Promise.race([terminal.question(question), closed])).trim()
      if (answer === '') return 'two-traps'
      if (isListingChoice(answer)) return answer
    }
  } finally {
    closed.catch(() => undefined)
    terminal.close()
  }
}

/** The addresses of this machine in canonical form. */
function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .flatMap(({ address }) => {
      const parsed = parseAddress(address)
      return 'value' in parsed ? [formatAddress(parsed.value)] : []
    })
}

/** Whether something answers on port 25 of this machine, and says what follows from it. */
async function hasMailServer(): Promise<boolean> {
  const found = await Promise.all(ownAddresses().map(answersSmtp))
  if (!found.includes(true)) return false
  console.error(
    'A mail server answers on port 25 here, so --lmtp is used: that mail server must hand the traps’ mail over.',
  )
  return true
}

async function answersSmtp(host: string): Promise<boolean> {
  const socket = connect({ host, port: 25, timeout: 1000 })
  const { promise, resolve: settle } = Promise.withResolvers<boolean>()
  socket.once('connect', () => settle(true))
  for (const failure of ['error', 'timeout']) socket.once(failure, () => settle(false))
  return await promise.finally(() => socket.destroy())
}

function formatDryRun(layout: Layout, plan: Plan): string {
  const user =
    layout.folder !== undefined || hasServiceUser()
      ? ''
      : `This user would be made:\n  useradd ${useraddArguments.join(' ')}\n\n`
  const contents = layout.pieces
    .filter(({ path }) => /\.(toml|service)$/.test(path))
    .map(({ path, content }) => `\n${path}:\n${indented(content?.(plan) ?? '')}`)
  return `${user}These would be made, unless a folder is there already:\n${formatPieces(layout)}${contents.join('')}`
}

/** A line for each file and folder, as `ls -l` shows its mode and owner. */
function formatPieces({ pieces, user }: Layout): string {
  const owners: Readonly<Record<Ownership, string>> = {
    root: 'root:root',
    shared: `root:${user}`,
    service: user,
  }
  const rows = pieces.map(({ path, mode, ownership, content }) => [
    `0${mode.toString(8)}`,
    owners[ownership],
    content === undefined ? `${path}/` : path,
  ])
  return formatColumns(rows, '  ')
}

/** The three commands that come next. */
function formatNext({ folder, configFile, user }: Layout): string {
  // Without `--`, npx would read --config itself.
  const program = `npx --no -- backscatterd --config ${configFile}`
  const commands =
    folder === undefined
      ? [startCommand(user), 'backscatterd doctor', 'backscatterd lookup 127.0.0.2']
      : [`cd ${programFolder}`, `${program} doctor`, `${program} serve`]
  return commands.map((command) => `  ${command}\n`).join('')
}

/** Without systemd (sd_booted(3)) the server is started by hand, with the right to use ports below 1024. */
function startCommand(user: string): string {
  if (existsSync('/run/systemd/system')) return 'systemctl enable --now backscatterd'
  const right = '+net_bind_service'
  return `setpriv --reuid ${user} --regid ${user} --init-groups --inh-caps ${right} --ambient-caps ${right} backscatterd serve`
}

function indented(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '  ')
}
