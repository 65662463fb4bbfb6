// The table of answers to POST requests with an Idempotency-Key. If a request is repeated, it gets the stored answer and is
// not done again.
import type { Database, Statement } from 'better-sqlite3'

export interface StoredReply {
  /** Digest of the request, to detect another request with the same key. */
  readonly fingerprint: Uint8Array
  readonly status: number
  /** null if the answer contained a secret, which is not stored. */
  readonly body: string | null
  readonly location: string | null
}

export class IdempotencyTable {
  readonly #find: Statement<[string, string, number], StoredReply>
  readonly #insert: Statement<
    [string, string, Uint8Array, number, string | null, string | null, number]
  >
  readonly #purge: Statement<[number]>

  constructor(database: Database) {
    this.#find = database.prepare(
      `SELECT fingerprint, status, body, location FROM idempotency
       WHERE caller = ? AND key = ? AND created_at >= ?`,
    )
    this.#insert = database.prepare(
      `INSERT OR REPLACE INTO idempotency (caller, key, fingerprint, status, body, location, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    )
    this.#purge = database.prepare('DELETE FROM idempotency WHERE created_at < ?')
  }

  /** The answer to this caller's request with this key, if it is not older than `since` (epoch seconds). */
  find(caller: string, key: string, since: number): StoredReply | undefined {
    return this.#find.get(caller, key, since)
  }

  insert(caller: string, key: string, reply: StoredReply, now: number): void {
    const { fingerprint, status, body, location } = reply
    this.#insert.run(caller, key, fingerprint, status, body, location, now)
  }

  /** Deletes answers that are older than `before` (epoch seconds). */
  purge(before: number): void {
    this.#purge.run(before)
  }
}
