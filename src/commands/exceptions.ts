// `exempt`, `unexempt`, `exclude`, `include`: prefixes that are never listed, and holes in covering listings.
import { loadConfig } from '../config/load.ts'
import { type Client, expectDone, type Reply, withClient } from './client.ts'
import { type CommandContext, exitCodes, writeJson } from './context.ts'
import { readPrefix } from './prefix-argument.ts'

export type ExceptionVerb = 'exempt' | 'unexempt' | 'exclude' | 'include'

const verbs = {
  exempt: {
    path: '/v1/exemptions',
    adds: true,
    done: 'is exempt now: never listed, at any length',
    already: 'was exempt already',
  },
  unexempt: { path: '/v1/exemptions', adds: false, done: 'is no longer exempt', already: '' },
  exclude: {
    path: '/v1/exclusions',
    adds: true,
    done: 'is excluded now: a covering listing does not hold here',
    already: 'was excluded already',
  },
  include: { path: '/v1/exclusions', adds: false, done: 'is no longer excluded', already: '' },
} as const

export async function changeException(
  context: CommandContext,
  verb: ExceptionVerb,
  prefixText: string,
  options: { readonly note?: string; readonly json?: true },
): Promise<number> {
  const prefix = readPrefix(prefixText)
  const { path, adds, done, already } = verbs[verb]
  const { note } = options
  const ask = (client: Client): Promise<Reply> =>
    adds
      ? client.request('POST', path, { prefix, ...(note === undefined ? {} : { note }) })
      : client.request('DELETE', `${path}?prefix=${encodeURIComponent(prefix)}`)
  const reply = await withClient(loadConfig(context), ask)
  const body = expectDone(reply)
  if (options.json) writeJson(context, body)
  else context.write(`${prefix} ${adds && reply.status === 200 ? already : done}.\n`)
  return exitCodes.done
}
