// The fast path against the general one: every query that it accepts is read the same by parseQuery and
// parseEntryName, and it accepts the usual ones. FUZZ_RUNS sets the runs of each property (1000); FUZZ_SEED repeats a
// failure.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EntryName, parseEntryName } from '../../src/dns/entry-name.ts'
import { readUsualQuery } from '../../src/dns/fast-path.ts'
import { equalsAt, foldName } from '../../src/dns/name.ts'
import { parseQuery, Query } from '../../src/dns/query.ts'
import { octetsOf } from '../../src/dns/wire.ts'
import { mutated, spoilt, wellFormed } from '../support/dns-arbitraries.ts'
import { buildQuery, reversed, types, wireName } from '../support/dns-query.ts'
import { subjectZone } from '../support/dns-subject.ts'
import fc from '../support/properties.ts'

const { FUZZ_RUNS: runs = '1000', FUZZ_SEED: seed } = process.env
const parameters = {
  numRuns: Number(runs),
  ...(seed === undefined ? {} : { seed: Number(seed) }),
}
const origin = foldName(wireName(subjectZone.origin))
const originLabels = subjectZone.origin.split('.').length

/** Compares both ways; returns what the fast path did. */
function compare(query: Uint8Array): 0 | 4 | 6 {
  const octets = octetsOf(query)
  if (octets.length < 12 || (octets[2] ?? 0) >= 0x80) return 0
  const usual = { query: new Query(), entry: new EntryName() }
  // Leftovers of an earlier query.
  const left = { isPresent: true, version: 1, cookieLength: 8, wantsNsid: true }
  Object.assign(usual.query.edns, left)
  const family = readUsualQuery(octets, octets.length, origin, usual.query, usual.entry)
  if (family === 0) return 0
  const general = { query: new Query(), entry: new EntryName() }
  assert.equal(parseQuery(octets, octets.length, general.query), true, 'well-formed')
  const { labels, labelCount, edns, ...fields } = general.query
  const { labels: _, labelCount: __, edns: usualEdns, ...usualFields } = usual.query
  assert.deepEqual(usualFields, fields)
  // The cookie's position means nothing if there is no cookie.
  if (edns.cookieLength === 0) usualEdns.cookieAt = edns.cookieAt
  assert.deepEqual(usualEdns, edns)
  const below = labelCount - originLabels
  const originAt = fields.questionEnd - 4 - origin.name.length
  assert.equal(labels[below], originAt)
  assert.ok(equalsAt(octets, originAt, origin))
  assert.equal((octets[2] ?? 0) & 0xf8, 0, 'a query')
  assert.equal(below, family === 4 ? 4 : 32)
  parseEntryName(octets, labels, below, general.entry)
  const { isIPv4, isIPv6, ipv4, ipv6 } = general.entry
  assert.deepEqual([isIPv4, isIPv6], [family === 4, family === 6])
  if (family === 4) assert.equal(usual.entry.ipv4, ipv4)
  else assert.deepEqual(usual.entry.ipv6, ipv6)
  assert.deepEqual(
    [usual.entry.isIPv4, usual.entry.isIPv6],
    [isIPv4, isIPv6],
    'the families it may stand for',
  )
  return family
}

const address = fc.oneof(
  fc
    .ipV4()
    // An address of single digits could also begin an IPv6 address, so the fast path leaves it.
    .filter((text) => text.length > 7)
    .map((text) => reversed(text)),
  fc
    .array(fc.constantFrom(...'0123456789abcdefABCDEF'), { minLength: 32, maxLength: 32 })
    .map((nibbles) => nibbles.join('.')),
)
const usual = fc
  .record({
    address,
    zone: fc.constantFrom(subjectZone.origin, subjectZone.origin.toUpperCase()),
    type: fc.constantFrom(...Object.values(types)),
    id: fc.integer({ min: 0, max: 65_535 }),
    edns: fc.option(
      fc.record({
        payload: fc.integer({ min: 0, max: 65_535 }),
        flags: fc.constantFrom(0, 0x8000),
        version: fc.constantFrom(0, 1),
        options: fc.constantFrom(
          [],
          [{ code: 3, data: [] }],
          [{ code: 10, data: [1, 2, 3, 4, 5, 6, 7, 8] }],
        ),
      }),
    ),
  })
  .map(({ address: name, zone, type, id, edns }) =>
    buildQuery(`${name}.${zone}`, type, edns === null ? { id } : { id, edns }),
  )

test('usual queries are taken, and read as in general', () => {
  fc.assert(
    fc.property(usual, (query) => {
      assert.notEqual(compare(query), 0)
    }),
    parameters,
  )
})

test('what may be of both families is left to the general way', () => {
  assert.equal(compare(buildQuery(`1.2.3.4.${subjectZone.origin}`, types.A)), 0)
})

test('usual queries that were spoilt', () => {
  fc.assert(
    fc.property(spoilt(usual), (query) => {
      compare(query)
    }),
    parameters,
  )
})

test('any other query', () => {
  fc.assert(
    fc.property(fc.oneof(wellFormed, mutated), (query) => {
      compare(query)
    }),
    parameters,
  )
})

test('one octet wrong anywhere: read as in general, or left to it', () => {
  for (const name of ['1.22.133.254', '2001:db8:1:2:0:0:0:9']) {
    const query = buildQuery(`${reversed(name)}.${subjectZone.origin}`, types.A, { edns: {} })
    let taken = 0
    for (let at = 0; at < query.length; at++) {
      for (let octet = 0; octet < 256; octet++) {
        const changed = Buffer.from(query)
        changed[at] = octet
        if (compare(changed) !== 0) taken++
      }
      assert.equal(compare(query.subarray(0, at)), 0, `cut to ${at}`)
    }
    assert.ok(taken > query.length, 'and what changes nothing is taken')
  }
})
