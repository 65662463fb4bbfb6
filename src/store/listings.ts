// The table of listings: what holds (listed, held, shadow) and, as history, what held once (expired, removed). One
// row for each prefix, origin and named list. Called by blocklist alone.
import type { Database, Statement } from 'better-sqlite3'
import { type Address, addressBits, type Family, networkOf, type Prefix } from '../ip/address.ts'
import { eachAnswered, type Visit } from './answered-listings.ts'
import type { EntryAttributes, ListEntry } from './generations.ts'
import { type ListingFilter, ListingPages } from './listing-pages.ts'
import {
  type CurrentListing,
  isCurrent,
  type ListingChange,
  type ListingRow,
  listingColumns,
  listingOf,
  type NewListing,
  type RawListing,
} from './listing-rows.ts'
import { isPrefix, type PrefixValues, prefixColumns, prefixValues } from './prefix-columns.ts'

const entryValues = `(?, ?, ?, ?, ?, ?, ?, 'listed', 'import', ?, ?, ?, ?)`
/** Entries of a list in one statement: half the time that as many statements take. */
const entriesAtOnce = 50

export class ListingTable {
  readonly #database: Database
  readonly #byId: Statement<[number], RawListing>
  readonly #currentAt: Statement<PrefixValues, RawListing>
  readonly #answeredKinds: Statement<PrefixValues, number>
  readonly #lastEpisode: Statement<PrefixValues, number | null>
  readonly #lastRemoval: Statement<PrefixValues, { at: number | null; mark: number | null }>
  readonly #insert: Statement<unknown[]>
  readonly #change: Statement<unknown[]>
  readonly #end: Statement<[string, number, number | null, number]>
  readonly #expired: Statement<[number, number], RawListing>
  readonly #due: Statement<[number, number], RawListing>
  readonly #listId: Statement<[string], number>
  readonly #addList: Statement<[string]>
  readonly #insertEntry: Statement<unknown[]>
  readonly #insertEntries: Statement<unknown[]>
  readonly #changeEntry: Statement<[number, string | null, number | null, number]>
  readonly #delete: Statement<[number]>
  readonly #pages: ListingPages
  /** Prefix lengths that rows have, per family, longest first. A superset: lengths are only ever added. */
  readonly #lengths: Record<Family, number[]>

