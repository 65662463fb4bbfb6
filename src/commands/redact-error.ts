// An error → what the default log may tell of it: type, code and place, never its text, since that may hold what a mail
// server, a path or a message says, and so a trap's address. Used by log.ts below level debug, and by main.ts.
import { resolve } from 'node:path'
import { OperationalError, operationalErrorCodes } from '../errors.ts'

/** Every value is of a closed set, or of letters that a source file's name has. */
export interface ErrorFacts {
  readonly type: string
  readonly code?: string
  /** Of an OperationalError: the fixed sentence of its code. */
  readonly why?: string
  /** Of a wrong configuration: the keys. */
  readonly keys?: readonly string[]
  readonly syscall?: string
  /** Where in our own sources, innermost first; else the package. */
  readonly at?: readonly string[]
  readonly cause?: ErrorFacts
}

const maxCauses = 3
const maxFrames = 8
const sources = resolve(import.meta.dirname, '..')

/** Never throws, whatever was thrown. */
export function errorFacts(error: unknown, depth = 0): ErrorFacts {
  if (!(error instanceof Error)) return { type: typeof error }
  const { code, syscall } = error as NodeJS.ErrnoException
  const at = framesOf(error)
  return {
    type: identifier(error.name) ?? 'Error',
    ...part('code', identifier(code)),
    ...(error instanceof OperationalError && {
      why: operationalErrorCodes[error.code],
      ...(error.keys.length > 0 && { keys: error.keys }),
    }),
    ...part('syscall', identifier(syscall)),
    ...(at.length > 0 && { at }),
    ...(error.cause !== undefined &&
      depth < maxCauses && { cause: errorFacts(error.cause, depth + 1) }),
  }
}

/** `TYPE CODE, KEYS, at PLACE PLACE` on one line. */
export function errorLine({ type, code, why, keys, at, cause }: ErrorFacts): string {
  const parts = [
    [type, code].filter(Boolean).join(' '),
    ...(why === undefined ? [] : [why]),
    ...(keys === undefined ? [] : [keys.join(' ')]),
    ...(at === undefined ? [] : [`at ${at.join(' ')}`]),
    ...(cause === undefined ? [] : [`since ${errorLine(cause)}`]),
  ]
  return parts.join(', ')
}

function part(name: string, value: string | undefined): object {
  return value === undefined ? {} : { [name]: value }
}

/** Names and codes come from packages too: what is no plain identifier is left out. */
function identifier(value: unknown): string | undefined {
  return typeof value === 'string' && /^[A-Za-z][A-Za-z0-9_-]{0,59}$/.test(value)
    ? value
    : undefined
}

function framesOf({ stack = '', message }: Error): string[] {
  // The stack repeats the text, which may play a frame.
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
