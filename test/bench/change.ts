// The name server while the list changes: how long after its commit a change is answered, and what a fixed 20,000
// questions a second feel of 1,000 changes a second, and then of a list of 1 M lines that is imported. One worker, 1 M
// listings; changes over the control socket as the command line makes them. Run alone: `node test/bench/change.ts [ENTRIES]`.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { randomLines } from '../support/seeded.ts'
import {
  type AskFigures,
  ask,
  type BenchServer,
  buildTools,
  fillDatabase,
  main,
  median,
  origin,
  query,
  randomList,
  startEcho,
  startOurs,
  warmUp,
  writeQuestions,
} from './dns-load.ts'
import { BenchProcess } from './processes.ts'

const questionsPerSecond = 20_000
const changesPerSecond = 1000
const tailSeconds = 8
const importedLines = 1_000_000
/** An import takes as long as it takes: it is watched slice by slice. */
const sliceSeconds = 2
/** Of the program that only sends back, asked beside ours: it feels what the machine does, and adds little to it. */
const controlsPerSecond = 1000
const timedChanges = 100
const connections = 8

export async function benchChange(entries = 1_000_000): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-bench-'))
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  let server: BenchServer | undefined
  let control: BenchServer | undefined
  try {
    const list = randomList(4, entries)
    fillDatabase(join(folder, 'list.db'), list)
    const running = await startOurs(folder, '127.0.0.1', { isPinned: false })
    server = running
    const listOne = (prefix: string) => post(agent, join(folder, 'backscatterd.sock'), prefix)

    const delays: number[] = []
    for (let number = 0; number < timedChanges; number++) {
      const host = `11.99.${number >> 8}.${number & 255}`
      await listOne(host)
      const committed = performance.now()
      await untilListed(running, host)
      delays.push(performance.now() - committed)
    }
    const worst = Math.max(...delays)
    console.log(
      `a change is answered ${median(delays).toFixed(1)} ms after its commit is acknowledged (median of ${timedChanges}), ${worst.toFixed(1)} ms at worst`,
    )

    const tools = buildTools(folder)
    if (tools === undefined) {
      console.log('the tail is not measured: the load generator needs a C compiler (cc)')
      return
    }
    const questions = join(folder, 'questions')
    writeQuestions(questions, list)
    // A program that only sends packets back, alone at the same rate, and then beside ours: what the machine itself adds.
    const echo = await startEcho(tools, '127.0.0.1', { isPinned: false })
    control = echo
    const askAt = (server: BenchServer, rate: number, seconds: number): Promise<AskFigures> =>
      ask(tools, server, questions, seconds, { rate }, { isPinned: false })
    const askBoth = (seconds: number): Promise<[AskFigures, AskFigures]> =>
      Promise.all([
        askAt(running, questionsPerSecond, seconds),
        askAt(echo, controlsPerSecond, seconds),
      ])
    console.log(
      `the machine's own part: ${tail(await askAt(echo, questionsPerSecond, tailSeconds))}`,
    )
    await warmUp(tools, running, questions)
    for (const hasChanges of [false, true]) {
      const end = new AbortController()
      const changing = hasChanges ? change(listOne, end.signal) : Promise.resolve(0)
      const [figures, beside] = await askBoth(tailSeconds)
      end.abort()
      const changed = (await changing) / tailSeconds
      console.log(
        `${Math.round(figures.sent / tailSeconds)} questions a second, ${Math.round(changed)} changes a second: ${tail(figures)} (of the control ${late([beside])})`,
      )
    }
    await benchImport(folder, () => askBoth(sliceSeconds))
    console.log(`load average ${loadavg()[0]?.toFixed(1)}`)
  } finally {
    agent.destroy()
    await control?.stop()
    await server?.stop()
    rmSync(folder, { recursive: true })
  }
}

