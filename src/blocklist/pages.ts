// What the store has, a page at a time: listings, which are rows and entries of named lists, and exceptions, with the
// cursor that leads to the next page.

import { setImmediate } from 'node:timers/promises'
import type { Prefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import { isOver } from '../store/list-versions.ts'
import { comparePrefixes } from '../store/packed-entries.ts'
import { type ListingPosition, listingCursor, readIdCursor, readListingCursor } from './cursor.ts'
import {
  type EntryWalk,
  entriesByLength,
  entriesInOrder,
  type Found,
  listsWanted,
} from './entry-pages.ts'
import { tableOf } from './exceptions.ts'
import {
  type Exception,
  type ExceptionKind,
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

const unknownCursor: Refusal = { refused: 'invalid', why: 'the cursor is not one of ours' }
/** Chunks of entries that one page looks through, some hundred milliseconds of work in all. */
const maxChunks = 500

/** Listings as far as the next position; undefined: nothing yet. */
type Listings = Generator<Found | undefined>

/**
 * Listings of every state: rows newest first, then entries of lists by name in address order; at or inside `filter.prefix`
 * all by length and address. In a large list what passes the filter may be rare: so the event loop is left to others
 * between steps, and a page may have fewer than `limit`, or none, and a cursor all the same.
 */
export async function listingsPage(
  store: Store,
  filter: ListingsFilter,
  page: PageRequest,
  now: number,
): Promise<Page<Listing> | Refusal> {
  const { kind, ...rest } = filter
  const { cursor, limit } = page
  const after = cursor === undefined ? undefined : readListingCursor(cursor, filter.prefix)
  if (cursor !== undefined && !after) return unknownCursor
  const mask = kind === undefined ? {} : { kinds: kindsMask([kind]) }
  const walk: EntryWalk = { store, now, filter: { ...rest, ...mask } }
  const listings =
    filter.prefix === undefined
      ? newestFirst(walk, limit + 1, after)
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

function* newestFirst(
  walk: EntryWalk,
  limit: number,
  after: ListingPosition | undefined,
): Listings {
  const entry = after && 'list' in after ? after : undefined
  if (!entry) yield* rowsFound(walk, limit, after)
  for (const name of listsWanted(walk)) {
    if (entry && name < entry.list) continue
    yield* entriesInOrder(walk, name, name === entry?.list ? entry.prefix : undefined)
  }
}

function insidePrefix(
  walk: EntryWalk,
  within: Prefix,
  limit: number,
  after: ListingPosition | undefined,
): Listings {
  const entry = after && 'list' in after ? after : undefined
  // Of one prefix the rows come before the entries.
  const row = entry ? { id: Number.MAX_SAFE_INTEGER, prefix: entry.prefix } : after
  const sources: Listings[] = [rowsFound(walk, limit, row)]
  for (const name of listsWanted(walk)) {
    const isIncluded = entry === undefined || name > entry.list
    const beginning = after && { prefix: after.prefix, isIncluded }
    sources.push(entriesByLength(walk, name, within, beginning))
  }
  return merged(sources)
}

function* rowsFound(
  { store, filter }: EntryWalk,
  limit: number,
  after: ListingPosition | undefined,
): Listings {
  const row = after && 'id' in after ? after : undefined
  for (const step of store.listings.page(filter, limit, row)) {
    for (const each of step) {
      yield { position: { id: each.id, prefix: each.prefix }, listing: listingOf(each) }
    }
    yield undefined
  }
}

/** What each source has by length and address as one; where they have the same prefix the first one comes first. */
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

/** The entry of that id in its list's current version, whatever became of it; undefined: it is not there. */
export function listingAt(store: Store, id: string, now: number): Listing | undefined {
  const named = readEntryId(id)
  const version = (named && store.lists.named(named.list)?.version) ?? null
  const entry = named && store.lists.find(version, named.prefix)
  if (!entry || version === null) return undefined
  const isHidden = store.listings.isHidden(named.prefix, version)
  return listingOfEntry(
    named.list,
    entry,
    isHidden ? 'removed' : isOver(entry, now) ? 'expired' : 'listed',
  )
}

/** Newest first. */
export function exceptionsPage(
  store: Store,
  kind: ExceptionKind,
  page: PageRequest,
): Page<Exception> | Refusal {
  const before = page.cursor === undefined ? undefined : readIdCursor(page.cursor)
  if (page.cursor !== undefined && before === undefined) return unknownCursor
  const rows = tableOf({ store }, kind).page(page.limit + 1, before)
  const shown = rows.slice(0, page.limit)
  const last = shown.at(-1)
  return {
    items: shown.map(exceptionOf),
    nextCursor: rows.length > page.limit && last ? String(last.id) : null,
  }
}
