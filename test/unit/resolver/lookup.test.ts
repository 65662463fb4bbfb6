// The lookup client against servers that behave, cut answers short, keep silent, or speak nonsense.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Packet } from 'dns2'
import { parseAddress } from '../../../src/ip/address.ts'
import { lookup, queryName } from '../../../src/resolver/lookup.ts'
import { frame } from '../../support/dns-subject.ts'
import { familyOf, freePort } from '../../support/ports.ts'

type Reply = (query: Buffer, tries: number) => Buffer | undefined

/** A server on one port, UDP and TCP, that replies as told; undefined: silence. */
async function serve(
  t: TestContext,
  replies: { udp: Reply; tcp?: Reply },
  host = '127.0.0.1',
): Promise<string> {
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      const reply = replies.tcp?.(chunk.subarray(2), 1)
      if (reply !== undefined) socket.write(frame(reply))
    })
    t.after(() => socket.destroy())
  })
  const port = await freePort(host)
  tcp.listen(port, host)
  await once(tcp, 'listening')
  const udp = createSocket(familyOf(host))
  udp.bind(port, host)
  await once(udp, 'listening')
  let tries = 0
  udp.on('message', (query, from) => {
    tries++
    const reply = replies.udp(query, tries)
    if (reply !== undefined) udp.send(reply, from.port, from.address)
  })
  t.after(() => {
    udp.close()
    tcp.close()
  })
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function reply(query: Buffer, change: (packet: Packet) => void): Buffer {
  const packet = Packet.createResponseFromRequest(Packet.parse(query))
  change(packet)
  return packet.toBuffer()
}

function answered(query: Buffer): Buffer {
  return reply(query, (packet) => {
    const name = packet.questions[0]?.name ?? ''
    const base = { name, class: 1, ttl: 60 }
    for (const address of ['127.0.0.2', '127.0.0.3']) {
      packet.answers.push(new Packet.Resource({ ...base, type: Packet.TYPE.A, address }))
    }
    const data = ['two ', 'strings']
    packet.answers.push(new Packet.Resource({ ...base, type: Packet.TYPE.TXT, data }))
  })
}

const asked = { name: '2.0.0.127.bl.example', type: 'A', timeoutMs: 30_000 } as const

test('A and TXT answers, others left out', async (t) => {
  const server = await serve(t, { udp: answered })
  assert.deepEqual(await lookup({ ...asked, server }), {
    rcode: 0,
    answers: ['127.0.0.2', '127.0.0.3'],
  })
  assert.deepEqual(await lookup({ ...asked, server, type: 'TXT' }), {
    rcode: 0,
    answers: ['two strings'],
  })
})

test('over IPv6', async (t) => {
  const server = await serve(t, { udp: answered }, '::1')
  assert.equal((await lookup({ ...asked, server })).answers.length, 2)
})

test('a negative answer is an answer', async (t) => {
  for (const rcode of [3, 5, 2]) {
    const server = await serve(t, {
      udp: (query) =>
        reply(query, (packet) => {
          packet.header.rcode = rcode
        }),
    })
    assert.deepEqual(await lookup({ ...asked, server }), { rcode, answers: [] })
  }
})

test('a lost datagram is sent again', async (t) => {
  const server = await serve(t, {
    udp: (query, tries) => (tries < 3 ? undefined : answered(query)),
  })
  assert.equal((await lookup({ ...asked, server, timeoutMs: 3000 })).answers.length, 2)
})

for (const host of ['127.0.0.1', '::1']) {
  test(`a cut answer is asked for again over TCP, at ${host}`, async (t) => {
    const cut: Reply = (query) =>
      reply(query, (packet) => {
        packet.header.tc = 1
      })
    const server = await serve(t, { udp: cut, tcp: answered }, host)
    assert.equal((await lookup({ ...asked, server })).answers.length, 2)
  })
}

const unreachable = { code: 'server-unreachable' }

test('silence over UDP, and over TCP after a cut answer, ends at the deadline', async (t) => {
  const silent = await serve(t, { udp: () => undefined })
  const halfway = await serve(t, {
    udp: (query) =>
      reply(query, (packet) => {
        packet.header.tc = 1
      }),
    tcp: () => undefined,
  })
  for (const server of [silent, halfway]) {
    await assert.rejects(lookup({ ...asked, server, timeoutMs: 600 }), unreachable)
  }
})

test('nonsense, and answers to other questions, are no answer', async (t) => {
  const nonsense = await serve(t, { udp: () => Buffer.from('nonsense') })
  const other = await serve(t, {
    udp: (query) => {
      const answer = answered(query)
      answer.writeUInt16BE(answer.readUInt16BE(0) ^ 1, 0)
      return answer
    },
  })
  for (const server of [nonsense, other]) {
    await assert.rejects(lookup({ ...asked, server, timeoutMs: 150 }), unreachable)
  }
})

test('an error names server, question and reason', async () => {
  await assert.rejects(lookup({ ...asked, server: 'nowhere' }), {
    code: 'server-unreachable',
    message: 'nowhere: expected HOST:PORT or [IPv6]:PORT',
  })
  await assert.rejects(lookup({ ...asked, server: '127.0.0.1:9', timeoutMs: 90 }), {
    code: 'server-unreachable',
    message: /^no answer from 127\.0\.0\.1:9 to 2\.0\.0\.127\.bl\.example A: /,
  })
})

test('the name that is asked for an address', () => {
  const nameOf = (text: string) => {
    const address = parseAddress(text)
    assert.ok('value' in address)
    return queryName(address.value, 'bl.example')
  }
  assert.equal(nameOf('192.0.2.254'), '254.2.0.192.bl.example')
  assert.equal(
    nameOf('2001:db8::f00d'),
    'd.0.0.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example',
  )
})
