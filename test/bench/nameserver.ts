// Answers for each second of the server's processor time: this server, rbldnsd with the same list, and the limit, a C
// program that only sends packets back. In a round the load generator turns from one to the next many times a second; the
// figures are medians of the rounds' ratios. Needs a C compiler (cc), and rbldnsd for the comparison. Run alone:
// `node test/bench/nameserver.ts [ENTRIES [ROUNDS [4|6]]]`.
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  ask,
  askInTurns,
  type BenchServer,
  buildTools,
  fillDatabase,
  learnCookie,
  median,
  processorTime,
  processorTimeSince,
  randomList,
  residentMiB,
  startEcho,
  startOurs,
  startRbldnsd,
  type Tools,
  warmUp,
  writeQuestions,
} from './dns-load.ts'

const secondsEach = 2
const window = 512
/** Octets by which an answer to these questions is longer than its question, on average. */
const answerGrowth = 44

/** Answers a second of processor time, of the whole process and of its one worker thread. */
interface Speed {
  readonly process: number
  readonly worker: number
}

/** RRL and the other guards at work; the limit is out of reach, so that every query is answered. */
const guards = `
[dns.rateLimit]
responsesPerSecond = 1000000
slip = 2
`

/** Measures one family; prints a line for each server. */
export async function benchNameserver(
  family: 4 | 6,
  entries: number,
  rounds: number,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-bench-'))
  const tools = buildTools(folder)
  if (tools === undefined) {
    console.log('not measured: the load generator needs a C compiler (cc)')
    rmSync(folder, { recursive: true })
    return
  }
  const servers: BenchServer[] = []
  try {
    const list = randomList(family, entries)
    const questions = join(folder, 'questions')
    writeQuestions(questions, list)
    fillDatabase(join(folder, 'list.db'), list)
    const hostname = family === 4 ? '127.0.0.1' : '::1'
    servers.push(await startEcho(tools, hostname))
    // For information: what of the distance to the limit is owed to the answers' length.
    servers.push(await startEcho(tools, hostname, { more: answerGrowth }))
    const rbldnsd = await startRbldnsd(folder, hostname, list)
    if (rbldnsd === undefined) console.log('without rbldnsd (Debian: rbldnsd)')
    else servers.push(rbldnsd)
    servers.push(await startOurs(folder, hostname))
    const speeds = await measure(tools, servers, questions, rounds)
    report(speeds, family, entries)
    const ours = servers.at(-1)
    if (ours !== undefined) console.log(`resident: ${residentMiB(ours.pid).toFixed(0)} MiB`)
    // The features' cost, beside the same opponents: they need a server of their own on the same database.
    await servers.pop()?.stop()
    servers.push(await startOurs(folder, hostname, { more: guards, name: 'backscatterd+rrl' }))
    report(await measure(tools, servers, questions, rounds), family, entries)
    const guarded = servers.at(-1)
    if (guarded === undefined) return
    const cookie = await learnCookie(guarded)
    console.log('all questions that have EDNS with a cookie, half of them a proven one:')
    writeQuestions(questions, list, { cookie })
    report(await measure(tools, servers, questions, rounds), family, entries)
  } finally {
    for (const each of servers) await each.stop()
    rmSync(folder, { recursive: true })
  }
}

async function measure(
  tools: Tools,
  servers: readonly BenchServer[],
  questions: string,
  rounds: number,
): Promise<Map<string, Speed[]>> {
  const speeds = new Map(servers.map(({ name }) => [name, [] as Speed[]]))
  for (const server of servers) {
    if (server.name.startsWith('backscatterd')) await warmUp(tools, server, questions)
    else await ask(tools, server, questions, 1, { window })
  }
  for (let round = 0; round < rounds; round++) {
    const before = servers.map(({ pid }) => processorTime(pid))
    const figures = await askInTurns(tools, servers, questions, secondsEach, window)
    for (const [index, server] of servers.entries()) {
      server.requireRunning()
      const spent = processorTimeSince(server.pid, before[index] ?? new Map())
      const { answered = 0 } = figures[index] ?? {}
      const worker = server.name.startsWith('backscatterd') ? spent.worker : spent.process
      speeds
        .get(server.name)
        ?.push({ process: answered / spent.process, worker: answered / worker })
    }
  }
  return speeds
}

function report(speeds: ReadonlyMap<string, Speed[]>, family: number, entries: number): void {
  console.log(
    `IPv${family}, ${entries} entries, load average ${loadavg()
      .map((load) => load.toFixed(1))
      .join(' ')}`,
  )
  const ours = [...speeds].findLast(([name]) => name.startsWith('backscatterd'))?.[1] ?? []
  for (const [name, runs] of speeds) {
    const thousands = (pick: (speed: Speed) => number): string =>
      `${Math.round(median(runs.map(pick)) / 1000)} k`
    const worker = name.startsWith('backscatterd')
      ? ` (worker thread ${thousands((run) => run.worker)})`
      : ''
    const ratio = median(ours.map((run, round) => run.process / (runs[round]?.process ?? 1)))
    const compared = runs === ours ? '' : `, ours is ${ratio.toFixed(2)} of it`
    console.log(
      `  ${name}: ${thousands((run) => run.process)} answers a CPU second${worker}${compared}`,
    )
  }
}

if (import.meta.main) {
  const [entries = '1000000', rounds = '7', only] = process.argv.slice(2)
  for (const family of [4, 6] as const) {
    if (only !== undefined && Number(only) !== family) continue
    await benchNameserver(family, Number(entries), Number(rounds))
  }
}
