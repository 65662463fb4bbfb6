// Pages of listings and exceptions. Listings are rows and entries of named lists. A page is read in steps, and other work
// runs between them. If an import replaces a list meanwhile, reading goes on in the list's new version.
import { setImmediate } from 'node:timers/promises'
import { contains, formatPrefix, networkOf, type Prefix, parsePrefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import { isOver } from '../store/list-versions.ts'
import { type ListingFilter, type PagePosition, pagePosition } from '../store/listing-walks.ts'
import { comparePrefixes, type PackedEntries } from '../store/packed-entries.ts'
import { tableOf } from './exceptions.ts'
import {
  type Exception,
  type ExceptionKind,
  entryId,
  exceptionOf,
  kindsMask,
  type Listing,
  type ListingsFilter,
  listingOf,
  listingOfEntry,
  type Page,
  type PageRequest,
  type Refusal,
  readEntryId,
} from './types.ts'

/** The place after a prefix in a named list. The list need not have an entry of that prefix. */
interface EntryPosition {
  readonly list: string
  readonly prefix: Prefix
}

type ListingPosition = PagePosition | EntryPosition

interface Walk {
  readonly store: Store
  readonly filter: ListingFilter
  /** Epoch seconds. */
  readonly now: number
}

/** How far the reading has come, and the listing there if one matches the filter. */
interface Found {
  readonly position: ListingPosition
  readonly listing?: Listing
}

/** Yields what is found, and undefined at the end of a step, so that other work can run. */
type Listings = Generator<Found | undefined>

/** Where a page begins in one list. */
interface Beginning {
  readonly prefix: Prefix
  /** Whether an entry of exactly this prefix belongs to the page. */
  readonly isIncluded: boolean
}

export const unknownCursor: Refusal = { refused: 'invalid', why: 'the cursor is not valid' }
/** At most this many chunks of entries are searched for one page, so that it takes a fraction of a second. */
const maxChunks = 500
const firstPrefix = { w0: 0, w1: 0, w2: 0, w3: 0, length: 0 }

/**
 * A page of listings of every state: rows in the filter's order, then entries of lists by list name and address. With a prefix
 * in the filter: everything at or inside that prefix, by length and address. Since few entries of a large list may match the filter,
 * a page may have fewer items than `limit`, or none, and still have a next page.
 */
export async function listingsPage(
  store: Store,
  { kind, ...rest }: ListingsFilter,
  { cursor, limit }: PageRequest,
  now: number,
): Promise<Page<Listing> | Refusal> {
  const after = cursor === undefined ? undefined : readListingCursor(cursor, rest.prefix)
  if (cursor !== undefined && !after) return unknownCursor
  const filter = kind === undefined ? rest : { ...rest, kinds: kindsMask([kind]) }
  const walk: Walk = { store, now, filter }
  const listings =
    filter.prefix === undefined
      ? rowsThenEntries(walk, limit + 1, after)
      : insidePrefix(walk, filter.prefix, limit + 1, after)
  const items: Listing[] = []
  let end: ListingPosition | undefined
  let chunks = 0
  for (const found of listings) {
    const listing = found?.listing
    const isFull = listing ? items.length === limit : chunks === maxChunks
    if (isFull && end) return { items, nextCursor: listingCursor(end) }
    if (listing) items.push(listing)
    else await setImmediate()
    if (found && !listing) chunks += 1
    end = found?.position ?? end
  }
  return { items, nextCursor: null }
}

/**
 * The row with this id, or the entry with this id in its list's current version, even if the entry is hidden or expired.
 * Undefined if there is none.
 */
export function listingAt(store: Store, id: number | string, now: number): Listing | undefined {
  if (typeof id === 'number') {
    const row = store.listings.byId(id)
    return row && listingOf(row)
  }
  const named = readEntryId(id)
  const version = (named && store.lists.named(named.list)?.version) ?? null
  const entry = named && store.lists.find(version, named.prefix)
  if (!entry || version === null) return undefined
  const state = isOver(entry, now) ? 'expired' : 'listed'
  const isHidden = store.listings.isHidden(named.prefix, version)
  return listingOfEntry(named.list, entry, isHidden ? 'removed' : state)
}

/** A page of exceptions, newest first. */
export function exceptionsPage(
  store: Store,
  kind: ExceptionKind,
  request: PageRequest,
): Page<Exception> | Refusal {
  const table = tableOf(store, kind)
  const page = pageById(request, (limit, before) => table.page(limit, before))
  return 'refused' in page ? page : { ...page, items: page.items.map(exceptionOf) }
}

/** A page of rows that are sorted by id. `read` returns up to `limit` rows that come after the id `beyond`. */
export function pageById<Row extends { readonly id: number }>(
  { limit, cursor }: PageRequest,
  read: (limit: number, beyond: number | undefined) => readonly Row[],
): Page<Row> | Refusal {
  const beyond = cursor === undefined ? undefined : readIdCursor(cursor)
  if (cursor !== undefined && beyond === undefined) return unknownCursor
  const rows = read(limit + 1, beyond)
  const items = rows.slice(0, limit)
  return { items, nextCursor: rows.length > limit ? String(items.at(-1)?.id) : null }
}

/** The id of a cursor that `pageById` made, or undefined. */
export function readIdCursor(cursor: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(cursor) ? Number(cursor) : undefined
}

/** A cursor holds the sort key of the page's last item, since that item may be gone when the next page is read. */
function listingCursor(position: ListingPosition): string {
  const { prefix } = position
  const text =
    'list' in position
      ? entryId(position.list, prefix)
      : `${position.id} ${formatPrefix(prefix)} ${position.endsAt ?? '-'}`
  return Buffer.from(text).toString('base64url')
}

/** Reads a cursor. Returns undefined if `listingCursor` did not make it, or made it for a place outside `within`. */
function readListingCursor(
  cursor: string,
  within: Prefix | undefined,
): ListingPosition | undefined {
  const text = Buffer.from(cursor, 'base64url').toString()
  const position = readRowPosition(text) ?? readEntryId(text)
  if (position === undefined || listingCursor(position) !== cursor) return undefined
  return within && !contains(within, position.prefix) ? undefined : position
}

function readRowPosition(text: string): PagePosition | undefined {
  const [idText = '', prefixText = '', endText = ''] = text.split(' ')
  const id = readIdCursor(idText)
  const parsed = parsePrefix(prefixText)
  if (id === undefined || 'why' in parsed || !/^(-|\d{1,15})$/.test(endText)) return undefined
  return { id, prefix: parsed.value, endsAt: endText === '-' ? null : Number(endText) }
}

function* rowsThenEntries(walk: Walk, limit: number, after: ListingPosition | undefined): Listings {
  const entry = after && 'list' in after ? after : undefined
  if (!entry) yield* rowsFound(walk, limit, after)
  for (const name of listsWanted(walk)) {
    if (entry && name < entry.list) continue
    yield* entriesInOrder(walk, name, name === entry?.list ? entry.prefix : undefined)
  }
}

function insidePrefix(
  walk: Walk,
  within: Prefix,
  limit: number,
  after: ListingPosition | undefined,
): Listings {
  const entry = after && 'list' in after ? after : undefined
  // At one prefix, rows come before entries.
  const row = entry ? { id: Number.MAX_SAFE_INTEGER, prefix: entry.prefix, endsAt: null } : after
  const sources: Listings[] = [rowsFound(walk, limit, row)]
  for (const name of listsWanted(walk)) {
    const isIncluded = entry === undefined || name > entry.list
    const beginning = after && { prefix: after.prefix, isIncluded }
    sources.push(entriesByLength(walk, name, within, beginning))
  }
  return merged(sources)
}

function* rowsFound(
  { store, filter }: Walk,
  limit: number,
  after: ListingPosition | undefined,
): Listings {
  const row = after && 'id' in after ? after : undefined
  for (const step of store.listingWalks.page(filter, limit, row)) {
    for (const each of step) {
      yield { position: pagePosition(each), listing: listingOf(each) }
    }
    yield undefined
  }
}

/** Merges sources that are sorted by length and address. At one prefix, the earlier source comes first. */
function* merged(sources: readonly Listings[]): Listings {
  const heads: (Found | undefined)[] = []
  for (const source of sources) heads.push(yield* nextOf(source))
  for (;;) {
    let first: Found | undefined
    for (const head of heads) {
      if (head && (!first || compare(head, first) < 0)) first = head
    }
    if (!first) return
    yield first
    const index = heads.indexOf(first)
    const source = sources[index]
    heads[index] = source && (yield* nextOf(source))
  }
}

function* nextOf(source: Listings): Generator<undefined, Found | undefined> {
  for (;;) {
    const { done, value } = source.next()
    if (done) return undefined
    if (value) return value
    yield undefined
  }
}

function compare({ position: { prefix: a } }: Found, { position: { prefix: b } }: Found): number {
  return a.length - b.length || comparePrefixes(a, b)
}

/** The names of the lists whose entries may match the filter. Entries removed by hand do not count here: they have rows. */
function listsWanted({ store, filter }: Walk): string[] {
  const { origin = 'import', state = 'listed', list } = filter
  if (origin !== 'import' || (state !== 'listed' && state !== 'expired')) return []
  const names = store.lists.all().map(({ name }) => name)
  return list === undefined ? names : names.filter((name) => name === list)
}

/** The list's entries that come after `after`, in address order, IPv4 first. */
function* entriesInOrder(walk: Walk, list: string, after: Prefix | undefined): Generator<Found> {
  for (const family of [4, 6] as const) {
    if (after && after.family > family) continue
    const from = after?.family === family ? after : { ...firstPrefix, family }
    for (const { version, chunk, start } of chunksOf(walk.store, list, from)) {
      for (let index = start; index < chunk.count; index++) {
        const listing = passing(walk, list, version, chunk, index)
        const prefix = chunk.prefixAt(index)
        if (listing === undefined || (after && comparePrefixes(prefix, after) === 0)) continue
        yield { position: { list, prefix }, listing }
      }
      yield { position: { list, prefix: chunk.prefixAt(chunk.count - 1) } }
    }
  }
}

/** The list's entries at or inside a prefix, by length and address. */
function* entriesByLength(
  walk: Walk,
  list: string,
  within: Prefix,
  beginning: Beginning | undefined,
): Generator<Found> {
  const { lists } = walk.store
  const shortest = Math.max(within.length, beginning?.prefix.length ?? 0)
  for (const length of lists.lengths(lists.named(list)?.version ?? null, within.family)) {
    if (length < shortest) continue
    const begins = length === beginning?.prefix.length ? beginning : undefined
    for (const chunk of chunksOf(walk.store, list, begins?.prefix ?? within)) {
      if (yield* entriesOfLength(walk, list, within, length, begins, chunk)) break
    }
  }
}

/** The entries of one length in one chunk. Returns true if the chunk reaches beyond `within`. */
function* entriesOfLength(
  walk: Walk,
  list: string,
  within: Prefix,
  length: number,
  begins: Beginning | undefined,
  { version, chunk, start }: Chunk,
): Generator<Found, boolean> {
  const stop = endOfInside(chunk, start, within)
  for (let index = start; index < stop; index++) {
    if (chunk.lengthAt(index) !== length) continue
    const prefix = chunk.prefixAt(index)
    if (begins && !begins.isIncluded && comparePrefixes(prefix, begins.prefix) === 0) continue
    const listing = passing(walk, list, version, chunk, index)
    if (listing) yield { position: { list, prefix }, listing }
  }
  if (stop < chunk.count) return true
  const last = chunk.prefixAt(chunk.count - 1)
  const end = networkOf(last, length)
  // Of two prefixes with the same first address the longer one comes later, so it may be in the next chunk.
  const mayFollow = last.length < length && walk.store.lists.find(version, end) !== undefined
  if (!mayFollow) yield { position: { list, prefix: end } }
  return false
}

/** The index after the chunk's last entry inside `within`. The entry at `start` must be inside. */
function endOfInside(chunk: PackedEntries, start: number, within: Prefix): number {
  if (contains(within, chunk.prefixAt(chunk.count - 1))) return chunk.count
  let end = start
  while (contains(within, chunk.prefixAt(end))) end += 1
  return end
}

interface Chunk {
  readonly version: number
  readonly chunk: PackedEntries
  /** The index of the first entry to read. */
  readonly start: number
}

/** The list's chunks of one family, beginning at a prefix. */
function* chunksOf(store: Store, list: string, from: Prefix): Generator<Chunk> {
  let last: Prefix | undefined
  let version: number | null
  do {
    version = store.lists.named(list)?.version ?? null
    if (version === null) return
    for (const { chunk, start } of store.lists.chunksFrom(version, last ?? from)) {
      const isSeen = last && comparePrefixes(chunk.prefixAt(start), last) === 0
      const next = isSeen ? start + 1 : start
      if (next < chunk.count) yield { version, chunk, start: next }
      last = chunk.prefixAt(chunk.count - 1)
      // Check before reading the next chunk: if the version is no longer current, its chunks may be deleted.
      if (store.lists.named(list)?.version !== version) break
    }
  } while (store.lists.named(list)?.version !== version)
}

/** The entry as a listing, if it matches the filter. A hidden entry never does, since its row is shown instead. */
function passing(
  { store, filter, now }: Walk,
  list: string,
  version: number,
  chunk: PackedEntries,
  index: number,
): Listing | undefined {
  if (filter.kinds !== undefined && (chunk.kindsAt(index) & filter.kinds) === 0) return undefined
  const entry = chunk.entryAt(index)
  const state = isOver(entry, now) ? 'expired' : 'listed'
  if (filter.state !== undefined && filter.state !== state) return undefined
  if (store.listings.isHidden(entry.prefix, version)) return undefined
  return listingOfEntry(list, entry, state)
}
