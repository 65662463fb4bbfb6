// The log on standard error: JSON lines or, on a terminal, readable lines.
import { pino } from 'pino'
import type { Logger } from '../errors.ts'
import { type ErrorFacts, errorFacts, errorLine } from './redact-error.ts'

/** A logger whose level can be changed while it runs. Trap addresses may be logged at level debug only. */
export interface ServerLog extends Logger {
  level: string
}

/** `isTerminal` chooses the readable form. Unless the level is debug, errors show only the paths in `ownPaths`. */
export function createLog(
  level: 'error' | 'warn' | 'info' | 'debug',
  isTerminal: boolean,
  ownPaths: readonly string[],
): ServerLog {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: {
      err: (error: unknown): unknown =>
        log.isLevelEnabled('debug') && error instanceof Error
          ? pino.stdSerializers.err(error)
          : errorFacts(error, ownPaths),
    },
  }
  const log = isTerminal
    ? pino(options, { write: (line: string) => process.stderr.write(readable(line)) })
    : pino(options, pino.destination({ fd: 2, sync: true }))
  return log
}

/** Converts one JSON line to `12:00:00 warn  the message  key=value …`. */
function readable(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line)
  const label = pino.levels.labels[level] ?? String(level)
  const facts = Object.entries(fields).map(
    ([key, value]) => `${key}=${key === 'err' ? plainError(value as ErrorFacts) : plain(value)}`,
  )
  return `${[time.slice(11, 19), label.padEnd(5), msg, ...facts].join('  ')}\n`
}

/** Formats an error. At level debug it has pino's own form, of which only the text is shown. */
function plainError(value: ErrorFacts | { readonly message: string; readonly stack: string }) {
  return 'stack' in value ? value.message : errorLine(value)
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
