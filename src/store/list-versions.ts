// The tables of named lists. A list is its current version; a version is entries, packed in rows (chunks) that one seek finds.
// Versions are written once and never changed, except for the time at which the next entry of a chunk is over.
import type { Database, Statement } from 'better-sqlite3'
import {
  type Address,
  addressBits,
  contains,
  type Family,
  networkOf,
  type Prefix,
} from '../ip/address.ts'
import {
  commonBits,
  type ListEntry,
  PackedEntries,
  packEntries,
  prefixKey,
} from './packed-entries.ts'
import type { ChangedPrefixes, Visit } from './prefix-columns.ts'

export interface NamedList {
  readonly id: number
  readonly name: string
  /** What the list is; null: never imported. */
  readonly version: number | null
  /** The version that DNS answers. It differs from `version` while DNS follows an import. */
  readonly applied: number | null
}

/** Whether the time of an entry is over. */
export function isOver({ attributes: { expiresAt } }: ListEntry, now: number): boolean {
  return expiresAt !== null && expiresAt <= now
}

type EntryType = 'ipv4' | 'ipv6'

interface RawChunk {
  readonly first: Uint8Array
  readonly entries: Uint8Array
  readonly labels: string
}

interface DueChunk extends Omit<RawChunk, 'first'> {
  readonly id: number
  readonly type: EntryType
  readonly nextExpiry: number
}

const families: readonly Family[] = [4, 6]

export class ListTable {
  readonly #changed: ChangedPrefixes
  readonly #all: Statement<[], NamedList>
  readonly #add: Statement<[string]>
  readonly #addVersion: Statement<[number, number]>
  readonly #addChunk: Statement<[number, EntryType, Uint8Array, number | null, Uint8Array, string]>
  readonly #grow: Statement<[number, string, number]>
  readonly #lengthsOf: Statement<[number], string>
  readonly #setVersion: Statement<[number | null, number | null, number]>
  readonly #unused: Statement<[], number>
  readonly #deleteChunks: Statement<[number, number]>
  readonly #deleteVersion: Statement<[number]>
  readonly #chunkUpTo: Statement<[number, EntryType, Uint8Array], RawChunk>
  readonly #chunkAfter: Statement<[number, EntryType, Uint8Array], RawChunk>
  readonly #due: Statement<[number, number], DueChunk>
  readonly #setExpiry: Statement<[number | null, number]>
  /** All lists; undefined: to be read again. */
  #lists: readonly NamedList[] | undefined
  /** The chunk that was read last, by version and family: the next entry asked for is mostly near. */
  readonly #near = new Map<string, PackedEntries>()

