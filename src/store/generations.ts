// What a named list is about to become: its entries in address order, packed some thousand to a row, and the walk
// along the list's rows in listings that takes it there. Called by the files of blocklist that
// import lists, take them over and answer them.
import type { Database, Statement } from 'better-sqlite3'
import { contains, type Prefix } from '../ip/address.ts'
import {
  eachPacked,
  findPacked,
  firstPacked,
  packEntries,
  unpackEntries,
  type VisitEntry,
} from './packed-entries.ts'
import { type PrefixRow, prefixOf } from './prefix-columns.ts'

/** What an entry of a list has beside its prefix. */
export interface EntryAttributes {
  /** Mask: bit i is the i-th kind of bounce/evidence.ts. */
  readonly kinds: number
  readonly reason: string | null
  /** Epoch seconds; null: permanent. */
  readonly expiresAt: number | null
}

export interface ListEntry {
  readonly prefix: Prefix
  readonly attributes: EntryAttributes
}

/** A row of the list as it stands. */
export interface StandingEntry extends EntryAttributes {
  readonly id: number
  readonly prefix: Prefix
}

export interface Generation {
  readonly id: number
  readonly listId: number
  readonly list: string
  readonly state: 'loading' | 'taking over'
}

/** Entries of one row. */
export const chunkEntries = 4000

interface RawChunk {
  readonly entries: Uint8Array
  readonly attributes: string
}

type RawStanding = PrefixRow & Omit<StandingEntry, 'prefix'>

/** The columns that `before` and `after` compare: address order, an enclosing prefix before what is inside it. */
const orderColumns = 'family, w0, w1, w2, w3, length'
const current = `state IN ('listed', 'held', 'shadow')`

export class GenerationTable {
  readonly #all: Statement<[], Generation>
  readonly #listId: Statement<[string], number>
  readonly #addList: Statement<[string]>
  readonly #insert: Statement<[number, number]>
  readonly #insertChunk: Statement<[number, number, Uint8Array, string]>
  readonly #chunk: Statement<[number, number], RawChunk>
  readonly #chunks: Statement<[number], number>
  readonly #changeChunk: Statement<[Uint8Array, string, number, number]>
  readonly #ofList: Statement<[string], number>
  readonly #takeOver: Statement<[number]>
  readonly #leave: Statement<[number]>
  readonly #deleteChunks: Statement<[number, number]>
  readonly #delete: Statement<[number]>
  readonly #standing: Statement<number[], RawStanding>
  readonly #size: Statement<[string], number>

