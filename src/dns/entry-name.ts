// The labels under the origin → the address that they spell, or its leading part (RFC 5782 §2.1, §2.4). IPv4 labels are decimal
// octets, IPv6 labels single hexadecimal digits; the least significant comes first.

/** Labels of a full IPv4 address: one for each octet. */
export const ipv4Labels = 4

/** Labels of a full IPv6 address: one for each nibble. */
export const ipv6Labels = 32

/**
 * What parseEntryName found. One to four labels of one digit fit both families. Words are signed 32-bit integers, since V8 would
 * allocate an object for larger numbers.
 */
export class EntryName {
  /** Whether the labels spell an IPv4 address or its leading octets. */
  isIPv4 = false
  /** Whether the labels spell an IPv6 address or its leading nibbles. */
  isIPv6 = false
  /** The IPv4 address; missing octets are 0. */
  ipv4 = 0
  /** The IPv6 address in four words; missing nibbles are 0. */
  readonly ipv6 = new Int32Array(4)
}

/**
 * Reads the `count` labels (at least one) at the offsets `labels[0]` to `labels[count - 1]`. A label with a leading zero, a
 * number over 255 or other characters is not part of an address: RFC 5782 has no such entry.
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
  // No label is shorter than one character. So if all together are this long, each has exactly one.
  let at = labels[0]! + 2 * (count - 1)
  if (labels[count - 1] !== at || bytes[at] !== 1) return false
  // The label next to the origin is the first nibble, at the top of word 0.
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

/** The value of a hexadecimal digit in either case (RFC 4343 §3); -1 for all other octets. */
const nibbleOf = new Int8Array(256).fill(-1)
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  nibbleOf[digit.charCodeAt(0)] = value
  nibbleOf[digit.toUpperCase().charCodeAt(0)] = value
}
