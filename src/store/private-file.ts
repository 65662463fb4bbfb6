// Files that only their owner may open, whatever the umask is, since they contain trap addresses or secrets. Files of the store
// belong to the owner of their folder, also if root makes them: else the server, which is not root, could not open them.
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchownSync,
  openSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { codeOf, OperationalError } from '../errors.ts'

const privateMode = 0o600
/** O_NONBLOCK is needed because opening a FIFO would block. */
const appendFlags =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK

/**
 * Creates an empty file of the store if there is none. A file with content keeps its content and its mode. Throws
 * OperationalError 'database-failed' if the path is not a regular file.
 */
export function createStoreFile(path: string): void {
  requireFile(path)
  try {
    writeStoreFile(path, '')
    return
  } catch (error) {
    // The path may also be a link whose target does not exist yet.
    if (codeOf(error) !== 'EEXIST') throw error
  }
  const descriptor = openSync(path, appendFlags, privateMode)
  try {
    const { size, mode } = fstatSync(descriptor)
    if (size === 0 && (mode & 0o777) !== privateMode) fchmodSync(descriptor, privateMode)
  } finally {
    closeSync(descriptor)
  }
}

/** Writes a new file, which belongs to this process. Throws if the path exists. */
export function writePrivateFile(path: string, text: string): void {
  writeNew(path, text, undefined)
}

/** Writes a new file of the store. Throws if the path exists. */
export function writeStoreFile(path: string, text: string): void {
  writeNew(path, text, ownerOf(dirname(path)))
}

/** Gives a new socket or file to the owner of that folder if this process is root. Does not follow links. */
export function giveToOwnerOf(folder: string, path: string): void {
  const owner = ownerOf(folder)
  if (owner !== undefined) lchownSync(path, owner.uid, owner.gid)
}

/** To whom new files in the folder are given. Undefined if this process is not root and so cannot give files away. */
function ownerOf(folder: string): { readonly uid: number; readonly gid: number } | undefined {
  return process.geteuid?.() === 0 ? statSync(folder) : undefined
}

function writeNew(path: string, text: string, owner: ReturnType<typeof ownerOf>): void {
  const descriptor = openSync(path, 'wx', privateMode)
  try {
    fchmodSync(descriptor, privateMode)
    if (owner !== undefined) fchownSync(descriptor, owner.uid, owner.gid)
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
