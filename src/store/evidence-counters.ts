// The table of messages that were counted and not stored: how many of a kind came from a network to a trap on a day.
// A repeat of such a message is counted again, since no content is kept. That harms nobody: the number reaches no
// threshold, and a message that is read twice from a mailbox comes with the time it had before.
import type { Database, Statement } from 'better-sqlite3'
import type { BackscatterKind } from '../bounce/kinds.ts'
import type { Prefix } from '../ip/address.ts'
import { addressValues } from './prefix-columns.ts'

export interface CountedMessage {
  /** The network that would be listed; null: the client is not known. */
  readonly network: Prefix | null
  readonly kind: BackscatterKind | null
  /** The pattern that its recipient falls under; undefined: none, as in a mailbox whose every message was for a trap. */
  readonly trap: string | undefined
  readonly source: string
  /** Epoch seconds. */
  readonly seenAt: number
}

const secondsInDay = 86_400

export class EvidenceCounterTable {
  readonly #count: Statement<unknown[]>
  readonly #purge: Statement<[number, number]>

  constructor(database: Database) {
    this.#count = database.prepare(
      `INSERT INTO evidence_counters (day, family, w0, w1, w2, w3, kind, trap, source, messages, last_seen_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)
       ON CONFLICT DO UPDATE SET messages = messages + 1, last_seen_at = max(last_seen_at, excluded.last_seen_at)`,
    )
    this.#purge = database.prepare(
      `DELETE FROM evidence_counters WHERE (day, family, w0, w1, w2, w3, kind, trap, source) IN
         (SELECT day, family, w0, w1, w2, w3, kind, trap, source FROM evidence_counters WHERE day < ? LIMIT ?)`,
    )
  }

  /** One more. */
  count({ network, kind, trap, source, seenAt }: CountedMessage): void {
    const client = network ? addressValues(network) : [0, 0, 0, 0, 0]
    const day = Math.floor(seenAt / secondsInDay)
    this.#count.run(day, ...client, kind ?? '', trap ?? '*', source, seenAt)
  }

  /** Deletes rows of days that ended before `before` (epoch seconds), at most `limit`; says how many. */
  purge(before: number, limit: number): number {
    return this.#purge.run(Math.floor(before / secondsInDay), limit).changes
  }
}
