import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { test } from 'node:test'
import {
  contains,
  formatAddress,
  formatPrefix,
  networkOf,
  overlaps,
  parseAddress,
  parseGivenAddress,
  parseGivenPrefix,
  parsePrefix,
  sameAddress,
  unmapped,
} from '../../../src/ip/address.ts'
import fc from '../../support/properties.ts'

function prefix(text: string) {
  const parsed = parsePrefix(text)
  assert.ok('value' in parsed, `${text}: ${'why' in parsed ? parsed.why : ''}`)
  return parsed.value
}

test('addresses are read and written in canonical form (RFC 5952)', () => {
  const cases = {
    '192.0.2.1': '192.0.2.1',
    '0.0.0.0': '0.0.0.0',
    '255.255.255.255': '255.255.255.255',
    '2001:DB8:0:0:1:0:0:1': '2001:db8::1:0:0:1',
    '2001:db8:0:1:1:1:1:1': '2001:db8:0:1:1:1:1:1',
    '::': '::',
    '::1': '::1',
    '1:2:3:4:5:6:7::': '1:2:3:4:5:6:7:0',
    '::ffff:192.0.2.1': '::ffff:c000:201',
    'fe80::ffff:ffff:ffff:ffff': 'fe80::ffff:ffff:ffff:ffff',
  }
  for (const [text, canonical] of Object.entries(cases)) {
    const parsed = parseAddress(text)
    assert.ok('value' in parsed, text)
    assert.equal(formatAddress(parsed.value), canonical)
  }
})

test('what is not exactly an address is refused with a reason', () => {
  const wrong = [
    '',
    ' ',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.04',
    '256.1.1.1',
    '1.2.3.4 ',
    '+1.2.3.4',
    '0x1.2.3.4',
    '1.2.3.4%eth0',
    'fe80::1%eth0',
    '[::1]',
    '1::2::3',
    '12345::',
    ':::',
    '::1/',
    '0:0:0:0:0:0:0:0:0',
    '1:2:3:4:5:6:7',
    '::ffff:192.0.2.01',
    'example.org',
    '١.2.3.4',
  ]
  for (const text of wrong) {
    const parsed = parseAddress(text)
    assert.ok('why' in parsed && parsed.why.length > 0, `"${text}" was taken`)
  }
})

test('a prefix keeps its length, and host bits are an error that names the network', () => {
  assert.equal(formatPrefix(prefix('192.0.2.1')), '192.0.2.1/32')
  assert.equal(formatPrefix(prefix('2001:db8::')), '2001:db8::/128')
  assert.equal(formatPrefix(prefix('2001:db8::/33')), '2001:db8::/33')
  assert.equal(formatPrefix(prefix('0.0.0.0/0')), '0.0.0.0/0')
  const wrong = parsePrefix('192.0.2.1/24')
  assert.ok('why' in wrong && wrong.why.includes('192.0.2.0/24'))
  for (const text of [
    '192.0.2.0/33',
    '192.0.2.0/',
    '192.0.2.0/08',
    '::/129',
    '192.0.2.0/-1',
    '192.0.2.0/24/24',
    '/24',
    '::/1e1',
  ]) {
    assert.ok('why' in parsePrefix(text), text)
  }
})

test('containment respects family and length', () => {
  assert.ok(contains(prefix('192.0.2.0/24'), prefix('192.0.2.255')))
  assert.ok(!contains(prefix('192.0.2.0/24'), prefix('192.0.3.0')))
  assert.ok(!contains(prefix('192.0.2.0/24'), prefix('192.0.0.0/16')))
  assert.ok(overlaps(prefix('192.0.2.0/24'), prefix('192.0.0.0/16')))
  assert.ok(contains(prefix('2001:db8::/33'), prefix('2001:db8:7fff::1')))
  assert.ok(!contains(prefix('2001:db8::/33'), prefix('2001:db8:8000::1')))
  assert.ok(!contains(prefix('0.0.0.0/0'), prefix('::1')))
})

test('only an IPv4-mapped address is unmapped', () => {
  assert.equal(formatAddress(unmapped(prefix('::ffff:198.51.100.7'))), '198.51.100.7')
  assert.equal(formatAddress(unmapped(prefix('::fffe:198.51.100.7'))), '::fffe:c633:6407')
})

const anyAddress = fc.oneof(fc.ipV4(), fc.ipV6())

test('any address survives text and back, and its networks contain it', () => {
  fc.assert(
    fc.property(anyAddress, fc.nat(128), (text, anyLength) => {
      const parsed = parseAddress(text)
      assert.ok('value' in parsed)
      const address = parsed.value
      const again = parseAddress(formatAddress(address))
      assert.ok('value' in again && sameAddress(again.value, address))
      const length = Math.min(anyLength, address.family === 4 ? 32 : 128)
      const network = networkOf(address, length)
      assert.ok(contains(network, address))
      const back = parsePrefix(formatPrefix(network))
      assert.ok('value' in back && sameAddress(back.value, network) && back.value.length === length)
    }),
  )
})

test('what is taken is what the platform takes, but for zone ids', () => {
  fc.assert(
    fc.property(
      fc.oneof(anyAddress, fc.string(), fc.stringMatching(/^[0-9a-f:.%/]{0,40}$/)),
      (text) => {
        assert.equal('value' in parseAddress(text), isIP(text) !== 0 && !text.includes('%'))
      },
    ),
    { numRuns: 2000 },
  )
})

test('an IPv4-mapped address or prefix in dotted form is taken as IPv4, one in hexadecimal form is not', () => {
  const addresses = {
    '::ffff:192.0.2.1': '192.0.2.1',
    '::ffff:c000:201': '::ffff:c000:201',
    '::192.0.2.1': '::c000:201',
    '192.0.2.1': '192.0.2.1',
  }
  for (const [text, expected] of Object.entries(addresses)) {
    const parsed = parseGivenAddress(text)
    assert.ok('value' in parsed, text)
    assert.equal(formatAddress(parsed.value), expected)
  }
  const prefixes = {
    '::ffff:192.0.2.1': '192.0.2.1/32',
    '::ffff:192.0.2.1/128': '192.0.2.1/32',
    '::ffff:192.0.2.0/120': '192.0.2.0/24',
    '::ffff:0.0.0.0/96': '0.0.0.0/0',
    '::fffe:0.0.0.0/95': '::fffe:0:0/95',
    '::ffff:c000:201/128': '::ffff:c000:201/128',
    '192.0.2.0/24': '192.0.2.0/24',
  }
  for (const [text, expected] of Object.entries(prefixes)) {
    const parsed = parseGivenPrefix(text)
    assert.ok('value' in parsed, text)
    assert.equal(formatPrefix(parsed.value), expected)
  }
  assert.ok('why' in parseGivenPrefix('::ffff:192.0.2.1/120'))
})
