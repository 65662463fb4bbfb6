// What every command gets and gives back: its context, its options, its exit code, and the addresses among its arguments.
// What stops a command is thrown as an OperationalError.
import manifest from '../../package.json' with { type: 'json' }
import type { ConfigSource } from '../config/load.ts'
import { OperationalError } from '../errors.ts'
import {
  type Address,
  formatAddress,
  formatPrefix,
  parseAddress,
  parsePrefix,
  unmapped,
} from '../ip/address.ts'

export const version: string = manifest.version

/** Where the configuration is to be found, and where the output goes. */
export interface CommandContext extends ConfigSource {
  /** Writes to standard output. */
  write(text: string): void
}

/** `--json`, as every command that prints data has it. */
export interface Json {
  readonly json?: true
}

/** `failed` also means refused, and `wrongUse` a wrong configuration; only `lookup` ends with `listed`. */
export const exitCodes = { done: 0, failed: 1, wrongUse: 2, listed: 3 } as const

/** Prints a value as one JSON document if `--json` was given, else in words. */
export function print<T>(
  context: CommandContext,
  { json }: Json,
  value: T,
  inWords: (value: T) => string,
): number {
  context.write(json ? `${JSON.stringify(value, null, 2)}\n` : inWords(value))
  return exitCodes.done
}

/** A wrong command line: exit code 2. */
export function wrongUse(message: string): OperationalError {
  return new OperationalError('usage-invalid', message)
}

/** `ADDRESS` or `ADDRESS/LENGTH` in canonical text. Throws OperationalError `usage-invalid` for anything else. */
export function readPrefix(text: string): string {
  const parsed = parsePrefix(text)
  if ('why' in parsed) throw notAnAddress(text, parsed.why, 'give an address or a prefix')
  return formatPrefix(parsed.value)
}

/** Each prefix once, in the order given. Throws as `readPrefix` does. */
export function readPrefixes(texts: readonly string[]): string[] {
  return [...new Set(texts.map(readPrefix))]
}

/**
 * One address. An IPv4-mapped one in dotted form, as the logs of dual-stack hosts have it (`::ffff:192.0.2.1`), is read
 * as IPv4. Throws OperationalError `usage-invalid` for anything else.
 */
export function readAddress(text: string): Address {
  const parsed = parseAddress(text)
  if ('value' in parsed) return text.includes('.') ? unmapped(parsed.value) : parsed.value
  const prefix = parsePrefix(text)
  const why =
    'value' in prefix
      ? `a prefix; ask for one address, such as ${formatAddress(prefix.value)}`
      : parsed.why
  throw notAnAddress(text, why, 'give an address')
}

/** A name of letters, digits, hyphens and dots that is not all digits: probably meant as a domain. */
const domainLike = /^(?=.*[a-z])[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$/i

function notAnAddress(text: string, why: string, instead: string): OperationalError {
  return domainLike.test(text)
    ? wrongUse(`${text}: this version does not list domain names; ${instead}`)
    : wrongUse(`${text}: ${why}`)
}
