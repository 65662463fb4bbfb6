// How returned messages are checked, as the configuration has it: its resolver, its BATV secret and its
// Message-IDs. For serve and ingest.
import { readFileSync, statSync } from 'node:fs'
import type { Config } from '../config.ts'
import { OperationalError } from '../errors.ts'
import { Resolver } from '../resolver/resolver.ts'
import type { AuthenticityOptions } from '../traps/authenticity.ts'

/** Throws OperationalError `config-invalid` when a file cannot be read, or the secret's is empty. */
export function authenticityOptions(config: Config): AuthenticityOptions {
  const { servers } = config.resolver
  const { batvKeyFile, messageIdFile } = config.trace
  return {
    ...(servers.length > 0 && { resolver: new Resolver({ servers }) }),
    ...(batvKeyFile !== '' && { batvKey: readSecret(config.file, batvKeyFile) }),
    ...(messageIdFile !== '' && { isOurMessageId: messageIdsIn(config.file, messageIdFile) }),
    now: () => Math.floor(Date.now() / 1000),
  }
}

function readSecret(configFile: string, path: string): Uint8Array {
  const secret = read(configFile, 'trace.batvKeyFile', () => readFileSync(path, 'utf8').trim())
  if (secret === '') throw invalid(configFile, 'trace.batvKeyFile', `${path} is empty`)
  return Buffer.from(secret)
}

/** Looks the file's time up at each question; one that has become unreadable leaves what was read last. */
function messageIdsIn(configFile: string, path: string): (messageId: string) => boolean {
  let readAt = -1
  let known: ReadonlySet<string> = new Set()
  const refresh = () => {
    const { mtimeMs } = statSync(path)
    if (mtimeMs === readAt) return
    known = new Set(readFileSync(path, 'utf8').split(/\s+/).map(bare).filter(Boolean))
    readAt = mtimeMs
  }
  read(configFile, 'trace.messageIdFile', refresh)
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

function read<T>(configFile: string, key: string, from: () => T): T {
  try {
    return from()
  } catch (error) {
    throw invalid(configFile, key, error instanceof Error ? error.message : String(error), error)
  }
}

function invalid(configFile: string, key: string, why: string, cause?: unknown): OperationalError {
  return new OperationalError('config-invalid', `${configFile}: ${key}: ${why}`, { cause })
}
