// Reads the usual kind of query fast: one question of class IN for an address under the origin, followed by nothing or an OPT
// record. The name is read in one pass, without a list of labels. parseQuery reads all other queries.
import { type EntryName, ipv4Labels, ipv6Labels } from './entry-name.ts'
import { equalsAt, type FoldedName } from './name.ts'
import type { Query } from './query.ts'
import { classes, flags, get16, headerLength, type Octets, types } from './wire.ts'

/**
 * Octets of the shortest four labels that can only be an IPv4 address. Four labels of one digit may also be the leading part of
 * an IPv6 address.
 */
const shortestIPv4 = ipv4Labels * 2 + 1
/** Octets of 32 labels of one nibble. */
const ipv6Length = ipv6Labels * 2
/** For each count of digits, the smallest number without a leading zero; index 0 is not used. */
const leastOfDigits = Uint8Array.of(0, 0, 10, 100)

/**
 * Reads the message of `length` octets (at least a header) if it is of the usual kind. Then returns the family of the address in
 * the question, and fills `query` as parseQuery does (without its labels) and `entry` as parseEntryName does. Otherwise returns
 * 0, which does not mean that the message is malformed.
 */
export function readUsualQuery(
  octets: Octets,
  length: number,
  origin: FoldedName,
  query: Query,
  entry: EntryName,
): 0 | 4 | 6 {
  const { view } = octets
  // QR and opcode 0, one question, no answer or authority record, at most one additional record.
  if ((octets[2]! & (flags.QR | flags.opcode)) !== 0 || view.getInt32(4) !== 0x10000) return 0
  const records = view.getInt32(8)
  if (records >>> 0 > 1) return 0
  // Octets of the question after the labels of the address.
  const behind = origin.name.length + 4
  if (headerLength + shortestIPv4 + behind > length) return 0
  let originAt = headerLength + ipv6Length
  const isIPv6 =
    originAt + behind <= length && octets[originAt - 2] === 1 && octets[headerLength] === 1
  if (isIPv6) {
    if (!readNibbles(view, entry)) return 0
  } else {
    originAt = readOctets(view, entry)
    if (originAt < headerLength + shortestIPv4 || originAt + behind > length) return 0
  }
  if (!equalsAt(octets, originAt, origin)) return 0
  const nameEnd = originAt + origin.name.length
  const typeAndClass = view.getInt32(nameEnd)
  if ((typeAndClass & 0xffff) !== classes.IN) return 0
  query.type = typeAndClass >>> 16
  query.class = classes.IN
  query.questionEnd = nameEnd + 4
  query.edns.clear()
  if (records === 1) {
    if (!readOnlyOpt(octets, nameEnd + 4, length, query)) return 0
  } else if (nameEnd + 4 !== length) return 0
  return isIPv6 ? 6 : 4
}

/** Reads the record at `offset`. Returns false unless it is a well-formed OPT record that ends the message. */
function readOnlyOpt(bytes: Uint8Array, offset: number, length: number, query: Query): boolean {
  const fixed = offset + 1
  if (fixed + 10 > length || bytes[offset] !== 0 || get16(bytes, fixed) !== types.OPT) return false
  const dataLength = get16(bytes, fixed + 8)
  return fixed + 10 + dataLength === length && query.edns.read(bytes, fixed, dataLength)
}

/**
 * Reads four labels of digits at the start of the question. Returns the offset after them, or 0 if they are not an address.
 * Reads at most 16 octets. Even the shortest message that the caller lets through has them: 9 of the labels, 3 of the origin, 4
 * of type and class.
 */
function readOctets(view: DataView, entry: EntryName): number {
  let at = headerLength
  let word = 0
  let wrong = 0
  for (let shift = 0; shift < 32; shift += 8) {
    // A label's length and up to three digits. The code does not branch on the length: the processor could not predict it.
    const label = view.getInt32(at)
    const size = label >>> 24
    if ((size - 1) >>> 0 > 2) return 0
    const unused = 24 - size * 8
    const digits = ((label & 0xffffff) >>> unused) ^ (0x303030 >>> unused)
    const octet = (digits >>> 16) * 100 + ((digits >>> 8) & 255) * 10 + (digits & 255)
    // A bit is set in `wrong` if a character is not a digit, a number has a leading zero, or a number is over 255.
    wrong |= ((digits + 0x767676) | digits) & 0x808080
    wrong |= (octet - leastOfDigits[size]!) & -0x80000000
    wrong |= (255 - octet) & -0x80000000
    word |= octet << shift
    at += size + 1
  }
  entry.isIPv4 = true
  entry.isIPv6 = false
  entry.ipv4 = word
  return wrong === 0 ? at : 0
}

/** Reads 32 labels of one nibble each at the start of the question, four at a time. Returns false if they are not an address. */
function readNibbles(view: DataView, entry: EntryName): boolean {
  const words = entry.ipv6
  let wrong = 0
  // The last label is the topmost nibble. Four labels are read as two 32-bit numbers.
  for (let index = 0, at = headerLength + ipv6Length - 8; index < 4; index++) {
    let word = 0
    for (const end = at - 16; at > end; at -= 8) {
      const lower = view.getInt32(at)
      const upper = view.getInt32(at + 4)
      wrong |= ((lower ^ 0x01000100) | (upper ^ 0x01000100)) & 0xff00ff00
      // From the topmost nibble down, the digits are in octets 1, 3, 0 and 2 of `digits`. Octet 0 is the lowest.
      const digits = ((upper & 0x00ff00ff) << 8) | (lower & 0x00ff00ff)
      // Letters have bit 6 set. The lower bits of a to f, in either case, are 1 to 6 (RFC 4343 §3).
      const nibbles = (digits & 0x0f0f0f0f) + ((digits >>> 6) & 0x01010101) * 9
      // To check that all four were digits, the nibbles are written as lower-case digits again and compared.
      const letters = ((nibbles + 0x06060606) >>> 4) & 0x01010101
      const written = nibbles + 0x30303030 + letters * 39
      wrong |= (written ^ (digits | (letters << 5))) | (nibbles & 0xf0f0f0f0)
      word = (word << 16) | ((nibbles & 0x0f0f) << 4) | (nibbles >>> 16)
    }
    words[index] = word
  }
  entry.isIPv4 = false
  entry.isIPv6 = true
  return wrong === 0
}
