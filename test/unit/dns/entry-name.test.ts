// Labels → the address or partial address that they spell.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EntryName, parseEntryName } from '../../../src/dns/entry-name.ts'
import { maxLabels, readQuestionName } from '../../../src/dns/name.ts'
import { reversed, wireName } from '../../support/dns-query.ts'

const entry = new EntryName()
const labels = new Uint16Array(maxLabels + 1)

function parse(name: string): EntryName {
  const bytes = Buffer.concat([Buffer.alloc(12), wireName(name)])
  const count = readQuestionName(bytes, bytes.length, labels)
  parseEntryName(bytes, labels, count, entry)
  return entry
}

function words({ ipv6 }: EntryName): string {
  return [...ipv6].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join(' ')
}

test('four octets are an IPv4 address, the last label its first octet', () => {
  const { isIPv4, isIPv6, ipv4 } = parse('2.0.0.127')
  assert.deepEqual([isIPv4, isIPv6, ipv4], [true, false, 0x7f000002])
  assert.equal(parse('255.254.253.252').ipv4 >>> 0, 0xfcfdfeff)
})

test('fewer octets are its leading ones', () => {
  assert.equal(parse('0.0.127').ipv4, 0x7f000000)
  assert.equal(parse('127').ipv4, 0x7f000000)
  assert.equal(parse('100.51.198').ipv4 >>> 0, 0xc6336400)
})

test('leading zeros, octets over 255 and other than digits spell no IPv4 address', () => {
  const malformed = ['01', '00', '000', '256', '999', '1000', '1x', 'x1', '-1', '1 ', 'é', '1/2']
  for (const label of malformed) {
    assert.equal(parse(`${label}.0.0.127`).isIPv4, false, label)
    assert.equal(parse(`2.0.0.${label}`).isIPv4, false, label)
  }
  assert.equal(parse('1.2.0.0.127').isIPv4, false, 'five labels')
})

test('32 nibbles are an IPv6 address, in either case', () => {
  const name = reversed('2001:db8:0123:4567:89ab:cdef:0:1')
  for (const spelled of [name, name.toUpperCase()]) {
    const parsed = parse(spelled)
    assert.deepEqual([parsed.isIPv4, parsed.isIPv6], [false, true])
    assert.equal(words(parsed), '20010db8 01234567 89abcdef 00000001')
  }
})

test('fewer nibbles are its leading ones', () => {
  assert.equal(words(parse('8.b.d.0.1.0.0.2')), '20010db8 00000000 00000000 00000000')
  assert.equal(words(parse('f')), 'f0000000 00000000 00000000 00000000')
})

test('one to four single digits are both families', () => {
  const parsed = parse('0.2.6.2')
  assert.deepEqual([parsed.isIPv4, parsed.isIPv6], [true, true])
  assert.equal(parsed.ipv4, 0x02060200)
  assert.equal(words(parsed), '26200000 00000000 00000000 00000000')
})

test('33 nibbles, two digits in one label, and letters past f spell no IPv6 address', () => {
  const name = reversed('2001:db8:0:0:0:0:0:1')
  assert.equal(parse(`0.${name}`).isIPv6, false)
  assert.equal(parse(name.replace('1.0', '10')).isIPv6, false)
  for (const other of ['g', 'G', '@', '`', '/', ':']) {
    assert.equal(parse(`${other}${name.slice(1)}`).isIPv6, false, other)
    assert.equal(parse(`${name.slice(0, -1)}${other}`).isIPv6, false, other)
  }
})
