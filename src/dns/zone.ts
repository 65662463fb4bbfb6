// The configured zone → everything that can be prepared before a query comes: RRsets of the zone's own names and of class CH, the
// SOA record of negative answers, and the template of TXT records.
import type { TreeReader } from '../tree/reader.ts'
import { equalsAt, type FoldedName, foldName, skipName } from './name.ts'
import { parseTxtTemplate, type TxtTemplate } from './txt-template.ts'
import { classes, headerLength, type Octets, put16, put32, types, wordsOf } from './wire.ts'

/**
 * A record of one of the zone's own names. `owner` is in wire form, lower case and uncompressed; it is at or under the origin.
 */
interface ZoneRecord {
  readonly owner: Uint8Array
  readonly type: number
  /** Seconds. */
  readonly ttl: number
  /** Wire form. Names in it are not compressed. */
  readonly rdata: Uint8Array
}

/** The configured zone as plain data that can be cloned into a thread. */
export interface ZoneData {
  /** Wire form, lower case. */
  readonly origin: Uint8Array
  /**
   * The SOA record, NS records and zone.records. There is one SOA, at the origin; each answer replaces its serial. No owner is
   * the name of an address.
   */
  readonly records: readonly ZoneRecord[]
  /** Seconds for which a resolver may cache a listing's records. */
  readonly ttl: number
  /** Seconds for which a resolver may cache a negative answer: the SOA's MINIMUM. */
  readonly negativeTtl: number
  /** Template of a listing's TXT record. */
  readonly text: string
  /** The list is closed: the server answers as if nothing were listed, whatever the tree holds. */
  readonly retired: boolean
}

/** An RRset ready to send. Each owner is a compression pointer to the question's name. */
export interface ReadyRrset {
  readonly type: number
  /** The `length` octets of the RRset as words, for putWords. */
  readonly words: Int32Array
  readonly length: number
  readonly count: number
  /** Offset of the serial if this is an SOA record; otherwise -1. */
  readonly serialAt: number
}

/**
 * The SOA record of negative answers. Its pointers to the origin are set for each answer, since the origin's offset in a question
 * varies.
 */
interface NegativeSoa extends ReadyRrset {
  readonly pointers: readonly OriginPointer[]
}

/** A compression pointer. It stands at octet `at` of a record and points to octet `past` of the origin. */
interface OriginPointer {
  readonly at: number
  readonly past: number
}

/** A name of the zone or of class CH that does not spell an address. Without RRsets it is an empty non-terminal. */
export interface OwnName {
  readonly folded: FoldedName
  readonly rrsets: ReadyRrset[]
}

export interface PreparedZone {
  readonly origin: FoldedName
  readonly originLabels: number
  readonly names: readonly OwnName[]
  readonly negativeSoa: NegativeSoa
  /** The TXT RRset of `_status`; it is empty at first and filled again for each version of the tree. */
  readonly status: ReadyRrset
  readonly template: TxtTemplate
}

/** A compression pointer to the question's name (RFC 1035 §4.1.4). */
export const questionPointer = 0xc000 | headerLength

/** Octets of a record before its RDATA, if its owner is a compression pointer. */
export const recordHeaderLength = 12

/** Where the serial stands in the RDATA of an SOA record, counted from its end (RFC 1035 §3.3.13). */
export const serialFromEnd = 20
const statusLabel = [7, ...encodeText('_status')]

/** Prepares everything that does not depend on a query. */
export function prepareZone(zone: ZoneData): PreparedZone {
  const names = new Map<string, OwnName>()
  const nameOf = (wire: Uint8Array): OwnName => {
    const folded = foldName(wire)
    const key = folded.name.join()
    const name = names.get(key) ?? { folded, rrsets: [] }
    names.set(key, name)
    return name
  }
  nameOf(zone.origin)
  const rrsets = Map.groupBy(zone.records, ({ type, owner }) => `${type} ${owner.join()}`)
  for (const [first, ...others] of rrsets.values()) {
    if (first === undefined) continue
    nameOf(first.owner).rrsets.push(readyRrset(first.type, [first, ...others]))
    // Each name between an owner and the origin exists, at least as an empty non-terminal (RFC 4592 §2.2.2).
    for (let name = first.owner; name.length > zone.origin.length; name = parentOf(name))
      nameOf(name)
  }
  const status = readyRrset(types.TXT, [])
  nameOf(Uint8Array.from([...statusLabel, ...zone.origin])).rrsets.push(status)
  return {
    origin: foldName(zone.origin),
    originLabels: countLabels(zone.origin),
    names: [...names.values()],
    negativeSoa: negativeSoaOf(zone),
    status,
    template: parseTxtTemplate(zone.text),
  }
}

