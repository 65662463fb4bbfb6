// The locks that mailers keep while they write an mbox: fcntl(2), flock(2), and FILE.lock, made only by who finds none.
// Which of them a mailer keeps is a matter of its settings, and most keep two, in any order; so all are tried
// without waiting for one while another is held. Called by mbox-extent.ts.
import {
  closeSync,
  fstatSync,
  lstatSync,
  openSync,
  realpathSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import type { FileLocks } from '../libc/file-locks.ts'
import { codeOf } from './mailbox-error.ts'

/** After so long a FILE.lock was left by a process that died (liblockfile has the same). */
const staleMs = 5 * 60_000

/** What was seen under the locks, or why not all of them could be had. */
export type Locked<T> = { readonly seen: T } | { readonly busy: string }

/**
 * Runs `look` with every lock on the mbox held; `file` is a descriptor of it. All of it is one stretch without a turn of the event
 * loop, so that mailers wait for microseconds, and no signal with a default action leaves a FILE.lock behind. Where the
 * folder lets us make none, there must be none before and after. `isKept` is false when no lock was to be had
 * at all, so that the look proves nothing. Throws what the system says.
 */
export function whileLocked<T>(
  path: string,
  file: number,
  locks: FileLocks | undefined,
  look: (isKept: boolean) => T,
): Locked<T> {
  const kernel = locks?.tryShared(file) ?? 'none'
  if (kernel === 'busy') return { busy: `another program holds a lock on ${path}` }
  try {
    const dotlocks: string[] = []
    using _ = deferSignals()
    try {
      let isUnlocked = false
      for (const name of dotlockNames(path)) {
        const dotlock = makeDotlock(name)
        if (dotlock === 'busy') return { busy: `another program holds ${name}` }
        if (dotlock === 'made') dotlocks.push(name)
        else isUnlocked = true
      }
      if (!isSameFile(path, file)) return { busy: `${path} is being replaced` }
      const { size } = fstatSync(file)
      const seen = look(kernel === 'held' || !isUnlocked)
      if (isUnlocked && (dotlockNames(path).some(isHeld) || fstatSync(file).size !== size)) {
        return { busy: `another program writes to ${path}` }
      }
      return { seen }
    } finally {
      for (const name of dotlocks) remove(name)
    }
  } finally {
    locks?.release(file)
  }
}

/** Mailers that are given a symbolic link lock beside it, or beside what it names. */
function dotlockNames(path: string): string[] {
  const names = [`${path}.lock`]
  if (lstatSync(path).isSymbolicLink()) names.push(`${realpathSync(path)}.lock`)
  return names
}

function makeDotlock(name: string): 'made' | 'busy' | 'forbidden' {
  for (;;) {
    try {
      const lock = openSync(name, 'wx', 0o644)
      try {
        writeSync(lock, `${process.pid}\n`)
      } catch {
        // The disk is full. The name is the lock.
      } finally {
        closeSync(lock)
      }
      return 'made'
    } catch (error) {
      if (isForbidden(error)) return isHeld(name) ? 'busy' : 'forbidden'
      if (codeOf(error) !== 'EEXIST') throw error
    }
    if (isHeld(name)) return 'busy'
    try {
      remove(name)
    } catch (error) {
      if (isForbidden(error)) return 'forbidden'
      throw error
    }
  }
}

/** Whether a FILE.lock is there that no dead process left. */
function isHeld(name: string): boolean {
  const made = lstatSync(name, { throwIfNoEntry: false })
  return made !== undefined && Date.now() - made.mtimeMs <= staleMs
}

function remove(name: string): void {
  try {
    unlinkSync(name)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

/** While we waited, the mailbox may have been replaced: then what is locked is not what mailers write to. */
function isSameFile(path: string, file: number): boolean {
  const [named, open] = [statSync(path, { bigint: true }), fstatSync(file, { bigint: true })]
  return named.ino === open.ino && named.dev === open.dev
}

function isForbidden(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT'].includes(codeOf(error))
}

const fatalSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Until the event loop has turned once after the disposal, a signal that would end the process waits; then it does. */
function deferSignals(): Disposable {
  const deferred = fatalSignals.filter((signal) => process.listenerCount(signal) === 0)
  const stop = (): void => {
    for (const signal of deferred) process.off(signal, pass)
  }
  const pass = (signal: NodeJS.Signals): void => {
    stop()
    process.kill(process.pid, signal)
  }
  for (const signal of deferred) process.on(signal, pass)
  // What came meanwhile is heard of when the loop looks for news, for certain between two of its turns.
  return { [Symbol.dispose]: () => void setImmediate(() => setImmediate(stop)) }
}
