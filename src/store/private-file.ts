// Files that only their owner may open, whatever the umask is, since they contain trap addresses or secrets.
import { closeSync, constants, fchmodSync, fstatSync, openSync, statSync, writeSync } from 'node:fs'
import { OperationalError } from '../errors.ts'

const privateMode = 0o600
/** O_NONBLOCK is needed because opening a FIFO would block. */
const appendFlags =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK

/**
 * Creates an empty file if there is none. A file with content keeps its content and its mode. Throws OperationalError
 * 'database-failed' if the path is not a regular file.
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

/** Writes a new file. Throws if the path exists. */
export function writePrivateFile(path: string, text: string): void {
  const descriptor = openSync(path, 'wx', privateMode)
  try {
    fchmodSync(descriptor, privateMode)
    writeSync(descriptor, text)
  } finally {
    closeSync(descriptor)
  }
}

/** Throws OperationalError 'database-failed' if the path is a FIFO, device or folder: reading it might never end. */
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
