// What every kind of stored mailbox offers, why one cannot be read, and which of its messages were for no trap.
//
// Text from a server and a path may contain a trap's address, and traps are secret. So the default log and API scopes below admin
// get only an error code with its text, and the mailbox's name and type. They do not get the host: a trap's own domain often
// names its mail server.
import { codeOf, type Logger, OperationalError } from '../errors.ts'

export interface MailboxOptions {
  readonly name: string
  readonly type: 'imap' | 'pop3' | 'maildir' | 'mbox'
  /** The folder of a Maildir, or the file of an mbox. @default '' */
  readonly path?: string
  /** IMAP and POP3: the URL and the files that mail-server.ts describes. @default '' each */
  readonly url?: string
  readonly passwordFile?: string
  readonly caFile?: string
  /** IMAP: the folder to move accepted messages to; if '', they stay and are flagged \Seen. @default '' */
  readonly moveTo?: string
  /** A cron expression, with or without seconds. */
  readonly schedule: string
  readonly allTraps: boolean
  /** @default 10 MiB */
  readonly maxBytes?: number
}

export interface MessageName {
  /** The message's name in the mailbox: a file name or a UID. It may contain a trap's address. */
  readonly id: string
  /** Where the message is, in numbers only, so that the default log may show it. */
  readonly place: string
}

/** A message that waits in a mailbox, or the reason why it is not read. */
export type MailboxMessage = MessageName &
  (
    | {
        readonly raw: Uint8Array
        /** When the message arrived in the mailbox, epoch seconds; null if the mailbox does not tell. */
        readonly storedAt: number | null
      }
    | { readonly refused: string }
    /** It cannot be read, or was handled but cannot be marked as handled. */
    | { readonly unreadable: MailboxErrorCode; readonly detail: string }
  )

export interface Mailbox {
  /**
   * Yields all messages that were not accepted or passed over, oldest first. `position` is the last one that finish() returned,
   * in this process or an earlier one. A message comes again at the next call, also in a later process, until accept() has
   * resolved. Throws MailboxError if the mailbox cannot be read. A single message that cannot be read does not stop the others; it
   * is logged once.
   */
  messages(position: string | undefined): AsyncIterable<MailboxMessage>
  /**
   * Marks the message as handled: it does not come again. Call it once its evidence is committed. Throws MailboxError; its fault is
   * `messages-unreadable` or `read-only` if the other messages can still be handled.
   */
  accept(message: MessageName): Promise<void>
  /**
   * Leaves the message as it is, since none of these recipients is a trap. This process does not read it again unless one of them
   * becomes a trap.
   */
  passOver(message: MessageName, recipients: readonly string[]): void
  /**
   * Returns how far the mailbox has been read, as text that only its own type of mailbox understands; null if that
   * has not changed. Call it after each poll, when every message has been accepted or passed over, or has failed. Throws MailboxError.
   */
  finish?(): Promise<string | null>
  /** Closes files and connections. No poll may be running. Never rejects. */
  close?(): Promise<void>
}

/** What a mailbox needs from the rest of the server. */
export interface MailboxContext {
  /** Returns those of the addresses that are traps now. A recipient of a passed-over message may become a trap later. */
  trapsAmong(addresses: readonly string[]): Promise<ReadonlySet<string>>
  /** To be called when there may be new mail before the next scheduled poll, or a connection was lost. */
  wake(): void
  readonly log: Logger
}

