// The tables of evidence. `messages` has each message with its details, once for each client. `evidence` has a row for each
// trap that the message was sent to, with the decision. Rows are added and purged, never changed.
import type { Database, Statement } from 'better-sqlite3'
import type { Evidence, EvidenceDetails } from '../classify/evidence.ts'
import type { BackscatterKind, Certainty } from '../classify/kinds.ts'
import type { Address, Family, Prefix } from '../ip/address.ts'
import { addressValues, lastWords } from './prefix-columns.ts'

type RecordedDecision = 'listed' | 'extended' | 'counted' | 'ignored'

export interface EvidenceRow extends Evidence {
  readonly id: number
  readonly recordedAt: number
  readonly decision: RecordedDecision
  readonly why: string
}

/** The part of a row that counts. */
export interface Hit {
  readonly id: number
  readonly kind: BackscatterKind
  readonly seenAt: number
  readonly returned: string
  readonly recipient: string
  readonly certainty: Certainty
}

/** A hit, with the details of its message. */
export interface DetailedHit extends Hit {
  readonly recordedAt: number
  readonly details: EvidenceDetails
}

/** Selects the rows of one network on one day. */
interface DayOfNetwork {
  /** null selects unknown clients. */
  readonly network: Prefix | null
  /** null selects messages that were not recognised; so does a certainty of null. */
  readonly kind: BackscatterKind | null
  readonly certainty: Certainty | null
  /** Any time within the UTC day, in epoch seconds. */
  readonly seenAt: number
  /** true selects ignored rows, false all others. */
  readonly areIgnored: boolean
}

/** How many different recipients and returned messages the rows of a day have. */
interface Variety {
  /** Number of different recipients. */
  readonly recipients: number
  /** Number of different returned messages. */
  readonly returned: number
  /** Number of rows with the same recipient as the given hit. */
  readonly toRecipient: number
  /** Number of rows with the same returned message as the given hit. */
  readonly ofReturned: number
}

/** What is needed of a row to delete it. Family 0 means an unknown client. */
export type StoredEvidence = Omit<Address, 'family'> & {
  readonly id: number
  readonly messageId: number
  readonly family: Family | 0
  readonly recipient: string
  readonly seenAt: number
}

/** Selects rows by all members that are not undefined. */
interface EvidenceFilter {
  readonly source: string | undefined
  readonly kind: BackscatterKind | undefined
  /** Seen at `from` or later, and before `to`. */
  readonly from: number
  readonly to: number
}

const storedColumns =
  'id, message_id AS messageId, family, w0, w1, w2, w3, recipient, seen_at AS seenAt'

/** A row as SQLite returns it. Family 0 means an unknown client. */
type RawEvidence = Omit<EvidenceRow, 'client' | 'details'> &
  Omit<Address, 'family'> & { readonly family: Family | 0; readonly details: string }

const hitColumns = 'id, kind, certainty, seen_at AS seenAt, returned, recipient'
const columns = `id, family, w0, w1, w2, w3, recipient, kind, certainty, rule, returned, seen_at AS seenAt,
  recorded_at AS recordedAt, source, decision, why,
  (SELECT content FROM messages WHERE id = message_id) AS content,
  (SELECT details FROM messages WHERE id = message_id) AS details`
/**
 * WHERE terms for the addresses of a network. `long` is for IPv4 /32 and for IPv6 /64 and longer: there the first two words
 * are fixed, so that SQLite can seek in an index.
 */
export const inNetwork = {
  long: 'family = ? AND w0 = ? AND w1 = ? AND w2 BETWEEN ? AND ? AND w3 BETWEEN ? AND ?',
  short:
    'family = ? AND w0 BETWEEN ? AND ? AND w1 BETWEEN ? AND ? AND w2 BETWEEN ? AND ? AND w3 BETWEEN ? AND ?',
} as const
type NetworkSize = keyof typeof inNetwork

