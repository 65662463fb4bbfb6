// What all commands share: the context, the exit codes, printing, and the parsing of addresses among the arguments. A
// command that cannot go on throws an OperationalError.
import manifest from '../../package.json' with { type: 'json' }
import type { ConfigSource } from '../config/load.ts'
import { OperationalError } from '../errors.ts'
import {
  type Address,
  formatAddress,
  formatPrefix,
  parseGivenAddress,
  parseGivenPrefix,
} from '../ip/address.ts'

export const version: string = manifest.version

/** Where to look for the configuration, and where to write the output. */
export interface CommandContext extends ConfigSource {
  readonly program: Program
  /** Writes to standard output. */
  write(text: string): void
}

/** One command, as `--help`, the completion and the man page show it. */
export interface CommandRow {
  readonly name: string
  /** The command's line in the list of commands. */
  readonly summary: string
  readonly description: string
  readonly argument?: CommandArgument
  readonly options?: readonly CommandOption[]
  readonly notes?: string
  readonly examples?: readonly CommandExample[]
  readonly subcommands?: readonly CommandRow[]
  /** For a subcommand: it runs if none is named. */
  readonly isDefault?: boolean
  /** Loads the command's function. It gets the context, then the argument if there is one, then the options. */
  load?(): Promise<(context: CommandContext, ...given: never[]) => Promise<number>>
}

export interface CommandArgument {
  /** In commander's form: `<file>`, `[key]`, `<prefix...>`. */
  readonly usage: string
  readonly description: string
  /** All allowed values. Others are refused. */
  readonly values?: readonly string[]
}

export interface CommandOption {
  /** In commander's form: `--json`, `--list <name>`. */
  readonly flags: string
  readonly description: string
  readonly isRequired?: boolean
  /** The option may be given several times; its value is the array of all values given. */
  readonly isRepeatable?: boolean
  readonly initial?: string
  /** All allowed values. Others are refused. */
  readonly values?: readonly string[]
}

/** A command that works as printed; a long one has several lines. */
interface CommandExample {
  readonly command: string
  readonly does?: string
}

export interface CommandGroup {
  readonly title: string
  readonly commands: readonly CommandRow[]
}

/** The whole command line. */
export interface Program {
  readonly about: string
  readonly options: readonly CommandOption[]
  /** Paragraphs below the list of commands. */
  readonly notes: readonly string[]
  readonly groups: readonly CommandGroup[]
}

/** The option `--json`, which every command that prints data has. */
export interface Json {
  readonly json?: true
}

/** `failed` also means refused. `wrongUse` also means a wrong configuration. Only `lookup` uses `listed`. */
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

/** Makes the error for a wrong command line, which gives exit code 2. */
export function wrongUse(message: string): OperationalError {
  return new OperationalError('usage-invalid', message)
}

/** Checks a whole number above zero. `flag` names the option. Throws OperationalError `usage-invalid`. */
export function readCount(flag: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw wrongUse(`${flag} ${text}: expected a whole number, at least 1`)
}

/** Checks `ADDRESS` or `ADDRESS/LENGTH` and returns its canonical text. Throws OperationalError `usage-invalid`. */
export function readPrefix(text: string): string {
  const parsed = parseGivenPrefix(text)
  if ('why' in parsed) throw notAnAddress(text, parsed.why, 'give an address or a prefix')
  return formatPrefix(parsed.value)
}

/** Returns each prefix once, in the order given. Throws as `readPrefix` does. */
export function readPrefixes(texts: readonly string[]): string[] {
  return [...new Set(texts.map(readPrefix))]
}

/** Parses one address. Throws OperationalError `usage-invalid`. */
export function readAddress(text: string): Address {
  const parsed = parseGivenAddress(text)
  if ('value' in parsed) return parsed.value
  const prefix = parseGivenPrefix(text)
  const why =
    'value' in prefix
      ? `a prefix; ask for one address, such as ${formatAddress(prefix.value)}`
      : parsed.why
  throw notAnAddress(text, why, 'give an address')
}

/** Text that is probably meant as a domain: letters, digits, hyphens and dots, with at least one letter. */
const domainLike = /^(?=.*[a-z])[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$/i

function notAnAddress(text: string, why: string, instead: string): OperationalError {
  return domainLike.test(text)
    ? wrongUse(`${text}: this version does not list domain names; ${instead}`)
    : wrongUse(`${text}: ${why}`)
}
