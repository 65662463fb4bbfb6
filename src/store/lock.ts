// One process at a time has a database: it holds an exclusive transaction on a second SQLite file beside it. The kernel frees
// that however the process ends, even by kill -9. A file with the holder's pid is there for the error message only.
import { readFileSync, rmSync } from 'node:fs'
import Database from 'better-sqlite3'
import { messageOf, OperationalError } from '../errors.ts'
import { createPrivateFile, writePrivateFile } from './private-file.ts'

export interface Lock {
  /** Frees the lock. May be called twice. */
  release(): void
}

/**
 * Takes the lock of the database at `path` without waiting. Keep a reference to it: garbage collection frees it. Throws
 * OperationalError 'database-locked' naming the holder, or 'database-failed'.
 */
export function takeLock(path: string): Lock {
  const pidFile = `${path}-pid`
  let holder: Database.Database | undefined
  try {
    createPrivateFile(`${path}.lock`)
    holder = new Database(`${path}.lock`, { timeout: 0 })
    // Nothing is ever written there, so no journal is left behind.
    holder.pragma('journal_mode = MEMORY')
    holder.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    holder?.close()
    if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')) {
      throw new OperationalError(
        'database-locked',
        `${path} is in use by ${holderName(pidFile)}: one process at a time may have it`,
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

/** Errors of other processes name this pid. On a full disk it cannot be written, and they do not. */
function writePid(pidFile: string): void {
  try {
    rmSync(pidFile, { force: true })
    writePrivateFile(pidFile, `${process.pid}\n`)
  } catch {
    // The lock holds without it.
  }
}

/** "process 1234" if the pid in the file is that of a living process. */
function holderName(pidFile: string): string {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8'))
    if (Number.isInteger(pid) && pid > 0 && isAlive(pid)) return `process ${pid}`
  } catch {
    // Unreadable, or not yet written: the lock is held all the same.
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
