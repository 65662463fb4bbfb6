// What the benchmarks over sockets share: seeded lists and questions, servers as processes of their own, the load
// generator, and processor time by process and thread. Generator and echo are C (ask.c, echo.c), built on the spot.
import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Prefix } from '../../src/ip/address.ts'
import { specialPurposeRange } from '../../src/ip/special-purpose.ts'
import { openStore } from '../../src/store/database.ts'
import { freePort } from '../support/ports.ts'
import { seeded } from '../support/seeded.ts'
import { BenchProcess, hasCommand } from './processes.ts'

export const origin = 'bl.backscatter.example'
export const main = resolve(import.meta.dirname, '../../src/main.ts')
const ticksPerSecond = 100
const clientCookieBytes = 8

/** Listed addresses, or networks of 64 bits: two words each. */
export interface BenchList {
  readonly family: 4 | 6
  readonly w0: Uint32Array
  readonly w1: Uint32Array
}

/** `entries` random IPv4 addresses, or IPv6 networks of 64 bits in 2600::/12; the same in every run. */
export function randomList(family: 4 | 6, entries: number): BenchList {
  const random = seeded(family)
  const w0 = new Uint32Array(entries)
  const w1 = new Uint32Array(entries)
  const seen = new Set<number>()
  while (seen.size < entries) {
    const word = random()
    // Only what can be listed: a start ends whatever lies in a special-purpose range.
    const isSpecial = family === 4 && specialPurposeRange(host(4, word, 0))
    if (isSpecial || seen.has(word)) continue
    w0[seen.size] = family === 4 ? word : 0x26000000 | (word & 0xfffff)
    w1[seen.size] = family === 4 ? 0 : word
    seen.add(word)
  }
  return { family, w0, w1 }
}

function host(family: 4 | 6, w0: number, w1: number): Prefix {
  return { family, w0, w1, w2: 0, w3: 0, length: family === 4 ? 32 : 64 }
}

/**
 * The mixture of the issue: half of them listed, a tenth TXT, half with EDNS. In ask.c's form. With a server's `cookie`
 * (see learnCookie) all that have EDNS carry one: half of them the client's part alone, half all of it.
 */
export function writeQuestions(
  file: string,
  list: BenchList,
  { count = 200_000, cookie = undefined as Buffer | undefined } = {},
): void {
  const random = seeded(99)
  const entries = list.w0.length
  const chunks: Buffer[] = []
  for (let index = 0; index < count; index++) {
    const pick = random() % entries
    const isHit = (random() & 1) === 1
    const w0 = isHit ? (list.w0[pick] ?? 0) : list.family === 4 ? random() : 0x2a000000 | random()
    const w1 = isHit ? (list.w1[pick] ?? 0) : random()
    const name =
      list.family === 4
        ? [w0 & 255, (w0 >>> 8) & 255, (w0 >>> 16) & 255, w0 >>> 24].join('.')
        : [...[w0 >>> 0, w1, random(), random()].map(hex).join('')].toReversed().join('.')
    const sent = cookie?.subarray(0, index % 2 === 0 ? clientCookieBytes : cookie.length)
    const type = random() % 10 === 0 ? 16 : 1
    const message = query(`${name}.${origin}`, type, random() % 2 === 0, sent)
    chunks.push(Buffer.from([message.length >>> 8, message.length & 255]), message)
  }
  writeFileSync(file, Buffer.concat(chunks))
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0')
}

export function query(
  name: string,
  type: number,
  hasEdns: boolean,
  cookie: Uint8Array = Buffer.alloc(0),
): Buffer {
  const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)])
  const header = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, hasEdns ? 1 : 0]
  const option = cookie.length > 0 ? [0, 10, 0, cookie.length, ...cookie] : []
  const opt = hasEdns ? [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, option.length, ...option] : []
  return Buffer.from([...header, ...labels, 0, 0, type, 0, 1, ...opt])
}

/** The cookie, both parts of it, by which the server will know any client at our address (RFC 9018). */
export async function learnCookie({ host: hostname, port }: BenchServer): Promise<Buffer> {
  const socket = createSocket(hostname.includes(':') ? 'udp6' : 'udp4')
  try {
    const client = Buffer.from('c11e9475', 'latin1')
    socket.send(query(origin, 6, true, client), port, hostname)
    const [response] = await once(socket, 'message', { signal: AbortSignal.timeout(2000) })
    // Nothing follows it: the OPT record is the last one, and the cookie its only option.
    const cookie = response.subarray(response.lastIndexOf(client))
    if (cookie.length !== 24) throw new Error('the server answered without a cookie')
    return cookie
  } finally {
    socket.close()
  }
}

