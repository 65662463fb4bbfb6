// Named lists into a running server, with everything else going on; all of it seeded. Run alone:
// `node test/bench/import.ts [LINES] [PIECE…]`, LINES being 1 M and the pieces:
//   first  a list of LINES into an empty server, the same file again, then one with a hundredth of its lines changed.
//          Goals: under 350 MiB over the empty server, no question unanswered, look-ups under 50 ms (p99), messages
//          acknowledged within 1 s
//   small  ten lines changed of a list of 1,000, beside ten lists of LINES: until DNS answers the last of them
//   large  a list of ten times LINES, and the next start on it; only where it is named
import { appendFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ask, reversed } from '../support/ask.ts'
import { type ImportFigures, importUnderLoad, residentMiB } from '../support/import-load.ts'
import { seeded } from '../support/seeded.ts'
import { origin, type Server, Site } from '../support/server.ts'

interface Bench {
  readonly site: Site
  readonly lines: number
  tell(figures: object): void
}

const pieces: Readonly<Record<string, (bench: Bench) => Promise<void>>> = { first, small, large }
/** One line of so many is another one in a changed list. */
const changedShare = 100
const pollMs = 5

async function first({ site, lines, tell }: Bench): Promise<void> {
  const server = await site.start()
  const emptyMiB = residentMiB(server.pid)
  const last = writeList(site, 'first.txt', lines, 1)
  const changed = writeList(site, 'changed.txt', lines, 1, { changes: true })
  const run = async (what: string, file: string, entry?: string): Promise<void> => {
    const started = performance.now()
    const answered = entry && answersWithin(server, entry, started)
    const path = join(site.folder, file)
    const figures: ImportFigures = await importUnderLoad(site, server, path, 'bench', emptyMiB)
    const answeredSeconds = await answered
    tell({ what, lines, answeredSeconds, ...figures, databaseMiB: databaseMiB(site) })
  }
  await run('first', 'first.txt', last)
  await run('same file again', 'first.txt')
  await run('a hundredth changed', 'changed.txt', changed)
  await server.kill('SIGTERM')
  tell({ what: 'stopped', databaseMiB: databaseMiB(site) })
}

async function small({ site, lines, tell }: Bench): Promise<void> {
  const server = await site.start()
  for (let list = 0; list < 10; list++) {
    writeList(site, `${list}.txt`, lines, list + 2)
    await imported(site, `${list}.txt`, `list${list}`)
  }
  writeList(site, 'small.txt', 1000, 20)
  await imported(site, 'small.txt', 'small')
  for (let round = 0; round < 3; round++) {
    // A host that no list has is the last in address order of ten that change.
    const entry = `126.7.7.${round}`
    const path = `small${round}.txt`
    writeList(site, path, 990, 20)
    const others = Array.from({ length: 9 }, (_, index) => `12.${round}.9.${index}`)
    appendFileSync(join(site.folder, path), `${[...others, entry].join('\n')}\n`)
    const started = performance.now()
    const answered = answersWithin(server, entry, started)
    await imported(site, path, 'small')
    const seconds = (performance.now() - started) / 1000
    tell({ what: 'ten lines of a small list', seconds, answeredSeconds: await answered })
  }
  tell({ what: 'ten lists', databaseMiB: databaseMiB(site), residentMiB: residentMiB(server.pid) })
}

async function large({ site, lines, tell }: Bench): Promise<void> {
  const server = await site.start()
  const last = writeList(site, 'large.txt', 10 * lines, 1)
  const started = performance.now()
  const answered = answersWithin(server, last, started)
  await imported(site, 'large.txt', 'large')
  const seconds = (performance.now() - started) / 1000
  const resident = residentMiB(server.pid)
  tell({ what: 'large', lines: 10 * lines, seconds, answeredSeconds: await answered, resident })
  await server.kill('SIGTERM')
  const stopped = performance.now()
  await site.start()
  const readySeconds = (performance.now() - stopped) / 1000
  tell({ what: 'the next start', readySeconds, databaseMiB: databaseMiB(site) })
}

/** Writes so many lines, and says which of them is the last in address order that the file without changes lacks. */
function writeList(
  site: Site,
  name: string,
  lines: number,
  seed: number,
  { changes = false } = {},
): string {
  const random = seeded(seed)
  const other = seeded(seed + 1000)
  let last = 0
  let batch: string[] = []
  const put = () => {
    appendFileSync(join(site.folder, name), `${batch.join('\n')}\n`)
    batch = []
  }
  for (let line = 0; line < lines; line++) {
    const kept = wordOf(random())
    const isOther = changes && line % changedShare === 0
    const word = isOther ? wordOf(other()) : kept
    if (isOther || !changes) last = Math.max(last, word)
    batch.push(addressOf(word))
    if (batch.length === 100_000) put()
  }
  if (batch.length > 0) put()
  return addressOf(last)
}

/** Only what may be listed: 11.0.0.0 to 90.255.255.255. */
function wordOf(random: number): number {
  return (11 + ((random >>> 24) % 80)) * 2 ** 24 + (random & 0xff_ffff)
}

function addressOf(word: number): string {
  return [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255].join('.')
}

async function imported(site: Site, file: string, list: string): Promise<void> {
  const run = await site.run('import', join(site.folder, file), '--list', list, '--json')
  if (run.code !== 0) throw new Error(run.stderr)
}

/** Seconds from `started` until DNS lists the address. */
async function answersWithin(server: Server, address: string, started: number): Promise<number> {
  for (;;) {
    const { a } = await ask(server.dns, reversed(address, origin)).catch(() => ({ a: [] }))
    if (a.length > 0) return (performance.now() - started) / 1000
    await new Promise((next) => setTimeout(next, pollMs))
  }
}

/** The database with what is still in its log. */
function databaseMiB({ folder }: Site): number {
  const sizes = ['list.db', 'list.db-wal'].map(
    (name) => statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0,
  )
  return sizes.reduce((sum, size) => sum + size, 0) / 1024 ** 2
}

async function run(piece: (bench: Bench) => Promise<void>, lines: number): Promise<void> {
  const cleanups: (() => unknown)[] = []
  const site = new Site({ after: (cleanup) => cleanups.push(cleanup) })
  const tell = (figures: object) => process.stdout.write(`${JSON.stringify(figures)}\n`)
  try {
    await piece({ site, lines, tell })
  } finally {
    for (const cleanup of cleanups) await cleanup()
  }
}

if (import.meta.main) {
  const [lines = '1000000', ...wanted] = process.argv.slice(2)
  for (const name of wanted.length > 0 ? wanted : ['first', 'small']) {
    const piece = pieces[name]
    if (!piece) throw new Error(`there are ${Object.keys(pieces).join(', ')}`)
    await run(piece, Number(lines))
  }
}
