// The table of listings. Present listings by trap and by hand have one row for each prefix and origin. Rows that have ended
// stay as history. Entries of named lists that were removed by hand have such a row too.
import type { Database, Statement } from 'better-sqlite3'
import {
  type Address,
  addressBits,
  type Family,
  formatPrefix,
  networkOf,
  type Prefix,
} from '../ip/address.ts'
import {
  type ChangedPrefixes,
  isPrefix,
  type PrefixValues,
  prefixColumns,
  prefixOf,
  prefixValues,
} from './prefix-columns.ts'

/** 'held': shows in DNS from `heldUntil` on. 'shadow': is kept but does not show, for the reason in `shadow`. */
export type ListingState = 'listed' | 'held' | 'shadow' | 'expired' | 'removed'
/** 'trap': listed for mail to a trap. 'manual': listed by hand. 'import': an entry of a named list. */
export type ListingOrigin = 'trap' | 'manual' | 'import'

/** A new row. Times in epoch seconds. */
export interface NewListingRow {
  readonly prefix: Prefix
  /** A mask: bit i stands for backscatterKinds[i]. */
  readonly kinds: number
  readonly state: 'listed' | 'held' | 'shadow'
  readonly origin: ListingOrigin
  readonly reason: string | null
  readonly createdAt: number
  readonly lastHitAt: number | null
  /** null: permanent. */
  readonly expiresAt: number | null
  /** When a held listing will show. */
  readonly heldUntil: number | null
  /** Why a shadow listing is only counted: 'kind', 'whitelist ZONE' or 'pool NAME'. null in other states. */
  readonly shadow: string | null
  readonly hits: number
  /** The number of the episode (see `step` in blocklist/fold.ts). Matters only for a listing by trap. */
  readonly episode: number
  /** How many seconds one hit lists for; null if the listing is not by trap. */
  readonly termSeconds: number | null
  /** JSON: the rule that listed it, and on what evidence. null if the listing is not by trap. */
  readonly basis: string | null
}

export interface ListingRow extends Omit<NewListingRow, 'state'> {
  readonly id: number
  readonly state: ListingState
  /** The name of the list, for a past entry of a named list. null in all other rows. */
  readonly list: string | null
  readonly endedAt: number | null
  /** For a listing that was removed by hand or on request: evidence up to this id no longer counts. Else null. */
  readonly evidenceMark: number | null
}

/** Identifies a row and its position in the order of pages. */
export type RowPosition = Pick<ListingRow, 'id' | 'prefix'>

/** A row that has not ended. */
export type CurrentListing = ListingRow & Pick<NewListingRow, 'state'>

/** The columns that may change until a listing ends. */
export type ListingRowChange = Omit<NewListingRow, 'prefix' | 'origin' | 'createdAt'>

export type RawListing = Prefix & Omit<ListingRow, 'prefix'>

/** The columns of a row. The list's name is read without a join: with one, SQLite would plan a statement again at each use. */
export const listingColumns = `id, ${prefixColumns}, kinds, state, origin,
  (SELECT name FROM lists WHERE lists.id = list_id) AS list, reason, created_at AS createdAt,
  last_hit_at AS lastHitAt, expires_at AS expiresAt, held_until AS heldUntil, ended_at AS endedAt,
  evidence_mark AS evidenceMark, hits, episode, term AS termSeconds, shadow, basis`
/** A WHERE term for rows that have not ended. */
export const isCurrent = `state IN ('listed', 'held', 'shadow')`

export function listingRowOf(row: RawListing): ListingRow {
  const { family, w0, w1, w2, w3, length, ...rest } = row
  return { ...rest, prefix: { family, w0, w1, w2, w3, length } }
}

/** A removal by hand. Evidence that was seen before `at`, or has an id up to `mark`, no longer counts. */
export interface Removal {
  readonly at: number
  readonly mark: number
}

/** The part of a row that decides what DNS answers. */
export interface ShownRow {
  /** The mask of kinds, if the row is listed. */
  readonly kinds: number
  /** The version of a list in which the row hides an entry; such a row is not listed itself. null: it hides none. */
  readonly hiddenIn: number | null
}

/** An entry of a list that is removed by hand. */
type RemovedEntry = Pick<
  NewListingRow,
  'prefix' | 'kinds' | 'reason' | 'createdAt' | 'expiresAt'
> & {
  readonly listId: number
  readonly version: number
}

const noRows: readonly ShownRow[] = []

