// The table of offenders: for each network whose messages count, what its evidence has come to. The fold in
// src/blocklist/fold.ts says what the fields mean.
import type { Database, Statement } from 'better-sqlite3'
import type { Prefix } from '../ip/address.ts'
import { isPrefix, type PrefixValues, prefixColumns, prefixValues } from './prefix-columns.ts'

/** Times in epoch seconds; 0 means never. */
export interface Offender {
  /** When the newest message or removal was seen. */
  readonly seenAt: number
  /** The kinds of the last listing, as a mask. */
  readonly kinds: number
  /** The episode of the last listing: how often the network was listed or hit again, less what has decayed. */
  readonly episode: number
  /** When a hit last began, joined or extended a listing. */
  readonly hitAt: number
  /** When the newest hit that a listing rests on was seen. */
  readonly provenAt: number
  /** Up to then, certain hits have led to an earlier listing: they begin nothing more and join nothing. */
  readonly spentAt: number
  /** When the last listing ends or ended. */
  readonly endsAt: number
  /** How many messages the last listing rests on. */
  readonly hits: number
  /** The last removal: messages that were seen before, or are stored under ids up to `cutMark`, no longer count. */
  readonly cutAt: number
  readonly cutMark: number
}

interface StoredOffender {
  readonly offender: Offender
  /** What the evidence that was deleted for its age has come to. Undefined if none was deleted. */
  readonly base: Offender | undefined
}

export class OffenderTable {
  readonly #at: Statement<PrefixValues, { state: string; base: string | null }>
  readonly #save: Statement<[...PrefixValues, string]>
  readonly #saveBase: Statement<[string, ...PrefixValues]>
  readonly #delete: Statement<PrefixValues>

  constructor(database: Database) {
    this.#at = database.prepare(`SELECT state, base FROM offenders WHERE ${isPrefix}`)
    this.#save = database.prepare(
      `INSERT INTO offenders (${prefixColumns}, state) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET state = excluded.state`,
    )
    this.#saveBase = database.prepare(`UPDATE offenders SET base = ? WHERE ${isPrefix}`)
    this.#delete = database.prepare(`DELETE FROM offenders WHERE ${isPrefix}`)
  }

  at(prefix: Prefix): StoredOffender | undefined {
    const row = this.#at.get(...prefixValues(prefix))
    if (!row) return undefined
    const base = row.base === null ? undefined : (JSON.parse(row.base) as Offender)
    return { offender: JSON.parse(row.state) as Offender, base }
  }

  save(prefix: Prefix, offender: Offender): void {
    this.#save.run(...prefixValues(prefix), JSON.stringify(offender))
  }

  saveBase(prefix: Prefix, base: Offender): void {
    this.#saveBase.run(JSON.stringify(base), ...prefixValues(prefix))
  }

  delete(prefix: Prefix): void {
    this.#delete.run(...prefixValues(prefix))
  }
}
