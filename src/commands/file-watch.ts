// Whether this process may open anything more. A connection that comes while it may not is closed by the system, and no
// listener hears of it: so one file is opened now and then, and the log says when that fails.
import { closeSync, openSync } from 'node:fs'
import { isOutOfFiles, type Logger, OperationalError } from '../errors.ts'

const betweenLinesMs = 60_000

/** A function that looks, and logs a lack at most once a minute. */
export function watchFiles(
  log: Logger,
  open = () => closeSync(openSync('/dev/null', 'r')),
  nowMs = () => performance.now(),
): () => void {
  let toldAt = Number.NEGATIVE_INFINITY
  return () => {
    try {
      open()
    } catch (cause) {
      if (!isOutOfFiles(cause) || nowMs() - toldAt < betweenLinesMs) return
      toldAt = nowMs()
      const err = new OperationalError('files-exhausted', '/dev/null: cannot be opened', { cause })
      log.error({ err }, 'no file or connection can be opened: new connections are closed')
    }
  }
}
