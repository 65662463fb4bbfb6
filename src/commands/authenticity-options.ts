// How returned messages are checked, as the configuration has it: its resolver and its BATV secret. For serve and ingest.
import { readFileSync } from 'node:fs'
import type { Config } from '../config.ts'
import { OperationalError } from '../errors.ts'
import { Resolver } from '../resolver/resolver.ts'
import type { AuthenticityOptions } from '../traps/authenticity.ts'

/** Throws OperationalError `config-invalid` when the secret cannot be read or there is none in its file. */
export function authenticityOptions(config: Config): AuthenticityOptions {
  const { servers } = config.resolver
  const { batvKeyFile } = config.trace
  return {
    ...(servers.length > 0 && { resolver: new Resolver({ servers }) }),
    ...(batvKeyFile !== '' && { batvKey: readSecret(config.file, batvKeyFile) }),
    now: () => Math.floor(Date.now() / 1000),
  }
}

function readSecret(configFile: string, path: string): Uint8Array {
  const fail = (why: string, cause?: unknown) =>
    new OperationalError('config-invalid', `${configFile}: trace.batvKeyFile: ${why}`, { cause })
  let secret: string
  try {
    secret = readFileSync(path, 'utf8').trim()
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error), error)
  }
  if (secret === '') throw fail(`${path} is empty`)
  return Buffer.from(secret)
}
