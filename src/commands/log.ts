// The log: JSON lines on standard error for machines, one readable line each on a terminal.
import { pino } from 'pino'
import type { Logger } from '../errors.ts'
import { type ErrorFacts, errorFacts, errorLine } from './redact-error.ts'

/** A logger whose level can be changed while it runs. Trap addresses belong to level debug alone. */
export interface ServerLog extends Logger {
  level: string
}

/** `isTerminal` chooses the readable form. Errors show no paths but `ownPaths`, except at level debug. */
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

/** One JSON line as `12:00:00 warn  the message  key=value …`. */
function readable(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line)
  const label = pino.levels.labels[level] ?? String(level)
  const facts = Object.entries(fields).map(
    ([key, value]) => `${key}=${key === 'err' ? plainError(value as ErrorFacts) : plain(value)}`,
  )
  return `${[time.slice(11, 19), label.padEnd(5), msg, ...facts].join('  ')}\n`
}

/** At level debug the text alone: pino's own form of an error. */
function plainError(value: ErrorFacts | { readonly message: string; readonly stack: string }) {
  return 'stack' in value ? value.message : errorLine(value)
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
