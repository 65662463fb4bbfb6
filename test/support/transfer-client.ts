// A client of zone transfers for tests, independent of src: builds queries, reads messages, and applies differences as
// strictly as RFC 1995 §4 has it: what is deleted was there, what is added was not.
import assert from 'node:assert/strict'
import { buildQuery, types, wireName } from './dns-query.ts'

export interface TransferredRecord {
  /** Presentation form without the last dot. */
  readonly owner: string
  readonly type: number
  readonly ttl: number
  readonly rdata: Buffer
}

export interface TransferMessage {
  readonly rcode: number
  readonly records: readonly TransferredRecord[]
}

export function axfrQuery(origin: string): Buffer {
  return buildQuery(origin, types.AXFR)
}

/** A query for what has changed since `serial`, which stands in a SOA record in the authority section (RFC 1995 §3). */
export function ixfrQuery(origin: string, serial: number): Buffer {
  const query = buildQuery(origin, types.IXFR)
  query.writeUInt16BE(1, 8)
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(types.SOA, 0)
  fixed.writeUInt16BE(1, 2)
  const numbers = Buffer.alloc(20)
  numbers.writeUInt32BE(serial, 0)
  const rdata = Buffer.concat([Buffer.alloc(2), numbers])
  fixed.writeUInt16BE(rdata.length, 8)
  return Buffer.concat([query, wireName(origin), fixed, rdata])
}

/** Reads a message without names in its record data but those of a SOA record. */
export function readMessage(octets: Uint8Array): TransferMessage {
  const message = Buffer.from(octets)
  let at = nameAt(message, 12).end + 4
  const records: TransferredRecord[] = []
  for (let index = 0; index < message.readUInt16BE(6); index++) {
    const { name, end } = nameAt(message, at)
    const length = message.readUInt16BE(end + 8)
    records.push({
      owner: name,
      type: message.readUInt16BE(end),
      ttl: message.readUInt32BE(end + 4),
      rdata: message.subarray(end + 10, end + 10 + length),
    })
    at = end + 10 + length
  }
  return { rcode: message.readUInt16BE(2) & 15, records }
}

function nameAt(message: Buffer, from: number): { name: string; end: number } {
  const labels: string[] = []
  let end: number | undefined
  for (let at = from; ; ) {
    const length = message.readUInt8(at)
    if (length === 0) return { name: labels.join('.'), end: end ?? at + 1 }
    if (length >= 0xc0) {
      const target = message.readUInt16BE(at) & 0x3fff
      assert.ok(target < at, 'a pointer leads back')
      end ??= at + 2
      at = target
    } else {
      labels.push(message.toString('latin1', at + 1, at + 1 + length))
      at += 1 + length
    }
  }
}

export function serialOf({ type, rdata }: TransferredRecord): number {
  assert.equal(type, types.SOA)
  return rdata.readUInt32BE(rdata.length - 20)
}

function keyOf({ owner, type, ttl, rdata }: TransferredRecord): string {
  return `${owner} ${type} ${ttl} ${rdata.toString('hex')}`
}

/** A copy of a zone, as a secondary keeps it: all records, the SOA record once. */
export interface ZoneCopy {
  readonly serial: number
  readonly records: ReadonlySet<string>
}

/** What a response to AXFR or IXFR makes of a copy. */
export interface Transferred {
  readonly kind: 'current' | 'whole' | 'difference'
  readonly copy: ZoneCopy
  /** Of a difference, without SOA records. */
  readonly deleted: readonly TransferredRecord[]
  readonly added: readonly TransferredRecord[]
}

/** Applies the records of a whole response (RFC 1995 §4, RFC 5936 §2.2). */
export function applyTransfer(
  records: readonly TransferredRecord[],
  old: ZoneCopy | undefined,
): Transferred {
  const [first, second] = records
  assert.ok(first)
  const serial = serialOf(first)
  if (second === undefined) {
    assert.ok(old, 'one SOA record is no zone')
    return { kind: 'current', copy: old, deleted: [], added: [] }
  }
  assert.equal(keyOf(records.at(-1) ?? first), keyOf(first), 'the last record is the first')
  if (second.type !== types.SOA || records.length === 2) {
    const all = records.slice(0, -1).map(keyOf)
    assert.equal(new Set(all).size, all.length, 'no record twice')
    return { kind: 'whole', copy: { serial, records: new Set(all) }, deleted: [], added: [] }
  }
  assert.equal(serialOf(second), old?.serial, 'the difference begins at our serial')
  const middle = records.findIndex((each, index) => index > 1 && each.type === types.SOA)
  assert.equal(serialOf(records[middle] ?? first), serial)
  const deleted = records.slice(2, middle)
  const added = records.slice(middle + 1, -1)
  const all = new Set(old?.records)
  for (const each of [second, ...deleted]) assert.ok(all.delete(keyOf(each)), `had ${keyOf(each)}`)
  for (const each of [first, ...added]) {
    assert.ok(!all.has(keyOf(each)), `new ${keyOf(each)}`)
    all.add(keyOf(each))
  }
  return { kind: 'difference', copy: { serial, records: all }, deleted, added }
}
