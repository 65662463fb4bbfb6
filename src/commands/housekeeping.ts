// Checks that `serve` repeats while it runs: whether the shared tree is nearly full, and whether files can still be opened.
// Both log a warning. Also notifies systemd.
import { closeSync, openSync } from 'node:fs'
import { isOutOfFiles, type Logger, OperationalError } from '../errors.ts'
import { loadNotify } from '../libc.ts'
import { OncePerMinute } from '../log-rarely.ts'
import type { TreeStats } from '../tree/blocks.ts'

/** The tree counts as nearly full above the first share, and as having room again below the second. */
const nearlyFullShare = 0.9
const roomyShare = 0.85

/** Returns a function that checks the tree, logs a change since the last check, and returns whether it is nearly full. */
export function watchCapacity(
  usage: () => Omit<TreeStats, 'limboBytes'>,
  log: Logger,
): () => boolean {
  let isNearlyFull = false
  return () => {
    const { usedBytes, capacityBytes, freeBytes } = usage()
    const share = (usedBytes - freeBytes) / capacityBytes
    const fields = { usedBytes: usedBytes - freeBytes, capacityBytes }
    if (!isNearlyFull && share >= nearlyFullShare) {
      isNearlyFull = true
      log.warn(
        fields,
        'the shared tree is nearly full: raise dns.capacity before new listings are refused',
      )
    } else if (isNearlyFull && share < roomyShare) {
      isNearlyFull = false
      log.info(fields, 'the shared tree has room again')
    }
    return isNearlyFull
  }
}

/**
 * Returns a function that tries to open a file and logs a failure, at most once a minute. Without this check nobody would
 * know: if the process may open no more files, new connections are closed without an error in any listener.
 */
export function watchFiles(
  log: Logger,
  open = () => closeSync(openSync('/dev/null', 'r')),
  rarely = new OncePerMinute(),
): () => void {
  return () => {
    try {
      open()
    } catch (cause) {
      if (!isOutOfFiles(cause)) return
      rarely.run(() => {
        const message = '/dev/null: cannot be opened'
        const err = new OperationalError('files-exhausted', message, { cause })
        log.error({ err }, 'no file or connection can be opened: new connections are closed')
      })
    }
  }
}

/**
 * Tells systemd when the server is ready, that it is still alive, and when it stops (Type=notify and WatchdogSec= of the
 * unit; sd_notify(3), sd_watchdog_enabled(3)). Does nothing if the environment names no socket. Never throws.
 */
export async function systemdNotice(env: NodeJS.ProcessEnv, log: Logger) {
  const notify = await loadNotify(env['NOTIFY_SOCKET'])
  const tell = (state: string): void => {
    try {
      notify?.(state)
    } catch (error) {
      log.warn({ err: error, state }, 'systemd does not accept a notification')
    }
  }
  const intervalMs = watchdogMs(env) / 2
  return {
    /** Call it once every listener is bound. It also starts the watchdog notifications. */
    ready() {
      tell('READY=1')
      if (notify && intervalMs > 0) setInterval(tell, intervalMs, 'WATCHDOG=1').unref()
    },
    stopping: () => tell('STOPPING=1'),
  }
}

/** systemd kills the process after this time without a notification; 0 means never. */
function watchdogMs({ WATCHDOG_USEC: microseconds, WATCHDOG_PID: pid }: NodeJS.ProcessEnv): number {
  if (pid !== undefined && Number(pid) !== process.pid) return 0
  const milliseconds = Number(microseconds ?? 0) / 1000
  return Number.isFinite(milliseconds) ? milliseconds : 0
}
