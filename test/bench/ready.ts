// How long after its process starts a server with 1 M listings answers its first DNS question, also where it was killed
// in the middle of an import of as many (goal: 1.5 s), and how much more memory it then has than the same server without
// any. Run alone: `node test/bench/ready.ts [ENTRIES]`.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openStore } from '../../src/store/database.ts'
import { median, residentMiB } from './dns-load.ts'
import { fillStore, interruptImport } from './load.ts'
import { BenchProcess } from './processes.ts'

const rounds = 5
/** After the start, until memory is read. */
const settleMs = 2000
const main = resolve(import.meta.dirname, '../../src/main.ts')

export interface ReadyFigures {
  readonly entries: number
  /** Median seconds from process start to the log line that DNS answers. */
  readonly answeringSeconds: number
  /** Median seconds from process start to the ready line: every listener bound, mail packages loaded. */
  readonly readySeconds: number
  /** The same two where the last process was killed half-way from one list to another. */
  readonly killedAnsweringSeconds: number
  readonly killedReadySeconds: number
  /** Median resident memory once ready and settled, in MiB; and what that is over the same server's when empty. */
  readonly residentMiB: number
  readonly overEmptyMiB: number
}

/** Starts the server several times on a database of `entries` random IPv4 listings. */
export async function benchReady(entries = 1_000_000): Promise<ReadyFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-bench-'))
  try {
    const file = join(folder, 'backscatterd.toml')
    writeFileSync(file, configuration)
    const empty = await startOften(file)
    const store = openStore(join(folder, 'list.db'))
    fillStore(store, entries)
    store.close()
    const full = await startOften(file)
    const killed = await startKilled(folder, file, entries)
    return {
      entries,
      answeringSeconds: median(full.map((run) => run.answering)),
      readySeconds: median(full.map((run) => run.ready)),
      killedAnsweringSeconds: median(killed.map((run) => run.answering)),
      killedReadySeconds: median(killed.map((run) => run.ready)),
      residentMiB: median(full.map((run) => run.residentMiB)),
      overEmptyMiB:
        median(full.map((run) => run.residentMiB)) - median(empty.map((run) => run.residentMiB)),
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

interface Start {
  readonly answering: number
  readonly ready: number
  readonly residentMiB: number
}

async function startOften(file: string): Promise<Start[]> {
  const runs: Start[] = []
  for (let round = 0; round < rounds; round++) runs.push(await startOnce(file))
  return runs
}

/** Each start from the same half-way database: a server goes on from there at once. */
async function startKilled(folder: string, file: string, entries: number): Promise<Start[]> {
  const path = join(folder, 'list.db')
  const store = openStore(path)
  interruptImport(store, entries)
  store.close()
  copyFileSync(path, join(folder, 'half-way.db'))
  const runs: Start[] = []
  for (let round = 0; round < rounds; round++) {
    for (const end of ['-wal', '-shm']) rmSync(path + end, { force: true })
    copyFileSync(join(folder, 'half-way.db'), path)
    runs.push(await startOnce(file))
  }
  return runs
}

async function startOnce(file: string): Promise<Start> {
  const started = performance.now()
  const seconds = (): number => (performance.now() - started) / 1000
  const command = [process.execPath, main, '--config', file, 'serve']
  const child = new BenchProcess('backscatterd', command)
  await child.prints(/answering DNS/)
  const answering = seconds()
  await child.prints(/^backscatterd ready /m)
  const ready = seconds()
  await sleep(settleMs)
  child.requireRunning()
  const resident = residentMiB(child.pid)
  await child.stop()
  return { answering, ready, residentMiB: resident }
}

const configuration = `
[zone]
origin = "bl.test.example"
nameservers = ["ns1.test.example"]
hostmaster = "hostmaster.test.example"
[dns]
listen = ["127.0.0.1:0"]
workers = 1
[store]
path = "list.db"
[trapSmtp]
listen = ["127.0.0.1:0"]
hostname = "mx.test.example"
`

if (import.meta.main) {
  const figures = await benchReady(Number(process.argv[2] ?? 1_000_000))
  process.stdout.write(`${JSON.stringify(figures)}\n`)
}