  constructor(database: Database, changed: ChangedPrefixes) {
    this.#changed = changed
    this.#all = database.prepare('SELECT id, name, version, applied FROM lists ORDER BY name')
    this.#add = database.prepare('INSERT INTO lists (name) VALUES (?)')
    this.#addVersion = database.prepare(
      `INSERT INTO list_versions (list_id, created_at, entries, lengths) VALUES (?, ?, 0, '{}')`,
    )
    this.#addChunk = database.prepare(
      `INSERT INTO list_chunks (version_id, entry_type, first, next_expiry, entries, labels)
       VALUES (?, ?, ?, ?, ?, ?)`,
    )
    this.#grow = database.prepare(
      'UPDATE list_versions SET entries = entries + ?, lengths = ? WHERE id = ?',
    )
    this.#lengthsOf = database
      .prepare<[number], string>('SELECT lengths FROM list_versions WHERE id = ?')
      .pluck()
    this.#setVersion = database.prepare('UPDATE lists SET version = ?, applied = ? WHERE id = ?')
    this.#unused = database
      .prepare<[], number>(
        `SELECT id FROM list_versions
         WHERE id NOT IN (SELECT version FROM lists WHERE version IS NOT NULL) ORDER BY id`,
      )
      .pluck()
    this.#deleteChunks = database.prepare(
      `DELETE FROM list_chunks WHERE id IN
         (SELECT id FROM list_chunks WHERE version_id = ? LIMIT ?)`,
    )
    this.#deleteVersion = database.prepare('DELETE FROM list_versions WHERE id = ?')
    const chunk = (order: string) =>
      database.prepare<[number, EntryType, Uint8Array], RawChunk>(
        `SELECT first, entries, labels FROM list_chunks
         WHERE version_id = ? AND entry_type = ? AND first ${order} LIMIT 1`,
      )
    this.#chunkUpTo = chunk('<= ? ORDER BY first DESC')
    this.#chunkAfter = chunk('> ? ORDER BY first')
    this.#due = database.prepare(
      `SELECT id, entry_type AS type, next_expiry AS nextExpiry, entries, labels FROM list_chunks
       WHERE version_id = ? AND next_expiry <= ? ORDER BY next_expiry LIMIT 1`,
    )
    this.#setExpiry = database.prepare('UPDATE list_chunks SET next_expiry = ? WHERE id = ?')
  }

  /** Every list, by name. */
  all(): readonly NamedList[] {
    this.#lists ??= this.#all.all()
    return this.#lists
  }

  named(name: string): NamedList | undefined {
    return this.all().find((list) => list.name === name)
  }

  /** The list of that name; makes it if there is none. */
  begin(name: string): NamedList {
    const known = this.named(name)
    if (known) return known
    const id = Number(this.#add.run(name).lastInsertRowid)
    this.reread()
    return { id, name, version: null, applied: null }
  }

  /** Adds a version without entries, which the list is not yet. Says its id. */
  addVersion(listId: number, createdAt: number): number {
    return Number(this.#addVersion.run(listId, createdAt).lastInsertRowid)
  }

  /** Adds a chunk of one family to a version that is being written. Its entries come after all it has of that family. */
  putChunk(version: number, entries: readonly ListEntry[]): void {
    const [first] = entries
    if (!first) return
    const { family } = first.prefix
    const { octets, labels } = packEntries(entries)
    // From 0, so that entries which are over already count: `expireSome` has not noted them.
    const next = new PackedEntries(family, octets, labels).nextExpiry(0)
    this.#addChunk.run(version, typeOf(family), prefixKey(first.prefix), next, octets, labels)
    const known = this.#lengths(version)
    const lengths = new Set([
      ...(known[family] ?? []),
      ...entries.map((each) => each.prefix.length),
    ])
    const all = { ...known, [family]: [...lengths].sort((a, b) => a - b) }
    this.#grow.run(entries.length, JSON.stringify(all), version)
  }

  /** From now on the list is that version; `applied`: the one that DNS answers. */
  setVersion(listId: number, version: number | null, applied: number | null): void {
    this.#setVersion.run(version, applied, listId)
    this.reread()
  }

  /** Call it after a rollback: SQLite gives the id of a version that is gone to the next one. */
  reread(): void {
    this.#lists = undefined
    this.#near.clear()
  }

  /** The prefix lengths that entries of the version have, shortest first. */
  lengths(version: number | null, family: Family): readonly number[] {
    return version === null ? [] : (this.#lengths(version)[family] ?? [])
  }

  /** Versions that no list is. At a start these are left over from imports. */
  unused(): number[] {
    return this.#unused.all()
  }

  /** Deletes at most so many chunks of a version, and when none is left the version. False: some are left. */
  deleteSome(version: number, chunks: number): boolean {
    for (const family of families) this.#near.delete(`${version} ${family}`)
    if (this.#deleteChunks.run(version, chunks).changes === chunks) return false
    this.#deleteVersion.run(version)
    return true
  }

  /** The version's entry for exactly this prefix, over or not. */
  find(version: number | null, prefix: Prefix): ListEntry | undefined {
    if (version === null) return undefined
    const chunk = this.#chunkOf(version, prefix)
    const index = chunk ? chunk.indexOf(prefix) : -1
    return chunk && index >= 0 ? chunk.entryAt(index) : undefined
  }

  /** The version's entries that hold the address or prefix, longest first, itself included. */
  *covering(version: number | null, inner: Address | Prefix): Generator<ListEntry> {
    if (version === null) return
    let length = 'length' in inner ? inner.length : addressBits(inner.family)
    while (length >= 0) {
      const last = networkOf(inner, length)
      const chunk = this.#chunkOf(version, last)
      const index = chunk ? chunk.lastUpTo(last) : -1
      if (!chunk || index < 0) return
      // What holds the address comes no later than this entry, and is at most as long as their common bits.
      const prefix = chunk.prefixAt(index)
      if (contains(prefix, inner)) {
        yield chunk.entryAt(index)
        length = prefix.length - 1
      } else length = Math.min(commonBits(prefix, inner), length - 1)
    }
  }

  /** The version's chunks of one family from a prefix on, in order. `start`: the first entry in the chunk at or behind it. */
  *chunksFrom(
    version: number | null,
    from: Prefix,
  ): Generator<{ readonly chunk: PackedEntries; readonly start: number }> {
    if (version === null) return
    const type = typeOf(from.family)
    let raw = this.#chunkUpTo.get(version, type, prefixKey(from))
    if (raw) {
      const chunk = unpacked(from.family, raw)
      const exact = chunk.indexOf(from)
      const start = exact >= 0 ? exact : chunk.lastUpTo(from) + 1
      if (start < chunk.count) yield { chunk, start }
    }
    for (;;) {
      raw = this.#chunkAfter.get(version, type, raw?.first ?? new Uint8Array(0))
      if (!raw) return
      yield { chunk: unpacked(from.family, raw), start: 0 }
    }
  }

  /** All entries of the version in order, IPv4 first. */
  *entries(version: number | null): Generator<ListEntry> {
    for (const family of families) {
      for (const { chunk } of this.chunksFrom(version, first(family))) {
        for (let index = 0; index < chunk.count; index++) yield chunk.entryAt(index)
      }
    }
  }

  /** Visits every entry that is neither hidden nor over, in order, as numbers: there may be ten million. */
  eachListed(
    version: number,
    isHidden: ((prefix: Prefix) => boolean) | undefined,
    now: number,
    visit: Visit,
  ): void {
    for (const family of families) {
      for (const { chunk } of this.chunksFrom(version, first(family))) {
        chunk.eachListed(now, isHidden, visit)
      }
    }
  }

  /** The version's entries at or inside the prefix. */
  *inside(version: number | null, prefix: Prefix): Generator<ListEntry> {
    for (const { chunk, start } of this.chunksFrom(version, prefix)) {
      for (let index = start; index < chunk.count; index++) {
        if (!contains(prefix, chunk.prefixAt(index))) return
        yield chunk.entryAt(index)
      }
    }
  }

  /** Whether `expireSome` would note something. */
  isDue(now: number): boolean {
    return this.all().some(({ version }) => version !== null && this.#due.get(version, now))
  }

  /**
   * Notes as changed the prefixes of entries in one chunk that are over since the last call, and stores when its next
   * entry will be over. Says how many; 0: none is left. The entries stay as they are.
   */
  expireSome(now: number): number {
    // While DNS follows an import, it answers some entries of the old version.
    const versions = new Set(this.all().flatMap(({ version, applied }) => [version, applied]))
    for (const version of versions) {
      const due = version === null ? undefined : this.#due.get(version, now)
      if (!due) continue
      const { id, type, nextExpiry, entries, labels } = due
      const chunk = new PackedEntries(type === 'ipv4' ? 4 : 6, entries, labels)
      let count = 0
      for (let index = 0; index < chunk.count; index++) {
        const expiresAt = chunk.expiryAt(index)
        if (expiresAt === null || expiresAt < nextExpiry || expiresAt > now) continue
        this.#changed.note(chunk.prefixAt(index))
        count += 1
      }
      this.#setExpiry.run(chunk.nextExpiry(now), id)
      return count
    }
    return 0
  }

  #lengths(version: number): Partial<Record<Family, readonly number[]>> {
    return JSON.parse(this.#lengthsOf.get(version) ?? '{}')
  }

  #chunkOf(version: number, prefix: Prefix): PackedEntries | undefined {
    const key = `${version} ${prefix.family}`
    const near = this.#near.get(key)
    if (near?.spans(prefix)) return near
    const raw = this.#chunkUpTo.get(version, typeOf(prefix.family), prefixKey(prefix))
    if (!raw) return undefined
    const chunk = unpacked(prefix.family, raw)
    this.#near.set(key, chunk)
    return chunk
  }
}

/** The first prefix in order. */
function first(family: Family): Prefix {
  return { family, w0: 0, w1: 0, w2: 0, w3: 0, length: 0 }
}

function typeOf(family: Family): EntryType {
  return family === 4 ? 'ipv4' : 'ipv6'
}

function unpacked(family: Family, { entries, labels }: RawChunk): PackedEntries {
  return new PackedEntries(family, entries, labels)
}
