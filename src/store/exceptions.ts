// Two tables of one shape: exemptions (never listed) and exclusions (holes in a covering listing). A prefix may have a row
// from the configuration and one by hand.
import type { Database, Statement } from 'better-sqlite3'
import { type Address, addressBits, type Family, networkOf, type Prefix } from '../ip/address.ts'
import {
  type ChangedPrefixes,
  type PrefixRow,
  type PrefixValues,
  prefixColumns,
  prefixOf,
  prefixValues,
} from './prefix-columns.ts'

/** Who set it. What the configuration set, it alone can take back. */
export type Source = 'config' | 'manual'

export interface ExceptionRow {
  readonly id: number
  readonly prefix: Prefix
  readonly source: Source
  readonly note: string | null
  readonly createdAt: number
}

type RawException = PrefixRow & Omit<ExceptionRow, 'prefix'>

const columns = `id, ${prefixColumns}, source, note, created_at AS createdAt`

/** All rows, read once. */
interface Known {
  /** By prefix, as `keyOf` writes it, in address order of each length; of one prefix the row of the configuration first. */
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
  /** undefined: to be read again. People write these rows, so they are few, and seldom change. */
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

  /** Call it after a rollback. */
  reread(): void {
    this.#known = undefined
  }

  byId(id: number): ExceptionRow | undefined {
    return this.#rows().find((row) => row.id === id)
  }

  /** The rows of exactly this prefix, that of the configuration first. */
  at(prefix: Prefix): readonly ExceptionRow[] {
    return this.#read().rows.get(keyOf(prefix)) ?? []
  }

  has(prefix: Prefix): boolean {
    return this.at(prefix).length > 0
  }

  /** A row of the longest prefix around the address or prefix, itself included. */
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

  /** Newest first; ids under `before`. */
  page(limit: number, before = Number.MAX_SAFE_INTEGER): ExceptionRow[] {
    const rows = this.#rows().filter(({ id }) => id < before)
    return rows.sort((a, b) => b.id - a.id).slice(0, limit)
  }

  /** Each prefix that has a row, once; shorter ones first, in address order. */
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
