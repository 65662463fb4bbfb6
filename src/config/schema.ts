// What a configuration file may hold, declared once: from the same declaration come the TypeScript type, the
// validation with a path for each fault, the README's table and the example file. config.ts declares with it.
import { addressBits, type Parsed, parseAddress, parsePrefix } from '../ip/address.ts'
import { formatDuration, formatSize, parseDuration, parseSize } from '../quantity.ts'

/** One value in the file. `T` is its type once read; `initial` undefined means that the key is required. */
export interface Setting<T> {
  readonly node: 'setting'
  /** What may stand there, for errors and documentation: "a duration such as …". */
  readonly expects: string
  readonly initial: T | undefined
  /** The default as it is written in TOML; empty for a required key. */
  readonly initialText: string
  readonly about: string
  /** A value as TOML gave it → the value meant, or why not. Relative paths start from `folder`. */
  read(raw: unknown, folder: string): Parsed<T>
  /** Whether the default, too, is written as in the file and has to be read: a relative path. */
  readonly isInitialRead?: boolean
}

/** The keys of a table. */
export interface Fields {
  readonly [key: string]: Setting<unknown> | Table<Fields> | OptionalTable<Fields> | Tables<Fields>
}

/** A table that is always there: absent keys take their defaults. */
export interface Table<F extends Fields> {
  readonly node: 'table'
  readonly about: string
  readonly fields: F
}

/** A table that switches something on by being there. */
export interface OptionalTable<F extends Fields> {
  readonly node: 'optional-table'
  readonly about: string
  readonly fields: F
}

/** A table written once for each thing: `[[mailbox]]`. */
export interface Tables<F extends Fields> {
  readonly node: 'tables'
  readonly about: string
  readonly fields: F
}

/** The TypeScript type of what a declaration reads. */
export type Value<N> =
  N extends Setting<infer T>
    ? T
    : N extends Table<infer F>
      ? { readonly [K in keyof F]: Value<F[K]> }
      : N extends OptionalTable<infer F>
        ? { readonly [K in keyof F]: Value<F[K]> } | undefined
        : N extends Tables<infer F>
          ? readonly { readonly [K in keyof F]: Value<F[K]> }[]
          : never

/** One fault in a file: the dotted path of the key, and what is wrong with it. */
export interface Problem {
  readonly path: string
  readonly why: string
}

export function table<F extends Fields>(about: string, fields: F): Table<F> {
  return { node: 'table', about, fields }
}

export function optionalTable<F extends Fields>(about: string, fields: F): OptionalTable<F> {
  return { node: 'optional-table', about, fields }
}

export function tables<F extends Fields>(about: string, fields: F): Tables<F> {
  return { node: 'tables', about, fields }
}

/** A string; `check` may refuse or rewrite it. */
export function text(
  about: string,
  initial: string | undefined,
  expects = 'a string',
  check?: (value: string, folder: string) => Parsed<string>,
): Setting<string> {
  return setting(about, initial, JSON.stringify, expects, (raw, folder) =>
    typeof raw === 'string' ? (check?.(raw, folder) ?? { value: raw }) : wrongType(expects, raw),
  )
}

/** A setting that may hold a trap's address or tell where its mail lies: what is wrong with it is said without it. */
export function secret(setting: Setting<string>): Setting<string> {
  const read = (raw: unknown, folder: string): Parsed<string> =>
    typeof raw === 'string' ? setting.read(raw, folder) : { why: `expected ${setting.expects}` }
  return { ...setting, read }
}

/** One of a few words. */
export function word<const W extends string>(
  about: string,
  initial: W | undefined,
  words: readonly W[],
): Setting<W> {
  const expects = `one of ${words.map((each) => JSON.stringify(each)).join(', ')}`
  return setting(about, initial, JSON.stringify, expects, (raw) => {
    const found = words.find((each) => each === raw)
    return found === undefined ? wrongType(expects, raw) : { value: found }
  })
}

export function flag(about: string, initial: boolean): Setting<boolean> {
  return setting(about, initial, String, 'true or false', (raw) =>
    typeof raw === 'boolean' ? { value: raw } : wrongType('true or false', raw),
  )
}

export function integer(
  about: string,
  initial: number | undefined,
  least: number,
  most: number,
): Setting<number> {
  const expects = `a whole number from ${least} to ${most}`
  return setting(about, initial, String, expects, (raw) =>
    typeof raw === 'number' && Number.isInteger(raw) && raw >= least && raw <= most
      ? { value: raw }
      : wrongType(expects, raw),
  )
}

/** A duration, read as whole seconds within bounds (seconds, inclusive). */
export function duration(
  about: string,
  initial: string,
  least: number,
  most: number,
): Setting<number> {
  const expects = `a duration from ${formatDuration(least)} to ${formatDuration(most)}, such as "90s", "1h" or "28d"`
  return quantity(about, initial, expects, parseDuration, least, most)
}

/** A size, read as octets within bounds (octets, inclusive). */
export function size(about: string, initial: string, least: number, most: number): Setting<number> {
  const expects = `a size from ${formatSize(least)} to ${formatSize(most)}, such as "64 MiB"`
  return quantity(about, initial, expects, parseSize, least, most)
}

