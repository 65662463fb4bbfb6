// Only one process at a time may have the database open. That process holds an exclusive transaction on a second SQLite file.
// The kernel releases that lock when the process ends, even by kill -9. A file with the pid serves only for error messages.
import { readFileSync, rmSync } from 'node:fs'
import Database from 'better-sqlite3'
import { messageOf, OperationalError } from '../errors.ts'
import { createStoreFile, writeStoreFile } from './private-file.ts'

export interface Lock {
  /** Releases the lock. May be called twice. */
  release(): void
}

/**
 * Takes the lock of the database at `path` without waiting. Keep a reference to the result, since garbage collection releases
 * the lock. Throws OperationalError 'database-locked' with the name of the holder, or 'database-failed'.
 */
export function takeLock(path: string): Lock {
  const pidFile = `${path}-pid`
  let holder: Database.Database | undefined
  try {
    createStoreFile(`${path}.lock`)
    holder = new Database(`${path}.lock`, { timeout: 0 })
    // Nothing is ever written to this file, so it needs no journal.
    holder.pragma('journal_mode = MEMORY')
    holder.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    holder?.close()
    if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')) {
      throw new OperationalError(
        'database-locked',
        `${path} is in use by ${holderName(pidFile)}: only one process at a time may open it, so end that one first`,
        { cause: error },
      )
    }
    if (error instanceof OperationalError) throw error
    throw new OperationalError(
      'database-failed',
      `${path}: cannot take its lock: ${messageOf(error)}`,
      {
        cause: error,
      },
    )
  }
  writePid(pidFile)
  const held = holder
  return {
    release() {
      if (!held.open) return
      rmSync(pidFile, { force: true })
      held.close()
    },
  }
}

/** Writes this pid for the error messages of other processes. Does nothing if the disk is full. */
function writePid(pidFile: string): void {
  try {
    rmSync(pidFile, { force: true })
    writeStoreFile(pidFile, `${process.pid}\n`)
  } catch {
    // The lock works without this file.
  }
}

/** "process 1234" if the pid in the file belongs to a running process, else "another process". */
function holderName(pidFile: string): string {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8'))
    if (Number.isInteger(pid) && pid > 0 && isAlive(pid)) return `process ${pid}`
  } catch {
    // The file cannot be read or is not written yet.
  }
  return 'another process'
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
