// Octets of a part → what they stand for: transfer encodings (RFC 2045 §6) and charsets. Wrong names and broken encodings are
// common; what can be read is read.
import { isUtf8 } from 'node:buffer'
import libmime from 'libmime'
import { decode as decodeQuotedPrintable } from 'libqp'

/** Decodes a body by the value of its Content-Transfer-Encoding. Linear; never throws. */
export function decodeTransfer(body: Buffer, encoding: string): Buffer {
  const name = /^[\w-]*/.exec(encoding.toLowerCase())?.[0]
  if (name === 'quoted-printable') return decodeQuotedPrintable(body)
  if (name !== 'base64' || hasWords(body)) return body
  // Some programs encode line by line; each piece ends with its own padding.
  const pieces = body.toString('latin1').split(/=+/, maxPieces)
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece, 'base64')))
}

const maxPieces = 1000

/** Whether the first line has blanks, as base64 has not: some programs call plain text base64. */
function hasWords(body: Buffer): boolean {
  return /^\s*\S+[ \t]+\S/.test(body.toString('latin1', 0, 200))
}

/** Decodes text. If the charset is ASCII, Latin-1 or unknown, it is read as UTF-8 or Windows-1252, whichever it is. Never throws. */
export function decodeCharset(octets: Buffer, charset: string): string {
  const name = utf16Name(octets, charset) ?? libmime.normalizeCharset(charset)
  const decoder = /^(us-ascii|iso-8859-1|windows-1252)$/i.test(name) ? null : decoderFor(name)
  return (decoder ?? (isUtf8(octets) ? utf8 : windows1252)).decode(octets)
}

const utf8 = new TextDecoder()
const windows1252 = new TextDecoder('windows-1252')

/** UTF-16 in either order, by its byte order mark or by the empty half of its first letter; null for other charsets. */
function utf16Name(octets: Buffer, charset: string): string | null {
  const mark = octets.toString('latin1', 0, 2)
  if (mark === '\xff\xfe') return 'utf-16le'
  const isBigEndian = mark === '\xfe\xff' || (/^utf-?16$/i.test(charset) && mark[0] === '\0')
  return isBigEndian ? 'utf-16be' : null
}

function decoderFor(charset: string): TextDecoder | null {
  try {
    return new TextDecoder(charset)
  } catch {
    return null
  }
}