/** A list of settings, each read like `item`. */
export function list<T>(
  item: Setting<T>,
  initial: readonly NoInfer<T>[] | undefined,
): Setting<readonly T[]> {
  const expects = `a list, each entry ${item.expects}`
  const write = (values: readonly T[]): string =>
    `[${values.map((each) => JSON.stringify(each)).join(', ')}]`
  return setting(item.about, initial, write, expects, (raw, folder) => {
    if (!Array.isArray(raw)) return wrongType(expects, raw)
    const values: T[] = []
    for (const [index, each] of raw.entries()) {
      const read = item.read(each, folder)
      if ('why' in read) return { why: `entry ${index + 1}: ${read.why}` }
      values.push(read.value)
    }
    return { value: values }
  })
}

/** `host:port` to listen on or connect to, IPv6 in brackets; read back as written. */
export function listenAddress(about: string, initial?: string): Setting<string> {
  const expects = 'an address and port such as "192.0.2.1:53" or "[2001:db8::1]:53"'
  return text(about, initial, expects, (value) => {
    const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(value)
    const address = match && parseAddress(match[1] ?? match[2] ?? '')
    if (match === null || address === null || 'why' in address || Number(match[3]) > 65_535) {
      return { why: `expected ${expects}, not ${JSON.stringify(value)}` }
    }
    const isBracketed = match[1] !== undefined
    return isBracketed === (addressBits(address.value.family) === 128)
      ? { value }
      : { why: `expected ${expects}: brackets belong around IPv6` }
  })
}

/** An address or a prefix, kept as text. */
export function prefixText(about: string): Setting<string> {
  const expects = 'an address or prefix such as "192.0.2.0/24"'
  return text(about, undefined, expects, (value) => {
    const parsed = parsePrefix(value)
    return 'why' in parsed ? { why: `${JSON.stringify(value)}: ${parsed.why}` } : { value }
  })
}

/** Reads a parsed TOML document against a declaration; every fault is reported, with its path. */
export function readSettings<F extends Fields>(
  declaration: Table<F>,
  raw: Readonly<Record<string, unknown>>,
  folder: string,
): { value: Value<Table<F>>; problems: Problem[] } {
  const problems: Problem[] = []
  const value = readFields(declaration.fields, raw, folder, '', problems)
  return { value: value as Value<Table<F>>, problems }
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
      // A quoted key can be anything, an address too, and the log has what is wrong.
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
      values[key] = readTables(node, given, folder, here, problems)
    } else if (given !== undefined && !isTable(given)) {
      problems.push({ path: here, why: `expected a table [${here}]` })
    } else if (given !== undefined || node.node === 'table') {
      values[key] = readFields(node.fields, given ?? {}, folder, `${here}.`, problems)
    }
  }
  return values
}

function readSetting(
  node: Setting<unknown>,
  given: unknown,
  folder: string,
  path: string,
  problems: Problem[],
): unknown {
  if (given === undefined) {
    if (node.initial === undefined)
      problems.push({ path, why: `missing; expected ${node.expects}` })
    if (!node.isInitialRead || node.initial === undefined) return node.initial
  }
  const read = node.read(given ?? node.initial, folder)
  if ('value' in read) return read.value
  problems.push({ path, why: read.why })
  return node.initial
}

function readTables(
  node: Tables<Fields>,
  given: unknown,
  folder: string,
  path: string,
  problems: Problem[],
): unknown[] {
  if (given === undefined) return []
  if (!Array.isArray(given) || !given.every(isTable)) {
    problems.push({ path, why: `expected tables, each written [[${path}]]` })
    return []
  }
  return given.map((each, index) =>
    readFields(node.fields, each, folder, `${path}[${index + 1}].`, problems),
  )
}

function isTable(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw) && !(raw instanceof Date)
}

function quantity(
  about: string,
  initial: string,
  expects: string,
  parse: (text: string) => Parsed<number>,
  least: number,
  most: number,
): Setting<number> {
  const read = (raw: unknown): Parsed<number> => {
    if (typeof raw !== 'string') return wrongType(expects, raw)
    const parsed = parse(raw)
    return 'value' in parsed && parsed.value >= least && parsed.value <= most
      ? parsed
      : wrongType(expects, raw)
  }
  const initialValue = read(initial)
  if ('why' in initialValue) throw new Error(`default ${initial}: ${initialValue.why}`)
  return setting(about, initialValue.value, () => JSON.stringify(initial), expects, read)
}

function setting<T>(
  about: string,
  initial: T | undefined,
  write: (value: T) => string,
  expects: string,
  read: (raw: unknown, folder: string) => Parsed<T>,
): Setting<T> {
  const initialText = initial === undefined ? '' : write(initial)
  return { node: 'setting', about, initial, initialText, expects, read }
}

function wrongType(expects: string, raw: unknown): { why: string } {
  const shown = JSON.stringify(raw) ?? String(raw)
  return { why: `expected ${expects}, not ${shown.length > 60 ? `${shown.slice(0, 57)}…` : shown}` }
}

/** "; did you mean X?" when a known key differs by case or by at most two letters. */
function nearest(key: string, known: readonly string[]): string {
  const close = known.find(
    (each) => each.toLowerCase() === key.toLowerCase() || editDistance(each, key) <= 2,
  )
  return close === undefined ? '' : `; did you mean ${close}?`
}

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
