// RFC 5001: which server of an anycast address answered.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useSubject } from '../../support/conformance.ts'
import { optionCodes, rcodes, readOptions, reversed, types } from '../../support/dns-query.ts'
import { ask, askTcp, startSubject } from '../../support/dns-subject.ts'

const name = 'ns1-ams'
const subject = useSubject({ nsid: name })

const wanting = { edns: { options: [{ code: optionCodes.nsid, data: [] }] } }

test('§2.1: who asks for it is told the server’s NSID, with any rcode', async () => {
  for (const response of [
    await ask(subject, reversed('127.0.0.2'), types.A, wanting),
    await ask(subject, reversed('127.0.0.9'), types.A, wanting),
    await ask(subject, 'elsewhere.example.', types.A, wanting),
    await askTcp(subject, '', types.SOA, wanting),
  ]) {
    const nsid = readOptions(response.octets).get(optionCodes.nsid)
    assert.ok(nsid, 'no NSID option')
    if (subject.isOurs) assert.equal(nsid.toString(), name)
    else assert.ok(nsid.length > 0)
  }
})

test('§2.1: who does not ask is not told', async () => {
  const response = await ask(subject, reversed('127.0.0.2'), types.A, { edns: {} })
  assert.equal(readOptions(response.octets).has(optionCodes.nsid), false)
})

test('without an NSID configured the option is passed over', async (t) => {
  if (!subject.isOurs) return t.skip('another server is asked')
  const nameless = await startSubject()
  try {
    const response = await ask(nameless, reversed('127.0.0.2'), types.A, wanting)
    assert.deepEqual(response.addresses, ['127.0.0.2'])
    assert.equal(readOptions(response.octets).has(optionCodes.nsid), false)
  } finally {
    await nameless.close()
  }
})

test('RFC 4892: id.server and hostname.bind tell the same name', async (t) => {
  if (!subject.isOurs) return t.skip('another server is asked')
  for (const each of ['id.server.', 'hostname.bind.']) {
    assert.deepEqual((await ask(subject, each, types.TXT, { class: 3 })).texts, [name])
  }
  const version = await ask(subject, 'version.bind.', types.TXT, { class: 3 })
  assert.equal(version.rcode, rcodes.REFUSED)
})
