// `trap add|remove|list`: the spam-trap addresses of the database and of the configuration. Everybody on the machine can see
// the arguments of a process, so a pattern may also be given on standard input.
import { text } from 'node:stream/consumers'
import type { Trap } from '../admin/schemas/traps.ts'
import { loadConfig } from '../config/load.ts'
import { formatTime } from '../quantity.ts'
import { allItems, askAndPrint, withClient } from './client.ts'
import { type CommandContext, type Json, print, wrongUse } from './command.ts'
import { formatTable } from './format.ts'

export async function addTrap(
  context: CommandContext,
  argument: string,
  options: Json,
): Promise<number> {
  const pattern = await readPattern(argument)
  return await askAndPrint<Trap>(
    context,
    options,
    ['POST', '/v1/traps', { pattern }],
    (trap, status) => `${trap.pattern} ${status === 201 ? 'is now' : 'was already'} a trap.\n`,
  )
}

export async function removeTrap(
  context: CommandContext,
  argument: string,
  options: Json,
): Promise<number> {
  const path = `/v1/traps?pattern=${encodeURIComponent(await readPattern(argument))}`
  return await askAndPrint<Trap>(
    context,
    options,
    ['DELETE', path],
    ({ pattern }) => `${pattern} is no longer a trap.\n`,
  )
}

export async function listTraps(context: CommandContext, options: Json): Promise<number> {
  const items = await withClient(loadConfig(context), (client) =>
    allItems<Trap>(client, '/v1/traps'),
  )
  return print(context, options, { items }, () =>
    formatTable(
      ['pattern', 'from', 'since'],
      items.map(({ pattern, source, createdAt }) => [
        pattern,
        source === 'config' ? 'configuration' : 'by hand',
        formatTime(createdAt),
      ]),
      'There are no traps.',
    ),
  )
}

/** The pattern from the argument or, for `-`, from the only line of standard input. */
async function readPattern(argument: string): Promise<string> {
  // On Linux this overwrites the arguments, so that others can no longer see them.
  process.title = 'backscatterd trap'
  if (argument !== '-') return argument
  const [line = '', ...more] = (await text(process.stdin)).trimEnd().split(/\r?\n/)
  if (line === '' || more.length > 0)
    throw wrongUse('standard input: expected one line with a pattern')
  return line
}
