// The tables of publications and of their changes. The newest publication gives the zone's serial after a restart. The changes
// are the content of an incremental zone transfer (RFC 1995). A publication that is larger than the journal empties it.
import type { Database, Statement } from 'better-sqlite3'
import type { Prefix } from '../ip/address.ts'
import { prefixColumns, prefixOf, prefixValues } from './prefix-columns.ts'

/** One publication of the zone. Times in epoch seconds. */
export interface Publication {
  readonly serial: number
  readonly generatedAt: number
  readonly validUntil: number
  readonly ipv4Entries: number
  readonly ipv6Entries: number
  /** Mask of the kinds that were answered. */
  readonly publishedKinds: number
  readonly isRetired: boolean
  /** Stands for the records that the configuration gives; '' if they are not known. */
  readonly ownRecords: string
}

/** The answer at one prefix before and after, as a ZoneEntry (see blocklist/zone-entry.ts); 0 for no answer. */
export interface Difference {
  readonly prefix: Prefix
  readonly before: number
  readonly after: number
}

/**
 * The application id (SQLite's PRAGMA) of a copy, until something is published from it. Its original may have published more
 * since, so the next serial must be one that the original has not given: a secondary would take two contents for one.
 */
export const copyMark = 0x62_73_63_70

interface RawPublication extends Omit<Publication, 'isRetired'> {
  readonly retired: number
  readonly number: number
  readonly changesTotal: number
  readonly changes: number
}

/** The journal has at most this many differences. A publication with more is stored without them and empties the journal. */
export const journalMaxChanges = 100_000
/** The journal has at most this many publications. */
export const journalMaxPublications = 10_000

const publicationColumns = `serial, generated_at AS generatedAt, valid_until AS validUntil, ipv4_entries AS ipv4Entries,
  ipv6_entries AS ipv6Entries, published_kinds AS publishedKinds, retired, own_records AS ownRecords, number,
  changes_total AS changesTotal, changes`

export class JournalTable {
  readonly #database: Database
  readonly #newest: Statement<[], RawPublication>
  readonly #oldest: Statement<[], RawPublication>
  readonly #bySerial: Statement<[number], RawPublication>
  readonly #insertPublication: Statement<unknown[]>
  readonly #insertChange: Statement<unknown[]>
  readonly #deletePublication: Statement<[number]>
  readonly #changesAfter: Statement<
    [number, number],
    Prefix & { serial: number; before: number; after: number }
  >

  constructor(database: Database) {
    this.#database = database
    const select = `SELECT ${publicationColumns} FROM publications`
    this.#newest = database.prepare(`${select} ORDER BY serial DESC LIMIT 1`)
    this.#oldest = database.prepare(`${select} ORDER BY serial LIMIT 1`)
    this.#bySerial = database.prepare(`${select} WHERE serial = ?`)
    this.#insertPublication = database.prepare(
      `INSERT INTO publications (serial, generated_at, valid_until, ipv4_entries, ipv6_entries, published_kinds,
         retired, own_records, number, changes_total, changes)
       VALUES (@serial, @generatedAt, @validUntil, @ipv4Entries, @ipv6Entries, @publishedKinds, @retired, @ownRecords,
         @number, @changesTotal, @changes)`,
    )
    this.#insertChange = database.prepare(
      `INSERT INTO journal (serial, ${prefixColumns}, before, after) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.#deletePublication = database.prepare('DELETE FROM publications WHERE serial = ?')
    this.#changesAfter = database.prepare(
      `SELECT serial, ${prefixColumns}, before, after FROM journal
       WHERE serial > ? AND serial <= ? ORDER BY serial`,
    )
  }

  /** Whether the database is a copy from which nothing was published yet. */
  get isCopy(): boolean {
    return this.#database.pragma('application_id', { simple: true }) === copyMark
  }

  /** The last publication. Undefined if there was none. */
  newest(): Publication | undefined {
    const row = this.#newest.get()
    return row && publicationOf(row)
  }

  /**
   * Adds a publication and its differences, and deletes the oldest publications above the limits. With `resetsJournal` all
   * earlier publications are deleted, since no differences lead from them to this one. A copy needs it: its mark goes with them.
   */
  append(
    publication: Publication,
    differences: readonly Difference[],
    resetsJournal: boolean,
  ): void {
    const isReset = resetsJournal || differences.length > journalMaxChanges
    if (isReset) this.#database.pragma('application_id = 0')
    const kept = isReset ? [] : differences
    const newest = this.#newest.get()
    const number = (newest?.number ?? 0) + 1
    const changesTotal = (newest?.changesTotal ?? 0) + kept.length
    this.#trim(number, changesTotal, isReset)
    const { serial } = publication
    this.#insertPublication.run({
      ...publication,
      retired: Number(publication.isRetired),
      number,
      changesTotal,
      changes: kept.length,
    })
    for (const { prefix, before, after } of kept) {
      this.#insertChange.run(serial, ...prefixValues(prefix), before, after)
    }
  }

  /** The publication with this serial. Undefined if no differences lead from it to the newest one. */
  publication(serial: number): Publication | undefined {
    const row = this.#bySerial.get(serial)
    return row && publicationOf(row)
  }

  /** The differences of the publications after serial `from` up to serial `to`, oldest first. */
  *changes(from: number, to: number): Generator<Difference & { readonly serial: number }> {
    for (const row of this.#changesAfter.iterate(from, to)) {
      const { serial, before, after } = row
      yield { serial, prefix: prefixOf(row), before, after }
    }
  }

  /** Deletes the oldest publications until the next one fits; all if `dropsAll`. SQLite deletes their differences too. */
  #trim(number: number, changesTotal: number, dropsAll: boolean): void {
    for (let oldest = this.#oldest.get(); oldest; oldest = this.#oldest.get()) {
      const publications = number - oldest.number + 1
      const changes = changesTotal - oldest.changesTotal + oldest.changes
      if (!dropsAll && publications <= journalMaxPublications && changes <= journalMaxChanges)
        return
      this.#deletePublication.run(oldest.serial)
    }
  }
}

function publicationOf(row: RawPublication): Publication {
  const { retired, number, changesTotal, changes, ...publication } = row
  return { ...publication, isRetired: retired !== 0 }
}
