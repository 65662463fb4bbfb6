// `config show`: the configuration in force, as TOML with comments.
import { showConfig } from '../config/load.ts'
import { formatTables } from '../config/show.ts'
import { type CommandContext, type Json, print } from './command.ts'

export async function showConfiguration(context: CommandContext, options: Json): Promise<number> {
  const { file, tables } = showConfig(context)
  const keys = tables.flatMap((table) => table.keys)
  return print(
    context,
    options,
    { file, keys },
    () => `# The configuration of ${file}\n\n${formatTables(tables)}`,
  )
}
