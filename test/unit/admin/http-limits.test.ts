// What one client may hold open over HTTP, and for how long: connections, bodies that do not come, answers that nobody
// reads. Who is refused stands in the log once a minute.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { RefusalLog } from '../../../src/admin/client-limits.ts'
import { serveOnTcp, type TcpOptions } from '../../../src/admin/listeners.ts'
import type { Listing } from '../../../src/blocklist/types.ts'
import { type Admin, listenerOptions, openAdmin } from '../../support/admin.ts'
import { prefix } from '../../support/door.ts'
import { until } from '../../support/server.ts'

async function listening(
  t: TestContext,
  admin: Admin,
  more: Partial<TcpOptions> = {},
): Promise<{ port: number; url: string }> {
  admin.byKey = true
  const listener = await serveOnTcp(admin.app, { ...listenerOptions(admin), ...more })
  t.after(() => listener.close())
  return { port: Number(listener.address.split(':')[1]), url: `http://${listener.address}` }
}

/** A connection; `said` is what it was answered so far. */
function dial(t: TestContext, port: number) {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1')
  const dialled = { socket, said: '' }
  socket.on('data', (text) => {
    dialled.said += text
  })
  socket.on('error', () => undefined)
  t.after(() => socket.destroy())
  return dialled
}

/** Resolves however the connection ends. */
function closed(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve))
}

/** So that connections stay, however slow the machine is. */
const patient = { deadlines: { idleMs: 600_000, unwantedBodyMs: 600_000 } }

/**
 * Whether the server keeps the connection: it answers a request, or closes without a word. A patient one then waits for the
 * request's body.
 */
async function isServed(t: TestContext, port: number): Promise<Socket | undefined> {
  const { socket } = dial(t, port)
  socket.write('POST /v1/listings HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n')
  // Not `once`, which would reject: the server may reset the connection.
  const isAnswered = await new Promise((resolve) => {
    socket.once('data', () => resolve(true)).once('close', () => resolve(false))
  })
  return isAnswered ? socket : undefined
}

/** All connections come from there, as far as the listener can see. */
function from(t: TestContext): { client: string } {
  const peer = { client: '198.51.100.1' }
  // What remoteAddress asks; that itself cannot be replaced.
  const asked = Socket.prototype as unknown as { _getpeername(): { address: string } }
  t.mock.method(asked, '_getpeername', () => ({ address: peer.client }))
  return peer
}

test('one client cannot take the connections of all others', async (t) => {
  const admin = openAdmin(t)
  const { port } = await listening(t, admin, patient)
  const peer = from(t)
  const held: Socket[] = []
  for (;;) {
    const socket = await isServed(t, port)
    if (socket === undefined) break
    held.push(socket)
    assert.ok(held.length < 2000, 'as many as there are for all')
  }
  assert.equal(held.length, 200)
  for (let tries = 0; tries < 5; tries++) assert.equal(await isServed(t, port), undefined)
  peer.client = '198.51.100.2'
  assert.ok(await isServed(t, port), 'another client is served')
  const lines = admin.logged.filter(({ message }) => message.includes('refused'))
  assert.deepEqual(
    lines.map(({ fields }) => fields),
    [{ client: '198.51.100.1', why: 'too many connections', refused: 1 }],
  )
  peer.client = '198.51.100.1'
  const [first] = held
  first?.destroy()
  let again: Socket | undefined
  while (again === undefined) again = await isServed(t, port)
})

test('loopback and trusted proxies may have more connections than one client', async (t) => {
  const admin = openAdmin(t)
  const { port } = await listening(t, admin, patient)
  const peer = from(t)
  admin.trustedProxies = [prefix('198.51.100.0/24')]
  for (const client of ['127.0.0.1', '198.51.100.1']) {
    peer.client = client
    for (let count = 0; count < 210; count++) assert.ok(await isServed(t, port), client)
  }
})

test('an IPv6 client is its /64', async (t) => {
  const admin = openAdmin(t)
  const { port } = await listening(t, admin, patient)
  const peer = from(t)
  for (let count = 0; count < 200; count++) {
    peer.client = `2001:db8::${count.toString(16)}`
    assert.ok(await isServed(t, port))
  }
  peer.client = '2001:db8::ffff:1'
  assert.equal(await isServed(t, port), undefined)
  peer.client = '2001:db8:0:1::1'
  assert.ok(await isServed(t, port))
})

test('a body that nobody wants does not hold its connection', async (t) => {
  const { port } = await listening(t, openAdmin(t), { deadlines: { unwantedBodyMs: 100 } })
  for (const [path, status] of [
    ['/v1/import?list=a', 401],
    ['/v1/nothing', 404],
  ] as const) {
    const dialled = dial(t, port)
    const fields = 'Host: x\r\nContent-Type: text/plain\r\nContent-Length: 100000000\r\n\r\n'
    dialled.socket.write(`POST ${path} HTTP/1.1\r\n${fields}`)
    const drip = setInterval(() => dialled.socket.write('x'), 20)
    await closed(dialled.socket)
    clearInterval(drip)
    assert.match(dialled.said, new RegExp(`^HTTP/1.1 ${status} `))
  }
})

