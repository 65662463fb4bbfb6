// Raw message → its headers and the parts that rules read. The only file that uses mailparser.
import { type AttachmentStream, MailParser, type MessageText } from 'mailparser'
import {
  firstValue,
  type HeaderSection,
  type ParameterValue,
  parseParameters,
  readHeaderSection,
} from './header.ts'
import { leadsSomewhere, textOfHtml } from './html.ts'

/** A part that is not text: the beginning of its decoded content. */
interface MessagePart {
  /** Media type in lower case, without parameters. */
  readonly type: string
  /** '' if the part has none. */
  readonly filename: string
  /** Decoded from its transfer encoding; empty for types that no rule reads. */
  readonly content: Uint8Array
}

export interface Message {
  readonly raw: Uint8Array
  /** The top header section as header.ts reads it; present even if mailparser fails. */
  readonly header: HeaderSection
  readonly contentType: ParameterValue
  /** With RFC 2047 encoded words decoded. */
  readonly subject: string
  /**
   * The text parts outside returned messages, decoded; at most `maxTextLength` characters. If there is only HTML, the words in
   * it.
   */
  readonly text: string
  /** The HTML has a link; `text` does not show links. */
  readonly hasHtmlLink: boolean
  /** The other parts, in order. A message/rfc822 part is one part; the message inside is not parsed. */
  readonly parts: readonly MessagePart[]
  /** Whether the message is longer than `maxParsedBytes`; the rest is ignored. */
  readonly isCut: boolean
  /** Why not all parts could be read, or null. If set, `parts` and `text` are empty. */
  readonly unreadable: string | null
}

export interface MessageLimits {
  /** The most MIME parts, nested ones included. @default 500 */
  readonly maxParts?: number
}

const maxTextLength = 64 * 1024
/**
 * The most octets of a message that are parsed. In a report, the machine-readable part comes before the returned message (RFC
 * 6522 §3). So only the returned message's body can lie beyond. Parsing it would delay other mail: mailparser is slow on short
 * lines.
 */
export const maxParsedBytes = 1024 * 1024
export const maxPartBytes = 1024 * 1024
const chunkBytes = 64 * 1024

/** Media types whose content some rule reads. Other parts are counted and skipped. */
const readTypes =
  /^(message\/(global-|rfc822-)?(delivery-status|headers|disposition-notification|feedback-report)|message\/(rfc822|global)|text\/rfc822(-headers)?)$/

/**
 * Parses any octets as a message. Never throws; takes time in proportion to the octets. If a limit is exceeded, the result has
 * only the headers, and `unreadable` names the limit. There is no time limit here: the caller must set one.
 */
export async function parseMessage(raw: Uint8Array, limits: MessageLimits = {}): Promise<Message> {
  const header = readHeaderSection(raw)
  const rawSubject = firstValue(header, 'subject') ?? ''
  const contentType = parseParameters(firstValue(header, 'content-type') ?? 'text/plain')
  const isCut = raw.length > header.bodyStart + maxParsedBytes
  const known = { raw, header, contentType, isCut }
  const nothing = { ...known, subject: rawSubject, text: '', hasHtmlLink: false, parts: [] }
  if (header.cut !== null) {
    return { ...nothing, unreadable: header.cut }
  }
  const parsed = raw.subarray(header.start, header.bodyStart + maxParsedBytes)
  const body = await readParts(parsed, limits)
  if ('why' in body) {
    return { ...nothing, unreadable: body.why }
  }
  return { ...known, ...body, subject: body.subject ?? rawSubject, unreadable: null }
}

interface Body {
  readonly subject: string | undefined
  readonly text: string
  readonly hasHtmlLink: boolean
  readonly parts: readonly MessagePart[]
}

function readParts(raw: Uint8Array, limits: MessageLimits): Promise<Body | { why: string }> {
  const { maxParts = 500 } = limits
  return new Promise((resolve) => {
    // mailparser passes its options on to mailsplit, but its types lack mailsplit's limits.
    const options = {
      keepDeliveryStatus: true,
      ignoreEmbedded: true,
      skipHtmlToText: true,
      skipTextToHtml: true,
      skipTextLinks: true,
      skipImageLinks: true,
      checksumAlgo: false as const,
      maxChildNodes: maxParts,
      maxHeadSize: 256 * 1024,
    }
    const parser = new MailParser(options)
    const parts: MessagePart[] = []
    let text = ''
    let hasHtmlLink = false
    let subject: string | undefined
    let settled = false
    const settle = (result: Body | { why: string }): void => {
      if (settled) return
      settled = true
      resolve(result)
      parser.destroy()
    }
    const fail = (error: unknown): void =>
      settle({ why: `the MIME structure cannot be read: ${errorText(error)}` })
    parser.on('error', fail)
    parser.on('headers', (headers) => {
      const value = headers.get('subject')
      if (typeof value === 'string') subject = value.slice(0, maxTextLength)
    })
    parser.on('data', (data: AttachmentStream | MessageText) => {
      if (data.type === 'text') {
        text = data.text?.trim() ? data.text.slice(0, maxTextLength) : textOfHtml(data.html)
        hasHtmlLink = leadsSomewhere(data.html)
      } else {
        readPart(data, (part) => parts.push(part), fail)
      }
    })
    parser.on('end', () => settle({ subject, text, hasHtmlLink, parts }))
    feed(parser, raw, () => settled)
  })
}

/** Reads a part's content up to the limit, skips the rest, and lets mailparser go on. */
function readPart(
  attachment: AttachmentStream,
  done: (part: MessagePart) => void,
  fail: (error: unknown) => void,
): void {
  // If Content-Type names no type, mailparser gives `false`, contrary to its types.
  const type = String(attachment.contentType || '').toLowerCase()
  const isRead = readTypes.test(type)
  const chunks: Uint8Array[] = []
  let length = 0
  attachment.content.on('error', fail)
  attachment.content.on('data', (chunk: Uint8Array) => {
    if (!isRead || length >= maxPartBytes) return
    chunks.push(chunk.subarray(0, maxPartBytes - length))
    length += chunk.length
  })
  attachment.content.on('end', () => {
    done({ type, filename: attachment.filename ?? '', content: Buffer.concat(chunks) })
    attachment.release?.()
  })
}

/** Gives the parser one slice at a time, so that a parse that was given up stops soon. */
function feed(parser: MailParser, raw: Uint8Array, isSettled: () => boolean): void {
  let position = 0
  const next = (): void => {
    while (!isSettled() && position < raw.length) {
      const chunk = Buffer.from(
        raw.buffer,
        raw.byteOffset + position,
        Math.min(chunkBytes, raw.length - position),
      )
      position += chunk.length
      if (!parser.write(chunk)) {
        parser.once('drain', next)
        return
      }
    }
    if (!isSettled()) parser.end()
  }
  next()
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
