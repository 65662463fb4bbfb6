// `exempt` and `unexempt`: prefixes that are never listed. `exclude` and `include`: prefixes taken out of larger
// listings.
import { askAndPrint } from './client.ts'
import { type CommandContext, type Json, readPrefix } from './command.ts'

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