test('a small body that comes late leaves its connection to further requests', async (t) => {
  const { port } = await listening(t, openAdmin(t))
  const dialled = dial(t, port)
  dialled.socket.write('POST /v1/listings HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n')
  await once(dialled.socket, 'data')
  dialled.socket.write('{}GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
  const both = /^HTTP\/1\.1 401 .*HTTP\/1\.1 200 /s
  const said = async () => dialled.said
  assert.match(await until(said, (each) => both.test(each), 60_000), both)
})

test('an answer that nobody reads does not hold its connection', async (t) => {
  const admin = openAdmin(t)
  const { port } = await listening(t, admin, { deadlines: { idleMs: 200 } })
  const { socket } = dial(t, port)
  socket.pause()
  // More than the buffers of both sides take; a write finds out that the other side is gone.
  const drip = setInterval(() => {
    socket.write('GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20))
  }, 20)
  await closed(socket)
  clearInterval(drip)
})

test('a body that stops coming is given up', async (t) => {
  const admin = openAdmin(t)
  const { port } = await listening(t, admin, { deadlines: { idleMs: 200 } })
  admin.byKey = false
  const dialled = dial(t, port)
  dialled.socket.write('POST /v1/import?list=a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n')
  dialled.socket.write('Content-Length: 100\r\n\r\n203.0.113.9\n')
  await closed(dialled.socket)
  assert.equal(dialled.said, '')
})

test('a request that is worked on for longer than an idle connection may last is answered', async (t) => {
  const admin = openAdmin(t)
  const { url } = await listening(t, admin, { deadlines: { idleMs: 1000 } })
  admin.byKey = false
  const { promise, resolve } = Promise.withResolvers<Listing[]>()
  t.mock.method(admin.blocklist, 'delist', () => promise)
  setTimeout(() => resolve([]), 3000)
  const asked = fetch(`${url}/v1/listings?prefix=203.0.113.9`, { method: 'DELETE' })
  assert.equal((await asked).status, 200)
})

test('probes are answered whatever else the address has asked', async (t) => {
  const admin = openAdmin(t)
  admin.byKey = true
  admin.requestsPerMinute = 1
  const status = async (url: string) =>
    (await admin.app.inject({ url, remoteAddress: '198.51.100.1' })).statusCode
  assert.equal(await status('/v1/lookup/203.0.113.9'), 200)
  assert.equal(await status('/v1/lookup/203.0.113.9'), 429)
  for (let count = 0; count < 5; count++) {
    assert.equal(await status('/healthz'), 200)
    assert.equal(await status('/readyz'), 200)
  }
  const headers = { authorization: 'Bearer wrong' }
  for (let count = 0; count < 25; count++) {
    const remoteAddress = '198.51.100.1'
    const reply = await admin.app.inject({ url: '/healthz', headers, remoteAddress })
    assert.equal(reply.statusCode, 200)
  }
})

test('refused requests and wrong keys stand in the log, and not one by one', async (t) => {
  const admin = openAdmin(t)
  admin.byKey = true
  admin.requestsPerMinute = 1
  const url = '/v1/lookup/203.0.113.9'
  for (let count = 0; count < 10; count++) {
    await admin.app.inject({ url, remoteAddress: '198.51.100.1' })
  }
  const headers = { authorization: 'Bearer wrong' }
  for (let count = 0; count < 30; count++) {
    await admin.app.inject({ url, headers, remoteAddress: '2001:db8::1' })
  }
  assert.deepEqual(
    admin.logged.map(({ fields }) => fields),
    [
      { client: '198.51.100.1', why: 'too many requests', refused: 1 },
      { client: '2001:db8::/64', why: 'too many wrong keys', refused: 1 },
    ],
  )
})

test('the log of refusals has one line a minute for each client, and one for all beyond a thousand', (t) => {
  const lines: { client: string; refused: number }[] = []
  const silent = () => undefined
  const warn = (fields: object) => lines.push(fields as (typeof lines)[number])
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const log = new RefusalLog({ error: silent, warn, info: silent, debug: silent })
  const note = (client: string) => log.note(client, 'too many requests')
  for (let count = 0; count < 5; count++) note('a')
  now = 59_999
  note('a')
  now = 60_000
  note('a')
  assert.deepEqual(
    lines.splice(0).map(({ refused }) => refused),
    [1, 6],
  )
  for (let client = 0; client < 5000; client++) note(`client ${client}`)
  assert.equal(lines.length, 1000)
  assert.equal(lines.at(-1)?.client, 'others')
  now = 200_000
  note('late')
  assert.equal(lines.at(-1)?.client, 'late')
})
