// A bounce's own words → the addresses that could not be reached, each with the SMTP reply or status next to it. For
// bounces without a message/delivery-status.
import type { BodyText } from './body-text.ts'
import { fold } from './body-text.ts'
import { phraseIsIn } from './phrases.ts'
import { failureReasons } from './reason-phrases.ts'

export interface FailedRecipient {
  readonly address: string
  /** RFC 3463 status as written, or derived from the class of the reply; null if none is near. */
  readonly status: string | null
  /** The line with the reason, or null. */
  readonly diagnostic: string | null
  /**
   * Whether it is marked as failed: by a reason, a reply code or the form `<address>:`; or it stands alone and the
   * message has words of failure. false: an address on a line, nothing more.
   */
  readonly isMarked: boolean
  /**
   * It stands like an entry in a list of recipients, or on a line with a server's reply, not in the middle of a
   * sentence.
   */
  readonly isListed: boolean
}

const maxRecipients = 100
/** How many lines below an address its reason may be. */
const reasonLines = 5

/**
 * Failed recipients in order of appearance. Addresses in `speakers` are contacts or the reader, not recipients;
 * `saysFailure`: the message has words of failure. Never throws.
 */
export function failedRecipients(
  { lines }: BodyText,
  speakers: ReadonlySet<string>,
  saysFailure: boolean,
): FailedRecipient[] {
  const found = new Map<string, FailedRecipient>()
  const reasons = lines.map((line) =>
    lazily(() => (isReason(line) ? line.replace(/\p{Cc}+ ?/gu, ' ').trim() : null)),
  )
  for (const [index, line] of lines.entries()) {
    if (found.size >= maxRecipients) break
    if (!line.includes('@') || isContactLine(line)) continue
    for (const address of addressesIn(line)) {
      const key = address.toLowerCase()
      const before = found.get(key)
      if (speakers.has(key) || before?.isMarked) continue
      const reason = reasonNear(lines, reasons, index)
      const isInForm = recipientLine.test(line) || (saysFailure && addressAlone.test(line))
      const isMarked = reason !== null || isInForm
      if (before !== undefined && !isMarked) continue
      const isListed = isInForm || hasReplyCode(line)
      const status = statusIn(reason ?? '')
      found.set(key, { address, status, diagnostic: reason, isMarked, isListed })
    }
  }
  const all = [...found.values()]
  return [...all.filter(({ isMarked }) => isMarked), ...all.filter(({ isMarked }) => !isMarked)]
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

const addressAlone = /^[\s>|*"'\u2022-]{0,20}<?[^\s<>@]+@[^\s<>@]+>?["']?[\s:;,.]*$/

/** `<address>:`, or an address behind a word for recipient. */
const recipientLine =
  /^\s*<[^\s<>@]+@[^\s<>@]+>\s*[:(]|\b(recipients?|recipiente|destinataire|destinatario|empf(ä|ae)nger|ontvanger|odbiorca|mottagare|modtager|error-for|undeliverable address|addressed to|addressee|undeliverable to|failed \d+ attempts|userid|unknown user|find user|rcpt to)\b.{0,30}@/i

/** Words before an address that is a contact, or that belongs to the returned message. */
const contactWords =
  /\b(contact|assistance|help|support|questions?|write to|send (e-?)?mail to|system contact|(?<!(generated|expanded) )from|sender|subject|message-id|mailto)\b/i

function isContactLine(line: string): boolean {
  const at = line.indexOf('@')
  return contactWords.test(line.slice(Math.max(0, at - 80), at))
}

function reasonNear(
  lines: readonly string[],
  reasons: readonly (() => string | null)[],
  index: number,
): string | null {
  for (let i = index; i < Math.min(lines.length, index + reasonLines); i++) {
    // The next address has its own reason.
    if (i > index && /^\s*<[^\s<>@]+@[^\s<>@]+>\s*:/.test(lines[i] ?? '')) return null
    const reason = reasons[i]?.() ?? null
    if (reason !== null) return reason
  }
  return null
}

function isReason(line: string): boolean {
  return hasReplyCode(line) || phraseIsIn(fold(line), failureReasons)
}

/** RFC 5321 §4.2 reply code or RFC 3463 status with a failure's first digit. */
export function hasReplyCode(line: string): boolean {
  return /(^|[\s:>"(#[=])[45][0-5]\d([\s:-]|$)|(^|[\s#:;("-])[45]\.\d{1,3}\.\d{1,3}\b/.test(line)
}

function statusIn(line: string): string | null {
  const enhanced = /(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?![\d.])/.exec(line)?.[1]
  if (enhanced !== undefined) return enhanced
  const reply = /(?<![\d.])([45])[0-5]\d(?=[\s:-]|$)/.exec(line)?.[1]
  return reply === undefined ? null : `${reply}.0.0`
}

/** Whether it has no control character and no character that could not be decoded. */
const inAddress = /[^\s\p{Cc}\ufffd<>()[\]",;:|'\\]/u

/** The addresses on a line, found by extending each `@` to both sides. Linear, unlike a pattern. */
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
    const domain = line.slice(at + 1, after).replace(/\.+$/, '')
    // `https://host/?user=` before the @.
    if (localPart.startsWith('//')) continue
    if (localPart !== '' && localPart.length <= 200 && /^[\w-]+(\.[\w-]+)*$/.test(domain)) {
      addresses.push(`${localPart}@${domain}`)
    }
  }
  return addresses
}
