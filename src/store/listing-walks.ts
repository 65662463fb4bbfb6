// Reads many rows of the table of listings: pages of rows that match a filter, all rows of one length that matter to DNS, and
// all prefixes that are answered.
import type { Database, Statement } from 'better-sqlite3'
import { backscatterKinds } from '../classify/kinds.ts'
import type { Family, Prefix } from '../ip/address.ts'
import {
  isCurrent,
  type ListingOrigin,
  type ListingRow,
  type ListingState,
  type ListingTable,
  listingColumns,
  listingRowOf,
  type RawListing,
  type RowPosition,
} from './listings.ts'
import { prefixColumns, prefixOf, rangeInside, type Visit } from './prefix-columns.ts'

/**
 * An order of rows. 'newest': by id, descending. 'ending': those that end soonest, then those that never end or have ended, the
 * newest first. 'address': IPv4 first, by length and address.
 */
export type ListingSort = 'newest' | 'ending' | 'address'

export interface ListingFilter {
  /** 'newest' if absent. With a prefix the order is always 'address'. */
  readonly sort?: ListingSort
  /** Only listings at or inside this prefix. */
  readonly prefix?: Prefix | undefined
  /** A mask: only listings that have at least one of these kinds. */
  readonly kinds?: number
  readonly state?: ListingState
  readonly origin?: ListingOrigin
  readonly list?: string
}

/** A row that is listed or, if `hiddenIn` is set, that hides an entry in that version of a list. */
export interface ShownListing {
  readonly prefix: Prefix
  /** A mask of kinds. */
  readonly kinds: number
  readonly reason: string | null
  readonly createdAt: number
  readonly expiresAt: number | null
  readonly hiddenIn: number | null
}

/** The place of a row in each order. */
export interface PagePosition extends RowPosition {
  /** Epoch seconds. null: the row never ends, or has ended. */
  readonly endsAt: number | null
}

/** Terms of a WHERE clause, to be joined by AND, and the values to bind to them. */
interface Terms {
  readonly terms: string[]
  readonly values: (string | number)[]
}

/** A walk in the order of an index. `from`: terms for the rows after a given row. `asked`: the filter for the rows. */
interface RowWalk {
  readonly order: string
  from(last: PagePosition | undefined): Terms
  readonly asked: Terms
}

/** A prefix with at least one listed row. `kinds`: the kinds of all its rows together. */
type AnsweredPrefix = [w0: number, w1: number, w2: number, w3: number, kinds: number]

const addressOrder = 'w0, w1, w2, w3, id'
/** A WHERE term for rows that will end. */
const willEnd = `expires_at IS NOT NULL AND ${isCurrent}`
/** One step of a page examines at most this many rows. */
const stepRows = 10_000
/** `shownOfLength` reads at most this many rows at once. */
const shownRows = 1000
/** `eachAnswered` reads at most this many rows or prefixes at once, which limits the memory used. */
const chunkRows = 50_000

export class ListingWalks {
  readonly #database: Database
  readonly #table: ListingTable
  readonly #listId: Statement<[string], number>
  readonly #statements = new Map<string, Statement<unknown[]>>()
  readonly #shown: Statement<unknown[], Prefix & Omit<ShownListing, 'prefix'> & { id: number }>
  readonly #answeredIPv6: Statement<number[], AnsweredPrefix>

