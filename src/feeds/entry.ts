// What all formats share: the Format interface, and the conversion between the fields of a line and an entry.
import {
  type EntryAttributes,
  type Export,
  type ImportItem,
  kindNamed,
  kindsOf,
  type ListFault,
} from '../blocklist/types.ts'
import { type Parsed, parseGivenPrefix } from '../ip/address.ts'
import { formatTimestamp } from '../quantity.ts'

/** The supported types of rbldnsd's data sets. */
export const rbldnsdTypes = ['ip4set', 'ip4trie', 'ip6trie'] as const
export type RbldnsdType = (typeof rbldnsdTypes)[number]

/** A text format in which lists are written. */
export interface Writer {
  readonly mediaType: string
  /** Writes a list page by page. A page without entries yields ''. */
  write(list: Export, options: WriteOptions): Iterable<string>
}

/** A text format in which lists are written and read. Only rbldnsd has types. */
export interface Format extends Writer {
  /** File name extensions, in lower case. */
  readonly extensions: readonly string[]
  /** Makes a reader for one list. `now`: the time in epoch seconds, to refuse a list that has expired. */
  createReader(options: {
    readonly now: number
    readonly type?: RbldnsdType | undefined
  }): LineReader
}

export interface WriteOptions {
  readonly type?: RbldnsdType | undefined
  readonly zone: ZoneText
}

/** The parts of a zone file that the configuration gives. */
export interface ZoneText {
  /** The lines before the entries: origin, TTL, SOA and the zone's own records, in presentation form. */
  head(serial: number): string
  /** The template of TXT records, with `{ip}`. */
  readonly text: string
}

/** Parses one line and adds the result to `items`: nothing for a comment, several entries for a range. */
export type LineReader = (text: string, line: number, items: (ImportItem | ListFault)[]) => void

/** The attributes of an entry that is only a prefix. All such entries share this object, which makes comparing fast. */
export const plain: EntryAttributes = { kinds: 0, reason: null, expiresAt: null }

export const maxReasonCharacters = 1000
/** The beginning of the year 10000, in milliseconds: RFC 3339 has only four digits for the year. */
const endOfTime = Date.UTC(10_000, 0)

/** The fields of an entry as text. A field is undefined or empty if the line does not give it. */
export interface EntryFields {
  readonly prefix: string
  readonly kinds?: readonly string[]
  readonly reason?: string | undefined
  readonly expiresAt?: string | undefined
}

export function readEntry(fields: EntryFields, line: number, text: string): ImportItem {
  const prefix = parseGivenPrefix(fields.prefix)
  if ('why' in prefix) return { line, text, why: prefix.why }
  const attributes = readAttributes(fields)
  if ('why' in attributes) return { line, text, why: attributes.why }
  return { line, text, prefix: prefix.value, attributes: attributes.value }
}

function readAttributes({ kinds = [], reason, expiresAt }: EntryFields): Parsed<EntryAttributes> {
  if (kinds.length === 0 && !reason && !expiresAt) return { value: plain }
  let mask = 0
  for (const kind of kinds) {
    const bit = kindNamed(kind)
    if (bit === undefined) return { why: `unknown kind of backscatter${wordShown(kind)}` }
    mask |= bit
  }
  if (reason && reason.length > maxReasonCharacters) {
    return { why: `the reason is longer than ${maxReasonCharacters} characters` }
  }
  const end = expiresAt ? readTime(expiresAt) : null
  if (end === undefined) return { why: `not a time as in RFC 3339${wordShown(expiresAt)}` }
  return { value: { kinds: mask, reason: reason || null, expiresAt: end } }
}

/**
 * Returns `: WORD` for a plain word, else ''. More people may see the reason of a refusal than the line itself, so nothing is
 * repeated that could be a mail address.
 */
export function wordShown(word: string | undefined): string {
  return word !== undefined && isPlainWord(word) ? `: ${word}` : ''
}

/** Lists the first few unknown keys or columns. Only plain words are repeated. */
export function namesShown(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => (isPlainWord(name) ? name : '(not shown)'))
  return shown.join(', ')
}

function isPlainWord(text: string): boolean {
  return /^[\w:+-]{1,40}$/.test(text)
}

/** Converts an RFC 3339 time from 1970 on to epoch seconds. Undefined for anything else. */
function readTime(text: string): number | undefined {
  const form = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/i
  const [, year, month, day, hour] = (form.exec(text) ?? []).map(Number)
  if (year === undefined || month === undefined || day === undefined || hour === 24)
    return undefined
  // Date.parse reads 30 February as 2 March.
  if (day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return undefined
  const milliseconds = Date.parse(text)
  return milliseconds >= 0 && milliseconds < endOfTime ? Math.floor(milliseconds / 1000) : undefined
}

/** Converts attributes to the form of the HTTP interface: kinds by name, time as text. */
export function attributesShown({ kinds, reason, expiresAt }: EntryAttributes) {
  return {
    kinds: kindsOf(kinds),
    reason,
    expiresAt: expiresAt === null ? null : formatTimestamp(expiresAt),
  }
}