export class EvidenceTable {
  readonly #message: Statement<unknown[], number>
  readonly #insertMessage: Statement<unknown[]>
  readonly #seen: Statement<unknown[], number>
  readonly #insert: Statement<unknown[]>
  readonly #nth: Record<NetworkSize, Statement<unknown[], number>>
  readonly #variety: Record<NetworkSize, Statement<unknown[], Variety>>
  readonly #oldest: Statement<[number, number], StoredEvidence>
  readonly #recordedBefore: Record<NetworkSize, Statement<unknown[], StoredEvidence>>
  readonly #matching: Statement<[object], StoredEvidence>
  readonly #delete: Statement<[number]>
  readonly #deleteMessage: Statement<[number]>
  readonly #newestId: Statement<[], number | null>
  readonly #hits: Record<NetworkSize, Statement<unknown[], Hit>>
  readonly #history: Record<NetworkSize, Statement<unknown[], Hit>>
  readonly #detailedHits: Record<
    NetworkSize,
    Statement<unknown[], Omit<DetailedHit, 'details'> & { readonly details: string }>
  >
  readonly #newest: Record<NetworkSize, Statement<unknown[], RawEvidence>>
  readonly #newestClient: Record<NetworkSize, Statement<unknown[], Address>>
  readonly #byId: Statement<[number], RawEvidence>

