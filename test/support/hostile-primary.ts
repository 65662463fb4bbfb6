// Primaries of a mirror that send whatever a test wants, signed with a key that the mirror knows.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { type FetchOptions, framed } from '../../src/mirror/fetch-zone.ts'
import { NetworkReader } from '../../src/mirror/received-names.ts'
import { MessagePacker, type TransferRecord } from '../../src/transfer/messages.ts'
import { ResponseSigner, type TsigKey, verifyRequest } from '../../src/transfer/tsig.ts'
import { types, wireName } from './dns-query.ts'

export const zoneOrigin = wireName('bl.test.example')
export const key: TsigKey = {
  name: wireName('mirror1'),
  algorithm: 'hmac-sha256',
  secret: Buffer.from('c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', 'base64'),
}

export function record(owner: string, type: number, rdata: Iterable<number>): TransferRecord {
  const labels = owner === '' ? [] : owner.split('.')
  return { owner: labels, type, ttl: 300, rdata: Uint8Array.from(rdata) }
}

/** Timers: refresh, retry and expire in seconds. */
export function soa(
  serial: number,
  timers: readonly number[] = [900, 300, 604_800],
): TransferRecord {
  const numbers = Buffer.alloc(20)
  for (const [index, each] of [serial, ...timers, 300].entries()) {
    numbers.writeUInt32BE(each, index * 4)
  }
  return record('', types.SOA, [...wireName('ns1.test'), ...wireName('root.test'), ...numbers])
}

export function txt(owner: string, words: string): TransferRecord {
  return record(owner, types.TXT, [words.length, ...Buffer.from(words)])
}

export function status(serial: number): TransferRecord {
  const times = 'generated=2026-01-01T00:00:00Z valid-until=2026-01-02T00:00:00Z'
  return txt('_status', `serial=${serial} entries=1 ${times}`)
}

export function host(last: number): TransferRecord[] {
  const owner = `${last}.100.51.198`
  return [record(owner, types.A, [127, 0, 0, 2]), txt(owner, `Listed: 198.51.100.${last}`)]
}

export function zone(serial: number, lasts: readonly number[]): TransferRecord[] {
  return [soa(serial), status(serial), ...lasts.flatMap(host), soa(serial)]
}

/** Makes one message after the other that answers the query, each with these records, and signed if the query is. */
export function answering(query: Uint8Array): (records: readonly TransferRecord[]) => Uint8Array {
  const verdict = verifyRequest(query, [key], Math.floor(Date.now() / 1000))
  const signer = verdict.kind === 'valid' ? new ResponseSigner(key, verdict.mac) : undefined
  const questionEnd = 12 + zoneOrigin.length + 4
  const id = ((query[0] ?? 0) << 8) | (query[1] ?? 0)
  const packer = new MessagePacker({ id, question: query.slice(12, questionEnd) })
  return (records) => {
    for (const one of records) assert.ok(packer.add(one))
    const message = packer.take()
    return signer?.sign(message, Math.floor(Date.now() / 1000)) ?? message
  }
}

/** All records as such messages, each with so many records. */
export function messages(
  query: Uint8Array,
  records: readonly TransferRecord[],
  each = 3,
): Uint8Array[] {
  const next = answering(query)
  const count = Math.ceil(records.length / each)
  return Array.from({ length: count }, (_, index) =>
    next(records.slice(index * each, (index + 1) * each)),
  )
}

/** Sends messages until the mirror has enough of them. */
export function sendForever(socket: Socket, next: () => Uint8Array): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(framed(next())));
    if (!socket.destroyed) socket.once('drain', more)
  }
  more()
}

export type Answering = (query: Uint8Array, socket: Socket) => void

/** A primary that does this with each query. */
export async function hostilePrimary(t: TestContext, answer: Answering) {
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

export function send(records: readonly TransferRecord[], each?: number): Answering {
  return (query, socket) => {
    for (const message of messages(query, records, each)) socket.write(framed(message))
  }
}

/** What a mirror of such a primary asks with. */
export async function optionsFor(t: TestContext, answer: Answering): Promise<FetchOptions> {
  return {
    origin: zoneOrigin,
    networks: new NetworkReader('Listed: {ip}'),
    maxNames: 50,
    signal: AbortSignal.timeout(60_000),
    primary: await hostilePrimary(t, answer),
  }
}

/** What primaries may do wrong, and how the transfer then fails. */
export const wrongPrimaries: Readonly<Record<string, readonly [RegExp, Answering]>> = {
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
  'the same record without end': [
    /too many records/,
    (query, socket) => {
      const next = answering(query)
      socket.write(framed(next([soa(2)])))
      const many = Array.from({ length: 100 }, () => status(2))
      sendForever(socket, () => next(many))
    },
  ],
  'a signature by another key in the middle': [
    /not signed/,
    (query, socket) => {
      const all = messages(query, zone(2, [1, 2, 3, 4, 5, 6]))
      const middle = all[1] ?? query
      middle[middle.length - 20] = (middle[middle.length - 20] ?? 0) ^ 1
      for (const message of all) socket.write(framed(message))
    },
  ],
  'a zone of another name': [/another zone/, send([{ ...soa(2), owner: ['other'] }, status(2)])],
  'one octet, and the connection half closed': [
    /before the end/,
    (_, socket) => socket.end(Buffer.alloc(1)),
  ],
}
