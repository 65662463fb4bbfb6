// Comma-separated values (RFC 4180, a record a line) with the columns prefix, kinds, reason, expiresAt: in that order,
// or as a first line names them. Kinds stand in one field, blanks between them. Called by feed.ts.
import { formatPrefix } from '../ip/address.ts'
import type { ListEntry } from '../store/packed-entries.ts'
import { type LineReader, namesShown, readEntry, shownAttributes } from './entry.ts'

const columns = ['prefix', 'kinds', 'reason', 'expiresAt'] as const

/**
 * What a spreadsheet would run as a formula, behind any apostrophes: one more in front makes it text. An import takes
 * that one away.
 */
const formula = /^'*[=+\-@\t\r]/

export const csvHeader = `${columns.join(',')}\n`

export function csvReader(): LineReader {
  let places = new Map<string, number>(columns.map((name, place) => [name, place]))
  let width: number = columns.length
  let isFirst = true
  return (text, line, items) => {
    if (text.trim() === '' || text.startsWith('#')) return
    const fields = readRecord(text)
    if (fields === undefined) {
      items.push({
        line,
        text,
        why: 'a quoted field does not end on this line, or has text after it',
      })
      return
    }
    const names = fields.map((field) => columnNamed(field.trim()))
    if (isFirst && names.includes('prefix')) {
      const fault = columnFault(names)
      if (fault) items.push({ line, fault })
      places = new Map(names.map((name, place) => [name, place]))
      width = names.length
      isFirst = false
      return
    }
    isFirst = false
    if (fields.slice(width).some((field) => field.trim() !== '')) {
      items.push({ line, text, why: `has ${fields.length} fields for ${width} columns` })
      return
    }
    const field = (name: (typeof columns)[number]): string =>
      plainText(fields[places.get(name) ?? fields.length]?.trim() ?? '')
    const kinds = field('kinds')
      .split(/[\s;|]+/)
      .filter(Boolean)
    const { reason, expiresAt } = { reason: field('reason'), expiresAt: field('expiresAt') }
    items.push(readEntry({ prefix: field('prefix'), kinds, reason, expiresAt }, line, text))
  }
}

/** The column of that name, in whatever case; any other name as it is. */
function columnNamed(name: string): string {
  return columns.find((column) => column.toLowerCase() === name.toLowerCase()) ?? name
}

/** A column nobody knows may be a known one misspelt, and each entry would lack what it says: so no list is made of it. */
function columnFault(names: readonly string[]): string | undefined {
  const isKnown = (name: string) => name === '' || columns.some((known) => known === name)
  const unknown = names.filter((name) => !isKnown(name))
  if (unknown.length > 0) {
    return `unknown column ${namesShown(unknown)}: a list has ${columns.join(', ')}`
  }
  const twice = names.find((name, place) => name !== '' && names.indexOf(name) !== place)
  return twice === undefined ? undefined : `column ${twice} stands there twice`
}

export function csvLine({ prefix, attributes }: ListEntry): string {
  const { kinds, reason, expiresAt } = shownAttributes(attributes)
  // A line end inside a field would be one to every reader of lines.
  const fields = [formatPrefix(prefix), kinds.join(' '), (reason ?? '').replaceAll(/[\r\n]+/g, ' ')]
  return `${[...fields, expiresAt ?? ''].map((field) => quoted(harmless(field))).join(',')}\n`
}

function harmless(field: string): string {
  return formula.test(field) ? `'${field}` : field
}

/** The reverse of `harmless`. */
function plainText(field: string): string {
  return field.startsWith("'") && formula.test(field) ? field.slice(1) : field
}

/** The fields of a record; undefined where its quotes are wrong. */
function readRecord(text: string): string[] | undefined {
  if (!text.includes('"')) return text.split(',')
  const fields: string[] = []
  for (let at = 0; at <= text.length; at++) {
    if (text[at] !== '"') {
      const comma = text.indexOf(',', at)
      const end = comma < 0 ? text.length : comma
      fields.push(text.slice(at, end))
      at = end
      continue
    }
    let field = ''
    for (;;) {
      const quote = text.indexOf('"', at + 1)
      if (quote < 0) return undefined
      field += text.slice(at + 1, quote)
      at = quote + 1
      if (text[at] !== '"') break
      field += '"'
    }
    fields.push(field)
    if (at < text.length && text[at] !== ',') return undefined
  }
  return fields
}

function quoted(field: string): string {
  return /[",#]|^\s|\s$/.test(field) ? `"${field.replaceAll('"', '""')}"` : field
}
