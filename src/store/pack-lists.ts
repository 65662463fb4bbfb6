// Part of migration 7. Before it, entries of named lists were rows of listings, and an import wrote a "generation" of a list.
// This packs them into list versions. A list that was being replaced by its generation becomes that generation. A generation
// that was still being loaded is dropped.
import type { Database, Statement } from 'better-sqlite3'
import type { Family, Prefix } from '../ip/address.ts'
import {
  chunkEntries,
  comparePrefixes,
  type EntryAttributes,
  type ListEntry,
  PackedEntries,
  packEntries,
  prefixKey,
} from './packed-entries.ts'

interface OldList {
  readonly id: number
  /** 1 if the list has a row, present or past; else 0. */
  readonly hasRows: number
  /** The state of an unfinished import, if there is one. 'taking over': the list is its generation, and no longer its rows. */
  readonly state: 'loading' | 'taking over' | null
  readonly generation: number
  readonly begunAt: number
}

type RawRow = [
  ...[w0: number, w1: number, w2: number, w3: number, length: number, kinds: number],
  ...[reason: string | null, expiresAt: number | null, createdAt: number],
]

interface GenerationChunk {
  readonly entries: Uint8Array
  readonly attributes: string
}

type InsertChunk = Statement<
  [number, 'ipv4' | 'ipv6', Uint8Array, number | null, Uint8Array, string]
>

const current = `state IN ('listed', 'held', 'shadow')`
/** One SELECT reads at most this many rows. Nothing is written until it has ended, since an open one would block the write. */
const pageRows = 5000

/**
 * Runs inside the migration's transaction, after its SQL. Rows that have ended stay as history. If a list was being replaced,
 * its `applied` becomes NULL, since DNS answered a mixture. A list that was never fully imported gets no version.
 */
export function packLists(database: Database): void {
  const lists = database
    .prepare<[], OldList>(
      `SELECT lists.id, generations.id AS generation, state, generations.created_at AS begunAt,
         EXISTS (SELECT 1 FROM listings WHERE list_id = lists.id) AS hasRows
       FROM lists LEFT JOIN generations ON list_id = lists.id ORDER BY lists.id`,
    )
    .all()
  for (const list of lists) {
    const isUnborn = list.state === 'loading' && !list.hasRows
    if (!isUnborn) packList(database, list)
  }
  // Dropping these indexes and building them again is faster than removing each deleted row from them. The column is added
  // after the deletion, since SQLite checks every row of a strict table when it adds a column.
  database.exec(`
    DROP INDEX listings_of_list;
    DROP INDEX listings_prefix;
    DROP INDEX listings_list;
    DROP INDEX listings_expiry;
    DELETE FROM listings WHERE list_id IS NOT NULL AND ${current};
    DROP TABLE generation_chunks;
    DROP TABLE generations;
    -- Of an entry that was removed by hand: the version in which it is hidden. The row is its history.
    ALTER TABLE listings ADD COLUMN version_id INTEGER;
    CREATE INDEX listings_hidden ON listings (version_id) WHERE version_id IS NOT NULL;
    CREATE INDEX listings_prefix ON listings (family, length, w0, w1, w2, w3, state, kinds, version_id);
    CREATE INDEX listings_list ON listings (list_id) WHERE list_id IS NOT NULL;
    CREATE INDEX listings_expiry ON listings (expires_at) WHERE expires_at IS NOT NULL AND ${current};
  `)
}

function packList(database: Database, { id, state, generation, begunAt }: OldList): void {
  const isReplaced = state === 'taking over'
  const version = database
    .prepare<[number, number | null], number>(
      `INSERT INTO list_versions (list_id, created_at, entries, lengths)
       VALUES (?, coalesce(?, unixepoch()), 0, '{}') RETURNING id`,
    )
    .pluck()
    .get(id, isReplaced ? begunAt : null)
  if (version === undefined) throw new Error('SQLite does not say which row it made')
  const rows = entriesOfRows(database, id)
  const entries = isReplaced ? aged(entriesOfGeneration(database, generation, begunAt), rows) : rows
  const insert: InsertChunk = database.prepare(
    `INSERT INTO list_chunks (version_id, entry_type, first, next_expiry, entries, labels)
     VALUES (?, ?, ?, ?, ?, ?)`,
  )
  let count = 0
  const lengths = { 4: new Set<number>(), 6: new Set<number>() }
  let chunk: ListEntry[] = []
  for (const entry of entries) {
    const isOther = chunk[0] && chunk[0].prefix.family !== entry.prefix.family
    if (isOther || chunk.length === chunkEntries) {
      putChunk(insert, version, chunk)
      chunk = []
    }
    chunk.push(entry)
    count += 1
    lengths[entry.prefix.family].add(entry.prefix.length)
  }
  putChunk(insert, version, chunk)
  const sorted = (found: Set<number>) => [...found].sort((a, b) => a - b)
  database
    .prepare('UPDATE list_versions SET entries = ?, lengths = ? WHERE id = ?')
    .run(count, JSON.stringify({ 4: sorted(lengths[4]), 6: sorted(lengths[6]) }), version)
  database
    .prepare('UPDATE lists SET version = ?, applied = ? WHERE id = ?')
    .run(version, isReplaced ? null : version, id)
}

