// `exempt`, `unexempt`, `exemptions`: prefixes that are never listed. `exclude`, `include`, `exclusions`: prefixes taken out of
// larger listings.
import type { Exception } from '../admin/schemas/listings.ts'
import { loadConfig } from '../config/load.ts'
import { formatTime } from '../quantity.ts'
import { allItems, askAndPrint, withClient } from './client.ts'
import { type CommandContext, type Json, print, readPrefix } from './command.ts'
import { formatTable, printable } from './format.ts'

interface AddingOptions extends Json {
  readonly note?: string
}

/** Makes a command that adds an exception. It prints `already` if the exception was there before, else `done`. */
function adding(path: string, done: string, already: string) {
  return async (context: CommandContext, text: string, options: AddingOptions) => {
    const prefix = readPrefix(text)
    return await askAndPrint(
      context,
      options,
      ['POST', path, { prefix, note: options.note }],
      (_, status) => `${prefix} ${status === 200 ? already : done}.\n`,
    )
  }
}

function ending(path: string, done: string) {
  return async (context: CommandContext, text: string, options: Json) => {
    const prefix = readPrefix(text)
    const query = `${path}?prefix=${encodeURIComponent(prefix)}`
    return await askAndPrint(context, options, ['DELETE', query], () => `${prefix} ${done}.\n`)
  }
}

function listing(path: string, none: string) {
  return async (context: CommandContext, options: Json) => {
    const items = await withClient(loadConfig(context), (client) =>
      allItems<Exception>(client, path),
    )
    return print(context, options, { items }, () =>
      formatTable(
        ['prefix', 'from', 'since', 'note'],
        items.map(({ prefix, source, createdAt, note }) => [
          prefix,
          source === 'config' ? 'configuration' : 'by hand',
          formatTime(createdAt),
          printable(note ?? ''),
        ]),
        none,
      ),
    )
  }
}

export const exempt = adding(
  '/v1/exemptions',
  'is exempt now: nothing in it is ever listed',
  'was exempt already',
)
export const unexempt = ending('/v1/exemptions', 'is no longer exempt')
export const exclude = adding(
  '/v1/exclusions',
  'is excluded now: listings that cover it do not apply to it',
  'was excluded already',
)
export const include = ending('/v1/exclusions', 'is no longer excluded')

export const exemptions = listing('/v1/exemptions', 'There are no exemptions.')
export const exclusions = listing('/v1/exclusions', 'There are no exclusions.')
