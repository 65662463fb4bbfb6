// One contract, two transports: what transport.ts promises holds for udp-batch.ts and udp-dgram.ts alike. Real sockets,
// and a thread for each, since a transport may block.
import assert from 'node:assert/strict'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { parseListenAddress } from '../../../src/nameserver/addresses.ts'
import { loadNativeSockets } from '../../../src/nameserver/native.ts'
import { bindSockets } from '../../../src/nameserver/sockets.ts'
import { maxQueryLength } from '../../../src/nameserver/transport.ts'
import { until } from '../../support/server.ts'
import { shownBytes, type UdpTransportData } from '../../support/udp-transport-thread.ts'

const maxResponse = 1232
const native = await loadNativeSockets()
const kinds = native === undefined ? ([] as const) : (['batch', 'events'] as const)

interface Running {
  readonly ports: readonly number[]
  readonly thread: Worker
  readonly exited: Promise<unknown>
  stop(): void
}

async function run(
  t: TestContext,
  kind: UdpTransportData['kind'],
  ...listen: string[]
): Promise<Running> {
  assert.ok(native)
  const bound = bindSockets(native, listen.map(parseListenAddress), 1)
  const stopped = new Int32Array(new SharedArrayBuffer(4))
  const data: UdpTransportData = { kind, sockets: bound.udp(0), maxResponse, stop: stopped.buffer }
  const thread = new Worker(new URL('../../support/udp-transport-thread.ts', import.meta.url), {
    workerData: data,
  })
  const exited = once(thread, 'exit')
  const stop = () => {
    Atomics.store(stopped, 0, 1)
    Atomics.notify(stopped, 0)
  }
  t.after(async () => {
    stop()
    await exited
    bound.close()
  })
  await once(thread, 'message')
  return { ports: bound.addresses.map(({ port }) => port), thread, exited, stop }
}

async function client(t: TestContext, host: string): Promise<Socket> {
  const socket = createSocket({
    type: host.includes(':') ? 'udp6' : 'udp4',
    recvBufferSize: 4 << 20,
  })
  socket.bind(0, host)
  await once(socket, 'listening')
  t.after(() => socket.close())
  return socket
}

interface Received {
  readonly octets: Buffer
  readonly from: RemoteInfo
}

async function exchange(
  socket: Socket,
  query: Uint8Array,
  port: number,
  host: string,
): Promise<Received> {
  const received = once(socket, 'message', { signal: AbortSignal.timeout(60_000) })
  socket.send(query, port, host)
  const [octets, from] = await received
  return { octets, from }
}

/** What a response shows of its query. */
function shown(octets: Buffer) {
  return {
    queryLength: octets.readUInt16BE(0),
    client: [octets.readUInt8(2), ...[3, 7, 11, 15].map((at) => octets.readInt32BE(at))],
    isPinned: octets.readUInt8(19) === 1,
    query: octets.subarray(shownBytes),
  }
}

