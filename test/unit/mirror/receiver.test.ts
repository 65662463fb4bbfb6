// The records of a response → the next zone: whole, or by differences, which must give what the whole zone gives. Whatever is
// not a response of backscatterd gives a fault, and the zone before stays as it was.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeNumbers } from '../../../src/blocklist/zone-entry.ts'
import { type ZoneItem, ZoneRecords } from '../../../src/blocklist/zone-records.ts'
import { parseTxtTemplate, putText } from '../../../src/dns/txt-template.ts'
import { octetsOf } from '../../../src/dns/wire.ts'
import { statusText } from '../../../src/dns/zone.ts'
import { formatPrefix, networkOf } from '../../../src/ip/address.ts'
import { type MirroredZone, type Progress, Receiver } from '../../../src/mirror/mirrored-zone.ts'
import { NetworkReader } from '../../../src/mirror/received-names.ts'
import { type ReceivedRecord, readAnswers } from '../../../src/mirror/records.ts'
import { comparePrefixes } from '../../../src/store/packed-entries.ts'
import { types, wireName } from '../../support/dns-query.ts'
import fc from '../../support/properties.ts'

const origin = 'bl.test.example'
const text = 'Listed: {ip}'
const options = {
  origin: wireName(origin),
  networks: new NetworkReader(text),
  maxNames: 100_000,
}

function record(owner: string, type: number, rdata: readonly number[]): ReceivedRecord {
  const name = owner === '' ? origin : `${owner}.${origin}`
  return { owner: wireName(name), type, ttl: 300, rdata: Uint8Array.from(rdata) }
}

function soa(serial: number): ReceivedRecord {
  const numbers = [serial, 900, 300, 604_800, 300].flatMap((each) => [
    each >>> 24,
    (each >>> 16) & 255,
    (each >>> 8) & 255,
    each & 255,
  ])
  return record('', types.SOA, [...wireName('ns1.test'), ...wireName('root.test'), ...numbers])
}

function status(serial: number): ReceivedRecord {
  const words = statusText({
    serial,
    ipv4Entries: 1,
    ipv6Entries: 1,
    generatedAt: serial,
    validUntil: serial + 60,
  })
  return record('_status', types.TXT, [words.length, ...Buffer.from(words)])
}

/** Everything of a zone but its SOA record. */
function contentOf(serial: number, items: readonly ZoneItem[]): ReceivedRecord[] {
  const records = [record('', types.NS, [...wireName('ns1.test')]), status(serial)]
  const zone = new ZoneRecords(({ owner, kinds, network: { family, w0, w1, w2, w3 } }) => {
    const octets = octetsOf(new Uint8Array(256))
    const end = putText(octets, 0, parseTxtTemplate(text), family, w0, w1, w2, w3)
    for (const code of codeNumbers(kinds)) records.push(record(owner, types.A, [127, 0, 0, code]))
    records.push(record(owner, types.TXT, [...octets.subarray(0, end)]))
  })
  for (const item of items.toSorted((a, b) => comparePrefixes(a.prefix, b.prefix))) zone.add(item)
  zone.end()
  return records
}

function whole(serial: number, items: readonly ZoneItem[]): ReceivedRecord[] {
  return [soa(serial), ...contentOf(serial, items), soa(serial)]
}

function receive(before: MirroredZone | undefined, records: readonly ReceivedRecord[]): Progress {
  return new Receiver(options, before).take(records)
}

function zoneOf(progress: Progress): MirroredZone {
  assert.ok(typeof progress === 'object' && 'zone' in progress, JSON.stringify(progress))
  return progress.zone
}

function shown({ own, ...zone }: MirroredZone): object {
  const texts = own.map(({ owner, type, rdata }) => `${owner} ${type} ${rdata}`)
  const ttl = zone.names.length > 0 ? zone.ttl : 0
  return { ...zone, ttl, own: texts.toSorted(), names: zone.names.map((each) => ({ ...each })) }
}

/** The records that stand in one list and not in the other. */
function without(records: readonly ReceivedRecord[], others: readonly ReceivedRecord[]) {
  const known = new Set(others.map(({ owner, type, rdata }) => `${owner} ${type} ${rdata}`))
  return records.filter(({ owner, type, rdata }) => !known.has(`${owner} ${type} ${rdata}`))
}

const item = fc.record({
  prefix: fc
    .record({
      family: fc.constantFrom(4 as const, 6 as const),
      w0: fc.constantFrom(0xc633_6400, 0xc633_6480, 0xc633_6407, 0xc633_0000, 0x2001_0db8),
      length: fc.integer({ min: 16, max: 32 }),
    })
    .map(({ family, w0, length }) => networkOf({ family, w0, w1: 0, w2: 0, w3: 0 }, length)),
  kinds: fc.option(fc.integer({ min: 0, max: 31 }), { nil: null, freq: 4 }),
})
const list = fc.uniqueArray(item, { maxLength: 5, selector: (each) => formatPrefix(each.prefix) })

