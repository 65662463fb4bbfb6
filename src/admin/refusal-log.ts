// Who is refused at the door, one line a minute for each client: no client can fill the log, and the operator sees who tries.
import type { Logger } from '../errors.ts'

const windowMs = 60_000
/** Clients told apart at once; the refusals of all others share one line a minute. */
const maxClients = 1000

export type RefusalReason = 'too many connections' | 'too many requests' | 'too many wrong keys'

interface Window {
  readonly endsAt: number
  /** Refusals since the client's last line. */
  count: number
}

export class RefusalLog {
  readonly #log: Logger
  readonly #nowMs: () => number
  /** By client; insertion order is the order in which the windows end. */
  readonly #windows = new Map<string, Window>()

  /** `nowMs` never goes back. */
  constructor(log: Logger, nowMs = () => performance.now()) {
    this.#log = log
    this.#nowMs = nowMs
  }

  /** The first refusal of a minute is logged, with the number of those since the last line. */
  note(client: string, why: RefusalReason): void {
    const now = this.#nowMs()
    const known = this.#windows.get(client)
    if (known === undefined) this.#forget(now)
    const isCrowded = known === undefined && this.#windows.size >= maxClients
    const key = isCrowded ? 'others' : client
    const window = this.#windows.get(key)
    if (window !== undefined && window.endsAt > now) {
      window.count += 1
      return
    }
    const refused = (window?.count ?? 0) + 1
    this.#windows.delete(key)
    this.#windows.set(key, { endsAt: now + windowMs, count: 0 })
    this.#log.warn({ client: key, why, refused }, 'an HTTP client was refused')
  }

  /** Windows that ended a minute ago or earlier. */
  #forget(now: number): void {
    for (const [client, { endsAt }] of this.#windows) {
      if (endsAt + windowMs > now) return
      this.#windows.delete(client)
    }
  }
}
