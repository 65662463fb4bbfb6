// What the formats have in common: the shape of a format, how the parts of a line become an entry, and back.

import {
  type EntryAttributes,
  type Export,
  type ImportItem,
  kindNamed,
  kindsOf,
  type ListFault,
} from '../blocklist/types.ts'
import { type Parsed, parsePrefix } from '../ip/address.ts'
import { formatTimestamp } from '../quantity.ts'

/** The types of rbldnsd's data sets. */
export const rbldnsdTypes = ['ip4set', 'ip4trie', 'ip6trie'] as const
export type RbldnsdType = (typeof rbldnsdTypes)[number]

/** One way to write a list as text. Only rbldnsd has types. */
export interface Format {
  readonly mediaType: string
  /** File name extensions, in lower case. */
  readonly extensions: readonly string[]
  /** A reader for one list. `now` is epoch seconds, for lists that expire. */
  createReader(options: {
    readonly now: number
    readonly type?: RbldnsdType | undefined
  }): LineReader
  /** Writes a list page by page; a page without entries gives ''. */
  write(list: Export, type: RbldnsdType | undefined): Iterable<string>
}

/** Reads one line and adds what it says to `items`: nothing for a comment, several entries for a range. */
export type LineReader = (text: string, line: number, items: (ImportItem | ListFault)[]) => void

/** The attributes of an entry that is only a prefix. One shared object, so that equal attributes compare quickly. */
export const plain: EntryAttributes = { kinds: 0, reason: null, expiresAt: null }

export const maxReasonCharacters = 1000
/** RFC 3339 has four digits for the year. */
const endOfTime = Date.UTC(10_000, 0)

/** The fields of an entry as text. Undefined or empty: the line does not say. */
export interface EntryFields {
  readonly prefix: string
  readonly kinds?: readonly string[]
  readonly reason?: string | undefined
  readonly expiresAt?: string | undefined
}

export function readEntry(fields: EntryFields, line: number, text: string): ImportItem {
  const prefix = parsePrefix(fields.prefix)
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
 * `: WORD`, or '' for anything but a plain word. More people see why a line was refused than may see the line, so
 * nothing that could be a mail address is repeated.
 */
export function wordShown(word: string | undefined): string {
  return word !== undefined && isPlainWord(word) ? `: ${word}` : ''
}

/** The first few unknown keys or columns. A name that is no plain word is not repeated. */
export function namesShown(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => (isPlainWord(name) ? name : '(not shown)'))
  return shown.join(', ')
}

function isPlainWord(text: string): boolean {
  return /^[\w:+-]{1,40}$/.test(text)
}

/** Epoch seconds of an RFC 3339 time from 1970 on. */
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

/** The attributes as names and text, as the HTTP interface writes them. */
export function attributesShown({ kinds, reason, expiresAt }: EntryAttributes) {
  return {
    kinds: kindsOf(kinds),
    reason,
    expiresAt: expiresAt === null ? null : formatTimestamp(expiresAt),
  }
}
