// Reads the message that a bounce returns, or what is left of it: its fields, its way through the net, and its octets.
import { formatAddress } from '../ip/address.ts'
import { addressesNamed } from './addresses.ts'
import { allValues, firstValue, readHeaderSection } from './header.ts'
import { type Message, maxParsedBytes } from './message.ts'
import { maxPartBytes } from './parts.ts'
import { returnedTextStart } from './returned-text.ts'
import { traceStored } from './trace.ts'

/** Fields of the returned message; null if it has none of that name. */
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

export interface ReturnedContent {
  /** The octets, decoded from their transfer encoding, and without quoting marks if a text quotes them. */
  readonly content: Uint8Array
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

/** The first returned message or header section: among the parts, else below the words of the text; null if there is none. */
export function returnedContent(message: Message): ReturnedContent | null {
  for (const types of [wholeTypes, headerTypes]) {
    const part = message.parts.find(
      ({ type, content }) => types.includes(type) && content.length > 0,
    )
    if (part === undefined) continue
    const headersOnly = types === headerTypes
    return {
      content: part.content,
      headersOnly,
      isWhole: !headersOnly && part.content.length < maxPartBytes && !message.isCut,
    }
  }
  return returnedText(message)
}

/** Characters of a line to search for. They suffice to find it, and Buffer.indexOf gets slower the longer the needle is. */
const maxSoughtLength = 100

/** A returned message below the words of a plain text. If the body was not encoded, these are the original octets. */
function returnedText(message: Message): ReturnedContent | null {
  const { at } = returnedTextStart(message.text)
  if (at < 0) return null
  const text = message.text.slice(at)
  const firstLine = text.slice(0, text.indexOf('\n') + 1).trimEnd()
  const isPlain =
    firstLine !== '' &&
    !/^[>| \t]/.test(firstLine) &&
    message.parts.length === 0 &&
    !message.contentType.value.startsWith('multipart/')
  const parsed = message.raw.subarray(0, message.header.bodyStart + maxParsedBytes)
  const raw = Buffer.from(parsed.buffer, parsed.byteOffset, parsed.byteLength)
  const sought = firstLine.slice(0, maxSoughtLength)
  const found = isPlain ? raw.indexOf(sought, message.header.bodyStart) : -1
  const content = found >= 0 ? message.raw.subarray(found) : Buffer.from(unquoted(text))
  const { bodyStart } = readHeaderSection(content)
  const headersOnly = bodyStart >= content.length
  return { content, headersOnly, isWhole: found >= 0 && !headersOnly && !message.isCut }
}

/** Removes the quoting marks before each line, if the first line has some. */
function unquoted(text: string): string {
  const mark = /^[>| \t]{1,8}/.exec(text)?.[0]
  if (mark === undefined) return text
  return text
    .split('\n')
    .map((line) => (line.startsWith(mark) ? line.slice(mark.length) : line))
    .join('\n')
}

/** The addresses in From, Sender and Return-Path of the returned message, at most `maxAddresses`. Never throws. */
export function returnedAuthors(message: Message): string[] {
  const found = returnedContent(message)
  if (found === null) return []
  return addressesNamed(readHeaderSection(found.content), 'from', 'sender', 'return-path')
}

const maxReceived = 20
const maxReceivedLength = 1000

/** Reads the fields of the returned message; null if nothing readable was returned. Never throws. */
export function readReturned(message: Message): Returned | null {
  const found = returnedContent(message)
  if (found === null) return null
  const header = readHeaderSection(found.content)
  if (header.fields.length === 0) return null
  const value = (name: string): string | null => firstValue(header, name) || null
  const { client } = traceStored(header, { names: [], addresses: [] })
  return {
    messageId: value('message-id'),
    from: value('from'),
    to: allValues(header, 'to').join(', ') || null,
    date: value('date'),
    subject: value('subject'),
    headersOnly: found.headersOnly,
    received: allValues(header, 'received')
      .slice(0, maxReceived)
      .map((each) => each.slice(0, maxReceivedLength)),
    origin: client === null ? null : formatAddress(client),
  }
}
