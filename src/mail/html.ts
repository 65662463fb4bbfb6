// HTML → the words in it, for messages without plain text. Tags are removed, block tags become line ends, and character
// references are decoded. Written by hand: without a document tree, the cost stays linear.
import { decodeHTMLStrict } from 'entities'

const maxHtmlLength = 128 * 1024
const maxTextLength = 64 * 1024
const hidden = ['style', 'script', 'head', 'title']
const blockTag = /^\/?(p|div|br|tr|table|h[1-6]|li|ul|ol|pre|hr|blockquote|td)\b/i

/** The words of an HTML text, which is cut to a maximum first. Linear. */
export function textOfHtml(html: string): string {
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
    if (close <= open) return decodeHTMLStrict(text)
    const tag = source.slice(open + 1, Math.min(close, open + 40))
    if (blockTag.test(tag)) text += '\n'
    position = close + 1
    const element = hidden.find((name) => /^[a-z]+/i.exec(tag)?.[0].toLowerCase() === name)
    if (element !== undefined) {
      const end = lower.indexOf(`</${element}`, position)
      if (end < 0) return decodeHTMLStrict(text)
      position = end
    }
  }
  return decodeHTMLStrict(text + source.slice(position)).slice(0, maxTextLength)
}

/** Whether the HTML has a link to a web page. Reads only the beginning, as textOfHtml does. */
export function leadsSomewhere(html: string): boolean {
  return /href ?= ?["']? ?https?:/i.test(html.slice(0, maxHtmlLength))
}
