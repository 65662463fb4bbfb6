// The server under conformance test: ours, started here with a known list, or any server with the same list, named by
// DNSBL_SUBJECT=host:port (and DNSBL_ZONE if its zone differs). With DNSBL_TRANSPORT=events our own server uses
// node:dgram, as on platforms where the C library cannot be called.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type DNS from 'dns2'
import { Packet } from 'dns2'
import { parsePrefix } from '../../src/ip/address.ts'
import { type NameserverOptions, prepareNameserver } from '../../src/nameserver/nameserver.ts'
import { encodeZone } from '../../src/resolver/records.ts'
import { entryKinds } from '../../src/tree/layout.ts'
import { TreeWriter } from '../../src/tree/writer.ts'
import { buildQuery, type QueryOptions } from './dns-query.ts'

/** The zone's settings and own records; owners relative to the zone. */
export const subjectZone = {
  origin: 'bl.test.example',
  ttlSeconds: 300,
  negativeTtlSeconds: 120,
  text: 'Listed; see https://test.example/lookup/{ip}',
  nameservers: ['ns1.bl.test.example', 'ns2.test.example'],
  hostmaster: 'hostmaster.test.example',
  records: [
    'ns1 A 192.0.2.53',
    'ns1 AAAA 2001:db8::53',
    '@ A 192.0.2.80',
    '@ TXT "a list for tests"',
    'www.deep MX 10 mail.test.example.',
    'alias CNAME www.test.example.',
    // More than 512 and less than 1232 octets. The other one is too large for any datagram of ours.
    ...['a', 'b', 'c', 'd'].map((letter) => `long TXT "${letter.repeat(200)}"`),
    ...['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((letter) => `huge TXT "${letter.repeat(250)}"`),
  ],
} as const

export const subjectSerial = 1_790_000_000
export const subjectGeneratedAt = 1_790_000_000
export const subjectValidUntil = 1_790_086_400

export interface SubjectEntry {
  readonly prefix: string
  /** Last octets of the A records; empty for an exclusion or exemption. */
  readonly codes?: readonly number[]
  readonly kind?: 'exclusion' | 'exemption'
}

/** What the subject lists, with the test entries of RFC 5782 §5. */
export const subjectEntries: readonly SubjectEntry[] = [
  { prefix: '127.0.0.2/32', codes: [2] },
  ...[3, 4, 5, 6, 7].map((code) => ({ prefix: `127.0.0.${code}/32`, codes: [2, code] })),
  { prefix: '127.0.0.1/32', kind: 'exemption' },
  { prefix: '::ffff:7f00:2/128', codes: [2] },
  { prefix: '::ffff:7f00:1/128', kind: 'exemption' },
  { prefix: '192.0.2.0/24', codes: [2, 3] },
  { prefix: '192.0.2.128/26', kind: 'exclusion' },
  { prefix: '192.0.2.144/32', codes: [2, 4] },
  { prefix: '192.0.2.200/32', kind: 'exemption' },
  { prefix: '198.51.100.77/32', codes: [2, 5] },
  { prefix: '203.0.113.64/27', codes: [2] },
  { prefix: '10.20.0.0/15', codes: [2] },
  { prefix: '172.16.0.0/16', codes: [2] },
  { prefix: '172.16.0.0/15', kind: 'exemption' },
  { prefix: '2001:db8:1:2::/64', codes: [2, 3] },
  { prefix: '2001:db8:1:2:3::/80', kind: 'exclusion' },
  { prefix: '2001:db8:8000::/35', codes: [2] },
  { prefix: '2620:0:860::/48', codes: [2] },
]

export interface Subject {
  readonly zone: string
  readonly host: string
  readonly port: number
  /** Whether it is this repository's server, started for the test. */
  readonly isOurs: boolean
  close(): Promise<void>
}

/** A server of one thread that tells nothing about itself and limits nobody. */
export function subjectOptions(tree: SharedArrayBuffer): NameserverOptions {
  return {
    listen: ['127.0.0.1:0'],
    workers: 1,
    udpPayload: 1232,
    tcpConnections: 100,
    tcpIdleSeconds: 5,
    batch: true,
    version: false,
    nsid: '',
    staleServfail: false,
    clockCorrection: new SharedArrayBuffer(8),
    access: [],
    rateLimit: { responsesPerSecond: 0, slip: 0 },
    queryLog: 0,
    zone: encodeZone({ ...subjectZone, retired: false }),
    tree,
    log: silentLog,
    onFatal(error) {
      throw error
    },
  }
}

/** Starts our own server, or uses the one named by the environment. */
export async function startSubject(overrides: Partial<NameserverOptions> = {}): Promise<Subject> {
  const { DNSBL_SUBJECT: external, DNSBL_ZONE: zone = subjectZone.origin } = process.env
  if (external !== undefined) {
    return { zone, ...splitAddress(external), isOurs: false, close: async () => undefined }
  }
  const prepared = await prepareNameserver({
    ...subjectOptions(subjectTree().buffer),
    batch: process.env['DNSBL_TRANSPORT'] !== 'events',
    ...overrides,
  })
  const server = await prepared.listen()
  return {
    zone: subjectZone.origin,
    ...splitAddress(server.addresses[0] ?? ''),
    isOurs: true,
    close: () => server.close(),
  }
}

/** A published tree with subjectEntries. */
export function subjectTree(): TreeWriter {
  const tree = new TreeWriter(1 << 20)
  for (const { prefix, codes, kind } of subjectEntries) {
    const parsed = parsePrefix(prefix)
    if ('why' in parsed) throw new Error(`${prefix}: ${parsed.why}`)
    const { family, w0, w1, w2, w3, length } = parsed.value
    const mask = (codes ?? []).reduce((bits, code) => bits | (1 << code), 0)
    const answer = mask === 0 ? 0 : tree.internAnswer(mask)
    tree.set(family, w0, w1, w2, w3, length, entryKinds[kind ?? 'listing'], answer)
  }
  tree.publish({
    serial: subjectSerial,
    generatedAt: subjectGeneratedAt,
    validUntil: subjectValidUntil,
    ipv4Entries: 6,
    ipv6Entries: 3,
  })
  return tree
}

export const silentLog = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
}

