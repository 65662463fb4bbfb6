// Raw octets → a message: its header, its text, its parts, and the delivery status and the message that it returns.
import libmime from 'libmime'
import { type DeliveryStatus, deliveryStatusIn } from './delivery-status.ts'
import { firstValue, type HeaderSection, type ParameterValue, readHeaderSection } from './header.ts'
import { type Body, contentTypeOf, readBody } from './parts.ts'
import { headerSectionIn, type ReturnedMessage, returnedIn } from './returned.ts'

export interface Message extends Body {
  readonly raw: Uint8Array
  /** Present even if the message is unreadable. */
  readonly header: HeaderSection
  readonly contentType: ParameterValue
  /** With RFC 2047 encoded words decoded. */
  readonly subject: string
  /** The lines of `text` above a returned message, at most `maxLines`, each cut to `maxLineLength` characters. */
  readonly lines: readonly string[]
  readonly deliveryStatus: DeliveryStatus | null
  readonly returned: ReturnedMessage | null
  /** Whether the message is longer than `maxParsedBytes`; the rest is ignored. */
  readonly isCut: boolean
  /** Why not all parts could be read, or null. If set, `parts` and `text` are empty. */
  readonly unreadable: string | null
}

/**
 * The most octets of a message's body that are read. In a report, the machine-readable part comes before the returned message (RFC
 * 6522 §3). So only the returned message's body can lie beyond.
 */
const maxParsedBytes = 1024 * 1024

/**
 * Parses any octets as a message. Never throws; takes time in proportion to the octets. If a limit is exceeded, the result has
 * only the header, and `unreadable` names the limit.
 */
export function parseMessage(raw: Uint8Array): Message {
  const header = readHeaderSection(raw)
  const end = Math.min(raw.length, header.bodyStart + maxParsedBytes)
  const contentType = contentTypeOf(header)
  const isCut = end < raw.length
  const subject = decodedValue(header, 'subject')
  const read = Buffer.from(raw.buffer, raw.byteOffset, end)
  const body = header.cut === null ? readBody(read, header, contentType) : { why: header.cut }
  const { text, hasHtmlLink, parts } = 'why' in body ? noBody : body
  const found = { header, contentType, isCut, text, hasHtmlLink, parts }
  const returnedAt = headerSectionIn(text)
  const own = returnedAt < 0 ? text : text.slice(0, returnedAt)
  return {
    ...found,
    raw,
    subject,
    lines: own.split('\n', maxLines).map((line) => line.slice(0, maxLineLength).trimEnd()),
    deliveryStatus: deliveryStatusIn(parts),
    returned: returnedIn(read, found, returnedAt),
    unreadable: 'why' in body ? body.why : null,
  }
}

const maxLines = 300
const maxLineLength = 500

const noBody: Body = { text: '', hasHtmlLink: false, parts: [] }

/** The first value of a field with RFC 2047 encoded words decoded; '' without the field. */
export function decodedValue(header: HeaderSection, name: string): string {
  return libmime.decodeWords(firstValue(header, name) ?? '')
}
