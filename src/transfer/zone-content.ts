// The zone as of its newest publication → its records (RFC 5936 §3), as pages: its own records first, then those of the entries.
import { exportZone } from '../blocklist/export.ts'
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
  close(): void
}

/** Opens the zone in the database at `path`. Returns undefined if it was never published. `now`: epoch seconds. */
export function openZone(path: string, zone: ZoneData, now: number): ZoneContent | undefined {
  const found = exportZone(path, now)
  if (found === undefined) return undefined
  const { publication } = found
  const [soa, ...own] = ownRecords(zone, publication.serial)
  if (soa === undefined) throw new Error('the zone has no SOA record')
  const status: TransferRecord = {
    owner: ['_status'],
    type: types.TXT,
    ttl: zone.ttl,
    rdata: textRdata(statusText(publication)),
  }
  return {
    serial: publication.serial,
    soa,
    pages: pagesOf([...own, status], answerPages(found.zone), zone),
    close: found.zone.close,
  }
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

/** The records of the configuration, the SOA with this serial first. */
function ownRecords({ records, origin }: ZoneData, serial: number): TransferRecord[] {
  return records
    .toSorted((a, b) => Number(b.type === types.SOA) - Number(a.type === types.SOA))
    .map(({ owner, type, ttl, rdata }) => {
      const labels = labelsOf(owner.subarray(0, owner.length - origin.length))
      return {
        owner: labels,
        type,
        ttl,
        rdata: type === types.SOA ? withSerial(rdata, serial) : rdata,
      }
    })
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
