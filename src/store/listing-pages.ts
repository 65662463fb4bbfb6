// The table of listings a page at a time, by filter: newest first, or by length and address inside a prefix. Called by
// listings.ts.
import type { Database, Statement } from 'better-sqlite3'
import type { Family, Prefix } from '../ip/address.ts'
import {
  type CurrentListing,
  isCurrent,
  type ListingOrigin,
  type ListingRow,
  type ListingState,
  listingColumns,
  listingOf,
  type RawListing,
} from './listing-rows.ts'
import { rangeInside } from './prefix-columns.ts'

export interface ListingFilter {
  /** Listings at or inside this prefix. */
  readonly prefix?: Prefix
  /** Mask: listings that have any of these kinds. */
  readonly kinds?: number
  readonly state?: ListingState
  readonly origin?: ListingOrigin
  readonly list?: string
}

export class ListingPages {
  readonly #database: Database
  readonly #lengths: Readonly<Record<Family, readonly number[]>>
  readonly #listId: Statement<[string], number>
  readonly #statements = new Map<string, Statement<unknown[], RawListing>>()

  /** `lengths`: those that rows have, longest first; more may come. */
  constructor(database: Database, lengths: Readonly<Record<Family, readonly number[]>>) {
    this.#database = database
    this.#lengths = lengths
    this.#listId = database.prepare<[string], number>('SELECT id FROM lists WHERE name = ?').pluck()
  }

  /**
   * Rows of any state that pass the filter, newest first, or by length and address when a prefix is asked for.
   * `after` is the last row of the page before, which need not be there any more.
   */
  page(
    filter: ListingFilter,
    limit: number,
    after?: Pick<ListingRow, 'id' | 'prefix'>,
  ): ListingRow[] {
    const terms: string[] = []
    const values: (string | number)[] = []
    if (filter.state !== undefined) {
      terms.push('state = ?')
      values.push(filter.state)
      // Lets the planner see that the partial index of the rarer states holds every row asked for.
      if (filter.state !== 'listed') terms.push(`state <> 'listed'`)
    }
    if (filter.origin !== undefined) {
      terms.push('origin = ?')
      values.push(filter.origin)
    }
    if (filter.list !== undefined) {
      const list = this.#listId.get(filter.list)
      if (list === undefined) return []
      terms.push('list_id = ?')
      values.push(list)
    }
    if (filter.kinds !== undefined) {
      terms.push('kinds & ? <> 0')
      values.push(filter.kinds)
    }
    if (filter.prefix !== undefined)
      return this.#pageInside(filter.prefix, terms, values, limit, after)
    if (after) {
      terms.push('id < ?')
      values.push(after.id)
    }
    const where = terms.length > 0 ? `WHERE ${terms.join(' AND ')}` : ''
    return this.#prepared(
      `SELECT ${listingColumns} FROM listings ${where} ORDER BY id DESC LIMIT ?`,
    )
      .all(...values, limit)
      .map(listingOf)
  }

  /** Current rows at or inside the prefix. For small ranges: it answers all of them at once. */
  currentInside(prefix: Prefix): CurrentListing[] {
    const inside = rangeInside(prefix, prefix)
    return this.#lengths[prefix.family]
      .filter((length) => length >= prefix.length)
      .flatMap((length) =>
        this.#prepared(
          `SELECT ${listingColumns} FROM listings WHERE length = ? AND ${inside.terms} AND ${isCurrent}`,
        ).all(length, ...inside.values),
      )
      .map(listingOf) as CurrentListing[]
  }

  #pageInside(
    prefix: Prefix,
    terms: readonly string[],
    values: readonly (string | number)[],
    limit: number,
    after: Pick<ListingRow, 'id' | 'prefix'> | undefined,
  ): ListingRow[] {
    const rows: ListingRow[] = []
    const where = ['', ...terms].join(' AND ')
    for (const length of this.#lengths[prefix.family].toReversed()) {
      if (length < Math.max(prefix.length, after?.prefix.length ?? 0)) continue
      const isResumed = after !== undefined && length === after.prefix.length
      const from = isResumed ? after.prefix : prefix
      const inside = rangeInside(prefix, from)
      const page = this.#prepared(
        `SELECT ${listingColumns} FROM listings WHERE length = ? AND ${inside.terms}
           AND (w0, w1, w2, w3, id) > (?, ?, ?, ?, ?)${where}
         ORDER BY w0, w1, w2, w3, id LIMIT ?`,
      ).all(
        ...[length, ...inside.values, from.w0, from.w1, from.w2, from.w3],
        isResumed ? after.id : 0,
        ...values,
        limit - rows.length,
      )
      rows.push(...page.map(listingOf))
      if (rows.length >= limit) break
    }
    return rows
  }

  #prepared(sql: string): Statement<unknown[], RawListing> {
    let statement = this.#statements.get(sql)
    if (!statement) {
      statement = this.#database.prepare<unknown[], RawListing>(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}
