// The parts of a declaration of configuration keys, and the function that checks a parsed file against a declaration. The
// TypeScript type, the guide's table and the example file are made from the same declaration.
import type { Parsed } from '../ip/address.ts'

/** One value in the file. `T` is its type after reading. */
export interface Setting<T> {
  readonly node: 'setting'
  readonly about: string
  /** Describes the allowed values, for errors and documentation: "a duration such as …". */
  readonly expects: string
  /** The default in the form of the TOML file. Undefined means that the key is required. */
  readonly initial: unknown
  /** Whether the value may reveal a trap. It is neither logged nor shown. */
  readonly isSecret?: true
  /** Converts the value in the TOML file to a `T`, or says what is wrong with it. Relative paths start from `folder`. */
  read(raw: unknown, folder: string): Parsed<T>
}

/**
 * `table`: if it is missing in the file, all its keys have their defaults. `optional-table`: its presence switches something
 * on. `tables`: written once for each item, such as `[[mailbox]]`.
 */
type TableKind = 'table' | 'optional-table' | 'tables'

export interface Table<K extends TableKind, F extends Fields> {
  readonly node: K
  readonly about: string
  readonly fields: F
}

/** The keys of a table. */
export interface Fields {
  readonly [key: string]: Setting<unknown> | Table<TableKind, Fields>
}

type Values<F> = { readonly [K in keyof F]: Value<F[K]> }

/** The TypeScript type of the settings that a declaration describes. */
export type Value<N> =
  N extends Setting<infer T>
    ? T
    : N extends Table<infer K, infer F>
      ? {
          readonly table: Values<F>
          readonly 'optional-table': Values<F> | undefined
          readonly tables: readonly Values<F>[]
        }[K]
      : never

/** One fault or warning: the dotted path of the key, and what is wrong with it. */
export interface Problem {
  readonly path: string
  readonly why: string
}

export function table<F extends Fields>(about: string, fields: F): Table<'table', F> {
  return { node: 'table', about, fields }
}

export function optionalTable<F extends Fields>(
  about: string,
  fields: F,
): Table<'optional-table', F> {
  return { node: 'optional-table', about, fields }
}

export function tables<F extends Fields>(about: string, fields: F): Table<'tables', F> {
  return { node: 'tables', about, fields }
}

/** Checks a parsed TOML document against a declaration and converts its values. Reports every fault, not only the first. */
export function readSettings<F extends Fields>(
  declaration: Table<'table', F>,
  raw: Readonly<Record<string, unknown>>,
  folder: string,
): { value: Values<F>; problems: Problem[] } {
  const problems: Problem[] = []
  const value = readFields(declaration.fields, raw, folder, '', problems)
  return { value: value as Values<F>, problems }
}

function readFields(
  fields: Fields,
  raw: Readonly<Record<string, unknown>>,
  folder: string,
  path: string,
  problems: Problem[],
): Record<string, unknown> {
  for (const key of Object.keys(raw)) {
    if (!Object.hasOwn(fields, key)) {
      // A quoted key may be any text, even a trap's address, and faults are logged.
      const shown = /^[A-Za-z0-9_-]+$/.test(key) ? key : '(quoted key)'
      problems.push({ path: path + shown, why: `unknown key${nearest(key, Object.keys(fields))}` })
    }
  }
  const values: Record<string, unknown> = {}
  for (const [key, node] of Object.entries(fields)) {
    const given = Object.hasOwn(raw, key) ? raw[key] : undefined
    const here = path + key
    if (node.node === 'setting') {
      values[key] = readSetting(node, given, folder, here, problems)
    } else if (node.node === 'tables') {
      values[key] = readTables(node.fields, given ?? [], folder, here, problems)
    } else if (given !== undefined && !isTable(given)) {
      problems.push({ path: here, why: `expected a table [${here}]` })
    } else if (given !== undefined || node.node === 'table') {
      values[key] = readFields(node.fields, given ?? {}, folder, `${here}.`, problems)
    }
  }
  return values
}

function readSetting(
  { initial, expects, read }: Setting<unknown>,
  given: unknown,
  folder: string,
  path: string,
  problems: Problem[],
): unknown {
  const raw = given ?? initial
  const outcome = raw === undefined ? { why: `missing; expected ${expects}` } : read(raw, folder)
  if ('value' in outcome) return outcome.value
  problems.push({ path, why: outcome.why })
  return undefined
}

function readTables(
  fields: Fields,
  given: unknown,
  folder: string,
  path: string,
  problems: Problem[],
): unknown[] {
  if (!Array.isArray(given) || !given.every(isTable)) {
    problems.push({ path, why: `expected tables, each written [[${path}]]` })
    return []
  }
  return given.map((each, index) =>
    readFields(fields, each, folder, `${path}[${index + 1}].`, problems),
  )
}

function isTable(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw) && !(raw instanceof Date)
}

/** Returns "; did you mean X?" if a known key differs only in case or in at most two letters, else "". */
function nearest(key: string, known: readonly string[]): string {
  const close = known.find(
    (each) => each.toLowerCase() === key.toLowerCase() || editDistance(each, key) <= 2,
  )
  return close === undefined ? '' : `; did you mean ${close}?`
}

/** The Levenshtein distance. No dependency offers it, and one loop is not worth a package. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitute = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      current.push(Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, substitute))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}