  constructor(database: Database) {
    this.#database = database
    this.#byId = database.prepare(`SELECT ${listingColumns} FROM listings WHERE id = ?`)
    this.#currentAt = database.prepare(
      `SELECT ${listingColumns} FROM listings WHERE ${isPrefix} AND ${isCurrent}`,
    )
    this.#answeredKinds = database
      .prepare<PrefixValues, number>(
        `SELECT kinds FROM listings WHERE ${isPrefix} AND state = 'listed'`,
      )
      .pluck()
    this.#lastEpisode = database
      .prepare<PrefixValues, number | null>(
        `SELECT max(episode) FROM listings WHERE ${isPrefix} AND origin = 'trap'`,
      )
      .pluck()
    this.#lastRemoval = database.prepare(
      `SELECT max(ended_at) AS at, max(evidence_mark) AS mark FROM listings
       WHERE ${isPrefix} AND state = 'removed'`,
    )
    this.#insert = database.prepare(
      `INSERT INTO listings (${prefixColumns}, kinds, state, origin, list_id, reason, created_at, last_hit_at,
         expires_at, held_until, hits, episode, term) VALUES (${new Array(18).fill('?').join(', ')})`,
    )
    this.#change = database.prepare(
      `UPDATE listings SET kinds = ?, state = ?, reason = ?, last_hit_at = ?, expires_at = ?, held_until = ?,
         hits = ?, episode = ?, term = ? WHERE id = ?`,
    )
    this.#end = database.prepare(
      `UPDATE listings SET state = ?, ended_at = ?, evidence_mark = ?, held_until = NULL WHERE id = ?`,
    )
    this.#expired = database.prepare(
      `SELECT ${listingColumns} FROM listings WHERE expires_at <= ? AND ${isCurrent} ORDER BY expires_at LIMIT ?`,
    )
    this.#due = database.prepare(
      `SELECT ${listingColumns} FROM listings WHERE held_until <= ? AND state = 'held' ORDER BY held_until LIMIT ?`,
    )
    this.#listId = database.prepare<[string], number>('SELECT id FROM lists WHERE name = ?').pluck()
    this.#addList = database.prepare('INSERT INTO lists (name) VALUES (?)')
    const insertEntries = (rows: number): Statement<unknown[]> =>
      database.prepare(
        `INSERT INTO listings (${prefixColumns}, kinds, state, origin, list_id, reason, created_at, expires_at)
         VALUES ${new Array(rows).fill(entryValues).join(', ')}`,
      )
    this.#insertEntry = insertEntries(1)
    this.#insertEntries = insertEntries(entriesAtOnce)
    this.#changeEntry = database.prepare(
      `UPDATE listings SET kinds = ?, reason = ?, expires_at = ?, state = 'listed' WHERE id = ?`,
    )
    this.#delete = database.prepare('DELETE FROM listings WHERE id = ?')
    this.#lengths = { 4: this.#findLengths(4), 6: this.#findLengths(6) }
    this.#pages = new ListingPages(database, this.#lengths)
  }

  byId(id: number): ListingRow | undefined {
    const row = this.#byId.get(id)
    return row && listingOf(row)
  }

  /** The rows that hold at exactly this prefix, oldest first. */
  currentAt(prefix: Prefix): CurrentListing[] {
    const rows = this.#currentAt.all(...prefixValues(prefix)).map(listingOf) as CurrentListing[]
    return rows.sort((a, b) => a.id - b.id)
  }

  /** Union of the kinds of all rows listed at exactly this prefix; undefined when there is none. */
  answeredKinds(prefix: Prefix): number | undefined {
    const masks = this.#answeredKinds.all(...prefixValues(prefix))
    return masks.length === 0 ? undefined : masks.reduce((union, mask) => union | mask, 0)
  }

  /** Prefix lengths that rows have or had, longest first: they are only ever added. */
  lengths(family: Family): readonly number[] {
    return this.#lengths[family]
  }

  /** Prefixes of lengths that listings have, which hold the address or prefix, longest first. */
  *covering(inner: Address | Prefix): Generator<Prefix> {
    const longest = 'length' in inner ? inner.length : addressBits(inner.family)
    for (const length of this.#lengths[inner.family]) {
      if (length <= longest) yield networkOf(inner, length)
    }
  }

  /** The last episode of listings by trap of this prefix, 0 when it never had one. */
  lastEpisode(prefix: Prefix): number {
    return this.#lastEpisode.get(...prefixValues(prefix)) ?? 0
  }

  /** Evidence up to id `mark`, or seen before `at`, no longer counts for this prefix. Zeros: no removal. */
  lastRemoval(prefix: Prefix): { at: number; mark: number } {
    const row = this.#lastRemoval.get(...prefixValues(prefix))
    return { at: row?.at ?? 0, mark: row?.mark ?? 0 }
  }

  insert(listing: NewListing): number {
    const { prefix } = listing
    this.#useLength(prefix)
    const { lastInsertRowid } = this.#insert.run(
      ...prefixValues(prefix),
      listing.kinds,
      listing.state,
      listing.origin,
      listing.list === null ? null : this.#idOfList(listing.list),
      listing.reason,
      listing.createdAt,
      listing.lastHitAt,
      listing.expiresAt,
      listing.heldUntil,
      listing.hits,
      listing.episode,
      listing.termSeconds,
    )
    return Number(lastInsertRowid)
  }

  /** Adds entries of a named list, as `insert` would, at a quarter of the cost where there are many. */
  insertEntries(listId: number, entries: readonly ListEntry[], createdAt: number): void {
    for (let from = 0; from < entries.length; ) {
      const count = entries.length - from < entriesAtOnce ? 1 : entriesAtOnce
      const values: unknown[] = []
      for (const { prefix, attributes } of entries.slice(from, from + count)) {
        this.#useLength(prefix)
        const { kinds, reason, expiresAt } = attributes
        values.push(...prefixValues(prefix), kinds, listId, reason, createdAt, expiresAt)
      }
      const statement = count === 1 ? this.#insertEntry : this.#insertEntries
      statement.run(values)
      from += count
    }
  }

  /** Gives a list's row what its new entry says. */
  changeEntry(id: number, { kinds, reason, expiresAt }: EntryAttributes): void {
    this.#changeEntry.run(kinds, reason, expiresAt, id)
  }

  /** Takes a list's row away without a trace: it was replaced, not removed, and counts for nothing. */
  delete(id: number): void {
    this.#delete.run(id)
  }

  change(id: number, to: ListingChange): void {
    const { kinds, state, reason, lastHitAt, expiresAt, heldUntil, hits, episode } = to
    const values = [kinds, state, reason, lastHitAt, expiresAt, heldUntil, hits, episode]
    this.#change.run(...values, to.termSeconds, id)
  }

  /** Turns a listing into history. `evidenceMark` for a removal: the newest evidence there is. */
  end(id: number, state: 'expired' | 'removed', at: number, evidenceMark: number | null): void {
    this.#end.run(state, at, evidenceMark, id)
  }

  /** Rows that still hold though their time is over, longest overdue first. */
  expired(now: number, limit: number): ListingRow[] {
    return this.#expired.all(now, limit).map(listingOf)
  }

  /** Held rows whose time to be listed has come. */
  due(now: number, limit: number): ListingRow[] {
    return this.#due.all(now, limit).map(listingOf)
  }

  /** Trap rows whose state does not fit the mask of published kinds: shadow ones that show, and the reverse. */
  misplaced(publishedKinds: number): ListingRow[] {
    return this.#database
      .prepare<[number, number], RawListing>(
        `SELECT ${listingColumns} FROM listings WHERE origin = 'trap' AND
           (state = 'shadow' AND kinds & ? <> 0 OR state IN ('listed', 'held') AND kinds & ? = 0)`,
      )
      .all(publishedKinds, publishedKinds)
      .map(listingOf)
  }

  /** Current rows at or inside the prefix. For small ranges: it answers all of them at once. */
  currentInside(prefix: Prefix): CurrentListing[] {
    return this.#pages.currentInside(prefix)
  }

  /** See `ListingPages`. */
  page(
    filter: ListingFilter,
    limit: number,
    after?: Pick<ListingRow, 'id' | 'prefix'>,
  ): Generator<ListingRow[]> {
    return this.#pages.page(filter, limit, after)
  }

  /** See `eachAnswered`. */
  eachAnswered(visit: Visit, withoutLists: readonly number[] = []): void {
    eachAnswered(this.#database, this.#lengths, withoutLists, visit)
  }

  /** The number of a named list; undefined for one that never was. */
  listId(name: string): number | undefined {
    return this.#listId.get(name)
  }

  #idOfList(name: string): number {
    return this.#listId.get(name) ?? Number(this.#addList.run(name).lastInsertRowid)
  }

  #useLength({ family, length }: Prefix): void {
    const lengths = this.#lengths[family]
    if (lengths.includes(length)) return
    lengths.push(length)
    lengths.sort((a, b) => b - a)
  }

  /** One seek into listings_prefix for each length in use. */
  #findLengths(family: Family): number[] {
    const next = this.#database
      .prepare<[number, number], number | null>(
        'SELECT min(length) FROM listings WHERE family = ? AND length > ?',
      )
      .pluck()
    const lengths: number[] = []
    for (let length = next.get(family, -1); typeof length === 'number'; ) {
      lengths.unshift(length)
      length = next.get(family, length)
    }
    return lengths
  }
}
