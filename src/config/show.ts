// A configuration as text: each key with its value in force, and whether the value comes from the file or is the default.
// Values that may reveal a trap are hidden.
import { stringify } from 'smol-toml'
import type { Fields, Setting } from './schema.ts'

export interface ShownTable {
  /** "[zone]" or, for each item of a list, "[[mailbox]]". */
  readonly header: string
  readonly keys: readonly ShownKey[]
}

interface ShownKey {
  /** "mailbox[1].path". */
  readonly key: string
  readonly value: unknown
  readonly from: 'file' | 'default'
}

type Values = Readonly<Record<string, unknown>>

const hidden = '(hidden)'

/**
 * `raw`: the parsed file. `inForce`: what was made of it, which holds full paths. A table that switches something on is left out
 * if the file lacks it.
 */
export function shownTables(
  fields: Fields,
  raw: Values,
  inForce: Values,
  path = '',
  header = '',
): ShownTable[] {
  const keys: ShownKey[] = []
  const below: ShownTable[] = []
  const parent = header.replaceAll(/[[\]]/g, '')
  for (const [name, node] of Object.entries(fields)) {
    const given = raw[name]
    const read = inForce[name]
    const [key, title] = [path + name, parent === '' ? name : `${parent}.${name}`]
    if (node.node === 'setting') {
      const from = given === undefined ? 'default' : 'file'
      keys.push({ key, value: shownValue(node, given ?? node.initial, read), from })
    } else if (node.node === 'tables') {
      for (const [index, each] of ((given ?? []) as Values[]).entries()) {
        const item = (read as Values[])[index] ?? {}
        below.push(...shownTables(node.fields, each, item, `${key}[${index + 1}].`, `[[${title}]]`))
      }
    } else if (given !== undefined || node.node === 'table') {
      const table = [(given ?? {}) as Values, read as Values] as const
      below.push(...shownTables(node.fields, ...table, `${key}.`, `[${title}]`))
    }
  }
  return keys.length > 0 ? [{ header, keys }, ...below] : below
}

/** Text as it is in force, such as a full path. Other values as they are written in the file, such as "28d". */
function shownValue({ isSecret }: Setting<unknown>, written: unknown, inForce: unknown): unknown {
  if (isSecret && written !== '') return hidden
  return typeof inForce === 'string' ? inForce : written
}

/** The tables as TOML, with where each value comes from in a comment. */
export function formatTables(tables: readonly ShownTable[]): string {
  const paragraphs = tables.map(({ header, keys }) => {
    const lines = keys.map(({ key, value }) =>
      stringify({ [key.slice(key.lastIndexOf('.') + 1)]: value }).trimEnd(),
    )
    const width = Math.max(...lines.map((line) => line.length))
    const commented = lines.map((line, index) => `${line.padEnd(width)}  # ${keys[index]?.from}`)
    return `${[header, ...commented].join('\n')}\n`
  })
  return paragraphs.join('\n')
}
