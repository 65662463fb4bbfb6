// The zone as of its newest publication → its records (RFC 5936 §3), as pages: its own records first, then those of the entries.
// The zone and an earlier serial → the records that differ (RFC 1995 §4).
import { createHash } from 'node:crypto'
import { exportZone, type ZoneExport } from '../blocklist/export.ts'
import type { ZoneChanges } from '../blocklist/zone-changes.ts'
import { codeNumbers } from '../blocklist/zone-entry.ts'
import { answerPages, type NamedAnswer } from '../blocklist/zone-records.ts'
import { parseTxtTemplate, putText, type TxtTemplate } from '../dns/txt-template.ts'
import { octetsOf, put32, types } from '../dns/wire.ts'
import { serialFromEnd, statusText, type ZoneData } from '../dns/zone.ts'
import type { TransferRecord } from './messages.ts'

/** A consistent copy of the zone. Close it after use: until then the database must keep all old pages. */
export interface ZoneContent {
  readonly serial: number
  readonly soa: TransferRecord
  /** All records but the SOA. A page may be empty. */
  readonly pages: Iterable<readonly TransferRecord[]>
  /**
   * Works out the difference from an earlier serial; yields now and then. Returns undefined if the whole zone must be sent.
   * Call it before the pages are read. Missing: the whole zone is always sent.
   */
  difference?(serial: number): Generator<undefined, ZoneDifference | undefined>
  close(): void
}

/** What a copy of the zone with an earlier serial must delete and add. The SOA records are in neither list. */
export interface ZoneDifference {
  /** The SOA record of that copy. */
  readonly soa: TransferRecord
  /** In pages, as the zone's. */
  readonly deleted: Iterable<readonly TransferRecord[]>
  readonly added: Iterable<readonly TransferRecord[]>
}

/**
 * A catalog zone (RFC 9432) has the serial of the list's newest publication, so that it grows over restarts and restores as
 * that does. It is small, so it is always sent whole.
 */
export function openCatalog(path: string, catalog: ZoneData): ZoneContent | undefined {
  const found = exportZone(path)
  if (found === undefined) return undefined
  const { serial } = found.publication
  const { soa, others } = ownRecords(catalog, serial)
  return { serial, soa, pages: [others], close: found.zone.close }
}

/** Opens the zone in the database at `path`. Returns undefined if it cannot be sent now: see `exportZone`. */
export function openZone(path: string, zone: ZoneData): ZoneContent | undefined {
  const found = exportZone(path)
  if (found === undefined) return undefined
  const { publication } = found
  const { soa, others } = ownRecords(zone, publication.serial)
  const own = [...others, statusRecord(publication, zone)]
  return {
    serial: publication.serial,
    soa,
    pages: pagesOf(own, answerPages(found.zone), zone),
    difference: (serial) => differenceSince(serial, found, zone),
    close: found.zone.close,
  }
}

/**
 * Stands for everything in the records that does not come from the list. If it changes, no differences of the list lead from
 * the old records to the new ones.
 */
export function ownRecordsDigest({ records, ttl, text }: ZoneData): string {
  const own = records.map((each) => [hex(each.owner), each.type, each.ttl, hex(each.rdata)])
  const all = JSON.stringify([nameForm, ttl, text, own])
  return createHash('sha256').update(all).digest('base64url')
}

/** Raise it when the same entries get other names or records than before (blocklist/zone-records.ts). */
const nameForm = 1

function hex(octets: Uint8Array): string {
  return Buffer.from(octets).toString('hex')
}

function* differenceSince(
  serial: number,
  { publication, changesSince }: ZoneExport,
  zone: ZoneData,
): Generator<undefined, ZoneDifference | undefined> {
  const changes = yield* changesSince(serial)
  if (changes === undefined) return undefined
  const { from, names } = changes
  return {
    soa: ownRecords(zone, serial).soa,
    deleted: recordsOnlyIn('before', names, statusRecord(from, zone), zone),
    added: recordsOnlyIn('after', names, statusRecord(publication, zone), zone),
  }
}

