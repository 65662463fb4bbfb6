// What the formats have in common: how a line's parts become an entry, and an entry's parts text. Called by each of
// them.
import type { ImportItem, ListFault } from '../blocklist/import.ts'
import { kindNamed, kindsOf } from '../blocklist/kinds.ts'
import { type Parsed, parsePrefix } from '../ip/address.ts'
import type { EntryAttributes } from '../store/packed-entries.ts'

/** Reads one line, and adds what it says to `items`: nothing for a comment, several for a range. */
export type LineReader = (text: string, line: number, items: (ImportItem | ListFault)[]) => void

/** What an entry that says nothing more has: one object, so that a million are alike at a glance. */
export const plain: EntryAttributes = { kinds: 0, reason: null, expiresAt: null }

const maxReasonCharacters = 1000
/** RFC 3339 has four digits for the year. */
const endOfTime = Date.UTC(10_000, 0)

/** The fields of an entry, each as its format found it; undefined or empty: the line does not say. */
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
    if (bit === undefined) return { why: `no kind of backscatter${wordShown(kind)}` }
    mask |= bit
  }
  if (reason && reason.length > maxReasonCharacters) {
    return { why: `the reason is longer than ${maxReasonCharacters} characters` }
  }
  const end = expiresAt ? readTime(expiresAt) : null
  if (end === undefined) return { why: `not a time as in RFC 3339${wordShown(expiresAt)}` }
  return { value: { kinds: mask, reason: reason || null, expiresAt: end } }
}

/** `: WORD`; what is no plain word is not repeated: why a line is refused is told to more than who may see the line. */
export function wordShown(word: string | undefined): string {
  return word !== undefined && isPlainWord(word) ? `: ${word}` : ''
}

/** Names of keys or columns that there are not, the first few of them; what is no plain word is not repeated. */
export function namesShown(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => (isPlainWord(name) ? name : '(not shown)'))
  return shown.join(', ')
}

function isPlainWord(text: string): boolean {
  return /^[\w:+-]{1,40}$/.test(text)
}

function readTime(text: string): number | undefined {
  const form = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/i
  const [, year, month, day, hour] = (form.exec(text) ?? []).map(Number)
  if (year === undefined || month === undefined || day === undefined || hour === 24)
    return undefined
  // Date.parse takes the 30th of February for the 2nd of March.
  if (day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return undefined
  const milliseconds = Date.parse(text)
  return milliseconds >= 0 && milliseconds < endOfTime ? Math.floor(milliseconds / 1000) : undefined
}

/** The same in the interface's own form: what ndjson shows, and csv puts in its columns. */
export function shownAttributes({ kinds, reason, expiresAt }: EntryAttributes) {
  return {
    kinds: kindsOf(kinds),
    reason,
    expiresAt:
      expiresAt === null ? null : new Date(expiresAt * 1000).toISOString().replace('.000Z', 'Z'),
  }
}