  constructor(database: Database, table: ListingTable) {
    this.#database = database
    this.#table = table
    this.#listId = database.prepare<[string], number>('SELECT id FROM lists WHERE name = ?').pluck()
    this.#shown = database.prepare(
      `SELECT id, ${prefixColumns}, kinds, reason, created_at AS createdAt, expires_at AS expiresAt,
         version_id AS hiddenIn FROM listings INDEXED BY listings_prefix
       WHERE family = ? AND length = ? AND (${addressOrder}) > (?, ?, ?, ?, ?)
         AND (state = 'listed' OR version_id IS NOT NULL)
       ORDER BY ${addressOrder} LIMIT ${shownRows}`,
    )
    const kinds = backscatterKinds.map((_, index) => `max(kinds & ${1 << index})`).join(' | ')
    this.#answeredIPv6 = database
      .prepare<number[], AnsweredPrefix>(
        `SELECT w0, w1, w2, w3, ${kinds} FROM listings INDEXED BY listings_prefix
         WHERE family = 6 AND length = ? AND (w0, w1, w2, w3) > (?, ?, ?, ?) AND state = 'listed'
         GROUP BY w0, w1, w2, w3 ORDER BY w0, w1, w2, w3 LIMIT ${chunkRows}`,
      )
      .raw()
  }

  /**
   * The first `limit` rows of any state that match the filter, in its order. Yields after each step of some milliseconds, even
   * if few rows match. `after`: the last row of the page before, which may be changed or deleted by now.
   */
  *page(filter: ListingFilter, limit: number, after?: PagePosition): Generator<ListingRow[]> {
    const asked: Terms = { terms: [], values: [] }
    const { state, origin, list, kinds, prefix, sort } = filter
    if (list !== undefined) {
      const listId = this.#listId.get(list)
      if (listId === undefined) return
      add(asked, 'list_id = ?', listId)
    }
    if (origin !== undefined) add(asked, 'origin = ?', origin)
    if (kinds !== undefined) add(asked, 'kinds & ? <> 0', kinds)
    const walked: Terms = { terms: [], values: [] }
    const isByAddress = prefix !== undefined || sort === 'address'
    const isByEnd = !isByAddress && sort === 'ending' && (state === undefined || !hasEnded(state))
    if (state !== undefined) {
      // Only the rows of the other, rarer states have an index by state.
      const isWalked = state !== 'listed' && !isByAddress && !isByEnd
      add(isWalked ? walked : asked, 'state = ?', state)
      if (isWalked) walked.terms.push(`state <> 'listed'`)
    }
    if (isByAddress) yield* this.#byAddress(prefix, asked, limit, after)
    else if (isByEnd) yield* this.#byEnd(asked, limit, after)
    else yield* this.#walk(newestFirst(walked, asked), limit, after)
  }

  /** The rows of one length that decide what DNS answers, in address order; at one prefix, oldest first. */
  *shownOfLength(family: Family, length: number): Generator<ShownListing> {
    let last: Prefix & { readonly id: number } = { ...start, family, length }
    for (;;) {
      const { w0, w1, w2, w3, id } = last
      const rows = this.#shown.all(family, length, w0, w1, w2, w3, id)
      for (const row of rows) {
        const { kinds, reason, createdAt, expiresAt, hiddenIn } = row
        yield { prefix: prefixOf(row), kinds, reason, createdAt, expiresAt, hiddenIn }
      }
      const end = rows.at(-1)
      if (rows.length < shownRows || !end) return
      last = end
    }
  }

  /** Up to `limit` prefixes of this length, at or inside the prefix, that have a row of state 'listed'; in address order. */
  listedInside(prefix: Prefix, length: number, limit: number): Prefix[] {
    const { terms, values } = rangeInside(prefix, prefix)
    return this.#prepared<Prefix>(
      `SELECT DISTINCT ${prefixColumns} FROM listings INDEXED BY listings_prefix
       WHERE length = ? AND ${terms} AND state = 'listed' LIMIT ?`,
    ).all(length, ...values, limit)
  }

  /**
   * Visits each prefix that has a row of state 'listed' once: IPv4 first, in each family shorter prefixes first, and those of
   * one length in address order. It reads only the index and passes plain numbers, since there may be a million.
   */
  eachAnswered(visit: Visit): void {
    for (const length of this.#table.lengths(4).toReversed()) {
      eachIPv4(this.#database, length, visit)
    }
    for (const length of this.#table.lengths(6).toReversed()) {
      let after: AnsweredPrefix = [-1, 0, 0, 0, 0]
      for (;;) {
        const [first0, first1, first2, first3] = after
        const rows = this.#answeredIPv6.all(length, first0, first1, first2, first3)
        for (const [w0, w1, w2, w3, kinds] of rows) visit(6, w0, w1, w2, w3, length, kinds)
        const last = rows.at(-1)
        if (!last || rows.length < chunkRows) break
        after = last
      }
    }
  }

  *#byAddress(
    prefix: Prefix | undefined,
    asked: Terms,
    limit: number,
    after: PagePosition | undefined,
  ): Generator<ListingRow[]> {
    let left = limit
    for (const family of prefix ? [prefix.family] : ([4, 6] as const)) {
      if (after && after.prefix.family > family) continue
      const begin = after?.prefix.family === family ? after : undefined
      for (const length of this.#table.lengths(family).toReversed()) {
        if (left === 0) return
        if (length < Math.max(prefix?.length ?? 0, begin?.prefix.length ?? 0)) continue
        const within = prefix ?? { ...start, family, length: 0 }
        const from = (last: RowPosition | undefined) => insideAfter(within, length, last)
        const isResumed = length === begin?.prefix.length
        const walk = { order: addressOrder, from, asked }
        left = yield* this.#walk(walk, left, isResumed ? begin : undefined)
      }
    }
  }

  *#byEnd(asked: Terms, limit: number, after: PagePosition | undefined): Generator<ListingRow[]> {
    const from = (last: PagePosition | undefined): Terms => ({
      terms: [willEnd, '(expires_at, id) > (?, ?)'],
      values: [last?.endsAt ?? Number.MIN_SAFE_INTEGER, last?.id ?? 0],
    })
    const isPast = after !== undefined && after.endsAt === null
    const left = isPast
      ? limit
      : yield* this.#walk({ order: 'expires_at, id', from, asked }, limit, after)
    if (left === 0) return
    const others: Terms = { terms: [`NOT (${willEnd})`], values: [] }
    yield* this.#walk(newestFirst(others, asked), left, isPast ? after : undefined)
  }

  /** Yields up to `limit` rows. Each step examines up to `stepRows` rows. Returns how many rows fewer than `limit` it found. */
  *#walk({ order, from, asked }: RowWalk, limit: number, after: PagePosition | undefined) {
    const passes = asked.terms.length > 0 ? `WHERE ${asked.terms.join(' AND ')}` : ''
    const others = ['list_id', 'origin'].filter((name) => asked.terms.includes(`${name} = ?`))
    const columns = [order.replace(' DESC', ''), 'state', 'kinds', ...others].join(', ')
    let left = limit
    let last = after
    for (;;) {
      const { terms, values } = from(last)
      const walked = `FROM listings WHERE ${terms.join(' AND ')} ORDER BY ${order}`
      const most = passes === '' ? left : stepRows
      // By address the inner query uses only columns of an index, so rows that do not match are never read.
      const passing = `SELECT id FROM (SELECT ${columns} ${walked} LIMIT ?) ${passes} ORDER BY ${order} LIMIT ?`
      const rows = this.#prepared(
        `SELECT ${listingColumns} FROM listings WHERE id IN (${passing}) ORDER BY ${order}`,
      )
        .all(...values, most, ...asked.values, left)
        .map(listingRowOf)
      left -= rows.length
      yield rows
      if (left === 0) return 0
      const [end] = this.#prepared(`SELECT ${listingColumns} ${walked} LIMIT 1 OFFSET ?`).all(
        ...values,
        most - 1,
      )
      if (!end) return left
      last = pagePosition(listingRowOf(end))
    }
  }

  #prepared<Row = RawListing>(sql: string): Statement<unknown[], Row> {
    let statement = this.#statements.get(sql)
    if (!statement) {
      statement = this.#database.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement as Statement<unknown[], Row>
  }
}

