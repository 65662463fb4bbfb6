// The table of notices: what the operator tells the public. Rows are only added.
import type { Database, Statement } from 'better-sqlite3'

export interface NoticeRow {
  readonly id: number
  /** Epoch seconds. */
  readonly at: number
  readonly text: string
}

export class NoticeTable {
  readonly #insert: Statement<[number, string]>
  readonly #page: Statement<[number, number], NoticeRow>

  constructor(database: Database) {
    this.#insert = database.prepare('INSERT INTO notices (at, text) VALUES (?, ?)')
    this.#page = database.prepare('SELECT * FROM notices WHERE id < ? ORDER BY id DESC LIMIT ?')
  }

  insert(at: number, text: string): void {
    this.#insert.run(at, text)
  }

  /** Rows with an id below `before`, newest first. */
  page(limit: number, before = Number.MAX_SAFE_INTEGER): NoticeRow[] {
    return this.#page.all(before, limit)
  }
}
