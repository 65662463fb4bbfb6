// Reads what the dashboard counts: listings by their kinds, and the rows of evidence in the order in which they were recorded.
import type { Database, Statement } from 'better-sqlite3'
import type { Address, Family } from '../ip/address.ts'

/** Rows that are listed and have this mask of kinds. */
interface ListingCount {
  readonly kinds: number
  readonly listings: number
}

/** Family 0 means an unknown client. */
export type RecordedEvidence = Omit<Address, 'family'> & {
  readonly id: number
  readonly family: Family | 0
  readonly recordedAt: number
  readonly source: string
}

type TimedRow = Pick<RecordedEvidence, 'id' | 'recordedAt'>

export class Figures {
  readonly #listingCounts: Statement<[], ListingCount>
  readonly #recordedAfter: Statement<[number, number], RecordedEvidence>
  readonly #nextRow: Statement<[number], TimedRow>

  constructor(database: Database) {
    this.#listingCounts = database.prepare(
      `SELECT kinds, count(*) AS listings FROM listings INDEXED BY listings_prefix
       WHERE state = 'listed' AND list_id IS NULL GROUP BY kinds`,
    )
    this.#recordedAfter = database.prepare(
      `SELECT id, family, w0, w1, w2, w3, recorded_at AS recordedAt, source FROM evidence
       WHERE id > ? ORDER BY id LIMIT ?`,
    )
    this.#nextRow = database.prepare(
      'SELECT id, recorded_at AS recordedAt FROM evidence WHERE id >= ? ORDER BY id LIMIT 1',
    )
  }

  /** Counts the listings by trap and by hand that DNS may answer. Reads an index over all of them, also past ones. */
  listingCounts(): ListingCount[] {
    return this.#listingCounts.all()
  }

  /** Up to `limit` rows of evidence with an id above `after`, in the order of their ids. */
  recordedAfter(after: number, limit: number): RecordedEvidence[] {
    return this.#recordedAfter.all(after, limit)
  }

  /** The id up to which all rows were recorded before `since` (epoch seconds). `newest`: the highest id. Seeks by halves. */
  idBefore(since: number, newest: number): number {
    let [low, high] = [0, newest]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const row = this.#nextRow.get(middle + 1)
      if (row === undefined || row.recordedAt >= since) high = middle
      else low = row.id
    }
    return low
  }
}
