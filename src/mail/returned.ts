// Finds the message that a bounce returns, or what is left of it, among the parts or below the words of the text.
import { formatAddress } from '../ip/address.ts'
import {
  allValues,
  firstValue,
  type HeaderSection,
  type ParameterValue,
  readHeaderSection,
} from './header.ts'
import { type Body, maxPartBytes } from './parts.ts'
import { traceStored } from './trace.ts'

/** A returned message or header section. */
export interface ReturnedMessage {
  /** The octets, decoded from their transfer encoding, and without quoting marks if a text quotes them. */
  readonly content: Uint8Array
  readonly header: HeaderSection
  /** It is a part, and does not stand in the text. */
  readonly isPart: boolean
  /** Only the header section came back. */
  readonly headersOnly: boolean
  /** No octet is known to be missing or changed, so a signature over the message can be checked. */
  readonly isWhole: boolean
}

/** Types of a whole returned message; other types below are header sections (RFC 3462 §2, RFC 6533 §6). */
const wholeTypes = ['message/rfc822', 'message/global']
const headerTypes = [
  'text/rfc822-headers',
  'message/global-headers',
  'message/headers',
  'message/rfc822-headers',
  'text/rfc822',
]

/** What was read of the message before. */
interface Bounce extends Body {
  readonly header: HeaderSection
  readonly contentType: ParameterValue
  readonly isCut: boolean
}

/**
 * The first returned message among the parts, else the first header section among them, else what begins at the offset `textAt`
 * of the text; null if that is -1. `raw` has the message's octets.
 */
export function returnedIn(raw: Buffer, bounce: Bounce, textAt: number): ReturnedMessage | null {
  for (const types of [wholeTypes, headerTypes]) {
    const part = bounce.parts.find((each) => types.includes(each.type) && each.content.length > 0)
    if (part === undefined) continue
    const { content } = part
    const headersOnly = types === headerTypes
    const isWhole = !headersOnly && content.length < maxPartBytes && !bounce.isCut
    return { content, header: readHeaderSection(content), isPart: true, headersOnly, isWhole }
  }
  return textAt < 0 ? null : returnedText(raw, bounce, bounce.text.slice(textAt))
}

/** Characters of a line to search for. They suffice to find it, and Buffer.indexOf gets slower the longer the needle is. */
const maxSoughtLength = 100

/** A returned message below the words of a plain text. If the body was not encoded, its original octets are found. */
function returnedText(raw: Buffer, bounce: Bounce, text: string): ReturnedMessage {
  const [firstLine = ''] = text.split('\n', 1)
  const isPlain =
    !/^[>| \t]/.test(firstLine) &&
    bounce.parts.length === 0 &&
    !bounce.contentType.value.startsWith('multipart/')
  const sought = firstLine.trimEnd().slice(0, maxSoughtLength)
  const found = isPlain ? raw.indexOf(sought, bounce.header.bodyStart) : -1
  const content = found >= 0 ? raw.subarray(found) : Buffer.from(unquoted(text))
  const header = readHeaderSection(content)
  const headersOnly = header.bodyStart >= content.length
  const isWhole = found >= 0 && !headersOnly && !bounce.isCut
  return { content, header, isPart: false, headersOnly, isWhole }
}

/** Removes the quoting marks before each line, if the first line has some. */
function unquoted(text: string): string {
  const mark = /^[>| \t]{1,8}/.exec(text)?.[0]
  return mark === undefined ? text : `\n${text}`.replaceAll(`\n${mark}`, '\n').slice(1)
}

const maxScannedLines = 600
const maxHeaderLines = 80

/** The offset of the first header section in a text, or -1. Linear; never throws. */
export function headerSectionIn(text: string): number {
  let position = 0
  for (let count = 0; position < text.length && count < maxScannedLines; count++) {
    if (isHeaderSection(text.slice(position))) return position
    position = text.indexOf('\n', position) + 1 || text.length
  }
  return -1
}

/** Fields that only servers and mail programs write; nobody types them into a letter. */
const machineFields = [
  'received',
  'return-path',
  'message-id',
  'mime-version',
  'content-type',
  'delivered-to',
  'x-mailer',
  'x-originating-ip',
  'dkim-signature',
]
const writtenFields = ['from', 'to', 'subject', 'date', 'reply-to', 'sender', 'cc']

/** Whether a header section begins here. People quote only From, To, Subject and Date, so another field is needed. */
function isHeaderSection(text: string): boolean {
  if (fieldName(text) === null) return false
  const names: string[] = []
  let strange = 0
  for (const line of text.split('\n', maxHeaderLines)) {
    const name = fieldName(line)
    if (name !== null) names.push(name)
    else if (line.trim() === '' || (!/^[>|]*[ \t]/.test(line) && ++strange > 1)) break
  }
  const count = (known: readonly string[]): number =>
    new Set(names.filter((name) => known.includes(name))).size
  const machine = count(machineFields)
  return (
    names.filter((name) => name === 'received').length > 1 ||
    (machine > 0 && machine + count(writtenFields) > 2)
  )
}

/** The lower-case field name at the start of a line, behind any quoting marks; or null. */
function fieldName(line: string): string | null {
  return /^[>| \t]{0,8}([A-Za-z][A-Za-z0-9-]{1,60}):/.exec(line)?.[1]?.toLowerCase() ?? null
}

/** What a verdict tells about the returned message; null if it has no field of that name. */
export interface Returned {
  readonly messageId: string | null
  readonly from: string | null
  readonly to: string | null
  readonly date: string | null
  readonly subject: string | null
  /** Only the header section came back. */
  readonly headersOnly: boolean
  /** Its Received fields, newest first, at most 20 and each at most 1,000 characters. */
  readonly received: readonly string[]
  /**
   * The address of the host that sent it to the bouncing site; null if unknown. It is read from that site's Received field in the
   * returned message, so the sender of the bounce can forge it.
   */
  readonly origin: string | null
}

const maxReceived = 20
const maxReceivedLength = 1000

/** The fields of a returned message; null if it has none. */
export function returnedFields({ header, headersOnly }: ReturnedMessage): Returned | null {
  if (header.fields.length === 0) return null
  const value = (name: string): string | null => firstValue(header, name) || null
  const { client } = traceStored(header, { names: [], addresses: [] })
  return {
    messageId: value('message-id'),
    from: value('from'),
    to: allValues(header, 'to').join(', ') || null,
    date: value('date'),
    subject: value('subject'),
    headersOnly,
    received: allValues(header, 'received')
      .slice(0, maxReceived)
      .map((each) => each.slice(0, maxReceivedLength)),
    origin: client === null ? null : formatAddress(client),
  }
}