/** The codes are stable: scripts may match on them. */
export const mailboxErrors = {
  unreachable: 'the server cannot be reached',
  'timed-out': 'the server does not answer in time',
  'connection-lost': 'the server ended the connection',
  'tls-failed': 'no secure connection: the server offers none, or its certificate is not trusted',
  'authentication-failed':
    'the server rejects the user name and password: check the user in url, and passwordFile',
  'folder-missing': 'the server has no such folder',
  refused: 'the server refused a command',
  'protocol-broken': 'the server violates the protocol',
  'credentials-unreadable':
    'its password file or CA file cannot be read: `backscatterd check-config` says why',
  locked: 'another program holds its lock',
  'permission-denied':
    'this process does not have permission to use it: give it to the service’s user (chown, chmod)',
  'messages-unreadable':
    'some of its messages cannot be read or moved; run `backscatterd doctor` as root to see why',
  'read-only':
    'its folder is read-only for this process: add it to ReadWritePaths= of the systemd unit',
  'not-found': 'there is no such file or folder',
  'wrong-type': 'it is not a mailbox of this type',
  damaged: 'its compressed content is damaged or cut short',
  changed: 'another program changed it while it was being read',
  'storage-failed': 'its disk is full or faulty',
  'not-recorded': 'a message was read but could not be recorded',
  'disk-low': 'not recorded: the database disk has less free space than store.minFree',
  'clock-held': 'not recorded: the clock has jumped and may be wrong',
  'thread-failed': 'the thread that reads mailboxes died; it will be restarted',
  unexpected: 'an unexpected error',
} as const

export type MailboxErrorCode = keyof typeof mailboxErrors

/** A fault with a known code. The message is for admins only and may contain anything. */
export class MailboxFault extends Error {
  readonly fault: MailboxErrorCode

  constructor(fault: MailboxErrorCode, detail: string, options?: ErrorOptions) {
    super(detail, options)
    this.name = 'MailboxFault'
    this.fault = fault
  }
}

/** An OperationalError `mailbox-failed`. Its message has only our own words and the mailbox's name. */
export class MailboxError extends OperationalError {
  readonly fault: MailboxErrorCode
  /** What was tried, and what the server or the system said. Only for scope admin and log level debug. */
  readonly detail: string

  constructor(name: string, fault: MailboxErrorCode, detail: string, options?: ErrorOptions) {
    super('mailbox-failed', `mailbox ${name}: ${fault}: ${mailboxErrors[fault]}`, options)
    this.name = 'MailboxError'
    this.fault = fault
    this.detail = detail
  }
}

/** Whether accept() failed for a reason that does not stop other messages. */
export function isOfOneMessage(error: unknown): error is MailboxError {
  return (
    error instanceof MailboxError &&
    (error.fault === 'messages-unreadable' || error.fault === 'read-only')
  )
}

const maxDetailCharacters = 1000

/** Turns any error into a MailboxError of that mailbox. `what` says what was tried. */
export function mailboxError(name: string, what: string, cause: unknown): MailboxError {
  if (cause instanceof MailboxError) return cause
  const detail = `${what}: ${wordsOf(cause)}`.slice(0, maxDetailCharacters)
  return new MailboxError(name, faultOf(cause), detail, { cause })
}

/** Our code for an error, found by the code that Node or a package gave it; never by its text. */
export function faultOf(cause: unknown): MailboxErrorCode {
  if (cause instanceof MailboxFault || cause instanceof MailboxError) return cause.fault
  const code = codeOf(cause)
  const known = Object.hasOwn(faultsByCode, code) ? faultsByCode[code] : undefined
  return known ?? (isTlsCode.test(code) ? 'tls-failed' : 'unexpected')
}

/** What the server or the system said. */
function wordsOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  // The IMAP server's own text tells more than imapflow's "Command failed".
  const said = 'responseText' in cause ? cause.responseText : undefined
  return typeof said === 'string' && said !== '' ? said : cause.message || codeOf(cause)
}

/** Codes of OpenSSL and Node for untrusted certificates and failed handshakes. */
const isTlsCode =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_MISMATCH|EPROTO$)/