  constructor(database: Database) {
    const pluck = (sql: string): Statement<unknown[], number> =>
      database.prepare<unknown[], number>(sql).pluck()
    this.#message = pluck(
      `SELECT id FROM messages
       WHERE family = ? AND w0 = ? AND w1 = ? AND w2 = ? AND w3 = ? AND content = ?`,
    )
    this.#insertMessage = database.prepare(
      'INSERT INTO messages (family, w0, w1, w2, w3, content, details) VALUES (?, ?, ?, ?, ?, ?, ?)',
    )
    this.#seen = pluck('SELECT id FROM evidence WHERE message_id = ? AND recipient = ?')
    this.#insert = database.prepare(
      `INSERT INTO evidence (message_id, family, w0, w1, w2, w3, recipient, kind, certainty, rule, returned,
         seen_at, recorded_at, source, decision, why)
       VALUES (@messageId, @family, @w0, @w1, @w2, @w3, @recipient, @kind, @certainty, @rule, @returned,
         @seenAt, @recordedAt, @source, @decision, @why)`,
    )
    const ofDay = (network: string): string => `FROM evidence INDEXED BY evidence_judged
      WHERE ${network} AND kind IS ? AND certainty IS ? AND seen_at BETWEEN ? AND ?
        AND (decision = 'ignored') = ?`
    const nth = (network: string) => pluck(`SELECT 1 ${ofDay(network)} LIMIT 1 OFFSET ?`)
    this.#nth = bySize(nth)
    const variety = (network: string): Statement<unknown[], Variety> =>
      database.prepare(
        `SELECT count(DISTINCT recipient) AS recipients, count(DISTINCT returned) AS returned,
           total(recipient = ?) AS toRecipient, total(returned = ?) AS ofReturned ${ofDay(network)}`,
      )
    this.#variety = bySize(variety)
    this.#oldest = database.prepare(
      `SELECT ${storedColumns} FROM (SELECT * FROM evidence ORDER BY id LIMIT ?) WHERE recorded_at < ?`,
    )
    this.#recordedBefore = bySize((network) =>
      database.prepare(
        `SELECT ${storedColumns} FROM evidence INDEXED BY evidence_judged
         WHERE ${network} AND recorded_at < ?`,
      ),
    )
    this.#matching = database.prepare(
      `SELECT ${storedColumns} FROM evidence WHERE (@source IS NULL OR source = @source)
         AND (@kind IS NULL OR kind = @kind) AND seen_at >= @from AND seen_at < @to`,
    )
    this.#delete = database.prepare('DELETE FROM evidence WHERE id = ?')
    this.#byId = database.prepare(`SELECT ${columns} FROM evidence WHERE id = ?`)
    this.#deleteMessage = database.prepare(
      `DELETE FROM messages WHERE id = ?
         AND NOT EXISTS (SELECT 1 FROM evidence WHERE message_id = messages.id)`,
    )
    this.#newestId = database.prepare<[], number | null>('SELECT max(id) FROM evidence').pluck()
    const thatCount = (network: string): string => `FROM evidence INDEXED BY evidence_judged
      WHERE ${network} AND kind = ? AND certainty = ? AND seen_at BETWEEN ? AND ? AND id > ?
        AND decision <> 'ignored'
      ORDER BY seen_at DESC LIMIT ? + 0`
    const hits = (network: string): Statement<unknown[], Hit> =>
      database.prepare(`SELECT ${hitColumns} ${thatCount(network)}`)
    this.#hits = bySize(hits)
    const history = (network: string): Statement<unknown[], Hit> =>
      database.prepare(
        `SELECT ${hitColumns} FROM evidence INDEXED BY evidence_judged
         WHERE ${network} AND kind IS NOT NULL AND decision <> 'ignored'`,
      )
    this.#history = bySize(history)
    this.#detailedHits = bySize((network) =>
      database.prepare(
        `SELECT ${hitColumns}, recorded_at AS recordedAt,
           (SELECT details FROM messages WHERE id = message_id) AS details ${thatCount(network)}`,
      ),
    )
    const newest = (network: string): Statement<unknown[], RawEvidence> =>
      database.prepare(
        `SELECT ${columns} FROM evidence INDEXED BY evidence_seen WHERE ${network}
         ORDER BY seen_at DESC, id DESC LIMIT ? + 0`,
      )
    this.#newest = bySize(newest)
    const newestClient = (network: string): Statement<unknown[], Address> =>
      database.prepare(
        `SELECT family, w0, w1, w2, w3 FROM evidence INDEXED BY evidence_judged
         WHERE ${network} AND decision <> 'ignored' AND recorded_at <= ? ORDER BY id DESC LIMIT 1`,
      )
    this.#newestClient = bySize(newestClient)
  }

  /** Whether this message from this client is stored, for any recipient. */
  hasMessage(client: Address | null, content: string): boolean {
    return this.#message.get(...addressValues(client), content) !== undefined
  }

  /** Whether this message from this client is stored for this recipient. */
  has(client: Address | null, recipient: string, content: string): boolean {
    const messageId = this.#message.get(...addressValues(client), content)
    return messageId !== undefined && this.#seen.get(messageId, recipient) !== undefined
  }

  /** Whether the day has at least `rows` rows. */
  hasOfDay(day: DayOfNetwork, rows: number): boolean {
    const { size, values } = evidenceOfDay(day)
    return this.#nth[size].get(...values, rows - 1) !== undefined
  }

  /** Counts the different recipients and returned messages of the day, and the rows that share them with this hit. */
  varietyOfDay(
    day: DayOfNetwork,
    { recipient, returned }: Pick<Hit, 'recipient' | 'returned'>,
  ): Variety {
    const { size, values } = evidenceOfDay(day)
    const variety = this.#variety[size].get(recipient, returned, ...values)
    return variety ?? { recipients: 0, returned: 0, toRecipient: 0, ofReturned: 0 }
  }

  insert(
    evidence: Evidence,
    recordedAt: number,
    verdict: { readonly decision: RecordedDecision; readonly why: string },
  ): void {
    const { content, details } = evidence
    const client = addressValues(evidence.client)
    const [family, w0, w1, w2, w3] = client
    const messageId =
      this.#message.get(...client, content) ??
      this.#insertMessage.run(...client, content, JSON.stringify(details)).lastInsertRowid
    const { decision, why } = verdict
    const columns = { messageId, family, w0, w1, w2, w3, recordedAt, decision, why }
    this.#insert.run({ ...evidence, ...columns })
  }

  /** Up to `limit` rows that were recorded before `before` (epoch seconds), oldest first. */
  oldest(before: number, limit: number): StoredEvidence[] {
    return this.#oldest.all(limit, before)
  }

  /** All rows from the network that were recorded before `before` (epoch seconds), in no order. */
  recordedBefore(network: Prefix, before: number): StoredEvidence[] {
    const { size, values } = evidenceInNetwork(network)
    return this.#recordedBefore[size].all(...values, before)
  }

  /** Reads the whole table. */
  matching({ source, kind, from, to }: EvidenceFilter): StoredEvidence[] {
    return this.#matching.all({ source: source ?? null, kind: kind ?? null, from, to })
  }

  /** Deletes rows, and the messages that have no row any more. */
  delete(rows: readonly Pick<StoredEvidence, 'id' | 'messageId'>[]): void {
    for (const { id } of rows) this.#delete.run(id)
    for (const id of new Set(rows.map(({ messageId }) => messageId))) this.#deleteMessage.run(id)
  }

  /** The id of the newest row, or 0 if the table is empty. */
  newestId(): number {
    return this.#newestId.get() ?? 0
  }

  /**
   * The hits of one kind and certainty from the network, seen between `from` and `to` (inclusive), with an id above `mark`: up
   * to `limit`, newest first.
   */
  hits(
    network: Prefix,
    { kind, certainty }: { readonly kind: BackscatterKind; readonly certainty: Certainty },
    seen: { readonly from: number; readonly to: number; readonly mark: number },
    limit: number,
  ): Hit[] {
    const { size, values } = evidenceInNetwork(network)
    return this.#hits[size].all(...values, kind, certainty, seen.from, seen.to, seen.mark, limit)
  }

  /** All hits from the network, in no order. */
  history(network: Prefix): Hit[] {
    const { size, values } = evidenceInNetwork(network)
    return this.#history[size].all(...values)
  }

  /** The host of the network whose message counted last, up to the time `until`. */
  newestClient(network: Prefix, until: number): Address | undefined {
    const { size, values } = evidenceInNetwork(network)
    return this.#newestClient[size].get(...values, until)
  }

  /** The same hits as those of `hits`, each with the details of its message. */
  detailedHits(
    network: Prefix,
    { kind, certainty }: { readonly kind: BackscatterKind; readonly certainty: Certainty },
    seen: { readonly from: number; readonly to: number; readonly mark: number },
    limit: number,
  ): DetailedHit[] {
    const { size, values } = evidenceInNetwork(network)
    return this.#detailedHits[size]
      .all(...values, kind, certainty, seen.from, seen.to, seen.mark, limit)
      .map((row) => ({ ...row, details: JSON.parse(row.details) as EvidenceDetails }))
  }

  byId(id: number): EvidenceRow | undefined {
    const row = this.#byId.get(id)
    return row && evidenceOf(row)
  }

  /** Up to `limit` rows from the network, newest first. */
  newest(network: Prefix, limit: number): EvidenceRow[] {
    const { size, values } = evidenceInNetwork(network)
    return this.#newest[size].all(...values, limit).map(evidenceOf)
  }
}

