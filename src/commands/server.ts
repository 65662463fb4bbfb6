// `backup` copies the database. `migrate` updates its schema.
import { resolve } from 'node:path'
import { loadConfig } from '../config/load.ts'
import { type CommandContext, exitCodes } from './command.ts'

/** Makes a consistent copy of the database. A server may be running meanwhile. */
export async function backup(context: CommandContext, file: string): Promise<number> {
  const { store } = loadConfig(context)
  const { backupDatabase } = await import('../store/backup.ts')
  backupDatabase(store.path, resolve(context.cwd, file))
  context.write(`${store.path} has been copied to ${file}.\n`)
  return exitCodes.done
}

/** Opens the database, which migrates it. Throws OperationalError `database-locked` while a server is running. */
export async function migrate(context: CommandContext): Promise<number> {
  const { store } = loadConfig(context)
  const { openStore } = await import('../store/database.ts')
  const { schemaVersion } = await import('../store/migrate.ts')
  openStore(store.path).close()
  context.write(`${store.path} has schema version ${schemaVersion}.\n`)
  return exitCodes.done
}
