// The log: JSON lines on standard error for machines, one readable line each on a terminal. Made by serve.ts.
import { pino } from 'pino'
import type { Logger } from '../errors.ts'

export type LogLevel = 'error' | 'warn' | 'info' | 'debug'

/** A logger whose level can be changed while it runs. Trap addresses belong to level debug alone. */
export interface ServerLog extends Logger {
  level: string
}

/** Makes the log. `isTerminal` chooses the readable form. */
export function createLog(level: LogLevel, isTerminal: boolean): ServerLog {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  if (!isTerminal) return pino(options, pino.destination({ fd: 2, sync: true }))
  return pino(options, { write: (line: string) => process.stderr.write(readable(line)) })
}

/** `12:00:00 warn  the message  key=value …` of one JSON line. */
function readable(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line)
  const label = pino.levels.labels[level] ?? String(level)
  const facts = Object.entries(fields).map(([key, value]) => `${key}=${plain(value)}`)
  return `${[time.slice(11, 19), label.padEnd(5), msg, ...facts].join('  ')}\n`
}

function plain(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'message' in value)
    return String(value.message)
  return typeof value === 'string' ? value : JSON.stringify(value)
}
