// Calls a function at the times of a cron expression. node-cron only works out the times: its own timer would hold the event
// loop while it steps through all times that a jump of the wall clock skipped, and stand still after a jump back.
import { createTask, validate } from 'node-cron'

export interface ScheduleOptions {
  /** Five fields as in crontab(5), or six, the first in seconds. */
  readonly expression: string
  /** Must not reject. Times that come while it is still running are skipped. */
  readonly run: () => Promise<void>
}

export interface Schedule {
  /** After this no call begins. */
  stop(): void
}

/** Whether it is a cron expression. */
export function isSchedule(expression: string): boolean {
  return validate(expression)
}

/** A call is up to a tenth of the interval late, so that many servers do not ask in the same second. */
const jitterShare = 0.1
const longestJitterMs = 30_000
/** The next time is worked out again after this, since the wall clock may have been set back. */
const longestWaitMs = 3_600_000

/**
 * Calls `run` at each time of the expression or a little later, in the machine's time zone, one call at a time. If the wall
 * clock jumps ahead, there is one call for all the times that it skipped.
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
