// The name server as a whole: sockets, threads, and what happens when one of them dies. Real sockets and threads.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { OperationalError } from '../../../src/errors.ts'
import { loadLibrary } from '../../../src/libc.ts'
import {
  type Nameserver,
  type NameserverOptions,
  prepareNameserver,
} from '../../../src/nameserver/nameserver.ts'
import { entryKinds } from '../../../src/tree/layout.ts'
import { readerEpoch } from '../../../src/tree/reclaim.ts'
import { injectFaults } from '../../support/dns-faulty-thread.ts'
import { buildQuery, rcodes, reversed, types } from '../../support/dns-query.ts'
import {
  ask,
  askTcp,
  type Subject,
  silentLog,
  subjectOptions,
  subjectTree,
  subjectZone,
  TcpClient,
} from '../../support/dns-subject.ts'
import { freePort } from '../../support/ports.ts'

/** How often a thread is checked. */
const checkMs = 1000

interface Started {
  readonly server: Nameserver
  readonly subjects: readonly Subject[]
  readonly subject: Subject
  readonly tree: ReturnType<typeof subjectTree>
  readonly logged: string[]
  readonly fatal: Error[]
}

function optionsOf(tree: SharedArrayBuffer): NameserverOptions {
  return { ...subjectOptions(tree), onFatal: () => undefined }
}

async function start(t: TestContext, overrides: Partial<NameserverOptions> = {}): Promise<Started> {
  const tree = subjectTree()
  const logged: string[] = []
  const fatal: Error[] = []
  const log = (fields: object, message: string) => {
    if ('thread' in fields) logged.push(`${message} ${fields.thread}`)
  }
  const prepared = await prepareNameserver({
    ...optionsOf(tree.buffer),
    log: { ...silentLog, error: log, info: log },
    onFatal: (error) => fatal.push(error),
    ...overrides,
  })
  const server = await prepared.listen()
  t.after(() => server.close())
  const subjects = server.addresses.map((address): Subject => {
    const [, host = '', port] = /^\[?([^\]]*)\]?:(\d+)$/.exec(address) ?? []
    return {
      zone: subjectZone.origin,
      host,
      port: Number(port),
      isOurs: true,
      close: async () => undefined,
    }
  })
  const [subject] = subjects
  assert.ok(subject)
  return { server, subjects, subject, tree, logged, fatal }
}

async function assertAnswers(subject: Subject): Promise<void> {
  const name = reversed('127.0.0.2')
  assert.deepEqual((await ask(subject, name, types.A)).addresses, ['127.0.0.2'])
  assert.deepEqual((await askTcp(subject, name, types.A)).addresses, ['127.0.0.2'])
}

/** Sends a query that kills the thread which gets it, or has it hang, and does not wait for an answer. */
async function crash(
  subject: Subject,
  transport: 'udp' | 'tcp',
  how: 'crash' | 'hang' = 'crash',
): Promise<void> {
  const query = buildQuery(`${how}.${subject.zone}`, types.A)
  if (transport === 'tcp') {
    const client = await TcpClient.open(subject)
    client.send(query)
    // A thread that hangs closes nothing.
    if (how === 'crash') assert.equal(await client.closed(), true)
    else await client.closed(1000)
    client.close()
    return
  }
  const socket = createSocket('udp4')
  await new Promise((resolve) => socket.send(query, subject.port, subject.host, resolve))
  socket.close()
}

async function eventually(check: () => boolean, waitMs = 60_000): Promise<void> {
  const deadline = Date.now() + waitMs
  while (!check() && Date.now() < deadline) await sleep(5)
  assert.ok(check())
}

