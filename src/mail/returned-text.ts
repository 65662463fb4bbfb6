// Finds where a returned message begins in a plain text. Many bounces have it as text below a line that announces it.

export interface ReturnedTextStart {
  /** Offset of the first line of a header section, or -1. */
  readonly at: number
  /** Offset of the line that announces a returned message, or -1. Nothing need follow it. */
  readonly announcedAt: number
}

const maxScannedLines = 600
const maxHeaderLines = 80

/**
 * Patterns for announcing lines: "--- Below this line is a copy of the message." (qmail), "Original message follows." (IMail),
 * "Message headers follow:" (MailEnable), "----- Unsent message below" (phquery) …
 */
const announcements: readonly RegExp[] = [
  /\b(copy|text|part|portion|headers?|lines|beginning) of (the|your|this) (original |returned |undelivered |rejected )?(e-?mail|message|mail)\b.{0,60}\b(follow|below|attached|header)/i,
  /\bcopy of (the|your) (original |returned |undelivered )?(e-?mail|message|mail)\b.{0,40}(:|\.|-)\s*$/i,
  /\b(below|under) this line\b|\bbelow the next line\b/i,
  /\b(original|returned|unsent|undelivered|undeliverable|bounced|rejected|failed|source)( e-?)? ?(message|mail|header)s?\b.{0,40}\b(follows?|following|below|attached|enclosed|begins?|starts?|here)\b/i,
  /\b(message|mail) (headers?|text|body|header section)\b.{0,20}\bfollows?\b/i,
  /^[\W_]{2,}\s*(start|begin(ning)?) of (the )?(original|returned|undelivered|unsent)\b/i,
  /^[\W_]{3,}\s*(returned|undelivered|unsent|undeliverable|failed|bounced) (mail|message|headers?)\W*$/i,
  /\b(your|the) message reads\b|\bfollows? (is|are) the (first|top|header)\b|\btop \d+ lines\b/i,
  /\b(mensaje|mensagem|messaggio|message) (original|originale|originario)\b.{0,40}\b(adjunto|anexa|anexo|allegato|suit|seguito|a continuacion|ci-dessous|joint)\b/i,
  /\b(kopie (der|ihrer) nachricht|(ursprüngliche|originale) nachricht (folgt|anbei)|copie (du|de votre) message|copia del mensaje|copia del messaggio|kopia wiadomo)/i,
  /(копия (вашего )?(исходного )?(сообщения|письма)|原信|原邮件|原郵件|元のメッセージ|メッセージのコピー)/i,
]

/** Finds both offsets. Linear in the lines read, each cut to a bounded length; never throws. */
export function returnedTextStart(text: string): ReturnedTextStart {
  let announcedAt = -1
  let position = 0
  for (let count = 0; position < text.length && count < maxScannedLines; count++) {
    const newline = text.indexOf('\n', position)
    const next = newline < 0 ? text.length : newline + 1
    const line = text.slice(position, Math.min(next, position + 300)).trim()
    if (headerName(line) !== null && isHeaderSection(text, position)) {
      return { at: position, announcedAt }
    }
    if (announcedAt < 0 && announces(line)) announcedAt = position
    position = next
  }
  return { at: -1, announcedAt }
}

/**
 * Whether the line announces a message. A line about a recipient, or about what the reader should do, does not, even if it
 * mentions copies.
 */
function announces(line: string): boolean {
  if (
    line.length > 160 ||
    /\b(not|addresse?s?|recipients?|failed|could|click|you have|https?)\b/i.test(line)
  )
    return false
  return announcements.some((each) => each.test(line))
}

/** Fields that only servers and mail programs write; nobody types them into a letter. */
const machineFields = new Set([
  'received',
  'return-path',
  'message-id',
  'mime-version',
  'content-type',
  'delivered-to',
  'x-mailer',
  'x-originating-ip',
  'dkim-signature',
])
const writtenFields = new Set(['from', 'to', 'subject', 'date', 'reply-to', 'sender', 'cc'])

/** Whether a header section begins here. People quote only From, To, Subject and Date, so two other fields are needed. */
function isHeaderSection(text: string, start: number): boolean {
  const machine = new Set<string>()
  const written = new Set<string>()
  let received = 0
  let position = start
  let strange = 0
  for (let count = 0; position < text.length && count < maxHeaderLines; count++) {
    const newline = text.indexOf('\n', position)
    const next = newline < 0 ? text.length : newline + 1
    const raw = text.slice(position, Math.min(next, position + 300))
    const line = raw.trim()
    if (line === '') {
      if (count > 0) break
    } else {
      const name = headerName(line)
      if (name === null) {
        const isContinuation = /^[>|]*[ \t]/.test(raw)
        if (!isContinuation && ++strange > 1) break
      } else if (name === 'received') received++
      else if (machineFields.has(name)) machine.add(name)
      else if (writtenFields.has(name)) written.add(name)
    }
    if (received > 0) machine.add('received')
    if (machine.size >= 2 && machine.size + written.size >= 3) return true
    if (received >= 2) return true
    position = next
  }
  return machine.size >= 1 && written.size >= 2
}

/** The lower-case field name at the start of a line, behind any quoting marks; or null. */
function headerName(line: string): string | null {
  const colon = line.indexOf(':')
  if (colon < 2 || colon > 60) return null
  const name = line.slice(0, colon).replace(/^[>| \t]{1,8}/, '')
  return /^[A-Za-z][A-Za-z0-9-]*$/.test(name) ? name.toLowerCase() : null
}
