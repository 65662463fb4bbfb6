// Errors that an operator can act on, the list of their codes, and the logger interface. Hostile input throws nothing:
// the function returns a value. A broken invariant fails an assertion. Every other failure is an OperationalError.

/** Every code of an OperationalError and its meaning. Codes never change, since scripts may match on them. */
export const operationalErrorCodes = {
  'config-invalid':
    'the configuration file is wrong; check-config says what is wrong with each key',
  'usage-invalid': 'the command line is wrong',
  'address-unavailable': 'a listen address cannot be bound',
  'database-locked': 'another process holds the database',
  'database-failed':
    'the database cannot be opened, read or written (perhaps the disk is full); the log says why',
  'files-exhausted':
    'the process may open no more files and connections: raise LimitNOFILE (ulimit -n)',
  'database-newer': 'the database was written by a newer version',
  'capacity-reached': 'the shared tree is full: raise dns.capacity',
  'disk-too-small': 'the disk of the database has no room for the list',
  'disk-low':
    'the disk of the database has less free space than store.minFree: no mail is accepted',
  'clock-held':
    'the wall clock has jumped: until the time is sure, nothing that depends on it is accepted',
  'record-invalid': 'a record in zone.records or a name in zone cannot be encoded',
  'mailbox-failed': 'a trap mailbox cannot be read',
  'server-unreachable': 'no server answers where one was expected',
  'request-refused': 'the server refused the request',
  'mail-deferred':
    'no mail is accepted now: there is no memory left for it, or the server is stopping',
  'worker-failed': 'a thread died too often',
  'installation-refused': 'quickstart cannot make a file, a folder or the user, or a file exists',
} as const

export type OperationalErrorCode = keyof typeof operationalErrorCodes

/** One wrong key of a configuration, by its path, and what was expected of it. */
interface KeyFault {
  readonly key: string
  readonly why: string
}

/** A failure outside the program, such as a full disk. Whoever catches it retries, answers with a problem document, or exits. */
export class OperationalError extends Error {
  readonly code: OperationalErrorCode
  /** For `config-invalid`: what is wrong with each key. Empty if the file cannot be read as TOML. */
  readonly faults: readonly KeyFault[]
  /**
   * What an HTTP client is told; undefined: the code's fixed sentence. Contains no path and no text that strangers wrote.
   */
  readonly told: string | undefined

  constructor(
    code: OperationalErrorCode,
    message: string,
    options: ErrorOptions & { readonly faults?: readonly KeyFault[]; readonly told?: string } = {},
  ) {
    super(message, options)
    this.name = 'OperationalError'
    this.code = code
    this.faults = options.faults ?? []
    this.told = options.told
  }

  /** The paths of the wrong keys. */
  get keys(): string[] {
    return this.faults.map(({ key }) => key)
  }
}

/** Whether a file or connection could not be opened because too many are open (EMFILE, ENFILE). */
export function isOutOfFiles(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'EMFILE' || code === 'ENFILE'
}

/** The code that Node, the system or a package gave an error; '' if it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

const fileFaults: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of its path is not a folder',
  EISDIR: 'it is a folder, not a file',
  EACCES:
    'this user may not read it: use root or the service’s user, or change its owner or mode (chown, chmod)',
}

/**
 * Says in words why a file cannot be read, and what to do; the error's own text if the system gave another reason. Takes the
 * system's error or, where its text may name a secret path, the error's code alone.
 */
export function fileFault(error: unknown): string {
  return inWords(fileFaults, error)
}

const bindFaults: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'another process uses this port: "ss -lnptu" as root shows which; stop it or choose another port',
  EACCES: 'a port below 1024 needs root or CAP_NET_BIND_SERVICE, which backscatterd.service gives',
  EADDRNOTAVAIL: 'this machine does not have this address: "ip address" shows those it has',
}

/** Says in words why an address cannot be bound, and what to do; the error's own text if the system gave another reason. */
export function bindFault(error: unknown): string {
  return inWords(bindFaults, error)
}

function inWords(faults: Readonly<Record<string, string>>, error: unknown): string {
  const code = typeof error === 'string' ? error : codeOf(error)
  return Object.hasOwn(faults, code) ? `${faults[code]} (${code})` : messageOf(error)
}

/** Makes a `config-invalid` error for one key. `why` says what is wrong with it, as text or as an error. */
export function wrongKey(key: string, why: unknown): OperationalError {
  const path = why instanceof Error && 'path' in why ? `${why.path}: ` : ''
  const [text = ''] = (path + fileFault(why)).split('\n')
  const cause = why instanceof Error && { cause: why }
  const faults = [{ key, why: text }]
  return new OperationalError('config-invalid', `${key}: ${text}`, { faults, ...cause })
}

/** Joins errors of `wrongKey` into one, a line for each. With `file`, each line begins with `FILE: `. Keeps the first cause. */
export function wrongKeys(errors: readonly OperationalError[], file?: string): OperationalError {
  const faults = errors.flatMap((each) => each.faults)
  const place = file === undefined ? '' : `${file}: `
  const lines = faults.map(({ key, why }) => `${place}${key}: ${why}`)
  const cause = errors.map((each) => each.cause).find((each) => each !== undefined)
  return new OperationalError('config-invalid', lines.join('\n'), {
    faults,
    ...(cause !== undefined && { cause }),
  })
}

/**
 * The part of pino's interface that our code uses. Facts go into the fields; the message is a fixed sentence. An error goes
 * into the field `err`, where the log masks everything that looks like a mail address. Text that others wrote may name a
 * trap, so it is logged at level debug only.
 */
export interface Logger {
  error(fields: object, message: string): void
  warn(fields: object, message: string): void
  info(fields: object, message: string): void
  debug(fields: object, message: string): void
}

/** Logs nothing. */
export const silent: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
}
