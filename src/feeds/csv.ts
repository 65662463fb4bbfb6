// Comma-separated values (RFC 4180). The columns are prefix, kinds, reason and expiresAt, in this order or in the order of the
// header line. Each record is one line. The kinds of an entry are one field, separated by blanks.
import Papa from 'papaparse'
import type { ListEntry } from '../blocklist/types.ts'
import { formatPrefix } from '../ip/address.ts'
import { attributesShown, type Format, type LineReader, namesShown, readEntry } from './entry.ts'

const columns = ['prefix', 'kinds', 'reason', 'expiresAt'] as const

/**
 * Matches text that a spreadsheet would run as a formula, also with apostrophes before it. An export puts one more apostrophe
 * before such text, which makes it plain text; an import removes one. (Papa Parse's own way to do this cannot be undone.)
 */
const formula = /^'*[=+\-@\t\r]/

/** Parses one line at a time, so that an open quote spoils only its own line and not the rest of the file. */
const parser = new Papa.Parser({ delimiter: ',', newline: '\n' })

export const csv: Format = {
  mediaType: 'text/csv; charset=utf-8',
  extensions: ['csv'],
  createReader,
  *write({ pages }) {
    yield `${columns.join(',')}\n`
    for (const page of pages) yield csvLines(page)
  },
}

function createReader(): LineReader {
  let names: readonly string[] = columns
  let isFirst = true
  return (text, line, items) => {
    if (text.trim() === '' || text.startsWith('#')) return
    const { data, errors }: Papa.ParseResult<string[]> = parser.parse(text, 0, false)
    if (errors.length > 0) {
      const why = 'a quoted field does not end on this line, or has text after it'
      items.push({ line, text, why })
      return
    }
    const cells = (data[0] ?? []).map((cell) => cell.trim())
    const header = isFirst ? cells.map(columnNamed) : []
    isFirst = false
    if (header.includes('prefix')) {
      const fault = columnFault(header)
      if (fault) items.push({ line, fault })
      names = header
      return
    }
    if (cells.slice(names.length).some((cell) => cell !== '')) {
      items.push({ line, text, why: `has ${cells.length} fields for ${names.length} columns` })
      return
    }
    const cellOf = (name: string): string => unescapeFormula(cells[names.indexOf(name)] ?? '')
    const fields = {
      prefix: cellOf('prefix'),
      kinds: cellOf('kinds')
        .split(/[\s;|]+/)
        .filter(Boolean),
      reason: cellOf('reason'),
      expiresAt: cellOf('expiresAt'),
    }
    items.push(readEntry(fields, line, text))
  }
}

/** The known column with this name, in any case; any other name stays as it is. */
function columnNamed(name: string): string {
  return columns.find((column) => column.toLowerCase() === name.toLowerCase()) ?? name
}

/** Why the whole list is refused, if a column is unknown or appears twice. An unknown column may be a misspelt one. */
function columnFault(names: readonly string[]): string | undefined {
  const isKnown = (name: string) => name === '' || columns.some((known) => known === name)
  const unknown = names.filter((name) => !isKnown(name))
  if (unknown.length > 0) {
    return `unknown column ${namesShown(unknown)}: a list has ${columns.join(', ')}`
  }
  const twice = names.find((name, place) => name !== '' && names.indexOf(name) !== place)
  return twice === undefined ? undefined : `column ${twice} appears twice`
}

/** Writes a line for each entry, with its line end. */
export function csvLines(entries: readonly ListEntry[]): string {
  const records = entries.map(({ prefix, attributes }) => {
    const { kinds, reason, expiresAt } = attributesShown(attributes)
    // A record is one line, so line ends in the reason become blanks.
    const fields = [kinds.join(' '), (reason ?? '').replaceAll(/[\r\n]+/g, ' '), expiresAt ?? '']
    return [formatPrefix(prefix), ...fields.map(escapeFormula)]
  })
  // Quote a field that contains #: some programs treat everything after # as a comment.
  const quotes = (field: unknown): boolean => String(field).includes('#')
  const text = Papa.unparse(records, { newline: '\n', quotes })
  return text === '' ? '' : `${text}\n`
}

function escapeFormula(field: string): string {
  return formula.test(field) ? `'${field}` : field
}

function unescapeFormula(field: string): string {
  return field.startsWith("'") && formula.test(field) ? field.slice(1) : field
}
