// A consistent view of the store for exports, which may take long. It has its own connection, so that writing goes on.
import Database from 'better-sqlite3'
import type { Family, Prefix } from '../ip/address.ts'
import { ExceptionTable } from './exceptions.ts'
import { JournalTable } from './journal.ts'
import { ListTable } from './list-versions.ts'
import { ListingWalks, type ShownListing } from './listing-walks.ts'
import { ListingTable } from './listings.ts'
import { comparePrefixes, type ListEntry } from './packed-entries.ts'
import { ChangedPrefixes } from './prefix-columns.ts'

/** What the store has for one prefix. */
export interface PrefixContents {
  readonly prefix: Prefix
  /** Rows that are listed and rows that hide an entry, oldest first. */
  readonly rows: readonly ShownListing[]
  /** Entries of lists, sorted by list name. */
  readonly entries: readonly { readonly version: number; readonly entry: ListEntry }[]
}

export class Snapshot {
  readonly listings: ListingTable
  readonly lists: ListTable
  readonly exemptions: ExceptionTable
  readonly exclusions: ExceptionTable
  readonly journal: JournalTable
  readonly #database: Database.Database
  readonly #walks: ListingWalks

  /** Opens a snapshot of the database at `path`. Close it after use: until then SQLite must keep all old pages. */
  constructor(path: string) {
    this.#database = new Database(path, { readonly: true })
    try {
      // It reads in order, so a larger cache (16 MiB by default) would not be used again. In KiB.
      this.#database.pragma('cache_size = -2000')
      this.#database.exec('BEGIN')
      const nothingChanges = new ChangedPrefixes()
      this.lists = new ListTable(this.#database, nothingChanges)
      // The snapshot begins with the first read.
      this.lists.all()
      this.listings = new ListingTable(this.#database, nothingChanges)
      this.#walks = new ListingWalks(this.#database, this.listings)
      this.journal = new JournalTable(this.#database)
      this.exemptions = new ExceptionTable(this.#database, 'exemptions', nothingChanges)
      this.exclusions = new ExceptionTable(this.#database, 'exclusions', nothingChanges)
    } catch (error) {
      this.#database.close()
      throw error
    }
  }

  /** Every prefix that has a row, or an entry that has not expired at `now`, once, in address order, IPv4 first. */
  *all(now: number): Generator<PrefixContents> {
    const rows = ([4, 6] as const).flatMap((family) =>
      this.listings
        .lengths(family)
        .map((length) => new Source(this.#walks.shownOfLength(family, length))),
    )
    const lists = this.lists.all().flatMap(({ version }) => {
      if (version === null) return []
      return [{ version, source: new Source(this.lists.entries(version, now)) }]
    })
    const sources = [...rows, ...lists.map(({ source }) => source)]
    for (;;) {
      let prefix: Prefix | undefined
      for (const { head } of sources) {
        if (head && (!prefix || comparePrefixes(head.prefix, prefix) < 0)) prefix = head.prefix
      }
      if (!prefix) return
      const rowsHere: ShownListing[] = []
      for (const source of rows) {
        for (let row = source.take(prefix); row; row = source.take(prefix)) rowsHere.push(row)
      }
      const entries: { version: number; entry: ListEntry }[] = []
      for (const { version, source } of lists) {
        const entry = source.take(prefix)
        if (entry) entries.push({ version, entry })
      }
      yield { prefix, rows: rowsHere, entries }
    }
  }

  /** The prefix lengths that rows and entries have or had, shortest first. */
  lengths(family: Family): number[] {
    const all = new Set(this.listings.lengths(family))
    for (const { version } of this.lists.all()) {
      for (const length of this.lists.lengths(version, family)) all.add(length)
    }
    return [...all].sort((a, b) => a - b)
  }

  /**
   * The prefixes at or inside this one that have a listed row or an entry, in no order; one may be there twice. Reads along
   * the indexes only what is inside. Returns undefined if there are more than `limit`.
   */
  prefixesInside(prefix: Prefix, limit: number): Prefix[] | undefined {
    const found: Prefix[] = []
    for (const length of this.listings.lengths(prefix.family)) {
      if (length < prefix.length) break
      found.push(...this.#walks.listedInside(prefix, length, limit + 1 - found.length))
      if (found.length > limit) return undefined
    }
    for (const { version } of this.lists.all()) {
      for (const entry of this.lists.inside(version, prefix)) {
        if (found.length === limit) return undefined
        found.push(entry.prefix)
      }
    }
    return found
  }

  /**
   * Whether DNS answers exactly what the store has at `time` (epoch seconds): no import is being published, and no expired
   * entry waits for its removal.
   */
  isSettled(time: number): boolean {
    return (
      this.lists.all().every(({ version, applied }) => version === applied) &&
      !this.lists.isDue(time)
    )
  }

  close(): void {
    this.#database.close()
  }
}

/** A sorted iterator whose next item can be read before it is taken. */
class Source<T extends { readonly prefix: Prefix }> {
  head: T | undefined
  readonly #items: Iterator<T>

  constructor(items: Iterator<T>) {
    this.#items = items
    this.#advance()
  }

  /** Takes the next item if it has this prefix. */
  take(prefix: Prefix): T | undefined {
    const { head } = this
    if (!head || comparePrefixes(head.prefix, prefix) !== 0) return undefined
    this.#advance()
    return head
  }

  #advance(): void {
    const next = this.#items.next()
    this.head = next.done ? undefined : next.value
  }
}
