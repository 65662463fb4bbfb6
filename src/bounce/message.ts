// Raw message → headers and the parts that matter for telling backscatter from other mail. The only file that knows
// mailparser. Called by traps/collect and by whoever classifies a file.
import { type AttachmentStream, MailParser, type MessageText } from 'mailparser'
import {
  firstValue,
  type HeaderSection,
  type ParameterValue,
  parseParameters,
  readHeaderSection,
} from './header-section.ts'
import { leadsSomewhere, textOfHtml } from './html-text.ts'

/** A part that is no text: the first octets of its decoded content. */
export interface MessagePart {
  /** Lower case, without parameters. */
  readonly type: string
  /** '' when the part has none. */
  readonly filename: string
  /** Decoded from its transfer encoding; empty for types that nobody reads. */
  readonly content: Uint8Array
}

export interface Message {
  readonly raw: Uint8Array
  /** Our own bounded reading of the top header section; there whatever the parser says. */
  readonly header: HeaderSection
  readonly contentType: ParameterValue
  /** RFC 2047 words decoded. */
  readonly subject: string
  /**
   * The text parts outside returned messages, decoded; at most `maxTextLength` characters. Where there is HTML alone,
   * its text without the tags.
   */
  readonly text: string
  /** Its HTML leads somewhere else: `text` does not show where. */
  readonly hasHtmlLink: boolean
  /** The other parts in order; the inside of a message/rfc822 part is not taken apart. */
  readonly parts: readonly MessagePart[]
  /** Something behind `maxParsedBytes` was not looked at. */
  readonly isCut: boolean
  /** Why the parts could not all be read, or null. Then `parts` and `text` are empty. */
  readonly unreadable: string | null
}

export interface MessageLimits {
  /** @default 500: MIME parts, nested ones included */
  readonly maxParts?: number
}

const maxTextLength = 64 * 1024
/**
 * A report has its machine-readable part before what it returns (RFC 6522 §3), so what lies beyond this is the returned
 * message's body. Taking apart 10 MiB of short lines would hold up everybody's mail for seconds.
 */
export const maxParsedBytes = 1024 * 1024
export const maxPartBytes = 1024 * 1024
const chunkBytes = 64 * 1024

/** The types whose content some recogniser reads; all others are counted and drained. */
const readTypes =
  /^(message\/(global-|rfc822-)?(delivery-status|headers|disposition-notification|feedback-report)|message\/(rfc822|global)|text\/rfc822(-headers)?)$/

/**
 * Parses any bytes as a message. Never throws, and takes a time in proportion to the octets: over a limit the result has
 * the headers and says in `unreadable` what was too much. Time itself is no limit; whoever calls it bounds that.
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
    // mailparser hands its options on to mailsplit, whose limits its own types do not name.
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

/** Reads a part's content up to the limit, drains the rest, and lets the parser go on. */
function readPart(
  attachment: AttachmentStream,
  done: (part: MessagePart) => void,
  fail: (error: unknown) => void,
): void {
  // Where the field names no type mailparser gives `false`, whatever its own types say.
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

/** In slices, so that a parse that was given up stops soon. */
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
