// PROXY headers, octet by octet: what names a client, what names none, and what is refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../../src/ip/address.ts'
import { readProxyHeader } from '../../../src/traps/proxy-header.ts'

const signature = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]
const ipv4 = [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x34, 0, 25]
const ipv6 = [
  ...[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7],
  ...[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25],
  ...[0x12, 0x34, 0, 25],
]

function binary(command: number, family: number, rest: number[], length = rest.length): Buffer {
  return Buffer.from([...signature, command, family, length >> 8, length & 255, ...rest])
}

function read(octets: Buffer | string): string {
  const header = readProxyHeader(
    typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets,
  )
  if (header.kind !== 'header') return header.kind
  return `${header.length} ${header.client === null ? 'nobody' : formatAddress(header.client)}`
}

test('version 1 names its client', () => {
  assert.equal(read('PROXY TCP4 192.0.2.1 198.51.100.1 4660 25\r\nEHLO'), '43 192.0.2.1')
  assert.equal(read('PROXY TCP6 2001:db8::7 2001:db8::25 4660 25\r\n'), '45 2001:db8::7')
  assert.equal(read('PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 25\r\n'), '51 192.0.2.1')
  assert.equal(read('PROXY UNKNOWN\r\n'), '15 nobody')
  assert.equal(read('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'), '35 nobody')
})

test('version 2 names its client', () => {
  assert.equal(read(binary(0x21, 0x11, ipv4)), '28 192.0.2.1')
  assert.equal(read(binary(0x21, 0x21, ipv6)), '52 2001:db8::7')
  assert.equal(read(binary(0x21, 0x11, [...ipv4, 3, 0, 4, 1, 2, 3, 4])), '35 192.0.2.1')
  assert.equal(read(binary(0x20, 0x00, [])), '16 nobody')
  assert.equal(read(binary(0x20, 0x11, ipv4)), '28 nobody')
  assert.equal(read(binary(0x21, 0x31, new Array(216).fill(0))), '232 nobody')
})

test('an incomplete header waits for the rest, at every octet', () => {
  for (const whole of [
    Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.1 4660 25\r\n'),
    binary(0x21, 0x21, ipv6),
  ]) {
    for (let length = 0; length < whole.length; length++) {
      assert.equal(read(whole.subarray(0, length)), 'incomplete', `${length} octets`)
    }
    assert.match(read(whole), / 192\.0\.2\.1| 2001:db8::7/)
  }
})

test('what is no sound header is refused at once', () => {
  for (const wrong of [
    'EHLO h.example\r\n',
    'PROXX',
    'PROXY TCP4 2001:db8::7 2001:db8::8 1 25\r\n',
    'PROXY TCP4 192.0.2.1 25\r\n',
    'PROXY TCP4 192.0.2.256 192.0.2.2 1 25\r\n',
    'PROXY TCP5 192.0.2.1 192.0.2.2 1 25\r\n',
    'PROXY UNKNOWNX\r\n',
    `PROXY TCP4 ${'1'.repeat(120)}`,
    binary(0x31, 0x11, ipv4),
    binary(0x22, 0x11, ipv4),
    binary(0x21, 0x11, ipv4.slice(1)),
    binary(0x21, 0x11, ipv4, 65_000),
  ]) {
    assert.equal(read(wrong), 'refused', wrong.toString('latin1'))
  }
})
