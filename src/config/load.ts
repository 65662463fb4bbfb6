// Finds, reads and checks the configuration file. keys.ts declares its keys.
import { lstatSync, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse as parseToml, TomlError } from 'smol-toml'
import { fileFault, OperationalError, wrongKey, wrongKeys } from '../errors.ts'
import { wallClockSeconds } from '../quantity.ts'
import { controlSocket, faultsBetweenKeys, readableByAll, warningsOf } from './checks.ts'
import { declaration, reserved, type Settings } from './keys.ts'
import { type Problem, readSettings } from './schema.ts'
import { type ShownTable, shownTables } from './show.ts'

/** The settings of one file, with absolute paths, the path of the file, and warnings for the operator. */
export interface Config extends Settings {
  readonly file: string
  /** When the file was read, in epoch seconds of the wall clock. */
  readonly readAt: number
  readonly warnings: readonly Problem[]
}

/** The configuration of the demonstration (`npm start`). */
export const demoConfig = resolve(import.meta.dirname, '../../data/demo.toml')
const systemConfig = '/etc/backscatterd/backscatterd.toml'

/** Where to look for the configuration: the file given by --config, the environment, and the working folder. */
export interface ConfigSource {
  readonly file?: string | undefined
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
  /** Replaces /etc/backscatterd/backscatterd.toml in tests. */
  readonly systemFile?: string
}

/**
 * Returns the path of the file to use: `file` if given (--config), else BACKSCATTERD_CONFIG, else the first that exists of
 * ./backscatterd.toml and /etc/backscatterd/backscatterd.toml, even if it cannot be read. Returns undefined if there is none.
 */
export function findConfig(source: ConfigSource): string | undefined {
  const { file, env, cwd, systemFile = systemConfig } = source
  const named = file ?? (env['BACKSCATTERD_CONFIG'] || undefined)
  if (named !== undefined) return resolve(cwd, named)
  return [resolve(cwd, 'backscatterd.toml'), systemFile].find(mayExist)
}

/** Whether the file exists or its folder may not be searched: then a file may be there, and must not be ignored. */
function mayExist(file: string): boolean {
  try {
    return lstatSync(file, { throwIfNoEntry: false }) !== undefined
  } catch {
    return true
  }
}

function requireConfig(source: ConfigSource): string {
  const found = findConfig(source)
  if (found !== undefined) return found
  throw new OperationalError(
    'config-invalid',
    `there is no configuration: neither ./backscatterd.toml nor ${source.systemFile ?? systemConfig} exists, and ` +
      `neither --config nor BACKSCATTERD_CONFIG names one; "backscatterd quickstart --help" tells how to make one, or ` +
      `try the demonstration: --config ${demoConfig}`,
  )
}

/**
 * Finds, reads and checks the configuration. Throws OperationalError `config-invalid`, whose message has a line `FILE:
 * KEY.PATH: what was expected` for each fault.
 */
export function loadConfig(source: ConfigSource): Config {
  const file = requireConfig(source)
  return checked(file, readToml(file))
}

/** The configuration for people: every key with its value and where that comes from. Throws as `loadConfig` does. */
export function showConfig(source: ConfigSource): {
  readonly config: Config
  readonly tables: readonly ShownTable[]
} {
  const file = requireConfig(source)
  const raw = readToml(file)
  const config = checked(file, raw)
  return { config, tables: shownTables(declaration.fields, raw, { ...config }) }
}

/**
 * Like loadConfig, for a file that may contain only [policy]: other missing tables are taken from `present`. The policy comes
 * from the file alone, with defaults for missing keys.
 */
export function loadPolicy(source: ConfigSource, present: Config): Config {
  const file = requireConfig(source)
  return checked(file, { ...readToml(present.file), policy: {}, ...readToml(file) })
}

function checked(file: string, raw: Record<string, unknown>): Config {
  const { value: settings, problems } = readSettings(declaration, raw, dirname(file))
  const errors = problems.map((problem) =>
    reserved.includes(problem.path)
      ? { ...problem, why: 'not supported by this version' }
      : problem,
  )
  const value = linkedToPages(settings, raw)
  if (errors.length === 0) errors.push(...faultsBetweenKeys(value))
  if (errors.length > 0) {
    throw wrongKeys(
      errors.map(({ path, why }) => wrongKey(path, why)),
      file,
    )
  }
  const warnings = warningsOf(value)
  // The traps of the demonstration are no secret, so everybody may read its file.
  if (file !== demoConfig) warnings.push(...readableByAll(file, value.trap.length))
  const readAt = wallClockSeconds()
  return { ...value, control: { socket: controlSocket(value) }, file, readAt, warnings }
}

/** With a public URL, the TXT record names the page of its look-up, unless the file has a text of its own. */
function linkedToPages<S extends Pick<Config, 'zone' | 'admin'>>(
  settings: S,
  raw: Record<string, unknown>,
): S {
  const publicUrl = settings.admin?.publicUrl ?? ''
  const zone = raw['zone']
  const hasText = typeof zone === 'object' && zone !== null && 'text' in zone
  if (hasText || publicUrl === '') return settings
  const text = `Backscatter source; see ${publicUrl}/lookup/{ip}`
  return { ...settings, zone: { ...settings.zone, text } }
}

function readToml(file: string): Record<string, unknown> {
  let content: string
  try {
    // Reading a FIFO could wait for ever.
    if (!statSync(file).isFile()) throw new Error('it is not a file')
    content = readFileSync(file, 'utf8')
  } catch (error) {
    const why = `${file}: cannot be read: ${fileFault(error)}; --config names another file`
    throw new OperationalError('config-invalid', why, { cause: error })
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
