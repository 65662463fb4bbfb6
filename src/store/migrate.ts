// Updates a database to this program's schema with the .sql files in migrations/, in order. Each file runs in a transaction
// that also sets user_version to its number. There is no way back to an older schema.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import { messageOf, OperationalError } from '../errors.ts'
import { packLists } from './pack-lists.ts'

const directory = join(import.meta.dirname, 'migrations')

/** The file names of the migrations. Their numbers begin at 1 and have no gaps. */
const migrations = readdirSync(directory)
  .filter((name) => name.endsWith('.sql'))
  .sort()

/** Code that runs after the SQL of the migration with this number. */
const afterwards: Readonly<Record<number, (database: Database) => void>> = { 7: packLists }

/** The schema version that this program reads and writes. */
export const schemaVersion = migrations.length

/**
 * Applies the missing migrations. Throws OperationalError 'database-newer', with nothing changed, if a newer version of
 * the program has migrated the database, or 'database-failed' with the name of the migration that failed.
 */
export function migrate(database: Database, path: string): void {
  const found = database.pragma('user_version', { simple: true }) as number
  if (found > schemaVersion) {
    throw new OperationalError(
      'database-newer',
      `${path}: its schema is version ${found}, and this program knows no later than ${schemaVersion}`,
    )
  }
  for (const name of migrations.slice(found)) {
    const version = Number(name.slice(0, 4))
    try {
      database.exec('BEGIN IMMEDIATE')
      database.exec(readFileSync(join(directory, name), 'utf8'))
      afterwards[version]?.(database)
      database.pragma(`user_version = ${version}`)
      database.exec('COMMIT')
    } catch (error) {
      if (database.inTransaction) database.exec('ROLLBACK')
      const message = `${path}: migration ${name} failed: ${messageOf(error)}`
      throw new OperationalError('database-failed', message, { cause: error })
    }
  }
}
