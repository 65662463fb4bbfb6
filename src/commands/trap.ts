// `trap add|remove|list`: the spam-trap addresses that are kept in the database, and those of the configuration. Whoever
// is on the machine sees the arguments of every process, so that a pattern can come by standard input too.
import { text } from 'node:stream/consumers'
import { loadConfig } from '../config/load.ts'
import { type Client, expectDone, withClient } from './client.ts'
import { type CommandContext, exitCodes, writeJson, wrongUse } from './context.ts'
import { formatColumns, formatTime } from './format.ts'

const path = '/v1/traps'
const pageSize = 1000

interface Json {
  readonly json?: true
}

interface Trap {
  readonly pattern: string
  readonly source: 'config' | 'manual'
  readonly createdAt: string
}

export async function addTrap(
  context: CommandContext,
  argument: string,
  options: Json,
): Promise<number> {
  const pattern = await patternOf(argument)
  const reply = await withClient(loadConfig(context), (client) =>
    client.request('POST', path, { pattern }),
  )
  const trap = expectDone(reply) as Trap
  if (options.json) writeJson(context, trap)
  else context.write(`${trap.pattern} ${reply.status === 201 ? 'is now' : 'was already'} a trap.\n`)
  return exitCodes.done
}

export async function removeTrap(
  context: CommandContext,
  argument: string,
  options: Json,
): Promise<number> {
  const pattern = await patternOf(argument)
  const reply = await withClient(loadConfig(context), (client) =>
    client.request('DELETE', `${path}?pattern=${encodeURIComponent(pattern)}`),
  )
  const trap = expectDone(reply) as Trap
  if (options.json) writeJson(context, trap)
  else context.write(`${trap.pattern} is no longer a trap.\n`)
  return exitCodes.done
}

export async function listTraps(context: CommandContext, options: Json): Promise<number> {
  const traps = await withClient(loadConfig(context), allTraps)
  if (options.json) {
    writeJson(context, { items: traps })
  } else {
    const rows = traps.map(({ pattern, source, createdAt }) => [
      pattern,
      source === 'config' ? 'from the configuration' : 'added by hand',
      `since ${formatTime(createdAt)}`,
    ])
    context.write(rows.length === 0 ? 'There are no traps.\n' : formatColumns(rows))
  }
  return exitCodes.done
}

/** The pattern; `-`: the one line of standard input. */
async function patternOf(argument: string): Promise<string> {
  // On Linux this overwrites what others see of the arguments.
  process.title = 'backscatterd trap'
  if (argument !== '-') return argument
  const [line = '', ...more] = (await text(process.stdin)).trimEnd().split(/\r?\n/)
  if (line === '' || more.length > 0) throw wrongUse('standard input: expected one line, a pattern')
  return line
}

/** Every trap, page by page. */
export async function allTraps(client: Client): Promise<Trap[]> {
  const items: Trap[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const after: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const reply = await client.request('GET', `${path}?limit=${pageSize}${after}`)
    const page = expectDone(reply) as { items: Trap[]; nextCursor: string | null }
    items.push(...page.items)
    cursor = page.nextCursor
  }
  return items
}
