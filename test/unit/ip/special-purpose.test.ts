import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPrefix, parsePrefix } from '../../../src/ip/address.ts'
import { specialPurposeRange, specialRanges } from '../../../src/ip/special-purpose.ts'

function special(text: string, ...allowed: string[]): string | undefined {
  const range = specialPurposeRange(prefix(text), allowed.map(prefix))
  return range && formatPrefix(range.prefix)
}

function prefix(text: string) {
  const parsed = parsePrefix(text)
  assert.ok('value' in parsed, text)
  return parsed.value
}

test('an address inside a special-purpose range is found, and a prefix that contains one', () => {
  assert.equal(special('10.1.2.3'), '10.0.0.0/8')
  assert.equal(special('192.0.0.0/16'), '192.0.0.0/24')
  assert.equal(special('239.1.1.1'), '224.0.0.0/4')
  assert.equal(special('ff02::1'), 'ff00::/8')
  assert.equal(special('fd00::/64'), 'fc00::/7')
  assert.equal(special('::ffff:8.8.8.8'), '::ffff:0:0/96')
})

test('public addresses are in none', () => {
  for (const text of [
    '8.8.8.8',
    '9.9.9.0/24',
    '100.128.0.0/16',
    '2a00:1450:4001::/48',
    '2620:fe::fe',
  ]) {
    assert.equal(special(text), undefined, text)
  }
})

test('an allowed range opens itself, what lies in it and what contains it alone', () => {
  assert.equal(special('198.51.100.7', '198.51.100.0/24'), undefined)
  assert.equal(special('198.51.0.0/16', '198.51.100.0/24'), undefined)
  assert.equal(special('203.0.113.1', '198.51.100.0/24'), '203.0.113.0/24')
  assert.equal(special('10.1.0.0/16', '10.1.0.0/16'), undefined)
  assert.equal(special('10.2.0.0/16', '10.1.0.0/16'), '10.0.0.0/8')
})

test('every range of the data file names its source', () => {
  assert.ok(specialRanges.length >= 30)
  for (const range of specialRanges) assert.match(range.source, /^RFC \d+/)
})
