// One process at a time on a database: an exclusive transaction held open on a second SQLite file beside it, which
// the kernel frees however the process ends, kill -9 too. The holder's pid stands beside it, for the error alone.
import { readFileSync, rmSync } from 'node:fs'
import Database from 'better-sqlite3'
import { OperationalError } from '../errors.ts'
import { createPrivateFile, writePrivateFile } from './private-file.ts'

export interface Lock {
  /** Frees the lock. Idempotent. */
  release(): void
}

/**
 * Takes the lock of the database at `path` without waiting. The caller must keep the Lock referenced: a collected
 * one is a freed one. Throws OperationalError 'database-locked' naming the holder, 'database-failed' otherwise.
 */
export function takeLock(path: string): Lock {
  const pidFile = `${path}-pid`
  let holder: Database.Database | undefined
  try {
    createPrivateFile(`${path}.lock`)
    holder = new Database(`${path}.lock`, { timeout: 0 })
    // Nothing is ever written there, so that there is no journal to leave behind.
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
    const why = error instanceof Error ? error.message : String(error)
    throw new OperationalError('database-failed', `${path}: cannot take its lock: ${why}`, {
      cause: error,
    })
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

/** A full disk has no room for it: then the error of others does not name this process. */
function writePid(pidFile: string): void {
  try {
    rmSync(pidFile, { force: true })
    writePrivateFile(pidFile, `${process.pid}\n`)
  } catch {
    // The lock holds without it.
  }
}

/** "process 1234" when the pid beside the lock is of a living process; it may be missing for a moment. */
function holderName(pidFile: string): string {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8'))
    if (Number.isInteger(pid) && pid > 0 && isAlive(pid)) return `process ${pid}`
  } catch {
    // Unreadable, or not yet written: the lock itself has spoken.
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
