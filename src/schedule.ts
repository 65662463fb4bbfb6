// Calls a function at the times of a cron expression. node-cron only works out the times. Its own timer is not used: when
// the wall clock jumps ahead, that timer blocks the event loop while it steps through all skipped times, and when the wall
// clock is set back, it stands still.
import { createTask, validate } from 'node-cron'

export interface ScheduleOptions {
  /** Five fields as in crontab(5), or six with seconds first. */
  readonly expression: string
  /** Must not reject. Times that pass while it is still running are skipped. */
  readonly run: () => Promise<void>
}

export interface Schedule {
  /** Begins no more calls. */
  stop(): void
}

export function isSchedule(expression: string): boolean {
  return validate(expression)
}

/** Each call comes late by a random time up to this share of the interval, so that servers do not all ask at once. */
const jitterShare = 0.1
const longestJitterMs = 30_000
/** The next time is worked out again after this long at most, since the wall clock may have been set back. */
const longestWaitMs = 3_600_000

/**
 * Calls `run` at each time of the expression or a little later, one call at a time, in the machine's time zone. If the wall
 * clock jumps ahead, all skipped times together cause one call.
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