for (const kind of kinds) {
  test(`${kind}: a query is answered between enter and leave, its client told`, async (t) => {
    const { ports } = await run(t, kind, '127.0.0.1:0', '[::1]:0')
    const [port4 = 0, port6 = 0] = ports
    const socket4 = await client(t, '127.9.8.130')
    const socket6 = await client(t, '::1')
    for (const text of ['first', 'second']) {
      const query = Buffer.from(text)
      const response = shown((await exchange(socket4, query, port4, '127.0.0.1')).octets)
      const word = (127 << 24) | (9 << 16) | (8 << 8) | 130
      const expected = { queryLength: text.length, isPinned: true, query }
      assert.deepEqual(response, { ...expected, client: [4, word, 0, 0, 0] })
      const other = shown((await exchange(socket6, query, port6, '::1')).octets)
      assert.deepEqual(other, { ...expected, client: [6, 0, 0, 0, 1] })
    }
  })

  test(`${kind}: each of many queries gets its own response, whichever get none`, async (t) => {
    const { ports } = await run(t, kind, '127.0.0.1:0')
    const socket = await client(t, '127.0.0.1')
    const received = new Set<string>()
    socket.on('message', (octets) => received.add(shown(octets).query.toString()))
    const expected = new Set<string>()
    const deadline = performance.now() + 60_000
    for (let number = 0; number < 3000; number++) {
      // Runs with and without responses, so that batches have every sort of gap.
      const isDropped = number % 7 === 0 || (number % 300 > 250 && number % 2 === 0)
      const text = `${isDropped ? 'drop' : 'keep'} ${number}`
      if (!isDropped) expected.add(text)
      socket.send(text, ports[0] ?? 0, '127.0.0.1')
      // The kernel's buffer holds no more than a few hundred.
      while (number % 100 === 99 && received.size < expected.size && performance.now() < deadline)
        await sleep(1)
    }
    assert.deepEqual([...received].sort(), [...expected].sort())
  })

  test(`${kind}: empty, longest and longer queries, and the longest response`, async (t) => {
    const { ports } = await run(t, kind, '127.0.0.1:0')
    const [port = 0] = ports
    const socket = await client(t, '127.0.0.1')
    for (const [length, seen] of [
      [0, 0],
      [maxQueryLength, maxQueryLength],
      [maxQueryLength + 1, maxQueryLength],
      [60_000, maxQueryLength],
      [1, 1],
    ] as const) {
      const { octets } = await exchange(socket, Buffer.alloc(length, 0x71), port, '127.0.0.1')
      assert.equal(shown(octets).queryLength, seen)
    }
    const { octets } = await exchange(socket, Buffer.from('long'), port, '127.0.0.1')
    assert.equal(octets.length, maxResponse)
  })

  test(`${kind}: stopped, it answers what has come and ends`, async (t) => {
    const { ports, exited, stop } = await run(t, kind, '127.0.0.1:0')
    const socket = await client(t, '127.0.0.1')
    let responses = 0
    socket.on('message', () => responses++)
    // So few are read in one turn of the event loop. A stopped server waits only a moment for more.
    const sent = 20
    await Promise.all(
      Array.from(
        { length: sent },
        () => new Promise((resolve) => socket.send('query', ports[0] ?? 0, '127.0.0.1', resolve)),
      ),
    )
    stop()
    await exited
    const answered = () => Promise.resolve(responses)
    assert.equal(await until(answered, (count) => count === sent, 60_000), sent)
  })

  test(`${kind}: idle, it sees the stop and ends`, async (t) => {
    const { exited, stop } = await run(t, kind, '127.0.0.1:0', '[::1]:0')
    stop()
    assert.deepEqual(await exited, [0])
  })
}

test('batch: on a wildcard address the response leaves from the address that was asked', async (t) => {
  if (native === undefined) return t.skip('no native socket native on this platform')
  const { ports } = await run(t, 'batch', '0.0.0.0:0', '[::]:0')
  const socket4 = await client(t, '127.0.0.1')
  const socket6 = await client(t, '::1')
  // The gap that a dropped query leaves must not give one response the address of another.
  for (const asked of ['127.0.0.1', '127.0.0.77', '127.1.2.3', '127.0.0.77']) {
    socket4.send('drop', ports[0] ?? 0, '127.0.0.9')
    const { from, octets } = await exchange(socket4, Buffer.from(asked), ports[0] ?? 0, asked)
    assert.equal(from.address, asked)
    assert.equal(shown(octets).query.toString(), asked)
  }
  const { from } = await exchange(socket6, Buffer.from('six'), ports[1] ?? 0, '::1')
  assert.equal(from.address, '::1')
})

test('batch: a bound socket says what buffers it has', (t) => {
  if (native === undefined) return t.skip('no native socket native on this platform')
  const bound = bindSockets(native, [parseListenAddress('127.0.0.1:0')], 2)
  t.after(() => bound.close())
  const memory = bound.memory()
  assert.equal(memory.length, 2)
  for (const { receiveBufferBytes, sendBufferBytes, dropped } of memory) {
    assert.ok(receiveBufferBytes > 100_000, `${receiveBufferBytes}`)
    assert.ok(sendBufferBytes > 100_000, `${sendBufferBytes}`)
    assert.equal(dropped, 0)
  }
})

test('batch: what the kernel drops for want of room is counted', async (t) => {
  if (native === undefined) return t.skip('no native socket native on this platform')
  const bound = bindSockets(native, [parseListenAddress('127.0.0.1:0')], 1)
  t.after(() => bound.close())
  const socket = await client(t, '127.0.0.1')
  const [address] = bound.addresses
  const query = Buffer.alloc(60_000)
  // Nobody receives: more than the buffer holds.
  for (let sent = 0; sent < 400; sent++) {
    await new Promise((resolve) => socket.send(query, address?.port ?? 0, '127.0.0.1', resolve))
  }
  assert.ok((bound.memory()[0]?.dropped ?? 0) > 0)
})