/** What the server tells about itself in class CH (RFC 4892). A name whose text is missing or empty is not answered. */
export interface ChaosOptions {
  /** The answer to `version.bind` and `version.server`. */
  readonly version?: string | false
  /** The answer to `id.server` and `hostname.bind`. */
  readonly identity?: string | false
}

/** The names of class CH that have an answer. Texts are cut at 255 octets. */
export function chaosNames({ version, identity }: ChaosOptions): OwnName[] {
  const texts = {
    'version.bind': version,
    'version.server': version,
    'id.server': identity,
    'hostname.bind': identity,
  }
  return Object.entries(texts).flatMap(([name, text]) => {
    if (!text) return []
    const octets = encodeText(text).subarray(0, 255)
    const labels = name.split('.').flatMap((label) => [label.length, ...encodeText(label)])
    const rrset = readyRrset(types.TXT, [ownText(octets, 0)], classes.CH)
    return [{ folded: foldName(Uint8Array.from([...labels, 0])), rrsets: [rrset] }]
  })
}

/** The zone's own name that the question spells in its first `length` octets, or undefined. */
export function findName(
  names: readonly OwnName[],
  query: Octets,
  length: number,
): OwnName | undefined {
  for (let index = 0; index < names.length; index++) {
    const { folded } = names[index]!
    if (folded.name.length === length && equalsAt(query, headerLength, folded)) return names[index]
  }
  return undefined
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

/** The `_status` TXT RRset for the version that the reader has pinned. */
export function readyStatus(version: TreeReader, ttl: number): ReadyRrset {
  return readyRrset(types.TXT, [ownText(encodeText(statusText(version)), ttl)])
}

/** What `_status` tells of a publication. The times, epoch seconds, are shown in the form of RFC 3339. */
export function statusText(
  version: Pick<
    TreeReader,
    'serial' | 'ipv4Entries' | 'ipv6Entries' | 'generatedAt' | 'validUntil'
  >,
): string {
  return [
    `serial=${version.serial}`,
    `entries=${version.ipv4Entries + version.ipv6Entries}`,
    `generated=${formatTime(version.generatedAt)}`,
    `valid-until=${formatTime(version.validUntil)}`,
  ].join(' ')
}

/** A TXT record of one character-string. The owner is empty, since readyRrset does not use it. */
function ownText(text: Uint8Array, ttl: number): ZoneRecord {
  const rdata = Uint8Array.from([text.length, ...text])
  return { owner: new Uint8Array(), type: types.TXT, ttl, rdata }
}

/** The RRset of `type` at a name; its CNAME if it has none of that type (RFC 1034 §3.6.2); else undefined. */
export function rrsetAt(name: OwnName, type: number): ReadyRrset | undefined {
  const { rrsets } = name
  for (let index = 0; index < rrsets.length; index++) {
    const rrset = rrsets[index]!
    // A question of type ANY gets one of the RRsets (RFC 8482 §4.1).
    if (rrset.type === type || rrset.type === types.CNAME || type === types.ANY) return rrset
  }
  return undefined
}

/** Renders the records of one RRset, with a pointer to the question in place of each owner. */
function readyRrset(
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
    bytes.set(rdata, offset + recordHeaderLength)
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
 * The SOA record of negative answers. Its TTL is the smaller of its own TTL and its MINIMUM (RFC 2308 §3). If a name in it ends
 * like the origin, a compression pointer replaces that end (RFC 1035 §3.3.13, §4.1.4).
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

/** Shortens the SOA's RDATA: leaves two octets for each pointer to the origin, and adds the pointer to `pointers`. */
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

/**
 * Where the longest common end of two lower-case names begins: at octet `at` of `name` and octet `past` of `origin`; undefined
 * if only the root is common.
 */
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

function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
