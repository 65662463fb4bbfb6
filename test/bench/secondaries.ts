// What secondaries cost the answers: answers for each second of processor time of a server with ten secondaries configured, as a
// share of those of the same server without (asked: 0.98). Without are two servers, of which the mean counts; by how much they
// differ tells what chance does. All take turns of a few milliseconds. Needs a C compiler (cc). Run alone:
// `node test/bench/secondaries.ts [ENTRIES [ROUNDS [4|6]]]`.
import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  askInTurns,
  type BenchServer,
  buildTools,
  fillDatabase,
  median,
  randomList,
  runTime,
  startOurs,
  warmUp,
  writeQuestions,
} from './dns-load.ts'

const window = 512
const secondaries = 10

async function benchSecondaries(family: 4 | 6, entries: number, rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-bench-'))
  const servers: BenchServer[] = []
  try {
    const tools = buildTools(folder)
    if (tools === undefined) {
      console.log('not measured: the load generator needs a C compiler (cc)')
      return
    }
    const list = randomList(family, entries)
    const questions = join(folder, 'questions')
    writeQuestions(questions, list)
    fillDatabase(join(folder, 'list.db'), list)
    const configurations = { without: '', with: tables(), 'without again': '' }
    for (const [name, more] of Object.entries(configurations)) {
      const own = join(folder, name.replaceAll(' ', '-'))
      mkdirSync(own)
      copyFileSync(join(folder, 'list.db'), join(own, 'list.db'))
      writeFileSync(join(own, 'transfer.key'), `${randomBytes(32).toString('base64')}\n`, {
        mode: 0o600,
      })
      const hostname = family === 4 ? '127.0.0.1' : '::1'
      const server = await startOurs(own, hostname, { name, more })
      servers.push(server)
      await warmUp(tools, server, questions)
    }
    const speeds: number[][] = servers.map(() => [])
    for (let round = 0; round < rounds; round++) {
      const before = servers.map(({ pid }) => runTime(pid))
      const figures = await askInTurns(tools, servers, questions, 1, window)
      for (const [index, { pid }] of servers.entries()) {
        const spent = runTime(pid) - (before[index] ?? 0)
        speeds[index]?.push((figures[index]?.answered ?? 0) / spent)
      }
    }
    const [before = [], configured = [], after = []] = speeds
    const share = configured.map(
      (speed, round) => (2 * speed) / ((before[round] ?? 0) + (after[round] ?? 0)),
    )
    const chance = after.map((speed, round) => speed / (before[round] ?? 0))
    console.log(
      `  IPv${family} with secondaries: ${median(share).toFixed(3)} (the two without: ${median(chance).toFixed(3)} of each other)`,
    )
  } finally {
    for (const server of servers) await server.stop()
    rmSync(folder, { recursive: true })
  }
}

function tables(): string {
  const transfers = Array.from(
    { length: secondaries },
    (_, number) => `[[dns.transfer]]
address = "127.0.0.${number + 10}:9"
allow = "127.0.0.${number + 10}"
key = "transfer"`,
  )
  const key = '[[dns.key]]\nname = "transfer"\nsecretFile = "transfer.key"'
  return [key, ...transfers].join('\n')
}

if (import.meta.main) {
  const [entries = '1000000', rounds = '20', only] = process.argv.slice(2)
  for (const family of [4, 6] as const) {
    if (only !== undefined && Number(only) !== family) continue
    await benchSecondaries(family, Number(entries), Number(rounds))
  }
}
