// Makes a consistent copy of a database. A server may go on writing meanwhile, and its help is not needed.
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { OperationalError } from '../errors.ts'
import { databaseFailure } from './database.ts'
import { copyMark } from './journal.ts'
import { requireFile, writePrivateFile } from './private-file.ts'

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
    markCopy(partial)
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

/** See `copyMark`. What the journal of a copy leads to, its original may lead to as well, under other serials. */
function markCopy(file: string): void {
  const copy = new Database(file, { fileMustExist: true })
  try {
    copy.exec(`
      BEGIN;
      DELETE FROM journal;
      DELETE FROM publications WHERE serial < (SELECT max(serial) FROM publications);
      UPDATE publications SET changes = 0;
      PRAGMA application_id = ${copyMark};
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