test('differences give what the whole zone gives, over several serials at once', () => {
  fc.assert(
    fc.property(list, list, list, (first, second, third) => {
      const before = zoneOf(receive(undefined, whole(1, first)))
      const frozen = shown(before)
      const [one, two, three] = [first, second, third].map((items, index) =>
        contentOf(index + 1, items),
      )
      assert.ok(one && two && three)
      const after = receive(before, [
        soa(3),
        ...[soa(1), ...without(one, two), soa(2), ...without(two, one)],
        ...[soa(2), ...without(two, three), soa(3), ...without(three, two)],
        soa(3),
      ])
      assert.deepEqual(shown(zoneOf(after)), shown(zoneOf(receive(undefined, whole(3, third)))))
      assert.deepEqual(shown(before), frozen)
    }),
    { numRuns: 100 },
  )
})

const some = [
  { prefix: networkOf({ family: 4, w0: 0xc633_6407, w1: 0, w2: 0, w3: 0 }, 32), kinds: 1 },
]
const known = zoneOf(receive(undefined, whole(7, some)))

test('one SOA record with our serial says that nothing is newer', () => {
  assert.equal(receive(known, [soa(7)]), 'current')
  assert.equal(receive(known, [soa(8)]), 'more')
})

const content = contentOf(8, some)
const nonsense: Readonly<Record<string, readonly [RegExp, readonly ReceivedRecord[]]>> = {
  'a serial that goes back': [/older/, whole(6, some)],
  'no SOA record first': [/first record/, content],
  'another zone': [/another zone/, [{ ...soa(8), owner: wireName('other.example') }]],
  'a name of another zone': [
    /another zone/,
    [soa(8), { ...status(8), owner: wireName('a.other.example') }, soa(8)],
  ],
  'two SOA records that differ': [/differ/, [soa(8), ...content, soa(9)]],
  'records after the end': [/after the last/, [...whole(8, some), status(8)]],
  'no _status': [/_status/, [soa(8), ...content.slice(2), soa(8)]],
  'a TXT record of another text': [
    /zone\.text/,
    [soa(8), status(8), record('7.100.51.198', types.TXT, [2, 0x61, 0x62]), soa(8)],
  ],
  'a name without TXT': [
    /lacks/,
    [soa(8), status(8), record('7.100.51.198', types.A, [127, 0, 0, 2]), soa(8)],
  ],
  'an address outside 127.0.0.0/24': [
    /no listing/,
    [soa(8), status(8), record('7.100.51.198', types.A, [192, 0, 2, 1]), soa(8)],
  ],
  'a wildcard of both families': [
    /IPv4 and IPv6/,
    [soa(8), status(8), record('*.6.2', types.A, [127, 0, 0, 2]), soa(8)],
  ],
  'a name that comes twice': [
    /together/,
    [soa(8), ...content, status(8), ...content.slice(2), soa(8)],
  ],
  'differences that delete what is not there': [
    /fit|unknown/,
    [soa(8), soa(7), record('9.100.51.198', types.A, [127, 0, 0, 2]), soa(8), soa(8)],
  ],
  'differences that go back': [/back/, [soa(8), soa(7), status(7), soa(6)]],
  'differences that leave half a name': [
    /fit/,
    [soa(8), soa(7), ...content.filter(({ type }) => type === types.TXT).slice(1), soa(8), soa(8)],
  ],
}

for (const [what, [fault, records]] of Object.entries(nonsense)) {
  test(`${what} is a fault`, () => {
    const progress = receive(known, records)
    assert.ok(typeof progress === 'object' && 'fault' in progress, JSON.stringify(progress))
    assert.match(progress.fault, fault)
  })
}

test('more names than allowed are a fault', () => {
  const few = new Receiver({ ...options, maxNames: 2 }, undefined)
  const wide = [
    { prefix: networkOf({ family: 4, w0: 0xc633_6400, w1: 0, w2: 0, w3: 0 }, 25), kinds: 0 },
  ]
  const refused = few.take(whole(8, wide))
  assert.ok(typeof refused === 'object' && 'fault' in refused)
  assert.match(refused.fault, /^it has too many names/)
})

test('records of random octets, and messages of random octets, never throw', () => {
  const octets = fc.uint8Array({ maxLength: 300 })
  const names = fc.constantFrom('', '_status', '7.100.51.198', '*.100.51.198', 'a', '*.6.2')
  const odd = fc.oneof(
    fc.constantFrom(soa(6), soa(7), soa(8), status(8)),
    fc
      .record({ name: names, type: fc.constantFrom(1, 2, 6, 16, 99), rdata: octets })
      .map(({ name, type, rdata }) => record(name, type, [...rdata])),
  )
  fc.assert(
    fc.property(fc.array(odd, { maxLength: 12 }), (records) => {
      receive(known, records)
      receive(undefined, records)
    }),
    { numRuns: 2000 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 12, maxLength: 600 }), fc.nat(3), (message, answers) => {
      message.set([0, 1, 0, answers], 4)
      readAnswers(message)
    }),
    { numRuns: 5000 },
  )
})
