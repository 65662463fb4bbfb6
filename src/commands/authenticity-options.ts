// How returned messages are checked, as the configuration has it: its resolver, its BATV secret and its
// Message-IDs. For serve and ingest.
import { readFileSync, statSync } from 'node:fs'
import type { Config } from '../config.ts'
import { wrongKey } from '../errors.ts'
import { Resolver } from '../resolver/resolver.ts'
import type { AuthenticityOptions } from '../traps/authenticity.ts'

/** `now` in epoch seconds is a server's clock; else the wall clock. Throws OperationalError `config-invalid` as batvKeyOf and messageIdsOf do. */
export function authenticityOptions(
  config: Config,
  now = () => Math.floor(Date.now() / 1000),
): AuthenticityOptions {
  const { servers } = config.resolver
  const batvKey = batvKeyOf(config)
  const isOurMessageId = messageIdsOf(config)
  return {
    ...(servers.length > 0 && { resolver: new Resolver({ servers }) }),
    ...(batvKey && { batvKey }),
    ...(isOurMessageId && { isOurMessageId }),
    now,
  }
}

/** The secret in trace.batvKeyFile; undefined without one. Throws when it cannot be read, or is empty. */
export function batvKeyOf({ trace }: Pick<Config, 'trace'>): Uint8Array | undefined {
  const path = trace.batvKeyFile
  if (path === '') return undefined
  const secret = read('trace.batvKeyFile', () => readFileSync(path, 'utf8').trim())
  if (secret === '') throw wrongKey('trace.batvKeyFile', `${path} is empty`)
  return Buffer.from(secret)
}

/**
 * Whether a Message-ID stands in trace.messageIdFile; undefined without one. Throws when it cannot be read. Looks the
 * file's time up at each question; one that has become unreadable leaves what was read last.
 */
export function messageIdsOf({
  trace,
}: Pick<Config, 'trace'>): ((messageId: string) => boolean) | undefined {
  const path = trace.messageIdFile
  if (path === '') return undefined
  let readAt = -1
  let known: ReadonlySet<string> = new Set()
  const refresh = () => {
    const { mtimeMs } = statSync(path)
    if (mtimeMs === readAt) return
    known = new Set(readFileSync(path, 'utf8').split(/\s+/).map(bare).filter(Boolean))
    readAt = mtimeMs
  }
  read('trace.messageIdFile', refresh)
  return (messageId) => {
    try {
      refresh()
    } catch {
      // Rotated away for the moment.
    }
    return known.has(bare(messageId))
  }
}

/** Logs write Message-IDs with and without their angle brackets. */
function bare(messageId: string): string {
  return messageId.replace(/^<|>$/g, '')
}

function read<T>(key: string, from: () => T): T {
  try {
    return from()
  } catch (error) {
    throw wrongKey(key, error)
  }
}