for (const nativeSockets of [true, false]) {
  const how = nativeSockets ? 'by the C library' : 'by node:dgram'

  test(`port 0 takes one port for UDP and TCP, on IPv4 and IPv6, sockets made ${how}`, async (t) => {
    const listen = ['127.0.0.1:0', '[::1]:0']
    const { server, subjects } = await start(t, { listen, workers: 2, nativeSockets })
    assert.equal(server.workers, 2)
    assert.match(server.addresses.join(' '), /^127\.0\.0\.1:[1-9]\d* \[::1\]:[1-9]\d*$/)
    for (const subject of subjects) await assertAnswers(subject)
  })

  test(`0.0.0.0 and [::] share a port, sockets made ${how}`, async (t) => {
    const listen = [`0.0.0.0:${await freePort()}`]
    const { subject } = await start(t, { listen, nativeSockets })
    const both = [`0.0.0.0:${subject.port}`, `[::]:${subject.port}`]
    await assert.rejects(start(t, { listen: [both[0] ?? ''], nativeSockets: true, workers: 1 }), {
      code: 'address-unavailable',
    })
    const { subjects } = await start(t, { listen: [both[1] ?? ''], nativeSockets })
    await assertAnswers({ ...subject, host: '127.0.0.1' })
    for (const each of subjects) await assertAnswers({ ...each, host: '::1' })
  })

  test(`a taken address is named, and nothing stays bound, sockets made ${how}`, async (t) => {
    const port = await freePort()
    const other = createServer().listen(port, '127.0.0.1')
    await once(other, 'listening')
    const listen = [`127.0.0.1:${port}`]
    const isNamed = (error: unknown) =>
      error instanceof OperationalError &&
      error.code === 'address-unavailable' &&
      /EADDRINUSE/.test(error.message) &&
      error.message.includes(`127.0.0.1:${port}`)
    await assert.rejects(start(t, { listen, nativeSockets }), isNamed)
    other.close()
    await once(other, 'close')
    const { subject } = await start(t, { listen, nativeSockets })
    await assertAnswers(subject)
  })

  test(`a UDP worker that dies is started again on its socket, sockets made ${how}`, async (t) => {
    injectFaults(t)
    const { subject, logged, fatal } = await start(t, { workers: 2, nativeSockets })
    await crash(subject, 'udp')
    await eventually(() => logged.some((line) => line.startsWith('the thread answers again')))
    assert.match(logged.join('\n'), /^a name server thread died; restarting it dns-udp-[01]$/m)
    for (let count = 0; count < 20; count++) await assertAnswers(subject)
    assert.deepEqual(fatal, [])
  })
}

test('what is prepared binds nothing until it listens, and leaves nothing behind when it is abandoned', async (t) => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  t.after(() => socket.close())
  await once(socket, 'listening')
  const { port } = socket.address()
  const taken = { ...optionsOf(subjectTree().buffer), listen: [`127.0.0.1:${port}`] }
  const abandoned = await prepareNameserver(taken)
  await abandoned.abandon()
  const prepared = await prepareNameserver(taken)
  await assert.rejects(prepared.listen(), { code: 'address-unavailable' })
})

test('no query is lost while a dead worker is replaced', async (t) => {
  injectFaults(t)
  const { subject, logged } = await start(t, { workers: 2 })
  await crash(subject, 'udp')
  await eventually(() => logged.length > 0)
  // Different source ports spread the queries over both sockets, the orphaned one too.
  const asked = Array.from({ length: 60 }, () => ask(subject, reversed('127.0.0.3'), types.A))
  for (const { addresses } of await Promise.all(asked)) {
    assert.deepEqual(addresses, ['127.0.0.2', '127.0.0.3'])
  }
})

test('the TCP thread that dies is started again, and UDP answers meanwhile', async (t) => {
  injectFaults(t)
  const { subject, logged } = await start(t)
  await crash(subject, 'tcp')
  assert.deepEqual((await ask(subject, reversed('127.0.0.2'), types.A)).addresses, ['127.0.0.2'])
  // The connection waits in the socket's queue until the new thread accepts it.
  await assertAnswers(subject)
  assert.match(logged[0] ?? '', /dns-tcp$/)
})

test('a thread that dies again and again is a fatal error, told once', async (t) => {
  injectFaults(t)
  const { subject, fatal } = await start(t)
  const killer = setInterval(() => void crash(subject, 'udp'), 20)
  try {
    await eventually(() => fatal.length > 0)
  } finally {
    clearInterval(killer)
  }
  await sleep(50)
  assert.equal(fatal.length, 1)
  assert.ok(fatal[0] instanceof OperationalError)
  assert.equal(fatal[0].code, 'worker-failed')
  assert.match(fatal[0].message, /^dns-udp-0 died 6 times within 60 seconds$/)
})

