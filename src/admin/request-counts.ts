// Requests of each client within its minute, for @fastify/rate-limit. Its own store goes by the wall clock: one that is set back
// by a day would put a client off for a day.

/** Clients told apart at once; beyond it the one whose minute began first is forgotten. */
const maxClients = 10_000

interface Window {
  readonly endsAt: number
  count: number
}

export class RequestCounts {
  /** Insertion order is the order in which the windows end. */
  readonly #windows = new Map<string, Window>()

  /** One more request of the client; times in milliseconds. */
  incr(
    client: string,
    done: (error: Error | null, counted: { current: number; ttl: number }) => void,
    windowMs = 60_000,
  ): void {
    const now = performance.now()
    let window = this.#windows.get(client)
    if (window === undefined || window.endsAt <= now) {
      this.#windows.delete(client)
      this.#forget(now)
      window = { endsAt: now + windowMs, count: 0 }
      this.#windows.set(client, window)
    }
    window.count += 1
    done(null, { current: window.count, ttl: window.endsAt - now })
  }

  /** There is one limit for all routes. */
  child(): this {
    return this
  }

  #forget(now: number): void {
    for (const [client, { endsAt }] of this.#windows) {
      if (endsAt > now && this.#windows.size < maxClients) return
      this.#windows.delete(client)
    }
  }
}
