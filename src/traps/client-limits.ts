// Counts what each SMTP client does, as Postfix's anvil(8) does: its open connections, and its connections, messages, recipients
// and errors per minute. A client over a limit is refused until its minute is over. The log has one line for each such client and
// minute. Memory is bounded, however many clients there are.
import type { Logger } from '../errors.ts'
import { type Address, clientKey, isLoopback } from '../ip/address.ts'

/** Limits for one client per minute; 0 means no limit. */
export interface MinuteLimits {
  readonly connections: number
  readonly messages: number
  readonly recipients: number
  readonly errors: number
}

interface ClientLimitsOptions {
  /** Most open connections of one client. */
  readonly maxConnections: number
  readonly perMinute: MinuteLimits
  readonly log: Logger
  /** Milliseconds of a monotonic clock. */
  now(): number
}

/** An IPv4 address or an IPv6 /64 as text; null for a client that is not counted. */
export type CountedClient = string | null

/** Loopback addresses and unknown clients are not counted. */
export function countedClient(address: Address | null): CountedClient {
  return address === null || isLoopback(address) ? null : clientKey(address)
}

type Counts = { -readonly [K in keyof MinuteLimits]: number }

interface Minute extends Counts {
  readonly endsAt: number
  /** How many commands brought no mail since the last message. */
  wasted: number
  refused: number
}

const minuteMs = 60_000
/** When this many clients are remembered, all of them are forgotten and counting starts again. */
const maxClients = 20_000
/** The default of Postfix's smtpd_junk_command_limit. */
const maxWasted = 100
const pauseStepMs = 500
const longestPauseMs = 5000

/** Commands that bring no mail. */
const wasteful = new Set(['HELO', 'EHLO', 'LHLO', 'RSET', 'NOOP', 'VRFY', 'HELP'])

export class ClientLimits {
  readonly #options: ClientLimitsOptions
  readonly #open = new Map<string, number>()
  /** The minute that ends first comes first. */
  readonly #minutes = new Map<string, Minute>()
  /** When each block ends, in milliseconds of now(). */
  readonly #blocked = new Map<string, number>()

  constructor(options: ClientLimitsOptions) {
    this.#options = options
  }

  /** Counts a new connection. Returns null, or why it is refused; a refused connection does not count as open. */
  enter(client: CountedClient): string | null {
    if (client === null) return null
    this.#minute(client).connections++
    const refusal = this.refusal(client)
    if (refusal !== null) return refusal
    const open = this.#open.get(client) ?? 0
    if (open >= this.#options.maxConnections) return this.#refuse(client, 'connections')
    this.#open.set(client, open + 1)
    return null
  }

  /** Counts a closed connection. */
  leave(client: CountedClient): void {
    if (client === null) return
    const open = (this.#open.get(client) ?? 0) - 1
    if (open > 0) this.#open.set(client, open)
    else this.#open.delete(client)
  }

  /** Counts a command by its name. */
  command(client: CountedClient, name: string): void {
    if (client === null) return
    const minute = this.#minute(client)
    if (name === 'MAIL') minute.messages++
    if (name === 'RCPT') minute.recipients++
    if (name === 'DATA') minute.wasted = 0
    if (wasteful.has(name)) this.waste(client)
  }

  /** Counts a command that brought no mail. Beyond `maxWasted` of them, each counts as an error. */
  waste(client: CountedClient): void {
    if (client === null) return
    const minute = this.#minute(client)
    if (++minute.wasted > maxWasted) minute.errors++
  }

  /** Counts a 5xx reply. */
  error(client: CountedClient): void {
    if (client !== null) this.#minute(client).errors++
  }

  /** Returns the text of the 421 if the client is over a limit or blocked now, else null. Each refusal is counted. */
  refusal(client: CountedClient): string | null {
    if (client === null) return null
    if (this.#isBlocked(client)) return this.#refuse(client, null)
    const { perMinute } = this.#options
    const minute = this.#minute(client)
    for (const what of ['errors', 'connections', 'messages', 'recipients'] as const) {
      if (perMinute[what] > 0 && minute[what] > perMinute[what]) return this.#refuse(client, what)
    }
    return null
  }

  /** How long to delay the reply to an error. No delay up to half of the allowed errors, then longer with each error. */
  pauseMs(client: CountedClient): number {
    const { errors: limit } = this.#options.perMinute
    if (client === null || limit === 0) return 0
    const beyond = this.#minute(client).errors - Math.floor(limit / 2)
    return Math.min(Math.max(beyond, 0) * pauseStepMs, longestPauseMs)
  }

  /** Refuses the client for `forMs` milliseconds. */
  block(client: CountedClient, forMs: number): void {
    if (client === null) return
    if (this.#blocked.size >= maxClients) this.#blocked.clear()
    this.#blocked.set(client, this.#options.now() + forMs)
  }

  /** Forgets the minutes that are over, and logs each one that had refusals or errors. */
  sweep(): void {
    const now = this.#options.now()
    for (const [client, minute] of this.#minutes) {
      if (now < minute.endsAt) return
      this.#finish(client, minute)
    }
  }

  /** Forgets all minutes, and logs each one that had refusals or errors. */
  close(): void {
    for (const [client, minute] of this.#minutes) this.#finish(client, minute)
  }

  #minute(client: string): Minute {
    const now = this.#options.now()
    const running = this.#minutes.get(client)
    if (running !== undefined && now < running.endsAt) return running
    if (running !== undefined) this.#finish(client, running)
    if (this.#minutes.size >= maxClients) this.close()
    const counts = { connections: 0, messages: 0, recipients: 0, errors: 0 }
    const minute = { ...counts, endsAt: now + minuteMs, wasted: 0, refused: 0 }
    this.#minutes.set(client, minute)
    return minute
  }

  #isBlocked(client: string): boolean {
    const until = this.#blocked.get(client)
    if (until === undefined) return false
    if (this.#options.now() < until) return true
    this.#blocked.delete(client)
    return false
  }

  #refuse(client: string, what: keyof MinuteLimits | null): string {
    this.#minute(client).refused++
    const why = what === null ? 'No mail' : `Too many ${what}`
    return `4.7.0 ${why} from your address, try again later`
  }

  #finish(client: string, minute: Minute): void {
    this.#minutes.delete(client)
    const { connections, messages, recipients, errors, refused } = minute
    const fields = { client, connections, messages, recipients, errors, refused }
    const { log } = this.#options
    if (refused > 0)
      log.warn(fields, 'SMTP client was over a limit and was refused (counts of one minute)')
    else if (errors > 0) log.info(fields, 'SMTP client made errors (counts of one minute)')
  }
}
