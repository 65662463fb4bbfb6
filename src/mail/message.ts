// Raw octets → a message: its header, its text, its parts, and the delivery status and the message that it returns.
import libmime from 'libmime'
import { firstValue, type HeaderSection, type ParameterValue, readHeaderSection } from './header.ts'
import { type Body, contentTypeOf, readBody } from './parts.ts'

export interface Message extends Body {
  readonly raw: Uint8Array
  /** Present even if the message is unreadable. */
  readonly header: HeaderSection
  readonly contentType: ParameterValue
  /** With RFC 2047 encoded words decoded. */
  readonly subject: string
  /** Whether the message is longer than `maxParsedBytes`; the rest is ignored. */
  readonly isCut: boolean
  /** Why not all parts could be read, or null. If set, `parts` and `text` are empty. */
  readonly unreadable: string | null
}

export interface MessageLimits {
  /** The most MIME parts, nested ones included. @default 500 */
  readonly maxParts?: number
}

/**
 * The most octets of a message's body that are read. In a report, the machine-readable part comes before the returned message (RFC
 * 6522 §3). So only the returned message's body can lie beyond.
 */
export const maxParsedBytes = 1024 * 1024

/**
 * Parses any octets as a message. Never throws; takes time in proportion to the octets. If a limit is exceeded, the result has
 * only the header, and `unreadable` names the limit.
 */
export function parseMessage(raw: Uint8Array, { maxParts = 500 }: MessageLimits = {}): Message {
  const header = readHeaderSection(raw)
  const end = Math.min(raw.length, header.bodyStart + maxParsedBytes)
  const known = {
    raw,
    header,
    contentType: contentTypeOf(header),
    subject: libmime.decodeWords(firstValue(header, 'subject') ?? ''),
    isCut: end < raw.length,
  }
  const read = Buffer.from(raw.buffer, raw.byteOffset, end)
  const body = header.cut === null ? readBody(read, header, maxParts) : { why: header.cut }
  if ('why' in body) {
    return { ...known, text: '', hasHtmlLink: false, parts: [], unreadable: body.why }
  }
  return { ...known, ...body, unreadable: null }
}
