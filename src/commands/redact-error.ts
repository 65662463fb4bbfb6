// What the log shows of an error: type, code, text and place. Words that look like mail addresses are masked. A text that
// strangers may have written (a mail server, or a package that read mail) is left out.
import { resolve } from 'node:path'
import { OperationalError, type OperationalErrorCode, operationalErrorCodes } from '../errors.ts'

export interface ErrorFacts {
  readonly type: string
  readonly code?: string
  /** The masked text. Absent if strangers may have written it, or if it repeats values of the configuration. */
  readonly message?: string
  /** The meaning of an OperationalError's code, often with what to do. */
  readonly why?: string
  readonly errno?: number
  readonly syscall?: string
  /** The path, if the configuration names it. */
  readonly path?: string
  /** For a wrong configuration: the wrong keys. */
  readonly keys?: readonly string[]
  /** The places in our own sources, innermost first; if there is none, the innermost package of the stack. */
  readonly at?: readonly string[]
  readonly cause?: ErrorFacts
}

const maxCauses = 3
const maxFrames = 8
const maxCharacters = 1000
const sources = resolve(import.meta.dirname, '..')

/**
 * Collects what the log may show of an error, and of up to `causes` causes below it. Of paths, only those in `ownPaths` are
 * shown. Accepts any thrown value, and never throws.
 */
export function errorFacts(
  error: unknown,
  ownPaths: readonly string[] = [],
  causes = maxCauses,
): ErrorFacts {
  if (!(error instanceof Error)) return { type: typeof error }
  const { code, errno, syscall, path } = error as NodeJS.ErrnoException
  const at = framesOf(error)
  const keys = error instanceof OperationalError ? error.keys : []
  const why = operationalErrorCodes[code as OperationalErrorCode]
  const facts: { [K in keyof ErrorFacts]: ErrorFacts[K] | undefined } = {
    type: identifier(error.name) ?? 'Error',
    code: identifier(code),
    message: keys.length === 0 && isOurs(error, at) ? shownText(error, ownPaths) : undefined,
    why: isOperational(error) ? why : undefined,
    errno: typeof errno === 'number' ? errno : undefined,
    syscall: identifier(syscall),
    path: path !== undefined && ownPaths.includes(path) ? path : undefined,
    keys: keys.length > 0 ? keys : undefined,
    at: at.length > 0 ? at : undefined,
    cause:
      error.cause === undefined || causes === 0
        ? undefined
        : errorFacts(error.cause, ownPaths, causes - 1),
  }
  // Drops undefined members.
  return JSON.parse(JSON.stringify(facts))
}

/** `TYPE CODE: TEXT or KEYS (MEANING), at PLACE PLACE, because of TYPE …` on one line. */
export function errorLine({ type, code, message, why, keys, at, cause }: ErrorFacts): string {
  const name = [type, code].filter(Boolean).join(' ')
  const said = message?.replaceAll(/\s+/g, ' ') ?? keys?.join(', ')
  const text = said === undefined ? '' : `: ${said}`
  const meaning = why === undefined ? '' : ` (${why})`
  const place = at === undefined ? '' : `, at ${at.join(' ')}`
  const because = cause === undefined ? '' : `, because of ${errorLine(cause)}`
  return name + text + meaning + place + because
}

/**
 * Whether the error's text comes from this program, the system or the database. Errors from packages, or from code that reads
 * mail, may quote a message or a mail server, and so name a trap in a form that no mask recognises.
 */
