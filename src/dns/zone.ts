// The zone as the configuration gives it → everything about it that can be worked out before a query comes:
// ready RRsets of its own names, the SOA of negative answers, the reason cut up. respond.ts prepares it once.
import { type FoldedName, foldName, skipName } from './name.ts'
import { parseReason, type ReasonTemplate } from './txt-template.ts'
import { classes, headerLength, put16, put32, putBytes, types, wordsOf } from './wire.ts'

/** A record of the zone's own names. The owner is in wire form, lower case, uncompressed, at or under the origin. */
export interface ZoneRecord {
  readonly owner: Uint8Array
  readonly type: number
  /** Seconds. */
  readonly ttl: number
  /** Names in it are uncompressed. */
  readonly rdata: Uint8Array
}

/** What answering needs of the configuration; plain data that can be cloned into a thread. */
export interface ZoneData {
  /** Wire form, lower case. */
  readonly origin: Uint8Array
  /** SOA (one, at the origin; its serial is replaced in each answer), NS and zone.records. No name of an address is among their owners. */
  readonly records: readonly ZoneRecord[]
  /** Seconds that a listing's records may be cached. */
  readonly ttl: number
  /** Seconds that a negative answer may be cached: the SOA's MINIMUM. */
  readonly negativeTtl: number
  /** Template of the TXT reason. */
  readonly text: string
  /** The list is closed: nobody is listed any more, whatever the tree holds. */
  readonly retired: boolean
}

/** An RRset ready to send, each owner a pointer to the question's name. */
export interface ReadyRrset {
  readonly type: number
  /** Its `length` octets, for putWords. */
  words: Int32Array
  length: number
  readonly count: number
  /** Where in it the SOA's serial stands, or -1. */
  readonly serialAt: number
}

/** The SOA record of negative answers. The sender puts its pointers, since where the question has the origin varies. */
export interface NegativeSoa extends ReadyRrset {
  readonly pointers: readonly OriginPointer[]
}

/** At `at` in a record stands a compression pointer to the octet `past` in the origin. */
export interface OriginPointer {
  readonly at: number
  readonly past: number
}

/** A name that the zone has besides its entries; without RRsets it is an empty non-terminal. */
export interface OwnName {
  readonly folded: FoldedName
  readonly rrsets: ReadyRrset[]
}

export interface PreparedZone {
  readonly origin: FoldedName
  readonly originLabels: number
  /** Own names, by their length in octets. */
  readonly namesByLength: readonly (readonly OwnName[] | undefined)[]
  readonly negativeSoa: NegativeSoa
  /** The TXT of `_status`; its words follow the tree's version. */
  readonly status: ReadyRrset
  readonly reason: ReasonTemplate
}

/** The version of the tree as `_status` shows it; times in epoch seconds. */
export interface PublishedVersion {
  readonly serial: number
  readonly generatedAt: number
  readonly validUntil: number
  readonly ipv4Entries: number
  readonly ipv6Entries: number
}

const unpublished: PublishedVersion = {
  serial: 0,
  generatedAt: 0,
  validUntil: 0,
  ipv4Entries: 0,
  ipv6Entries: 0,
}

/** Compression pointer to the question's name (RFC 1035 §4.1.4). */
export const questionPointer = 0xc000 | headerLength

/** Octets of a record before its RDATA when its owner is a pointer. */
export const recordHeaderLength = 12

const serialFromEnd = 20
const statusLabel = Uint8Array.from([7, ...new TextEncoder().encode('_status')])

/** Works out everything that does not depend on the query. */
export function prepareZone(zone: ZoneData): PreparedZone {
  const origin = foldName(zone.origin)
  const names = new Map<string, OwnName>()
  const nameOf = (wire: Uint8Array): OwnName => {
    const folded = foldName(wire)
    const key = folded.name.join()
    const known = names.get(key)
    if (known !== undefined) return known
    const name = { folded, rrsets: [] }
    names.set(key, name)
    return name
  }
  nameOf(zone.origin)
  for (const [owner, type, records] of groupRrsets(zone.records)) {
    nameOf(owner).rrsets.push(readyRrset(type, records))
    // Every name between an owner and the origin exists, if only as an empty non-terminal (RFC 4592 §2.2.2).
    for (let name = owner; name.length > zone.origin.length; name = parentOf(name)) nameOf(name)
  }
  const status = readyStatus(unpublished, zone.ttl)
  nameOf(Uint8Array.from([...statusLabel, ...zone.origin])).rrsets.push(status)
  const namesByLength: OwnName[][] = []
  for (const name of names.values()) {
    const { length } = name.folded.name
    namesByLength[length] ??= []
    namesByLength[length].push(name)
  }
  return {
    origin,
    originLabels: countLabels(zone.origin),
    namesByLength,
    negativeSoa: negativeSoaOf(zone),
    status,
    reason: parseReason(zone.text),
  }
}

/** The A RRset of a listing: one address 127.0.0.n for each bit n of `codes` (RFC 5782 §2.1). */
export function readyCodes(codes: number, ttl: number): ReadyRrset {
  const records: ZoneRecord[] = []
  for (let code = 2; code < 32; code++) {
    if ((codes & (1 << code)) === 0) continue
    const rdata = Uint8Array.from([127, 0, 0, code])
    records.push({ owner: new Uint8Array(), type: types.A, ttl, rdata })
  }
  return readyRrset(types.A, records)
}

