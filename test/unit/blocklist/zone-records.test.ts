// The records of a zone answer each full name of an address as the list does, by the wildcard rules of RFC 4592.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type NamedAnswer,
  type ZoneItem,
  ZoneRecords,
} from '../../../src/blocklist/zone-records.ts'
import { formatAddress, type Prefix, parsePrefix } from '../../../src/ip/address.ts'
import { comparePrefixes } from '../../../src/store/packed-entries.ts'
import fc from '../../support/properties.ts'

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text)
  assert.ok('value' in parsed, text)
  return parsed.value
}

function recordsOf(items: readonly ZoneItem[]): Map<string, NamedAnswer> {
  const found = new Map<string, NamedAnswer>()
  const records = new ZoneRecords((answer) => {
    assert.ok(!found.has(answer.owner), `${answer.owner} twice`)
    found.set(answer.owner, answer)
  })
  for (const item of items.toSorted((a, b) => comparePrefixes(a.prefix, b.prefix)))
    records.add(item)
  records.end()
  return found
}

/** The items of `prefix: kinds`, kinds -1 for a hole. */
function items(entries: Readonly<Record<string, number>>): ZoneItem[] {
  return Object.entries(entries).map(([text, kinds]) => ({
    prefix: prefix(text),
    kinds: kinds < 0 ? null : kinds,
  }))
}

function owners(entries: Readonly<Record<string, number>>): string[] {
  return [...recordsOf(items(entries)).keys()].sort()
}

test('a network of whole octets is one wildcard, an address one name', () => {
  assert.deepEqual(owners({ '198.51.100.0/24': 0, '192.0.2.7/32': 0 }), [
    '*.100.51.198',
    '7.2.0.192',
  ])
  assert.deepEqual(owners({ '2001:db8::/32': 0 }), ['*.8.b.d.0.1.0.0.2'])
  assert.deepEqual(owners({ '198.51.100.0/23': 0 }), ['*.100.51.198', '*.101.51.198'])
})

test('octets that are also nibbles are never one wildcard: 256, 2,806 and 28,306 names', () => {
  assert.equal(owners({ '1.2.3.0/24': 0 }).length, 256)
  assert.equal(owners({ '1.2.0.0/16': 0 }).length, 2806)
  assert.equal(owners({ '1.0.0.0/8': 0 }).length, 28_306)
  assert.ok(!owners({ '2.6.0.0/16': 0 }).includes('*.6.2'))
})

test('a wildcard stays beside longer listings, and gives way to a hole', () => {
  assert.deepEqual(owners({ '198.51.0.0/16': 0, '198.51.100.7/32': 1 }), [
    '*.100.51.198',
    '*.51.198',
    '7.100.51.198',
  ])
  const around = owners({ '198.51.0.0/16': 0, '198.51.100.7/32': -1 })
  assert.ok(!around.includes('7.100.51.198'))
  assert.ok(!around.includes('*.100.51.198'))
  // A name that exists keeps the wildcard above it away.
  assert.ok(around.includes('*.51.198'))
  assert.equal(around.length, 256)
  assert.ok(!owners({ '198.51.0.0/16': 0, '198.51.100.0/24': -1 }).includes('*.51.198'))
})

/** What a server answers that knows only these records: RFC 1034 §4.3.2, RFC 4592 §3.3.1. */
class WildcardServer {
  readonly #records: ReadonlyMap<string, NamedAnswer>
  readonly #names = new Set([''])

  constructor(records: ReadonlyMap<string, NamedAnswer>) {
    this.#records = records
    for (const owner of records.keys()) {
      for (let name = owner; name !== ''; name = parent(name)) this.#names.add(name)
    }
  }

