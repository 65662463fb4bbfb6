// A guess at the IPv4 address that a query asks for, before the query is read properly: enough to have its part of the
// tree brought into the processor's cache meanwhile. A wrong guess costs that and nothing else. Called by nameserver/
// for each query of a batch.
import { ipv4Labels } from './entry-name.ts'
import { headerLength } from './wire.ts'

/** Where the fifth label begins when all have one octet; an IPv4 name has its zone there. */
const fifthLabel = headerLength + 8

/**
 * The address that the first four labels of the question seem to spell; 0 for the many labels of an IPv6 name. Reads
 * no more than `length` octets.
 */
export function previewIPv4(query: Uint8Array, length: number): number {
  if (length > fifthLabel && query[fifthLabel]! === 1 && query[headerLength]! === 1) return 0
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
