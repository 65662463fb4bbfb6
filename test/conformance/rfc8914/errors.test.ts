// RFC 8914: why an answer is not what was hoped for, in the OPT record of who sent one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TreeWriter } from '../../../src/tree/writer.ts'
import { useSubject } from '../../support/conformance.ts'
import { optionCodes, rcodes, readOptions, reversed, types } from '../../support/dns-query.ts'
import {
  ask,
  askTcp,
  type Response,
  startSubject,
  subjectSerial,
  subjectTree,
} from '../../support/dns-subject.ts'

const subject = useSubject()

function infoCode({ octets }: Response): number | undefined {
  return readOptions(octets).get(optionCodes.extendedError)?.readUInt16BE(0)
}

test('§4.21: outside the zone the answer is REFUSED, Not Authoritative (20)', async () => {
  const response = await ask(subject, 'www.example.org.', types.A, { edns: {} })
  assert.equal(response.rcode, rcodes.REFUSED)
  assert.equal(infoCode(response), 20)
})

test('§2: without an OPT record in the query there is none to say it in', async () => {
  const response = await ask(subject, 'www.example.org.', types.A)
  assert.equal(response.rcode, rcodes.REFUSED)
  assert.equal(readOptions(response.octets).size, 0)
})

test('§2: an answer that is well has no extended error', async () => {
  const response = await ask(subject, reversed('127.0.0.2'), types.A, { edns: {} })
  assert.equal(infoCode(response), undefined)
})

test('§4.19: a client that an access rule refuses hears Prohibited (18)', async (t) => {
  if (!subject.isOurs) return t.skip('another server is asked')
  const prefix = { family: 4, w0: 0x7f000000, w1: 0, w2: 0, w3: 0, length: 8 } as const
  const refusing = await startSubject({ access: [{ prefix, action: 'refuse' }] })
  try {
    for (const response of [
      await ask(refusing, reversed('127.0.0.2'), types.A, { edns: {} }),
      await askTcp(refusing, reversed('127.0.0.2'), types.A, { edns: {} }),
    ]) {
      assert.equal(response.rcode, rcodes.REFUSED)
      assert.equal(infoCode(response), 18)
      assert.equal(response.isAuthoritative, false)
    }
  } finally {
    await refusing.close()
  }
})

test('§4.15: before anything is published the answer is SERVFAIL, Not Ready (14)', async (t) => {
  if (!subject.isOurs) return t.skip('another server is asked')
  const empty = new TreeWriter(1 << 20)
  const starting = await startSubject({ tree: empty.buffer })
  try {
    const response = await ask(starting, reversed('127.0.0.2'), types.A, { edns: {} })
    assert.equal(response.rcode, rcodes.SERVFAIL)
    assert.equal(infoCode(response), 14)
    // It is no secret which zones we serve.
    assert.equal((await ask(starting, 'example.org.', types.A)).rcode, rcodes.REFUSED)
  } finally {
    await starting.close()
  }
})

test('§4.25: past their time, data are SERVFAIL, Invalid Data (24), where that is configured', async (t) => {
  if (!subject.isOurs) return t.skip('another server is asked')
  const tree = subjectTree()
  const old = { serial: subjectSerial + 1, generatedAt: 1, validUntil: 2 }
  tree.publish({ ...old, ipv4Entries: 0, ipv6Entries: 0 })
  const strict = await startSubject({ staleServfail: true, tree: tree.buffer })
  const other = subjectTree()
  other.publish({ ...old, ipv4Entries: 0, ipv6Entries: 0 })
  const lenient = await startSubject({ tree: other.buffer })
  try {
    for (const name of [reversed('127.0.0.2'), reversed('127.0.0.9'), '']) {
      const response = await ask(strict, name, types.A, { edns: {} })
      assert.equal(response.rcode, rcodes.SERVFAIL)
      assert.equal(infoCode(response), 24)
      assert.equal(response.packet.answers.length, 0)
    }
    // Data published anew are answered at once.
    tree.publish({ ...old, validUntil: 4_000_000_000, ipv4Entries: 0, ipv6Entries: 0 })
    const fresh = await ask(strict, reversed('127.0.0.2'), types.A, { edns: {} })
    assert.deepEqual(fresh.addresses, ['127.0.0.2'])
    assert.equal((await ask(lenient, reversed('127.0.0.2'), types.A)).rcode, rcodes.NOERROR)
  } finally {
    await strict.close()
    await lenient.close()
  }
})
