// The words of a bounce → the addresses that could not be reached, each with the SMTP reply or status next to it. For bounces
// without a message/delivery-status.
import { fold, hasPhrase } from './phrases.ts'

export interface FailedRecipient {
  readonly address: string
  /** RFC 3463 status as it is written, or its class from the reply code; null if neither is near. */
  readonly status: string | null
  /** The line with the reason, or null. */
  readonly diagnostic: string | null
  /**
   * Whether it is marked as failed: by a reason, a reply code or the form `<address>:`. An address alone on its line counts as
   * marked if the message has words of failure.
   */
  readonly isMarked: boolean
  /** Whether it stands where a program puts it, in a list or on a line with a server's reply, and not inside a sentence. */
  readonly isListed: boolean
}

const maxRecipients = 100
/** The reason may stand up to this many lines below the address. */
const reasonLines = 5

/**
 * Failed recipients in order of appearance, the marked ones first. Addresses in `speakers` are contacts or the reader, not
 * recipients. `saysFailure` tells whether the message has words of failure. Never throws.
 */
export function failedRecipients(
  lines: readonly string[],
  speakers: readonly string[],
  saysFailure: boolean,
): FailedRecipient[] {
  const notRecipients = new Set(speakers.map((address) => address.toLowerCase()))
  const found = new Map<string, FailedRecipient>()
  for (const [index, line] of lines.entries()) {
    if (found.size >= maxRecipients) break
    if (!line.includes('@') || isContactLine(line)) continue
    const place = placeOf(lines, index, saysFailure)
    for (const address of addressesIn(line)) {
      const key = address.toLowerCase()
      if (!notRecipients.has(key) && !found.get(key)?.isMarked)
        found.set(key, { address, ...place })
    }
  }
  return [...found.values()].toSorted((a, b) => Number(b.isMarked) - Number(a.isMarked))
}

/** What the place of an address in the text says of it. */
function placeOf(
  lines: readonly string[],
  index: number,
  saysFailure: boolean,
): Omit<FailedRecipient, 'address'> {
  const line = lines[index] ?? ''
  const reason = reasonAt(lines, index)
  const isInForm = recipientLine.test(line) || (saysFailure && addressAlone.test(line))
  return {
    status: statusIn(reason ?? ''),
    diagnostic: reason,
    isMarked: reason !== null || isInForm,
    isListed: isInForm || hasReplyCode(line),
  }
}

/** Why the address in this line failed: the text of its paragraph, without the address, or the next line with a reason; else null. */
function reasonAt(lines: readonly string[], index: number): string | null {
  const near = linesUntil(lines.slice(index, index + reasonLines), opensParagraph)
  const paragraph = linesUntil(near, (line) => line.trim() === '').join(' ')
  const text = opensParagraph(paragraph) && paragraph.replace(/^[^>]*>\s*:/, '').trim()
  return plain(text || near.find(isReason) || '') || null
}

/** The lines before the next one that is an end; the first line is none. */
function linesUntil(lines: readonly string[], isEnd: (line: string) => boolean): readonly string[] {
  const end = lines.findIndex((line, at) => at > 0 && isEnd(line))
  return end < 0 ? lines : lines.slice(0, end)
}

function plain(text: string): string {
  return text.replace(/[\p{Cc}\s]+/gu, ' ').trim()
}

const addressAlone = /^[\s>|*"'\u2022-]{0,20}<?[^\s<>@]+@[^\s<>@]+>?["']?[\s:;,.]{0,20}$/

/** `<address>:`, or an address behind a word for recipient. */
const recipientLine =
  /^\s*<[^\s<>@]+@[^\s<>@]+>\s*[:(]|\b(recipients?|recipiente|destinataire|destinatario|empf(ä|ae)nger|ontvanger|odbiorca|mottagare|modtager|error-for|undeliverable address|addressed to|addressee|undeliverable to|failed \d+ attempts|userid|unknown user|find user|rcpt to)\b.{0,30}@/i

/** Words before an address that belongs to a contact or to the returned message. */
const contactWords =
  /\b(contact|assistance|help|support|questions?|write to|send (e-?)?mail to|system contact|(?<!(generated|expanded) )from|sender|subject|message-id|mailto)\b/i

function isContactLine(line: string): boolean {
  const at = line.indexOf('@')
  return contactWords.test(line.slice(Math.max(0, at - 80), at))
}

/** Whether the line begins a recipient's paragraph, as in QSBMF (cr.yp.to/proto/qsbmf.txt): `<address>:`. */
export function opensParagraph(line: string): boolean {
  return /^\s*<[^\s<>@]+@[^\s<>@]+>\s*:/.test(line)
}

function isReason(line: string): boolean {
  return hasReplyCode(line) || hasPhrase(fold(line), 'dsn', 'reason')
}

/** Whether the line has a reply code (RFC 5321 §4.2) or a status (RFC 3463) of a failure. */
export function hasReplyCode(line: string): boolean {
  return /(^|[\s:>"(#[=])[45][0-5]\d([\s:-]|$)|(^|[\s#:;("-])[45]\.\d{1,3}\.\d{1,3}\b/.test(line)
}

function statusIn(line: string): string | null {
  const enhanced = /(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?![\d.])/.exec(line)?.[1]
  if (enhanced !== undefined) return enhanced
  const reply = /(?<![\d.])([45])[0-5]\d(?=[\s:-]|$)/.exec(line)?.[1]
  return reply === undefined ? null : `${reply}.0.0`
}

/** Characters that no address has here: among them those that could not be decoded. */
const outsideAddress = /[\s\p{Cc}\ufffd<>()[\]",;:|'\\]+/u

/** The addresses on a line, at most 20. A URL may have an `@` too: `https://host/?user=…@…`. */
function addressesIn(line: string): string[] {
  return line
    .split(outsideAddress)
    .flatMap((word) => {
      const at = word.indexOf('@')
      const localPart = word.slice(0, Math.max(0, at)).replace(/^(smtp|rfc-?822|to|for)=/i, '')
      const domain = /^[\w-]+(\.[\w-]+)*/.exec(word.slice(at + 1))?.[0]
      const isAddress = localPart !== '' && localPart.length <= 200 && !localPart.startsWith('//')
      return isAddress && domain !== undefined ? [`${localPart}@${domain}`] : []
    })
    .slice(0, 20)
}
