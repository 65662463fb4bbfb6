// API keys: creates, checks and revokes them. Only the SHA-256 of a secret is stored.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Alongside } from '../blocklist/types.ts'
import type { AuditAction } from '../store/audit.ts'
import { databaseFailure, isDatabaseError } from '../store/database.ts'
import type { KeyRow, KeyScope } from '../store/keys.ts'
import type { AppOptions } from './options.ts'

const secretPattern = /^bsd_[A-Za-z0-9_-]{43}$/
const secretBytes = 32
/** A key's last use is stored after this delay at most. Storing it at each request would cost more than the request. */
const lastUseDelayMs = 60_000
/** Names that have another meaning in the audit. */
const reservedNames = new Set(['cli', 'trap', 'config', 'public'])

export interface NewKey {
  readonly name: string
  readonly scope: KeyScope
  /** Epoch seconds; null: never. */
  readonly expiresAt: number | null
}

/** A new key. The secret is stored nowhere and cannot be shown again. */
export interface MadeKey {
  readonly key: KeyRow
  readonly secret: string
}

export class KeyRing {
  readonly #options: Pick<AppOptions, 'store' | 'now' | 'log'>
  readonly #lastUses = new Map<number, number>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: Pick<AppOptions, 'store' | 'now' | 'log'>) {
    this.#options = options
  }

  /** Finds the key of this secret. Returns undefined if the secret is wrong, or the key expired or revoked. */
  find(secret: string): KeyRow | undefined {
    if (!secretPattern.test(secret)) return undefined
    const hash = hashOf(secret)
    const row = this.#options.store.keys.byHash(hash)
    if (row === undefined || !timingSafeEqual(row.hash, hash)) return undefined
    return this.#used(row)
  }

  /** The key with this id. Returns undefined if there is none, or it expired or was revoked. */
  valid(id: number): KeyRow | undefined {
    const row = this.#options.store.keys.byId(id)
    return row && this.#used(row)
  }

  /**
   * Creates a key. Returns 'taken' if an unrevoked key has that name or the name is reserved. `secret` comes from
   * `newSecret`; `alongside` runs in the same transaction. Throws OperationalError 'database-failed'.
   */
  create(
    key: NewKey,
    actor: string,
    secret = newSecret(),
    alongside?: Alongside<MadeKey>,
  ): MadeKey | 'taken' {
    if (reservedNames.has(key.name)) return 'taken'
    return this.#transact(() => {
      const isTaken = this.all().some((each) => each.name === key.name && each.revokedAt === null)
      if (isTaken) return 'taken'
      const createdAt = this.#options.now()
      const id = this.#options.store.keys.insert({ ...key, createdAt, hash: hashOf(secret) })
      const row = { ...key, id, createdAt, revokedAt: null, lastUsedAt: null }
      this.#audit(actor, 'key-create', null, row)
      const created = { key: row, secret }
      alongside?.(created)
      return created
    })
  }

  /** Revokes a key at once. Returns 'revoked' if it already was, and undefined if there is no such key. */
  revoke(id: number, actor: string): KeyRow | 'revoked' | undefined {
    return this.#transact(() => {
      const before = this.byId(id)
      if (before === undefined) return undefined
      if (!this.#options.store.keys.revoke(id, this.#options.now())) return 'revoked'
      const after = { ...before, revokedAt: this.#options.now() }
      this.#audit(actor, 'key-revoke', before, after)
      return after
    })
  }

  /** Every key there ever was, oldest first. */
  all(): KeyRow[] {
    return this.#options.store.keys.all().map((row) => ({
      ...row,
      lastUsedAt: this.#lastUses.get(row.id) ?? row.lastUsedAt,
    }))
  }

  byId(id: number): KeyRow | undefined {
    return this.all().find((row) => row.id === id)
  }

  /** Stores when each key was last used. Call it before the store is closed. Never throws. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#lastUses.size === 0) return
    try {
      this.#transact(() => {
        for (const [id, at] of this.#lastUses) this.#options.store.keys.touch(id, at)
      })
      this.#lastUses.clear()
    } catch (error) {
      this.#options.log.warn({ err: error }, 'the last use of API keys was not stored')
    }
  }

  /** Notes that the key is used now, if it is valid. */
  #used(row: KeyRow): KeyRow | undefined {
    const now = this.#options.now()
    if (row.revokedAt !== null || (row.expiresAt !== null && row.expiresAt <= now)) return undefined
    this.#lastUses.set(row.id, now)
    this.#timer ??= setTimeout(() => this.flush(), lastUseDelayMs).unref()
    return row
  }

  #audit(actor: string, action: AuditAction, before: KeyRow | null, after: KeyRow): void {
    this.#options.store.audit.insert({
      at: this.#options.now(),
      actor,
      action,
      target: after.name,
      before,
      after,
    })
  }

  /**
   * Runs `work` in its own transaction. No group commit of the list can be open now: each begins and ends within one turn
   * of the event loop.
   */
  #transact<T>(work: () => T): T {
    try {
      this.#options.store.begin()
      const result = work()
      this.#options.store.commit()
      return result
    } catch (error) {
      this.#options.store.rollback()
      throw isDatabaseError(error) ? databaseFailure(error, 'the database failed') : error
    }
  }
}

/** Makes a secret: `bsd_` and 32 random octets in base64url (RFC 4648 §5). */
export function newSecret(): string {
  return `bsd_${randomBytes(secretBytes).toString('base64url')}`
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
