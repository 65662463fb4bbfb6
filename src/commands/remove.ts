// `remove`: takes exactly the named entries off the list, of every origin, all of them or none.
import { loadConfig } from '../config/load.ts'
import { expectDone, withClient } from './client.ts'
import { type CommandContext, exitCodes, writeJson } from './context.ts'
import { formatColumns } from './format.ts'
import { readPrefixes } from './prefix-argument.ts'

interface Removed {
  readonly items: readonly {
    readonly prefix: string
    readonly kinds: readonly string[]
    readonly origin: string
    readonly list: string | null
  }[]
}

export async function remove(
  context: CommandContext,
  prefixTexts: readonly string[],
  options: { readonly json?: true },
): Promise<number> {
  const query = readPrefixes(prefixTexts).map((prefix) => `prefix=${encodeURIComponent(prefix)}`)
  const reply = await withClient(loadConfig(context), (client) =>
    client.request('DELETE', `/v1/listings?${query.join('&')}`),
  )
  const removed = expectDone(reply) as Removed
  if (options.json) {
    writeJson(context, removed)
    return exitCodes.done
  }
  const rows = removed.items.map(({ prefix, kinds, origin, list }) => [
    'removed',
    prefix,
    kinds.join(',') || 'no kind',
    originWords[origin] ?? origin,
    list ?? '',
  ])
  context.write(formatColumns(rows))
  return exitCodes.done
}

const originWords: Readonly<Record<string, string>> = {
  trap: 'listed by a trap',
  manual: 'listed by hand',
  import: 'imported',
}
