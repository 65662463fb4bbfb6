// Files that only their owner may open, whatever the umask: they hold trap addresses, or what opens everything.
import { closeSync, constants, fchmodSync, fstatSync, openSync, statSync, writeSync } from 'node:fs'
import { OperationalError } from '../errors.ts'

const privateMode = 0o600
/** What stands at the path is not waited for: a FIFO would be. */
const appendFlags =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK

/**
 * Makes the file, empty, if there is none; one that is there keeps its content, and with that its mode. Throws OperationalError
 * 'database-failed' where something else than a file stands at the path.
 */
export function createPrivateFile(path: string): void {
  requireFile(path)
  const descriptor = openSync(path, appendFlags, privateMode)
  try {
    const { size, mode } = fstatSync(descriptor)
    if (size === 0 && (mode & 0o777) !== privateMode) fchmodSync(descriptor, privateMode)
  } finally {
    closeSync(descriptor)
  }
}

/** Writes a file that there must not be yet. */
export function writePrivateFile(path: string, text: string): void {
  const descriptor = openSync(path, 'wx', privateMode)
  try {
    fchmodSync(descriptor, privateMode)
    writeSync(descriptor, text)
  } finally {
    closeSync(descriptor)
  }
}

/** Throws OperationalError 'database-failed' where the path leads to something that is no file: it may never be read to its end. */
export function requireFile(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined || found.isFile()) return
  const kinds = [
    [found.isDirectory(), 'a folder'],
    [found.isFIFO(), 'a FIFO'],
    [found.isSocket(), 'a socket'],
  ] as const
  const kind = kinds.find(([is]) => is)?.[1] ?? 'a device'
  throw new OperationalError('database-failed', `${path}: is ${kind}, not a file`)
}
