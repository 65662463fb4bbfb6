// Client addresses out of text and out of socket addresses, and the networks that stand for them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClientAddress } from '../../../src/dns/query-context.ts'
import { octetsOf } from '../../../src/dns/wire.ts'
import { readClientSockaddr, readClientText } from '../../../src/nameserver/addresses.ts'
import {
  connectionNetwork,
  formatNetwork,
  networkWord0,
  networkWord1,
} from '../../../src/nameserver/client-network.ts'

function fromText(text: string): ClientAddress {
  const address: ClientAddress = { family: 6, w0: 9, w1: 9, w2: 9, w3: 9 }
  readClientText(text, address)
  return address
}

function words({ family, w0, w1, w2, w3 }: ClientAddress): (number | string)[] {
  return [family, ...[w0, w1, w2, w3].map((word) => (word >>> 0).toString(16))]
}

test('text, as Node gives it', () => {
  for (const [text, expected] of [
    ['192.0.2.1', [4, 'c0000201', '0', '0', '0']],
    ['255.255.255.255', [4, 'ffffffff', '0', '0', '0']],
    ['2001:db8:1:2:3:4:5:6', [6, '20010db8', '10002', '30004', '50006']],
    ['2001:db8::6', [6, '20010db8', '0', '0', '6']],
    ['::1', [6, '0', '0', '0', '1']],
    ['::', [6, '0', '0', '0', '0']],
    ['fe80::1%eth0', [6, 'fe800000', '0', '0', '1']],
    ['::ffff:192.0.2.1', [6, '0', '0', 'ffff', 'c0000201']],
  ] as const) {
    assert.deepEqual(words(fromText(text)), expected, text)
  }
})

test('socket addresses, at any offset', () => {
  const address: ClientAddress = { family: 6, w0: 9, w1: 9, w2: 9, w3: 9 }
  const ipv4 = Buffer.from('ffff0200d431c00002010000000000000000', 'hex')
  readClientSockaddr(octetsOf(ipv4).view, 2, 4, address)
  assert.deepEqual(words(address), words(fromText('192.0.2.1')))
  const ipv6 = Buffer.from('0a00d4310000000020010db80001000200030004000500060000000', 'hex')
  readClientSockaddr(octetsOf(ipv6).view, 0, 6, address)
  assert.deepEqual(words(address), words(fromText('2001:db8:1:2:3:4:5:6')))
})

test('connections are counted by IPv4 address and by IPv6 /64', () => {
  const same = (a: string, b: string) =>
    connectionNetwork(fromText(a)) === connectionNetwork(fromText(b))
  assert.equal(same('192.0.2.1', '192.0.2.1'), true)
  assert.equal(same('192.0.2.1', '192.0.2.2'), false)
  assert.equal(same('2001:db8:1:2:3:4:5:6', '2001:db8:1:2::6'), true)
  assert.equal(same('2001:db8:1:2::', '2001:db8:1:3::'), false)
  assert.equal(same('0.0.0.1', '::1'), false)
})

test('limits, counts and logs know /24 and /56 only', () => {
  const network = (text: string) => {
    const address = fromText(text)
    return formatNetwork(address.family, networkWord0(address), networkWord1(address))
  }
  assert.equal(network('192.0.2.77'), '192.0.2.0/24')
  assert.equal(network('2001:db8:1:2ff:3:4:5:6'), '2001:db8:1:200::/56')
  assert.equal(network('2001:db8::1'), '2001:db8::/56')
  assert.equal(network('::1'), '::/56')
})
