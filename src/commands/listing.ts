// `list` shows what is listed. `add` lists prefixes by hand; `remove` takes entries off the list. These two change all given
// prefixes or none.
import type { Listed, Listing, NamedList } from '../admin/schemas/listings.ts'
import { loadConfig } from '../config/load.ts'
import { OperationalError } from '../errors.ts'
import { formatTime, parseDuration } from '../quantity.ts'
import { allItems, askAndPrint, type Client, firstItems, withClient } from './client.ts'
import {
  type CommandContext,
  type Json,
  print,
  readCount,
  readPrefix,
  readPrefixes,
  wrongUse,
} from './command.ts'
import {
  formatColumns,
  formatKinds,
  formatTable,
  formatUntil,
  printable,
  styleState,
} from './format.ts'

interface ListOptions extends Json {
  readonly kind?: string
  readonly state: string
  readonly origin?: string
  readonly list?: string
  readonly prefix?: string
  readonly sort?: string
  readonly limit: string
}

/** Prints listings as a table, those by hand and by traps before the entries of named lists. */
export async function listListings(context: CommandContext, options: ListOptions): Promise<number> {
  const { json, prefix, state, limit, ...filter } = options
  const { items, isAll } = await withClient(loadConfig(context), async (client) => {
    const found = await firstItems<Listing>(client, '/v1/listings', readCount('--limit', limit), {
      ...filter,
      ...(prefix !== undefined && { prefix: readPrefix(prefix) }),
      ...(state !== 'all' && { state }),
    })
    if (found.items.length === 0) await requireList(client, filter.list)
    return found
  })
  if (!isAll) {
    console.error(
      `Only the first ${items.length} are shown: --limit shows more, “export” prints all.`,
    )
  }
  return print(context, json ? { json } : {}, { items }, () =>
    formatTable(
      ['prefix', 'state', 'kinds', 'from', 'since', 'until', 'hits', 'reason'],
      items.map((each) => [
        each.prefix,
        styleState(each.state),
        formatKinds(each.kinds),
        each.list === null ? originNames[each.origin] : printable(each.list),
        formatTime(each.createdAt),
        each.expiresAt === null ? 'permanent' : formatTime(each.expiresAt),
        String(each.hits),
        printable(each.reason ?? ''),
      ]),
      'Nothing matches.',
    ),
  )
}

/** Throws OperationalError `request-refused` if there is no named list of this name. */
async function requireList(client: Client, name: string | undefined): Promise<void> {
  if (name === undefined) return
  const lists = await allItems<NamedList>(client, '/v1/lists')
  if (lists.some((list) => list.name === name)) return
  throw new OperationalError('request-refused', `there is no list named ${name}`)
}

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
    kinds: [...new Set(kind)],
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

function readTerm(text: string): string {
  const parsed = parseDuration(text)
  if ('why' in parsed) throw wrongUse(`--for ${text}: ${parsed.why}`)
  if (parsed.value === 0) throw wrongUse(`--for ${text}: the duration must be greater than zero`)
  return text
}

const originNames = { trap: 'trap', manual: 'by hand', import: 'import' }
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
