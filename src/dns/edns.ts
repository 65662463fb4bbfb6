// The OPT record (RFC 6891): reads it from a query, and puts ours into the response to such a query.
import {
  clientCookieLength,
  fullCookieLength,
  maxServerCookieLength,
  minServerCookieLength,
} from './cookies.ts'
import { get16, minUdpPayload, put16, types } from './wire.ts'

/** Octets of an OPT record without options: root owner, type, class, TTL, RDLENGTH. */
const optLength = 11

/** Octets of an Extended DNS Error option without text (RFC 8914 §2). */
const extendedErrorLength = 6

/** INFO-CODEs of RFC 8914 §4 that we send. `none` stands for no option. */
export const extendedErrors = {
  none: -1,
  notReady: 14,
  prohibited: 18,
  notAuthoritative: 20,
  invalidData: 24,
} as const

/** OPTION-CODEs (RFC 5001 §2.3, RFC 7873 §4, RFC 8914 §2). */
const optionCodes = { nsid: 3, cookie: 10, extendedError: 15 } as const

/** Octets of OPTION-CODE and OPTION-LENGTH (RFC 6891 §6.1.2). */
const optionHeaderLength = 4
const dnssecOk = 0x80

/** What the OPT record of a query says, or the defaults if it has none. One object is filled again for each query. */
export class Edns {
  isPresent = false
  /** The client's UDP payload size, at least 512; 512 without EDNS (RFC 1035 §4.2.1). */
  udpPayload = minUdpPayload
  version = 0
  isDnssecOk = false
  /** Offset of the COOKIE option's data (RFC 7873 §4). `cookieLength` is 0 if there is no well-formed one. */
  cookieAt = 0
  cookieLength = 0
  /** The client asks for NSID (RFC 5001 §2.1). */
  wantsNsid = false

  /** Sets the defaults of a query without an OPT record. */
  clear(): void {
    this.isPresent = false
    this.udpPayload = minUdpPayload
    this.version = 0
    this.isDnssecOk = false
    this.cookieLength = 0
    this.wantsNsid = false
  }

  /**
   * Reads the OPT record whose TYPE is at `offset`. The caller has checked that the message has the whole record, with its
   * `dataLength` octets of RDATA. Returns false if an option runs past the record's end or a cookie has an impossible length.
   * Ignores unknown options and flags (RFC 6891 §6.1.2, §6.1.4).
   */
  read(bytes: Uint8Array, offset: number, dataLength: number): boolean {
    this.isPresent = true
    // Values below 512 count as 512 (RFC 6891 §6.2.3).
    this.udpPayload = Math.max(get16(bytes, offset + 2), minUdpPayload)
    this.version = bytes[offset + 5]!
    this.isDnssecOk = (bytes[offset + 6]! & dnssecOk) !== 0
    let option = offset + 10
    const end = option + dataLength
    while (option < end) {
      if (end - option < optionHeaderLength) return false
      const code = get16(bytes, option)
      const length = get16(bytes, option + 2)
      const at = option + optionHeaderLength
      option = at + length
      if (code === optionCodes.nsid) this.wantsNsid = true
      // If there are several cookies, only the first counts (RFC 7873 §5.2).
      if (code !== optionCodes.cookie || this.cookieLength > 0 || option > end) continue
      if (!isCookieLength(length)) return false
      this.cookieAt = at
      this.cookieLength = length
    }
    return option === end
  }
}

/** A client cookie has 8 octets, with a server cookie 16 to 40. Any other length is a FORMERR (RFC 7873 §5.2.2). */
function isCookieLength(length: number): boolean {
  const server = length - clientCookieLength
  return server === 0 || (server >= minServerCookieLength && server <= maxServerCookieLength)
}

/**
 * Octets of our OPT record in a response without an extended error. The configuration allows an NSID of 128 octets, so that the
 * record with all options and the longest question fit into 512 octets. A new option may need a smaller NSID.
 */
export function optRoom(edns: Edns, nsid: Uint8Array): number {
  return (
    optLength +
    (edns.cookieLength > 0 ? optionHeaderLength + fullCookieLength : 0) +
    (edns.wantsNsid && nsid.length > 0 ? optionHeaderLength + nsid.length : 0)
  )
}

/**
 * Puts our OPT record at `offset` and returns the offset after it. Its version is 0. Of the flags, only DO is copied (RFC 3225
 * §3). The record also carries the upper bits of `rcode` (RFC 6891 §6.1.3). If the query has a cookie, adds `cookie` (RFC 7873
 * §5.2.3). If the query asks for NSID, adds `nsid`, unless that is empty (RFC 5001 §2.1).
 */
export function putOpt(
  response: Uint8Array,
  offset: number,
  edns: Edns,
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
  response[offset + 7] = edns.isDnssecOk ? dnssecOk : 0
  response[offset + 8] = 0
  response[offset + 9] = 0
  let end = offset + optLength
  if (extendedError !== extendedErrors.none) {
    put16(response, end, optionCodes.extendedError)
    put16(response, end + 2, 2)
    put16(response, end + 4, extendedError)
    end += extendedErrorLength
  }
  if (edns.cookieLength > 0) end = putOption(response, end, optionCodes.cookie, cookie)
  if (edns.wantsNsid && nsid.length > 0) end = putOption(response, end, optionCodes.nsid, nsid)
  put16(response, offset + 9, end - offset - optLength)
  return end
}

function putOption(response: Uint8Array, offset: number, code: number, data: Uint8Array): number {
  put16(response, offset, code)
  put16(response, offset + 2, data.length)
  response.set(data, offset + optionHeaderLength)
  return offset + optionHeaderLength + data.length
}