/** The records that the names have on one side alone, a page for each name; `status` comes first. */
function* recordsOnlyIn(
  side: 'before' | 'after',
  names: ZoneChanges['names'],
  status: TransferRecord,
  zone: ZoneData,
): Generator<readonly TransferRecord[]> {
  yield [status]
  const template = parseTxtTemplate(zone.text)
  const recordsAt = (answer: NamedAnswer | undefined) =>
    answer ? recordsOf(answer, zone, template) : []
  for (const change of names) {
    const others = recordsAt(change[side === 'before' ? 'after' : 'before'])
    yield recordsAt(change[side]).filter(
      (record) => !others.some((other) => isSameRdata(record, other)),
    )
  }
}

/** Compares two records of one name. */
function isSameRdata(a: TransferRecord, b: TransferRecord): boolean {
  return a.type === b.type && Buffer.compare(a.rdata, b.rdata) === 0
}

function statusRecord(publication: ZoneExport['publication'], { ttl }: ZoneData): TransferRecord {
  const rdata = textRdata(statusText(publication))
  return { owner: ['_status'], type: types.TXT, ttl, rdata }
}

function* pagesOf(
  own: readonly TransferRecord[],
  answers: Iterable<readonly NamedAnswer[]>,
  zone: ZoneData,
): Generator<readonly TransferRecord[]> {
  yield own
  const template = parseTxtTemplate(zone.text)
  for (const page of answers) yield page.flatMap((answer) => recordsOf(answer, zone, template))
}

/** The zone's SOA record with this serial. */
export function soaRecord(zone: ZoneData, serial: number): TransferRecord {
  return ownRecords(zone, serial).soa
}

/** The records of the configuration, the SOA with this serial. */
function ownRecords(
  { records, origin }: ZoneData,
  serial: number,
): { readonly soa: TransferRecord; readonly others: readonly TransferRecord[] } {
  const all = records.map(({ owner, type, ttl, rdata }) => ({
    owner: labelsOf(owner.subarray(0, owner.length - origin.length)),
    type,
    ttl,
    rdata,
  }))
  const soa = all.find(({ type }) => type === types.SOA)
  if (soa === undefined) throw new Error('the zone has no SOA record')
  return {
    soa: { ...soa, rdata: withSerial(soa.rdata, serial) },
    others: all.filter((record) => record !== soa),
  }
}

function withSerial(rdata: Uint8Array, serial: number): Uint8Array {
  const copy = rdata.slice()
  put32(copy, copy.length - serialFromEnd, serial)
  return copy
}

function labelsOf(wire: Uint8Array): string[] {
  const labels: string[] = []
  for (let at = 0; at < wire.length; at += (wire[at] ?? 0) + 1) {
    labels.push(Buffer.from(wire.subarray(at + 1, at + 1 + (wire[at] ?? 0))).toString('latin1'))
  }
  return labels
}

function recordsOf(
  { owner, kinds, network }: NamedAnswer,
  { ttl }: ZoneData,
  template: TxtTemplate,
): TransferRecord[] {
  const labels = owner.split('.')
  const addresses = codeNumbers(kinds).map((code) => ({
    owner: labels,
    type: types.A,
    ttl,
    rdata: Uint8Array.of(127, 0, 0, code),
  }))
  const { family, w0, w1, w2, w3 } = network
  const end = putText(textBuffer, 0, template, family, w0, w1, w2, w3)
  return [...addresses, { owner: labels, type: types.TXT, ttl, rdata: textBuffer.slice(0, end) }]
}

/** One character-string and its length. */
const textBuffer = octetsOf(new Uint8Array(256))

function textRdata(text: string): Uint8Array {
  return Uint8Array.of(text.length, ...Buffer.from(text, 'latin1'))
}
