// RFC 9210 §4, RFC 7766 §6.2: peers that hold connections open, write octet by octet, or have gone half away, harm
// neither UDP nor new TCP clients.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { useSubject } from '../../support/conformance.ts'
import { buildQuery, reversed, types } from '../../support/dns-query.ts'
import { absolute, ask, askTcp, frame } from '../../support/dns-subject.ts'

const listed = reversed('127.0.0.2')
/** As interface.md has it by default. */
const connections = 1000
const addresses = 20

const subject = useSubject({ tcpConnections: connections, tcpIdleSeconds: 60 })

/** Connections from several addresses, so that no client's own share is what limits them. */
async function crowd(count: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  const connected: Promise<unknown>[] = []
  for (let index = 0; index < count; index++) {
    const socket = connect({
      host: subject.host,
      port: subject.port,
      localAddress: `127.0.8.${1 + (index % addresses)}`,
      allowHalfOpen: true,
    })
    socket.on('error', () => undefined)
    sockets.push(socket)
    connected.push(once(socket, 'connect'))
    if (index % 50 === 49) await Promise.all(connected)
  }
  await Promise.all(connected)
  return sockets
}

async function assertServed(): Promise<void> {
  for (let count = 0; count < 20; count++) {
    assert.deepEqual((await ask(subject, listed, types.A)).addresses, ['127.0.0.2'])
    assert.deepEqual((await askTcp(subject, listed, types.A)).addresses, ['127.0.0.2'])
  }
}

test('1,000 idle connections', async (t) => {
  if (!subject.isOurs) return t.skip('another server has other limits')
  const sockets = await crowd(connections)
  try {
    assert.ok(sockets.filter((socket) => socket.readyState === 'open').length >= connections - 1)
    await assertServed()
  } finally {
    for (const socket of sockets) socket.destroy()
  }
})

test('200 peers that write octet by octet, and get their answers in the end', async () => {
  const sockets = await crowd(200)
  try {
    const octets = frame(buildQuery(absolute(subject, listed), types.A))
    const answered = sockets.map((socket) => once(socket, 'data'))
    for (const octet of octets) {
      for (const socket of sockets) socket.write(Buffer.from([octet]))
      await sleep(1)
    }
    await assertServed()
    await Promise.all(answered)
  } finally {
    for (const socket of sockets) socket.destroy()
  }
})

test('200 half-closed peers: with half a query, with a whole one, with nothing', async () => {
  const sockets = await crowd(200)
  try {
    const octets = frame(buildQuery(absolute(subject, listed), types.A))
    const ended = sockets.map((socket) => once(socket.resume(), 'end'))
    for (const [index, socket] of sockets.entries()) {
      socket.end(octets.subarray(0, [0, 1, 9, octets.length][index % 4]))
    }
    await assertServed()
    await Promise.race([Promise.all(ended), sleep(60_000, undefined, { ref: false })])
    assert.ok(sockets.every((socket) => socket.readableEnded))
  } finally {
    for (const socket of sockets) socket.destroy()
  }
})
