// What every command gets from main.ts: where its configuration is to be found, and where its output goes. A command
// returns its exit code; what stops it is thrown as an OperationalError.
import type { ConfigSource } from '../config/load.ts'
import { OperationalError } from '../errors.ts'

export interface CommandContext extends ConfigSource {
  /** Writes to standard output. */
  write(text: string): void
}

/** Done; failed or refused; wrong use or wrong configuration; `lookup` alone: listed. */
export const exitCodes = { done: 0, failed: 1, wrongUse: 2, listed: 3 } as const

/** One JSON document on standard output, as every `--json` prints it. */
export function writeJson(context: CommandContext, value: unknown): void {
  context.write(`${JSON.stringify(value, null, 2)}\n`)
}

/** A wrong command line: exit code 2. */
export function wrongUse(message: string): OperationalError {
  return new OperationalError('usage-invalid', message)
}