/** Codes of errno(3), getaddrinfo(3), zlib and imapflow. */
const faultsByCode: Readonly<Record<string, MailboxErrorCode>> = {
  ECONNREFUSED: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETUNREACH: 'unreachable',
  ENETDOWN: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  ENOTFOUND: 'unreachable',
  EAI_AGAIN: 'unreachable',
  ETIMEDOUT: 'timed-out',
  CONNECT_TIMEOUT: 'timed-out',
  GREETING_TIMEOUT: 'timed-out',
  UPGRADE_TIMEOUT: 'timed-out',
  ETIMEOUT: 'timed-out',
  LockTimeout: 'timed-out',
  ECONNRESET: 'connection-lost',
  ECONNABORTED: 'connection-lost',
  EPIPE: 'connection-lost',
  NoConnection: 'connection-lost',
  EConnectionClosed: 'connection-lost',
  StateLogout: 'connection-lost',
  ClosedAfterConnectText: 'connection-lost',
  ClosedAfterConnectTLS: 'connection-lost',
  STARTTLS_INJECTION: 'tls-failed',
  ETHROTTLE: 'refused',
  UnexpectedTag: 'protocol-broken',
  MissingTag: 'protocol-broken',
  InvalidResponse: 'protocol-broken',
  ResponseProcessingFailed: 'protocol-broken',
  ParserError: 'protocol-broken',
  ParserErrorExchange: 'protocol-broken',
  MAX_IMAP_NESTING_REACHED: 'protocol-broken',
  LineTooLarge: 'protocol-broken',
  LiteralTooLarge: 'protocol-broken',
  ResponseTooLarge: 'protocol-broken',
  TooManyTokens: 'protocol-broken',
  TooManyResponses: 'protocol-broken',
  EACCES: 'permission-denied',
  EPERM: 'permission-denied',
  ENOENT: 'not-found',
  ENOTDIR: 'wrong-type',
  EISDIR: 'wrong-type',
  ELOOP: 'wrong-type',
  ENXIO: 'wrong-type',
  ESPIPE: 'wrong-type',
  Z_DATA_ERROR: 'damaged',
  Z_BUF_ERROR: 'damaged',
  ENOSPC: 'storage-failed',
  EDQUOT: 'storage-failed',
  EROFS: 'read-only',
  EIO: 'storage-failed',
  ESTALE: 'storage-failed',
}

const maxPassedOver = 100_000
const maxPassedOverOctets = 16 * 1024 ** 2
/** Memory that a string takes besides its characters. */
const stringOctets = 32

/**
 * Messages that were for no trap, keyed by their names in the mailbox. They are not read again unless one of their recipients
 * becomes a trap. Memory is bounded, since strangers decide how many there are.
 */
export class PassedOver<Name extends string | number> {
  readonly #recipients = new Map<Name, readonly string[]>()
  #octets = 0

  /** Does nothing if there is no room; the message is then read again at each poll. */
  add(name: Name, recipients: readonly string[]): void {
    const octets = [String(name), ...recipients].reduce(
      (sum, text) => sum + stringOctets + text.length,
      0,
    )
    const hasRoom =
      this.#recipients.size < maxPassedOver && this.#octets + octets <= maxPassedOverOctets
    if (!hasRoom || this.#recipients.has(name)) return
    this.#recipients.set(name, recipients)
    this.#octets += octets
  }

  /** undefined if that message was not passed over. */
  recipientsOf(name: Name): readonly string[] | undefined {
    return this.#recipients.get(name)
  }

  /**
   * For a listing of the whole mailbox: call `isWaiting` for each message in it. It returns whether the message must be read,
   * that is, it was not passed over, or one of its recipients is a trap now. `stillThere` then has the passed-over messages
   * that are still in the mailbox.
   */
  async look(trapsAmong: MailboxContext['trapsAmong']) {
    const traps = await trapsAmong(this.allRecipients())
    const stillThere = new PassedOver<Name>()
    const isWaiting = (name: Name): boolean => {
      const recipients = this.#recipients.get(name)
      if (recipients === undefined) return true
      stillThere.add(name, recipients)
      return recipients.some((each) => traps.has(each))
    }
    return { isWaiting, stillThere }
  }

  names(): Name[] {
    return [...this.#recipients.keys()]
  }

  allRecipients(): string[] {
    return [...this.#recipients.values()].flat()
  }
}
