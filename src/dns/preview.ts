// A guess at the address that a query asks for, before the query is read properly: enough to have its part of the
// tree brought into the processor's cache meanwhile. A wrong guess costs that and nothing else. Called by nameserver/
// for each query of a batch.
import { ipv4Labels, ipv6Labels, nibbleOf } from './entry-name.ts'
import { headerLength } from './wire.ts'

/** Just past the labels of an IPv6 name. */
const ipv6End = headerLength + ipv6Labels * 2

/**
 * Puts the address that the first labels of the question seem to spell, two words of it, at `place` of `words`: of
 * IPv6 the first two, of IPv4 the one and 0. Answers its family. Reads no more than `length` octets.
 */
export function previewAddress(
  query: Uint8Array,
  length: number,
  words: Int32Array,
  place: number,
): 4 | 6 {
  if (length > ipv6End && query[ipv6End - 2]! === 1 && query[headerLength]! === 1) {
    words[place * 2] = previewNibbles(query, ipv6End - 1)
    words[place * 2 + 1] = previewNibbles(query, ipv6End - 17)
    return 6
  }
  words[place * 2] = previewOctets(query, length)
  words[place * 2 + 1] = 0
  return 4
}

/** Eight labels of a nibble, the topmost at `at`, the others before it. */
function previewNibbles(query: Uint8Array, at: number): number {
  return (
    (nibbleOf[query[at]!]! << 28) |
    ((nibbleOf[query[at - 2]!]! & 15) << 24) |
    ((nibbleOf[query[at - 4]!]! & 15) << 20) |
    ((nibbleOf[query[at - 6]!]! & 15) << 16) |
    ((nibbleOf[query[at - 8]!]! & 15) << 12) |
    ((nibbleOf[query[at - 10]!]! & 15) << 8) |
    ((nibbleOf[query[at - 12]!]! & 15) << 4) |
    (nibbleOf[query[at - 14]!]! & 15)
  )
}

function previewOctets(query: Uint8Array, length: number): number {
  let word = 0
  let offset = headerLength
  for (let label = 0; label < ipv4Labels && offset < length; label++) {
    const end = Math.min(offset + 1 + (query[offset]! & 3), length)
    let octet = 0
    for (offset++; offset < end; offset++) octet = octet * 10 + query[offset]! - 0x30
    word |= (octet & 255) << (label << 3)
  }
  return word
}
