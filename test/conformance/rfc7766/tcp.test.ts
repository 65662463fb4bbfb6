// RFC 7766: DNS over TCP, framing, pipelining, and peers that are slow, silent or half gone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { useSubject } from '../../support/conformance.ts'
import { buildQuery, reversed, types } from '../../support/dns-query.ts'
import {
  absolute,
  ask,
  askTcp,
  decode,
  frame,
  startSubject,
  TcpClient,
} from '../../support/dns-subject.ts'

const idleMs = 3000
const subject = useSubject({ tcpConnections: 30, tcpIdleSeconds: idleMs / 1000 })

function query(name: string, id: number, type: number = types.A): Buffer {
  return buildQuery(absolute(subject, name), type, { id })
}

async function assertServed(): Promise<void> {
  assert.deepEqual((await askTcp(subject, reversed('127.0.0.2'), types.A)).addresses, ['127.0.0.2'])
  assert.deepEqual((await ask(subject, reversed('127.0.0.2'), types.A)).addresses, ['127.0.0.2'])
}

test('§5: a query is answered over TCP as over UDP', assertServed)

test('§6.2.1: several queries on one connection, one after the other', async () => {
  const client = await TcpClient.open(subject)
  try {
    for (let id = 1; id <= 5; id++) {
      client.send(query(reversed(`127.0.0.${id + 1}`), id))
      assert.equal(decode(await client.receive()).packet.header.id, id)
    }
  } finally {
    client.close()
  }
})

test('§6.2.1.1: pipelined queries are all answered', async () => {
  const client = await TcpClient.open(subject)
  try {
    const ids = Array.from({ length: 500 }, (_, index) => index)
    client.send(...ids.map((id) => query(reversed(`192.0.2.${id % 128}`), id)))
    const received = new Set<number>()
    for (const _ of ids) received.add(decode(await client.receive()).packet.header.id)
    assert.equal(received.size, ids.length)
  } finally {
    client.close()
  }
})

test('§8: a length split anywhere, octet by octet', async () => {
  const client = await TcpClient.open(subject)
  try {
    client.socket.setNoDelay(true)
    const octets = Buffer.concat([frame(query(reversed('127.0.0.2'), 7)), frame(query('ns1', 8))])
    for (const octet of octets) {
      client.socket.write(Buffer.from([octet]))
      await sleep(1)
    }
    assert.deepEqual(decode(await client.receive()).addresses, ['127.0.0.2'])
    assert.deepEqual(decode(await client.receive()).addresses, ['192.0.2.53'])
  } finally {
    client.close()
  }
})

test('§8: two messages and half a third in one segment', async () => {
  const client = await TcpClient.open(subject)
  try {
    const third = frame(query(reversed('127.0.0.4'), 3))
    const first = [frame(query(reversed('127.0.0.2'), 1)), frame(query(reversed('127.0.0.3'), 2))]
    client.socket.write(Buffer.concat([...first, third.subarray(0, 1)]))
    assert.equal(decode(await client.receive()).packet.header.id, 1)
    assert.equal(decode(await client.receive()).packet.header.id, 2)
    client.socket.write(third.subarray(1))
    assert.equal(decode(await client.receive()).packet.header.id, 3)
  } finally {
    client.close()
  }
})

test('a half-closed peer gets its answers, and then the connection ends', async (t) => {
  // Not because it was idle.
  const patient = await startSubject({ tcpIdleSeconds: 600 })
  t.after(() => patient.close())
  const client = await TcpClient.open(patient)
  client.socket.end(
    Buffer.concat([
      frame(query(reversed('127.0.0.2'), 1)),
      frame(query(reversed('127.0.0.3'), 2)),
      Buffer.from([0]),
    ]),
  )
  assert.equal(decode(await client.receive()).packet.header.id, 1)
  assert.equal(decode(await client.receive()).packet.header.id, 2)
  assert.equal(await client.closed(), true)
})

test('§6.2.3: a silent connection is closed after the idle time, and not before', async (t) => {
  if (!subject.isOurs) return t.skip('another server has other times')
  const openedAt = performance.now()
  const client = await TcpClient.open(subject)
  assert.equal(await client.closed(), true)
  // It may have been closed later, or seen later; a timer may be a little early.
  assert.ok(performance.now() - openedAt > idleMs - 100)
})

test('§6.2.3: a query keeps the connection open for another idle time', async (t) => {
  if (!subject.isOurs) return t.skip('another server has other times')
  const client = await TcpClient.open(subject)
  const openedAt = performance.now()
  // Often, so that a machine that stands still for a while does not make it idle.
  for (let id = 0; performance.now() - openedAt < idleMs + 500; id++) {
    await sleep(50)
    client.send(query(reversed('127.0.0.2'), id))
    assert.ok(await client.receive())
  }
  assert.equal(client.isClosed, false)
  client.close()
})

test('a peer that dribbles octets of one message is dropped after the idle time all the same', async (t) => {
  if (!subject.isOurs) return t.skip('another server has other times')
  const client = await TcpClient.open(subject)
  client.socket.write(Buffer.from([0xff, 0xff]))
  const dribble = setInterval(() => client.socket.write(Buffer.from([0])), 100)
  try {
    assert.equal(await client.closed(), true)
  } finally {
    clearInterval(dribble)
    client.close()
  }
})

test('a peer that asks and never reads is dropped, and harms nobody', async (t) => {
  if (!subject.isOurs) return t.skip('another server has other times')
  const client = await TcpClient.open(subject)
  client.socket.pause()
  const batch = Buffer.concat(
    Array.from({ length: 200 }, (_, id) => frame(query('huge', id, types.TXT))),
  )
  const closed = new Promise((resolve) => client.socket.once('close', resolve))
  const pump = setInterval(() => client.socket.write(batch), 5)
  try {
    await sleep(300)
    await assertServed()
    await Promise.race([closed, sleep(60_000, undefined, { ref: false })])
    assert.equal(client.socket.destroyed, true)
  } finally {
    clearInterval(pump)
    client.close()
  }
})

test('§6.2.2: connections held open for nothing keep nobody out', async (t) => {
  if (!subject.isOurs) return t.skip('another server has other limits')
  const idle: TcpClient[] = []
  for (let count = 0; count < 60; count++) idle.push(await TcpClient.open(subject))
  try {
    await assertServed()
    await Promise.all(idle.slice(0, 40).map((client) => client.closed()))
    assert.ok(idle.filter((client) => client.isClosed).length >= 40, 'the limit holds')
  } finally {
    for (const client of idle) client.close()
  }
})

test('the busy connection stays when idle ones have to go', async (t) => {
  if (!subject.isOurs) return t.skip('another server has other limits')
  const busy = await TcpClient.open(subject)
  const others: TcpClient[] = []
  try {
    for (let id = 0; id < 40; id++) {
      others.push(await TcpClient.open(subject))
      busy.send(query(reversed('127.0.0.2'), id))
      assert.ok(await busy.receive(), `answer ${id}`)
    }
    assert.equal(busy.isClosed, false)
  } finally {
    busy.close()
    for (const client of others) client.close()
  }
})

test('empty messages and connections that are reset are taken in stride', async () => {
  const client = await TcpClient.open(subject)
  // Others close at a length of 0, as they may.
  if (subject.isOurs) client.socket.write(Buffer.alloc(2000))
  client.send(query(reversed('127.0.0.2'), 1))
  assert.equal(decode(await client.receive()).packet.header.id, 1)
  client.send(query('huge', 2, types.TXT))
  client.socket.resetAndDestroy()
  await assertServed()
})
