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
  const isUnread = await hasUnreadChange(config)
  const unread = isUnread
    ? '# The file was changed after the running server read it: “backscatterd reload” puts it in force.\n'
    : ''
  return print(
    context,
    options,
    { file, isUnread, keys },
    () => `# The configuration of ${file}\n${unread}\n${formatTables(tables)}`,
  )
}

/** Whether a server runs that uses an older state of the file. False if that cannot be told. */
async function hasUnreadChange(config: Config): Promise<boolean> {
  try {
    return isChangedSinceRead(config.file, await askStatus(config))
  } catch (error) {
    if (error instanceof OperationalError) return false
    throw error
  }
}
