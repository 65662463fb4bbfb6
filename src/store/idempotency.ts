// The table of what POST requests with an Idempotency-Key were answered, so that a repeated one gets the same answer
// instead of being done again. Called by admin.
import type { Database, Statement } from 'better-sqlite3'

export interface StoredReply {
  /** Digest of the request: the same key with another request is a mistake. */
  readonly fingerprint: Uint8Array
  readonly status: number
  /** null: the body was told once and is kept nowhere. */
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

  /** What this caller's request with this key was answered, if that was at `since` (epoch seconds) or later. */
  find(caller: string, key: string, since: number): StoredReply | undefined {
    return this.#find.get(caller, key, since)
  }

  insert(caller: string, key: string, reply: StoredReply, now: number): void {
    const { fingerprint, status, body, location } = reply
    this.#insert.run(caller, key, fingerprint, status, body, location, now)
  }

  /** Forgets what is older than `before` (epoch seconds). */
  purge(before: number): void {
    this.#purge.run(before)
  }
}
