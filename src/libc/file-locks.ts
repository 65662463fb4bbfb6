// Shared locks on a whole file, of both kinds that a kernel keeps: fcntl(2), here by open file description, which
// conflicts with the classic locks of a process and, unlike those, does not end when some other descriptor of the file is
// closed; and flock(2), which knows nothing of the first kind on local file systems. Called by the mailbox sources.
import { constants } from 'node:os'
import { type Descriptor, type Library, loadLibrary, SystemCallError } from '../libc.ts'

/** None of the calls waits for a lock. A lock ends with its release, or when the file is closed. */
export interface FileLocks {
  /**
   * 'held': of both kinds, or of the one that the file system has. 'busy': somebody holds an exclusive lock, and none is
   * held here. 'none': the file system has no locks. Throws SystemCallError.
   */
  tryShared(file: Descriptor): 'held' | 'busy' | 'none'
  release(file: Descriptor): void
}

type Outcome = ReturnType<FileLocks['tryShared']>

const setLock = 37
const lockTypes = { read: 0, unlock: 2 } as const
const flockOperations = { shared: 1, doNotWait: 4, unlock: 8 } as const

const { EAGAIN, EACCES, EINTR, ENOLCK, EINVAL, ENOSYS, EOPNOTSUPP } = constants.errno
/** EINTR: a file system that asks a server was interrupted, and may be asked again. */
const busyErrors: readonly number[] = [EAGAIN, EACCES, EINTR]
const missingErrors: readonly number[] = [ENOLCK, EINVAL, ENOSYS, EOPNOTSUPP]

/** undefined where the C library cannot be called. */
export async function loadFileLocks(): Promise<FileLocks | undefined> {
  const library = await loadLibrary()
  if (library === undefined) return undefined
  const fcntl = library.func('int fcntl(int fd, int command, const uint8_t *lock)')
  const flock = library.func('int flock(int fd, int operation)')
  const wholeFile = { read: lockOf(lockTypes.read), unlock: lockOf(lockTypes.unlock) }
  const release = (file: Descriptor): void => {
    fcntl(file, setLock, wholeFile.unlock)
    flock(file, flockOperations.unlock)
  }
  return {
    release,
    tryShared(file) {
      const outcomes = [
        outcomeOf('fcntl', fcntl(file, setLock, wholeFile.read), library),
        outcomeOf(
          'flock',
          flock(file, flockOperations.shared | flockOperations.doNotWait),
          library,
        ),
      ]
      if (!outcomes.includes('busy')) return outcomes.includes('held') ? 'held' : 'none'
      release(file)
      return 'busy'
    },
  }
}

/** struct flock: type and whence (16 bits), start and length (64 bits; 0: to the end), process, which must be 0. */
function lockOf(type: number): Buffer {
  const lock = Buffer.alloc(32)
  lock.writeInt16LE(type, 0)
  return lock
}

function outcomeOf(call: string, result: number, library: Library): Outcome {
  if (result === 0) return 'held'
  const errno = library.errno()
  if (busyErrors.includes(errno)) return 'busy'
  if (missingErrors.includes(errno)) return 'none'
  throw new SystemCallError(call, errno)
}
