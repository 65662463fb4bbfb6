// The configuration of a process: found, read, checked. What keys there are stands in config-keys.ts. Only commands/ reads
// it.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse as parseToml, TomlError } from 'smol-toml'
import {
  controlSocket,
  crossCheck,
  unreachableNameservers,
  wildcardsOneByOne,
} from './config-checks.ts'
import { declaration, reserved, type Settings } from './config-keys.ts'
import { readableByAll, tellingTraps } from './config-warnings.ts'
import { OperationalError } from './errors.ts'
import { type Problem, readSettings } from './settings.ts'

/** The settings of one file, its paths made absolute, where it came from, and what in it has no effect. */
export interface Config extends Settings {
  readonly file: string
  readonly warnings: readonly Problem[]
}

/** The demonstration that is served when no other configuration is found. */
export const demoConfig = resolve(import.meta.dirname, '../data/demo.toml')

/** Where a configuration is looked for: the command line's file, the environment, and the working folder. */
export interface ConfigSource {
  readonly file?: string | undefined
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
}

/**
 * The configuration to use: `file` when given (--config), else BACKSCATTERD_CONFIG, else the first that exists of
 * ./backscatterd.toml, /etc/backscatterd/backscatterd.toml and the demonstration.
 */
export function findConfig({ file, env, cwd }: ConfigSource): string {
  const named = file ?? (env['BACKSCATTERD_CONFIG'] || undefined)
  if (named !== undefined) return resolve(cwd, named)
  const usual = [resolve(cwd, 'backscatterd.toml'), '/etc/backscatterd/backscatterd.toml']
  return usual.find((each) => existsSync(each)) ?? demoConfig
}

/**
 * Finds, reads and checks the configuration. Throws OperationalError `config-invalid` whose message has a line
 * `FILE: KEY.PATH: what was expected` for each fault.
 */
export function loadConfig(source: ConfigSource): Config {
  const file = findConfig(source)
  return checked(file, readToml(file))
}

/**
 * As loadConfig, of a file that may hold [policy] alone: what else it lacks is as in `present`. The policy is its own in
 * any case, with the defaults of what it leaves out.
 */
export function loadPolicy(source: ConfigSource, present: Config): Config {
  const file = findConfig(source)
  return checked(file, { ...readToml(present.file), policy: {}, ...readToml(file) })
}

function checked(file: string, raw: Record<string, unknown>): Config {
  const { value, problems } = readSettings(declaration, raw, dirname(file))
  const warnings: Problem[] = []
  const errors: Problem[] = []
  for (const problem of problems) {
    const rank = Object.hasOwn(reserved, problem.path) ? reserved[problem.path] : undefined
    if (rank === undefined) errors.push(problem)
    else if (rank === 'error') errors.push({ ...problem, why: 'not supported by this version' })
    else warnings.push({ ...problem, why: 'has no effect in this version' })
  }
  if (errors.length === 0) errors.push(...crossCheck(value))
  if (errors.length > 0) {
    const lines = errors.map((problem) => `${file}: ${problem.path}: ${problem.why}`)
    throw new OperationalError('config-invalid', lines.join('\n'), {
      keys: errors.map((problem) => problem.path),
    })
  }
  warnings.push(
    ...unreachableNameservers(value),
    ...wildcardsOneByOne(value),
    ...tellingTraps(value),
  )
  // The demonstration's traps are no secret.
  if (file !== demoConfig) warnings.push(...readableByAll(file, value.trap.length))
  return { ...value, control: { socket: controlSocket(value) }, file, warnings }
}

function readToml(file: string): Record<string, unknown> {
  let content: string
  try {
    content = readFileSync(file, 'utf8')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new OperationalError('config-invalid', `${file}: cannot be read: ${why}`, {
      cause: error,
    })
  }
  try {
    return parseToml(content)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const what = error.message.split('\n')[0]
    throw new OperationalError(
      'config-invalid',
      `${file}: line ${error.line}, column ${error.column}: ${what}`,
      { cause: error },
    )
  }
}
