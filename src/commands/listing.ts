// `add` lists prefixes by hand; `remove` takes entries off the list. Both change all given prefixes or none.
import type { Listed, Listing } from '../admin/schemas/listings.ts'
import { type BackscatterKind, backscatterKinds } from '../classify/kinds.ts'
import { parseDuration } from '../quantity.ts'
import { askAndPrint } from './client.ts'
import { type CommandContext, type Json, readPrefixes, wrongUse } from './command.ts'
import { formatColumns, formatKinds, formatUntil } from './format.ts'

interface AddOptions extends Json {
  readonly kind?: readonly string[]
  readonly reason?: string
  readonly for?: string
  readonly permanent?: true
}

export async function add(
  context: CommandContext,
  prefixes: readonly string[],
  options: AddOptions,
): Promise<number> {
  const { kind = [], reason, for: duration, permanent } = options
  if (duration !== undefined && permanent) {
    throw wrongUse('give either --for or --permanent, not both')
  }
  const body = {
    prefixes: readPrefixes(prefixes),
    kinds: [...new Set(kind.map(readKind))],
    reason,
    duration: duration && readTerm(duration),
    ...(permanent && { expiresAt: null }),
  }
  const now = Date.now() / 1000
  const inWords = ({ items }: Extract<Listed, { items: unknown }>): string =>
    formatColumns(
      items.map(({ outcome, listing: { prefix, kinds, expiresAt } }) => [
        outcome,
        prefix,
        formatKinds(kinds),
        formatUntil(expiresAt, now),
      ]),
    )
  return await askAndPrint(context, options, ['POST', '/v1/listings', body], inWords)
}

function readKind(text: string): BackscatterKind {
  const kind = backscatterKinds.find((each) => each === text)
  if (kind !== undefined) return kind
  throw wrongUse(`--kind ${text}: expected one of ${backscatterKinds.join(', ')}`)
}

function readTerm(text: string): string {
  const parsed = parseDuration(text)
  if ('why' in parsed) throw wrongUse(`--for ${text}: ${parsed.why}`)
  if (parsed.value === 0) throw wrongUse(`--for ${text}: the duration must be greater than zero`)
  return text
}

const originWords = { trap: 'listed by a trap', manual: 'listed by hand', import: 'imported' }

/** Removes exactly these entries, whatever their origin. */
export async function remove(
  context: CommandContext,
  prefixes: readonly string[],
  options: Json,
): Promise<number> {
  const query = readPrefixes(prefixes).map((prefix) => `prefix=${encodeURIComponent(prefix)}`)
  const inWords = ({ items }: { readonly items: readonly Listing[] }): string =>
    formatColumns(
      items.map(({ prefix, kinds, origin, list }) => [
        'removed',
        prefix,
        formatKinds(kinds),
        originWords[origin],
        list ?? '',
      ]),
    )
  const path = `/v1/listings?${query.join('&')}`
  return await askAndPrint(context, options, ['DELETE', path], inWords)
}
