// `audit`: who changed what, the newest change first.
import type { Change } from '../admin/schemas/server.ts'
import { loadConfig } from '../config/load.ts'
import { formatPrefix, parseGivenPrefix } from '../ip/address.ts'
import { formatTime } from '../quantity.ts'
import { firstItems, withClient } from './client.ts'
import { type CommandContext, type Json, print, readCount } from './command.ts'
import { formatTable, printable } from './format.ts'

interface AuditOptions extends Json {
  readonly actor?: string
  readonly action?: string
  readonly target?: string
  readonly limit: string
}

/** Prints the changes that match all given options. Only `--json` shows the state before and after. */
export async function showAudit(context: CommandContext, options: AuditOptions): Promise<number> {
  const { json, limit, target, ...rest } = options
  const filter = { ...rest, target: target && targetName(target) }
  const { items } = await withClient(loadConfig(context), (client) =>
    firstItems<Change>(client, '/v1/audit', readCount('--limit', limit), filter),
  )
  return print(context, json ? { json } : {}, { items }, () =>
    formatTable(
      ['time', 'who', 'action', 'target'],
      items.map(({ at, actor, action, target }) => [
        formatTime(at),
        printable(actor),
        action,
        printable(target),
      ]),
      'Nothing matches.',
    ),
  )
}

/** The audit names prefixes in full, so a bare address becomes a /32 or /128. Other text stays as it is. */
function targetName(text: string): string {
  const parsed = parseGivenPrefix(text)
  return 'value' in parsed ? formatPrefix(parsed.value) : text
}
