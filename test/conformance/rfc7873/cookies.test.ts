// RFC 7873 and RFC 9018: DNS cookies, by which a client proves that it can receive at its address.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useSubject } from '../../support/conformance.ts'
import {
  buildOpt,
  buildQuery,
  optionCodes,
  rcodes,
  readOptions,
  reversed,
  types,
} from '../../support/dns-query.ts'
import {
  ask,
  askTcp,
  decode,
  exchangeTcp,
  exchangeUdp,
  type Response,
  type Subject,
  startSubject,
} from '../../support/dns-subject.ts'

const client = Buffer.from('2464c4abcf10c957', 'hex')
const listed = reversed('127.0.0.2')

const subject = useSubject({ workers: 2 })

function withCookie(...parts: readonly Buffer[]) {
  return { edns: { options: [{ code: optionCodes.cookie, data: [...Buffer.concat(parts)] }] } }
}

function cookieOf({ octets }: Response): Buffer {
  const cookie = readOptions(octets).get(optionCodes.cookie)
  assert.ok(cookie, 'no COOKIE option')
  return cookie
}

test('§5.2.3: a client cookie is answered with client and server cookie', async () => {
  for (const response of [
    await ask(subject, listed, types.A, withCookie(client)),
    await askTcp(subject, listed, types.A, withCookie(client)),
  ]) {
    // Others may have it proved before they answer over UDP.
    const isHeld = !subject.isOurs && response.rcode === rcodes.BADCOOKIE
    if (!isHeld) assert.deepEqual(response.addresses, ['127.0.0.2'])
    const cookie = cookieOf(response)
    assert.deepEqual(cookie.subarray(0, 8), client)
    assert.ok(cookie.length >= 16 && cookie.length <= 40)
  }
})

test('§5.2.5: the cookie that was given is good, for whatever is asked', async () => {
  const cookie = cookieOf(await ask(subject, listed, types.A, withCookie(client)))
  for (const [name, rcode] of [
    [listed, rcodes.NOERROR],
    [reversed('127.0.0.9'), rcodes.NXDOMAIN],
    ['elsewhere.example.', rcodes.REFUSED],
  ] as const) {
    const response = await ask(subject, name, types.A, withCookie(cookie))
    assert.equal(response.rcode, rcode)
    assert.deepEqual(cookieOf(response).subarray(0, 8), client)
  }
})

test('§5.2.4: a wrong server cookie is answered with a good one', async () => {
  const wrong = Buffer.concat([client, Buffer.alloc(16, 0xee)])
  const response = await ask(subject, listed, types.A, withCookie(wrong))
  assert.ok(response.rcode === rcodes.NOERROR || response.rcode === rcodes.BADCOOKIE)
  const cookie = cookieOf(response)
  assert.notDeepEqual(cookie, wrong)
  const again = await ask(subject, listed, types.A, withCookie(cookie))
  assert.deepEqual(again.addresses, ['127.0.0.2'])
})

test('§5.2.2: a cookie of a wrong length is a FORMERR', async () => {
  for (const length of [0, 1, 7, 9, 15, 41, 60]) {
    const response = await ask(subject, listed, types.A, withCookie(Buffer.alloc(length, 1)))
    assert.equal(response.rcode, rcodes.FORMERR, `${length} octets`)
    assert.equal(response.packet.answers.length, 0)
  }
})

test('§5.2.1: who sends no cookie gets none', async () => {
  const response = await ask(subject, listed, types.A, { edns: {} })
  assert.equal(readOptions(response.octets).get(optionCodes.cookie), undefined)
})

test('§5.4: without a question, a cookie alone is fetched', async () => {
  const opt = buildOpt(withCookie(client).edns)
  const query = Buffer.concat([buildQuery('', types.A).subarray(0, 12), opt])
  query.writeUInt16BE(0, 4)
  query.writeUInt16BE(1, 10)
  for (const exchange of [exchangeUdp, exchangeTcp]) {
    const response = decode(await exchange(subject, query))
    assert.equal(response.rcode, rcodes.NOERROR)
    assert.equal(response.packet.questions.length, 0)
    assert.equal(response.packet.answers.length, 0)
    assert.deepEqual(cookieOf(response).subarray(0, 8), client)
  }
})

test('RFC 9018 §4: the server cookie has version 1, zeros, and the time', async () => {
  const cookie = cookieOf(await ask(subject, listed, types.A, withCookie(client)))
  assert.equal(cookie.length, 24)
  assert.equal(cookie.readUInt32BE(8), 0x01000000)
  const age = Date.now() / 1000 - cookie.readUInt32BE(12)
  assert.ok(age > -5 && age < 1800, `${age} s old`)
})

test('RFC 9018 §3: the server cookie follows client cookie and address, and stays while it is fresh', async () => {
  const cookie = cookieOf(await ask(subject, listed, types.A, withCookie(client)))
  const other = cookieOf(await ask(subject, listed, types.A, withCookie(Buffer.alloc(8, 9))))
  assert.notDeepEqual(cookie.subarray(16), other.subarray(16))
  // Several source ports, so that every worker sees it.
  for (let count = 0; count < 8; count++) {
    assert.deepEqual(cookieOf(await ask(subject, listed, types.A, withCookie(cookie))), cookie)
  }
})

test('RFC 9018 §5: servers of one secret accept each other’s cookies, and an older secret’s', async (t) => {
  if (!subject.isOurs) return t.skip('another server is asked')
  const old = Buffer.alloc(16, 1)
  const fresh = Buffer.alloc(16, 2)
  const one = await startSubject({ cookieSecrets: [old] })
  const two = await startSubject({ cookieSecrets: [fresh, old] })
  const three = await startSubject({ cookieSecrets: [fresh] })
  try {
    const cookie = cookieOf(await ask(one, listed, types.A, withCookie(client)))
    // Only a proven client gets more than ten times what it sent.
    const isProven = async (server: Subject) => {
      const response = await ask(server, 'long', types.TXT, withCookie(cookie))
      return !response.isTruncated
    }
    assert.deepEqual(
      [await isProven(one), await isProven(two), await isProven(three)],
      [true, true, false],
    )
    const renewed = cookieOf(await ask(two, listed, types.A, withCookie(cookie)))
    assert.notDeepEqual(renewed, cookie)
  } finally {
    for (const server of [one, two, three]) await server.close()
  }
})
