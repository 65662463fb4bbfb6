// RFC 6891: the OPT record in queries and responses, and how large a response may be.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { useSubject } from '../../support/conformance.ts'
import { buildOpt, buildQuery, padding, rcodes, reversed, types } from '../../support/dns-query.ts'
import {
  absolute,
  ask,
  askTcp,
  decode,
  exchangeUdp,
  type Response,
} from '../../support/dns-subject.ts'

const ownPayload = 1232
const subject = useSubject()

function assertOpt(response: Response, label = 'OPT'): void {
  assert.equal(response.opts.length, 1, label)
  const [opt] = response.opts
  assert.equal(opt?.name, '', label)
  assert.equal(opt?.version, 0, label)
}

test('§6.1.1: a query without OPT gets a response without one', async () => {
  for (const name of [reversed('127.0.0.2'), reversed('127.0.0.9'), '', 'elsewhere.']) {
    assert.equal((await ask(subject, name, types.A)).packet.additionals.length, 0, name)
  }
})

test('§6.1.1: every response to a query with OPT has one: data, NXDOMAIN, NODATA, REFUSED', async () => {
  for (const [name, type, rcode] of [
    [reversed('127.0.0.2'), types.A, rcodes.NOERROR],
    [reversed('127.0.0.9'), types.A, rcodes.NXDOMAIN],
    [reversed('127.0.0.2'), types.MX, rcodes.NOERROR],
    ['elsewhere.example.', types.A, rcodes.REFUSED],
    ['', types.AXFR, rcodes.REFUSED],
  ] as const) {
    const response = await ask(subject, name, type, { edns: {} })
    if (type !== types.AXFR || subject.isOurs) assert.equal(response.rcode, rcode, name)
    assertOpt(response, name)
  }
})

test('§6.2.3: our OPT tells our own payload size', async () => {
  const response = await ask(subject, '', types.SOA, { edns: { payload: 4096 } })
  assert.equal(response.opts[0]?.class, ownPayload)
})

test('§7: OPT stays when the answer is cut', async () => {
  const response = await ask(subject, 'huge', types.TXT, { edns: { payload: 4096 } })
  assert.equal(response.isTruncated, true)
  assertOpt(response)
})

test('§6.1.3: a version above 0 is BADVERS, with version 0 and without an answer', async () => {
  for (const version of [1, 100, 255]) {
    const response = await ask(subject, reversed('127.0.0.2'), types.A, { edns: { version } })
    assert.equal(response.rcode, rcodes.BADVERS)
    assert.equal(response.packet.answers.length, 0)
    assertOpt(response)
  }
})

test('§6.1.2: unknown options are ignored and not echoed', async () => {
  const options = [
    { code: 65_001, data: [1, 2, 3, 4, 5] },
    { code: 4, data: [] },
  ]
  const response = await ask(subject, reversed('127.0.0.2'), types.A, { edns: { options } })
  assert.deepEqual(response.addresses, ['127.0.0.2'])
  assertOpt(response)
  assert.equal(response.octets.subarray(-2).readUInt16BE(0), 0, 'RDLENGTH of our OPT')
})

test('§6.1.4: unknown flags are ignored and not echoed; DO is copied (RFC 3225 §3)', async () => {
  const unknown = await ask(subject, reversed('127.0.0.2'), types.A, { edns: { flags: 0x7fff } })
  assert.deepEqual(unknown.addresses, ['127.0.0.2'])
  assert.equal((unknown.opts[0]?.ttl ?? -1) & 0xffff, 0)
  const withDo = await ask(subject, reversed('127.0.0.2'), types.A, { edns: { flags: 0x8000 } })
  assert.equal(withDo.opts[0]?.doFlag, true)
})

test('§6.1.1: two OPT records are a FORMERR', async () => {
  const query = buildQuery(absolute(subject, reversed('127.0.0.2')), types.A, { edns: {} })
  query.writeUInt16BE(2, 10)
  const response = decode(await exchangeUdp(subject, Buffer.concat([query, buildOpt({})])))
  assert.equal(response.rcode, rcodes.FORMERR)
})

test('§6.2.3: a payload below 512 counts as 512', async () => {
  for (const payload of [0, 1, 100, 511]) {
    const response = await ask(subject, reversed('127.0.0.3'), types.TXT, { edns: { payload } })
    assert.equal(response.isTruncated, false)
    assert.equal(response.texts.length, 1)
  }
})

test('§6.2.5: what does not fit the requestor’s payload is cut: TC and AA set, no part of the RRset', async () => {
  for (const edns of [undefined, { payload: 512 }, { payload: 600 }]) {
    const response = await ask(subject, 'long', types.TXT, edns === undefined ? {} : { edns })
    assert.equal(response.isTruncated, true)
    assert.equal(response.isAuthoritative, true)
    assert.equal(response.packet.answers.length, 0)
    assert.ok(response.octets.length <= (edns?.payload ?? 512))
  }
})

test('§6.2.5: a larger payload brings the whole RRset', async () => {
  const response = await ask(subject, 'long', types.TXT, {
    edns: { payload: 1232, options: [padding] },
  })
  assert.equal(response.isTruncated, false)
  assert.equal(response.texts.length, 4)
})

test('no UDP response is larger than our own payload size', async () => {
  const response = await ask(subject, 'huge', types.TXT, { edns: { payload: 65_535 } })
  assert.equal(response.isTruncated, true)
  assert.ok(response.octets.length <= ownPayload)
})

test('over TCP nothing is cut, with and without OPT', async () => {
  for (const edns of [undefined, { payload: 512 }]) {
    const response = await askTcp(subject, 'huge', types.TXT, edns === undefined ? {} : { edns })
    assert.equal(response.isTruncated, false)
    assert.equal(response.texts.length, 7)
    assert.equal(response.opts.length, edns === undefined ? 0 : 1)
  }
})

test('RFC 8914 §4.21: outside the zone the OPT says Not Authoritative', async () => {
  const response = await ask(subject, 'www.example.org.', types.A, { edns: {} })
  assert.equal(response.rcode, rcodes.REFUSED)
  assert.deepEqual(
    response.opts[0]?.rdata?.map((option) => 'infoCode' in option && option.infoCode),
    [20],
  )
})

test('dig, with the cookie and flags it sends by default, is answered over UDP and TCP', async (t) => {
  const dig = (...options: string[]) =>
    promisify(execFile)('dig', [
      `@${subject.host}`,
      '-p',
      String(subject.port),
      '+time=2',
      '+tries=1',
      '+noidnin',
      ...options,
      absolute(subject, reversed('127.0.0.4')),
    ])
  const first = await dig('+notcp').catch((error) => error)
  if (first.code === 'ENOENT') return t.skip('needs dig (bind9-dnsutils)')
  for (const { stdout } of [first, await dig('+tcp'), await dig('+noedns')]) {
    assert.match(stdout, /status: NOERROR/)
    assert.match(stdout, /flags: qr aa rd;/)
    assert.match(stdout, /IN\s+A\s+127\.0\.0\.4/)
    assert.doesNotMatch(stdout, /WARNING: .*(malformed|mismatch)/i)
  }
})
