// The log: JSON lines on standard error for machines, one readable line each on a terminal. Made by serve.ts.
import { pino } from 'pino'
import type { Logger } from '../errors.ts'
import { type ErrorFacts, errorFacts, errorLine } from './redact-error.ts'

export type LogLevel = 'error' | 'warn' | 'info' | 'debug'

/** A logger whose level can be changed while it runs. Trap addresses belong to level debug alone. */
export interface ServerLog extends Logger {
  level: string
}

/** Makes the log. `isTerminal` chooses the readable form. */
export function createLog(level: LogLevel, isTerminal: boolean): ServerLog {
  const options = {
    ...{ level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    serializers: {
      err: (error: unknown): unknown =>
        log.isLevelEnabled('debug') && error instanceof Error
          ? pino.stdSerializers.err(error)
          : errorFacts(error),
    },
  }
  const log = isTerminal
    ? pino(options, { write: (line: string) => process.stderr.write(readable(line)) })
    : pino(options, pino.destination({ fd: 2, sync: true }))
  return log
}

/** `12:00:00 warn  the message  key=value …` of one JSON line. */
function readable(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line)
  const label = pino.levels.labels[level] ?? String(level)
  const facts = Object.entries(fields).map(
    ([key, value]) => `${key}=${key === 'err' ? plainError(value as ErrorFacts) : plain(value)}`,
  )
  return `${[time.slice(11, 19), label.padEnd(5), msg, ...facts].join('  ')}\n`
}

function plainError(value: ErrorFacts | { readonly message: string }): string {
  return 'message' in value ? value.message : errorLine(value)
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
