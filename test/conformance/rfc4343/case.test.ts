// RFC 4343: names match in any mix of cases, and come back as they were asked.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useSubject } from '../../support/conformance.ts'
import { buildQuery, rcodes, reversed, types, wireName } from '../../support/dns-query.ts'
import { absolute, ask, decode, exchangeTcp, exchangeUdp } from '../../support/dns-subject.ts'

const subject = useSubject()

/** Every second letter in upper case: what a resolver that draws 0x20 bits sends. */
function mixed(name: string): string {
  return [...name].map((c, index) => (index % 2 === 0 ? c.toUpperCase() : c)).join('')
}

test('§3: the zone is found in any mix of cases', async () => {
  for (const zone of [subject.zone.toUpperCase(), mixed(subject.zone)]) {
    const response = await ask(subject, `${reversed('127.0.0.2')}.${zone}.`, types.A)
    assert.deepEqual(response.addresses, ['127.0.0.2'])
    assert.equal(response.isAuthoritative, true)
  }
})

test('§3: hexadecimal nibbles in upper case', async () => {
  const name = reversed('2001:db8:1:2:abcd:ef0:0:1')
  for (const spelled of [name.toUpperCase(), mixed(name)]) {
    const response = await ask(subject, spelled, types.A)
    assert.deepEqual(response.addresses, ['127.0.0.2', '127.0.0.3'])
  }
})

test('§3: the zone’s own names in upper case', async () => {
  assert.deepEqual((await ask(subject, 'NS1', types.A)).addresses, ['192.0.2.53'])
})

test('§4.1: the question comes back octet for octet', async () => {
  for (const [name, type] of [
    [reversed('127.0.0.2'), types.A],
    [reversed('127.0.0.9'), types.A],
    ['SomeThing', types.MX],
    ['', types.SOA],
  ] as const) {
    const asked = mixed(absolute(subject, name))
    const query = buildQuery(asked, type)
    for (const exchange of [exchangeUdp, exchangeTcp]) {
      const { octets } = decode(await exchange(subject, query))
      assert.deepEqual(octets.subarray(12, query.length), query.subarray(12))
    }
  }
})

test('§3: octets that only look like the other case of a letter are another name', async () => {
  // '[' is 0x5b, '{' is 0x7b: they differ in the same bit as 'A' and 'a' do, but are no letters; nor is '@'.
  const zone = wireName(subject.zone)
  for (const [index, octet] of zone.entries()) {
    if (octet < 0x61 || octet > 0x7a) continue
    const other = Buffer.from(zone)
    other[index] = octet ^ 0x40
    const query = buildQuery('', types.SOA)
    const tail = query.subarray(13)
    const response = await exchangeUdp(subject, Buffer.concat([query.subarray(0, 12), other, tail]))
    assert.equal(decode(response).rcode, rcodes.REFUSED, `octet ${index}`)
  }
})
