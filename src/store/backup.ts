// Makes a consistent copy of a database. A server may go on writing meanwhile, and its help is not needed.
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { OperationalError } from '../errors.ts'
import { databaseFailure } from './database.ts'
import { requireFile, writePrivateFile } from './private-file.ts'

/** A day at one publication a second. */
const serialsAhead = 86_400

/**
 * Copies the database at `path`, of any schema version, to `file` (mode 0600), which must not exist. A failure leaves no file
 * there. Throws OperationalError 'database-failed'.
 */
export function backupDatabase(path: string, file: string): void {
  if (existsSync(file)) {
    throw new OperationalError('database-failed', `${file}: is there already`)
  }
  const partial = `${file}.partial`
  let database: Database.Database | undefined
  try {
    requireFile(path)
    database = new Database(path, { readonly: true, fileMustExist: true })
    rmSync(partial, { force: true })
    writePrivateFile(partial, '')
    // VACUUM INTO copies in one read transaction. SQLite's backup would start again whenever something is written.
    database.prepare('VACUUM INTO ?').run(partial)
    moveSerialAhead(partial)
    sync(partial)
    renameSync(partial, file)
    sync(dirname(file))
  } catch (error) {
    rmSync(partial, { force: true })
    throw databaseFailure(error, `${path}: cannot be copied to ${file}`)
  } finally {
    database?.close()
  }
}

/**
 * Once the copy is restored, it must give no serial that the original gave after the copy was made: a secondary would take two
 * contents for one. So the copy's newest publication gets a serial that the original will not reach for long, and no
 * differences lead to it.
 */
function moveSerialAhead(file: string): void {
  const copy = new Database(file, { fileMustExist: true })
  try {
    copy.exec(`
      BEGIN;
      DELETE FROM journal;
      DELETE FROM publications WHERE serial < (SELECT max(serial) FROM publications);
      UPDATE publications SET serial = serial + ${serialsAhead}, changes = 0;
      COMMIT;`)
  } finally {
    copy.close()
  }
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}