export class ListingTable {
  readonly #database: Database
  readonly #changed: ChangedPrefixes
  readonly #byId: Statement<[number], RawListing>
  readonly #at: Statement<PrefixValues, RawListing>
  readonly #currentAt: Statement<PrefixValues, RawListing>
  readonly #shownAt: Statement<PrefixValues, ShownRow>
  readonly #hiddenIn: Statement<[number], Prefix>
  readonly #moveHidden: Statement<[number | null, number]>
  readonly #removals: Statement<PrefixValues, Removal>
  readonly #insert: Statement<unknown[]>
  readonly #change: Statement<unknown[]>
  readonly #end: Statement<[string, number, number | null, number]>
  readonly #expired: Statement<[number, number], RawListing>
  readonly #due: Statement<[number, number], RawListing>
  readonly #askedAfter: Statement<[number, number], RawListing>
  readonly #insertRemoved: Statement<unknown[]>
  /** The prefix lengths that rows have or had, by family, longest first. Lengths are added and never removed. */
  readonly #lengths: Record<Family, number[]>

  constructor(database: Database, changed: ChangedPrefixes) {
    this.#database = database
    this.#changed = changed
    this.#byId = database.prepare(`SELECT ${listingColumns} FROM listings WHERE id = ?`)
    this.#at = database.prepare(`SELECT ${listingColumns} FROM listings WHERE ${isPrefix}`)
    this.#currentAt = database.prepare(
      `SELECT ${listingColumns} FROM listings WHERE ${isPrefix} AND ${isCurrent}`,
    )
    this.#shownAt = database.prepare(
      `SELECT kinds, version_id AS hiddenIn FROM listings
       WHERE ${isPrefix} AND (state = 'listed' OR version_id IS NOT NULL)`,
    )
    this.#hiddenIn = database.prepare(`SELECT ${prefixColumns} FROM listings WHERE version_id = ?`)
    this.#moveHidden = database.prepare('UPDATE listings SET version_id = ? WHERE version_id = ?')
    this.#removals = database.prepare(
      `SELECT ended_at AS at, evidence_mark AS mark FROM listings
       WHERE ${isPrefix} AND state = 'removed' AND evidence_mark IS NOT NULL`,
    )
    this.#insert = database.prepare(
      `INSERT INTO listings (${prefixColumns}, kinds, state, origin, reason, created_at, last_hit_at, expires_at,
         held_until, hits, episode, term, shadow, basis)
       VALUES (@family, @length, @w0, @w1, @w2, @w3, @kinds, @state, @origin, @reason, @createdAt, @lastHitAt,
         @expiresAt, @heldUntil, @hits, @episode, @termSeconds, @shadow, @basis)`,
    )
    this.#change = database.prepare(
      `UPDATE listings SET kinds = @kinds, state = @state, reason = @reason, last_hit_at = @lastHitAt,
         expires_at = @expiresAt, held_until = @heldUntil, hits = @hits, episode = @episode, term = @termSeconds,
         shadow = @shadow, basis = @basis
       WHERE id = @id`,
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
    this.#askedAfter = database.prepare(
      `SELECT ${listingColumns} FROM listings INDEXED BY listings_asked
       WHERE origin = 'trap' AND state IN ('listed', 'shadow') AND id > ? AND coalesce(shadow, '') <> 'kind'
       ORDER BY id LIMIT ?`,
    )
    this.#insertRemoved = database.prepare(
      `INSERT INTO listings (${prefixColumns}, kinds, state, origin, list_id, version_id, reason, created_at,
         expires_at, ended_at, evidence_mark)
       VALUES (@family, @length, @w0, @w1, @w2, @w3, @kinds, 'removed', 'import', @listId, @version, @reason,
         @createdAt, @expiresAt, @at, @evidenceMark)`,
    )
    this.#lengths = { 4: this.#findLengths(4), 6: this.#findLengths(6) }
  }

  byId(id: number): ListingRow | undefined {
    const row = this.#byId.get(id)
    return row && listingRowOf(row)
  }

  /** Rows of every state whose prefix contains the address or prefix: longest prefix first, then oldest first. */
  around(inner: Address | Prefix): ListingRow[] {
    return [...this.covering(inner)].flatMap((prefix) =>
      this.#at
        .all(...prefixValues(prefix))
        .map(listingRowOf)
        .sort((a, b) => a.id - b.id),
    )
  }

  /** The rows of exactly this prefix that have not ended, oldest first. */
  currentAt(prefix: Prefix): CurrentListing[] {
    const rows = this.#currentAt.all(...prefixValues(prefix)).map(listingRowOf) as CurrentListing[]
    return rows.sort((a, b) => a.id - b.id)
  }

  /** The rows of exactly this prefix that decide what DNS answers. Reads nothing if no row has this length. */
  shownAt(prefix: Prefix): readonly ShownRow[] {
    if (!this.#lengths[prefix.family].includes(prefix.length)) return noRows
    return this.#shownAt.all(...prefixValues(prefix))
  }

  /** Whether an entry of exactly this prefix is hidden in this version of its list. */
  isHidden(prefix: Prefix, version: number): boolean {
    return this.shownAt(prefix).some(({ hiddenIn }) => hiddenIn === version)
  }

  /** Returns a test like `isHidden` for one list version, or undefined if that version hides nothing. */
  hiddenIn(version: number | null): ((prefix: Prefix) => boolean) | undefined {
    const rows = version === null ? [] : this.#hiddenIn.all(version)
    if (rows.length === 0) return undefined
    const hidden = new Set(rows.map((row) => formatPrefix(prefixOf(row))))
    return (prefix) => hidden.has(formatPrefix(prefix))
  }

  /** Makes the entries hidden in one version hidden in the other instead. Call it only if that changes no DNS answer. */
  moveHidden(from: number, to: number | null): void {
    this.#moveHidden.run(to, from)
  }

  /** The prefix lengths that rows have or had, longest first. */
  lengths(family: Family): readonly number[] {
    return this.#lengths[family]
  }

  /** The prefixes that contain the address or prefix and may have rows, longest first. The prefix itself is included. */
  *covering(inner: Address | Prefix): Generator<Prefix> {
    const longest = 'length' in inner ? inner.length : addressBits(inner.family)
    for (const length of this.#lengths[inner.family]) {
      if (length <= longest) yield networkOf(inner, length)
    }
  }

  /** The removals of this prefix after which earlier evidence no longer counted, oldest first. */
  removals(prefix: Prefix): Removal[] {
    return this.#removals.all(...prefixValues(prefix)).sort((a, b) => a.at - b.at)
  }

  insert(listing: NewListingRow): number {
    const { prefix } = listing
    this.#useLength(prefix)
    this.#changed.note(prefix)
    return Number(this.#insert.run({ ...listing, ...prefix }).lastInsertRowid)
  }

  /** Adds a row that hides an entry in a version of the entry's list. `evidenceMark`: as for `end`. */
  insertRemoved(entry: RemovedEntry, at: number, evidenceMark: number | null): void {
    this.#useLength(entry.prefix)
    this.#changed.note(entry.prefix)
    this.#insertRemoved.run({ ...entry, ...entry.prefix, at, evidenceMark })
  }

  change({ id, prefix }: RowPosition, to: ListingRowChange): void {
    this.#changed.note(prefix)
    this.#change.run({ ...to, id })
  }

  /**
   * Ends a listing; its row becomes history. `evidenceMark`: the id of the newest evidence, if earlier evidence no longer counts;
   * else null.
   */
  end(
    { id, prefix }: RowPosition,
    state: 'expired' | 'removed',
    at: number,
    evidenceMark: number | null,
  ): void {
    this.#changed.note(prefix)
    this.#end.run(state, at, evidenceMark, id)
  }

  /** Rows that have expired but are not ended yet, longest overdue first. */
  expired(now: number, limit: number): ListingRow[] {
    return this.#expired.all(now, limit).map(listingRowOf)
  }

  /** Held rows whose time to show has come. */
  due(now: number, limit: number): CurrentListing[] {
    return this.#due.all(now, limit).map(listingRowOf) as CurrentListing[]
  }

  /** Present rows by trap that may show or are shadow because of their hosts, with an id above `after`: up to `limit`. */
  askedAfter(after: number, limit: number): CurrentListing[] {
    return this.#askedAfter.all(after, limit).map(listingRowOf) as CurrentListing[]
  }

  /** Rows that are shadow because of their hosts. */
  shadowByHost(): CurrentListing[] {
    return this.#database
      .prepare<[], RawListing>(
        `SELECT ${listingColumns} FROM listings WHERE state = 'shadow' AND shadow <> 'kind'`,
      )
      .all()
      .map(listingRowOf) as CurrentListing[]
  }

  /** Rows by trap whose state does not fit the published kinds: they are shadow but should show, or the reverse. */
  misplaced(publishedKinds: number): CurrentListing[] {
    return this.#database
      .prepare<[number, number], RawListing>(
        `SELECT ${listingColumns} FROM listings WHERE origin = 'trap' AND
           (state = 'shadow' AND shadow = 'kind' AND kinds & ? <> 0 OR state IN ('listed', 'held') AND kinds & ? = 0)`,
      )
      .all(publishedKinds, publishedKinds)
      .map(listingRowOf) as CurrentListing[]
  }

  #useLength({ family, length }: Prefix): void {
    const lengths = this.#lengths[family]
    if (lengths.includes(length)) return
    lengths.push(length)
    lengths.sort((a, b) => b - a)
  }

  /** Finds the prefix lengths in use, with one seek into listings_prefix for each. */
  #findLengths(family: Family): number[] {
    return this.#database
      .prepare<{ family: Family }, number>(
        `WITH RECURSIVE used (length) AS (
           SELECT max(length) FROM listings WHERE family = @family
           UNION ALL SELECT (SELECT max(length) FROM listings WHERE family = @family AND length < used.length)
             FROM used WHERE length IS NOT NULL)
         SELECT length FROM used WHERE length IS NOT NULL`,
      )
      .pluck()
      .all({ family })
  }
}
