// The table of spam-trap patterns, from the configuration and by hand.
import type { Database, Statement } from 'better-sqlite3'
import type { Source } from './exceptions.ts'

export interface TrapRow {
  readonly id: number
  /** In canonical form: see blocklist/traps.ts. */
  readonly pattern: string
  readonly source: Source
  readonly createdAt: number
}

const columns = 'id, pattern, source, created_at AS createdAt'

export class TrapTable {
  readonly #all: Statement<[], TrapRow>
  readonly #insert: Statement<[string, string, number]>
  readonly #delete: Statement<[number]>

  constructor(database: Database) {
    this.#all = database.prepare(`SELECT ${columns} FROM traps ORDER BY pattern, source`)
    this.#insert = database.prepare(
      'INSERT INTO traps (pattern, source, created_at) VALUES (?, ?, ?)',
    )
    this.#delete = database.prepare('DELETE FROM traps WHERE id = ?')
  }

  all(): TrapRow[] {
    return this.#all.all()
  }

  /** The rows of one pattern, with that of the configuration first. */
  of(pattern: string): TrapRow[] {
    return this.all().filter((row) => row.pattern === pattern)
  }

  insert(row: Omit<TrapRow, 'id'>): TrapRow {
    const { lastInsertRowid } = this.#insert.run(row.pattern, row.source, row.createdAt)
    return { ...row, id: Number(lastInsertRowid) }
  }

  delete(id: number): void {
    this.#delete.run(id)
  }
}
