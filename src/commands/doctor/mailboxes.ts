// Checks the trap mailboxes. A running server polls each of them and says what it met; without one, this process logs in and
// reads the first message, as the service's user, and changes nothing. Every message of a Maildir is looked at.
import { accessSync, constants, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Mailbox as MailboxState } from '../../admin/schemas/traps.ts'
import { codeOf, OperationalError, silent } from '../../errors.ts'
import {
  type Mailbox,
  type MailboxErrorCode,
  type MailboxOptions,
  mailboxError,
  mailboxErrors,
} from '../../traps/mailbox.ts'
import { mailboxOf } from '../../traps/mailbox-thread.ts'
import { expectDone } from '../client.ts'
import { trapsOptions } from '../options.ts'
import { type Finding, type Installation, type RunningServer, statOf } from './installation.ts'

/** A mailbox that does not answer within this time is given up. */
const patienceMs = 10_000

/** Asks the running server to read each mailbox now. Run it as root: only root and the server's user may ask. */
export async function checkPolls({ config, server }: Installation): Promise<Finding[]> {
  if (server === undefined) return []
  const findings = await Promise.all(
    // A Maildir has a check of its own, which says more.
    config.mailbox
      .filter(({ type }) => type !== 'maildir')
      .map(async ({ name }) => await pollOf(name, server)),
  )
  return findings.flat()
}

async function pollOf(name: string, { client }: RunningServer): Promise<Finding[]> {
  try {
    const path = `/v1/mailboxes/${encodeURIComponent(name)}/poll`
    const state = expectDone<MailboxState>(await client.request('POST', path))
    if (state.state !== 'failing' || state.lastError === null) return []
    const [code = ''] = state.lastError.split(':')
    return [failing(name, code, state.lastErrorDetail ?? state.lastError)]
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error
    // A large mailbox takes longer to read than an answer may take. That is no fault.
    if (error.code === 'server-unreachable') return []
    return [
      {
        check: 'mailbox',
        level: 'warning',
        what: `the running server has no mailbox ${name}`,
        why: 'The configuration has changed since the server read it.',
        mend: 'systemctl reload backscatterd',
      },
    ]
  }
}

/** Logs in to each mailbox that is not a Maildir, if no server does it. The code is loaded now; the result does the work. */
export async function prepareLogins({
  config,
  server,
}: Installation): Promise<() => Promise<Finding[]>> {
  if (server !== undefined) return async () => []
  const { mailboxes } = trapsOptions(config)
  const open = await Promise.all(
    mailboxes
      .filter(({ type }) => type !== 'maildir')
      .map(async (options) => await openMailbox(options)),
  )
  return async () => (await Promise.all(open.map(tryToRead))).flat()
}

interface OpenMailbox {
  readonly name: string
  readonly mailbox: Mailbox
}

async function openMailbox(options: MailboxOptions): Promise<OpenMailbox> {
  const trapsAmong = async (): Promise<ReadonlySet<string>> => new Set()
  const context = { trapsAmong, wake: () => undefined, log: silent }
  return { name: options.name, mailbox: await mailboxOf(options, context) }
}

async function tryToRead({ name, mailbox }: OpenMailbox): Promise<Finding[]> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
    patienceMs,
  )
  try {
    const messages = mailbox.messages(undefined)[Symbol.asyncIterator]()
    await Promise.race([messages.next(), late])
    await messages.return?.()
    return []
  } catch (error) {
    const { fault, detail } = mailboxError(name, 'reading it', error)
    return [failing(name, fault, detail)]
  } finally {
    clearTimeout(timer)
    await mailbox.close?.()
  }
}

function failing(name: string, code: string, detail: string): Finding {
  const fault = code as MailboxErrorCode
  return {
    check: 'mailbox',
    level: 'broken',
    what: `mailbox ${name} fails: ${code} (${detail})`,
    why: `Mail to its traps is not read: ${mailboxErrors[fault]}.`,
    mend: mends[fault] ?? 'see the log of the mail server, and fix what it says there',
  }
}

