// Pages for people beside DNS: 200 look-ups and policies a second, while DNS is asked half of what it can answer; alternating
// rounds with and without pages. Goals: p99 of DNS at most half again that without pages, and every question answered. Both load
// generators run on this machine too, so with few processors the ratio is mostly what their waiting for one another costs.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { formatAddress } from '../../src/ip/address.ts'
import { openStore } from '../../src/store/database.ts'
import { freePort } from '../support/ports.ts'
import {
  ask,
  buildTools,
  fillDatabase,
  listingOf,
  median,
  randomList,
  startOurs,
  writeQuestions,
} from './dns-load.ts'

const entries = 1_000_000
const rounds = 5
const seconds = 6
/** The generators of pages are started first, since that costs processor time too. */
const startSeconds = 3
const pagesPerSecond = 200
const connections = 10
/** The main thread, which serves pages, must not share a processor with the one that answers DNS. */
const unpinned = { isPinned: false }
/** Listed by a trap: its page is the longest. */
const host = { family: 4, w0: 0x0b000001, w1: 0, w2: 0, w3: 0, length: 32 } as const

const folder = mkdtempSync(join(tmpdir(), 'backscatterd-bench-'))
const tools = buildTools(folder)
if (tools === undefined) throw new Error('needs a C compiler')
const list = randomList(4, entries)
fillDatabase(join(folder, 'list.db'), list)
addHost(join(folder, 'list.db'))
const questions = join(folder, 'questions')
writeQuestions(questions, list)
const admin = `127.0.0.1:${await freePort()}`
const server = await startOurs(folder, '127.0.0.1', {
  ...unpinned,
  more: `[admin]\nlisten = "${admin}"`,
})
try {
  await ask(tools, server, questions, 8, { window: 512 }, unpinned)
  const full = await ask(tools, server, questions, seconds, { window: 512 }, unpinned)
  const rate = Math.round(full.answered / seconds / 2)
  console.log(`half the load: ${rate.toLocaleString('en')} questions a second`)
  const ratios: number[] = []
  for (let round = 0; round < rounds; round++) {
    const alone = await ask(tools, server, questions, seconds, { rate }, unpinned)
    const pages = readPages(`http://${admin}`, seconds + startSeconds)
    await sleep(startSeconds * 1000)
    const beside = await ask(tools, server, questions, seconds, { rate }, unpinned)
    ratios.push((beside.p99 ?? 0) / (alone.p99 ?? 1))
    console.log(
      `p99 ${alone.p99} µs alone, ${beside.p99} µs beside ${await pages} pages; ` +
        `unanswered ${alone.sent - alone.answered} and ${beside.sent - beside.answered}`,
    )
  }
  console.log(`ratio of p99: ${median(ratios).toFixed(2)} (goal 1.5)`)
} finally {
  await server.stop()
  rmSync(folder, { recursive: true })
}

function addHost(file: string): void {
  const store = openStore(file)
  store.begin()
  store.listings.insert({ ...listingOf(host), origin: 'trap', hits: 2 })
  store.commit()
  store.close()
}

/** Reads pages for so many seconds. Resolves with the number of pages. */
async function readPages(base: string, duration: number): Promise<number> {
  const generator = createRequire(import.meta.url).resolve('autocannon')
  const counts = await Promise.all(
    [`/lookup/${formatAddress(host)}`, '/policy'].map(async (path) => {
      const options = ['-c', connections / 2, '-R', pagesPerSecond / 2, '-d', duration].map(String)
      const words = [generator, '--json', '--no-progress', ...options, base + path]
      const { stdout } = await promisify(execFile)(process.execPath, words)
      const { requests, non2xx, errors } = JSON.parse(stdout)
      if (non2xx + errors > 0) throw new Error(`${path}: ${non2xx + errors} failed`)
      return requests.total as number
    }),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}
