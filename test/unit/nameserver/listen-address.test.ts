// Addresses to listen on, as the configuration writes them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatListenAddress, parseListenAddress } from '../../../src/nameserver/addresses.ts'

test('IPv4 and IPv6, there and back', () => {
  assert.deepEqual(parseListenAddress('127.0.0.1:5300'), {
    family: 4,
    host: '127.0.0.1',
    port: 5300,
  })
  assert.deepEqual(parseListenAddress('[2001:db8::1]:0'), {
    family: 6,
    host: '2001:db8::1',
    port: 0,
  })
  for (const text of ['0.0.0.0:53', '[::]:53', '[::ffff:192.0.2.1]:65535']) {
    assert.equal(formatListenAddress(parseListenAddress(text)), text)
  }
})

test('anything else is refused by name', () => {
  const wrong = ['', 'localhost:53', '127.0.0.1', '::1:53', '[127.0.0.1]:53', '1.2.3:53', '[::1]']
  for (const text of [...wrong, '127.0.0.1:65536', '127.0.0.1:-1', '[fe80::1%eth0]:53', '*:53']) {
    assert.throws(() => parseListenAddress(text), {
      code: 'address-unavailable',
      message: `${text}: expected IPV4:PORT or [IPV6]:PORT to listen on`,
    })
  }
})
