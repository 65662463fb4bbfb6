// The OPT record both ways (RFC 6891): out of a query, and into each response to a query that carried one.
import {
  clientCookieLength,
  fullCookieLength,
  maxServerCookieLength,
  minServerCookieLength,
} from './cookies.ts'
import type { Query } from './query.ts'
import { get16, minUdpPayload, put16, putBytes, types } from './wire.ts'

/** Octets of an OPT record without options: root owner, type, class, TTL, RDLENGTH. */
export const optLength = 11

/** Octets of an Extended DNS Error option without text (RFC 8914 §2). */
export const extendedErrorLength = 6

/** INFO-CODEs of RFC 8914 §4 that we send; `none` puts no option. */
export const extendedErrors = {
  none: -1,
  notReady: 14,
  prohibited: 18,
  notAuthoritative: 20,
  invalidData: 24,
} as const

/** OPTION-CODEs: RFC 5001 §2.3, RFC 7873 §4, RFC 8914 §2. */
const optionCodes = { nsid: 3, cookie: 10, extendedError: 15 } as const

/** Octets of OPTION-CODE and OPTION-LENGTH (RFC 6891 §6.1.2). */
const optionHeaderLength = 4
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
  let isCookieWhole = true
  while (option < end) {
    if (end - option < optionHeaderLength) return false
    const code = get16(bytes, option)
    const length = get16(bytes, option + 2)
    const at = option + optionHeaderLength
    option = at + length
    if (code === optionCodes.nsid) query.wantsNsid = true
    // Of several cookies only the first counts (RFC 7873 §5.2).
    if (code !== optionCodes.cookie || query.cookieLength > 0 || option > end) continue
    isCookieWhole = isCookieLength(length)
    query.cookieAt = at
    query.cookieLength = isCookieWhole ? length : 0
    if (!isCookieWhole) break
  }
  return isCookieWhole && option === end
}

/** RFC 7873 §5.2.2: a client cookie alone, or with a server cookie; any other length is a FORMERR. */
function isCookieLength(length: number): boolean {
  const server = length - clientCookieLength
  return server === 0 || (server >= minServerCookieLength && server <= maxServerCookieLength)
}

/** Octets that our OPT record takes in a response without an extended error. */
export function optRoom(query: Query, nsid: Uint8Array): number {
  return (
    optLength +
    (query.cookieLength > 0 ? optionHeaderLength + fullCookieLength : 0) +
    (query.wantsNsid && nsid.length > 0 ? optionHeaderLength + nsid.length : 0)
  )
}

/**
 * Puts our OPT record at `offset` and answers the offset past it. The version is 0, the only one we speak; of
 * the flags only DO is copied (RFC 3225 §3); the upper bits of `rcode` go into it (RFC 6891 §6.1.3). A query's
 * cookie is answered with `cookie` (RFC 7873 §5.2.3), its wish for NSID with `nsid` unless that is empty (RFC 5001
 * §2.1).
 */
export function putOpt(
  response: Uint8Array,
  offset: number,
  query: Query,
  ownPayload: number,
  rcode: number,
  extendedError: number,
  cookie: Uint8Array,
  nsid: Uint8Array,
): number {
  response[offset] = 0
  put16(response, offset + 1, types.OPT)
  put16(response, offset + 3, ownPayload)
  response[offset + 5] = rcode >>> 4
  response[offset + 6] = 0
  response[offset + 7] = query.dnssecOk ? dnssecOk : 0
  response[offset + 8] = 0
  response[offset + 9] = 0
  let end = offset + optLength
  if (extendedError !== extendedErrors.none) {
    put16(response, end, optionCodes.extendedError)
    put16(response, end + 2, 2)
    put16(response, end + 4, extendedError)
    end += extendedErrorLength
  }
  if (query.cookieLength > 0) end = putOption(response, end, optionCodes.cookie, cookie)
  if (query.wantsNsid && nsid.length > 0) end = putOption(response, end, optionCodes.nsid, nsid)
  put16(response, offset + 9, end - offset - optLength)
  return end
}

function putOption(response: Uint8Array, offset: number, code: number, data: Uint8Array): number {
  put16(response, offset, code)
  put16(response, offset + 2, data.length)
  putBytes(response, offset + optionHeaderLength, data)
  return offset + optionHeaderLength + data.length
}
