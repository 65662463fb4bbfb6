// The OPT record both ways (RFC 6891): out of a query, and into each response to a query that carried one.
import type { Query } from './query.ts'
import { get16, minUdpPayload, put16, types } from './wire.ts'

/** Octets of an OPT record without options: root owner, type, class, TTL, RDLENGTH. */
export const optLength = 11

/** Octets of an Extended DNS Error option without text (RFC 8914 §2). */
export const extendedErrorLength = 6

/** INFO-CODEs of RFC 8914 §4 that we send; `none` puts no option. */
export const extendedErrors = { none: -1, notAuthoritative: 20 } as const

const optionExtendedError = 15
const dnssecOk = 0x80

/**
 * Reads the OPT record whose owner ends before `offset` (the offset of its TYPE) into `query`. The caller has
 * checked that all of the record is there, `dataLength` octets of RDATA included. False when an option runs
 * over the record's end. Options and flags that we do not know are passed over (RFC 6891 §6.1.2, §6.1.4).
 */
export function readOpt(
  bytes: Uint8Array,
  offset: number,
  dataLength: number,
  query: Query,
): boolean {
  query.hasEdns = true
  // RFC 6891 §6.2.3: values lower than 512 are treated as 512.
  query.udpPayload = Math.max(get16(bytes, offset + 2), minUdpPayload)
  query.ednsVersion = bytes[offset + 5]!
  query.dnssecOk = (bytes[offset + 6]! & dnssecOk) !== 0
  let option = offset + 10
  const end = option + dataLength
  while (option < end) {
    if (end - option < 4) return false
    option += 4 + get16(bytes, option + 2)
  }
  return option === end
}

/**
 * Puts our OPT record at `offset` and answers the offset past it. The version is 0, the only one we speak; of
 * the flags only DO is copied (RFC 3225 §3); the upper bits of `rcode` go into it (RFC 6891 §6.1.3).
 */
export function putOpt(
  response: Uint8Array,
  offset: number,
  query: Query,
  ownPayload: number,
  rcode: number,
  extendedError: number,
): number {
  response[offset] = 0
  put16(response, offset + 1, types.OPT)
  put16(response, offset + 3, ownPayload)
  response[offset + 5] = rcode >>> 4
  response[offset + 6] = 0
  response[offset + 7] = query.dnssecOk ? dnssecOk : 0
  response[offset + 8] = 0
  response[offset + 9] = 0
  const hasError = extendedError !== extendedErrors.none
  response[offset + 10] = hasError ? extendedErrorLength : 0
  if (!hasError) return offset + optLength
  put16(response, offset + 11, optionExtendedError)
  put16(response, offset + 13, 2)
  put16(response, offset + 15, extendedError)
  return offset + optLength + extendedErrorLength
}
