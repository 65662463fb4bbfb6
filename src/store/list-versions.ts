// The tables of named lists. A list has a current version. The entries of a version are packed into rows (chunks). A version
// is written once and never changed, except for the time at which the next entry of a chunk expires.
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
  /** The current version; null if the list was never imported. */
  readonly version: number | null
  /** The version that DNS answers. It differs from `version` while an import is being published. */
  readonly applied: number | null
}

/** A list with what is known of its current version. */
export interface NamedListSummary {
  readonly name: string
  /** Also expired ones. */
  readonly entries: number
  /** Null if the list was never imported. */
  readonly importedAt: number | null
  /** Whether DNS answers the current version. */
  readonly isPublished: boolean
}

/** Whether an entry has expired. */
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
  readonly #summaries: Statement<[], NamedList & Omit<NamedListSummary, 'isPublished'>>
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
  /** All lists; undefined if they must be read from the table. */
  #lists: readonly NamedList[] | undefined
  /** The chunk that was read last, by version and family. The next look-up often needs the same chunk. */
  readonly #near = new Map<string, PackedEntries>()

  constructor(database: Database, changed: ChangedPrefixes) {
    this.#changed = changed
    this.#all = database.prepare('SELECT id, name, version, applied FROM lists ORDER BY name')
    this.#summaries = database.prepare(
      `SELECT lists.id, name, version, applied, coalesce(entries, 0) AS entries, created_at AS importedAt
       FROM lists LEFT JOIN list_versions ON list_versions.id = version ORDER BY name`,
    )
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

  /** All lists, sorted by name. */
  all(): readonly NamedList[] {
    this.#lists ??= this.#all.all()
    return this.#lists
  }

  summaries(): NamedListSummary[] {
    return this.#summaries.all().map(({ name, entries, importedAt, version, applied }) => ({
      name,
      entries,
      importedAt,
      isPublished: version === applied,
    }))
  }

  named(name: string): NamedList | undefined {
    return this.all().find((list) => list.name === name)
  }

  /** Returns the list of this name, and creates it if there is none. */
  begin(name: string): NamedList {
    const known = this.named(name)
    if (known) return known
    const id = Number(this.#add.run(name).lastInsertRowid)
    this.reread()
    return { id, name, version: null, applied: null }
  }

  /** Adds an empty version, which is not yet the list's current one. Returns its id. */
  addVersion(listId: number, createdAt: number): number {
    return Number(this.#addVersion.run(listId, createdAt).lastInsertRowid)
  }

  /** Adds a chunk of one family to a version. Its entries must come after those that the version has of that family. */
  putChunk(version: number, entries: readonly ListEntry[]): void {
    const [first] = entries
    if (!first) return
    const { family } = first.prefix
    const { octets, labels } = packEntries(entries)
    // Start at 0, so that expired entries count too: `expireSome` has not handled them yet.
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

  /** Sets the current version of a list. `applied`: the version that DNS answers. */
  setVersion(listId: number, version: number | null, applied: number | null): void {
    this.#setVersion.run(version, applied, listId)
    this.reread()
  }

  /** Forgets what is in memory. Call it after a rollback, since SQLite may give the id of an undone version to a new one. */
  reread(): void {
    this.#lists = undefined
    this.#near.clear()
  }

  /** The prefix lengths of the version's entries, shortest first. */
  lengths(version: number | null, family: Family): readonly number[] {
    return version === null ? [] : (this.#lengths(version)[family] ?? [])
  }

  /** Versions that are not the current one of any list. At a start these are left over from unfinished imports. */
  unused(): number[] {
    return this.#unused.all()
  }

  /** Deletes up to `chunks` chunks of a version. Returns false if some may be left. Else deletes the version too: true. */
  deleteSome(version: number, chunks: number): boolean {
    for (const family of families) this.#near.delete(`${version} ${family}`)
    if (this.#deleteChunks.run(version, chunks).changes === chunks) return false
    this.#deleteVersion.run(version)
    return true
  }

  /** The version's entry of exactly this prefix, even if it has expired. */
  find(version: number | null, prefix: Prefix): ListEntry | undefined {
    if (version === null) return undefined
    const chunk = this.#chunkOf(version, prefix)
    const index = chunk ? chunk.indexOf(prefix) : -1
    return chunk && index >= 0 ? chunk.entryAt(index) : undefined
  }

  /** The version's entries that contain the address or prefix, longest first. An entry of the prefix itself is included. */
  *covering(version: number | null, inner: Address | Prefix): Generator<ListEntry> {
    if (version === null) return
    let length = 'length' in inner ? inner.length : addressBits(inner.family)
    while (length >= 0) {
      const last = networkOf(inner, length)
      const chunk = this.#chunkOf(version, last)
      const index = chunk ? chunk.lastUpTo(last) : -1
      if (!chunk || index < 0) return
      // Other entries that contain `inner` come before this one, and are no longer than the bits that `inner` shares with it.
      const prefix = chunk.prefixAt(index)
      if (contains(prefix, inner)) {
        yield chunk.entryAt(index)
        length = prefix.length - 1
      } else length = Math.min(commonBits(prefix, inner), length - 1)
    }
  }

  /** The version's chunks of one family from `from` on, in order. `start`: the index of the first entry not before `from`. */
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

  /** The entries of the version that have not expired at `now`, in order, IPv4 first. Without `now`: all entries. */
  *entries(version: number | null, now = 0): Generator<ListEntry> {
    for (const family of families) {
      for (const { chunk } of this.chunksFrom(version, first(family))) {
        for (let index = 0; index < chunk.count; index++) {
          if (!chunk.isOverAt(index, now)) yield chunk.entryAt(index)
        }
      }
    }
  }

  /** Visits every entry that is neither hidden nor expired, in order. Passes plain numbers, since there may be millions. */
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

  /** Whether `expireSome` has something to do. */
  isDue(now: number): boolean {
    return this.all().some(({ version }) => version !== null && this.#due.get(version, now))
  }

  /**
   * Handles the expired entries of one chunk: notes their prefixes as changed, and stores when the chunk's next entry
   * expires. The entries stay in the chunk. Returns how many had expired; 0 if none had in any chunk.
   */
  expireSome(now: number): number {
    // While an import is being published, DNS still answers some entries of the old version.
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

/** The prefix that comes before all others. */
function first(family: Family): Prefix {
  return { family, w0: 0, w1: 0, w2: 0, w3: 0, length: 0 }
}

function typeOf(family: Family): EntryType {
  return family === 4 ? 'ipv4' : 'ipv6'
}

function unpacked(family: Family, { entries, labels }: RawChunk): PackedEntries {
  return new PackedEntries(family, entries, labels)
}
