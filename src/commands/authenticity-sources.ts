// What returned messages are checked with, as the configuration has it: its resolver's servers, its BATV secret and the
// file of its Message-IDs.
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import type { Config } from '../config/load.ts'
import { wrongKey } from '../errors.ts'
import type { AuthenticitySources } from '../traps/message-reader.ts'

/** Throws OperationalError `config-invalid` as batvKeyOf and messageIdFileOf do. */
export function authenticitySources(config: Config): AuthenticitySources {
  const batvKey = batvKeyOf(config)
  const messageIdFile = messageIdFileOf(config)
  return {
    servers: config.resolver.servers,
    ...(batvKey && { batvKey }),
    ...(messageIdFile !== undefined && { messageIdFile }),
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

/** The file of trace.messageIdFile; undefined without one. Throws when it cannot be read. */
export function messageIdFileOf({ trace }: Pick<Config, 'trace'>): string | undefined {
  const path = trace.messageIdFile
  if (path === '') return undefined
  read('trace.messageIdFile', () => {
    accessSync(path, constants.R_OK)
    if (!statSync(path).isFile()) throw new Error(`${path} is not a file`)
  })
  return path
}

function read<T>(key: string, from: () => T): T {
  try {
    return from()
  } catch (error) {
    throw wrongKey(key, error)
  }
}
