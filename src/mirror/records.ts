// A message of a transfer → its answer records, with names written out. The message may be anything.
import { lowerCase, skipName } from '../dns/name.ts'
import { recordAt, skipQuestions, writtenOut } from '../dns/record-place.ts'
import { classes, get16, get32, types } from '../dns/wire.ts'

export interface ReceivedRecord {
  /** Wire form, lower case, not compressed. */
  readonly owner: Uint8Array
  readonly type: number
  readonly ttl: number
  /** Names in it are not compressed. */
  readonly rdata: Uint8Array
}

/** Types in whose RDATA names may be compressed (RFC 3597 §4), and the octets before the first name. */
const compressible: ReadonlyMap<number, { readonly before: number; readonly names: number }> =
  new Map([
    [types.NS, { before: 0, names: 1 }],
    [types.CNAME, { before: 0, names: 1 }],
    [types.SOA, { before: 0, names: 2 }],
    [types.PTR, { before: 0, names: 1 }],
    [types.MX, { before: 2, names: 1 }],
  ])

/** Reads the answer section. Returns undefined if the message is malformed or has a record of another class than IN. */
export function readAnswers(message: Uint8Array): ReceivedRecord[] | undefined {
  let at = skipQuestions(message)
  if (at < 0) return undefined
  const records: ReceivedRecord[] = []
  for (let index = 0; index < get16(message, 6); index++) {
    const place = recordAt(message, at)
    if (place === undefined || get16(message, place.fields + 2) !== classes.IN) return undefined
    const { type, fields, data, end } = place
    const rdata = plainRdata(message, type, data, end)
    if (rdata === undefined) return undefined
    const owner = writtenOut(message, at)
    for (let index = 0; index < owner.length; index++) owner[index] = lowerCase(owner[index] ?? 0)
    records.push({ owner, type, ttl: get32(message, fields + 4) >>> 0, rdata })
    at = end
  }
  return records
}

/** The serial of an SOA record, and its timers in seconds (RFC 1035 §3.3.13). undefined: it is too short. */
export function soaFields({ rdata }: ReceivedRecord) {
  const at = rdata.length - 20
  if (at < 2) return undefined
  const [serial, refresh, retry, expire] = [0, 4, 8, 12].map(
    (past) => get32(rdata, at + past) >>> 0,
  )
  return { serial: serial ?? 0, refresh: refresh ?? 0, retry: retry ?? 0, expire: expire ?? 0 }
}

function plainRdata(
  message: Uint8Array,
  type: number,
  data: number,
  end: number,
): Uint8Array | undefined {
  const form = compressible.get(type)
  if (form === undefined) return message.slice(data, end)
  if (data + form.before > end) return undefined
  const pieces = [message.subarray(data, data + form.before)]
  let at = data + form.before
  for (let index = 0; index < form.names; index++) {
    const next = skipName(message, at, end)
    if (next < 0) return undefined
    pieces.push(writtenOut(message, at))
    at = next
  }
  pieces.push(message.subarray(at, end))
  return Uint8Array.from(Buffer.concat(pieces))
}
