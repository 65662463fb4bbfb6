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

/** Programs that split mailboxes into files leave empty lines at the start; they do not end the header section. */
const beforeHeader = /^(?:[\r\n]{1,16}(?=[^\r\n]))?(?:From [^\n]{0,1000}\n)?/

/**
 * Reads the header section (RFC 5322 §2.2) at the start of `raw`, behind an mbox `From ` line and empty lines. Linear in the
 * section's length; never throws.
 */
export function readHeaderSection(raw: Uint8Array): HeaderSection {
  const octets = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength)
  return readFields(octets, beforeHeader.exec(octets.toString('latin1', 0, 1100))?.[0].length ?? 0)
}

/** A field's name is printable ASCII (RFC 5322 §3.6.8). Blanks before the colon are allowed (§4.5). */
const fieldStart = /^([!-9;-~]{1,200})[ \t]{0,200}:/

/**
 * Reads the header section that begins at `start`. Lines end with LF or CRLF. Lines that are neither a field nor a continuation
 * are skipped; if no field follows them, they belong to the body, and the empty line before it is missing. It is missing too
 * before the delimiter of a multipart (RFC 2046 §5.1.1).
 */
export function readFields(raw: Buffer, start: number): HeaderSection {
  const found: { name: string; start: number; valueStart: number; end: number }[] = []
  let field: (typeof found)[number] | undefined
  let strayAt = -1
  let cut: string | null = null
  let position = start
  while (position < raw.length && cut === null) {
    const next = raw.indexOf(LF, position) + 1 || raw.length
    const line = raw.toString('latin1', position, Math.min(next, position + 400))
    if (line.startsWith('--')) break
    const [opening, name] = fieldStart.exec(line) ?? []
    if (/^\r?\n/.test(line)) {
      position = next
      break
    } else if (next - start > maxHeaderBytes) {
      cut = `the header section is longer than ${maxHeaderBytes} octets`
    } else if (/^[ \t]/.test(line) || isStrayParameter(line, field)) {
      if (field !== undefined) field.end = next
    } else if (found.length >= maxHeaderFields) {
      cut = `the header section has more than ${maxHeaderFields} fields`
    } else if (name === undefined) {
      field = undefined
      if (strayAt < 0) strayAt = position
    } else {
      const valueStart = position + (opening?.length ?? 0)
      field = { name: name.toLowerCase(), start: position, valueStart, end: next }
      found.push(field)
      strayAt = -1
    }
    position = next
  }
  return {
    fields: found.map(({ name, start, valueStart, end }) => ({
      name,
      value: fieldValue(raw, valueStart, end),
      start,
      end,
    })),
    start,
    bodyStart: cut !== null ? raw.length : strayAt >= 0 ? strayAt : position,
    cut,
  }
}

/** Some programs continue a MIME field without the blank before the line. */
function isStrayParameter(line: string, field: { readonly name: string } | undefined): boolean {
  return field?.name.startsWith('content-') === true && /^[\w*-]+ ?=/.test(line)
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

function fieldValue(raw: Buffer, start: number, end: number): string {
  // Cut the octets first: a character has at most four octets, so nothing that is kept gets lost.
  return raw
    .toString('utf8', start, Math.min(end, start + maxValueLength * 4))
    .replace(/[\x80-\x9f]/g, '\ufffd')
    .replace(/[\p{Cc} ]+/gu, ' ')
    .trimStart()
    .slice(0, maxValueLength)
    .trimEnd()
}
