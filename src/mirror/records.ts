// A message of a transfer → its answer records, with names written out. The message may be anything.
import { skipName } from '../dns/name.ts'
import { classes, get16, get32, headerLength, types } from '../dns/wire.ts'

export interface ReceivedRecord {
  /** Wire form, lower case, not compressed. */
  readonly owner: Uint8Array
  readonly type: number
  readonly ttl: number
  /** Names in it are not compressed. */
  readonly rdata: Uint8Array
}

const fixedLength = 10
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
  let at = headerLength
  for (let question = 0; question < get16(message, 4); question++) {
    at = skipName(message, at, message.length)
    if (at < 0 || at + 4 > message.length) return undefined
    at += 4
  }
  const records: ReceivedRecord[] = []
  for (let index = 0; index < get16(message, 6); index++) {
    const fixed = skipName(message, at, message.length)
    if (fixed < 0 || fixed + fixedLength > message.length) return undefined
    const type = get16(message, fixed)
    const data = fixed + fixedLength
    const end = data + get16(message, fixed + 8)
    if (end > message.length || get16(message, fixed + 2) !== classes.IN) return undefined
    const rdata = plainRdata(message, type, data, end)
    if (rdata === undefined) return undefined
    const owner = foldedName(message, at)
    records.push({ owner, type, ttl: get32(message, fixed + 4) >>> 0, rdata })
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

function foldedName(message: Uint8Array, at: number): Uint8Array {
  return writtenOut(message, at).map((octet) =>
    octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet,
  )
}

/** The name at `at`, which `skipName` has found right. */
function writtenOut(message: Uint8Array, start: number): Uint8Array {
  const name = new Uint8Array(255)
  let length = 0
  for (let at = start; ; ) {
    const octet = message[at] ?? 0
    if (octet > 63) {
      at = get16(message, at) & 0x3fff
      continue
    }
    name.set(message.subarray(at, at + octet + 1), length)
    length += octet + 1
    if (octet === 0) return name.slice(0, length)
    at += octet + 1
  }
}