export function pagePosition({ id, prefix, state, expiresAt }: ListingRow): PagePosition {
  return { id, prefix, endsAt: hasEnded(state) ? null : expiresAt }
}

function hasEnded(state: ListingState): boolean {
  return state === 'expired' || state === 'removed'
}

/** A walk through the rows that match `walked`, the newest first. */
function newestFirst(walked: Terms, asked: Terms): RowWalk {
  const from = (last: RowPosition | undefined): Terms => ({
    terms: [...walked.terms, 'id < ?'],
    values: [...walked.values, last?.id ?? Number.MAX_SAFE_INTEGER],
  })
  return { order: 'id DESC', from, asked }
}

/** A position before every row. */
const start = { w0: 0, w1: 0, w2: 0, w3: 0, id: 0 }

function add({ terms, values }: Terms, term: string, value: string | number): void {
  terms.push(term)
  values.push(value)
}

/** Terms for rows of one length at or inside the prefix that come after `last` in address order. */
function insideAfter(prefix: Prefix, length: number, last: RowPosition | undefined): Terms {
  const from = last?.prefix ?? prefix
  // Without an upper bound, SQLite finds the first row by all its words.
  const inside =
    prefix.length === 0
      ? { terms: 'family = ?', values: [prefix.family] }
      : rangeInside(prefix, from)
  return {
    terms: ['length = ?', inside.terms, '(w0, w1, w2, w3, id) > (?, ?, ?, ?, ?)'],
    values: [length, ...inside.values, from.w0, from.w1, from.w2, from.w3, last?.id ?? 0],
  }
}

function eachIPv4(database: Database, length: number, visit: Visit): void {
  // Word and mask as one number: better-sqlite3 reads one column much faster than two.
  const read = database
    .prepare<[number, number], number>(
      `SELECT w0 * 65536 + kinds FROM listings INDEXED BY listings_prefix
       WHERE family = 4 AND length = ? AND w0 >= ? AND state = 'listed' ORDER BY w0 LIMIT ${chunkRows}`,
    )
    .pluck()
  for (let start = 0; start <= 0xffff_ffff; ) {
    const chunk = read.all(length, start)
    // A full chunk may end among the rows of one prefix: its last prefix is left to the next chunk.
    const isFull = chunk.length === chunkRows
    const end = Math.floor((chunk.at(-1) ?? 0) / 65536)
    let word = -1
    let kinds = 0
    for (const packed of chunk) {
      const next = Math.floor(packed / 65536)
      if (next !== word) {
        if (word >= 0) visit(4, word, 0, 0, 0, length, kinds)
        word = next
        kinds = 0
      }
      kinds |= packed % 65536
    }
    if (!isFull) {
      if (word >= 0) visit(4, word, 0, 0, 0, length, kinds)
      return
    }
    if (end === start) throw new Error(`over ${chunkRows} listings of one prefix`)
    start = end
  }
}
