// The running server under mutated queries, over UDP (in batches and one by one) and TCP: no crash, no hang, no leak,
// at most one response to a packet, none over the limits, none ten times its query over UDP. FUZZ_SECONDS sets how
// long each transport is under it (2), FUZZ_SEED repeats a run.
import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { Packet } from 'dns2'
import { mutated } from '../support/dns-arbitraries.ts'
import { buildQuery, reversed, types } from '../support/dns-query.ts'
import {
  type Subject,
  silentLog,
  startSubject,
  subjectZone,
  TcpClient,
} from '../support/dns-subject.ts'
import fc, { fixedSeed } from '../support/properties.ts'

const seconds = Number(process.env['FUZZ_SECONDS'] ?? 2)
const firstSeed = Number(process.env['FUZZ_SEED'] ?? fixedSeed ?? Date.now() & 0x7fffffff)

const maxPayload = 1232
const maxAmplification = 10
const atOnce = 32
const sentinelId = 0xffff
const sentinel = buildQuery(`${reversed('127.0.0.2')}.${subjectZone.origin}`, types.A, {
  id: sentinelId,
})
const answerWithinMs = 60_000
/** Includes the test's own garbage. */
const allowedGrowthBytes = 96 * 2 ** 20

interface Fuzzed {
  readonly subject: Subject
  /** Threads that died, and everything else that the server logs as an error. */
  readonly errors: string[]
}

async function start(t: TestContext, batch: boolean): Promise<Fuzzed> {
  const errors: string[] = []
  const subject = await startSubject({
    batch,
    nsid: 'fuzzed',
    version: 'fuzzed',
    // All guards are on, with limits that no packet reaches.
    queryLog: 1,
    rateLimit: { responsesPerSecond: 1_000_000, slip: 2 },
    access: [
      { prefix: { family: 4, w0: 0x7f000000, w1: 0, w2: 0, w3: 0, length: 8 }, action: 'allow' },
    ],
    log: { ...silentLog, error: (_, message) => errors.push(message) },
  })
  t.after(() => subject.close())
  return { subject, errors }
}

/** The packets of one round, each with its own id if it is long enough to have one. */
function round(seed: number): Buffer[] {
  return fc.sample(mutated, { numRuns: atOnce, seed }).map((octets, index) => {
    const packet = Buffer.from(octets)
    if (packet.length >= 2) packet.writeUInt16BE(index)
    return packet
  })
}

/** Compares the responses of a round with its packets; asserts what is wrong. */
function check(
  packets: readonly Buffer[],
  responses: readonly Buffer[],
  isUdp: boolean,
  seed: number,
) {
  const answered = new Set<number>()
  for (const response of responses) {
    const where = `seed ${seed}: ${response.toString('hex')}`
    const id = response.readUInt16BE(0)
    assert.equal(answered.has(id), false, `answered twice, ${where}`)
    answered.add(id)
    if (id === sentinelId) continue
    const packet = packets[id]
    assert.ok(packet, `nobody asked, ${where}`)
    assert.ok((packet[2] ?? 0xff) < 0x80, `not a query, ${where}`)
    assert.ok((response[2] ?? 0) >= 0x80, `no response, ${where}`)
    assert.deepEqual(Packet.parse(response).errors, [], where)
    if (!isUdp) continue
    assert.ok(response.length <= maxPayload, `too long, ${where}`)
    assert.ok(response.length <= packet.length * maxAmplification, `amplified, ${where}`)
  }
  // Every packet that has a header and is not itself a response gets an answer, whatever else is wrong with it.
  for (const [id, packet] of packets.entries()) {
    const isAnswerable = packet.length >= 12 && (packet[2] ?? 0xff) < 0x80
    assert.equal(answered.has(id), isAnswerable, `seed ${seed}, packet ${packet.toString('hex')}`)
  }
}

async function exchangeUdp(socket: Socket, subject: Subject, packets: readonly Buffer[]) {
  const responses: Buffer[] = []
  const { promise: done, resolve } = Promise.withResolvers<void>()
  const onMessage = (message: Buffer): void => {
    responses.push(message)
    if (message.readUInt16BE(0) === sentinelId) resolve()
  }
  socket.on('message', onMessage)
  for (const packet of [...packets, sentinel]) socket.send(packet, subject.port, subject.host)
  const timer = setTimeout(resolve, answerWithinMs)
  await done
  clearTimeout(timer)
  socket.off('message', onMessage)
  assert.ok(
    responses.some((response) => response.readUInt16BE(0) === sentinelId),
    'the server hangs',
  )
  return responses
}

async function exchangeTcp(client: TcpClient, packets: readonly Buffer[]) {
  const responses: Buffer[] = []
  client.send(...packets, sentinel)
  for (;;) {
    const response = await client.receive(answerWithinMs)
    assert.ok(response, 'the server hangs, or has closed the connection')
    responses.push(response)
    if (response.readUInt16BE(0) === sentinelId) return responses
  }
}

/** Runs rounds until the time is over; resolves with the number of packets. */
async function fuzz(exchange: (packets: readonly Buffer[]) => Promise<Buffer[]>, isUdp: boolean) {
  const until = performance.now() + seconds * 1000
  let seed = firstSeed
  let settledBytes = 0
  for (let rounds = 1; performance.now() < until; rounds++, seed++) {
    const packets = round(seed)
    check(packets, await exchange(packets), isUdp, seed)
    if (rounds === 200) settledBytes = process.memoryUsage().rss
  }
  const grown = settledBytes === 0 ? 0 : process.memoryUsage().rss - settledBytes
  assert.ok(grown < allowedGrowthBytes, `grown by ${grown} octets`)
  return (seed - firstSeed) * atOnce
}

for (const batch of [true, false]) {
  test(`UDP ${batch ? 'in batches' : 'one by one'}`, async (t) => {
    const { subject, errors } = await start(t, batch)
    const socket = createSocket('udp4').bind(0, subject.host)
    t.after(() => socket.close())
    await once(socket, 'listening')
    const packets = await fuzz((each) => exchangeUdp(socket, subject, each), true)
    t.diagnostic(`${packets} packets, seed ${firstSeed}`)
    assert.deepEqual(errors, [])
  })
}

test('TCP', async (t) => {
  const { subject, errors } = await start(t, true)
  const client = await TcpClient.open(subject)
  t.after(() => client.close())
  const packets = await fuzz((each) => exchangeTcp(client, each), false)
  t.diagnostic(`${packets} packets, seed ${firstSeed}`)
  assert.deepEqual(errors, [])
})
