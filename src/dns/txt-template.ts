// The text of a listing's TXT record: zone.text with {ip} filled in, written straight into the response. The template is split up
// once. Written by hand: template libraries build strings, and answering a query must not allocate.
import { type Octets, putWords, wordsOf } from './wire.ts'

/** Longest character-string, so also the longest text (RFC 1035 §3.3, RFC 5782 §2.1). */
const maxTextLength = 255

/** Characters of the longest IPv6 address in RFC 5952 form. */
const maxAddressText = 39

/** A literal piece of zone.text, ready for putWords. */
interface Literal {
  readonly octets: Uint8Array
  readonly words: Int32Array
}

/** The literal pieces of zone.text. The address goes between each two of them. */
export type TxtTemplate = readonly Literal[]

/** Splits zone.text. `{domain}` is replaced by nothing, since this zone lists addresses. */
export function parseTxtTemplate(text: string): TxtTemplate {
  const encoder = new TextEncoder()
  return text
    .replaceAll('{domain}', '')
    .split('{ip}')
    .map((piece) => encoder.encode(piece))
    .map((octets) => ({ octets, words: wordsOf(octets) }))
}

const addressText = new Uint8Array(maxAddressText)
const groups = new Uint16Array(8)

/**
 * Puts the text at `offset` as one character-string with its length octet, and returns the offset after it. The address is one
 * IPv4 word or four IPv6 words, with host bits 0. The text is cut at 255 octets, but the configuration check refuses a template
 * that could become longer. The caller has room for 256 octets.
 */
export function putText(
  response: Octets,
  offset: number,
  template: TxtTemplate,
  family: 4 | 6,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
): number {
  const addressLength =
    template.length === 1
      ? 0
      : family === 4
        ? putIPv4(addressText, 0, w0)
        : putIPv6(addressText, 0, w0, w1, w2, w3)
  const start = offset + 1
  const end = start + maxTextLength
  let at = start
  for (let piece = 0; piece < template.length; piece++) {
    if (piece > 0) at = putCut(response, at, addressText, addressLength, end)
    const { octets, words } = template[piece]!
    if (words.length > 0 && at + octets.length <= end) {
      putWords(response, at, words, octets.length)
      at += octets.length
    } else at = putCut(response, at, octets, octets.length, end)
  }
  response[offset] = at - start
  return at
}

/** Puts an IPv4 address as a dotted quad (RFC 1123 §2.1) and returns the offset after it. */
export function putIPv4(bytes: Uint8Array, offset: number, word: number): number {
  let at = putDecimal(bytes, offset, word >>> 24)
  bytes[at++] = 0x2e
  at = putDecimal(bytes, at, (word >>> 16) & 255)
  bytes[at++] = 0x2e
  at = putDecimal(bytes, at, (word >>> 8) & 255)
  bytes[at++] = 0x2e
  return putDecimal(bytes, at, word & 255)
}

/**
 * Puts an IPv6 address in the form of RFC 5952 §4 and returns the offset after it. That form is lower case without leading zeros,
 * with `::` for the longest run of two or more zero groups, or the first of several longest ones.
 */
export function putIPv6(
  bytes: Uint8Array,
  offset: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
): number {
  groups[0] = w0 >>> 16
  groups[1] = w0
  groups[2] = w1 >>> 16
  groups[3] = w1
  groups[4] = w2 >>> 16
  groups[5] = w2
  groups[6] = w3 >>> 16
  groups[7] = w3
  let runStart = -1
  let runLength = 1
  for (let group = 0; group < 8; group++) {
    let end = group
    while (end < 8 && groups[end] === 0) end++
    if (end - group > runLength) {
      runStart = group
      runLength = end - group
    }
    if (end > group) group = end
  }
  let at = offset
  for (let group = 0; group < 8; group++) {
    if (group === runStart) {
      bytes[at++] = 0x3a
      bytes[at++] = 0x3a
      group += runLength - 1
      continue
    }
    if (group > 0 && bytes[at - 1] !== 0x3a) bytes[at++] = 0x3a
    at = putHexadecimal(bytes, at, groups[group]!)
  }
  return at
}

/** Puts `length` octets of `source`, or as many as fit before `end`. */
function putCut(
  response: Uint8Array,
  offset: number,
  source: Uint8Array,
  length: number,
  end: number,
): number {
  const count = Math.min(length, end - offset)
  for (let index = 0; index < count; index++) response[offset + index] = source[index]!
  return offset + count
}

function putDecimal(bytes: Uint8Array, offset: number, octet: number): number {
  let at = offset
  if (octet >= 100) bytes[at++] = 0x30 + ((octet / 100) | 0)
  if (octet >= 10) bytes[at++] = 0x30 + (((octet / 10) | 0) % 10)
  bytes[at++] = 0x30 + (octet % 10)
  return at
}

function putHexadecimal(bytes: Uint8Array, offset: number, group: number): number {
  let at = offset
  // Begin at the first nibble that is not 0, or at the last nibble.
  for (let shift = (31 - Math.clz32(group | 1)) & ~3; shift >= 0; shift -= 4) {
    const nibble = (group >>> shift) & 15
    bytes[at++] = nibble < 10 ? 0x30 + nibble : 0x57 + nibble
  }
  return at
}
