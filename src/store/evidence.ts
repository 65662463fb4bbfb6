// The table of evidence: every trapped message once, with what was decided on it. Rows are added and purged, never
// changed. Called by blocklist alone.
import type { Database, Statement } from 'better-sqlite3'
import type { Evidence, EvidenceDetails } from '../bounce/evidence.ts'
import type { BackscatterKind } from '../bounce/kinds.ts'
import type { Address, Family, Prefix } from '../ip/address.ts'
import { addressValues, lastWords } from './prefix-columns.ts'

export type RecordedDecision = 'listed' | 'extended' | 'counted' | 'ignored'

export interface EvidenceRow extends Evidence {
  readonly id: number
  readonly recordedAt: number
  readonly decision: RecordedDecision
  readonly why: string
}

/** What a threshold looks at. */
export interface Hit {
  readonly seenAt: number
  readonly returned: string
  readonly recipient: string
}

interface RawEvidence {
  readonly id: number
  readonly family: Family | 0
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
  readonly recipient: string
  readonly kind: BackscatterKind | null
  readonly rule: string
  readonly content: string
  readonly returned: string
  readonly seenAt: number
  readonly recordedAt: number
  readonly source: string
  readonly details: string
  readonly decision: RecordedDecision
  readonly why: string
}

const columns = `id, family, w0, w1, w2, w3, recipient, kind, rule, content, returned, seen_at AS seenAt,
  recorded_at AS recordedAt, source, details, decision, why`
/** Every address of a network of 64 bits or more, or of IPv4: two words are equal, so indexes seek to the rest. */
const inNetwork = {
  long: 'family = ? AND w0 = ? AND w1 = ? AND w2 BETWEEN ? AND ? AND w3 BETWEEN ? AND ?',
  short:
    'family = ? AND w0 BETWEEN ? AND ? AND w1 BETWEEN ? AND ? AND w2 BETWEEN ? AND ? AND w3 BETWEEN ? AND ?',
} as const
type NetworkSize = keyof typeof inNetwork

export class EvidenceTable {
  readonly #seen: Statement<unknown[], number>
  readonly #insert: Statement<unknown[]>
  readonly #newestId: Statement<[], number | null>
  readonly #hits: Record<NetworkSize, Statement<unknown[], Hit>>
  readonly #newest: Record<NetworkSize, Statement<unknown[], RawEvidence>>

  constructor(database: Database) {
    this.#seen = database
      .prepare<unknown[], number>(
        `SELECT id FROM evidence WHERE family = ? AND w0 = ? AND w1 = ? AND w2 = ? AND w3 = ?
           AND recipient = ? AND content = ?`,
      )
      .pluck()
    this.#insert = database.prepare(
      `INSERT INTO evidence (family, w0, w1, w2, w3, recipient, kind, rule, content, returned, seen_at,
         recorded_at, source, details, decision, why) VALUES (${new Array(16).fill('?').join(', ')})`,
    )
    this.#newestId = database.prepare<[], number | null>('SELECT max(id) FROM evidence').pluck()
    const hits = (network: string): Statement<unknown[], Hit> =>
      database.prepare(
        `SELECT seen_at AS seenAt, returned, recipient FROM evidence
         WHERE ${network} AND kind = ? AND seen_at BETWEEN ? AND ? AND id > ? AND decision <> 'ignored'
         ORDER BY seen_at DESC LIMIT ? + 0`,
      )
    this.#hits = { long: hits(inNetwork.long), short: hits(inNetwork.short) }
    const newest = (network: string): Statement<unknown[], RawEvidence> =>
      database.prepare(
        `SELECT ${columns} FROM evidence INDEXED BY evidence_seen WHERE ${network}
         ORDER BY seen_at DESC, id DESC LIMIT ? + 0`,
      )
    this.#newest = { long: newest(inNetwork.long), short: newest(inNetwork.short) }
  }

  /** Whether this message to this recipient from this client is already here. */
  has(client: Address | null, recipient: string, content: string): boolean {
    return this.#seen.get(...clientValues(client), recipient, content) !== undefined
  }

  insert(
    evidence: Evidence,
    recordedAt: number,
    verdict: { readonly decision: RecordedDecision; readonly why: string },
  ): number {
    const { recipient, kind, rule, content, returned, seenAt, source, details } = evidence
    const { lastInsertRowid } = this.#insert.run(
      ...clientValues(evidence.client),
      ...[recipient, kind, rule, content, returned, seenAt, recordedAt, source],
      JSON.stringify(details),
      verdict.decision,
      verdict.why,
    )
    return Number(lastInsertRowid)
  }

  /** Id of the newest row, 0 in an empty table. */
  newestId(): number {
    return this.#newestId.get() ?? 0
  }

  /**
   * What counts from the network for one kind, seen from `from` to `to` (both included) and with an id over `mark`:
   * the newest `limit` of them, newest first.
   */
  hits(
    network: Prefix,
    kind: BackscatterKind,
    seen: { readonly from: number; readonly to: number; readonly mark: number },
    limit: number,
  ): Hit[] {
    const { size, values } = evidenceInNetwork(network)
    return this.#hits[size].all(...values, kind, seen.from, seen.to, seen.mark, limit)
  }

  /**
   * The newest rows from the network, newest first. Most have none, which is cheaper found out by `Store.surroundings`:
   * SQLite plans a statement that sorts anew each time, at ten times the cost.
   */
  newest(network: Prefix, limit: number): EvidenceRow[] {
    const { size, values } = evidenceInNetwork(network)
    return this.#newest[size].all(...values, limit).map(evidenceOf)
  }
}

/** What narrows evidence down to the network: which of the terms, themselves, and what to bind to them. */
export function evidenceInNetwork(network: Prefix) {
  const { family, w0, w1, w2, w3, length } = network
  const [end0, end1, end2, end3] = lastWords(network)
  const size: NetworkSize = length >= (family === 4 ? 32 : 64) ? 'long' : 'short'
  const values =
    size === 'long'
      ? [family, w0, w1, w2, end2, w3, end3]
      : [family, w0, end0, w1, end1, w2, end2, w3, end3]
  return { size, terms: inNetwork[size], values }
}

function clientValues(client: Address | null): number[] {
  return client ? addressValues(client) : [0, 0, 0, 0, 0]
}

function evidenceOf(row: RawEvidence): EvidenceRow {
  const { family, w0, w1, w2, w3, details, ...rest } = row
  const client = family === 0 ? null : { family, w0, w1, w2, w3 }
  return { ...rest, client, details: JSON.parse(details) as EvidenceDetails }
}
