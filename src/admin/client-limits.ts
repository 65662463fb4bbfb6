// Limits for each client of the HTTP interface. A client is an IPv4 address or an IPv6 /64; behind a trusted proxy it is the
// address that the proxy names. The address decides about limits only and never gives rights.
import type { Socket } from 'node:net'
import type { Logger } from '../errors.ts'
import {
  type Address,
  clientKey,
  contains,
  isLoopback,
  type Prefix,
  parseAddress,
  unmapped,
} from '../ip/address.ts'

const minuteMs = 60_000

/**
 * Parses the address of a peer, or one that a proxy wrote, with or without a port. Returns undefined for any other text,
 * and for a peer that has disconnected. All undefined clients share one limit; none counts as loopback.
 */
export function readClient(text: string | undefined): Address | undefined {
  const parsed = parseAddress(withoutPort(text ?? ''))
  return 'value' in parsed ? unmapped(parsed.value) : undefined
}

/** Removes port and brackets: "192.0.2.1:1234", "[2001:db8::1]:1234", "[2001:db8::1]" (RFC 7239 §6). */
function withoutPort(text: string): string {
  const match = /^\[([^\]]*)\](?::\d{1,5})?$|^([\d.]+):\d{1,5}$/.exec(text)
  return match?.[1] ?? match?.[2] ?? text
}

/** The key under which requests share a limit: the IPv4 address, the IPv6 /64, or "unknown". */
export function limitKey(client: Address | undefined): string {
  return client === undefined ? 'unknown' : clientKey(client)
}

/** Whether the client is on this machine. */
export function isLocal(client: Address | undefined): boolean {
  return client !== undefined && isLoopback(client)
}

export function isTrustedProxy(client: Address | undefined, proxies: readonly Prefix[]): boolean {
  return client !== undefined && proxies.some((proxy) => contains(proxy, client))
}

/** The requests of a client within a limited time, such as a minute. */
interface Window {
  readonly endsAt: number
  count: number
}

/**
 * Counts the requests of each client within a window of time that begins with its first request. It is a store for
 * @fastify/rate-limit. That package's own store uses the wall clock: set back by a day, it would refuse a client for a day.
 */
export class ClientCounts {
  /** With more clients than this, the one whose window began first is forgotten. */
  static readonly #maxClients = 10_000
  /** Insertion order is the order in which the windows end. */
  readonly #windows = new Map<string, Window>()

  /** Counts one request for @fastify/rate-limit. */
  incr(
    client: string,
    done: (error: Error | null, counted: { current: number; ttl: number }) => void,
    windowMs: number,
  ): void {
    done(null, this.count(client, windowMs))
  }

  /**
   * Counts one request. Returns the requests in the client's window so far, and the milliseconds until it ends. All windows
   * must have one length.
   */
  count(client: string, windowMs: number): { current: number; ttl: number } {
    const now = performance.now()
    let window = this.#windows.get(client)
    if (window === undefined || window.endsAt <= now) {
      this.#windows.delete(client)
      this.#forget(now)
      window = { endsAt: now + windowMs, count: 0 }
      this.#windows.set(client, window)
    }
    window.count += 1
    return { current: window.count, ttl: window.endsAt - now }
  }

  /** Makes a store for another limit, with counts of its own. */
  child(): ClientCounts {
    return new ClientCounts()
  }

  #forget(now: number): void {
    for (const [client, { endsAt }] of this.#windows) {
      if (endsAt > now && this.#windows.size < ClientCounts.#maxClients) return
      this.#windows.delete(client)
    }
  }
}

export type RefusalReason = 'too many connections' | 'too many requests' | 'too many wrong keys'

/** Logs refused clients, at most one line a minute for each, so that no client can fill the log. */
export class RefusalLog {
  /** With more clients than this, all further ones share one line a minute. */
  static readonly #maxClients = 1000
  readonly #log: Logger
  /** `count`: refusals since the client's last line. Insertion order is the order in which the minutes end. */
  readonly #minutes = new Map<string, Window>()

  constructor(log: Logger) {
    this.#log = log
  }

  /** Logs the first refusal of a minute, with the number of refusals since the client's last line. */
  note(client: string, why: RefusalReason): void {
    const now = performance.now()
    const isKnown = this.#minutes.has(client)
    if (!isKnown) this.#forget(now)
    const key = isKnown || this.#minutes.size < RefusalLog.#maxClients ? client : 'others'
    const minute = this.#minutes.get(key)
    if (minute !== undefined && minute.endsAt > now) {
      minute.count += 1
      return
    }
    this.#minutes.delete(key)
    this.#minutes.set(key, { endsAt: now + minuteMs, count: 0 })
    const refused = (minute?.count ?? 0) + 1
    this.#log.warn({ client: key, why, refused }, 'an HTTP client was refused')
  }

  /** Forgets minutes that ended over a minute ago. Until then the client's next line can still give the count. */
  #forget(now: number): void {
    for (const [client, { endsAt }] of this.#minutes) {
      if (endsAt + minuteMs > now) return
      this.#minutes.delete(client)
    }
  }
}

/** Counts each client's open connections, so that one client cannot take them all. */
export class ClientConnections {
  readonly #maxOfClient: number
  readonly #open = new Map<string, number>()

  constructor(maxOfClient: number) {
    this.#maxOfClient = maxOfClient
  }

  /** Counts the connection until it closes. Returns false, and does not count it, if the client has its share already. */
  admit(client: string, socket: Socket): boolean {
    const count = this.#open.get(client) ?? 0
    if (count >= this.#maxOfClient) return false
    this.#open.set(client, count + 1)
    socket.once('close', () => {
      const left = (this.#open.get(client) ?? 1) - 1
      if (left === 0) this.#open.delete(client)
      else this.#open.set(client, left)
    })
    return true
  }
}
