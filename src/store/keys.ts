// The table of API keys: the hash of each secret, its scope, and when it expires.
import type { Database, Statement } from 'better-sqlite3'

export type KeyScope = 'read' | 'write' | 'collect' | 'admin'

export interface KeyRow {
  readonly id: number
  readonly name: string
  readonly scope: KeyScope
  readonly createdAt: number
  /** null if it never expires. */
  readonly expiresAt: number | null
  readonly revokedAt: number | null
  readonly lastUsedAt: number | null
}

const columns = `id, name, scope, created_at AS createdAt, expires_at AS expiresAt, revoked_at AS revokedAt,
  last_used_at AS lastUsedAt`

type HashedKey = KeyRow & { readonly hash: Uint8Array }

export class KeyTable {
  readonly #all: Statement<[], KeyRow>
  readonly #byId: Statement<[number], KeyRow>
  readonly #byHash: Statement<[Uint8Array], HashedKey>
  readonly #insert: Statement<[string, string, Uint8Array, number, number | null]>
  readonly #revoke: Statement<[number, number]>
  readonly #touch: Statement<[number, number]>

  constructor(database: Database) {
    this.#all = database.prepare(`SELECT ${columns} FROM keys ORDER BY id`)
    this.#byId = database.prepare(`SELECT ${columns} FROM keys WHERE id = ?`)
    this.#byHash = database.prepare(`SELECT ${columns}, hash FROM keys WHERE hash = ?`)
    this.#insert = database.prepare(
      'INSERT INTO keys (name, scope, hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?)',
    )
    this.#revoke = database.prepare(
      'UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL',
    )
    this.#touch = database.prepare('UPDATE keys SET last_used_at = ? WHERE id = ?')
  }

  /** All keys, also revoked and expired ones, oldest first. */
  all(): KeyRow[] {
    return this.#all.all()
  }

  byId(id: number): KeyRow | undefined {
    return this.#byId.get(id)
  }

  /** Finds a key by the SHA-256 of its secret. How long the search takes tells an attacker nothing about the secret. */
  byHash(hash: Uint8Array): HashedKey | undefined {
    return this.#byHash.get(hash)
  }

  insert(
    key: Pick<KeyRow, 'name' | 'scope' | 'createdAt' | 'expiresAt'> & { readonly hash: Uint8Array },
  ): number {
    const { name, scope, hash, createdAt, expiresAt } = key
    return Number(this.#insert.run(name, scope, hash, createdAt, expiresAt).lastInsertRowid)
  }

  /** Revokes a key. Returns false if there is no such key or it is revoked already. */
  revoke(id: number, now: number): boolean {
    return this.#revoke.run(now, id).changes > 0
  }

  touch(id: number, now: number): void {
    this.#touch.run(now, id)
  }
}
