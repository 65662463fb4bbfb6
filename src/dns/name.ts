// Domain names in wire form: walks them in untrusted packets, and compares them without regard to case.
import { headerLength, maxNameLength, type Octets, wordsOf } from './wire.ts'

/** The most labels that a name can have without the root: 127 of one octet each. */
export const maxLabels = 127

/**
 * A lower-case name, and a mask that has 0x20 where the name has a letter. So `(octet | mask) === name` holds for both cases of
 * that letter and for nothing else (RFC 4343 §3).
 */
export interface FoldedName {
  readonly name: Uint8Array
  readonly mask: Uint8Array
  /** The name and the mask as words; see wordsOf. */
  readonly nameWords: Int32Array
  readonly maskWords: Int32Array
}

/** Folds a name in wire form, or a run of labels. Length octets are below 64, so they never look like letters. */
export function foldName(wire: Uint8Array): FoldedName {
  const name = wire.map(lowerCase)
  const mask = name.map((octet) => (octet >= 0x61 && octet <= 0x7a ? 0x20 : 0))
  return { name, mask, nameWords: wordsOf(name), maskWords: wordsOf(mask) }
}

/** Whether the octets at `offset` spell `folded`, in any case. The caller has checked that they are within the message. */
export function equalsAt(octets: Octets, offset: number, folded: FoldedName): boolean {
  const { name, mask, nameWords, maskWords } = folded
  const last = nameWords.length - 1
  if (last < 0) {
    for (let index = 0; index < name.length; index++) {
      if ((octets[offset + index]! | mask[index]!) !== name[index]) return false
    }
    return true
  }
  const { view } = octets
  for (let index = 0; index < last; index++) {
    if ((view.getInt32(offset + index * 4) | maskWords[index]!) !== nameWords[index]) return false
  }
  const end = offset + name.length
  return (view.getInt32(end - 4) | maskWords[last]!) === nameWords[last]
}

/**
 * Reads the uncompressed name at the start of the question section and puts the offset of each label into `labels`; the offset of
 * the root follows the last one. Returns the number of labels without the root. Returns -1 if the name runs past the end, is
 * longer than 255 octets, or uses compression or an unknown label type. No compression pointer can be valid here, since no name
 * stands before (RFC 1035 §4.1.4).
 */
export function readQuestionName(bytes: Uint8Array, length: number, labels: Uint16Array): number {
  const end = Math.min(length, headerLength + maxNameLength)
  let offset = headerLength
  let count = 0
  while (offset < end) {
    const octet = bytes[offset]!
    labels[count] = offset
    if (octet === 0) return count
    if (octet > 63) return -1
    count++
    offset += octet + 1
  }
  return -1
}

/**
 * Returns the offset after the name at `offset`, or -1 if the name is malformed. Follows compression pointers to the end. Each
 * pointer must lead backwards (RFC 1035 §4.1.4), so a loop is found at once. A name may have no more pointers than labels, so a
 * packet full of pointers does not take long.
 */
export function skipName(bytes: Uint8Array, offset: number, length: number): number {
  let after = -1
  let nameLength = 1
  let at = offset
  let barrier = offset
  let pointers = 0
  while (at < length) {
    const octet = bytes[at]!
    if (octet === 0) return after < 0 ? at + 1 : after
    if (octet < 64) {
      nameLength += octet + 1
      if (nameLength > maxNameLength) return -1
      at += octet + 1
      continue
    }
    if (octet < 0xc0 || at + 1 >= length) return -1
    const target = ((octet & 0x3f) << 8) | bytes[at + 1]!
    pointers++
    if (target < headerLength || target >= barrier || pointers > maxLabels) return -1
    if (after < 0) after = at + 2
    barrier = target
    at = target
  }
  return -1
}

/** The octet of a name in lower case (RFC 4343 §3). */
export function lowerCase(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet
}
