// HTML → the words in it, for messages without plain text. Tags are removed, block tags become line ends, and common character
// references are decoded. Written by hand: without a document tree, the cost stays linear.

const maxHtmlLength = 128 * 1024
const maxTextLength = 64 * 1024
const hidden = ['style', 'script', 'head', 'title']
const blockTag = /^\/?(p|div|br|tr|table|h[1-6]|li|ul|ol|pre|hr|blockquote|td)\b/i

/** The words of an HTML text, which is cut to a maximum first. Linear; '' if `html` is not a string. */
export function textOfHtml(html: unknown): string {
  if (typeof html !== 'string') return ''
  const source = html.slice(0, maxHtmlLength)
  const lower = source.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
  let text = ''
  let position = 0
  while (position < source.length && text.length < maxTextLength) {
    const open = source.indexOf('<', position)
    if (open < 0) break
    text += source.slice(position, open)
    const close = source.startsWith('<!--', open)
      ? source.indexOf('-->', open) + 2
      : source.indexOf('>', open)
    // A tag that never ends swallows the rest.
    if (close <= open) return references(text)
    const tag = source.slice(open + 1, Math.min(close, open + 40))
    if (blockTag.test(tag)) text += '\n'
    position = close + 1
    const element = hidden.find((name) => /^[a-z]+/i.exec(tag)?.[0].toLowerCase() === name)
    if (element !== undefined) {
      const end = lower.indexOf(`</${element}`, position)
      if (end < 0) return references(text)
      position = end
    }
  }
  return references(text + source.slice(position)).slice(0, maxTextLength)
}

/** Whether the HTML has a link to a web page. Reads only the beginning, as textOfHtml does. */
export function leadsSomewhere(html: unknown): boolean {
  return typeof html === 'string' && /href ?= ?["']? ?https?:/i.test(html.slice(0, maxHtmlLength))
}

const names: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  apos: "'",
  nbsp: ' ',
}

function references(text: string): string {
  return text.replace(/&(#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,5});/gi, (all, body: string) => {
    if (!body.startsWith('#')) return names[body.toLowerCase()] ?? all
    const point = /^#x/i.test(body) ? Number.parseInt(body.slice(2), 16) : Number(body.slice(1))
    const isCharacter = point >= 0x20 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff)
    return isCharacter ? String.fromCodePoint(point) : ' '
  })
}
