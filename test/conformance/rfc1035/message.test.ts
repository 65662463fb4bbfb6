// RFC 1035 §4 and its updates: header bits, opcodes, classes, and what a server answers for names not its own.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useSubject } from '../../support/conformance.ts'
import { buildQuery, queryFlags, rcodes, reversed, types } from '../../support/dns-query.ts'
import {
  absolute,
  ask,
  askTcp,
  decode,
  exchangeUdp,
  startSubject,
} from '../../support/dns-subject.ts'

const subject = useSubject()

const listed = reversed('127.0.0.2')
const unlisted = reversed('127.0.0.9')

test('§4.1.1: the id comes back', async () => {
  for (const id of [0, 1, 0x8000, 0xffff]) {
    assert.equal((await ask(subject, listed, types.A, { id })).packet.header.id, id)
  }
})

test('§4.1.1: QR and AA are set; RA is clear; RD is copied', async () => {
  for (const name of [listed, unlisted, '', 'deep']) {
    for (const flags of [0, queryFlags.RD]) {
      const { header } = (await ask(subject, name, types.A, { flags })).packet
      assert.equal(header.qr, 1)
      assert.equal(header.aa, 1)
      assert.equal(header.ra, 0)
      assert.equal(header.rd, flags === 0 ? 0 : 1)
    }
  }
})

test('§4.1.1, RFC 4035 §3.1.6: Z, AD and CD are not echoed, nor RA', async () => {
  const flags = queryFlags.Z | queryFlags.AD | queryFlags.CD | queryFlags.RA
  for (const edns of [undefined, { flags: 0x8000 }]) {
    const options = edns === undefined ? { flags } : { flags, edns }
    const { octets, addresses } = await ask(subject, listed, types.A, options)
    assert.deepEqual(addresses, ['127.0.0.2'])
    assert.equal((octets[3] ?? 0xff) & 0xf0, 0)
  }
})

test('RFC 1034 §4.3.2: other zones are refused, without AA and without records', async () => {
  const zoneLabels = subject.zone.split('.')
  const parent = `${zoneLabels.slice(1).join('.')}.`
  const sibling = `${listed}.x${subject.zone}.`
  const longer = `x${subject.zone}.`
  for (const name of ['.', 'com.', 'www.example.org.', parent, sibling, longer]) {
    for (const type of [types.A, types.SOA, types.ANY]) {
      const response = await ask(subject, name, type)
      assert.equal(response.rcode, rcodes.REFUSED, name)
      assert.equal(response.isAuthoritative, false, name)
      assert.equal(response.soa, undefined, name)
    }
  }
})

test('a zone name hidden inside one label is not the zone', async () => {
  // The dots are octets of a label here, so the name has one label only.
  const query = buildQuery('', types.A)
  const label = Buffer.from(subject.zone)
  const name = Buffer.concat([Buffer.from([label.length]), label, Buffer.from([0])])
  const octets = Buffer.concat([query.subarray(0, 12), name, query.subarray(13)])
  assert.equal(decode(await exchangeUdp(subject, octets)).rcode, rcodes.REFUSED)
})

test('§4.1.1: unknown opcodes are NOTIMP with the opcode kept', async () => {
  for (const opcode of [1, 2, 3, 6, 7, 15]) {
    const response = await ask(subject, listed, types.A, { opcode })
    assert.equal(response.rcode, rcodes.NOTIMP)
    assert.equal(response.packet.header.opcode, opcode)
    assert.equal(response.packet.answers.length, 0)
  }
})

test('RFC 1996, RFC 2136: NOTIFY and UPDATE from strangers are turned down, the opcode kept', async () => {
  for (const opcode of [4, 5]) {
    const response = await ask(subject, '', types.SOA, { opcode })
    assert.ok([rcodes.REFUSED, rcodes.NOTAUTH, rcodes.NOTIMP].includes(response.rcode as 5))
    assert.equal(response.packet.header.opcode, opcode)
    assert.equal(response.packet.answers.length, 0)
  }
})

