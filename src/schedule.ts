// Cron expressions → calls at their times. The only file that knows node-cron.
import { schedule, validate } from 'node-cron'
import type { Logger } from './errors.ts'

export interface ScheduleOptions {
  /** What the log calls it. */
  readonly name: string
  /** Five fields as in crontab(5), or six, the first in seconds. */
  readonly expression: string
  /** Must not reject; a call that is still running makes the next one be left out. */
  readonly run: () => Promise<void>
  readonly log: Logger
}

export interface Schedule {
  /** No call begins after it. */
  stop(): void
}

/** Whether node-cron takes the expression. */
export function isSchedule(expression: string): boolean {
  return validate(expression)
}

/** A call comes up to a tenth of the interval late, so that many servers do not knock at the same second. */
const jitterShare = 0.1
const longestJitterMs = 30_000

/** Calls `run` at each time of the expression or a little later, in the machine's time zone, one call at a time. */
export function startSchedule({ name, expression, run, log }: ScheduleOptions): Schedule {
  const note = (message: string | Error): void => {
    log.debug({ schedule: name, note: String(message) }, 'schedule')
  }
  let isStopped = false
  const runSoon = async (): Promise<void> => {
    const [next, afterNext] = task.getNextRuns(2).map((date) => date.getTime())
    const interval = (afterNext ?? 0) - (next ?? 0)
    const jitterMs = Math.random() * Math.min(Math.max(interval, 0) * jitterShare, longestJitterMs)
    await new Promise((over) => setTimeout(over, jitterMs).unref())
    if (!isStopped) await run()
  }
  const task = schedule(expression, runSoon, {
    name,
    noOverlap: true,
    // A tick left out because the one before it is still running is how it should be, and no warning.
    logger: { info: note, warn: note, error: note, debug: note },
  })
  return {
    stop: () => {
      isStopped = true
      void task.destroy()
    },
  }
}