function putChunk(insert: InsertChunk, version: number, chunk: readonly ListEntry[]): void {
  const [first] = chunk
  if (!first) return
  const { family } = first.prefix
  const { octets, labels } = packEntries(chunk)
  // Expired entries count too: DNS may still answer some of them, since their rows had not been ended.
  const next = new PackedEntries(family, octets, labels).nextExpiry(Number.NEGATIVE_INFINITY)
  const type = family === 4 ? 'ipv4' : 'ipv6'
  insert.run(version, type, prefixKey(first.prefix), next, octets, labels)
}

/** The entries that are present rows of the list, in order. */
function* entriesOfRows(database: Database, listId: number): Generator<ListEntry> {
  const order = 'w0, w1, w2, w3, length'
  const read: Statement<number[], RawRow> = database
    .prepare<number[], RawRow>(
      `SELECT ${order}, kinds, reason, expires_at, created_at
       FROM listings INDEXED BY listings_of_list
       WHERE list_id = ? AND family = ? AND (${order}) > (?, ?, ?, ?, ?) AND ${current}
       ORDER BY ${order} LIMIT ${pageRows}`,
    )
    .raw()
  for (const family of [4, 6] as const) {
    let after = { w0: 0, w1: 0, w2: 0, w3: 0, length: -1 }
    let page: RawRow[]
    do {
      page = read.all(listId, family, after.w0, after.w1, after.w2, after.w3, after.length)
      for (const [w0, w1, w2, w3, length, kinds, reason, expiresAt, listedAt] of page) {
        const prefix = { family, w0, w1, w2, w3, length }
        yield { prefix, attributes: { kinds, reason, expiresAt }, listedAt }
        after = prefix
      }
    } while (page.length === pageRows)
  }
}

/**
 * The entries of a generation, in order. Each is stored as family and length (an octet each), the index of its attributes in
 * the chunk (16 bits), and its address: a word of 32 bits for IPv4, four for IPv6.
 */
function* entriesOfGeneration(
  database: Database,
  generation: number,
  listedAt: number,
): Generator<ListEntry> {
  const read = database.prepare<[number, number], GenerationChunk>(
    'SELECT entries, attributes FROM generation_chunks WHERE generation_id = ? AND number = ?',
  )
  for (let number = 0; ; number++) {
    const chunk = read.get(generation, number)
    if (!chunk) return
    const { buffer, byteOffset, byteLength } = chunk.entries
    const view = new DataView(buffer, byteOffset, byteLength)
    const known = JSON.parse(chunk.attributes) as EntryAttributes[]
    for (let at = 0; at < byteLength; ) {
      const family: Family = view.getUint8(at) === 4 ? 4 : 6
      const length = view.getUint8(at + 1)
      const attributes = known[view.getUint16(at + 2)]
      if (!attributes) throw new Error('a generation names attributes that it does not have')
      const word = (index: number) => view.getUint32(at + 4 + 4 * index)
      const prefix: Prefix =
        family === 4
          ? { family, w0: word(0), w1: 0, w2: 0, w3: 0, length }
          : { family, w0: word(0), w1: word(1), w2: word(2), w3: word(3), length }
      yield { prefix, attributes, listedAt }
      at += family === 4 ? 8 : 20
    }
  }
}

/** The entries with `listedAt` taken from the row of the same prefix, if there is one. Both inputs must be in order. */
function* aged(entries: Iterable<ListEntry>, rows: Iterator<ListEntry>): Generator<ListEntry> {
  let row = rows.next()
  for (const entry of entries) {
    while (!row.done && comparePrefixes(row.value.prefix, entry.prefix) < 0) row = rows.next()
    const isThere = !row.done && comparePrefixes(row.value.prefix, entry.prefix) === 0
    yield isThere ? { ...entry, listedAt: row.value.listedAt } : entry
  }
}
