// Two tables of daily counts: messages that were counted but not stored, and forgeries. A forgery is a message that a network
// sent with a trap as forged sender.
import type { Database, Statement } from 'better-sqlite3'
import type { BackscatterKind, Certainty } from '../classify/kinds.ts'
import { type Address, type Family, networkOf, type Prefix } from '../ip/address.ts'
import { addressValues } from './prefix-columns.ts'

const secondsInDay = 86_400

interface CountedMessage {
  /** The network that would be listed; null if the client is unknown. */
  readonly network: Prefix | null
  readonly kind: BackscatterKind | null
  /** null if it was not recognised, or ignored. */
  readonly certainty: Certainty | null
  /** The trap pattern that its recipient matches. Undefined if none does: some mailboxes take every address for a trap. */
  readonly trap: string | undefined
  readonly source: string
  /** Epoch seconds. */
  readonly seenAt: number
}

/** A number of recognised messages that were counted on one day and not ignored. */
export interface CountedMessages {
  readonly kind: BackscatterKind
  readonly certainty: Certainty
  /** When the newest of them was seen. */
  readonly seenAt: number
  readonly messages: number
}

/** A row of the table. Family 0 means an unknown client. */
export type SummedMessages = Omit<Address, 'family'> & {
  readonly family: Family | 0
  /** Days since 1970. */
  readonly day: number
  /** '' if they were not recognised. */
  readonly kind: BackscatterKind | ''
  /** '' if they were ignored. */
  readonly certainty: Certainty | ''
  readonly trap: string
  readonly source: string
  readonly messages: number
  readonly firstSeenAt: number
  readonly seenAt: number
}

/** A row that counts. */
export type CountedSum = SummedMessages & CountedMessages

const sumKey = 'family, w0, w1, w2, w3, day, kind, certainty, trap, source'

export class EvidenceCounterTable {
  readonly #count: Statement<unknown[]>
  readonly #of: Statement<number[], CountedSum>
  readonly #all: Statement<[], SummedMessages>
  readonly #delete: Statement<[SummedMessages]>
  readonly #purge: Statement<[number, number]>

  constructor(database: Database) {
    this.#count = database.prepare(
      `INSERT INTO evidence_counters (day, family, w0, w1, w2, w3, kind, certainty, trap, source, messages,
         first_seen_at, last_seen_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?)
       ON CONFLICT DO UPDATE SET messages = messages + 1,
         first_seen_at = min(first_seen_at, excluded.first_seen_at), last_seen_at = max(last_seen_at, excluded.last_seen_at)`,
    )
    this.#all = database.prepare(
      `SELECT ${sumKey}, messages, first_seen_at AS firstSeenAt, last_seen_at AS seenAt FROM evidence_counters`,
    )
    this.#delete = database.prepare(
      `DELETE FROM evidence_counters WHERE (${sumKey}) =
         (@family, @w0, @w1, @w2, @w3, @day, @kind, @certainty, @trap, @source)`,
    )
    this.#of = database.prepare(
      `SELECT ${sumKey}, messages, first_seen_at AS firstSeenAt, last_seen_at AS seenAt FROM evidence_counters
       WHERE family = ? AND w0 = ? AND w1 = ? AND w2 = ? AND w3 = ? AND certainty <> ''`,
    )
    this.#purge = database.prepare(
      `DELETE FROM evidence_counters WHERE (${sumKey}) IN
         (SELECT ${sumKey} FROM evidence_counters WHERE day < ? LIMIT ?)`,
    )
  }

  /** What was counted of this network and not ignored. */
  of(network: Prefix): CountedSum[] {
    return this.#of.all(...addressValues(network))
  }

  all(): SummedMessages[] {
    return this.#all.all()
  }

  delete(sum: SummedMessages): void {
    this.#delete.run(sum)
  }

  /** Adds one message. A repeated message counts again, since no content is kept. These counts do not count for a threshold. */
  count({ network, kind, certainty, trap, source, seenAt }: CountedMessage): void {
    const day = Math.floor(seenAt / secondsInDay)
    const what = [kind ?? '', certainty ?? '', trap ?? '*', source]
    this.#count.run(day, ...addressValues(network), ...what, seenAt, seenAt)
  }

  /** Deletes rows of days that ended before `before` (epoch seconds), at most `limit`. Returns their number. */
  purge(before: number, limit: number): number {
    return this.#purge.run(Math.floor(before / secondsInDay), limit).changes
  }
}

/** A network that sent forgeries. Times in epoch seconds. */
export interface Forger {
  readonly network: Prefix
  readonly messages: number
  /** The number of those messages that the SPF record of the forged domain forbids. */
  readonly spfFail: number
  readonly lastSeenAt: number
}

type Row = Omit<Forger, 'network'> & { family: Family; w0: number; w1: number }

/**
 * At most this many networks are counted on one day. The limit is needed since the network is read from a bounce, and the
 * bounce's sender could invent any number of networks.
 */
export const networksOfDay = 1000

export class ForgeryTable {
  readonly #count: Statement<unknown[]>
  readonly #most: Statement<[number, number], Row>
  readonly #purge: Statement<[number, number]>

  constructor(database: Database) {
    this.#count = database.prepare(
      `INSERT INTO forgeries (day, family, w0, w1, messages, spf_fail, last_seen_at)
         SELECT @day, @family, @w0, @w1, 1, @spfFail, @seenAt
         WHERE EXISTS (SELECT 1 FROM forgeries WHERE day = @day AND family = @family AND w0 = @w0 AND w1 = @w1)
           OR NOT EXISTS (SELECT 1 FROM forgeries WHERE day = @day LIMIT 1 OFFSET ${networksOfDay - 1})
       ON CONFLICT DO UPDATE SET messages = messages + 1, spf_fail = spf_fail + excluded.spf_fail,
         last_seen_at = max(last_seen_at, excluded.last_seen_at)`,
    )
    this.#most = database.prepare(
      `SELECT family, w0, w1, sum(messages) AS messages, sum(spf_fail) AS spfFail,
         max(last_seen_at) AS lastSeenAt FROM forgeries WHERE day >= ?
       GROUP BY family, w0, w1 ORDER BY messages DESC, lastSeenAt DESC LIMIT ?`,
    )
    this.#purge = database.prepare(
      `DELETE FROM forgeries WHERE (day, family, w0, w1) IN
         (SELECT day, family, w0, w1 FROM forgeries WHERE day < ? LIMIT ?)`,
    )
  }

  /** Adds one message. A new network is not counted if the day already has `networksOfDay` of them. */
  count(origin: Address, seenAt: number, isSpfFail: boolean): void {
    const { family, w0, w1 } = networkOf(origin, origin.family === 4 ? 24 : 48)
    const day = Math.floor(seenAt / secondsInDay)
    this.#count.run({ day, family, w0, w1, spfFail: Number(isSpfFail), seenAt })
  }

  /** The networks that sent the most forgeries since the day of `since` (epoch seconds), the largest number first. */
  most(since: number, limit: number): Forger[] {
    return this.#most.all(Math.floor(since / secondsInDay), limit).map((row) => {
      const { family, w0, w1, ...rest } = row
      return { ...rest, network: { family, w0, w1, w2: 0, w3: 0, length: family === 4 ? 24 : 48 } }
    })
  }

  /** Deletes rows of days that ended before `before` (epoch seconds), at most `limit`. Returns their number. */
  purge(before: number, limit: number): number {
    return this.#purge.run(Math.floor(before / secondsInDay), limit).changes
  }
}
