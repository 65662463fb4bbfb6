// Raw octets → header fields with their offsets. For messages, returned messages and the fields of a DSN. Written by hand: it
// must be bounded, and must read any octets, even where a MIME parser gives up.

import libmime from 'libmime'

/** One header field of the message. */
export interface HeaderField {
  /** Lower case, without the colon. */
  readonly name: string
  /**
   * Unfolded, decoded as UTF-8, trimmed, and cut to `maxValueLength` characters. ASCII control characters become blanks. Those
   * from U+0080 to U+009F become U+FFFD instead: servers that remove blanks from a client's text let these pass, so they must not
   * look like blanks.
   */
  readonly value: string
  /** Offset of the field's first octet; `end` is the offset after its last line end. */
  readonly start: number
  readonly end: number
}

export interface HeaderSection {
  readonly fields: readonly HeaderField[]
  /** Offset of the first field, behind an mbox `From ` line if there is one. */
  readonly start: number
  /** Offset of the first octet after the empty line; the input's length if there is no empty line. */
  readonly bodyStart: number
  /** Why reading stopped before the empty line, or null. Fields before that point are present. */
  readonly cut: string | null
}

/** Reading stops at these limits. Real header sections are below 64 KiB. */
export const maxHeaderBytes = 256 * 1024
export const maxHeaderFields = 1000
export const maxValueLength = 8192

const LF = 0x0a
const CR = 0x0d
const SP = 0x20
const TAB = 0x09
const COLON = 0x3a
const DASH = 0x2d

/**
 * Reads the header section (RFC 5322 §2.2) at the start of `raw`, behind an mbox `From ` line and empty lines. Linear in the
 * section's length; never throws.
 */
export function readHeaderSection(raw: Uint8Array): HeaderSection {
  return readFields(raw, mboxLineEnd(raw, firstLine(raw)))
}

/**
 * Reads the header section that begins at `start`. Lines end with LF or CRLF. Lines that are neither a field nor a continuation
 * are skipped; if no field follows them, they belong to the body, and the empty line before it is missing.
 */
export function readFields(raw: Uint8Array, start: number): HeaderSection {
  const fields: HeaderField[] = []
  let open: { name: string; start: number; valueStart: number } | null = null
  let bodyBegin = -1
  let position = start
  const close = (end: number): void => {
    if (open === null) return
    fields.push({
      name: open.name,
      value: fieldValue(raw, open.valueStart, end),
      start: open.start,
      end,
    })
    open = null
  }
  const stop = (cut: string | null, bodyStart: number): HeaderSection => ({
    fields,
    start,
    bodyStart: bodyBegin < 0 || cut !== null ? bodyStart : bodyBegin,
    cut,
  })
  while (position < raw.length) {
    const newline = raw.indexOf(LF, position)
    const next = newline < 0 ? raw.length : newline + 1
    if (next - start > maxHeaderBytes) {
      close(position)
      return stop(`the header section is longer than ${maxHeaderBytes} octets`, raw.length)
    }
    if (isEmptyLine(raw, position, next)) {
      close(position)
      return stop(null, next)
    }
    if (isDelimiter(raw, position)) {
      close(position)
      return stop(null, position)
    }
    if (raw[position] !== SP && raw[position] !== TAB && !isStray(raw, position, open)) {
      close(position)
      if (fields.length >= maxHeaderFields) {
        return stop(`the header section has more than ${maxHeaderFields} fields`, raw.length)
      }
      const colon = raw.subarray(position, next).indexOf(COLON)
      const name = colon > 0 ? fieldName(raw, position, position + colon) : ''
      if (name !== '') {
        open = { name, start: position, valueStart: position + colon + 1 }
        bodyBegin = -1
      } else if (bodyBegin < 0) bodyBegin = position
    }
    position = next
  }
  close(raw.length)
  return stop(null, raw.length)
}

/** The value of the first field with that lower-case name, or undefined. */
export function firstValue(section: HeaderSection, name: string): string | undefined {
  return section.fields.find((field) => field.name === name)?.value
}

/** The values of all fields with that lower-case name, top to bottom. */
export function allValues(section: HeaderSection, name: string): string[] {
  return section.fields.filter((field) => field.name === name).map((field) => field.value)
}

/** A value with parameters, such as a media type (RFC 2045 §5.1). The value and the parameter names are in lower case. */
export interface ParameterValue {
  readonly value: string
  readonly parameters: ReadonlyMap<string, string>
}

/**
 * Reads `value; name=token; name="quoted"; name*=utf-8''encoded` (RFC 2231); comments are dropped. The first semicolon may be
 * missing. If a name comes twice, the first one counts. Never throws.
 */
export function parseParameters(text: string): ParameterValue {
  const whole = text.replace(/^([^\s;=]+)[ \t]+(?=[\w*-]+=)/, '$1; ')
  const { value, params } = libmime.parseHeaderValue(whole, { stripComments: true })
  return { value: value.toLowerCase(), parameters: new Map(Object.entries(params)) }
}

const maxLeadingEmptyOctets = 16

/** Skips empty lines at the start, which programs that split mailboxes into files leave; they do not end the header section. */
function firstLine(raw: Uint8Array): number {
  let position = 0
  while (position <= maxLeadingEmptyOctets && (raw[position] === CR || raw[position] === LF)) {
    position++
  }
  return position > maxLeadingEmptyOctets || position >= raw.length ? 0 : position
}

function mboxLineEnd(raw: Uint8Array, start: number): number {
  const from = [0x46, 0x72, 0x6f, 0x6d, SP]
  if (!from.every((octet, index) => raw[start + index] === octet)) return start
  const newline = raw.indexOf(LF, start)
  return newline < 0 || newline > start + 1000 ? start : newline + 1
}

function isEmptyLine(raw: Uint8Array, start: number, next: number): boolean {
  return next - start === 1
    ? raw[start] === LF
    : next - start === 2 && raw[start] === CR && raw[start + 1] === LF
}

/** A delimiter of a multipart stands here (RFC 2046 §5.1.1), so the empty line before it is missing. */
function isDelimiter(raw: Uint8Array, position: number): boolean {
  return raw[position] === DASH && raw[position + 1] === DASH
}

/** Whether a parameter of a MIME field stands on its own line without the blank that continues the field. */
function isStray(
  raw: Uint8Array,
  position: number,
  field: { readonly name: string } | null,
): boolean {
  if (!field?.name.startsWith('content-')) return false
  return /^[\w*-]+ ?=/.test(latin1(raw, position, Math.min(raw.length, position + 40)))
}

/**
 * The field name on a line, or ''. It is printable ASCII without a colon (RFC 5322 §3.6.8). Blanks before the colon are allowed
 * (§4.5).
 */
function fieldName(raw: Uint8Array, start: number, end: number): string {
  if (end - start > 200) return ''
  const name = latin1(raw, start, end).replace(/[ \t]+$/, '')
  return /^[!-9;-~]+$/.test(name) ? name.toLowerCase() : ''
}

function fieldValue(raw: Uint8Array, start: number, end: number): string {
  // Cut the octets first: a character has at most four octets, so nothing that is kept gets lost.
  const octets = raw.subarray(start, Math.min(end, start + maxValueLength * 4))
  const text = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('utf8')
  return text
    .replace(/[\x80-\x9f]/g, '\ufffd')
    .replace(/[\p{Cc} ]+/gu, ' ')
    .trimStart()
    .slice(0, maxValueLength)
    .trimEnd()
}

function latin1(raw: Uint8Array, start: number, end: number): string {
  return Buffer.from(raw.buffer, raw.byteOffset + start, end - start).toString('latin1')
}
