// Who a request comes from, by its `Authorization: Bearer bsd_…`, and what wrong keys cost: an address that keeps
// trying is put off, but a valid key is taken from anywhere at any time. Called by app.ts before anything else.
import type { KeyRing } from './key-ring.ts'
import { type Problem, problem } from './problem.ts'
import type { Caller } from './scopes.ts'

/** Wrong keys that an address may try within a window before it is answered 429. */
const maxWrongKeys = 20
const windowSeconds = 60
/** Addresses remembered at once; beyond it the oldest window is forgotten. */
const maxAddresses = 10_000

/** Refused, and after how many seconds to come back where that is the reason. */
export interface Denial {
  readonly problem: Problem
  readonly retryAfter?: number
}

export const nobody: Caller = { name: 'public', id: 'public', scope: 'public' }

export class Authenticator {
  readonly #keys: KeyRing
  readonly #now: () => number
  /** Insertion order is the order in which the windows end. */
  readonly #wrong = new Map<string, { readonly until: number; count: number }>()

  constructor(keys: KeyRing, now: () => number) {
    this.#keys = keys
    this.#now = now
  }

  /** The caller by the value of the Authorization field; `address` is what wrong keys are counted for. */
  identify(authorization: string | undefined, address: () => string): Caller | Denial {
    if (authorization === undefined) return nobody
    // RFC 9110 §11.1: the scheme's name in any case; RFC 6750 §2.1.
    const secret = /^bearer +([\w.~+/-]+=*)$/i.exec(authorization)?.[1]
    const key = secret === undefined ? undefined : this.#keys.find(secret)
    if (key !== undefined) return { name: key.name, id: `key:${key.id}`, scope: key.scope }
    return this.#deny(address())
  }

  #deny(address: string): Denial {
    const now = this.#now()
    const window = this.#windowOf(address, now)
    window.count += 1
    if (window.count <= maxWrongKeys) {
      const detail = 'the Authorization field holds no key that is valid now'
      return { problem: problem(401, 'wrong-key', detail) }
    }
    const retryAfter = Math.max(1, window.until - now)
    const detail = `too many wrong keys from this address: try again in ${retryAfter} s`
    return { problem: problem(429, 'too-many-wrong-keys', detail), retryAfter }
  }

  #windowOf(address: string, now: number): { readonly until: number; count: number } {
    const known = this.#wrong.get(address)
    // A clock that was set back puts nobody off for longer.
    const isOpen = (until: number): boolean => until > now && until <= now + windowSeconds
    if (known !== undefined && isOpen(known.until)) return known
    this.#wrong.delete(address)
    for (const [oldest, { until }] of this.#wrong) {
      if (isOpen(until) && this.#wrong.size < maxAddresses) break
      this.#wrong.delete(oldest)
    }
    const window = { until: now + windowSeconds, count: 0 }
    this.#wrong.set(address, window)
    return window
  }
}
