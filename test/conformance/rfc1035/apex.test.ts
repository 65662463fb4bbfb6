// RFC 1034 §4.2.1, RFC 1035 §3.3.13: what a zone says of itself, SOA, NS and its own records.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useSubject } from '../../support/conformance.ts'
import { rcodes, types } from '../../support/dns-query.ts'
import { ask, subjectGeneratedAt, subjectSerial, subjectZone } from '../../support/dns-subject.ts'

const subject = useSubject()

test('the apex has one SOA: primary, hostmaster, timers', async () => {
  const { packet, isAuthoritative } = await ask(subject, '', types.SOA)
  assert.equal(isAuthoritative, true)
  assert.equal(packet.answers.length, 1)
  const [soa] = packet.answers
  assert.equal(soa?.name, subject.zone)
  assert.equal(soa?.ttl, subjectZone.ttlSeconds)
  assert.equal(soa?.primary, subjectZone.nameservers[0])
  assert.equal(soa?.admin, subjectZone.hostmaster)
  assert.equal(soa?.minimum, subjectZone.negativeTtlSeconds)
  assert.ok(Number(soa?.expiration) > (soa?.refresh ?? 0) + (soa?.retry ?? 0))
})

test('the SOA’s serial is that of the published version, in answers and in negatives', async (t) => {
  if (!subject.isOurs) return t.skip('another server is asked')
  assert.equal((await ask(subject, '', types.SOA)).packet.answers[0]?.serial, subjectSerial)
  assert.equal((await ask(subject, 'nothing', types.A)).soa?.serial, subjectSerial)
})

test('the apex names every name server', async () => {
  const { packet } = await ask(subject, '', types.NS)
  assert.deepEqual(
    packet.answers.map(({ ns }) => ns),
    [...subjectZone.nameservers],
  )
})

test('the zone’s own records answer at the apex and at their own names', async () => {
  assert.deepEqual((await ask(subject, '', types.A)).addresses, ['192.0.2.80'])
  assert.deepEqual((await ask(subject, '', types.TXT)).texts, ['a list for tests'])
  assert.deepEqual((await ask(subject, 'ns1', types.A)).addresses, ['192.0.2.53'])
  const ipv6 = await ask(subject, 'ns1', types.AAAA)
  assert.deepEqual(
    ipv6.packet.answers.map(({ address }) => address),
    ['2001:db8::53'],
  )
  const mx = await ask(subject, 'www.deep', types.MX)
  assert.equal(mx.packet.answers[0]?.exchange, 'mail.test.example')
  assert.equal(mx.packet.answers[0]?.priority, 10)
})

test('RFC 1034 §3.6.2: a question of any type at an alias gets the CNAME', async () => {
  for (const type of [types.A, types.CNAME, types.MX, types.ANY]) {
    const { packet, rcode } = await ask(subject, 'alias', type)
    assert.equal(rcode, rcodes.NOERROR)
    assert.deepEqual(
      packet.answers.map((each) => [each.type, each.domain]),
      [[types.CNAME, 'www.test.example']],
    )
  }
})

test('a name server without records of its own is not made up', async () => {
  assert.equal((await ask(subject, 'ns2', types.A)).rcode, rcodes.NXDOMAIN)
})

test('_status tells serial, entries and freshness', async (t) => {
  if (!subject.isOurs) return t.skip('another server is asked')
  const { texts } = await ask(subject, '_status', types.TXT)
  assert.equal(new Date(subjectGeneratedAt * 1000).toISOString(), '2026-09-21T14:13:20.000Z')
  assert.deepEqual(texts, [
    'serial=1790000000 entries=9 generated=2026-09-21T14:13:20Z valid-until=2026-09-22T14:13:20Z',
  ])
  const other = await ask(subject, '_STATUS', types.A)
  assert.equal(other.rcode, rcodes.NOERROR)
  assert.equal(other.packet.answers.length, 0)
})
