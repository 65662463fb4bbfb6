// Databases of schema 5, in which named lists were rows of listings and generations.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'

const migrations = join(import.meta.dirname, '../../../src/store/migrations')

/** An empty one, open. */
export function createSchema5(path: string): Database.Database {
  const database = new Database(path)
  for (const name of readdirSync(migrations).sort().slice(0, 5)) {
    database.exec(readFileSync(join(migrations, name), 'utf8'))
  }
  database.pragma('user_version = 5')
  return database
}

/** Of every row about lists; of a database of schema 5 or 6. */
export function digestOfLists(path: string): string {
  const database = new Database(path, { readonly: true })
  const hash = createHash('sha256')
  for (const table of ['lists', 'listings', 'generations', 'generation_chunks']) {
    const rows = database.prepare<[], unknown[]>(`SELECT * FROM ${table} ORDER BY 1, 2`).raw()
    for (const row of rows.iterate()) hash.update(JSON.stringify(row))
  }
  database.close()
  return hash.digest('hex')
}
