// The plainest format: an address or prefix a line, `#` comments. Called by feed.ts.
import { formatPrefix } from '../ip/address.ts'
import type { ListEntry } from '../store/packed-entries.ts'
import { type LineReader, readEntry } from './entry.ts'

export function textReader(): LineReader {
  return (text, line, items) => {
    const hash = text.indexOf('#')
    const prefix = (hash < 0 ? text : text.slice(0, hash)).trim()
    if (prefix !== '') items.push(readEntry({ prefix }, line, text))
  }
}

export function textLine({ prefix }: ListEntry): string {
  return `${formatPrefix(prefix)}\n`
}