/** A list of 1 M lines beside the 1 M listings, while `askSlice` asks again and again. */
async function benchImport(
  folder: string,
  askSlice: () => Promise<[ours: AskFigures, control: AskFigures]>,
): Promise<void> {
  const file = join(folder, 'list.txt')
  writeFileSync(file, randomLines(importedLines))
  const started = performance.now()
  const configuration = join(folder, 'backscatterd.toml')
  const command = [main, '--config', configuration, 'import', file, '--list', 'imported']
  const child = new BenchProcess('the import', [process.execPath, ...command])
  let isOver = false
  const imported = child.output().finally(() => {
    isOver = true
  })
  imported.catch(() => undefined)
  const slices: AskFigures[] = []
  const controls: AskFigures[] = []
  while (!isOver) {
    const [ours, beside] = await askSlice()
    slices.push(ours)
    controls.push(beside)
  }
  await imported
  const seconds = (performance.now() - started) / 1000
  const sum = (pick: (slice: AskFigures) => number): number =>
    slices.reduce((total, slice) => total + pick(slice), 0)
  const most = (pick: (slice: AskFigures) => number | undefined): number =>
    Math.max(...slices.map((slice) => pick(slice) ?? 0))
  const sent = sum((slice) => slice.sent)
  console.log(
    `${Math.round(sent / slices.length / sliceSeconds)} questions a second, ${importedLines} lines imported in ${seconds.toFixed(1)} s: ` +
      `of ${slices.length} slices of ${sliceSeconds} s the worst has p50 ${most(({ p50 }) => p50)} µs, ` +
      `p99 ${most(({ p99 }) => p99)} µs, p99.9 ${most(({ p999 }) => p999)} µs, worst ${most(({ worst }) => worst)} µs, ` +
      `${sent - sum(({ answered }) => answered)} of ${sent} unanswered; of all ${late(slices)} took longer than 5 ms (of the control ${late(controls)})`,
  )
}

function tail(figures: AskFigures): string {
  const { p50, p99, p999, worst, sent, answered } = figures
  return (
    `p50 ${p50} µs, p99 ${p99} µs, p99.9 ${p999} µs, worst ${worst} µs, ${sent - answered} of ${sent} unanswered; ` +
    `${late([figures])} took longer than 5 ms`
  )
}

/** The share of all answers that were late. */
function late(all: readonly AskFigures[]): string {
  const sum = (pick: (figures: AskFigures) => number) => all.reduce((n, each) => n + pick(each), 0)
  return `${((sum((each) => each.late ?? 0) / sum(({ sent }) => sent)) * 100).toFixed(2)} %`
}

/** Lists one address after the other at the rate, as far as the server keeps up; answers how many. */
async function change(
  listOne: (prefix: string) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  const started = performance.now()
  let done = 0
  let next = 0
  const write = async (): Promise<void> => {
    while (!signal.aborted) {
      const due = ((performance.now() - started) / 1000) * changesPerSecond
      if (next >= due) {
        await sleep(1)
        continue
      }
      const number = next++
      await listOne(`12.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`)
      done++
    }
  }
  await Promise.all(Array.from({ length: connections }, write))
  return done
}

async function post(agent: Agent, socketPath: string, prefix: string): Promise<void> {
  const body = JSON.stringify({ prefix, kinds: ['dsn'], duration: '14d' })
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const sent = request({ agent, socketPath, method: 'POST', path: '/v1/listings', headers })
  sent.end(body)
  const [response] = await once(sent, 'response')
  response.resume()
  await once(response, 'end')
  if (response.statusCode !== 201) throw new Error(`not listed: status ${response.statusCode}`)
}

async function untilListed({ host, port }: BenchServer, address: string): Promise<void> {
  const socket = createSocket('udp4')
  const question = query(`${address.split('.').toReversed().join('.')}.${origin}`, 1, false)
  try {
    for (;;) {
      socket.send(question, port, host)
      const [response] = await once(socket, 'message', { signal: AbortSignal.timeout(2000) })
      if (response.readUInt16BE(6) > 0) return
    }
  } finally {
    socket.close()
  }
}

if (import.meta.main) await benchChange(Number(process.argv[2] ?? 1_000_000))
