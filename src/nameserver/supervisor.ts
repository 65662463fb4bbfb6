// Keeps one thread of the name server running: starts it, and restarts it on the same sockets when it dies or hangs.
import { type ResourceLimits, Worker } from 'node:worker_threads'
import { type Logger, OperationalError } from '../errors.ts'
import { clearReader, readerEpoch } from '../tree/reclaim.ts'
import { progressOf } from './counters.ts'
import type { ThreadSocket } from './sockets.ts'
import type { WorkerData } from './worker.ts'

export interface ThreadOptions {
  /** In logs and in debuggers: `dns-udp-0`. */
  readonly name: string
  readonly data: WorkerData
  /** A new set of the thread's sockets for each start. */
  sockets(): ThreadSocket[]
  /** Closes a set whose thread was ended before it could do so itself. */
  release(sockets: readonly ThreadSocket[]): void
  readonly log: Logger
  /** Called once, when the thread dies too often to go on. */
  onFatal(error: Error): void
}

/** An answer allocates next to nothing. */
const resourceLimits: ResourceLimits = { maxYoungGenerationSizeMb: 6 }

/** With more deaths than this within the window, the thread is given up. */
const maxCrashes = 5
const crashWindowMs = 60_000

/** The first restart is immediate, so that the socket's queue does not overflow; each further one waits twice as long. */
const firstDelayMs = 100

/**
 * A thread hangs if it is inside the same batch at this many checks in a row. Checks are counted, not time: while a process
 * is suspended it does not check.
 */
const hungChecks = 5
const checkMs = 1000

export class Thread {
  readonly #options: ThreadOptions
  readonly #firstStart = Promise.withResolvers<void>()
  #worker: Worker
  #isKept = false
  #isClosing = false
  #crashes: number[] = []
  #restart: NodeJS.Timeout | undefined
  readonly #watch: NodeJS.Timeout
  #sockets: readonly ThreadSocket[] = []
  /** The batch that the thread was inside at the last check: its reader's epoch (0: none), and how much it had answered. */
  #batch = { epoch: 0, progress: 0 }
  #sameChecks = 0
  #isHung = false

  /** Starts the thread; it serves once `listen` has handed it its sockets. */
  constructor(options: ThreadOptions) {
    this.#options = options
    // It may die before listen() waits for it.
    this.#firstStart.promise.catch(() => undefined)
    this.#worker = this.#start()
    this.#watch = setInterval(() => this.#check(), checkMs).unref()
  }

  /** Resolves when the thread answers; from then on it is kept running. Rejects when it dies before. */
  async listen(): Promise<void> {
    this.#hand(this.#options.sockets())
    await this.#firstStart.promise
  }

  /** Resolves when the thread has ended, by force after `forceMs`. The caller has set `stop` in its data. */
  async close(forceMs: number): Promise<void> {
    this.#stopKeeping()
    const worker = this.#worker
    if (worker.threadId === -1) return
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    const force = setTimeout(() => void worker.terminate(), forceMs)
    await ended
    clearTimeout(force)
  }

  /** Ends the thread at once, whatever it is doing. */
  async abandon(): Promise<void> {
    this.#stopKeeping()
    await this.#worker.terminate()
  }

  #stopKeeping(): void {
    this.#isClosing = true
    clearTimeout(this.#restart)
    clearInterval(this.#watch)
  }

  #hand(sockets: readonly ThreadSocket[]): void {
    this.#sockets = sockets
    this.#worker.postMessage(sockets)
  }

  /** Ends the thread if it hangs; the 'exit' handler does the rest. */
  #check(): void {
    const { tree, slot, counters } = this.#options.data
    const batch = { epoch: readerEpoch(tree, slot), progress: progressOf(counters) }
    const isSame = batch.epoch === this.#batch.epoch && batch.progress === this.#batch.progress
    this.#sameChecks = batch.epoch !== 0 && isSame ? this.#sameChecks + 1 : 0
    this.#batch = batch
    if (this.#sameChecks < hungChecks || this.#isHung) return
    this.#isHung = true
    void this.#worker.terminate()
  }

  #start(): Worker {
    const { data, name, log } = this.#options
    const entry = new URL('./worker.ts', import.meta.url)
    const worker = new Worker(entry, { workerData: data, name, resourceLimits })
    this.#isHung = false
    let cause: unknown
    worker.on('error', (error) => {
      cause = error
    })
    worker.once('message', () => {
      if (this.#isKept) log.info({ thread: name }, 'the thread answers again')
      this.#isKept = true
      this.#firstStart.resolve()
    })
    worker.once('exit', (code) => {
      // Otherwise the dead thread's reader would keep memory from being reused for ever.
      clearReader(data.tree, data.slot)
      if (this.#isHung && cause === undefined) {
        this.#options.release(this.#sockets)
        const seconds = (hungChecks * checkMs) / 1000
        cause = new OperationalError(
          'worker-failed',
          `${name} was inside one batch for ${seconds} s`,
        )
      }
      if (!this.#isClosing) this.#onDeath(cause ?? new Error(`exit code ${code}`))
    })
    return worker
  }

  #onDeath(cause: unknown): void {
    const { name, onFatal, log } = this.#options
    if (!this.#isKept) {
      this.#firstStart.reject(startError(name, cause))
      return
    }
    const how = this.#isHung ? 'hung in one batch' : 'died'
    log.error({ err: cause, thread: name }, `a name server thread ${how}; restarting it`)
    const now = performance.now()
    this.#crashes = [...this.#crashes.filter((at) => now - at < crashWindowMs), now]
    const count = this.#crashes.length
    if (count > maxCrashes) {
      this.#stopKeeping()
      const message = `${name} died ${count} times within ${crashWindowMs / 1000} seconds`
      onFatal(new OperationalError('worker-failed', message, { cause }))
      return
    }
    const delay = count === 1 ? 0 : firstDelayMs * 2 ** (count - 2)
    this.#restart = setTimeout(() => {
      try {
        const sockets = this.#options.sockets()
        this.#worker = this.#start()
        this.#hand(sockets)
      } catch (error) {
        this.#onDeath(error)
      }
    }, delay)
  }
}

/** If a thread that binds for itself cannot, the operator can fix that: the address is at fault. */
function startError(name: string, cause: unknown): OperationalError {
  const why = cause instanceof Error ? cause.message : String(cause)
  const isBinding = cause instanceof Error && 'syscall' in cause && 'code' in cause
  return isBinding
    ? new OperationalError('address-unavailable', `cannot listen: ${why}`, { cause })
    : new OperationalError('worker-failed', `${name} did not start: ${why}`, { cause })
}
