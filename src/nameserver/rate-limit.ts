// Response rate limiting. All UDP threads share one table in memory; it has a budget for each client network and class of
// response.
import type { ClientAddress } from '../dns/query-context.ts'
import type { Limit, ResponseClass } from '../dns/responder.ts'
import { hashNetwork } from './client-network.ts'

export interface RateLimitOptions {
  /** For each network and class; more than 0. After a second without responses, this many may be sent at once. */
  readonly responsesPerSecond: number
  /** Send every Nth limited response, truncated; 0 sends none. */
  readonly slip: number
}

/** Places in the table, each for a network and class, in sets of four. A full set forgets the one with the most budget left. */
const slots = 1 << 16
const ways = 4
const burstMs = 1000
const seedsAt = slots
const tagsOffset = slots * 8

/** Makes the table. Its hash has a random key, so that nobody can aim at the place of another network. */
export function createRateLimitTable(): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(tagsOffset + (slots + 2) * 4)
  const seeds = crypto.getRandomValues(new Int32Array(2))
  new Int32Array(memory, tagsOffset).set(seeds, seedsAt)
  return memory
}

/**
 * One thread's access to the table. It takes no locks: if two threads count for one network at the same instant, one of the two
 * responses is not counted.
 */
export class RateLimiter {
  /** Epoch milliseconds. The caller sets it before `limit`. */
  now = 0
  /** For each place, the time when its budget is full again (GCRA's theoretical arrival time). */
  readonly #wholeAt: Float64Array
  readonly #tags: Int32Array
  readonly #costMs: number
  readonly #slip: number
  #limited = 0

  constructor(memory: SharedArrayBuffer, { responsesPerSecond, slip }: RateLimitOptions) {
    this.#wholeAt = new Float64Array(memory, 0, slots)
    this.#tags = new Int32Array(memory, tagsOffset)
    this.#costMs = burstMs / responsesPerSecond
    this.#slip = slip
  }

  /** Takes one response off the client's budget. Returns what to do with the response: 'pass' unless the budget is used up. */
  limit(client: ClientAddress, responseClass: ResponseClass): Limit {
    const { now } = this
    const wholeAt = this.#wholeAt
    const slot = this.#slotOf(client, responseClass)
    const known = wholeAt[slot] ?? 0
    // If the clock was set back, a stored time may be far ahead; it is ignored.
    const from = known > now && known <= now + 2 * burstMs ? known : now
    const next = from + this.#costMs
    if (next <= now + burstMs || from === now) {
      wholeAt[slot] = next
      return 'pass'
    }
    this.#limited++
    if (this.#slip === 0 || this.#limited % this.#slip !== 0) return 'drop'
    return 'slip'
  }

  #slotOf(client: ClientAddress, responseClass: ResponseClass): number {
    const tags = this.#tags
    const wholeAt = this.#wholeAt
    const hash = hashNetwork(client, tags[seedsAt] ?? 0, (tags[seedsAt + 1] ?? 0) + responseClass)
    const first = (hash & (slots / ways - 1)) * ways
    // The tag is never 0, which marks an empty place. Setting the lowest bit loses nothing, since that bit chose the place.
    const tag = hash | 1
    let idlest = first
    for (let slot = first; slot < first + ways; slot++) {
      if (tags[slot] === tag) return slot
      if ((wholeAt[slot] ?? 0) < (wholeAt[idlest] ?? 0)) idlest = slot
    }
    tags[idlest] = tag
    wholeAt[idlest] = 0
    return idlest
  }
}
