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
 * Failed recipients in order of appearance. Addresses in `speakers` are contacts or the reader, not recipients. `saysFailure`
 * tells whether the message has words of failure. Never throws.
 */
export function failedRecipients(
  lines: readonly string[],
  speakers: ReadonlySet<string>,
  saysFailure: boolean,
): FailedRecipient[] {
  const found = new Map<string, FailedRecipient>()
  for (const [index, line] of lines.entries()) {
    if (found.size >= maxRecipients) break
    if (!line.includes('@') || isContactLine(line)) continue
    const addresses = addressesIn(line).filter((each) => {
      const key = each.toLowerCase()
      return !speakers.has(key) && !found.get(key)?.isMarked
    })
    if (addresses.length === 0) continue
    const place = placeOf(lines, index, saysFailure)
    for (const address of addresses) {
      const key = address.toLowerCase()
      if (place.isMarked || !found.has(key)) found.set(key, { address, ...place })
    }
  }
  const all = [...found.values()]
  return [...all.filter(({ isMarked }) => isMarked), ...all.filter(({ isMarked }) => !isMarked)]
}

/** What the place of an address in the text says of it. */
function placeOf(
  lines: readonly string[],
  index: number,
  saysFailure: boolean,
): Omit<FailedRecipient, 'address'> {
  const line = lines[index] ?? ''
  const reason = paragraphAt(lines, index) ?? reasonNear(lines, index)
  const isInForm = recipientLine.test(line) || (saysFailure && addressAlone.test(line))
  return {
    status: statusIn(reason ?? ''),
    diagnostic: reason,
    isMarked: reason !== null || isInForm,
    isListed: isInForm || hasReplyCode(line),
  }
}

/** The text of the recipient's paragraph that begins in this line, without its address; null if none does. */
function paragraphAt(lines: readonly string[], index: number): string | null {
  if (!opensParagraph(lines[index] ?? '')) return null
  const rest = lines.slice(index, index + reasonLines)
  const end = rest.findIndex((line, at) => at > 0 && (line.trim() === '' || opensParagraph(line)))
  const text = rest.slice(0, end < 0 ? rest.length : end).join(' ')
  return plain(text.slice(text.indexOf('>') + 1).replace(/^\s*:/, '')) || null
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

/** The next line with a reason. The search ends at the next recipient's paragraph, which has its own. */
function reasonNear(lines: readonly string[], index: number): string | null {
  const near = lines.slice(index, index + reasonLines)
  const end = near.findIndex((line, at) => at > 0 && opensParagraph(line))
  const reason = near.slice(0, end < 0 ? near.length : end).find(isReason)
  return reason === undefined ? null : plain(reason)
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

/** A character that an address may have here: no control character, and none that could not be decoded. */
const inAddress = /[^\s\p{Cc}\ufffd<>()[\]",;:|'\\]/u

/** The addresses on a line. Each `@` is extended to both sides, which is linear; a regular expression is not. */
function addressesIn(line: string): string[] {
  const addresses: string[] = []
  let end = 0
  for (let at = line.indexOf('@'); at >= 0 && addresses.length < 20; at = line.indexOf('@', end)) {
    let begin = at
    while (begin > end && inAddress.test(line[begin - 1] ?? '')) begin--
    let after = at + 1
    while (after < line.length && /[\w.-]/.test(line[after] ?? '')) after++
    end = Math.max(after, at + 1)
    const localPart = line.slice(begin, at).replace(/^(smtp|rfc-?822|to|for)=/i, '')
    while (line[after - 1] === '.') after--
    const domain = line.slice(at + 1, after)
    // Skip the `@` of a URL: `https://host/?user=…@…`.
    if (localPart.startsWith('//')) continue
    if (localPart !== '' && localPart.length <= 200 && /^[\w-]+(\.[\w-]+)*$/.test(domain)) {
      addresses.push(`${localPart}@${domain}`)
    }
  }
  return addresses
}
