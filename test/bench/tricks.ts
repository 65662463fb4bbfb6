// What each trick of the answer path buys: answers for each second of processor time without it, as a share of those with
// it. Two servers on the same list take turns of a few milliseconds; the figure is of all rounds together. Needs a C compiler
// (cc). Alone: `node test/bench/tricks.ts [ENTRIES [ROUNDS [4|6 [TRICK…]]]]`.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  askInTurns,
  type BenchServer,
  buildTools,
  fillDatabase,
  randomList,
  runTime,
  startOurs,
  warmUp,
  writeQuestions,
} from './dns-load.ts'
import { tricks } from './without.ts'

const window = 512
const without = import.meta.resolve('./without.ts')

/** Measures the named tricks on one family; prints a line for each. */
async function benchTricks(
  family: 4 | 6,
  entries: number,
  rounds: number,
  names: readonly string[],
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-bench-'))
  const servers: BenchServer[] = []
  try {
    const tools = buildTools(folder)
    if (tools === undefined) throw new Error('the load generator needs a C compiler (cc)')
    const list = randomList(family, entries)
    const questions = join(folder, 'questions')
    writeQuestions(questions, list)
    fillDatabase(join(folder, 'list.db'), list)
    const start = async (name: string, nodeArgs: readonly string[]): Promise<void> => {
      const own = join(folder, name.replaceAll(' ', '-'))
      mkdirSync(own)
      copyFileSync(join(folder, 'list.db'), join(own, 'list.db'))
      const hostname = family === 4 ? '127.0.0.1' : '::1'
      const server = await startOurs(own, hostname, { name, nodeArgs })
      servers.push(server)
      await warmUp(tools, server, questions)
    }
    await start('all tricks', [])
    for (const name of names) {
      await start(name, ['--import', `${without}?${encodeURIComponent(name)}`])
      const answered = [0, 0]
      const before = servers.map(({ pid }) => runTime(pid))
      for (let round = 0; round < rounds; round++) {
        const figures = await askInTurns(tools, servers, questions, 1, window)
        for (const [index, figure] of figures.entries()) {
          answered[index] = (answered[index] ?? 0) + figure.answered
        }
      }
      const [all = 0, less = 0] = servers.map(
        ({ pid }, index) => (answered[index] ?? 0) / (runTime(pid) - (before[index] ?? 0)),
      )
      console.log(`  IPv${family} without ${name}: ${(less / all).toFixed(3)}`)
      await servers.pop()?.stop()
    }
  } finally {
    for (const server of servers) await server.stop()
    rmSync(folder, { recursive: true })
  }
}

const [entries = '1000000', rounds = '20', only, ...names] = process.argv.slice(2)
for (const family of [4, 6] as const) {
  if (only !== undefined && Number(only) !== family) continue
  const chosen = names.length > 0 ? names : Object.keys(tricks)
  await benchTricks(family, Number(entries), Number(rounds), chosen)
}
