// RFC 5782: how a DNS blocklist is laid out and what its test entries are.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useSubject } from '../../support/conformance.ts'
import { rcodes, reversed, types } from '../../support/dns-query.ts'
import { ask } from '../../support/dns-subject.ts'

const subject = useSubject()

async function assertListed(address: string, codes: readonly number[]): Promise<void> {
  const response = await ask(subject, reversed(address), types.A)
  assert.equal(response.rcode, rcodes.NOERROR, address)
  assert.deepEqual(
    response.addresses,
    codes.map((code) => `127.0.0.${code}`),
    address,
  )
}

async function assertUnlisted(address: string): Promise<void> {
  for (const type of [types.A, types.TXT]) {
    const response = await ask(subject, reversed(address), type)
    assert.equal(response.rcode, rcodes.NXDOMAIN, address)
    assert.deepEqual(response.packet.answers, [], address)
  }
}

test('§5: 127.0.0.2 is listed, with A and TXT', async () => {
  await assertListed('127.0.0.2', [2])
  const response = await ask(subject, reversed('127.0.0.2'), types.TXT)
  assert.deepEqual(response.texts, ['Listed; see https://test.example/lookup/127.0.0.2'])
})

test('§5: 127.0.0.1 is never listed', () => assertUnlisted('127.0.0.1'))

test('§5: each code has its test entry', async () => {
  for (const code of [3, 4, 5, 6, 7]) await assertListed(`127.0.0.${code}`, [2, code])
})

test('§5: ::FFFF:7F00:2 is listed, ::FFFF:7F00:1 never', async () => {
  await assertListed('0:0:0:0:0:ffff:7f00:2', [2])
  await assertUnlisted('0:0:0:0:0:ffff:7f00:1')
})

test('§2.1: a listed range answers for every address in it, on both edges', async () => {
  await assertListed('192.0.2.0', [2, 3])
  await assertListed('192.0.2.255', [2, 3])
  await assertListed('203.0.113.64', [2])
  await assertListed('203.0.113.95', [2])
  await assertListed('10.20.0.0', [2])
  await assertListed('10.21.255.255', [2])
})

test('§2.1: the addresses beside a listed range do not exist', async () => {
  const beside = ['192.0.1.255', '192.0.3.0', '203.0.113.63', '203.0.113.96', '10.19.255.255']
  for (const address of [...beside, '10.22.0.0']) await assertUnlisted(address)
})

test('an exclusion is a hole, and a longer listing inside it holds', async () => {
  await assertListed('192.0.2.127', [2, 3])
  await assertUnlisted('192.0.2.128')
  await assertUnlisted('192.0.2.191')
  await assertListed('192.0.2.192', [2, 3])
  await assertListed('192.0.2.144', [2, 4])
})

test('an exemption beats listings longer and shorter than it', async () => {
  await assertUnlisted('192.0.2.200')
  await assertListed('192.0.2.201', [2, 3])
  await assertUnlisted('172.16.0.1')
})

test('§2.4: an IPv6 range answers for every address in it, on both edges', async () => {
  await assertListed('2001:db8:1:2:0:0:0:0', [2, 3])
  await assertListed('2001:db8:1:2:ffff:ffff:ffff:ffff', [2, 3])
  await assertUnlisted('2001:db8:1:1:ffff:ffff:ffff:ffff')
  await assertUnlisted('2001:db8:1:3:0:0:0:0')
  await assertUnlisted('2001:db8:1:2:3:0:0:1')
  await assertListed('2001:db8:1:2:4:0:0:1', [2, 3])
})

test('§2.4: an IPv6 range that ends inside a nibble has its edges there', async () => {
  await assertListed('2001:db8:8000:0:0:0:0:0', [2])
  await assertListed('2001:db8:9fff:ffff:ffff:ffff:ffff:ffff', [2])
  await assertListed('2001:db8:8fff:ffff:ffff:ffff:ffff:ffff', [2])
  await assertUnlisted('2001:db8:7fff:ffff:ffff:ffff:ffff:ffff')
  await assertUnlisted('2001:db8:a000:0:0:0:0:0')
})

test('§2.1: the TXT names the network that is listed, the address itself when it is alone', async () => {
  const textOf = async (address: string) =>
    (await ask(subject, reversed(address), types.TXT)).texts.map((text) => text.split('/').at(-1))
  assert.deepEqual(await textOf('192.0.2.33'), ['192.0.2.0'])
  assert.deepEqual(await textOf('203.0.113.90'), ['203.0.113.64'])
  assert.deepEqual(await textOf('198.51.100.77'), ['198.51.100.77'])
  assert.deepEqual(await textOf('2001:db8:1:2:ff00::1'.replace('::', ':0:0:')), ['2001:db8:1:2::'])
})

test('§2.1: A values lie in 127/8 and are never 127.0.0.1', async () => {
  for (const address of ['192.0.2.1', '198.51.100.77', '127.0.0.7', '10.20.30.40']) {
    const { addresses } = await ask(subject, reversed(address), types.A)
    assert.ok(addresses.length > 0, address)
    for (const value of addresses) assert.match(value, /^127\.0\.0\.([2-9]|\d\d+)$/)
  }
})

const malformedNames = {
  'leading zeros': '02.0.0.127',
  'an octet over 255': '256.2.0.192',
  'an octet of four digits': '0002.0.0.127',
  'an octet that is no number': '2x.0.0.127',
  'a hexadecimal octet': '7f.0.0.127',
  'a signed octet': '+2.0.0.127',
  'five octets': '2.2.0.0.127',
  'a label below a listed address': 'x.2.0.0.127',
  'a label below an address that is not listed': 'x.9.0.0.127',
  words: 'random.words.here',
  'mixed case': 'ViRuS.pRoBe',
  '33 nibbles': `0.${reversed('2001:db8:1:2:0:0:0:0')}`,
  'a nibble that is no hexadecimal digit': `g${reversed('2001:db8:1:2:0:0:0:0').slice(1)}`,
  'a nibble of two digits': `0${reversed('2001:db8:1:2:0:0:0:0')}`,
  'an asterisk': '*.2.0.192',
} as const

for (const [fault, name] of Object.entries(malformedNames)) {
  test(`§2.1, §2.4: a name that is no address does not exist: ${fault}`, async () => {
    const response = await ask(subject, name, types.A)
    assert.equal(response.rcode, rcodes.NXDOMAIN)
    assert.equal(response.isAuthoritative, true)
  })
}

test('no string of a TXT exceeds 255 octets', async () => {
  for (const address of ['127.0.0.2', '2001:db8:1:2:0:0:0:1']) {
    const { texts } = await ask(subject, reversed(address), types.TXT)
    assert.equal(texts.length, 1)
    assert.ok((texts[0]?.length ?? 0) <= 255)
  }
})
