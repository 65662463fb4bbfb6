// RFC 5358 and what name servers have learnt since: a server must not be a weapon against whoever's address is forged.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { useSubject } from '../../support/conformance.ts'
import {
  buildQuery,
  optionCodes,
  queryFlags,
  rcodes,
  readOptions,
  reversed,
  types,
} from '../../support/dns-query.ts'
import {
  absolute,
  ask,
  askTcp,
  decode,
  exchangeUdp,
  type Response,
  type Subject,
  startSubject,
  TcpClient,
} from '../../support/dns-subject.ts'

const subject = useSubject()

const listed = reversed('127.0.0.2')

test('no UDP response without a cookie is more than ten times its query', async () => {
  for (const name of ['', 'long', 'huge', listed, 'ns1', 'nothing', 'elsewhere.example.', '.']) {
    for (const type of [types.A, types.TXT, types.NS, types.SOA, types.ANY, types.DNSKEY]) {
      for (const edns of [undefined, { payload: 4096, flags: 0x8000 }]) {
        const query = buildQuery(absolute(subject, name), type, edns === undefined ? {} : { edns })
        const response = await exchangeUdp(subject, query)
        assert.ok(response, `${name} ${type}`)
        assert.ok(response.length <= 10 * query.length, `${name} ${type}: ${response.length}`)
      }
    }
  }
})

test('§3: no recursion is done for anybody', async () => {
  const response = await ask(subject, 'www.example.org.', types.A, { flags: queryFlags.RD })
  assert.equal(response.rcode, rcodes.REFUSED)
  assert.equal(response.packet.header.ra, 0)
})

/**
 * Sends `count` queries from one socket at once, and one for a name that is not there: no limit stops the answer to that one, and
 * it comes last. Resolves with the others.
 */
async function flood(
  to: Subject,
  count: number,
  options: Parameters<typeof buildQuery>[2] = {},
  name = listed,
  localAddress = '127.0.0.1',
): Promise<Response[]> {
  const socket = createSocket('udp4').bind(0, localAddress)
  await once(socket, 'listening')
  const responses: Buffer[] = []
  socket.on('message', (message) => responses.push(message))
  for (let id = 0; id < count; id++) {
    socket.send(buildQuery(absolute(to, name), types.A, { ...options, id }), to.port, to.host)
  }
  const last = buildQuery(absolute(to, 'nothing'), types.A, { edns: {}, id: count })
  socket.send(last, to.port, to.host)
  const signal = AbortSignal.timeout(60_000)
  while (responses.at(-1)?.readUInt16BE(0) !== count) await once(socket, 'message', { signal })
  socket.close()
  return responses.slice(0, -1).map((response) => decode(response))
}

test('responses are limited for each client network and class; every second limited one is cut', async (t) => {
  if (!subject.isOurs) return t.skip('another server has no such limit set')
  const limited = await startSubject({ rateLimit: { responsesPerSecond: 20, slip: 2 } })
  try {
    const startedAt = performance.now()
    const responses = await flood(limited, 120)
    const most = 20 + Math.ceil((performance.now() - startedAt) / 50)
    const whole = responses.filter(({ isTruncated }) => !isTruncated)
    const cut = responses.filter(({ isTruncated }) => isTruncated)
    assert.ok(whole.length >= 20 && whole.length <= most, `${whole.length} whole`)
    assert.ok(Math.abs(cut.length - (120 - whole.length) / 2) <= 2, `${cut.length} cut`)
    for (const { packet, rcode } of cut) {
      assert.equal(rcode, rcodes.NOERROR)
      assert.equal(packet.answers.length + packet.authorities.length, 0)
    }
    // Another network has its own budget, and so has another class of response.
    assert.equal((await flood(limited, 10, {}, listed, '127.0.9.1')).length, 10)
    assert.equal((await flood(limited, 10, {}, reversed('127.0.0.9'))).length, 10)
    // TCP proves the address.
    for (let count = 0; count < 50; count++) {
      assert.deepEqual((await askTcp(limited, listed, types.A)).addresses, ['127.0.0.2'])
    }
    await sleep(1100)
    assert.deepEqual((await ask(limited, listed, types.A)).addresses, ['127.0.0.2'])
  } finally {
    await limited.close()
  }
})

test('RFC 7873 §5.2.3: a limited client with a cookie that is not good hears BADCOOKIE, with a good one nothing of it', async (t) => {
  if (!subject.isOurs) return t.skip('another server has no such limit set')
  const limited = await startSubject({ rateLimit: { responsesPerSecond: 5, slip: 1 } })
  const withCookie = (data: readonly number[]) => ({
    edns: { options: [{ code: optionCodes.cookie, data }] },
  })
  try {
    const startedAt = performance.now()
    const responses = await flood(limited, 60, withCookie([1, 2, 3, 4, 5, 6, 7, 8]))
    const most = 5 + Math.ceil((performance.now() - startedAt) / 200)
    assert.equal(responses.length, 60)
    const bad = responses.filter(({ rcode }) => rcode === rcodes.BADCOOKIE)
    assert.ok(bad.length >= 60 - most, `${bad.length} BADCOOKIE`)
    const cookie = readOptions(bad[0]?.octets ?? Buffer.alloc(12)).get(optionCodes.cookie)
    assert.equal(cookie?.length, 24)
    assert.equal(bad[0]?.packet.answers.length, 0)
    const proven = await flood(limited, 60, withCookie([...(cookie ?? [])]))
    assert.equal(proven.length, 60)
    assert.ok(proven.every(({ addresses }) => addresses[0] === '127.0.0.2'))
  } finally {
    await limited.close()
  }
})

test('without slip, what is over the limit is not answered', async (t) => {
  if (!subject.isOurs) return t.skip('another server has no such limit set')
  const limited = await startSubject({ rateLimit: { responsesPerSecond: 10, slip: 0 } })
  try {
    const startedAt = performance.now()
    const responses = await flood(limited, 100)
    const most = 10 + Math.ceil((performance.now() - startedAt) / 100)
    assert.ok(responses.length >= 10 && responses.length <= most, `${responses.length} answers`)
    assert.ok(responses.every(({ isTruncated }) => !isTruncated))
  } finally {
    await limited.close()
  }
})

test('access: the longest prefix decides who is answered, refused, or not heard', async (t) => {
  if (!subject.isOurs) return t.skip('another server has no such rules')
  const rule = (w0: number, length: number, action: 'allow' | 'refuse' | 'drop') =>
    ({ prefix: { family: 4, w0, w1: 0, w2: 0, w3: 0, length }, action }) as const
  const choosy = await startSubject({
    access: [
      rule(0x7f000000, 8, 'drop'),
      rule(0x7f000100, 24, 'refuse'),
      rule(0x7f000107, 32, 'allow'),
    ],
  })
  try {
    const from = async (address: string) =>
      (await flood(choosy, 1, { edns: {} }, listed, address)).map(({ rcode }) => rcode)
    const query = buildQuery(absolute(choosy, listed), types.A, { edns: {} })
    assert.equal(await exchangeUdp(choosy, query, 400), undefined)
    assert.deepEqual(await from('127.0.1.6'), [rcodes.REFUSED])
    assert.deepEqual(await from('127.0.1.7'), [rcodes.NOERROR])
    assert.deepEqual(await from('127.0.1.8'), [rcodes.REFUSED])
    const unheard = await TcpClient.open(choosy)
    assert.equal(await unheard.closed(), true)
    unheard.close()
  } finally {
    await choosy.close()
  }
})
