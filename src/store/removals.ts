// The table of requests to be removed. A listing has one request at most, whoever asks and however often. A trigger makes a
// queued request obsolete when its listing ends.
import type { Database, Statement } from 'better-sqlite3'
import type { Prefix } from '../ip/address.ts'
import {
  isPrefix,
  type PrefixValues,
  prefixColumns,
  prefixOf,
  prefixValues,
} from './prefix-columns.ts'

export const removalStates = ['queued', 'removed', 'refused', 'obsolete'] as const
export type RemovalState = (typeof removalStates)[number]

/** Times in epoch seconds. */
export interface RemovalRow {
  readonly id: number
  readonly listingId: number
  /** The prefix of the listing. */
  readonly prefix: Prefix
  readonly state: RemovalState
  /** The reason, in words that anyone may read. */
  readonly why: string
  /** When it was requested first. */
  readonly requestedAt: number
  /** null while it is queued. */
  readonly decidedAt: number | null
  /** 'policy' or the name of an actor. null if nobody decided: it is queued or obsolete. */
  readonly decidedBy: string | null
}

type RawRemoval = Prefix & Omit<RemovalRow, 'prefix'>

const removals = `SELECT removals.id, listing_id AS listingId, ${prefixColumns}, removals.state, why,
  requested_at AS requestedAt, decided_at AS decidedAt, decided_by AS decidedBy
  FROM removals JOIN listings ON listings.id = listing_id`

export class RemovalTable {
  readonly #byId: Statement<[number], RawRemoval>
  readonly #ofListing: Statement<[number], RawRemoval>
  readonly #removedAt: Statement<[...PrefixValues, number], number>
  readonly #page: Statement<[number, number], RawRemoval>
  readonly #pageOfState: Statement<[string, number, number], RawRemoval>
  readonly #countQueued: Statement<[], number>
  readonly #put: Statement<unknown[]>

  constructor(database: Database) {
    this.#byId = database.prepare(`${removals} WHERE removals.id = ?`)
    this.#ofListing = database.prepare(`${removals} WHERE listing_id = ?`)
    this.#removedAt = database
      .prepare<[...PrefixValues, number], number>(
        `SELECT decided_at FROM listings JOIN removals ON listing_id = listings.id
         WHERE ${isPrefix} AND removals.state = 'removed' AND decided_at > ? ORDER BY decided_at`,
      )
      .pluck()
    const newestFirst = 'removals.id < ? ORDER BY removals.id DESC LIMIT ?'
    this.#page = database.prepare(`${removals} WHERE ${newestFirst}`)
    this.#pageOfState = database.prepare(`${removals} WHERE removals.state = ? AND ${newestFirst}`)
    this.#countQueued = database
      .prepare<[], number>(`SELECT count(*) FROM removals WHERE state = 'queued'`)
      .pluck()
    this.#put = database.prepare(
      `INSERT INTO removals (listing_id, state, why, requested_at, decided_at, decided_by)
       VALUES (@listingId, @state, @why, @requestedAt, @decidedAt, @decidedBy)
       ON CONFLICT (listing_id) DO UPDATE SET state = excluded.state, why = excluded.why,
         decided_at = excluded.decided_at, decided_by = excluded.decided_by`,
    )
  }

  byId(id: number): RemovalRow | undefined {
    const row = this.#byId.get(id)
    return row && removalOf(row)
  }

  ofListing(listingId: number): RemovalRow | undefined {
    const row = this.#ofListing.get(listingId)
    return row && removalOf(row)
  }

  /** When this prefix was removed on request, later than `since` (epoch seconds), oldest first. */
  removedAt(prefix: Prefix, since: number): number[] {
    return this.#removedAt.all(...prefixValues(prefix), since)
  }

  /** Rows with an id below `before`, newest first. Without a state: of every state. */
  page(limit: number, before = Number.MAX_SAFE_INTEGER, state?: RemovalState): RemovalRow[] {
    const rows =
      state === undefined
        ? this.#page.all(before, limit)
        : this.#pageOfState.all(state, before, limit)
    return rows.map(removalOf)
  }

  countQueued(): number {
    return this.#countQueued.get() ?? 0
  }

  /** Adds the request of a listing, or changes it. It keeps the time when it was requested first. */
  put(row: Omit<RemovalRow, 'id' | 'prefix'>): void {
    this.#put.run(row)
  }
}

function removalOf(row: RawRemoval): RemovalRow {
  const { family, w0, w1, w2, w3, length, ...rest } = row
  return { ...rest, prefix: prefixOf(row) }
}