function isOurs(error: Error, at: readonly string[]): boolean {
  if (isOperational(error) || error.name === 'SqliteError') return true
  if (at.some((place) => /^src\/(traps|mail|classify)\//.test(place))) return false
  return 'syscall' in error || at.some((place) => place.startsWith('src/'))
}

/** Whether it is an OperationalError. Checks the code, since an error from another thread has lost its class. */
function isOperational(error: Error): boolean {
  return 'code' in error && Object.hasOwn(operationalErrorCodes, String(error.code))
}

function shownText(error: Error, ownPaths: readonly string[]): string {
  if (isOperational(error)) return maskAddresses(error.message).slice(0, maxCharacters)
  // Use only the first line: further lines often quote the input.
  let [text = ''] = error.message.split('\n')
  for (const key of ['path', 'dest', 'hostname', 'host']) {
    const value = key in error ? error[key as keyof Error] : undefined
    if (typeof value === 'string' && value !== '' && !ownPaths.includes(value)) {
      text = text.replaceAll(value, `(${key})`)
    }
  }
  const shown = text.replaceAll(/\/[^\s'":,;]*\/[^\s'":,;]*/g, (path) =>
    ownPaths.includes(path) ? path : '(path)',
  )
  return maskAddresses(shown).slice(0, maxCharacters)
}

/** All encodings of @ in mail and on the web: plain, percent-encoded (also twice), =40, +40, HTML entity, escape. */
const atSign =
  /[@\uff20\ufe6b]|%(?:25)*40|[=+]40(?!\d)|&commat;|&#0*64;?|&#x0*40;?|\\u0040|\\x40|\\064|\\100/i
const domain = String.raw`(?:[\p{L}\p{N}_-]+\.)+\p{L}[\p{L}\p{N}-]+`
/** Addresses written without @: `user=example.org` (VERP, SRS), `user%example.org` and `example.org!user`. */
const addressWithoutAt = new RegExp(String.raw`[=%]${domain}|${domain}!\S`, 'u')

/**
 * Replaces each word that may contain a mail address by "(address)". In doubt, a word is replaced. Recognises quoted local
 * parts, encodings, VERP and base64, but not a local part alone or a domain alone.
 */
export function maskAddresses(text: string): string {
  return withoutQuoted(text).replaceAll(/\S+/g, (word) => (hasAddress(word) ? '(address)' : word))
}

/** Masks all from the first quotation mark to the end of the last quoted local part, as its beginning is not certain. */
function withoutQuoted(text: string): string {
  const first = text.indexOf('"')
  const last = text.lastIndexOf('"@')
  return first < last ? `${text.slice(0, first)}(address)${text.slice(last + 1)}` : text
}

function hasAddress(word: string): boolean {
  return atSign.test(word) || addressWithoutAt.test(word) || decodings(word).some(isAddress)
}

function isAddress(text: string): boolean {
  return /[^\s@]{2}@[^\s@]{3}/.test(text)
}

/** Decodes the word in six ways: as base64 from each of its first four characters, as hexadecimal from its first two digits. */
function decodings(word: string): string[] {
  const digits = word.replaceAll(/[^0-9a-f]/gi, '')
  const runs = word.match(/[\w+/-]{12,}/g) ?? []
  return [
    ...runs.flatMap((run) =>
      [0, 1, 2, 3].map((start) => Buffer.from(run.slice(start), 'base64').toString('latin1')),
    ),
    ...[0, 1].map((start) => Buffer.from(digits.slice(start), 'hex').toString('latin1')),
  ]
}

/** Returns the value if it is a plain identifier. A package may put any text into a name or a code. */
function identifier(value: unknown): string | undefined {
  return typeof value === 'string' && /^[A-Za-z][A-Za-z0-9_-]{0,59}$/.test(value)
    ? value
    : undefined
}

function framesOf({ stack = '', message }: Error): string[] {
  // The stack begins with the error's text. Skip it, since a text may look like a stack frame.
  const textAt = message === '' ? -1 : stack.indexOf(message)
  const lines = stack.slice(textAt < 0 ? 0 : textAt + message.length).split('\n')
  const found = (pattern: RegExp): string[] =>
    lines.flatMap((line) => pattern.exec(line)?.groups?.['place'] ?? []).slice(0, maxFrames)
  const own = found(
    new RegExp(`${RegExp.escape(sources)}/(?<place>(?:[a-z0-9-]+/)*[a-z0-9-]+\\.ts:\\d+)`),
  )
  if (own.length > 0) return own.map((place) => `src/${place}`)
  return found(/(?<place>node_modules\/(?:@[a-z0-9.-]+\/)?[a-z0-9.-]+)\//).slice(0, 1)
}