  constructor(database: Database) {
    this.#all = database.prepare(
      `SELECT generations.id, list_id AS listId, name AS list, state FROM generations
       JOIN lists ON lists.id = list_id ORDER BY generations.id`,
    )
    this.#listId = database.prepare<[string], number>('SELECT id FROM lists WHERE name = ?').pluck()
    this.#addList = database.prepare('INSERT INTO lists (name) VALUES (?)')
    this.#insert = database.prepare(
      `INSERT INTO generations (list_id, state, created_at) VALUES (?, 'loading', ?)`,
    )
    this.#insertChunk = database.prepare(
      'INSERT INTO generation_chunks (generation_id, number, entries, attributes) VALUES (?, ?, ?, ?)',
    )
    this.#chunk = database.prepare(
      'SELECT entries, attributes FROM generation_chunks WHERE generation_id = ? AND number = ?',
    )
    this.#chunks = database
      .prepare<[number], number>('SELECT count(*) FROM generation_chunks WHERE generation_id = ?')
      .pluck()
    this.#changeChunk = database.prepare(
      'UPDATE generation_chunks SET entries = ?, attributes = ? WHERE generation_id = ? AND number = ?',
    )
    this.#ofList = database
      .prepare<[string], number>(
        `SELECT id FROM generations WHERE state = 'taking over'
           AND list_id = (SELECT id FROM lists WHERE name = ?)`,
      )
      .pluck()
    this.#takeOver = database.prepare(
      `UPDATE generations SET state = 'taking over' WHERE id = ? AND state = 'loading'`,
    )
    this.#leave = database.prepare(
      `UPDATE generations SET state = 'loading' WHERE id = ? AND state = 'taking over'`,
    )
    this.#deleteChunks = database.prepare(
      `DELETE FROM generation_chunks WHERE rowid IN
         (SELECT rowid FROM generation_chunks WHERE generation_id = ? LIMIT ?)`,
    )
    this.#delete = database.prepare('DELETE FROM generations WHERE id = ?')
    this.#standing = database.prepare(
      `SELECT id, ${orderColumns}, kinds, reason, expires_at AS expiresAt
       FROM listings INDEXED BY listings_of_list
       WHERE list_id = ? AND (${orderColumns}) > (?, ?, ?, ?, ?, ?) AND ${current}
       ORDER BY ${orderColumns} LIMIT ?`,
    )
    this.#size = database
      .prepare<[string], number>(
        `SELECT count(*) FROM listings INDEXED BY listings_of_list
         WHERE list_id = (SELECT id FROM lists WHERE name = ?) AND ${current}`,
      )
      .pluck()
  }

  /** Every generation that has not been finished or forgotten. */
  all(): Generation[] {
    return this.#all.all()
  }

  /** Begins one for a list, which is made if there is none of the name. At most one for each list. */
  begin(list: string, createdAt: number): Generation {
    const listId = this.#listId.get(list) ?? Number(this.#addList.run(list).lastInsertRowid)
    const id = Number(this.#insert.run(listId, createdAt).lastInsertRowid)
    return { id, listId, list, state: 'loading' }
  }

  /** Keeps entries, which must come after those of lower numbers in address order. */
  putChunk(id: number, number: number, entries: readonly ListEntry[]): void {
    const { packed, attributes } = packEntries(entries)
    this.#insertChunk.run(id, number, packed, attributes)
  }

  /** The entries of one number, 0 upwards; undefined after the last. */
  chunk(id: number, number: number): ListEntry[] | undefined {
    const row = this.#chunk.get(id, number)
    return row && unpackEntries(row.entries, row.attributes)
  }

  /** Visits every entry, in address order. */
  each(id: number, visit: VisitEntry): void {
    for (let number = 0; ; number++) {
      const row = this.#chunk.get(id, number)
      if (!row) return
      eachPacked(row.entries, row.attributes, visit)
    }
  }

  /** What the generation has at exactly this prefix. Reads a dozen chunks for it. */
  find(id: number, prefix: Prefix): EntryAttributes | undefined {
    const row = this.#chunk.get(id, this.#chunkOf(id, prefix))
    return row && findPacked(row.entries, row.attributes, prefix)
  }

  /** Prefixes of entries at or inside this one. For small ranges. */
  inside(id: number, prefix: Prefix): Prefix[] {
    const found: Prefix[] = []
    for (let number = this.#chunkOf(id, prefix); ; number++) {
      const entries = this.chunk(id, number)
      if (!entries) return found
      for (const { prefix: each } of entries) {
        if (contains(prefix, each)) found.push(each)
        else if (comparePrefixes(each, prefix) > 0) return found
      }
    }
  }

  /** Takes an entry back that was ended by hand since the list has been taken over: it does not come with it again. */
  withdraw(list: string, prefix: Prefix): void {
    const id = this.#ofList.get(list)
    if (id === undefined) return
    const number = this.#chunkOf(id, prefix)
    const entries = this.chunk(id, number) ?? []
    const kept = entries.filter((entry) => comparePrefixes(entry.prefix, prefix) !== 0)
    if (kept.length === entries.length) return
    const { packed, attributes } = packEntries(kept)
    this.#changeChunk.run(packed, attributes, id, number)
  }

  /** From now on the list is what this generation says: a start that finds it finishes it. */
  takeOver(id: number): void {
    this.#takeOver.run(id)
  }

  /**
   * Deletes some of what was kept for it, and at last itself; false when there was more than `chunks`. Whatever it was
   * to its list, it is that no longer: a start that finds what is left goes on forgetting it.
   */
  forget(id: number, chunks: number): boolean {
    this.#leave.run(id)
    if (this.#deleteChunks.run(id, chunks).changes === chunks) return false
    this.#delete.run(id)
    return true
  }

  /** The number of the chunk that has the prefix, if one has. */
  #chunkOf(id: number, prefix: Prefix): number {
    let low = 0
    let high = this.#chunks.get(id) ?? 0
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      // One whose entries were all withdrawn is passed over.
      let number = middle
      let first = this.#firstOf(id, number)
      while (!first && ++number < high) first = this.#firstOf(id, number)
      if (first && comparePrefixes(first, prefix) <= 0) low = number
      else high = middle
    }
    return low
  }

  #firstOf(id: number, number: number): Prefix | undefined {
    const row = this.#chunk.get(id, number)
    return row && firstPacked(row.entries)
  }

  /** How many rows of the list hold. Counts them: 30 ms for a million. */
  size(list: string): number {
    return this.#size.get(list) ?? 0
  }

  /** Rows of the list that hold, in address order, after the given prefix. */
  standing(listId: number, after: Prefix | undefined, limit: number): StandingEntry[] {
    const from = after ?? { family: 0, w0: 0, w1: 0, w2: 0, w3: 0, length: 0 }
    return this.#standing
      .all(listId, from.family, from.w0, from.w1, from.w2, from.w3, from.length, limit)
      .map(({ id, kinds, reason, expiresAt, ...row }) => ({
        ...{ id, kinds, reason, expiresAt },
        prefix: prefixOf(row),
      }))
  }
}

/** Address order, an enclosing prefix before what is inside it: the order of listings_of_list. */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  return (
    a.family - b.family ||
    a.w0 - b.w0 ||
    a.w1 - b.w1 ||
    a.w2 - b.w2 ||
    a.w3 - b.w3 ||
    a.length - b.length
  )
}
