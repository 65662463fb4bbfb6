// The simplest format: one address or prefix a line, with `#` comments.
import { formatPrefix } from '../ip/address.ts'
import { type Format, readEntry } from './entry.ts'

export const text: Format = {
  mediaType: 'text/plain; charset=utf-8',
  extensions: ['txt'],
  createReader: () => (text, line, items) => {
    const [beforeComment = ''] = text.split('#', 1)
    const prefix = beforeComment.trim()
    if (prefix !== '') items.push(readEntry({ prefix }, line, text))
  },
  *write({ pages }) {
    for (const page of pages) {
      yield page.map(({ prefix }) => `${formatPrefix(prefix)}\n`).join('')
    }
  },
}
