// A short cut for what nearly every query is: one question of class IN for an address under the origin, and behind it
// nothing or an OPT record. Its name is read in one pass, without a list of labels, and the origin compared where it
// has to be. Called by respond.ts before parseQuery, which reads whatever is of another shape.
import { readOpt } from './edns.ts'
import { type EntryName, ipv4Labels, ipv6Labels, nibbleOf } from './entry-name.ts'
import { equalsAt, type FoldedName } from './name.ts'
import { clearEdns, type Query } from './query.ts'
import { classes, flags, get16, headerLength, types } from './wire.ts'

/** Octets of four labels of digits, at least; with one digit each they are the leading part of an IPv6 address as well. */
const shortestIPv4 = ipv4Labels * 2 + 1
/** Octets of 32 nibbles. */
const ipv6Length = ipv6Labels * 2

/**
 * Reads the message of `length` octets (at least a header) when it has the usual shape. Answers the family of the
 * address it asks for, `query` filled as by parseQuery, but for the labels, and `entry` as by parseEntryName; or 0,
 * which says nothing of the message.
 */
export function readUsualQuery(
  bytes: Uint8Array,
  length: number,
  origin: FoldedName,
  query: Query,
  entry: EntryName,
): 0 | 4 | 6 {
  // QR and opcode 0; one question, and at most one additional record.
  if ((bytes[2]! & (flags.QR | flags.opcode)) !== 0) return 0
  if ((bytes[4]! | (bytes[5]! ^ 1) | bytes[6]! | bytes[7]! | bytes[8]! | bytes[9]!) !== 0) return 0
  const records = get16(bytes, 10)
  if (records > 1) return 0
  // So much behind the labels of the address.
  const behind = origin.name.length + 4
  if (headerLength + shortestIPv4 + behind > length) return 0
  let originAt = headerLength + ipv6Length
  const isIPv6 =
    originAt + behind <= length && bytes[originAt - 2] === 1 && bytes[headerLength] === 1
  if (isIPv6) {
    if (!readNibbles(bytes, entry)) return 0
  } else {
    originAt = readOctets(bytes, entry)
    if (originAt < headerLength + shortestIPv4 || originAt + behind > length) return 0
  }
  if (!equalsAt(bytes, originAt, origin)) return 0
  const nameEnd = originAt + origin.name.length
  if (get16(bytes, nameEnd + 2) !== classes.IN) return 0
  query.type = get16(bytes, nameEnd)
  query.class = classes.IN
  query.questionEnd = nameEnd + 4
  clearEdns(query)
  if (records === 1) {
    if (!readOnlyOpt(bytes, nameEnd + 4, length, query)) return 0
  } else if (nameEnd + 4 !== length) return 0
  return isIPv6 ? 6 : 4
}

/** Reads the OPT record at `offset`, if it is a well-formed one that ends the message. */
function readOnlyOpt(bytes: Uint8Array, offset: number, length: number, query: Query): boolean {
  const fixed = offset + 1
  if (fixed + 10 > length || bytes[offset] !== 0 || get16(bytes, fixed) !== types.OPT) return false
  const dataLength = get16(bytes, fixed + 8)
  return fixed + 10 + dataLength === length && readOpt(bytes, fixed, dataLength, query)
}

/**
 * Reads four labels of digits at the start of the question. Answers the offset past them, or 0. It looks at 16 octets
 * at most, which the caller knows to be there: the shortest origin is three.
 */
function readOctets(bytes: Uint8Array, entry: EntryName): number {
  let at = headerLength
  let word = 0
  for (let shift = 0; shift < 32; shift += 8) {
    const size = bytes[at]!
    let octet = bytes[at + 1]! - 0x30
    if (octet >>> 0 > 9) return 0
    if (size !== 1) {
      const second = bytes[at + 2]! - 0x30
      if (octet === 0 || second >>> 0 > 9) return 0
      octet = octet * 10 + second
      if (size === 3) {
        const third = bytes[at + 3]! - 0x30
        if (third >>> 0 > 9) return 0
        octet = octet * 10 + third
        if (octet > 255) return 0
      } else if (size !== 2) return 0
    }
    word |= octet << shift
    at += size + 1
  }
  entry.isIPv4 = true
  entry.isIPv6 = false
  entry.ipv4 = word
  return at
}

/** Reads 32 labels of a nibble each at the start of the question. */
function readNibbles(bytes: Uint8Array, entry: EntryName): boolean {
  const words = entry.ipv6
  let wrong = 0
  // The last of them is the topmost nibble.
  for (let word = 0, at = headerLength + ipv6Length - 16; word < 4; word++, at -= 16) {
    const n0 = nibbleOf[bytes[at + 15]!]!
    const n1 = nibbleOf[bytes[at + 13]!]!
    const n2 = nibbleOf[bytes[at + 11]!]!
    const n3 = nibbleOf[bytes[at + 9]!]!
    const n4 = nibbleOf[bytes[at + 7]!]!
    const n5 = nibbleOf[bytes[at + 5]!]!
    const n6 = nibbleOf[bytes[at + 3]!]!
    const n7 = nibbleOf[bytes[at + 1]!]!
    // Without a branch for each: a digit that is none has its sign bit set, a length that is not 1 another bit.
    wrong |= (n0 | n1 | n2 | n3 | n4 | n5 | n6 | n7) & -16
    wrong |= (bytes[at]! ^ 1) | (bytes[at + 2]! ^ 1) | (bytes[at + 4]! ^ 1) | (bytes[at + 6]! ^ 1)
    wrong |=
      (bytes[at + 8]! ^ 1) | (bytes[at + 10]! ^ 1) | (bytes[at + 12]! ^ 1) | (bytes[at + 14]! ^ 1)
    words[word] =
      (n0 << 28) | (n1 << 24) | (n2 << 20) | (n3 << 16) | (n4 << 12) | (n5 << 8) | (n6 << 4) | n7
  }
  entry.isIPv4 = false
  entry.isIPv6 = true
  return wrong === 0
}
