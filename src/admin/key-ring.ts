// API keys: made, shown once, checked on each request, revoked. Only the SHA-256 of a secret is kept. Used by
// authenticate.ts, routes/keys.ts and, for the first key, by commands/serve.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Alongside } from '../blocklist/types.ts'
import type { Logger } from '../errors.ts'
import { databaseFailure, isDatabaseError, type Store } from '../store/database.ts'
import type { KeyRow, KeyScope } from '../store/keys.ts'

export type { KeyRow, KeyScope }

const secretPattern = /^bsd_[A-Za-z0-9_-]{43}$/
const secretBytes = 32
/** Last use is written this much later at most: a write for each request would cost more than the request. */
const lastUseDelayMs = 60_000
/** Names that stand in the audit for something else. */
const reservedNames = new Set(['cli', 'trap', 'config', 'public'])

export interface NewKey {
  readonly name: string
  readonly scope: KeyScope
  /** Epoch seconds; null: never. */
  readonly expiresAt: number | null
}

/** A key that was just made; the secret is nowhere else and cannot be had again. */
export interface MadeKey {
  readonly key: KeyRow
  readonly secret: string
}

export interface KeyRingOptions {
  readonly store: Store
  /** Epoch seconds. */
  now(): number
  readonly log: Logger
}

export class KeyRing {
  readonly #store: Store
  readonly #now: () => number
  readonly #log: Logger
  readonly #lastUses = new Map<number, number>()
  #timer: NodeJS.Timeout | undefined

  constructor({ store, now, log }: KeyRingOptions) {
    this.#store = store
    this.#now = now
    this.#log = log
  }

  /** The key that this secret opens now; undefined for a wrong, expired or revoked one. */
  find(secret: string): KeyRow | undefined {
    if (!secretPattern.test(secret)) return undefined
    const hash = hashOf(secret)
    const row = this.#store.keys.byHash(hash)
    if (row === undefined || !timingSafeEqual(row.hash, hash)) return undefined
    const now = this.#now()
    if (row.revokedAt !== null || (row.expiresAt !== null && row.expiresAt <= now)) return undefined
    this.#lastUses.set(row.id, now)
    this.#timer ??= setTimeout(() => this.flush(), lastUseDelayMs).unref()
    return row
  }

  /**
   * Makes a key. 'taken' when one that is not revoked has that name, or the name means something else in the audit.
   * `secret` is for who has made one already (`newSecret`); `alongside` writes in the same transaction. Throws
   * OperationalError 'database-failed'.
   */
  create(
    key: NewKey,
    actor: string,
    secret = newSecret(),
    alongside?: Alongside<MadeKey>,
  ): MadeKey | 'taken' {
    if (reservedNames.has(key.name)) return 'taken'
    return this.#transact(() => {
      if (this.#store.keys.byName(key.name)) return 'taken'
      const createdAt = this.#now()
      const id = this.#store.keys.insert({ ...key, createdAt, hash: hashOf(secret) })
      const row = { ...key, id, createdAt, revokedAt: null, lastUsedAt: null }
      this.#audit(actor, 'key-create', null, row)
      const created = { key: row, secret }
      alongside?.(created)
      return created
    })
  }

  /** From this moment on the key opens nothing. 'revoked' when it was before; undefined: there is no such key. */
  revoke(id: number, actor: string): KeyRow | 'revoked' | undefined {
    return this.#transact(() => {
      const before = this.byId(id)
      if (before === undefined) return undefined
      if (!this.#store.keys.revoke(id, this.#now())) return 'revoked'
      const after = { ...before, revokedAt: this.#now() }
      this.#audit(actor, 'key-revoke', before, after)
      return after
    })
  }

  /** Oldest first, from the id after `after` on. */
  page(limit: number, after: number): KeyRow[] {
    return this.#store.keys.page(limit, after).map((row) => this.#withLastUse(row))
  }

  byId(id: number): KeyRow | undefined {
    const row = this.#store.keys.byId(id)
    return row && this.#withLastUse(row)
  }

  /** Whether a key of scope admin was ever made, so that the first one is made once. */
  hasAdmin(): boolean {
    return this.#store.keys.hasAdmin()
  }

  /** Writes down what was used when. Call it before the store is closed; never throws. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#lastUses.size === 0) return
    try {
      this.#transact(() => {
        for (const [id, at] of this.#lastUses) this.#store.keys.touch(id, at)
      })
      this.#lastUses.clear()
    } catch (error) {
      this.#log.warn({ err: error }, 'last use of API keys not written')
    }
  }

  #withLastUse(row: KeyRow): KeyRow {
    return { ...row, lastUsedAt: this.#lastUses.get(row.id) ?? row.lastUsedAt }
  }

  #audit(actor: string, action: string, before: KeyRow | null, after: KeyRow): void {
    this.#store.audit.insert({ at: this.#now(), actor, action, target: after.name, before, after })
  }

  /** A transaction of its own: the list's group commits never stay open across a turn of the event loop. */
  #transact<T>(work: () => T): T {
    try {
      this.#store.begin()
      const result = work()
      this.#store.commit()
      return result
    } catch (error) {
      this.#store.rollback()
      throw isDatabaseError(error) ? databaseFailure(error, 'the database failed') : error
    }
  }
}

/** `bsd_` and 32 random octets in base64url (RFC 4648 §5). */
export function newSecret(): string {
  return `bsd_${randomBytes(secretBytes).toString('base64url')}`
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
