// RFC 6471: a list that tells how fresh it is, and one that ends without listing the world.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeZone } from '../../../src/resolver/records.ts'
import { useSubject } from '../../support/conformance.ts'
import { rcodes, reversed, types } from '../../support/dns-query.ts'
import { ask, askTcp, startSubject, subjectZone } from '../../support/dns-subject.ts'

const subject = useSubject()

test('§3.3, RFC 5782 §5: who lists the world would list 127.0.0.1: it is not listed', async () => {
  assert.equal((await ask(subject, reversed('127.0.0.1'), types.A)).rcode, rcodes.NXDOMAIN)
  assert.equal((await ask(subject, reversed('8.8.8.8'), types.A)).rcode, rcodes.NXDOMAIN)
})

test('what clients probe with does not exist', async () => {
  for (const name of ['1.0.0.127', 'sURBl-PrObE', 'a.b.c.d', 'x'.repeat(63)]) {
    assert.equal((await ask(subject, name, types.A)).rcode, rcodes.NXDOMAIN, name)
  }
})

test('freshness is told at _status: serial, count and both times', async (t) => {
  if (!subject.isOurs) return t.skip('another server is asked')
  const { texts } = await ask(subject, '_status', types.TXT)
  assert.match(texts.join(), /^serial=\d+ entries=\d+ generated=\S+T\S+Z valid-until=\S+T\S+Z$/)
})

test('§3.4: a retired list lists nobody, not even its test entries, and says why', async (t) => {
  if (!subject.isOurs) return t.skip('another server is asked')
  const zone = encodeZone({ ...subjectZone, retired: true })
  const retired = await startSubject({ zone })
  try {
    for (const name of [
      reversed('127.0.0.2'),
      reversed('127.0.0.1'),
      reversed('192.0.2.1'),
      reversed('0:0:0:0:0:ffff:7f00:2'),
      reversed('2001:db8:1:2:0:0:0:1'),
    ]) {
      for (const type of [types.A, types.TXT, types.ANY]) {
        const response = await ask(retired, name, type)
        assert.equal(response.rcode, rcodes.NXDOMAIN, name)
        assert.ok(response.soa)
      }
    }
    // Nothing is below these names any more.
    for (const name of ['127', '0.0.127', '1.0.0.2']) {
      assert.equal((await ask(retired, name, types.A)).rcode, rcodes.NXDOMAIN, name)
    }
    for (const { texts } of [
      await ask(retired, '', types.TXT),
      await askTcp(retired, '', types.TXT),
    ]) {
      assert.ok(texts.some((text) => /retired and lists nobody/.test(text)))
    }
    assert.equal((await ask(retired, '', types.SOA)).packet.answers.length, 1)
    assert.equal((await ask(retired, '', types.NS)).packet.answers.length, 2)
    assert.deepEqual((await ask(retired, 'ns1', types.A)).addresses, ['192.0.2.53'])
  } finally {
    await retired.close()
  }
})