export interface Tools {
  readonly ask: string
  readonly echo: string
}

/** Builds the C programs into `folder`; undefined without a C compiler. */
export function buildTools(folder: string): Tools | undefined {
  for (const name of ['ask', 'echo']) {
    const source = join(import.meta.dirname, `${name}.c`)
    const { status } = spawnSync('cc', ['-O2', '-o', join(folder, name), source])
    if (status !== 0) return undefined
  }
  return { ask: join(folder, 'ask'), echo: join(folder, 'echo') }
}

/** A server under load; the one worker thread apart where it has threads. */
export interface BenchServer {
  readonly name: string
  readonly pid: number
  readonly host: string
  readonly port: number
  /** The log, where it keeps one. */
  readonly log: () => string
  /** Throws when it has ended, and says how and what it printed. */
  requireRunning(): void
  stop(): Promise<void>
}

/** With two processors, servers run on the first and the load generator on the second. */
const processors = { server: 0, generator: 1 }

function socketAddress(hostname: string, port: number): string {
  return hostname.includes(':') ? `[${hostname}]:${port}` : `${hostname}:${port}`
}

function server(child: BenchProcess, bound: string): BenchServer {
  const [, hostname = '', port] = /^\[?([^\]]*)\]?:(\d+)$/.exec(bound) ?? []
  return {
    name: child.name,
    pid: child.pid,
    host: hostname,
    port: Number(port),
    log: () => child.printed,
    requireRunning: () => child.requireRunning(),
    stop: () => child.stop(),
  }
}

/** The limit; with `more`, it sends back so many octets more than it got. */
export async function startEcho(
  tools: Tools,
  hostname: string,
  { isPinned = true, more = 0 } = {},
): Promise<BenchServer> {
  const name = more === 0 ? 'echo' : `echo+${more}`
  const child = new BenchProcess(name, [tools.echo, hostname, String(more)], {
    processor: isPinned ? processors.server : undefined,
  })
  const [port] = await child.prints(/\d+(?=\n)/)
  return server(child, socketAddress(hostname, Number(port)))
}

/** rbldnsd with the same list, one A record and the same text; undefined where it is not installed. */
export async function startRbldnsd(
  folder: string,
  hostname: string,
  list: BenchList,
): Promise<BenchServer | undefined> {
  if (!hasCommand('rbldnsd')) return undefined
  const lines = [
    '$SOA 300 ns1.backscatter.example hostmaster.backscatter.example 0 3600 600 86400 300',
    '$NS 300 ns1.backscatter.example',
    ':127.0.0.2:Backscatter source: $',
  ]
  for (let index = 0; index < list.w0.length; index++) {
    const w0 = list.w0[index] ?? 0
    const w1 = list.w1[index] ?? 0
    lines.push(
      list.family === 4
        ? [w0 >>> 24, (w0 >>> 16) & 255, (w0 >>> 8) & 255, w0 & 255].join('.')
        : `${[w0 >>> 16, w0 & 0xffff, w1 >>> 16, w1 & 0xffff].map((group) => group.toString(16)).join(':')}::/64`,
    )
  }
  writeFileSync(join(folder, 'rbldnsd.zone'), `${lines.join('\n')}\n`)
  const port = await freePort()
  const type = list.family === 4 ? 'ip4trie' : 'ip6trie'
  const zone = `${origin}:${type}:${join(folder, 'rbldnsd.zone')}`
  // As root it becomes a user of its own, who has to read the file.
  chmodSync(folder, 0o711)
  const command = ['rbldnsd', '-n', '-b', `${hostname}/${port}`, '-t', '300', zone]
  const child = new BenchProcess('rbldnsd', command, { processor: processors.server })
  await child.prints(/zones reloaded/)
  return server(child, socketAddress(hostname, port))
}

/** Fills a database with the list, for startOurs. */
export function fillDatabase(file: string, list: BenchList): void {
  const store = openStore(file)
  store.begin()
  for (let index = 0; index < list.w0.length; index++) {
    const prefix = host(list.family, list.w0[index] ?? 0, list.w1[index] ?? 0)
    store.listings.insert(listingOf(prefix))
  }
  store.commit()
  store.close()
}

/** A listing by hand without an end. */
export function listingOf(prefix: Prefix) {
  return {
    prefix,
    kinds: 1,
    state: 'listed',
    origin: 'manual',
    reason: null,
    createdAt: 1_799_000_000,
    lastHitAt: null,
    expiresAt: null,
    heldUntil: null,
    hits: 0,
    episode: 1,
    termSeconds: null,
    shadow: null,
    basis: null,
  } as const
}

