// Nanoseconds for an answer, without sockets: respond() in a loop over a tree of random addresses. Alone:
// `node test/bench/respond.ts [ENTRIES]`.
import { cookieSecretsBytes } from '../../src/dns/cookies.ts'
import { Responder } from '../../src/dns/responder.ts'
import { Octets, octetsOf } from '../../src/dns/wire.ts'
import { encodeZone } from '../../src/resolver/records.ts'
import { entryKinds } from '../../src/tree/layout.ts'
import { TreeReader } from '../../src/tree/reader.ts'
import { TreeWriter } from '../../src/tree/writer.ts'
import { seeded } from '../support/seeded.ts'

export interface RespondFigure {
  readonly question: string
  readonly nanoseconds: number
}

const origin = 'bl.backscatter.example'
const rounds = 5
const distinctQueries = 1 << 16

/** Median nanoseconds of CPU time an answer, for each sort of question; seeded, so that runs compare. */
export async function benchRespond(entries = 1_000_000): Promise<RespondFigure[]> {
  const random = seeded(1)
  const writer = new TreeWriter(2 ** 28)
  const answer = writer.internAnswer(0b1100)
  const listed4 = Uint32Array.from({ length: entries }, () => random())
  const listed6 = Uint32Array.from({ length: entries }, () => random())
  for (const word of listed4) writer.set(4, word, 0, 0, 0, 32, entryKinds.listing, answer)
  for (const word of listed6.subarray(0, entries >>> 3)) {
    writer.set(6, 0x20010db8, word, 0, 0, 64, entryKinds.listing, answer)
  }
  writer.publish({
    serial: 1_790_000_000,
    generatedAt: 1_790_000_000,
    validUntil: 1_790_086_400,
    ipv4Entries: entries,
    ipv6Entries: entries >>> 3,
  })
  const zone = encodeZone({
    origin,
    nameservers: ['ns1.backscatter.example'],
    hostmaster: 'hostmaster.backscatter.example',
    records: [],
    ttlSeconds: 300,
    negativeTtlSeconds: 300,
    text: 'Backscatter source; see https://backscatter.example/lookup/{ip}',
    retired: false,
  })
  const reader = new TreeReader(writer.buffer, 63)
  const cookieSecrets = new SharedArrayBuffer(cookieSecretsBytes)
  const responder = new Responder(zone, reader, { udpPayload: 1232, cookieSecrets })
  const hit4 = (): string => reverse4(listed4[random() % entries] ?? 0)
  const hit6 = (): string => reverse6(listed6[random() % (entries >>> 3)] ?? 0, random())
  const miss4 = (): string => reverse4(random())
  const mixed = (): string => (random() & 1 ? hit4() : miss4())
  const questions: [string, () => Octets][] = [
    ['IPv4 A, listed', () => query(hit4(), 1, false)],
    ['IPv4 A, not listed', () => query(miss4(), 1, false)],
    ['IPv4 TXT, listed', () => query(hit4(), 16, false)],
    ['IPv6 A, listed', () => query(hit6(), 1, false)],
    ['IPv6 TXT, listed', () => query(hit6(), 16, false)],
    [
      'mixed: half listed, a tenth TXT, half with EDNS',
      () => query(mixed(), random() % 10 === 0 ? 16 : 1, random() % 2 === 0),
    ],
  ]
  const sets = questions.map(([, make]) => Array.from({ length: distinctQueries }, make))
  const times = questions.map((): number[] => [])
  for (let round = 0; round <= rounds; round++) {
    for (const [index, set] of sets.entries()) {
      const nanoseconds = measure(responder, reader, set)
      // The first round only warms up.
      if (round > 0) times[index]?.push(nanoseconds)
    }
    await new Promise(setImmediate)
  }
  return questions.map(([question], index) => ({
    question,
    nanoseconds: Math.round(times[index]?.toSorted((a, b) => a - b)[rounds >>> 1] ?? 0),
  }))
}

/** CPU time of this thread, so that what else runs on the machine counts little. */
function measure(responder: Responder, reader: TreeReader, queries: readonly Octets[]): number {
  const response = new Octets(1232)
  const repeats = 4
  let octets = 0
  const start = process.threadCpuUsage()
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (let index = 0; index < queries.length; index++) {
      if (index % 32 === 0) reader.enter()
      const bytes = queries[index] as Octets
      octets += responder.respond(bytes, bytes.length, response, 'udp')
    }
  }
  const { user, system } = process.threadCpuUsage(start)
  if (octets < queries.length * repeats * 12) throw new Error('some queries were not answered')
  return ((user + system) * 1000) / (queries.length * repeats)
}

function query(name: string, type: number, hasEdns: boolean): Octets {
  const labels = `${name}.${origin}`.split('.')
  const wire = labels.flatMap((label) => [label.length, ...Buffer.from(label)])
  const header = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, hasEdns ? 1 : 0]
  const opt = hasEdns ? [0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0] : []
  return octetsOf(Uint8Array.from([...header, ...wire, 0, 0, type, 0, 1, ...opt]))
}

function reverse4(word: number): string {
  return [word & 255, (word >>> 8) & 255, (word >>> 16) & 255, word >>> 24].join('.')
}

function reverse6(word: number, host: number): string {
  const nibbles = ['20010db8', word, 0, host]
    .map((part) => (typeof part === 'string' ? part : part.toString(16).padStart(8, '0')))
    .join('')
  return [...nibbles].toReversed().join('.')
}

if (import.meta.main) {
  const figures = await benchRespond(Number(process.argv[2] ?? 1_000_000))
  for (const { question, nanoseconds } of figures) {
    process.stdout.write(`${question}: ${nanoseconds} ns an answer\n`)
  }
}
