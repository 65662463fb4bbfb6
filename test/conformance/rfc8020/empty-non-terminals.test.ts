// RFC 8020: NXDOMAIN says that nothing is below, so a partial name over anything listed must not get it. RFC 9156
// resolvers ask exactly these names, one label more each time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useSubject } from '../../support/conformance.ts'
import { rcodes, reversed, types } from '../../support/dns-query.ts'
import { ask } from '../../support/dns-subject.ts'

const subject = useSubject()

async function assertEmpty(name: string): Promise<void> {
  for (const type of [types.A, types.NS, types.TXT]) {
    const response = await ask(subject, name, type)
    assert.equal(response.rcode, rcodes.NOERROR, name)
    assert.equal(response.packet.answers.length, 0, name)
    assert.ok(response.soa, name)
    assert.equal(response.isAuthoritative, true, name)
  }
}

async function assertAbsent(name: string): Promise<void> {
  const response = await ask(subject, name, types.A)
  assert.equal(response.rcode, rcodes.NXDOMAIN, name)
  assert.ok(response.soa, name)
}

/** Every name on the way from the apex to an address, the full one not included. */
function partialNames(address: string): string[] {
  const labels = reversed(address).split('.')
  return labels.slice(1).map((_, index) => labels.slice(index + 1).join('.'))
}

for (const address of ['127.0.0.2', '192.0.2.1', '198.51.100.77', '203.0.113.70', '10.21.200.3']) {
  test(`§2: no partial name above ${address} is denied`, async () => {
    for (const name of partialNames(address)) await assertEmpty(name)
  })
}

for (const address of [
  '0:0:0:0:0:ffff:7f00:2',
  '2001:db8:1:2:3333:4444:5555:6666',
  '2001:db8:9abc:0:0:0:0:1',
  '2620:0:860:0:0:0:0:1',
]) {
  test(`§2: no partial name above ${address} is denied`, async () => {
    for (const name of partialNames(address)) await assertEmpty(name)
  })
}

test('a partial name with nothing listed below it does not exist', async () => {
  for (const name of ['126', '1.0.127', '3.0.192', '9', '19.10', '22.10', '101.51.198']) {
    await assertAbsent(name)
  }
  const unlisted = partialNames('2001:db8:a000:0:0:0:0:0')
  for (const name of unlisted.slice(0, 23)) await assertAbsent(name)
  await assertEmpty(unlisted.at(23) ?? '')
})

test('a partial name over nothing but exempt addresses does not exist', async () => {
  await assertAbsent('16.172')
  await assertAbsent('0.16.172')
  await assertAbsent('172')
})

test('one to four single-digit labels are IPv4 and IPv6 at once', async () => {
  // 2.6.2.0 and 2.6.2/24 are not listed, 2620::/16 has something below.
  await assertEmpty('0.2.6.2')
  await assertEmpty('2.6.2')
  await assertEmpty('6.2')
  await assertEmpty('2')
  // Neither 1.6.2.0 nor 2.6.1::/12 … has.
  await assertAbsent('0.1.6.2')
  await assertAbsent('1.6.2')
})

test('labels above the zone’s own names, and not beside them', async () => {
  await assertEmpty('deep')
  await assertAbsent('x.deep')
  await assertAbsent('deep.deep')
  await assertAbsent('x.ns1')
  await assertAbsent('x._status')
})

test('the names below a full address name are denied with it', async () => {
  await assertAbsent(`1.${reversed('2001:db8:1:2:0:0:0:1')}`)
  await assertAbsent(`1.${reversed('192.0.2.1')}`)
})