const mends: Partial<Record<MailboxErrorCode, string>> = {
  unreachable: 'check the host in its url, and that the mail server runs',
  'timed-out': 'check that the mail server runs, and that no firewall is in between',
  'tls-failed': 'name the authority that signed the certificate in its caFile',
  'authentication-failed':
    'write the right password into its passwordFile; check the user in its url',
  'folder-missing': 'correct the folder in its url, or create it on the mail server',
  'credentials-unreadable': 'let the server’s user read its passwordFile and caFile (chown, chmod)',
  'permission-denied': 'let the server’s user read it (chown, chmod)',
  'not-found': 'correct its path in the configuration',
  'wrong-type': 'correct its type in the configuration',
  locked: 'find the program that keeps FILE.lock, and remove a lock that is left over',
}

/** Looks at every message that waits in a Maildir. Run it as the service's user. */
export function checkMaildirs({ config, user }: Installation): Finding[] {
  return config.mailbox
    .filter(({ type }) => type === 'maildir')
    .flatMap(({ name, path }) => {
      const found = lookInto(path)
      const findings: Finding[] = []
      if (found.readOnly !== '') {
        findings.push({
          check: 'mailbox',
          level: 'broken',
          what: `mailbox ${name}: ${user.name} cannot move messages in ${path} (${found.readOnly})`,
          why: 'Messages that were read stay in new, and the mailbox is failing.',
          mend: `chown -R ${user.name}: ${path}, and let the mail server deliver there as ${user.name}`,
        })
      }
      if (found.unreadable > 0) {
        findings.push({
          check: 'mailbox',
          level: 'broken',
          what: `mailbox ${name}: ${user.name} cannot read ${counted(found.unreadable)} in ${path}/new`,
          why: 'These messages are not recorded, and the mailbox is failing.',
          mend: `chown -R ${user.name}: ${path}, and let the mail server deliver there as ${user.name}`,
        })
      }
      return findings
    })
}

function counted(messages: number): string {
  return messages === 1 ? '1 message' : `${messages} messages`
}

/** `readOnly`: the system's error code, or '' if messages can be moved from new to cur. */
function lookInto(path: string): { readOnly: string; unreadable: number } {
  const folder = join(path, 'new')
  let names: string[]
  try {
    names = readdirSync(folder).filter((name) => !name.startsWith('.'))
  } catch {
    // check-config's part says that it cannot be read.
    return { readOnly: '', unreadable: 0 }
  }
  const mayWrite = constants.W_OK | constants.X_OK
  const isThere = statOf(join(path, 'cur')) !== undefined
  const written = [folder, isThere ? join(path, 'cur') : path]
  const readOnly =
    written.map((each) => refusalOf(each, mayWrite)).find((code) => code !== '') ?? ''
  const unreadable = names.filter(
    (name) => refusalOf(join(folder, name), constants.R_OK) === 'EACCES',
  )
  return { readOnly: readOnly || stickyRefusal(folder, names), unreadable: unreadable.length }
}

/** In a folder with the sticky bit, only the owner of a file or of the folder may move the file (inode(7)). */
function stickyRefusal(folder: string, names: readonly string[]): string {
  const { mode = 0, uid } = statOf(folder) ?? {}
  const me = process.geteuid?.() ?? 0
  if ((mode & 0o1000) === 0 || uid === me || me === 0) return ''
  const owners = names.map((name) => statOf(join(folder, name))?.uid)
  return owners.some((owner) => owner !== undefined && owner !== me) ? 'EPERM' : ''
}

/** The system's error code; '' if this process has those rights. */
function refusalOf(path: string, rights: number): string {
  try {
    accessSync(path, rights)
    return ''
  } catch (error) {
    return codeOf(error)
  }
}
