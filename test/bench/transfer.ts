// The whole list to Knot DNS as a secondary, then to ten clients at once: seconds, memory over the idle server, and what 5,000
// questions a second feel of it. Run alone: `node test/bench/transfer.ts [ENTRIES]`, ENTRIES being 1 M.
// Goals: the transfer to Knot under 40 s, p99 at most half again the quiet one, under 150 MiB over the idle server.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask as askOnce } from '../support/ask.ts'
import { freePort } from '../support/ports.ts'
import {
  ask,
  type BenchServer,
  buildTools,
  fillDatabase,
  origin,
  randomList,
  residentMiB,
  startOurs,
  type Tools,
  writeQuestions,
} from './dns-load.ts'
import { hasCommand } from './processes.ts'

const questionsPerSecond = 5000
const clientsAtOnce = 10

interface Bench {
  readonly folder: string
  readonly server: BenchServer
  readonly secret: string
  readonly tools: Tools
  readonly questions: string
}

interface TransferFigures {
  readonly what: string
  readonly seconds: number
  readonly residentMiBOverIdle: number
  readonly p99: number | undefined
  readonly answered: number
  readonly sent: number
}

/** Does something while questions are asked and memory is watched. */
async function measured(
  { server, tools, questions }: Bench,
  what: string,
  idleMiB: number,
  work: () => Promise<unknown>,
): Promise<TransferFigures> {
  const state = { isOver: false, residentMiB: 0 }
  const watching = (async () => {
    while (!state.isOver) {
      state.residentMiB = Math.max(state.residentMiB, residentMiB(server.pid))
      await sleep(20)
    }
  })()
  const started = performance.now()
  const working = work().then(() => {
    state.isOver = true
    return (performance.now() - started) / 1000
  })
  const how = { rate: questionsPerSecond }
  const { p99, answered, sent } = await ask(tools, server, questions, 6, how, { isPinned: false })
  const seconds = await working
  await watching
  return { what, seconds, residentMiBOverIdle: state.residentMiB - idleMiB, p99, answered, sent }
}

/** A fresh Knot DNS that has no zone yet, until it answers. */
async function toKnot({ folder, server, secret }: Bench, port: number): Promise<void> {
  const data = mkdtempSync(join(folder, 'knot-'))
  writeFileSync(
    join(data, 'knot.conf'),
    `server:
  listen: 127.0.0.1@${port}
  rundir: "${data}"
database:
  storage: "${data}"
key:
  - id: mirror1
    algorithm: hmac-sha256
    secret: ${secret}
remote:
  - id: primary
    address: 127.0.0.1@${server.port}
    key: mirror1
zone:
  - domain: ${origin}
    storage: "${data}"
    zonefile-sync: -1
    journal-content: none
    master: primary
`,
  )
  const path = `${process.env['PATH']}:/usr/sbin`
  const knot = spawn('knotd', ['-c', join(data, 'knot.conf')], {
    stdio: 'ignore',
    env: { ...process.env, PATH: path },
  })
  const ended = once(knot, 'exit')
  try {
    const address = `127.0.0.1:${port}`
    for (;;) {
      const answer = await askOnce(address, `2.0.0.127.${origin}`).catch(() => undefined)
      if (answer?.a[0] === '127.0.0.2') return
      await sleep(50)
    }
  } finally {
    knot.kill('SIGKILL')
    await ended
  }
}

async function toDig({ server, secret }: Bench): Promise<void> {
  const key = ['-y', `hmac-sha256:mirror1:${secret}`]
  const words = ['@127.0.0.1', '-p', `${server.port}`, origin, 'AXFR', '+onesoa', ...key]
  const dig = spawn('dig', words, { stdio: ['ignore', 'pipe', 'ignore'] })
  let octets = 0
  dig.stdout.on('data', (chunk: Buffer) => {
    octets += chunk.length
  })
  await once(dig, 'close')
  if (octets < 1_000_000) throw new Error(`dig got ${octets} octets`)
}

async function benchTransfer(
  entries: number,
  tell: (figures: TransferFigures) => void,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-bench-'))
  const tools = buildTools(folder)
  if (tools === undefined) throw new Error('needs a C compiler')
  const list = randomList(4, entries)
  fillDatabase(join(folder, 'list.db'), list)
  const questions = join(folder, 'questions')
  writeQuestions(questions, list)
  const secret = randomBytes(32).toString('base64')
  writeFileSync(join(folder, 'mirror1.key'), `${secret}\n`)
  const port = await freePort()
  const more = `[[dns.key]]
name = "mirror1"
secretFile = "mirror1.key"
[[dns.transfer]]
address = "127.0.0.1:${port}"
allow = "127.0.0.1"
key = "mirror1"
`
  const server = await startOurs(folder, '127.0.0.1', { more, isPinned: false })
  const bench = { folder, server, secret, tools, questions }
  try {
    await ask(tools, server, questions, 8, { rate: questionsPerSecond }, { isPinned: false })
    const idleMiB = residentMiB(server.pid)
    tell(await measured(bench, 'quiet', idleMiB, async () => undefined))
    if (hasCommand('knotd')) {
      tell(await measured(bench, 'to Knot DNS', idleMiB, () => toKnot(bench, port)))
    }
    const all = () => Promise.all(Array.from({ length: clientsAtOnce }, () => toDig(bench)))
    tell(await measured(bench, `to ${clientsAtOnce} clients at once`, idleMiB, all))
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true })
  }
}

if (import.meta.main) {
  const entries = Number(process.argv[2] ?? 1_000_000)
  console.log(`${entries.toLocaleString('en')} entries`)
  await benchTransfer(entries, ({ what, seconds, residentMiBOverIdle, p99, answered, sent }) => {
    const isQuiet = what === 'quiet'
    const cost = `${seconds.toFixed(1)} s, ${residentMiBOverIdle.toFixed(0)} MiB over idle; `
    console.log(`  ${what}: ${isQuiet ? '' : cost}p99 ${p99} µs, ${answered} of ${sent} answered`)
  })
}
