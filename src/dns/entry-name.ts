// The labels under the origin → the address, or the leading part of one, that they spell (RFC 5782 §2.1, §2.4):
// decimal octets for IPv4, single hexadecimal nibbles for IPv6, the least significant first.

/** Labels of a full IPv4 name: one for each octet. */
export const ipv4Labels = 4

/** Labels of a full IPv6 name: one for each nibble. */
export const ipv6Labels = 32

/**
 * What parseEntryName found. One to four single-digit labels are of both families at once. Words are signed 32-bit
 * integers, so that the engine never has to box them.
 */
export class EntryName {
  /** Whether the labels spell an IPv4 address or its leading octets. */
  isIPv4 = false
  /** Whether the labels spell an IPv6 address or its leading nibbles. */
  isIPv6 = false
  /** The IPv4 address; octets that are missing are 0. */
  ipv4 = 0
  /** The IPv6 address in four words; nibbles that are missing are 0. */
  readonly ipv6 = new Int32Array(4)
}

/**
 * Reads the `count` (at least one) labels whose offsets are `labels[0]` to `labels[count - 1]`. A name with leading
 * zeros, an octet over 255 or anything but digits is no address (RFC 5782 has no such entry).
 */
export function parseEntryName(
  bytes: Uint8Array,
  labels: Uint16Array,
  count: number,
  into: EntryName,
): void {
  into.isIPv4 = count <= ipv4Labels && readOctets(bytes, labels, count, into)
  into.isIPv6 =
    count <= ipv6Labels && bytes[labels[0]!] === 1 && readNibbles(bytes, labels, count, into)
}

function readOctets(
  bytes: Uint8Array,
  labels: Uint16Array,
  count: number,
  into: EntryName,
): boolean {
  let word = 0
  for (let index = 0; index < count; index++) {
    const at = labels[index]!
    const length = bytes[at]!
    let octet = bytes[at + 1]! - 0x30
    if (octet >>> 0 > 9) return false
    if (length > 1) {
      const second = bytes[at + 2]! - 0x30
      if (octet === 0 || length > 3 || second >>> 0 > 9) return false
      octet = octet * 10 + second
      if (length === 3) {
        const third = bytes[at + 3]! - 0x30
        if (third >>> 0 > 9) return false
        octet = octet * 10 + third
        if (octet > 255) return false
      }
    }
    // The label next to the origin is the most significant octet.
    word |= octet << ((ipv4Labels - count + index) << 3)
  }
  into.ipv4 = word
  return true
}

function readNibbles(
  bytes: Uint8Array,
  labels: Uint16Array,
  count: number,
  into: EntryName,
): boolean {
  const words = into.ipv6
  // No label is shorter than one octet, so if together they take no more, each has one.
  let at = labels[0]! + 2 * (count - 1)
  if (labels[count - 1] !== at || bytes[at] !== 1) return false
  // The label next to the origin is nibble 0, the topmost of word 0.
  for (let word = 0; word < 4; word++) {
    let value = 0
    const end = (word + 1) * 8
    for (let position = word * 8; position < end; position++) {
      const nibble = position < count ? nibbleOf[bytes[at + 1]!]! : 0
      if (nibble < 0) return false
      value = (value << 4) | nibble
      at -= 2
    }
    words[word] = value
  }
  return true
}

/** The value of each octet that is a hexadecimal digit, in either case (RFC 4343 §3); -1 for all others. */
const nibbleOf = new Int8Array(256).fill(-1)
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  nibbleOf[digit.charCodeAt(0)] = value
  nibbleOf[digit.toUpperCase().charCodeAt(0)] = value
}
