// `config show`: every key of the configuration with its value, as TOML with comments.
import { type Config, showConfig } from '../config/load.ts'
import { formatTables } from '../config/show.ts'
import { OperationalError } from '../errors.ts'
import { type CommandContext, type Json, print } from './command.ts'
import { askStatus, isChangedSinceRead } from './status.ts'

export async function showConfiguration(context: CommandContext, options: Json): Promise<number> {
  const { config, tables } = showConfig(context)
  const { file } = config
  const keys = tables.flatMap((table) => table.keys)
  const { isUnread, needRestart } = await pendingChanges(config)
  const notes = [
    isUnread &&
      '# The file was changed after the running server read it: “backscatterd reload” makes the server use it.\n',
    needRestart.length > 0 &&
      `# The running server uses the old values of ${needRestart.join(', ')} until it is started again.\n`,
  ]
  return print(
    context,
    options,
    { file, isUnread, needRestart, keys },
    () =>
      `# The configuration of ${file}\n${notes.filter(Boolean).join('')}\n${formatTables(tables)}`,
  )
}

/** What of the file a running server does not use yet. Nothing if no server runs or if that cannot be told. */
async function pendingChanges(
  config: Config,
): Promise<{ readonly isUnread: boolean; readonly needRestart: readonly string[] }> {
  try {
    const status = await askStatus(config)
    const { needRestart = [] } = status
    return { isUnread: isChangedSinceRead(config.file, status), needRestart }
  } catch (error) {
    if (error instanceof OperationalError) return { isUnread: false, needRestart: [] }
    throw error
  }
}
