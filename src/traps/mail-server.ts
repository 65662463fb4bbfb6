// Reads how to connect to a mailbox's server, and limits how much it may send and how slowly. We do not trust the server: a
// connection over a limit is ended.
import { readFile } from 'node:fs/promises'
import { messageOf, OperationalError } from '../errors.ts'
import { MailboxFault, type MailboxOptions } from './mailbox.ts'

export interface MailServer {
  readonly host: string
  readonly port: number
  readonly user: string
  /** The folder to read; IMAP only. */
  readonly folder: string
  /**
   * 'implicit': TLS from the first octet. 'required': STARTTLS, or no connection. 'offered': STARTTLS if the server has it;
   * allowed for loopback addresses only, since the password may go unencrypted.
   */
  readonly tls: 'implicit' | 'required' | 'offered'
}

export interface MailAccount {
  readonly name: string
  readonly url: string
  /** File with the password. It is read at each connection; a line end after the password is ignored. */
  readonly passwordFile: string
  /** PEM file of the certificate authority of the server; '' for the authorities that Node trusts. */
  readonly caFile: string
  /** Larger messages are not read. */
  readonly maxBytes: number
}

/** Types of mailboxes on a mail server. Mailboxes of any other type are local files. */
type ServerType = Exclude<MailboxOptions['type'], 'maildir' | 'mbox'>

/** Whether mailboxes of this type are on a mail server, so that they have a URL and a password. */
export function isOnServer(type: MailboxOptions['type']): type is ServerType {
  return type !== 'maildir' && type !== 'mbox'
}

const ports: Readonly<Record<string, number>> = { imap: 143, imaps: 993, pop3: 110, pop3s: 995 }

/** Parses a mailbox's URL. Throws OperationalError `config-invalid`. */
export function mailServer(
  type: ServerType,
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

/** Decodes %XX; null if a % is not followed by two hex digits or the octets are not UTF-8. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** Reads the password and the certificate authority from their files. Throws MailboxFault if one cannot be read. */
export async function credentials({ passwordFile, caFile }: MailAccount) {
  try {
    const password = (await readFile(passwordFile, 'utf8')).replace(/\r?\n$/, '')
    return { password, ...(caFile !== '' && { ca: await readFile(caFile, 'utf8') }) }
  } catch (cause) {
    throw new MailboxFault('credentials-unreadable', messageOf(cause), { cause })
  }
}

export interface ExchangeLimits {
  readonly octets: number
  /** The most line ends in the answer. No limit if the answer holds a message. */
  readonly lines?: number
}

export interface Deadlines {
  /** While an answer is awaited, at least `windowOctets` must arrive in each window of this length. */
  readonly windowMs: number
  readonly windowOctets: number
  /** The longest time for one command and its answer. */
  readonly exchangeMs: number
  /** When a poll has waited for its server this long, it reads no further message; the next poll goes on. */
  readonly readingMs: number
}

/** A server slower than about 1 KiB per second is given up. */
export const usualDeadlines: Deadlines = {
  windowMs: 60_000,
  windowOctets: 64 * 1024,
  exchangeMs: 30 * 60_000,
  readingMs: 60 * 60_000,
}

/** The most that a server may send between two commands, to report changes by other clients. */
const limitsBetween: Required<ExchangeLimits> = { octets: 1024 ** 2, lines: 20_000 }

const LF = 0x0a

/** Counts what arrives over one connection, separately for each command. */
export class ExchangeMeter {
  readonly #deadlines: Deadlines
  readonly #giveUp: (fault: MailboxFault) => void
  #limits: ExchangeLimits = limitsBetween
  #octets = 0
  #lines = 0
  #windowStart = 0
  #fault: MailboxFault | null = null
  #timers: readonly NodeJS.Timeout[] = []

  /** `giveUp` must end the connection. It is called once, with the reason. */
  constructor(deadlines: Deadlines, giveUp: (fault: MailboxFault) => void) {
    this.#deadlines = deadlines
    this.#giveUp = giveUp
  }

  /** Why the connection was ended, or null. */
  get fault(): MailboxFault | null {
    return this.#fault
  }

  /** To be called before a command is sent. */
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

  /** To be called when the answer is complete. */
  end(): void {
    this.#restart(limitsBetween)
  }

  /** Counts received octets; to be called in the order they arrive. */
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

/** Adds up how long a poll waits for its server. */
export class ReadingClock {
  readonly #deadlines: Deadlines
  #waitedMs = 0
  #hasMessage = false

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines
  }

  /** Counts the time until `answer` settles. */
  async during<T>(answer: Promise<T>): Promise<T> {
    const begun = performance.now()
    try {
      return await answer
    } finally {
      this.#waitedMs += performance.now() - begun
    }
  }

  /** To be called at the start of a poll. */
  restart(): void {
    this.#waitedMs = 0
    this.#hasMessage = false
  }

  /** Whether the time is up; to be called before each message. Throws MailboxFault if the time is up before the first message. */
  isOver(): boolean {
    const isOver = this.#waitedMs > this.#deadlines.readingMs
    if (isOver && !this.#hasMessage) throw tooSlow()
    this.#hasMessage = true
    return isOver
  }
}

function tooSlow(): MailboxFault {
  return new MailboxFault('timed-out', 'the server does not answer, or answers too slowly')
}

export function tooMuch(): MailboxFault {
  return new MailboxFault('protocol-broken', 'the server sent more than is allowed')
}
