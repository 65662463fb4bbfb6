// Primaries that send nonsense, another zone's answer, or no end: the transfer fails, and the mirror keeps what it has.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { Logger } from '../../../src/errors.ts'
import { type FetchOptions, fetchZone, framed } from '../../../src/mirror/fetch-zone.ts'
import { Mirror, type MirrorOptions } from '../../../src/mirror/mirror.ts'
import { NetworkReader } from '../../../src/mirror/received-names.ts'
import { ZoneFile } from '../../../src/mirror/zone-file.ts'
import { MessagePacker, type TransferRecord } from '../../../src/transfer/messages.ts'
import { ResponseSigner, type TsigKey, verifyRequest } from '../../../src/transfer/tsig.ts'
import { openReader } from '../../../src/tree/open-reader.ts'
import { TreeWriter } from '../../../src/tree/writer.ts'
import { types, wireName } from '../../support/dns-query.ts'

const origin = wireName('bl.test.example')
const key: TsigKey = {
  name: wireName('mirror1'),
  algorithm: 'hmac-sha256',
  secret: Buffer.from('c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', 'base64'),
}

function record(owner: string, type: number, rdata: Iterable<number>): TransferRecord {
  const labels = owner === '' ? [] : owner.split('.')
  return { owner: labels, type, ttl: 300, rdata: Uint8Array.from(rdata) }
}

function soa(serial: number): TransferRecord {
  const numbers = Buffer.alloc(20)
  for (const [index, each] of [serial, 900, 300, 604_800, 300].entries()) {
    numbers.writeUInt32BE(each, index * 4)
  }
  return record('', types.SOA, [...wireName('ns1.test'), ...wireName('root.test'), ...numbers])
}

function txt(owner: string, words: string): TransferRecord {
  return record(owner, types.TXT, [words.length, ...Buffer.from(words)])
}

function status(serial: number): TransferRecord {
  const times = 'generated=2026-01-01T00:00:00Z valid-until=2026-01-02T00:00:00Z'
  return txt('_status', `serial=${serial} entries=1 ${times}`)
}

function host(last: number): TransferRecord[] {
  const owner = `${last}.100.51.198`
  return [record(owner, types.A, [127, 0, 0, 2]), txt(owner, `Listed: 198.51.100.${last}`)]
}

function zone(serial: number, lasts: readonly number[]): TransferRecord[] {
  return [soa(serial), status(serial), ...lasts.flatMap(host), soa(serial)]
}

/** The records as messages that answer the query, each with so many records, and signed. */
function messages(query: Uint8Array, records: readonly TransferRecord[], each = 3): Uint8Array[] {
  const verdict = verifyRequest(query, [key], Math.floor(Date.now() / 1000))
  const signer = verdict.kind === 'valid' ? new ResponseSigner(key, verdict.mac) : undefined
  const questionEnd = 12 + origin.length + 4
  const id = ((query[0] ?? 0) << 8) | (query[1] ?? 0)
  const packer = new MessagePacker({ id, question: query.slice(12, questionEnd) })
  const all: Uint8Array[] = []
  for (let at = 0; at < records.length; at += each) {
    for (const one of records.slice(at, at + each)) assert.ok(packer.add(one))
    const message = packer.take()
    all.push(signer?.sign(message, Math.floor(Date.now() / 1000)) ?? message)
  }
  return all
}

type Answering = (query: Uint8Array, socket: Socket) => void

/** A primary that does this with each query. */
async function primary(t: TestContext, answer: Answering) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('data', (octets: Buffer) => answer(Uint8Array.from(octets.subarray(2)), socket))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, key }
}

function send(records: readonly TransferRecord[], each?: number): Answering {
  return (query, socket) => {
    for (const message of messages(query, records, each)) socket.write(framed(message))
  }
}

async function optionsFor(t: TestContext, answer: Answering): Promise<FetchOptions> {
  return {
    origin,
    networks: new NetworkReader('Listed: {ip}'),
    maxNames: 50,
    signal: AbortSignal.timeout(60_000),
    primary: await primary(t, answer),
  }
}

const bad: Readonly<Record<string, readonly [RegExp, Answering]>> = {
  'random octets': [
    /before the end|no answer|not signed/,
    (_, socket) => socket.end(Buffer.alloc(500, 7)),
  ],
  'nothing at all': [/before the end/, (_, socket) => socket.end()],
  'half a zone': [
    /before the end/,
    (query, socket) => {
      const [first] = messages(query, zone(2, [1, 2, 3]))
      socket.end(framed(first ?? new Uint8Array()))
    },
  ],
  'a zone signed by nobody': [
    /not signed/,
    (query, socket) => {
      const plain = query.slice()
      plain[11] = 0
      send(zone(2, [1]))(plain, socket)
    },
  ],
  'an answer to another query': [
    /not signed|no answer/,
    (query, socket) => {
      const other = query.slice()
      other[0] = (other[0] ?? 0) ^ 255
      send(zone(2, [1]))(other, socket)
    },
  ],
  'another text': [/zone\.text/, send([soa(2), status(2), txt('1.100.51.198', 'Other'), soa(2)])],
  'names without end': [
    /too many names/,
    (query, socket) => {
      const lasts = Array.from({ length: 250 }, (_, index) => index)
      for (const message of messages(query, [soa(2), status(2), ...lasts.flatMap(host)])) {
        socket.write(framed(message))
      }
    },
  ],
  'records without end': [
    /does not fit/,
    send([soa(2), status(2), ...host(1), ...host(1), ...host(1)]),
  ],
}

