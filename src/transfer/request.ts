// A query for a zone transfer → what it asks and whether it may: AXFR (RFC 5936 §2.1), IXFR (RFC 1995 §3), TSIG (RFC 8945).
import { equalsAt, foldName, skipName } from '../dns/name.ts'
import { isTransfer, parseQuery, Query } from '../dns/query.ts'
import type { ClientAddress } from '../dns/query-context.ts'
import { recordAt } from '../dns/record-place.ts'
import { classes, flags, get16, get32, headerLength, octetsOf, types } from '../dns/wire.ts'
import { contains, type Prefix } from '../ip/address.ts'
import { type Signature, type TsigKey, verifyRequest } from './tsig.ts'

/** Who may transfer the zone. */
export interface TransferRule {
  readonly clients: Prefix
  /** Name in wire form of the key that must sign the query; undefined: the address is enough. */
  readonly key: Uint8Array | undefined
}

/** A query for a transfer of the zone. */
export interface TransferRequest {
  readonly id: number
  /** The question in wire form, as it was asked. */
  readonly question: Uint8Array
  /** For IXFR: the serial that the client has (RFC 1995 §3). undefined: AXFR. */
  readonly serial: number | undefined
  /** false: IXFR without the SOA record that holds the serial. */
  readonly isWellFormed: boolean
  readonly hasOpt: boolean
  readonly signature: Signature
}

/** Whether a query asks for AXFR or IXFR, whatever else is in it. It has at least a header. */
export function isTransferQuery(query: Uint8Array): boolean {
  if (((query[2] ?? 0) & (flags.QR | flags.opcode)) !== 0 || get16(query, 4) !== 1) return false
  const end = skipName(query, headerLength, query.length)
  if (end < 0 || end + 4 > query.length) return false
  return isTransfer(get16(query, end))
}

/**
 * Reads a query for which `isTransferQuery` holds. Returns undefined if it is malformed, has a later version of EDNS, or asks for
 * another zone or class: such a query gets the same answer as over UDP. `now`: epoch seconds.
 */
export function readTransferRequest(
  query: Uint8Array,
  origin: Uint8Array,
  keys: readonly TsigKey[],
  now: number,
): TransferRequest | undefined {
  const asked = new Query()
  if (!parseQuery(query, query.length, asked) || asked.edns.version > 0) return undefined
  const { questionEnd } = asked
  if (asked.class !== classes.IN || questionEnd - 4 !== headerLength + origin.length)
    return undefined
  if (!equalsAt(octetsOf(query), headerLength, foldName(origin))) return undefined
  const signature = verifyRequest(query, keys, now)
  if (signature.kind === 'malformed') return undefined
  const isIxfr = asked.type === types.IXFR
  const serial = isIxfr ? clientSerial(query, questionEnd) : undefined
  return {
    id: get16(query, 0),
    question: query.slice(headerLength, questionEnd),
    serial,
    isWellFormed: !isIxfr || serial !== undefined,
    hasOpt: asked.edns.isPresent,
    signature,
  }
}

/** Whether a rule lets this client transfer the zone. A signature that is not valid is never enough. */
export function mayTransfer(
  signature: Signature,
  { family, ...words }: ClientAddress,
  rules: readonly TransferRule[],
): boolean {
  if (signature.kind === 'refused') return false
  const [w0, w1, w2, w3] = [words.w0 >>> 0, words.w1 >>> 0, words.w2 >>> 0, words.w3 >>> 0]
  const address = { family, w0, w1, w2, w3 } as const
  const signer = signature.kind === 'valid' ? signature.key.name : undefined
  return rules.some(
    ({ clients, key }) =>
      contains(clients, address) &&
      (key === undefined || (signer !== undefined && Buffer.compare(key, signer) === 0)),
  )
}

/** Whether serial `a` is newer than `b` (RFC 1982 §3.2). */
export function isNewer(a: number, b: number): boolean {
  return a !== b && (a - b) >>> 0 < 2 ** 31
}

/** The serial of the SOA record in the authority section. */
function clientSerial(query: Uint8Array, at: number): number | undefined {
  if (get16(query, 6) !== 0 || get16(query, 8) !== 1) return undefined
  const soa = recordAt(query, at)
  if (soa?.type !== types.SOA) return undefined
  const { data, end } = soa
  const primaryEnd = skipName(query, data, end)
  const adminEnd = primaryEnd < 0 ? -1 : skipName(query, primaryEnd, end)
  return adminEnd >= 0 && adminEnd + 20 === end ? get32(query, adminEnd) >>> 0 : undefined
}