test('§3.2.4: classes other than IN and ANY are refused', async () => {
  for (const qclass of [0, 2, 4, 254, 1000]) {
    const response = await ask(subject, listed, types.A, { class: qclass })
    assert.equal(response.rcode, rcodes.REFUSED)
    assert.equal(response.isAuthoritative, false)
  }
})

test('§6.2: class ANY is answered from class IN, and never authoritatively', async () => {
  const response = await ask(subject, listed, types.A, { class: 255 })
  assert.equal(response.rcode, rcodes.NOERROR)
  assert.deepEqual(response.addresses, ['127.0.0.2'])
  assert.equal(response.isAuthoritative, false)
})

test('RFC 4892: version.bind and id.server are refused unless configured', async () => {
  // With others, a name of the server is part of NSID's configuration.
  const identities = subject.isOurs ? ['id.server.', 'hostname.bind.'] : []
  for (const name of ['version.bind.', 'version.server.', 'x.y.', ...identities]) {
    const response = await ask(subject, name, types.TXT, { class: 3 })
    assert.equal(response.rcode, rcodes.REFUSED, name)
    assert.equal(response.packet.answers.length, 0)
  }
})

test('RFC 4892: version.bind answers what was configured', async (t) => {
  if (!subject.isOurs) return t.skip('another server is asked')
  const named = await startSubject({ version: 'backscatterd 9.9' })
  try {
    for (const name of ['version.bind.', 'VERSION.Server.']) {
      const response = await ask(named, name, types.TXT, { class: 3 })
      assert.deepEqual(response.texts, ['backscatterd 9.9'])
      assert.equal(response.packet.answers[0]?.class, 3)
    }
    const other = await ask(named, 'id.server.', types.TXT, { class: 3 })
    assert.equal(other.rcode, rcodes.REFUSED)
    assert.equal((await ask(named, 'version.bind.', types.A, { class: 3 })).rcode, rcodes.REFUSED)
    assert.equal((await ask(named, 'version.bind.', types.TXT)).rcode, rcodes.REFUSED)
  } finally {
    await named.close()
  }
})

test('RFC 8482 §4: ANY is answered small, with one RRset', async () => {
  for (const [name, type] of [
    [listed, types.A],
    ['', types.SOA],
    ['ns1', types.A],
  ] as const) {
    const response = await ask(subject, name, types.ANY, { edns: {} })
    assert.equal(response.rcode, rcodes.NOERROR)
    assert.deepEqual(new Set(response.packet.answers.map((each) => each.type)), new Set([type]))
    assert.ok(response.octets.length < 300)
  }
})

test('RFC 5936 §2.2.1: a transfer that was not granted is refused; of a name that is no zone, NOTAUTH', async () => {
  for (const type of [types.AXFR, types.IXFR]) {
    for (const response of [await ask(subject, '', type), await askTcp(subject, '', type)]) {
      if (subject.isOurs) assert.equal(response.rcode, rcodes.REFUSED)
      else assert.notEqual(response.rcode, rcodes.NOERROR)
      assert.equal(response.packet.answers.length, 0)
    }
    if (!subject.isOurs) continue
    for (const name of ['other.example.', listed, 'nothing-here', 'ns1']) {
      for (const response of [await ask(subject, name, type), await askTcp(subject, name, type)]) {
        assert.equal(response.rcode, rcodes.NOTAUTH, name)
        assert.equal(response.packet.answers.length, 0)
        assert.equal(response.isAuthoritative, false)
      }
    }
  }
})

test('records in a query are ignored when they are well-formed', async () => {
  const query = buildQuery(absolute(subject, listed), types.A)
  const record = Buffer.from('c00c000100010000003c00047f000009', 'hex')
  for (const countAt of [6, 8, 10]) {
    const octets = Buffer.concat([query, record])
    octets.writeUInt16BE(1, countAt)
    const response = decode(await exchangeUdp(subject, octets))
    assert.deepEqual(response.addresses, ['127.0.0.2'])
  }
})
