// Entries of named lists in the order in which pages show them, a chunk at a time. Between two steps others may go on, and
// an import may replace the list: then the walk goes on in the new version from where it was.
import { contains, networkOf, type Prefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import { isOver } from '../store/list-versions.ts'
import type { ListingFilter } from '../store/listing-pages.ts'
import { comparePrefixes, type ListEntry, type PackedEntries } from '../store/packed-entries.ts'
import type { ListingPosition } from './cursor.ts'
import { type Listing, listingOfEntry } from './types.ts'

/** A listing that passes the filter; without one: nothing does as far as this position. */
export interface Found {
  readonly position: ListingPosition
  readonly listing?: Listing
}

export interface EntryWalk {
  readonly store: Store
  readonly filter: ListingFilter
  /** Epoch seconds. */
  readonly now: number
}

/** Where a page begins in one list. */
export interface Beginning {
  readonly prefix: Prefix
  /** Whether an entry of this prefix is still to come. */
  readonly isIncluded: boolean
}

/** The names of the lists whose entries may pass the filter. What is removed, held or shadow are rows. */
export function listsWanted({ store, filter }: EntryWalk): string[] {
  const { origin = 'import', state = 'listed', list } = filter
  if (origin !== 'import' || (state !== 'listed' && state !== 'expired')) return []
  const names = store.lists.all().map(({ name }) => name)
  return list === undefined ? names : names.filter((name) => name === list)
}

/** The list's entries in address order, IPv4 first, behind `after`. */
export function* entriesInOrder(
  walk: EntryWalk,
  list: string,
  after: Prefix | undefined,
): Generator<Found> {
  for (const family of [4, 6] as const) {
    if (after && after.family > family) continue
    const from = after?.family === family ? after : { ...origin, family }
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

/** The list's entries at or inside a prefix by length and address. */
export function* entriesByLength(
  walk: EntryWalk,
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
      if (yield* ofLength(walk, list, within, length, begins, chunk)) break
    }
  }
}

/** Where in a chunk the entries end that are inside `within`, as those from `start` on are at first. */
function endOfInside(chunk: PackedEntries, start: number, within: Prefix): number {
  if (contains(within, chunk.prefixAt(chunk.count - 1))) return chunk.count
  let end = start
  while (contains(within, chunk.prefixAt(end))) end += 1
  return end
}

/** What one chunk has of a length; whether it goes on beyond `within`. */
function* ofLength(
  walk: EntryWalk,
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
  // Of what begins at one address the longer prefix comes later: it may be the next chunk's.
  const mayFollow = last.length < length && walk.store.lists.find(version, end) !== undefined
  if (!mayFollow) yield { position: { list, prefix: end } }
  return false
}

interface Chunk {
  readonly version: number
  readonly chunk: PackedEntries
  /** Where in it the walk goes on. */
  readonly start: number
}

/** The list's chunks of one family from a prefix on. */
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
      // Before the next chunk is read: that of a version which is no longer the list may be gone.
      if (store.lists.named(list)?.version !== version) break
    }
  } while (store.lists.named(list)?.version !== version)
}

const origin = { w0: 0, w1: 0, w2: 0, w3: 0, length: 0 }

/** The entry as a listing, if it passes the filter. One that is hidden does not: a row shows it. */
function passing(
  { store, filter, now }: EntryWalk,
  list: string,
  version: number,
  chunk: PackedEntries,
  index: number,
): Listing | undefined {
  const kinds = chunk.kindsAt(index)
  if (filter.kinds !== undefined && (kinds & filter.kinds) === 0) return undefined
  const entry: ListEntry = chunk.entryAt(index)
  const state = isOver(entry, now) ? 'expired' : 'listed'
  if (filter.state !== undefined && filter.state !== state) return undefined
  if (store.listings.isHidden(entry.prefix, version)) return undefined
  return listingOfEntry(list, entry, state)
}