  answer(name: string): string {
    if (this.#names.has(name)) return shown(this.#records.get(name))
    let encloser = parent(name)
    while (!this.#names.has(encloser)) encloser = parent(encloser)
    const wildcard = encloser === '' ? '*' : `*.${encloser}`
    return this.#names.has(wildcard) ? shown(this.#records.get(wildcard)) : 'NXDOMAIN'
  }
}

function parent(name: string): string {
  const dot = name.indexOf('.')
  return dot < 0 ? '' : name.slice(dot + 1)
}

function shown(answer: NamedAnswer | undefined): string {
  return answer ? `${answer.kinds} ${formatAddress(answer.network)}` : 'NODATA'
}

/** The list's own answer to a full name: that of the longest prefix. */
function expected(all: readonly ZoneItem[], name: string): string {
  const asked = [addressOf(name)]
  const matches = all
    .filter(({ prefix: { family, length, ...words } }) =>
      asked.some((address) => {
        const bits = bitsOf({ family, ...words }).slice(0, length)
        return address.family === family && bitsOf(address).startsWith(bits)
      }),
    )
    .toSorted((a, b) => b.prefix.length - a.prefix.length)
  const [first] = matches
  if (!first || first.kinds === null) return 'none'
  return `${first.kinds} ${formatAddress(first.prefix)}`
}

function addressOf(name: string): Prefix {
  const labels = name.split('.').reverse()
  return labels.length === 4
    ? prefix(labels.join('.'))
    : prefix(labels.join('').replaceAll(/(.{4})(?=.)/g, '$1:'))
}

function bitsOf({ family, w0, w1, w2, w3 }: Omit<Prefix, 'length'>): string {
  const words = family === 4 ? [w0] : [w0, w1, w2, w3]
  return words.map((word) => word.toString(2).padStart(32, '0')).join('')
}

const octet = fc.constantFrom(1, 2, 6, 9, 10, 100, 255)
const nibble = fc.constantFrom('0', '1', '2', '6', '9', 'a', 'f')

const ipv4 = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join('.'))
const ipv6 = fc
  .array(nibble, { minLength: 6, maxLength: 6 })
  .map((digits) => `${digits.slice(0, 4).join('')}:${digits.slice(4).join('')}00::`)

const item = fc
  .oneof(
    fc.tuple(ipv4, fc.integer({ min: 6, max: 32 })),
    fc.tuple(ipv6, fc.oneof(fc.integer({ min: 5, max: 24 }), fc.constantFrom(127, 128))),
  )
  .chain(([address, length]) =>
    fc.record({
      prefix: fc.constant(networkText(address, length)),
      kinds: fc.constantFrom(0, 1, 3, null),
    }),
  )

function networkText(address: string, length: number): Prefix {
  const { family, ...rest } = prefix(address)
  const bits = bitsOf({ family, ...rest })
    .slice(0, length)
    .padEnd(family === 4 ? 32 : 128, '0')
  const words = bits.match(/.{32}/g)?.map((word) => Number.parseInt(word, 2)) ?? []
  return {
    family,
    w0: words[0] ?? 0,
    w1: words[1] ?? 0,
    w2: words[2] ?? 0,
    w3: words[3] ?? 0,
    length,
  }
}

test('every full name gets the answer of the longest prefix, in both families', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(item, {
        selector: ({ prefix: p }) => `${formatAddress(p)}/${p.length}`,
        maxLength: 12,
      }),
      fc.array(fc.oneof(ipv4, ipv6), { minLength: 5, maxLength: 20 }),
      (all, addresses) => {
        const server = new WildcardServer(recordsOf(all))
        const edges = all.flatMap(({ prefix: each }) => [formatAddress(each), lastOf(each)])
        for (const address of [...addresses, ...edges]) {
          const name = nameOf(address)
          const wanted = expected(all, name)
          const got = server.answer(name)
          if (wanted !== 'none') assert.equal(got, wanted, name)
          else
            assert.ok(
              got === 'NXDOMAIN' || (got === 'NODATA' && address.includes('.')),
              `${name}: ${got}`,
            )
        }
      },
    ),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 300) },
  )
})

function nameOf(address: string): string {
  if (address.includes('.')) return address.split('.').reverse().join('.')
  const bits = bitsOf(prefix(address))
  return (bits.match(/.{4}/g) ?? [])
    .map((each) => Number.parseInt(each, 2).toString(16))
    .reverse()
    .join('.')
}

function lastOf({ family, length, ...words }: Prefix): string {
  const bits = bitsOf({ family, ...words })
    .slice(0, length)
    .padEnd(family === 4 ? 32 : 128, '1')
  const parts = bits.match(/.{32}/g)?.map((word) => Number.parseInt(word, 2)) ?? []
  return formatAddress({
    family,
    w0: parts[0] ?? 0,
    w1: parts[1] ?? 0,
    w2: parts[2] ?? 0,
    w3: parts[3] ?? 0,
  })
}
