// The list as of one moment, read through a connection of its own while writes go on: for exports, which take as long
// as their reader does. Called by blocklist/export.ts.
import Database from 'better-sqlite3'
import type { Prefix } from '../ip/address.ts'
import type { EntryAttributes, ListEntry } from './generations.ts'
import { type PrefixRow, prefixOf } from './prefix-columns.ts'

type RawEntry = PrefixRow & EntryAttributes

const orderColumns = 'family, w0, w1, w2, w3, length'
const columns = `${orderColumns}, kinds, reason, expires_at AS expiresAt`
const pageRows = 1000

export class Snapshot {
  readonly #database: Database.Database

  /** Of the database at `path`. Close it: SQLite keeps what it sees until then. */
  constructor(path: string) {
    this.#database = new Database(path, { readonly: true })
    this.#database.exec('BEGIN')
    // The moment is that of the first read.
    this.#database.prepare('SELECT 1 FROM lists').get()
  }

  hasList(name: string): boolean {
    return this.#listId(name) !== undefined
  }

  /** The listed rows of a named list in address order, in pages. */
  *ofList(name: string): Generator<ListEntry[]> {
    const read = this.#database.prepare<unknown[], RawEntry>(
      `SELECT ${columns} FROM listings INDEXED BY listings_of_list
       WHERE list_id = ? AND state IN ('listed', 'held', 'shadow') AND state = 'listed'
         AND (${orderColumns}) > (?, ?, ?, ?, ?, ?)
       ORDER BY ${orderColumns} LIMIT ${pageRows}`,
    )
    const list = this.#listId(name)
    let after: Prefix | undefined
    for (;;) {
      const from = after ?? { family: 0, w0: 0, w1: 0, w2: 0, w3: 0, length: 0 }
      const words = [from.w0, from.w1, from.w2, from.w3]
      const page = read.all(list, from.family, ...words, from.length).map(entryOf)
      if (page.length > 0) yield page
      after = page.at(-1)?.prefix
      if (page.length < pageRows) return
    }
  }

  /** Every listed row of every origin, rows of one prefix after each other, IPv4 first, shorter lengths first, in pages. */
  *all(): Generator<ListEntry[]> {
    const read = this.#database.prepare<unknown[], RawEntry & { id: number }>(
      `SELECT id, ${columns} FROM listings INDEXED BY listings_prefix
       WHERE (family, length, w0, w1, w2, w3) >= (?, ?, ?, ?, ?, ?) AND state = 'listed'
       ORDER BY family, length, w0, w1, w2, w3, state, kinds, list_id, id LIMIT ?`,
    )
    let from: Prefix | undefined
    let seen = 0
    for (;;) {
      const { family, length, w0, w1, w2, w3 } = from ?? noPrefix
      // A page begins with the rows of its first prefix that the one before showed already.
      const limit = pageRows + seen
      const rows = read.all(family, length, w0, w1, w2, w3, limit)
      const page = rows.slice(seen).map(entryOf)
      if (page.length > 0) yield page
      if (rows.length < limit) return
      const last = page.at(-1)?.prefix
      if (!last) return
      from = last
      seen = rows.filter((row) => isAt(row, last)).length
    }
  }

  /** Every exempt, then every excluded prefix. */
  exceptions(table: 'exemptions' | 'exclusions'): Prefix[] {
    return this.#database
      .prepare<[], PrefixRow>(
        `SELECT DISTINCT ${orderColumns} FROM ${table} ORDER BY ${orderColumns}`,
      )
      .all()
      .map(prefixOf)
  }

  close(): void {
    this.#database.close()
  }

  #listId(name: string): number | undefined {
    return this.#database
      .prepare<[string], number>('SELECT id FROM lists WHERE name = ?')
      .pluck()
      .get(name)
  }
}

const noPrefix = { family: 0, length: 0, w0: 0, w1: 0, w2: 0, w3: 0 }

function entryOf(row: RawEntry): ListEntry {
  const { kinds, reason, expiresAt } = row
  return { prefix: prefixOf(row), attributes: { kinds, reason, expiresAt } }
}

function isAt(row: PrefixRow, { family, w0, w1, w2, w3, length }: Prefix): boolean {
  const isSameAddress = row.w0 === w0 && row.w1 === w1 && row.w2 === w2 && row.w3 === w3
  return row.family === family && row.length === length && isSameAddress
}
