// Domain names in wire form: walking them in untrusted packets and comparing them without regard to case.
// query.ts reads the packet's names with it, respond.ts and zone.ts compare them.
import { headerLength, maxNameLength, type Octets, wordsOf } from './wire.ts'

/** Most labels a name can have, the root not counted: 127 of one octet each. */
export const maxLabels = 127

/**
 * A lower-case name with the mask that makes comparing it exact and cheap: 0x20 where it has a letter, so that
 * `(octet | mask) === name` holds for both cases of that letter and for nothing else (RFC 4343 §3).
 */
export interface FoldedName {
  readonly name: Uint8Array
  readonly mask: Uint8Array
  /** The same in words; see wordsOf. */
  readonly nameWords: Int32Array
  readonly maskWords: Int32Array
}

/** Folds a name (or any run of labels) in wire form. Length octets are below 64 and so never look like letters. */
export function foldName(wire: Uint8Array): FoldedName {
  const name = wire.map(lowerCase)
  const mask = name.map((octet) => (octet >= 0x61 && octet <= 0x7a ? 0x20 : 0))
  return { name, mask, nameWords: wordsOf(name), maskWords: wordsOf(mask) }
}

/** Whether the octets at `offset` spell `folded`, in any case. The caller knows that so many octets are there. */
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
 * Reads the uncompressed name at the start of the question section, the offset of each label into `labels`.
 * Answers the count of labels (the root not counted; its offset follows the last one in `labels`), or -1 when
 * the name runs out of the packet, is longer than 255 octets, or uses compression or an unknown label type:
 * before the first name there is nothing that a pointer could rightly point at (RFC 1035 §4.1.4).
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
 * The offset just past the name at `offset`, or -1 when it is malformed. Compression pointers are followed to
 * the end, each strictly backwards, so a loop is found at once (RFC 1035 §4.1.4: a prior occurrence); no name
 * needs more of them than it can have labels, and a packet full of them shall not take long.
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

function lowerCase(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet
}
