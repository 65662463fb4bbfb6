// RFC 2308: what a negative answer carries, and for how long it may be kept.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useSubject } from '../../support/conformance.ts'
import { rcodes, reversed, types } from '../../support/dns-query.ts'
import { ask, subjectZone } from '../../support/dns-subject.ts'

const subject = useSubject()

test('§2.1: NXDOMAIN carries the SOA of the zone, and AA', async () => {
  const response = await ask(subject, reversed('127.0.0.9'), types.A)
  assert.equal(response.rcode, rcodes.NXDOMAIN)
  assert.equal(response.isAuthoritative, true)
  assert.equal(response.packet.answers.length, 0)
  assert.equal(response.soa?.name, subject.zone)
})

test('§2.2: NODATA carries the SOA of the zone, and AA', async () => {
  const response = await ask(subject, reversed('127.0.0.2'), types.MX)
  assert.equal(response.rcode, rcodes.NOERROR)
  assert.equal(response.isAuthoritative, true)
  assert.equal(response.packet.answers.length, 0)
  assert.equal(response.soa?.name, subject.zone)
})

test('§3: the SOA of a negative answer lives as long as MINIMUM when its own TTL is longer', async () => {
  const negative = await ask(subject, reversed('127.0.0.9'), types.A)
  const positive = await ask(subject, '', types.SOA)
  const [own] = positive.packet.answers
  assert.ok(own?.minimum !== undefined)
  assert.equal(negative.soa?.minimum, own.minimum)
  assert.equal(negative.soa?.ttl, Math.min(own.ttl, own.minimum))
})

test('§5: every type but A and TXT is NODATA at a listed address', async () => {
  const asked = [types.AAAA, types.MX, types.NS, types.SOA, types.PTR, types.SRV, types.DS, 65_280]
  for (const type of asked) {
    for (const address of ['127.0.0.2', '2001:db8:1:2:0:0:0:5']) {
      const response = await ask(subject, reversed(address), type)
      assert.equal(response.rcode, rcodes.NOERROR, `${address} type ${type}`)
      assert.equal(response.packet.answers.length, 0)
      assert.equal(response.soa?.ttl, subjectZone.negativeTtlSeconds)
    }
  }
})

test('an address that is not listed has no records of any type', async () => {
  for (const type of [types.A, types.TXT, types.AAAA, types.ANY, types.NS, 65_280]) {
    const response = await ask(subject, reversed('198.51.100.78'), type)
    assert.equal(response.rcode, rcodes.NXDOMAIN, `type ${type}`)
    assert.equal(response.packet.answers.length, 0)
  }
})

test('NODATA at the apex and at the zone’s own names', async () => {
  for (const [name, type] of [
    ['', types.AAAA],
    ['ns1', types.TXT],
    ['ns1', types.NS],
    ['www.deep', types.A],
  ] as const) {
    const response = await ask(subject, name, type)
    assert.equal(response.rcode, rcodes.NOERROR, name)
    assert.equal(response.packet.answers.length, 0)
    assert.ok(response.soa)
  }
})
