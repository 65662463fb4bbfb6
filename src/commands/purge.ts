// `purge`: takes back evidence that should not have counted, such as that of a trap whose address became known.
import type { Purge } from '../admin/schemas/purges.ts'
import { formatTime } from '../quantity.ts'
import { askAndPrint } from './client.ts'
import { type CommandContext, type Json, wrongUse } from './command.ts'
import { formatTable, formatUntil } from './format.ts'

interface PurgeOptions extends Json {
  readonly trap?: string
  readonly mailbox?: string
  readonly collector?: string
  readonly kind?: string
  readonly from?: string
  readonly to?: string
  readonly dryRun?: true
}

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i

export async function purge(context: CommandContext, options: PurgeOptions): Promise<number> {
  const { json, dryRun, ...selected } = options
  if (Object.keys(selected).length === 0) {
    throw wrongUse('say which evidence: --trap, --mailbox, --collector, --kind, --from or --to')
  }
  for (const flag of ['from', 'to'] as const) {
    const time = options[flag]
    if (time !== undefined && !rfc3339.test(time)) {
      throw wrongUse(`--${flag} ${time}: expected a time such as 2026-07-01T00:00:00Z`)
    }
  }
  const path = `/v1/purges${dryRun ? '?dryRun=true' : ''}`
  const now = Date.now() / 1000
  return await askAndPrint<Purge>(context, json ? { json } : {}, ['POST', path, selected], (done) =>
    formatPurge(done, now),
  )
}

function formatPurge({ dryRun, messages, ended, shortened, listings }: Purge, now: number): string {
  const summary =
    `${dryRun ? 'Nothing was changed. A purge would do this:' : 'The evidence is purged.'}\n` +
    `Messages that no longer count: ${messages}. Listings that end: ${ended}; that end earlier: ${shortened}.\n`
  if (listings.length === 0) return summary
  const rows = listings.map(({ listing, expiresAt }) => [
    listing.prefix,
    listing.expiresAt === null ? 'permanent' : formatTime(listing.expiresAt),
    expiresAt === null ? 'at once' : formatUntil(expiresAt, now),
  ])
  return `${summary}\n${formatTable(['prefix', 'old end', 'new end'], rows, '')}`
}