for (const transport of ['udp', 'tcp'] as const) {
  test(`a thread that hangs inside one batch is replaced: ${transport}`, async (t) => {
    injectFaults(t)
    t.mock.timers.enable({ apis: ['setInterval'] })
    const { subject, tree, logged, fatal } = await start(t)
    await crash(subject, transport, 'hang')
    const slot = transport === 'udp' ? 0 : 62
    await eventually(() => readerEpoch(tree.buffer, slot) !== 0)
    t.mock.timers.tick(6 * checkMs)
    await eventually(() => logged.some((line) => line.startsWith('the thread answers again')))
    assert.match(logged[0] ?? '', /^a name server thread hung in one batch; restarting it dns-/)
    await assertAnswers(subject)
    assert.deepEqual(fatal, [])
  })
}

test('an idle thread is left alone', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { subject, tree, logged } = await start(t)
  await assertAnswers(subject)
  // An answer leaves before the batch is over.
  await eventually(() => [0, 62].every((slot) => readerEpoch(tree.buffer, slot) === 0))
  t.mock.timers.tick(20 * checkMs)
  assert.deepEqual(logged, [])
  await assertAnswers(subject)
})

test('a dead thread holds no memory of the tree back', async (t) => {
  injectFaults(t)
  const { subject, tree, logged } = await start(t)
  await crash(subject, 'udp')
  await eventually(() => logged.length > 0)
  const answer = tree.internAnswer(1 << 2)
  const version = { generatedAt: 0, validUntil: 0, ipv4Entries: 0, ipv6Entries: 0 }
  for (let serial = 1; serial < 200; serial++) {
    tree.set(4, 0x01010101, 0, 0, 0, 32, entryKinds.listing, answer)
    tree.publish({ ...version, serial })
    tree.remove(4, 0x01010101, 0, 0, 0, 32)
    tree.publish({ ...version, serial })
  }
  assert.ok(tree.stats().limboBytes < 4096, `${tree.stats().limboBytes} octets in limbo`)
})

test("data are stale by the list's clock, not by a wall clock that jumped", async (t) => {
  const clockCorrection = new Float64Array(new SharedArrayBuffer(8))
  const { subject, tree } = await start(t, {
    staleServfail: true,
    clockCorrection: clockCorrection.buffer,
  })
  const now = Math.floor(Date.now() / 1000)
  const version = { serial: 1, generatedAt: now - 1000, ipv4Entries: 0, ipv6Entries: 0 }
  tree.publish({ ...version, validUntil: now - 100 })
  const rcode = async () => (await ask(subject, reversed('127.0.0.2'), types.A)).rcode
  assert.equal(await rcode(), rcodes.SERVFAIL)
  clockCorrection[0] = -1000
  assert.equal(await rcode(), rcodes.NOERROR)
})

test('a change is answered as soon as it is published', async (t) => {
  const { subject, tree } = await start(t)
  const name = reversed('198.51.100.200')
  const version = { generatedAt: 0, validUntil: 0, ipv4Entries: 0, ipv6Entries: 0 }
  const answer = tree.internAnswer((1 << 2) | (1 << 6))
  assert.equal((await ask(subject, name, types.A)).rcode, rcodes.NXDOMAIN)
  tree.set(4, 0xc63364c8, 0, 0, 0, 32, entryKinds.listing, answer)
  tree.publish({ ...version, serial: 7 })
  for (const response of [
    await ask(subject, name, types.A),
    await askTcp(subject, name, types.A),
  ]) {
    assert.deepEqual(response.addresses, ['127.0.0.2', '127.0.0.6'])
  }
  tree.remove(4, 0xc63364c8, 0, 0, 0, 32)
  tree.publish({ ...version, serial: 8 })
  assert.equal((await ask(subject, name, types.A)).soa?.serial, 8)
})

test('close answers, ends whatever peers do, and frees the port', async (t) => {
  // Of a port that Linux gives to nobody else meanwhile.
  const listen = [`127.0.0.1:${await freePort()}`]
  const { server, subject } = await start(t, { listen, workers: 2 })
  const silent = await TcpClient.open(subject)
  const asking = await TcpClient.open(subject)
  asking.send(buildQuery(`${reversed('127.0.0.2')}.${subject.zone}`, types.A))
  assert.ok(await asking.receive())
  await server.close()
  assert.equal(await silent.closed(), true)
  asking.close()
  silent.close()
  await start(t, { listen })
})

