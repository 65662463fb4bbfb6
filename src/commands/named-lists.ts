// `lists`: the named lists that `import` made.
import type { NamedList } from '../admin/schemas/listings.ts'
import { loadConfig } from '../config/load.ts'
import { formatTime } from '../quantity.ts'
import { allItems, withClient } from './client.ts'
import { type CommandContext, type Json, print } from './command.ts'
import { formatTable } from './format.ts'

export async function showLists(context: CommandContext, options: Json): Promise<number> {
  const items = await withClient(loadConfig(context), (client) =>
    allItems<NamedList>(client, '/v1/lists'),
  )
  return print(context, options, { items }, () =>
    formatTable(
      ['name', 'entries', 'imported', 'in DNS'],
      items.map(({ name, entries, importedAt, isPublished }) => [
        name,
        String(entries),
        importedAt === null ? 'never' : formatTime(importedAt),
        isPublished ? 'yes' : 'being published',
      ]),
      'There are no named lists: “import” makes one.',
    ),
  )
}
