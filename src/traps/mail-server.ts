// A mail server that is read from: where and how safely to connect to it, and how much it may say and how slowly. The
// server is a stranger: one that says more than it may, or is too slow, is given up.
import { readFile } from 'node:fs/promises'
import { OperationalError } from '../errors.ts'
import { MailboxFault } from './mailbox.ts'

export interface MailServer {
  readonly host: string
  readonly port: number
  readonly user: string
  /** IMAP: the folder to read. */
  readonly folder: string
  /**
   * 'implicit': TLS from the first octet. 'required': STARTTLS, or nothing. 'offered': STARTTLS if the server has it;
   * only on the loopback, where a password in the clear is seen by nobody.
   */
  readonly tls: 'implicit' | 'required' | 'offered'
}

export interface MailAccount {
  readonly name: string
  readonly url: string
  /** A file with the password, read at each connection; a line end after it does not count. */
  readonly passwordFile: string
  /** PEM file of the authority that signed the server's certificate; '' for the usual ones. */
  readonly caFile: string
  /** A larger message is not read. */
  readonly maxBytes: number
}

const ports: Readonly<Record<string, number>> = { imap: 143, imaps: 993, pop3: 110, pop3s: 995 }

/** Reads the URL of a mailbox of that type. Throws OperationalError `config-invalid`. */
export function mailServer(
  type: 'imap' | 'pop3',
  { name, url }: Pick<MailAccount, 'name' | 'url'>,
): MailServer {
  const parsed = URL.canParse(url) ? new URL(url) : null
  const scheme = parsed?.protocol.slice(0, -1) ?? ''
  const host = parsed?.hostname.replace(/^\[|\]$/g, '') ?? ''
  const user = decoded(parsed?.username ?? '')
  const folder = decoded(parsed?.pathname.slice(1) ?? '')
  const isOne = (scheme === type || scheme === `${type}s`) && host !== '' && user && folder !== null
  if (parsed === null || !isOne || parsed.password !== '') {
    const expected = `${type}s://USER@HOST${type === 'imap' ? '/FOLDER' : ''}, without a password`
    throw new OperationalError('config-invalid', `mailbox ${name}: url: expected ${expected}`)
  }
  const isLoopback = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(host)
  return {
    host,
    port: Number(parsed.port) || (ports[scheme] ?? 0),
    user,
    folder: folder || 'INBOX',
    tls: scheme.endsWith('s') ? 'implicit' : isLoopback ? 'offered' : 'required',
  }
}

/** null: a % that begins no octet, or octets that are no UTF-8. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** The password and the authority, as the files have them now. Throws MailboxFault when they cannot be read. */
export async function credentials({ passwordFile, caFile }: MailAccount) {
  try {
    const password = (await readFile(passwordFile, 'utf8')).replace(/\r?\n$/, '')
    return { password, ...(caFile !== '' && { ca: await readFile(caFile, 'utf8') }) }
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause)
    throw new MailboxFault('credentials-unreadable', detail, { cause })
  }
}

export interface ExchangeLimits {
  readonly octets: number
  /** Line ends; left out where the answer holds a message. */
  readonly lines?: number
}

export interface Deadlines {
  /** Within each such span an exchange that is not over brings at least so many octets. */
  readonly windowMs: number
  readonly windowOctets: number
  /** An exchange is over after so long, whatever it brings. */
  readonly exchangeMs: number
  /** A reading that has waited for its server so long begins no further command; what is left comes with the next. */
  readonly readingMs: number
}

/** About 1 KiB a second: slower is no server that anybody reads mail from. */
export const usualDeadlines: Deadlines = {
  windowMs: 60_000,
  windowOctets: 64 * 1024,
  exchangeMs: 30 * 60_000,
  readingMs: 60 * 60_000,
}

/** Between two commands a server may tell what others did to the mailbox. */
const limitsBetween: Required<ExchangeLimits> = { octets: 1024 ** 2, lines: 20_000 }

const LF = 0x0a

/** Watches one connection, on which one exchange follows another. */
export class ExchangeMeter {
  readonly #deadlines: Deadlines
  readonly #giveUp: (fault: MailboxFault) => void
  #limits: ExchangeLimits = limitsBetween
  #octets = 0
  #lines = 0
  #windowStart = 0
  #fault: MailboxFault | null = null
  #timers: readonly NodeJS.Timeout[] = []

  /** `giveUp` is called once, with why, and ends the connection. */
  constructor(deadlines: Deadlines, giveUp: (fault: MailboxFault) => void) {
    this.#deadlines = deadlines
    this.#giveUp = giveUp
  }

  /** Why the connection was given up. */
  get fault(): MailboxFault | null {
    return this.#fault
  }

  /** A command goes out. */
  begin(limits: ExchangeLimits): void {
    this.#restart(limits)
    const { windowMs, windowOctets, exchangeMs } = this.#deadlines
    this.#windowStart = 0
    const eachWindow = setInterval(() => {
      if (this.#octets - this.#windowStart < windowOctets) this.#stop(tooSlow())
      this.#windowStart = this.#octets
    }, windowMs)
    const atLast = setTimeout(() => this.#stop(tooSlow()), exchangeMs)
    this.#timers = [eachWindow.unref(), atLast.unref()]
  }

  /** Its answer is here. */
  end(): void {
    this.#restart(limitsBetween)
  }

  /** What came, in the order it came. */
  count(chunk: Uint8Array): void {
    const { octets, lines = Number.POSITIVE_INFINITY } = this.#limits
    this.#octets += chunk.length
    if (lines !== Number.POSITIVE_INFINITY) {
      for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, at + 1)) this.#lines++
    }
    if (this.#octets > octets || this.#lines > lines) this.#stop(tooMuch())
  }

  #restart(limits: ExchangeLimits): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers = []
    this.#limits = limits
    this.#octets = 0
    this.#lines = 0
  }

  #stop(fault: MailboxFault): void {
    if (this.#fault !== null) return
    this.#fault = fault
    this.#restart(limitsBetween)
    this.#giveUp(fault)
  }
}

/** How long a reading has waited for its server. */
export class ReadingClock {
  readonly #deadlines: Deadlines
  #waitedMs = 0
  #hasMessage = false

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines
  }

  /** Counts the time until `answer` has come. */
  async during<T>(answer: Promise<T>): Promise<T> {
    const begun = performance.now()
    try {
      return await answer
    } finally {
      this.#waitedMs += performance.now() - begun
    }
  }

  /** A reading begins. */
  restart(): void {
    this.#waitedMs = 0
    this.#hasMessage = false
  }

  /** A message is about to be read: whether there is no time left for it. Throws MailboxFault when there was none for the first. */
  isOver(): boolean {
    const isOver = this.#waitedMs > this.#deadlines.readingMs
    if (isOver && !this.#hasMessage) throw tooSlow()
    this.#hasMessage = true
    return isOver
  }
}

export function tooSlow(): MailboxFault {
  return new MailboxFault('timed-out', 'the server does not answer, or too slowly')
}

export function tooMuch(): MailboxFault {
  return new MailboxFault('protocol-broken', 'the server says more than it may')
}
