// The guess at the address of a query: right for what it is made for, harmless for all else.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { previewAddress } from '../../../src/dns/preview.ts'
import { buildQuery, reversed, types } from '../../support/dns-query.ts'

/** Family and words of a guess. */
function guess(query: Buffer, length = query.length): number[] {
  const words = new Int32Array(4).fill(-1)
  const family = previewAddress(query, length, words, 1)
  assert.deepEqual([...words.subarray(0, 2)], [-1, -1], 'only its own place is written')
  return [family, (words[2] ?? 0) >>> 0, (words[3] ?? 0) >>> 0]
}

test('an IPv4 name is guessed right', () => {
  for (const [address, word] of [
    ['192.0.2.1', 0xc0000201],
    ['0.0.0.0', 0],
    ['255.255.255.255', 0xffffffff],
    ['1.22.133.4', 0x01168504],
  ] as const) {
    const query = buildQuery(`${reversed(address)}.bl.test.example`, types.A)
    assert.deepEqual(guess(query), [4, word, 0], address)
  }
})

test('an IPv6 name is guessed right, in either case', () => {
  for (const [address, w0, w1] of [
    ['2001:db8:1:2:0:0:0:9', 0x20010db8, 0x00010002],
    ['FEDC:BA98:7654:3210:0:0:0:0', 0xfedcba98, 0x76543210],
    ['0:0:0:0:ffff:ffff:ffff:ffff', 0, 0],
  ] as const) {
    const query = buildQuery(`${reversed(address)}.bl.test.example`, types.A)
    assert.deepEqual(guess(query), [6, w0, w1], address)
  }
})

test('what is no address gives some words, and nothing past the query is read', () => {
  const long = buildQuery(`${'x'.repeat(63)}.${'y'.repeat(63)}`, types.A)
  const ones = Buffer.alloc(76, 1)
  for (const query of [
    long,
    ones,
    Buffer.alloc(0),
    Buffer.alloc(12, 0xff),
    Buffer.alloc(40, 0xff),
  ]) {
    const followed = Buffer.concat([query, Buffer.alloc(300, 0x39)])
    const zeros = Buffer.concat([query, Buffer.alloc(300)])
    assert.deepEqual(guess(followed, query.length), guess(zeros, query.length))
  }
})
