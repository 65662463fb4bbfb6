// The octets of a message → its text and its other parts (RFC 2045, RFC 2046). Software that writes bounces often breaks these
// rules, so all that a reader could see is taken. Written by hand: mailparser loses the text of such messages.
import libmime from 'libmime'
import { decodeCharset, decodeTransfer } from './encodings.ts'
import {
  firstValue,
  type HeaderSection,
  type ParameterValue,
  parseParameters,
  readFields,
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

export interface Body {
  /**
   * The text parts outside returned messages, decoded; at most `maxTextLength` characters. The words of HTML count if no plain
   * text is their alternative.
   */
  readonly text: string
  /** The HTML has a link; `text` does not show links. */
  readonly hasHtmlLink: boolean
  /** The other parts, in order. A message/rfc822 part is one part; the message inside is not parsed. */
  readonly parts: readonly MessagePart[]
}

export const maxPartBytes = 1024 * 1024
const maxTextLength = 64 * 1024
const maxParts = 500
/** RFC 2046 §5.1.1 allows 70 characters and the dashes. */
const maxDelimiterLength = 200
const CR = 0x0d

/** Media types whose content some rule reads. Other parts are counted and skipped. */
const readTypes =
  /^(message\/(global-|rfc822-)?(delivery-status|headers|disposition-notification|feedback-report)|message\/(rfc822|global)|text\/rfc822(-headers)?)$/

/** A MIME entity (RFC 2045 §2.4): the message, or a part of it. */
interface Entity {
  readonly header: HeaderSection
  readonly contentType: ParameterValue
  readonly parent: Entity | null
  /** The line before each part of a multipart (RFC 2046 §5.1.1); '' for everything else. */
  readonly delimiter: string
  /** Where the body ends in the octets. */
  end: number
  hasParts: boolean
}

/**
 * Reads the body of a message. If it has more than `maxParts` parts, or one with a header section that is too long, the result
 * says so instead. Linear; never throws.
 */
export function readBody(
  raw: Buffer,
  header: HeaderSection,
  contentType: ParameterValue,
): Body | { readonly why: string } {
  let entities = entitiesOf(raw, header, contentType)
  if (entities.length === 1 && isMultipart(contentType)) {
    const boundary = boundaryInBody(raw.subarray(header.bodyStart))
    const parameters = new Map([['boundary', boundary]])
    entities = entitiesOf(raw, header, { ...contentType, parameters })
  }
  if (entities.length > maxParts) return { why: `the message has more than ${maxParts} parts` }
  const cut = entities.find((entity) => entity.header.cut !== null)?.header.cut
  return cut == null ? bodyOf(raw, entities) : { why: `in a part of the message, ${cut}` }
}

/** The media type; text/plain if the field is missing or has none (RFC 2045 §5.2, RFC 2046 §5.1.5). */
export function contentTypeOf(header: HeaderSection, parent: Entity | null = null): ParameterValue {
  const type = parseParameters(firstValue(header, 'content-type') ?? '')
  if (type.value.includes('/')) return type
  const isDigest = type.value === '' && parent?.contentType.value === 'multipart/digest'
  return { ...type, value: isDigest ? 'message/rfc822' : 'text/plain' }
}

function isMultipart({ value }: ParameterValue): boolean {
  return value.startsWith('multipart/')
}

/** The message and its parts, in order, up to one more than `maxParts`. */
function entitiesOf(raw: Buffer, top: HeaderSection, topType: ParameterValue): Entity[] {
  const all: Entity[] = []
  /** From the outermost to the innermost. */
  const open: Entity[] = []
  const multiparts = new Map<string, Entity>()
  const begin = (header: HeaderSection, contentType: ParameterValue, parent: Entity | null) => {
    const boundary = contentType.parameters.get('boundary')?.trimEnd()
    const delimiter = isMultipart(contentType) && boundary ? `--${boundary}` : ''
    const end = raw.length
    const entity = { header, contentType, parent, delimiter, end, hasParts: false }
    all.push(entity)
    open.push(entity)
    if (delimiter !== '' && !multiparts.has(delimiter)) multiparts.set(delimiter, entity)
  }
  begin(top, topType, null)
  let next = top.bodyStart
  while (multiparts.size > 0 && all.length <= maxParts) {
    const lineFeed = raw.indexOf('\n--', Math.max(0, next - 1))
    if (lineFeed < 0) break
    next = raw.indexOf('\n', lineFeed + 1) + 1 || raw.length
    const line = raw.toString('utf8', lineFeed + 1, Math.min(next, lineFeed + maxDelimiterLength))
    const delimiter = line.trimEnd()
    const parent = multiparts.get(delimiter) ?? multiparts.get(delimiter.replace(/--$/, ''))
    if (parent === undefined) continue
    // The parts inside end here too; some lack a delimiter of their own.
    for (const ended of open.splice(open.indexOf(parent) + 1)) {
      ended.end = raw[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed
      if (multiparts.get(ended.delimiter) === ended) multiparts.delete(ended.delimiter)
    }
    if (delimiter !== parent.delimiter) continue
    const header = readFields(raw, next)
    next = header.bodyStart
    parent.hasParts = true
    begin(header, contentTypeOf(header, parent), parent)
  }
  return all
}

/** Finds the boundary where Content-Type has none, or a wrong one; '' if no part begins near the body's start. */
function boundaryInBody(body: Buffer): string {
  const beginning = body.toString('utf8', 0, 16 * 1024)
  return /^--(\S{1,100})[ \t]{0,9}\r?\nContent-[A-Za-z-]{1,30}:/m.exec(beginning)?.[1] ?? ''
}

function bodyOf(raw: Buffer, entities: readonly Entity[]): Body {
  const texts: Text[] = []
  const parts: MessagePart[] = []
  for (const entity of entities.filter(({ hasParts }) => !hasParts)) {
    const { type, filename, isShown } = describe(raw, entity)
    const content = isShown || readTypes.test(type) ? contentOf(raw, entity) : Buffer.alloc(0)
    if (isShown) {
      const text = decodeCharset(
        content,
        entity.contentType.parameters.get('charset') || 'us-ascii',
      )
      const isHtml = type === 'text/html'
      texts.push({ text: text.replaceAll('\r\n', '\n'), isHtml, choice: choiceOf(entity) })
    } else {
      parts.push({ type, filename, content: content.subarray(0, maxPartBytes) })
    }
  }
  const spoken = new Set(texts.filter(isSpoken).map(({ choice }) => choice))
  const shown = texts.flatMap(({ text, isHtml, choice }) => {
    if (!isHtml) return text
    return choice !== null && spoken.has(choice) ? [] : textOfHtml(text)
  })
  return {
    text: shown.join('\n').slice(0, maxTextLength),
    hasHtmlLink: texts.some(({ isHtml, text }) => isHtml && leadsSomewhere(text)),
    parts,
  }
}

interface Text {
  readonly text: string
  readonly isHtml: boolean
  /** The multipart/alternative that the text is one form of, or null. */
  readonly choice: Entity | null
}

function isSpoken({ isHtml, text }: Text): boolean {
  return !isHtml && text.trim() !== ''
}

function choiceOf({ parent }: Entity): Entity | null {
  let entity = parent
  while (entity !== null && entity.contentType.value !== 'multipart/alternative') {
    entity = entity.parent
  }
  return entity
}

/** A delivery status (RFC 3464 §2.2, §2.3), by its first field. Gateways change its media type. */
const statusBeginning = /^\s*(Original-Envelope-Id|Reporting-MTA|Final-Recipient):/i

/** What a part is for its reader; `isShown` if its text is. */
function describe(raw: Buffer, entity: Entity) {
  const { contentType, header, parent } = entity
  const disposition = parseParameters(firstValue(header, 'content-disposition') ?? '')
  const filename = libmime.decodeWords(
    disposition.parameters.get('filename') ?? contentType.parameters.get('name') ?? '',
  )
  // A multipart without parts is one text.
  let type = isMultipart(contentType) ? 'text/plain' : contentType.value
  if (type === octetStream && filename !== '') type = libmime.detectMimeType(filename)
  if (parent !== null && (type === 'text/plain' || type === octetStream)) {
    const beginning = contentOf(raw, entity, 200).toString('latin1')
    if (statusBeginning.test(beginning)) type = 'message/delivery-status'
  }
  const isShown = /^text\/(plain|html)$/.test(type) && /^(inline)?$/.test(disposition.value)
  return { type, filename, isShown }
}

const octetStream = 'application/octet-stream'

/** The body, or the part of it that `maxBytes` of its encoded octets stand for. */
function contentOf(raw: Buffer, { header, end }: Entity, maxBytes = raw.length): Buffer {
  const { bodyStart } = header
  const encoding = firstValue(header, 'content-transfer-encoding') ?? ''
  return decodeTransfer(raw.subarray(bodyStart, Math.min(end, bodyStart + maxBytes)), encoding)
}
