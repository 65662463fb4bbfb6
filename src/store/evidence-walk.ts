// Walks the rows of evidence from the newest to the oldest, in steps of some milliseconds.
import type { Database, Statement } from 'better-sqlite3'
import type { BackscatterKind } from '../classify/kinds.ts'
import type { Prefix } from '../ip/address.ts'
import { evidenceInNetwork, inNetwork } from './evidence.ts'

export interface EvidenceWalkFilter {
  readonly network?: Prefix | undefined
  readonly kind?: BackscatterKind | undefined
  /** Seen at this time or later; epoch seconds. */
  readonly from?: number | undefined
  /** Seen before this time. */
  readonly to?: number | undefined
}

export interface WalkedEvidence {
  readonly id: number
  readonly recipient: string
}

/** A row of a step. `passes`: whether it matches the filter. */
type Stepped = WalkedEvidence & { readonly passes: 0 | 1 }

/** A step examines at most this many rows. */
const stepRows = 5000

export class EvidenceWalk {
  readonly #database: Database
  readonly #statements = new Map<string, Statement<unknown[], Stepped>>()

  constructor(database: Database) {
    this.#database = database
  }

  /** Yields what each step found, with ids below `before`: the newest first. `last`: the id that the walk has come to. */
  *rows(
    { network, kind, from = 0, to = Number.MAX_SAFE_INTEGER }: EvidenceWalkFilter,
    before = Number.MAX_SAFE_INTEGER,
  ): Generator<{ readonly found: readonly WalkedEvidence[]; readonly last: number }> {
    const { size, values } = evidenceInNetwork(network ?? null)
    const within = network ? inNetwork[size] : 'TRUE'
    const passes = `${within} AND (? IS NULL OR kind = ?) AND seen_at >= ? AND seen_at < ?`
    const bound = [...(network ? values : []), kind ?? null, kind ?? null, from, to]
    // The index finds all rows of a host. Those of a wider network are found by reading all rows.
    const isIndexed = network !== undefined && size === 'long'
    const sql = isIndexed
      ? `SELECT id, recipient, 1 AS passes FROM evidence INDEXED BY evidence_judged
         WHERE ${passes} AND id < ? ORDER BY id DESC LIMIT ${stepRows}`
      : `SELECT id, recipient, ${passes} AS passes FROM evidence WHERE id < ? ORDER BY id DESC LIMIT ${stepRows}`
    for (let last = before; ; ) {
      const rows = this.#prepared(sql).all(...bound, last)
      last = rows.at(-1)?.id ?? last
      yield { found: rows.filter((row) => row.passes === 1), last }
      if (rows.length < stepRows) return
    }
  }

  #prepared(sql: string): Statement<unknown[], Stepped> {
    const statement = this.#statements.get(sql) ?? this.#database.prepare<unknown[], Stepped>(sql)
    this.#statements.set(sql, statement)
    return statement
  }
}
