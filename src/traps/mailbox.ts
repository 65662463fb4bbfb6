// What a stored mailbox is, whatever it is made of; what can keep it from being read; and which of its messages were for
// nobody of ours.
//
// What a server says and what a path is called may name a trap, and traps are secret. So the default log and the scopes
// below admin get a code and its text, the mailbox's name and its type, and nothing else: not even host and port, since a
// trap's own domain is often where its mail server is.
import { OperationalError } from '../errors.ts'

export interface MailboxOptions {
  readonly name: string
  readonly type: 'imap' | 'pop3' | 'maildir' | 'mbox'
  /** Maildir and mbox: the folder, the file. @default '' */
  readonly path?: string
  /** IMAP and POP3: as mail-server.ts reads it, and the files it needs. @default '' each */
  readonly url?: string
  readonly passwordFile?: string
  readonly caFile?: string
  /** IMAP: where accepted messages go; '' leaves them, flagged \Seen. @default '' */
  readonly moveTo?: string
  /** A cron expression, with or without seconds. */
  readonly schedule: string
  readonly allTraps: boolean
  /** @default 10 MiB */
  readonly maxBytes?: number
}

export interface MessageName {
  /** Names it in the mailbox: a file name, a UID. May hold anything, a trap's address too. */
  readonly id: string
  /** Where it is, in numbers alone: fit for the default log. */
  readonly place: string
}

/** A message that waits in a mailbox, or one that is too big to be read. */
export type MailboxMessage = MessageName &
  (
    | {
        readonly raw: Uint8Array
        /** When the mailbox got it, epoch seconds. */
        readonly storedAt: number
      }
    | { readonly refused: string }
  )

export interface Mailbox {
  /**
   * All messages that were not accepted or passed over, oldest first. Until accept() has resolved, a message comes again at the
   * next call, also in a later process. Throws MailboxError when the mailbox cannot be read; a
   * single message that cannot be read is left out and logged once.
   */
  messages(): AsyncIterable<MailboxMessage>
  /** Takes the message off, once its evidence is committed. Throws MailboxError. */
  accept(message: MessageName): Promise<void>
  /**
   * Leaves the message as it is: none of these recipients is a trap. It is not read again while that stays so and
   * this process lives.
   */
  passOver(message: MessageName, recipients: readonly string[]): void
  /**
   * To be called after each poll, when every message has been accepted or passed over, or has failed. Keeps the position.
   * Throws MailboxError.
   */
  finish?(): Promise<void>
  /** Calls back when there may be something new before the schedule says so, or a connection was lost. */
  watch?(wake: () => void): void
  /** Closes files and connections; no poll may be running. Never rejects. */
  close?(): Promise<void>
}

/** Which of these addresses are spam traps now: a message that was passed over may become one for a trap. */
export type TrapsAmong = (addresses: readonly string[]) => Promise<ReadonlySet<string>>

/** Keeps how far a mailbox has been read, as text that only that type of mailbox understands. */
export interface PositionKeeper {
  get(): string | undefined
  /** Called only for what is committed. */
  set(position: string): void
}

/** Stable: scripts may match on them. */
export const mailboxErrors = {
  unreachable: 'the server cannot be reached',
  'timed-out': 'the server does not answer in time',
  'connection-lost': 'the server ended the connection',
  'tls-failed': 'no secure connection: the server offers none, or its certificate is not trusted',
  'authentication-failed': 'the server does not take the user name and password',
  'folder-missing': 'the server has no such folder',
  refused: 'the server refused a command',
  'protocol-broken': 'the server does not keep to the protocol',
  'credentials-unreadable': 'the file of its password or authority cannot be read',
  locked: 'another program keeps it locked',
  'permission-denied': 'this process has not the right to it',
  'not-found': 'there is no such file or folder',
  'wrong-type': 'what is there is no mailbox of this type',
  damaged: 'its compressed content is damaged or cut short',
  changed: 'somebody else changed it while it was read',
  'storage-failed': 'its disk is full or fails',
  'not-recorded': 'what was read cannot be recorded',
  'disk-low': 'not recorded: the disk of the database has less free than store.minFree',
  'clock-held': 'not recorded: the clock has jumped, and its time is not sure yet',
  'thread-failed': 'the thread that reads mailboxes died; it is started again',
  unexpected: 'an unexpected error',
} as const

export type MailboxErrorCode = keyof typeof mailboxErrors

/** A fault whose code the thrower knows. The message is detail for admins and may hold anything. */
export class MailboxFault extends Error {
  readonly fault: MailboxErrorCode

  constructor(fault: MailboxErrorCode, detail: string, options?: ErrorOptions) {
    super(detail, options)
    this.name = 'MailboxFault'
    this.fault = fault
  }
}

/** OperationalError `mailbox-failed`. Its message consists of our own words and the mailbox's name. */
export class MailboxError extends OperationalError {
  readonly fault: MailboxErrorCode
  /** What was tried, and what the server or the system said of it: for scope admin and level debug. */
  readonly detail: string

  constructor(name: string, fault: MailboxErrorCode, detail: string, options?: ErrorOptions) {
    super('mailbox-failed', `mailbox ${name}: ${fault}: ${mailboxErrors[fault]}`, options)
    this.name = 'MailboxError'
    this.fault = fault
    this.detail = detail
  }
}

const maxDetailCharacters = 1000

/** Makes any error a MailboxError of that mailbox; `what` says what was tried. */
export function mailboxError(name: string, what: string, cause: unknown): MailboxError {
  if (cause instanceof MailboxError) return cause
  const detail = `${what}: ${wordsOf(cause)}`.slice(0, maxDetailCharacters)
  return new MailboxError(name, faultOf(cause), detail, { cause })
}

/** What an error means, by the code that Node or a package gave it; never by its text. */
export function faultOf(cause: unknown): MailboxErrorCode {
  if (cause instanceof MailboxFault || cause instanceof MailboxError) return cause.fault
  const code = codeOf(cause)
  const known = Object.hasOwn(faultsByCode, code) ? faultsByCode[code] : undefined
  return known ?? (isTlsCode.test(code) ? 'tls-failed' : 'unexpected')
}

/** An error's own code; '' when it has none. */
export function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : ''
}

/** The words of the server or the system. */
function wordsOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  // An IMAP server's words tell more than imapflow's "Command failed".
  const said = 'responseText' in cause ? cause.responseText : undefined
  return typeof said === 'string' && said !== '' ? said : cause.message || codeOf(cause)
}

/** What OpenSSL and Node call certificates they do not trust, and handshakes that fail. */
const isTlsCode =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_MISMATCH|EPROTO$)/

/** errno(3), getaddrinfo(3), zlib and imapflow. */
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
  EROFS: 'storage-failed',
  EIO: 'storage-failed',
  ESTALE: 'storage-failed',
}

const maxPassedOver = 100_000
const maxPassedOverOctets = 16 * 1024 ** 2
/** Memory of a string besides its characters. */
const stringOctets = 32

/**
 * Messages that were for no trap, by their names in the mailbox. They are not read again unless one of their recipients becomes
 * a trap. Bounded, since strangers decide how many there are.
 */
export class PassedOver<Name extends string | number> {
  readonly #recipients = new Map<Name, readonly string[]>()
  #octets = 0

  /** Does nothing when there is no room: the message is read again at each poll. */
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

  /** undefined: it was not passed over. */
  recipientsOf(name: Name): readonly string[] | undefined {
    return this.#recipients.get(name)
  }

  names(): Name[] {
    return [...this.#recipients.keys()]
  }

  allRecipients(): string[] {
    return [...this.#recipients.values()].flat()
  }
}
