// What `serve` tells systemd: that it is ready, that it stops, and between the two, for as long as its event loop turns,
// that it lives (Type=notify and WatchdogSec= of the unit; sd_notify(3), sd_watchdog_enabled(3)).
import type { Logger } from '../errors.ts'
import { loadNotify } from '../libc.ts'

export interface SystemdNotice {
  /** To be called once every listener is bound; the watchdog begins with it. */
  ready(): void
  stopping(): void
}

type Environment = Readonly<Record<string, string | undefined>>

/** Does nothing where no service manager asked for it in the environment. Nothing of it throws. */
export async function systemdNotice(env: Environment, log: Logger): Promise<SystemdNotice> {
  const notify = await loadNotify(env['NOTIFY_SOCKET'])
  const tell = (state: string): void => {
    try {
      notify?.(state)
    } catch (error) {
      log.warn({ err: error, state }, 'the service manager does not take what it is told')
    }
  }
  const everyMs = watchdogMs(env) / 2
  return {
    ready() {
      tell('READY=1')
      if (notify !== undefined && everyMs > 0) setInterval(tell, everyMs, 'WATCHDOG=1').unref()
    },
    stopping: () => tell('STOPPING=1'),
  }
}

/** How long the service manager waits for a sign of life; 0: it does not. */
function watchdogMs({ WATCHDOG_USEC: microseconds, WATCHDOG_PID: pid }: Environment): number {
  if (pid !== undefined && Number(pid) !== process.pid) return 0
  const milliseconds = Number(microseconds ?? 0) / 1000
  return Number.isFinite(milliseconds) ? milliseconds : 0
}
