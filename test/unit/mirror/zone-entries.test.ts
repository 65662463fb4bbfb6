// A list → the names of its zone → a mirror's entries: they answer every full name as the list does.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codesOf, kindsOfCodes } from '../../../src/blocklist/zone-entry.ts'
import { type ZoneItem, ZoneRecords } from '../../../src/blocklist/zone-records.ts'
import { parseTxtTemplate, putText } from '../../../src/dns/txt-template.ts'
import { octetsOf } from '../../../src/dns/wire.ts'
import {
  type Address,
  addressBits,
  contains,
  formatAddress,
  formatPrefix,
  networkOf,
  type Prefix,
  parsePrefix,
} from '../../../src/ip/address.ts'
import { NetworkReader, prefixOfName } from '../../../src/mirror/received-names.ts'
import { entriesOf, type ListedName, type MirrorEntry } from '../../../src/mirror/zone-entries.ts'
import { comparePrefixes } from '../../../src/store/packed-entries.ts'
import fc from '../../support/properties.ts'

const text = 'Listed: {ip}, see https://bl.test.example/?ip={ip}'
const reader = new NetworkReader(text)

function prefix(written: string): Prefix {
  const parsed = parsePrefix(written)
  assert.ok('value' in parsed, written)
  return parsed.value
}

/** The TXT record's data that names the network. */
function rdataOf({ family, w0, w1, w2, w3 }: Address): Uint8Array {
  const octets = octetsOf(new Uint8Array(256))
  return octets.slice(0, putText(octets, 0, parseTxtTemplate(text), family, w0, w1, w2, w3))
}

function namesOf(items: readonly ZoneItem[]): ListedName[] {
  const names: ListedName[] = []
  const records = new ZoneRecords(({ owner, kinds, network }) => {
    const found = prefixOfName(owner.split('.'))
    assert.ok(found !== undefined && found !== 'both', owner)
    const networkLength = reader.networkLength(rdataOf(network), found)
    assert.ok(networkLength !== undefined, owner)
    names.push({ prefix: found, codes: codesOf(kinds), networkLength })
  })
  for (const item of items.toSorted((a, b) => comparePrefixes(a.prefix, b.prefix))) {
    records.add(item)
  }
  records.end()
  return names.sort((a, b) => comparePrefixes(a.prefix, b.prefix))
}

function mirrored(items: readonly ZoneItem[]): MirrorEntry[] {
  return entriesOf(namesOf(items), 10_000)
}

function shown(items: readonly ZoneItem[]): string[] {
  return mirrored(items).map(
    ({ prefix, codes }) => `${codes === 0 ? '!' : ''}${formatPrefix(prefix)}`,
  )
}

/** What the longest prefix that contains the address says. */
function answer(items: readonly ZoneItem[], address: Address): string {
  const [longest] = items
    .filter((item) => contains(item.prefix, address))
    .toSorted((a, b) => b.prefix.length - a.prefix.length)
  if (!longest || longest.kinds === null) return 'none'
  return `${longest.kinds} ${formatAddress(longest.prefix)}`
}

test('a listing comes back as it was', () => {
  for (const each of [
    '192.0.2.7/32',
    '198.51.100.0/25',
    '198.51.0.0/20',
    '2.6.0.0/16',
    '2001:db8::/33',
  ])
    assert.deepEqual(shown([{ prefix: prefix(each), kinds: 1 }]), [each])
})

test('a hole in a listing comes back as an exclusion', () => {
  const items = [
    { prefix: prefix('198.51.0.0/16'), kinds: 0 },
    { prefix: prefix('198.51.100.7/32'), kinds: null },
    { prefix: prefix('198.51.100.128/25'), kinds: null },
    { prefix: prefix('198.51.100.130/32'), kinds: 2 },
  ]
  assert.deepEqual(shown(items).slice(0, 3), [
    '198.51.0.0/16',
    '!198.51.100.7/32',
    '!198.51.100.128/31',
  ])
})