/** The values to bind to the terms of `inNetwork` and to those of the day. */
function evidenceOfDay({ network, kind, certainty, seenAt, areIgnored }: DayOfNetwork) {
  const { size, values } = evidenceInNetwork(network)
  return { size, values: [...values, kind, certainty, ...dayOf(seenAt), Number(areIgnored)] }
}

/** The values to bind to the terms of `inNetwork`. A null network means unknown clients. */
export function evidenceInNetwork(network: Prefix | null): {
  readonly size: NetworkSize
  readonly values: number[]
} {
  if (network === null) return { size: 'long', values: [0, 0, 0, 0, 0, 0, 0] }
  const { family, w0, w1, w2, w3, length } = network
  const [end0, end1, end2, end3] = lastWords(network)
  return length >= (family === 4 ? 32 : 64)
    ? { size: 'long', values: [family, w0, w1, w2, end2, w3, end3] }
    : { size: 'short', values: [family, w0, end0, w1, end1, w2, end2, w3, end3] }
}

function bySize<T>(make: (terms: string) => T): Record<NetworkSize, T> {
  return { long: make(inNetwork.long), short: make(inNetwork.short) }
}

const secondsInDay = 86_400

/** The first and the last second of the UTC day. */
function dayOf(seenAt: number): [number, number] {
  const start = seenAt - (seenAt % secondsInDay)
  return [start, start + secondsInDay - 1]
}

function evidenceOf(row: RawEvidence): EvidenceRow {
  const { family, w0, w1, w2, w3, details, ...rest } = row
  const client = family === 0 ? null : { family, w0, w1, w2, w3 }
  return { ...rest, client, details: JSON.parse(details) as EvidenceDetails }
}
