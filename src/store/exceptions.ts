// Two tables of the same form: exemptions (prefixes that are never listed) and exclusions (holes in covering listings). A
// prefix may have one row from the configuration and one by hand.
import type { Database, Statement } from 'better-sqlite3'
import { type Address, addressBits, type Family, networkOf, type Prefix } from '../ip/address.ts'
import {
  type ChangedPrefixes,
  type PrefixValues,
  prefixColumns,
  prefixOf,
  prefixValues,
} from './prefix-columns.ts'

/** Where a row comes from. A row from the configuration can be removed only there. */
export type Source = 'config' | 'manual'

export interface ExceptionRow {
  readonly id: number
  readonly prefix: Prefix
  readonly source: Source
  readonly note: string | null
  readonly createdAt: number
}

type RawException = Prefix & Omit<ExceptionRow, 'prefix'>

const columns = `id, ${prefixColumns}, source, note, created_at AS createdAt`

/** All rows, kept in memory. */
interface Known {
  /** The rows of each prefix, with that of the configuration first. Keys: see `keyOf`. Order of the keys: see `prefixes`. */
  readonly rows: Map<string, ExceptionRow[]>
  /** Prefix lengths that have rows, longest first. */
  readonly lengths: Record<Family, number[]>
}

export class ExceptionTable {
  readonly #changed: ChangedPrefixes
  readonly #all: Statement<[], RawException>
  readonly #insert: Statement<[...PrefixValues, string, string | null, number]>
  readonly #setNote: Statement<[string | null, number]>
  readonly #delete: Statement<[number]>
  /** All rows; undefined if they must be read from the table. They are few and seldom change, since people write them. */
  #known: Known | undefined

  constructor(database: Database, table: 'exemptions' | 'exclusions', changed: ChangedPrefixes) {
    this.#changed = changed
    this.#all = database.prepare(
      `SELECT ${columns} FROM ${table} ORDER BY ${prefixColumns}, source`,
    )
    this.#insert = database.prepare(
      `INSERT INTO ${table} (${prefixColumns}, source, note, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.#setNote = database.prepare(`UPDATE ${table} SET note = ? WHERE id = ?`)
    this.#delete = database.prepare(`DELETE FROM ${table} WHERE id = ?`)
  }

  /** Forgets the rows in memory. Call it after a rollback. */
  reread(): void {
    this.#known = undefined
  }

  byId(id: number): ExceptionRow | undefined {
    return this.#rows().find((row) => row.id === id)
  }

  /** The rows of exactly this prefix, with that of the configuration first. */
  at(prefix: Prefix): readonly ExceptionRow[] {
    return this.#read().rows.get(keyOf(prefix)) ?? []
  }

  has(prefix: Prefix): boolean {
    return this.at(prefix).length > 0
  }

  /** A row of the longest prefix that contains the address or prefix; it may be the prefix itself. */
  covering(inner: Address | Prefix): ExceptionRow | undefined {
    const longest = 'length' in inner ? inner.length : addressBits(inner.family)
    for (const length of this.#read().lengths[inner.family]) {
      const [row] = length <= longest ? this.at(networkOf(inner, length)) : []
      if (row) return row
    }
    return undefined
  }

  insert(row: Omit<ExceptionRow, 'id'>): ExceptionRow {
    const { prefix, source, note, createdAt } = row
    this.#changed.note(prefix)
    this.reread()
    const { lastInsertRowid } = this.#insert.run(...prefixValues(prefix), source, note, createdAt)
    return { ...row, id: Number(lastInsertRowid) }
  }

  setNote(id: number, note: string | null): void {
    this.reread()
    this.#setNote.run(note, id)
  }

  delete({ id, prefix }: Pick<ExceptionRow, 'id' | 'prefix'>): void {
    this.#changed.note(prefix)
    this.reread()
    this.#delete.run(id)
  }

  bySource(source: Source): ExceptionRow[] {
    return this.#rows().filter((row) => row.source === source)
  }

  /** Rows with an id below `before`, newest first. */
  page(limit: number, before = Number.MAX_SAFE_INTEGER): ExceptionRow[] {
    const rows = this.#rows().filter(({ id }) => id < before)
    return rows.sort((a, b) => b.id - a.id).slice(0, limit)
  }

  /** Each prefix that has a row, once. Shorter prefixes come first, then address order. */
  prefixes(): Prefix[] {
    return [...this.#read().rows.values()].flatMap(([row]) => row?.prefix ?? [])
  }

  #rows(): ExceptionRow[] {
    return [...this.#read().rows.values()].flat()
  }

  #read(): Known {
    if (this.#known) return this.#known
    const rows = new Map<string, ExceptionRow[]>()
    const lengths: Known['lengths'] = { 4: [], 6: [] }
    for (const raw of this.#all.all()) {
      const row = exceptionOf(raw)
      const key = keyOf(row.prefix)
      const others = rows.get(key)
      if (others) others.push(row)
      else rows.set(key, [row])
      const { family, length } = row.prefix
      if (lengths[family][0] !== length) lengths[family].unshift(length)
    }
    this.#known = { rows, lengths }
    return this.#known
  }
}

function keyOf({ family, length, w0, w1, w2, w3 }: Prefix): string {
  return family === 4 ? `${w0}/${length}` : `${w0} ${w1} ${w2} ${w3}/${length}`
}

function exceptionOf(row: RawException): ExceptionRow {
  const { id, source, note, createdAt } = row
  return { id, prefix: prefixOf(row), source, note, createdAt }
}
