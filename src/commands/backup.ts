// `backup`: an online copy of the database, whether a server runs or not; `migrate`: its schema brought up to date.
import { resolve } from 'node:path'
import { loadConfig } from '../config/load.ts'
import { backupDatabase } from '../store/backup.ts'
import { openStore } from '../store/database.ts'
import { schemaVersion } from '../store/migrate.ts'
import { type CommandContext, exitCodes } from './context.ts'

export async function backup(context: CommandContext, file: string): Promise<number> {
  const config = loadConfig(context)
  backupDatabase(config.store.path, resolve(context.cwd, file))
  context.write(`${config.store.path} is copied to ${file}.\n`)
  return exitCodes.done
}

/** Opening it does it; `serve` and every command do the same. Refused while a server has the database. */
export async function migrate(context: CommandContext): Promise<number> {
  const config = loadConfig(context)
  openStore(config.store.path).close()
  context.write(`${config.store.path} has schema version ${schemaVersion}.\n`)
  return exitCodes.done
}