test('a name that is no address of one family is none', () => {
  for (const name of ['7.2.0', '256.2.0.192', '07.2.0.192', '*', '*.1.2.0.192', 'ns1', 'g.2.0.192'])
    assert.equal(prefixOfName(name.split('.')), undefined, name)
  assert.equal(prefixOfName(['*', '6', '2']), 'both')
})

test('a text that does not name a network around the address is refused', () => {
  const host = prefix('192.0.2.7/32')
  assert.equal(reader.networkLength(rdataOf(prefix('192.0.2.0/24')), host), 29)
  for (const other of ['192.0.3.0/24', '192.0.2.8/32', '2001:db8::/32'])
    assert.equal(reader.networkLength(rdataOf(prefix(other)), host), undefined)
  assert.equal(reader.networkLength(Buffer.from('\x06Listed'), host), undefined)
})

/** Prefixes close to each other, so that they lie inside one another, with few or many digits. */
const nearPrefix = fc
  .record({
    family: fc.constantFrom(4 as const, 6 as const),
    base: fc.constantFrom(0x0206_0300, 0xc633_6400, 0x2001_0db8, 0x0a00_0000),
    low: fc.integer({ min: 0, max: 0xffff }),
    longer: fc.integer({ min: 0, max: 0xffff_ffff }),
    length: fc.integer({ min: 12, max: 32 }),
    more: fc.constantFrom(0, 0, 1, 4, 13, 32, 95, 96),
  })
  .map(({ family, base, low, longer, length, more }) => {
    const w0 = (base ^ low) >>> 0
    return family === 4
      ? networkOf({ family, w0, w1: 0, w2: 0, w3: 0 }, length)
      : networkOf({ family, w0, w1: longer, w2: 0, w3: low }, length + more)
  })

test('a mirror of any list answers as the list does', () => {
  const item = fc.record({
    prefix: nearPrefix,
    kinds: fc.option(fc.integer({ min: 0, max: 3 }), { nil: null, freq: 3 }),
  })
  const several = fc.uniqueArray(item, {
    maxLength: 9,
    selector: (each) => formatPrefix(each.prefix),
  })
  const runs = Number(process.env['FUZZ_RUNS'] ?? 150)
  fc.assert(
    fc.property(several, fc.array(fc.nat(255), { minLength: 8, maxLength: 8 }), (items, ends) => {
      const entries = mirrored(items)
      const asItems = entries.map(({ prefix, codes }) => ({
        prefix,
        kinds: codes === 0 ? null : kindsOfCodes(codes),
      }))
      const keys = entries.map((each) => formatPrefix(each.prefix))
      assert.equal(new Set(keys).size, keys.length)
      for (const { prefix } of [...items, ...asItems]) {
        for (const address of probes(prefix, ends)) {
          assert.equal(answer(asItems, address), answer(items, address), formatAddress(address))
        }
      }
    }),
    { numRuns: runs },
  )
})

/** Addresses at the edges of a prefix, beside it, and in it. */
function probes(prefix: Prefix, ends: readonly number[]): Address[] {
  const bits = BigInt(addressBits(prefix.family))
  const first = numberOf(prefix)
  const size = 2n ** (bits - BigInt(prefix.length))
  const inside = ends.map((each) => first + (size * BigInt(each)) / 256n)
  return [first, first - 1n, first + size - 1n, first + size, ...inside]
    .filter((each) => each >= 0n && each < 2n ** bits)
    .map((each) => addressAt(prefix.family, each))
}

function numberOf({ family, w0, w1, w2, w3 }: Address): bigint {
  if (family === 4) return BigInt(w0)
  return [w0, w1, w2, w3].reduce((sum, word) => (sum << 32n) | BigInt(word), 0n)
}

function addressAt(family: 4 | 6, value: bigint): Address {
  const word = (shift: bigint): number => Number((value >> shift) & 0xffff_ffffn)
  return family === 4
    ? { family, w0: word(0n), w1: 0, w2: 0, w3: 0 }
    : { family, w0: word(96n), w1: word(64n), w2: word(32n), w3: word(0n) }
}