/** This server on the database (`list.db`) in `folder`; `dns` and `more` are further lines of its configuration. */
export async function startOurs(
  folder: string,
  hostname: string,
  {
    dns = '',
    more = '',
    nodeArgs = [] as readonly string[],
    name = 'backscatterd',
    database = 'list.db',
    isPinned = true,
  } = {},
): Promise<BenchServer> {
  const file = join(folder, 'backscatterd.toml')
  writeFileSync(
    file,
    `[zone]
origin = "${origin}"
nameservers = ["ns1.backscatter.example"]
hostmaster = "hostmaster.backscatter.example"
[dns]
listen = ["${socketAddress(hostname, 0)}"]
workers = 1
${dns}
[store]
path = "${database}"
${more}
`,
  )
  const command = [process.execPath, ...nodeArgs, main, '--config', file, 'serve']
  const child = new BenchProcess(name, command, {
    processor: isPinned ? processors.server : undefined,
  })
  const [, bound = ''] = await child.prints(/^backscatterd ready dns=(\S+)/m)
  return server(child, bound)
}

/** Processor seconds of a process: all of it, and its busiest thread but the main one alone. */
export interface ProcessorTime {
  readonly process: number
  readonly worker: number
}

export function processorTime(pid: number): ReadonlyMap<string, number> {
  const times = new Map([['process', ticks(`/proc/${pid}/stat`)]])
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    if (thread !== String(pid)) times.set(thread, ticks(`/proc/${pid}/task/${thread}/stat`))
  }
  return times
}

export function processorTimeSince(
  pid: number,
  before: ReadonlyMap<string, number>,
): ProcessorTime {
  const spent = [...processorTime(pid)].map(
    ([name, time]) => [name, time - (before.get(name) ?? 0)] as const,
  )
  const threads = spent.filter(([name]) => name !== 'process').map(([, time]) => time)
  return { process: spent[0]?.[1] ?? 0, worker: Math.max(0, ...threads) }
}

/** Processor time of all threads of a process, in ns. */
export function runTime(pid: number): number {
  const folder = `/proc/${pid}/task`
  return readdirSync(folder)
    .map((thread) => readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ')[0])
    .reduce((sum, time) => sum + Number(time), 0)
}

/** utime and stime, in seconds (proc(5)). */
function ticks(file: string): number {
  const text = readFileSync(file, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

export interface AskFigures {
  readonly sent: number
  readonly answered: number
  readonly octets: number
  /** Microseconds, with a rate. */
  readonly p50?: number
  readonly p99?: number
  readonly p999?: number
  readonly worst?: number
  /** Answers that took longer than 5 ms, with a rate. */
  readonly late?: number
}

/** Runs the load generator against a server. */
export async function ask(
  tools: Tools,
  asked: BenchServer,
  questions: string,
  seconds: number,
  how: { readonly window: number } | { readonly rate: number },
  { isPinned = true } = {},
): Promise<AskFigures> {
  const [figures] = await generate(tools, [asked], questions, seconds, how, isPinned)
  if (figures === undefined) throw new Error('the load generator told nothing')
  return figures
}

/** Asks until V8 has compiled all that answers; before, answers cost up to twice as much. */
export async function warmUp(tools: Tools, asked: BenchServer, questions: string): Promise<void> {
  await ask(tools, asked, questions, 8, { window: 512 })
}

/**
 * Runs it against several servers at the same address, a few milliseconds at a time: other work on the machine meets all
 * of them alike. Each is asked for `secondsEach`; answers the figures in the order of the servers.
 */
export function askInTurns(
  tools: Tools,
  servers: readonly BenchServer[],
  questions: string,
  secondsEach: number,
  window: number,
): Promise<AskFigures[]> {
  return generate(tools, servers, questions, secondsEach * servers.length, { window }, true)
}

async function generate(
  tools: Tools,
  servers: readonly BenchServer[],
  questions: string,
  seconds: number,
  how: { readonly window: number } | { readonly rate: number },
  isPinned: boolean,
): Promise<AskFigures[]> {
  const [mode = '', amount = 0] = Object.entries(how)[0] ?? []
  const ports = servers.map(({ port }) => port).join()
  const hostname = servers[0]?.host ?? ''
  const command = [tools.ask, hostname, ports, questions, seconds, mode, amount].map(String)
  const child = new BenchProcess('the load generator', command, {
    processor: isPinned ? processors.generator : undefined,
  })
  const lines = (await child.output()).trim().split('\n')
  return lines.map((line): AskFigures => JSON.parse(line))
}

export function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}
