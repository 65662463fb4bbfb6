// `reload` makes the running server read its configuration again. `backup` copies the database. `migrate` updates its schema.
import { resolve } from 'node:path'
import type { Problem } from '../admin/schemas/basics.ts'
import type { Reloaded } from '../admin/schemas/server.ts'
import { loadConfig } from '../config/load.ts'
import { wrongKey, wrongKeys } from '../errors.ts'
import { expectDone, requireList, withServer } from './client.ts'
import { type CommandContext, exitCodes, type Json, print } from './command.ts'

/**
 * Prints what the reload did. Throws OperationalError `config-invalid`, with a line for each wrong key, or `request-refused` if
 * an address cannot be bound.
 */
export async function reload(context: CommandContext, options: Json): Promise<number> {
  const config = loadConfig(context)
  const reply = await withServer(config, (client) => client.request('POST', '/v1/reload'))
  const { code, errors } = reply.body as Partial<Problem>
  if (code === 'config-invalid' && errors !== undefined) {
    throw wrongKeys(
      errors.map(({ at, why }) => wrongKey(at, why)),
      config.file,
    )
  }
  return print(context, options, expectDone<Reloaded>(reply), ({ file, warnings, restart }) =>
    [
      `The server uses ${file} as it is now${restart.length > 0 ? ', except for what needs a restart' : ''}.\n`,
      ...warnings.map(({ key, why }) => `${key}: ${why}\n`),
      ...restart.map((key) => `A change of ${key} needs a restart.\n`),
    ].join(''),
  )
}

/** Makes a consistent copy of the database. A server may be running meanwhile. */
export async function backup(context: CommandContext, file: string): Promise<number> {
  const config = loadConfig(context)
  requireList(config)
  const { store } = config
  const { backupDatabase } = await import('../store/backup.ts')
  backupDatabase(store.path, resolve(context.cwd, file))
  context.write(`${store.path} has been copied to ${file}.\n`)
  return exitCodes.done
}

/** Opens the database, which migrates it. Throws OperationalError `database-locked` while a server is running. */
export async function migrate(context: CommandContext): Promise<number> {
  const config = loadConfig(context)
  requireList(config)
  const { store } = config
  const { openStore } = await import('../store/database.ts')
  const { schemaVersion } = await import('../store/migrate.ts')
  openStore(store.path).close()
  context.write(`${store.path} has schema version ${schemaVersion}.\n`)
  return exitCodes.done
}