for (const batch of [true, false]) {
  test(`close answers all that has come over UDP, ${batch ? 'in batches' : 'one by one'}`, async (t) => {
    const { server, subject } = await start(t, { batch, workers: 2 })
    const client = createSocket('udp4')
    t.after(() => client.close())
    const { host, port } = subject
    await new Promise<void>((resolve) => client.connect(port, host, resolve))
    let answered = 0
    client.on('message', () => answered++)
    const query = buildQuery(`${reversed('127.0.0.2')}.${subjectZone.origin}`, types.A)
    const send = () => new Promise((resolve) => client.send(query, resolve))
    await Promise.all(Array.from({ length: 100 }, send))
    await server.close()
    await eventually(() => answered >= 100)
    assert.equal(answered, 100)
    const [[refused]] = await Promise.all([once(client, 'error'), send()])
    assert.equal(refused.code, 'ECONNREFUSED', 'nobody listens any more')
  })
}

test('close answers all that has come over TCP', async (t) => {
  const { server, subject } = await start(t)
  const query = buildQuery(`${reversed('127.0.0.2')}.${subjectZone.origin}`, types.A)
  const clients = await Promise.all(Array.from({ length: 8 }, () => TcpClient.open(subject)))
  t.after(() => clients.forEach(({ socket }) => void socket.destroy()))
  for (const client of clients) client.send(...Array.from({ length: 30 }, () => query))
  await Promise.all([server.close(), sleep(100)])
  for (const client of clients) {
    for (let number = 1; number <= 30; number++) {
      assert.ok(await client.receive(), `answer ${number}`)
    }
  }
})

test('a peer that asks without end does not hold up the others', async (t) => {
  const { subject } = await start(t)
  const query = buildQuery(`${reversed('127.0.0.2')}.${subjectZone.origin}`, types.A)
  const [hog, other] = await Promise.all([TcpClient.open(subject), TcpClient.open(subject)])
  t.after(() => [hog, other].forEach(({ socket }) => void socket.destroy()))
  const asked = 5000
  hog.send(...Array.from({ length: asked }, () => query))
  other.send(query)
  assert.ok(await other.receive())
  for (let number = 1; number <= asked; number++) assert.ok(await hog.receive(), `answer ${number}`)
})

for (const batch of [true, false]) {
  const skip = process.getuid?.() === 0 ? false : 'only root may make raw sockets'
  test(`a query from port 0 harms nobody, ${batch ? 'in batches' : 'one by one'}`, {
    skip,
  }, async (t) => {
    const { server, subject, logged } = await start(t, { batch })
    await sendFromPort0(subject, buildQuery(`${reversed('127.0.0.2')}.${subjectZone.origin}`, 1))
    await assertAnswers(subject)
    assert.equal(server.counters().unsent, 1)
    assert.deepEqual(logged, [])
  })
}

/** RFC 768 allows port 0: a sender that wants no answer. */
async function sendFromPort0({ host, port }: Subject, query: Uint8Array): Promise<void> {
  const library = await loadLibrary()
  assert.ok(library)
  const raw = library.func('int socket(int domain, int type, int protocol)')(2, 3, 17)
  const address = Buffer.from([2, 0, port >> 8, port & 255, ...host.split('.').map(Number)])
  const header = Buffer.from([0, 0, port >> 8, port & 255, 0, 8 + query.length, 0, 0])
  const datagram = Buffer.concat([header, query])
  const sendto = library.func(
    'int sendto(int fd, const uint8_t *data, size_t size, int flags, const uint8_t *to, uint32_t length)',
  )
  const to = Buffer.concat([address, Buffer.alloc(8)])
  assert.equal(sendto(raw, datagram, datagram.length, 0, to, to.length), datagram.length)
  library.func('int close(int fd)')(raw)
}

test('without an address, or with one that is none, nothing starts', async (t) => {
  for (const listen of [[], ['localhost:53'], ['192.0.2.1:0']]) {
    await assert.rejects(start(t, { listen }), { code: 'address-unavailable' })
  }
})

test('a thread that cannot start is told as such', async (t) => {
  await assert.rejects(start(t, { tree: new SharedArrayBuffer(64 * 1024) }), {
    code: 'worker-failed',
    message: /did not start: shared tree: wrong magic/,
  })
})
