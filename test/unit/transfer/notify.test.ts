// What is known of each secondary: the serial that it was told of, and whether it answered.
import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { Notifier } from '../../../src/transfer/notify.ts'
import { zoneWith } from '../../support/local-transfers.ts'
import { readMessage, serialOf } from '../../support/transfer-client.ts'

const log = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
}

async function secondary(t: TestContext, answers: boolean, rcode = 0): Promise<Socket> {
  const socket = createSocket('udp4', (message, { port, address }) => {
    if (!answers) return
    const answer = Buffer.from(message)
    answer[2] = (answer[2] ?? 0) | 0x80
    answer[3] = rcode
    socket.send(answer, port, address)
  })
  t.after(() => socket.close())
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

test('a secondary that answers NOTIFY is known with the serial that it answered', async (t) => {
  const [good, mute] = await Promise.all([secondary(t, true), secondary(t, false)])
  const targets = [good, mute].map((each) => ({
    ...{ host: '127.0.0.1', port: each.address().port, key: undefined },
  }))
  const notifier = new Notifier(zoneWith(), targets, log)
  t.after(() => notifier.close())
  const never = { serial: null, toldAt: null, answeredAt: null, answeredSerial: null }
  const address = (socket: Socket) => `127.0.0.1:${socket.address().port}`
  assert.deepEqual(notifier.status(), [
    { address: address(good), state: 'waiting', ...never },
    { address: address(mute), state: 'waiting', ...never },
  ])
  notifier.onPublished(6)
  notifier.onPublished(7)
  while (notifier.status()[0]?.state !== 'ok') await sleep(20)
  const [first, second] = notifier.status()
  assert.equal(first?.serial, 7)
  assert.equal(first?.answeredSerial, 7)
  assert.ok((first?.answeredAt ?? 0) >= (first?.toldAt ?? Infinity))
  assert.deepEqual(
    { ...second, toldAt: null },
    { address: address(mute), state: 'waiting', ...never, serial: 7 },
  )
})

test('NOTIFY tells the newest serial in a SOA record', async (t) => {
  const socket = await secondary(t, true)
  const target = { host: '127.0.0.1', port: socket.address().port, key: undefined }
  const notifier = new Notifier(zoneWith(), [target], log)
  t.after(() => notifier.close())
  notifier.onPublished(6)
  notifier.onPublished(7)
  const [message] = await once(socket, 'message')
  const { records } = readMessage(message)
  assert.deepEqual(
    records.map(({ owner }) => owner),
    ['bl.test.example'],
  )
  assert.deepEqual(records.map(serialOf), [7])
  assert.equal(message[2], 0x24)
})

test('a secondary that answers none of the tries is silent until it answers a later one', async (t) => {
  const mute = await secondary(t, false)
  const { port } = mute.address()
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const target = { host: '127.0.0.1', port, key: undefined }
  const notifier = new Notifier(zoneWith(), [target], log)
  t.after(() => notifier.close())
  notifier.onPublished(7)
  for (let minute = 0; minute < 12; minute++) t.mock.timers.tick(60_000)
  assert.equal(notifier.status()[0]?.state, 'silent')
  mute.on('message', (message, from) => {
    const answer = Buffer.from(message)
    answer[2] = (answer[2] ?? 0) | 0x80
    mute.send(answer, from.port, from.address)
  })
  notifier.onPublished(8)
  t.mock.timers.tick(200)
  while (notifier.status()[0]?.state !== 'ok') await new Promise(setImmediate)
  assert.equal(notifier.status()[0]?.answeredSerial, 8)
})

test('a secondary that answers NOTIFY with an error refuses it, and has answered nothing', async (t) => {
  const socket = await secondary(t, true, 5)
  const target = { host: '127.0.0.1', port: socket.address().port, key: undefined }
  const warnings: object[] = []
  const warn = (fields: object, message: string) => warnings.push({ ...fields, message })
  const notifier = new Notifier(zoneWith(), [target], { ...log, warn })
  t.after(() => notifier.close())
  notifier.onPublished(7)
  while (notifier.status()[0]?.state === 'waiting') await sleep(20)
  const [status] = notifier.status()
  assert.deepEqual([status?.state, status?.answeredSerial], ['refused', null])
  const message = 'the secondary refuses NOTIFY'
  assert.deepEqual(warnings, [{ secondary: status?.address, rcode: 5, message }])
})

test('NOTIFY comes from the address that it is given, to a host however that is written', async (t) => {
  const socket = createSocket('udp6', (message, { port, address }) => {
    const answer = Buffer.from(message)
    answer[2] = (answer[2] ?? 0) | 0x80
    socket.send(answer, port, address)
  })
  t.after(() => socket.close())
  socket.bind(0, '::1')
  await once(socket, 'listening')
  const loopback = await secondary(t, true)
  const targets = [
    { host: '0:0:0:0:0:0:0:1', port: socket.address().port, key: undefined },
    { host: '127.0.0.1', port: loopback.address().port, key: undefined, localAddress: '127.0.0.9' },
  ]
  const notifier = new Notifier(zoneWith(), targets, log)
  t.after(() => notifier.close())
  const heard = once(loopback, 'message')
  notifier.onPublished(7)
  while (notifier.status().some(({ state }) => state !== 'ok')) await sleep(20)
  const [, { address }] = await heard
  assert.equal(address, '127.0.0.9')
})
