// The guess at the address of a query: right for what it is made for, harmless for all else.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { previewIPv4 } from '../../../src/dns/preview.ts'
import { buildQuery, reversed, types } from '../../support/dns-query.ts'

test('an IPv4 name is guessed right', () => {
  for (const [address, word] of [
    ['192.0.2.1', 0xc0000201],
    ['0.0.0.0', 0],
    ['255.255.255.255', 0xffffffff],
    ['1.22.133.4', 0x01168504],
  ] as const) {
    const query = buildQuery(`${reversed(address)}.bl.test.example`, types.A)
    assert.equal(previewIPv4(query, query.length) >>> 0, word, address)
  }
})

test('an IPv6 name is not taken for an address', () => {
  const query = buildQuery(`${reversed('2001:db8:1:2:0:0:0:9')}.bl.test.example`, types.A)
  assert.equal(previewIPv4(query, query.length), 0)
})

test('what is no IPv4 name gives some word, and nothing past the query is read', () => {
  const long = buildQuery(`${'x'.repeat(63)}.${'y'.repeat(63)}`, types.A)
  for (const query of [long, Buffer.alloc(0), Buffer.alloc(12, 0xff), Buffer.alloc(40, 0xff)]) {
    const followed = Buffer.concat([query, Buffer.alloc(300, 0x39)])
    const zeros = Buffer.concat([query, Buffer.alloc(300)])
    const word = previewIPv4(followed, query.length)
    assert.equal(word, word | 0)
    assert.equal(word, previewIPv4(zeros, query.length))
  }
})
