// The table of what the public may see of the evidence for listings by trap. Times in epoch seconds.
import type { Database, Statement } from 'better-sqlite3'

export interface PublicEvidenceRow {
  readonly listingId: number
  /** When DNS first answered the listing. */
  readonly shownAt: number
  /** The body covers evidence that was recorded before. Until it is made, `shownAt`. */
  readonly madeAt: number
  /** The first body covered evidence up to this id. 0: it is not made yet. */
  readonly mark: number
  /** When to see whether the body must be made. null: no hit came since it was made. */
  readonly dueAt: number | null
  /** JSON. */
  readonly body: string
}

const columns =
  'listing_id AS listingId, shown_at AS shownAt, made_at AS madeAt, mark, due_at AS dueAt, body'

export class PublicEvidenceTable {
  readonly #of: Statement<[number], PublicEvidenceRow>
  readonly #due: Statement<[number, number], PublicEvidenceRow>
  readonly #insert: Statement<[PublicEvidenceRow]>
  readonly #change: Statement<[PublicEvidenceRow]>

  constructor(database: Database) {
    this.#of = database.prepare(`SELECT ${columns} FROM public_evidence WHERE listing_id = ?`)
    this.#due = database.prepare(
      `SELECT ${columns} FROM public_evidence WHERE due_at <= ? ORDER BY due_at, listing_id LIMIT ?`,
    )
    this.#insert = database.prepare(
      `INSERT INTO public_evidence (listing_id, shown_at, made_at, mark, due_at, body)
       VALUES (@listingId, @shownAt, @madeAt, @mark, @dueAt, @body)`,
    )
    this.#change = database.prepare(
      `UPDATE public_evidence SET made_at = @madeAt, mark = @mark, due_at = @dueAt, body = @body
       WHERE listing_id = @listingId`,
    )
  }

  /** The row of a listing. Undefined if DNS has never answered it. */
  of(listingId: number): PublicEvidenceRow | undefined {
    return this.#of.get(listingId)
  }

  /** Up to `limit` rows that are due, longest overdue first. */
  due(now: number, limit: number): PublicEvidenceRow[] {
    return this.#due.all(now, limit)
  }

  insert(row: PublicEvidenceRow): void {
    this.#insert.run(row)
  }

  /** Changes all but `shownAt`. */
  change(row: PublicEvidenceRow): void {
    this.#change.run(row)
  }
}
