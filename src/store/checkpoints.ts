// Checkpoints off the event loop while much is written: SQLite by itself makes one inside the commit that fills the
// log, which then takes ten times as long. Called by blocklist/takeover.ts, through the store.
import { Worker } from 'node:worker_threads'
import type { Database } from 'better-sqlite3'

/** Pages in the log: all, and those that are in the database too. */
interface Moved {
  readonly log: number
  readonly checkpointed: number
}

/** SQLite's own bound, in pages, whenever no thread does it. */
const ordinaryPages = 1000
/** Pages of a log that has grown enough: 64 MiB. */
const largePages = 16_384
/** Between two checkpoints: each one syncs two files. */
const intervalMs = 100
/** Tries to find a moment at which all of the log is in the database, so that it can begin at its start again. */
const tries = 3

export class Checkpoints {
  readonly #database: Database
  readonly #path: string
  #worker: Worker | undefined
  #users = 0
  #asked: PromiseWithResolvers<Moved | undefined> | undefined
  #nextAt = 0
  #pages = 0
  #maxPages = largePages

  constructor(database: Database, path: string) {
    this.#database = database
    this.#path = path
  }

  /** From now on a thread makes them, until `end` was called as often. */
  begin(): void {
    this.#users += 1
    if (this.#worker) return
    const worker = new Worker(new URL('./checkpoint-thread.ts', import.meta.url), {
      workerData: this.#path,
      name: 'checkpoints',
    })
    this.#worker = worker
    // Without it SQLite does it again, which is slower and as safe.
    worker.on('error', () => undefined)
    worker.once('exit', () => this.#without(worker))
    worker.on('message', (moved: Moved) => this.#answered(moved))
    // It keeps the process only while somebody waits for it: see #ask.
    worker.unref()
    this.#database.pragma('wal_autocheckpoint = 0')
  }

  /** To be called often: has a checkpoint made when one is due, and waits for it only where the log is too long. */
  async relieve(): Promise<void> {
    if (this.#pages < this.#maxPages) {
      if (performance.now() >= this.#nextAt) void this.#ask()
      return
    }
    for (let tried = 0; tried < tries; tried++) {
      const moved = await this.#ask()
      if (!moved || moved.log === moved.checkpointed) {
        this.#pages = 0
        this.#maxPages = largePages
        return
      }
    }
    // A reader as of long ago: the log has to keep what it sees.
    this.#maxPages = 2 * this.#pages
  }

  /** Resolves when the last checkpoint is made and the thread has ended. */
  async end(): Promise<void> {
    this.#users -= 1
    if (this.#users > 0) return
    await this.#ask()
    if (this.#users === 0) await this.#stop()
  }

  async #stop(): Promise<void> {
    const worker = this.#worker
    if (!worker) return
    this.#without(worker)
    await worker.terminate()
  }

  #ask(): Promise<Moved | undefined> {
    const worker = this.#worker
    if (!worker) return Promise.resolve(undefined)
    if (!this.#asked) {
      this.#asked = Promise.withResolvers()
      worker.ref()
      worker.postMessage('checkpoint')
    }
    return this.#asked.promise
  }

  #answered(moved: Moved | undefined): void {
    this.#pages = moved?.log ?? 0
    this.#nextAt = performance.now() + intervalMs
    this.#worker?.unref()
    this.#asked?.resolve(moved)
    this.#asked = undefined
  }

  #without(worker: Worker): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    this.#answered(undefined)
    if (this.#database.open) this.#database.pragma(`wal_autocheckpoint = ${ordinaryPages}`)
  }
}
