// Cron expressions → calls at their times. The only file that knows node-cron, and that only for what an expression means:
// node-cron's own timer steps through every time that a jump of the wall clock left out, holding the event loop meanwhile,
// and after a jump back it waits until the clock is where it was.
import { createTask, validate } from 'node-cron'

export interface ScheduleOptions {
  /** Five fields as in crontab(5), or six, the first in seconds. */
  readonly expression: string
  /** Must not reject; times that come while it is still running are left out. */
  readonly run: () => Promise<void>
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
/** The next time is worked out again this often, since the wall clock may have been set back. */
const longestWaitMs = 3_600_000

/**
 * Calls `run` at each time of the expression or a little later, in the machine's time zone, one call at a time. A wall clock
 * that jumps ahead brings one call, for all the times that it left out.
 */
export function startSchedule({ expression, run }: ScheduleOptions): Schedule {
  const task = createTask(expression, () => undefined)
  let timer: NodeJS.Timeout | undefined
  let isStopped = false
  const awaitNext = (): void => {
    const [next = 0, afterNext = 0] = task.getNextRuns(2).map((date) => date.getTime())
    const interval = Math.max(afterNext - next, 0)
    const jitterMs = Math.random() * Math.min(interval * jitterShare, longestJitterMs)
    const waitMs = Math.max(next - Date.now(), 0) + jitterMs
    timer = setTimeout(() => void callIfDue(next), Math.min(waitMs, longestWaitMs)).unref()
  }
  const callIfDue = async (time: number): Promise<void> => {
    if (Date.now() >= time) await run()
    if (!isStopped) awaitNext()
  }
  awaitNext()
  return {
    stop: () => {
      isStopped = true
      clearTimeout(timer)
    },
  }
}