/** How long an answer that must come is waited for. */
const patienceMs = 60_000

/** Sends octets in one datagram; resolves with the response, or undefined if none comes within `waitMs`. */
export async function exchangeUdp(
  subject: Pick<Subject, 'host' | 'port'>,
  octets: Uint8Array,
  waitMs = patienceMs,
): Promise<Buffer | undefined> {
  const socket = createSocket(subject.host.includes(':') ? 'udp6' : 'udp4')
  try {
    socket.send(octets, subject.port, subject.host)
    const [message] = await once(socket, 'message', { signal: AbortSignal.timeout(waitMs) })
    return message
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') return undefined
    throw error
  } finally {
    socket.close()
  }
}

/** Sends octets as one message over TCP; resolves with the first response, or undefined as above. */
export async function exchangeTcp(
  subject: Pick<Subject, 'host' | 'port'>,
  octets: Uint8Array,
  waitMs = patienceMs,
): Promise<Buffer | undefined> {
  const connection = await TcpClient.open(subject)
  try {
    connection.send(octets)
    return await connection.receive(waitMs)
  } finally {
    connection.close()
  }
}

/** A connection that tests can misuse. */
export class TcpClient {
  readonly socket: Socket
  #received = Buffer.alloc(0)
  #isClosed = false

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
    })
    socket.on('error', () => undefined)
    socket.on('end', () => {
      this.#isClosed = true
    })
    socket.on('close', () => {
      this.#isClosed = true
    })
  }

  static async open({ host, port }: Pick<Subject, 'host' | 'port'>): Promise<TcpClient> {
    const socket = connect({ host, port, allowHalfOpen: true })
    await once(socket, 'connect')
    return new TcpClient(socket)
  }

  /** Whether the server has closed its side. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  send(...messages: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(messages.map(frame)))
  }

  /** The next message, or undefined if none comes in time or the server closes first. */
  async receive(waitMs = patienceMs): Promise<Buffer | undefined> {
    const deadline = Date.now() + waitMs
    for (;;) {
      const received = this.#received
      const length = received.length < 2 ? Number.POSITIVE_INFINITY : received.readUInt16BE(0)
      if (received.length >= 2 + length) {
        this.#received = received.subarray(2 + length)
        return received.subarray(2, 2 + length)
      }
      if (this.#isClosed || Date.now() > deadline) return undefined
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }

  /** Resolves when the server has closed its side; false when it has not within `waitMs`. */
  async closed(waitMs = patienceMs): Promise<boolean> {
    const deadline = Date.now() + waitMs
    while (!this.#isClosed && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    return this.#isClosed
  }

  close(): void {
    this.socket.destroy()
  }
}

/** A message with its length before it (RFC 1035 §4.2.2). */
export function frame(message: Uint8Array): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

/** A response as dns2 decodes it, with fields that its types lack. */
export interface Response {
  readonly octets: Buffer
  readonly packet: DNS.Packet
  readonly rcode: number
  readonly isAuthoritative: boolean
  readonly isTruncated: boolean
  /** A addresses of the answer section, sorted. */
  readonly addresses: string[]
  /** TXT records of the answer section, strings of each joined. */
  readonly texts: string[]
  readonly soa: DNS.Packet.Resource | undefined
  /** OPT records. */
  readonly opts: DNS.Packet.Resource[]
}

/** Decodes a response; throws if it is undefined or cannot be decoded. */
export function decode(octets: Buffer | undefined): Response {
  if (octets === undefined) throw new Error('no response')
  const packet = Packet.parse(octets)
  if (packet.errors.length > 0) throw new Error(`undecodable: ${packet.errors[0]?.message}`)
  const { header, answers, authorities, additionals } = packet
  return {
    octets,
    packet,
    rcode: header.rcode,
    isAuthoritative: header.aa === 1,
    isTruncated: header.tc === 1,
    addresses: answers
      .filter(({ type }) => type === 1)
      .map(({ address }) => address ?? '')
      .toSorted(),
    texts: answers.filter(({ type }) => type === 16).map(({ data }) => [data].flat().join('')),
    soa: authorities.find(({ type }) => type === 6),
    opts: additionals.filter(({ type }) => type === 41),
  }
}

/** Asks over UDP for a name relative to the zone (absolute with a final dot; '' is the apex). */
export async function ask(
  subject: Subject,
  name: string,
  type: number,
  options?: QueryOptions,
): Promise<Response> {
  return decode(await exchangeUdp(subject, buildQuery(absolute(subject, name), type, options)))
}

/** As `ask`, over TCP. */
export async function askTcp(
  subject: Subject,
  name: string,
  type: number,
  options?: QueryOptions,
): Promise<Response> {
  return decode(await exchangeTcp(subject, buildQuery(absolute(subject, name), type, options)))
}

export function absolute(subject: Subject, name: string): string {
  if (name.endsWith('.')) return name.slice(0, -1)
  return name === '' ? subject.zone : `${name}.${subject.zone}`
}

function splitAddress(address: string): { host: string; port: number } {
  const [, host = '', port = ''] = /^\[?([^\]]*)\]?:(\d+)$/.exec(address) ?? []
  return { host, port: Number(port) }
}