/** The `_status` TXT record of a version, owner a pointer to the question's name. Times as RFC 3339. */
export function readyStatus(version: PublishedVersion, ttl: number): ReadyRrset {
  const text = [
    `serial=${version.serial}`,
    `entries=${version.ipv4Entries + version.ipv6Entries}`,
    `generated=${formatTime(version.generatedAt)}`,
    `valid-until=${formatTime(version.validUntil)}`,
  ].join(' ')
  const rdata = Uint8Array.from([text.length, ...new TextEncoder().encode(text)])
  return readyRrset(types.TXT, [{ owner: new Uint8Array(), type: types.TXT, ttl, rdata }])
}

/** The RRset of `type` at a name, its CNAME when it has none of that type (RFC 1034 §3.6.2), or undefined. */
export function rrsetAt(name: OwnName, type: number): ReadyRrset | undefined {
  const { rrsets } = name
  for (let index = 0; index < rrsets.length; index++) {
    const rrset = rrsets[index]!
    // RFC 8482 §4.1: a question for ANY gets one of the RRsets.
    if (rrset.type === type || rrset.type === types.CNAME || type === types.ANY) return rrset
  }
  return undefined
}

function groupRrsets(records: readonly ZoneRecord[]): [Uint8Array, number, ZoneRecord[]][] {
  const groups = new Map<string, [Uint8Array, number, ZoneRecord[]]>()
  for (const record of records) {
    const key = `${record.type} ${record.owner.join()}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [record.owner, record.type, [record]])
    else group[2].push(record)
  }
  return [...groups.values()]
}

/** Renders the records of one RRset, owners replaced by a pointer to the question. */
export function readyRrset(
  type: number,
  records: readonly ZoneRecord[],
  recordClass: number = classes.IN,
): ReadyRrset {
  const length = records.reduce((sum, { rdata }) => sum + recordHeaderLength + rdata.length, 0)
  const bytes = new Uint8Array(length)
  let offset = 0
  for (const { ttl, rdata } of records) {
    put16(bytes, offset, questionPointer)
    put16(bytes, offset + 2, type)
    put16(bytes, offset + 4, recordClass)
    put32(bytes, offset + 6, ttl)
    put16(bytes, offset + 10, rdata.length)
    putBytes(bytes, offset + recordHeaderLength, rdata)
    offset += recordHeaderLength + rdata.length
  }
  return {
    type,
    words: wordsOf(bytes),
    length,
    count: records.length,
    serialAt: type === types.SOA ? length - serialFromEnd : -1,
  }
}

/**
 * RFC 2308 §3: the TTL of the SOA in a negative answer is the smaller of its own TTL and its MINIMUM. The names in it
 * are cut short by pointers to the origin as far as they end like it (RFC 1035 §3.3.13, §4.1.4).
 */
function negativeSoaOf({ records, origin, negativeTtl }: ZoneData): NegativeSoa {
  const pointers: OriginPointer[] = [{ at: 0, past: 0 }]
  const soa = records
    .filter(({ type }) => type === types.SOA)
    .map((record) => ({
      ...record,
      ttl: Math.min(negativeTtl, record.ttl),
      rdata: shortenSoa(record.rdata, origin, pointers),
    }))
  return { ...readyRrset(types.SOA, soa), pointers }
}

/** The RDATA with room for pointers to the origin; where they go is added to `pointers`. */
function shortenSoa(rdata: Uint8Array, origin: Uint8Array, pointers: OriginPointer[]): Uint8Array {
  const primary = rdata.subarray(0, skipName(rdata, 0, rdata.length))
  const admin = rdata.subarray(primary.length, rdata.length - serialFromEnd)
  const shortened: number[] = []
  for (const name of [primary, admin]) {
    const common = commonEnd(foldName(name).name, origin)
    shortened.push(...name.subarray(0, common?.at))
    if (common === undefined) continue
    pointers.push({ at: recordHeaderLength + shortened.length, past: common.past })
    shortened.push(0, 0)
  }
  return Uint8Array.from([...shortened, ...rdata.subarray(-serialFromEnd)])
}

/** Where in two names, both in lower case, the longest end begins that they share; undefined: only the root. */
function commonEnd(name: Uint8Array, origin: Uint8Array): OriginPointer | undefined {
  for (let end = name; end[0] !== 0; end = parentOf(end)) {
    for (let rest = origin; rest[0] !== 0; rest = parentOf(rest)) {
      if (end.length !== rest.length || !end.every((octet, index) => octet === rest[index]))
        continue
      return { at: name.length - end.length, past: origin.length - rest.length }
    }
  }
  return undefined
}

function parentOf(name: Uint8Array): Uint8Array {
  return name.subarray(name[0]! + 1)
}

function countLabels(name: Uint8Array): number {
  let count = 0
  for (let rest = name; rest[0] !== 0; rest = parentOf(rest)) count++
  return count
}

function formatTime(epochSeconds: number): string {
  return new Date(epochSeconds * 1000).toISOString().replace('.000', '')
}
