// Whether this process can still open files. When it cannot, the system closes each new connection and no listener
// hears of it: so one file is opened now and then, and the log says when that fails.
import { closeSync, openSync } from 'node:fs'
import { isOutOfFiles, type Logger, OperationalError } from '../errors.ts'
import { OncePerMinute } from '../log-rarely.ts'

/** Returns a function that tries to open a file, and logs at most once a minute that there are no descriptors left. */
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
        const err = new OperationalError('files-exhausted', '/dev/null: cannot be opened', {
          cause,
        })
        log.error({ err }, 'no file or connection can be opened: new connections are closed')
      })
    }
  }
}
