// `add`: lists addresses and prefixes by hand, all of them or none.
import { type BackscatterKind, backscatterKinds } from '../bounce/kinds.ts'
import { loadConfig } from '../config/load.ts'
import { parseDuration } from '../quantity.ts'
import { expectDone, withClient } from './client.ts'
import { type CommandContext, exitCodes, writeJson, wrongUse } from './context.ts'
import { formatColumns, formatUntil } from './format.ts'
import { readPrefixes } from './prefix-argument.ts'

export interface AddOptions {
  readonly kind?: readonly string[]
  readonly reason?: string
  readonly for?: string
  readonly permanent?: true
  readonly json?: true
}

/** What the interface answers to POST /v1/listings with several prefixes. */
interface Added {
  readonly items: readonly {
    readonly outcome: 'listed' | 'extended'
    readonly listing: {
      readonly prefix: string
      readonly kinds: readonly string[]
      readonly expiresAt: string | null
    }
  }[]
}

export async function add(
  context: CommandContext,
  prefixTexts: readonly string[],
  options: AddOptions,
): Promise<number> {
  if (options.for !== undefined && options.permanent) {
    throw wrongUse('--for and --permanent exclude each other')
  }
  const body = {
    prefixes: readPrefixes(prefixTexts),
    kinds: [...new Set((options.kind ?? []).map(readKind))],
    ...(options.reason === undefined ? {} : { reason: options.reason }),
    ...(options.for === undefined ? {} : { duration: readTerm(options.for) }),
    ...(options.permanent ? { expiresAt: null } : {}),
  }
  const reply = await withClient(loadConfig(context), (client) =>
    client.request('POST', '/v1/listings', body),
  )
  const added = expectDone(reply) as Added
  if (options.json) {
    writeJson(context, added)
    return exitCodes.done
  }
  const now = Date.now() / 1000
  const rows = added.items.map(({ outcome, listing }) => [
    outcome,
    listing.prefix,
    listing.kinds.join(',') || 'no kind',
    formatUntil(listing.expiresAt, now),
  ])
  context.write(formatColumns(rows))
  return exitCodes.done
}

function readKind(text: string): BackscatterKind {
  const kind = backscatterKinds.find((each) => each === text)
  if (kind === undefined) {
    throw wrongUse(`--kind ${text}: expected one of ${backscatterKinds.join(', ')}`)
  }
  return kind
}

function readTerm(text: string): string {
  const parsed = parseDuration(text)
  if ('why' in parsed) throw wrongUse(`--for ${text}: ${parsed.why}`)
  if (parsed.value === 0) throw wrongUse(`--for ${text}: longer than nothing, please`)
  return text
}