for (const [what, [why, answer]] of Object.entries(bad)) {
  test(`${what}: the transfer fails`, async (t) => {
    await assert.rejects(fetchZone(await optionsFor(t, answer), undefined, true), why)
  })
}

test('a transfer can be ended while the primary says nothing', async (t) => {
  const ending = new AbortController()
  const options = await optionsFor(t, () => ending.abort())
  const ended = fetchZone({ ...options, signal: ending.signal }, undefined, true)
  await assert.rejects(ended, /was ended/)
})

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
} as Logger

/** A mirror with its own tree, on this file. */
function mirrorOn(t: TestContext, options: FetchOptions, path: string, warn = silent.warn) {
  const tree = new TreeWriter(16 * 1024 ** 2)
  const reader = openReader(tree.buffer, 0)
  const { promise: shown, resolve } = Promise.withResolvers<void>()
  const all: MirrorOptions = {
    ...options,
    path,
    tree,
    log: { ...silent, warn },
    now: () => Math.floor(Date.now() / 1000),
    onZone: async () => resolve(),
  }
  const mirror = new Mirror(all)
  t.after(() => mirror.close())
  const state = () => {
    reader.enter()
    const isListed = (last: number): boolean =>
      reader.find(4, 0xc633_6400 | last | 0, 0, 0, 0, -1) >= 0
    const listed = Array.from({ length: 10 }, (_, last) => last).filter(isListed)
    const { serial, validUntil } = reader
    reader.leave()
    return { serial, listed, validUntil }
  }
  return { mirror, shown, state }
}

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'list.db-zone')
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400 && !isSo(); tries++) await setTimeout(25)
  assert.ok(isSo())
}

test('whole zones and differences are kept on disk, also if the last write was cut off', async (t) => {
  const path = folderFor(t)
  const old = host(1)
  const answers = [
    zone(1, [1, 2]),
    [soa(2), soa(1), status(1), ...old, soa(2), status(2), ...host(3), soa(2)],
  ]
  const options = await optionsFor(t, (query, socket) => send(answers.shift() ?? [])(query, socket))
  const { mirror, shown, state } = mirrorOn(t, options, path)
  assert.equal(await mirror.load(), undefined)
  mirror.ask()
  await shown
  await until(() => state().serial === 1)
  assert.deepEqual(state().listed, [1, 2])
  mirror.ask()
  await until(() => state().serial === 2)
  assert.deepEqual(state().listed, [2, 3])
  mirror.close()

  const second = mirrorOn(t, options, path)
  assert.equal((await second.mirror.load())?.serial, 2)
  assert.deepEqual(second.state().listed, [2, 3])

  const whole = readFileSync(path)
  for (let length = whole.length - 1; length > 0; length -= 7) {
    writeFileSync(path, whole)
    truncateSync(path, length)
    const kept = new ZoneFile(path).load(options)
    assert.ok(kept?.isDamaged, `${length}`)
    if (kept.zone === undefined) continue
    assert.equal(kept.zone.serial, 1)
    const again = new ZoneFile(path).load(options)
    assert.deepEqual([again?.zone?.serial, again?.isDamaged], [1, false])
  }
})

test('after nonsense the old zone stays, in the tree and on disk', async (t) => {
  const path = folderFor(t)
  let answer: Answering = send(zone(5, [1, 2]))
  const options = await optionsFor(t, (query, socket) => answer(query, socket))
  let warnings = 0
  const { mirror, state } = mirrorOn(t, options, path, () => {
    warnings += 1
  })
  mirror.ask()
  await until(() => state().serial === 5)
  const kept = readFileSync(path).subarray(20)
  for (const [, wrong] of [...Object.values(bad), [/older/, send(zone(4, [7]))] as const]) {
    let isOver = false
    answer = (query, socket) => {
      socket.once('close', () => {
        isOver = true
      })
      wrong(query, socket)
    }
    mirror.ask()
    await until(() => isOver)
    assert.equal(state().serial, 5)
    assert.deepEqual(state().listed, [1, 2])
    assert.deepEqual(readFileSync(path).subarray(20), kept)
  }
  assert.equal(warnings, 1)
  answer = send(zone(6, [3]))
  mirror.ask()
  await until(() => state().serial === 6)
  assert.deepEqual(state().listed, [3])
  assert.ok(existsSync(path))
})
