// Two tables of one shape: exemptions (never listed) and exclusions (holes in a covering listing). A prefix may have a row
// from the configuration and one by hand.
import type { Database, Statement } from 'better-sqlite3'
import { type Address, addressBits, type Family, networkOf, type Prefix } from '../ip/address.ts'
import {
  type ChangedPrefixes,
  isPrefix,
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

export class ExceptionTable {
  readonly #changed: ChangedPrefixes
  readonly #byId: Statement<[number], RawException>
  readonly #at: Statement<PrefixValues, RawException>
  readonly #has: Statement<PrefixValues, number>
  readonly #insert: Statement<[...PrefixValues, string, string | null, number]>
  readonly #setNote: Statement<[string | null, number]>
  readonly #delete: Statement<[number]>
  readonly #bySource: Statement<[string], RawException>
  readonly #page: Statement<[number, number], RawException>
  readonly #prefixes: Statement<[], PrefixRow>
  /**
   * The prefixes that have rows, as words, by family and by length with the longest first. It is read once and then only
   * added to. So it may hold prefixes without a row, but it lacks none that has one.
   */
  #known: Record<Family, Map<number, Set<string | number>>> | undefined

  constructor(database: Database, table: 'exemptions' | 'exclusions', changed: ChangedPrefixes) {
    this.#changed = changed
    this.#byId = database.prepare(`SELECT ${columns} FROM ${table} WHERE id = ?`)
    this.#at = database.prepare(`SELECT ${columns} FROM ${table} WHERE ${isPrefix}`)
    this.#has = database
      .prepare<PrefixValues, number>(`SELECT 1 FROM ${table} WHERE ${isPrefix}`)
      .pluck()
    this.#insert = database.prepare(
      `INSERT INTO ${table} (${prefixColumns}, source, note, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.#setNote = database.prepare(`UPDATE ${table} SET note = ? WHERE id = ?`)
    this.#delete = database.prepare(`DELETE FROM ${table} WHERE id = ?`)
    this.#bySource = database.prepare(`SELECT ${columns} FROM ${table} WHERE source = ?`)
    this.#page = database.prepare(
      `SELECT ${columns} FROM ${table} WHERE id < ? ORDER BY id DESC LIMIT ?`,
    )
    this.#prefixes = database.prepare(
      `SELECT DISTINCT ${prefixColumns} FROM ${table} ORDER BY ${prefixColumns}`,
    )
  }

  byId(id: number): ExceptionRow | undefined {
    const row = this.#byId.get(id)
    return row && exceptionOf(row)
  }

  /** The rows of exactly this prefix, that of the configuration first. */
  at(prefix: Prefix): ExceptionRow[] {
    const rows = this.#at.all(...prefixValues(prefix)).map(exceptionOf)
    return rows.sort((a, b) => (a.source < b.source ? -1 : 1))
  }

  has(prefix: Prefix): boolean {
    const known = this.#knownPrefixes()[prefix.family].get(prefix.length)
    if (!known?.has(wordsOf(prefix))) return false
    return this.#has.get(...prefixValues(prefix)) !== undefined
  }

  /** A row of the longest prefix around the address or prefix, itself included. */
  covering(inner: Address | Prefix): ExceptionRow | undefined {
    const longest = 'length' in inner ? inner.length : addressBits(inner.family)
    for (const [length, known] of this.#knownPrefixes()[inner.family]) {
      if (length > longest) continue
      const network = networkOf(inner, length)
      const row = known.has(wordsOf(network)) && this.#at.get(...prefixValues(network))
      if (row) return exceptionOf(row)
    }
    return undefined
  }

  insert(row: Omit<ExceptionRow, 'id'>): ExceptionRow {
    this.#know(this.#knownPrefixes(), row.prefix)
    this.#changed.note(row.prefix)
    const values = prefixValues(row.prefix)
    const { lastInsertRowid } = this.#insert.run(...values, row.source, row.note, row.createdAt)
    return { ...row, id: Number(lastInsertRowid) }
  }

  setNote(id: number, note: string | null): void {
    this.#setNote.run(note, id)
  }

  delete({ id, prefix }: Pick<ExceptionRow, 'id' | 'prefix'>): void {
    this.#changed.note(prefix)
    this.#delete.run(id)
  }

  bySource(source: Source): ExceptionRow[] {
    return this.#bySource.all(source).map(exceptionOf)
  }

  /** Newest first; ids under `before`. */
  page(limit: number, before?: number): ExceptionRow[] {
    return this.#page.all(before ?? Number.MAX_SAFE_INTEGER, limit).map(exceptionOf)
  }

  /** Each prefix that has a row, once. */
  *prefixes(): Generator<Prefix> {
    for (const row of this.#prefixes.iterate()) yield prefixOf(row)
  }

  #knownPrefixes(): Record<Family, Map<number, Set<string | number>>> {
    if (this.#known === undefined) {
      const known = { 4: new Map(), 6: new Map() }
      for (const prefix of this.prefixes()) this.#know(known, prefix)
      this.#known = known
    }
    return this.#known
  }

  #know(known: Record<Family, Map<number, Set<string | number>>>, prefix: Prefix): void {
    const { family, length } = prefix
    const ofLength = known[family].get(length)
    if (ofLength) {
      ofLength.add(wordsOf(prefix))
      return
    }
    const byLength = [...known[family], [length, new Set([wordsOf(prefix)])] as const]
    known[family] = new Map(byLength.sort(([a], [b]) => b - a))
  }
}

/** The words of a prefix as a key, among prefixes of its family and length. */
function wordsOf({ family, w0, w1, w2, w3 }: Prefix): string | number {
  return family === 4 ? w0 : `${w0} ${w1} ${w2} ${w3}`
}

function exceptionOf(row: RawException): ExceptionRow {
  const { id, source, note, createdAt } = row
  return { id, prefix: prefixOf(row), source, note, createdAt }
}
