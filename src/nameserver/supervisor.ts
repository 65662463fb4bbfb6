// Keeps one thread of the name server running: starts it, and starts it again when it dies or hangs, on the same sockets.
// nameserver.ts has one Thread for each UDP worker and one for TCP.
import { type ResourceLimits, Worker } from 'node:worker_threads'
import { type Logger, OperationalError } from '../errors.ts'
import { clearReader, readerEpoch } from '../tree/reclaim.ts'
import { progressOf } from './counters.ts'
import type { ThreadSocket } from './sockets.ts'
import type { WorkerData } from './worker.ts'

export interface ThreadOptions {
  /** In logs and in debuggers: `dns-udp-0`. */
  readonly name: string
  readonly entry: URL
  readonly data: WorkerData
  /** A fresh set of the thread's sockets for each start. */
  sockets(): ThreadSocket[]
  /** Closes a set whose thread was ended before it could do that itself. */
  release(sockets: readonly ThreadSocket[]): void
  readonly log: Logger
  /** Called once, when the thread dies too often to go on. */
  onFatal(error: Error): void
}

/** An answer allocates next to nothing. */
const resourceLimits: ResourceLimits = { maxYoungGenerationSizeMb: 6 }

/** More deaths than this within the window are not bad luck. */
const maxCrashes = 5
const crashWindowMs = 60_000

/** The first restart is immediate, so that the socket's queue does not overflow; each further one waits longer. */
const firstDelayMs = 100

/**
 * A thread that is inside the same batch at so many looks in a row hangs. What counts is looks, not the time between two
 * of them: a process that was stopped has looked at nothing meanwhile.
 */
const hungLooks = 5
const lookMs = 1000

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
  /** The batch that the thread was inside at the last look: its reader's epoch (0: none), and how much it had answered. */
  #batch = { epoch: 0, progress: 0 }
  #sameLooks = 0
  #isHung = false

  /** Starts the thread; it serves once `listen` has handed it its sockets. */
  constructor(options: ThreadOptions) {
    this.#options = options
    // It may die before anybody waits for it.
    this.#firstStart.promise.catch(() => undefined)
    this.#worker = this.#start()
    this.#watch = setInterval(() => this.#look(), lookMs).unref()
  }

  /** Resolves when the thread answers; rejects when it dies before. From then on it is kept running. */
  async listen(): Promise<void> {
    this.#hand(this.#options.sockets())
    await this.#firstStart.promise
  }

  /** Resolves when the thread has ended; `stop` in its data has been set before. It is ended by force after `forceMs`. */
  async close(forceMs: number): Promise<void> {
    this.#stopKeeping()
    const worker = this.#worker
    if (worker.threadId === -1) return
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    const force = setTimeout(() => void worker.terminate(), forceMs)
    await ended
    clearTimeout(force)
  }

  /** Ends the thread at once, whatever it does. */
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

  /** Ends the thread when it hangs; 'exit' then sees to the rest. */
  #look(): void {
    const { tree, slot, counters } = this.#options.data
    const batch = { epoch: readerEpoch(tree, slot), progress: progressOf(counters) }
    const isSame = batch.epoch === this.#batch.epoch && batch.progress === this.#batch.progress
    this.#sameLooks = batch.epoch !== 0 && isSame ? this.#sameLooks + 1 : 0
    this.#batch = batch
    if (this.#sameLooks < hungLooks || this.#isHung) return
    this.#isHung = true
    void this.#worker.terminate()
  }

  #start(): Worker {
    const { entry, data, name, log } = this.#options
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
      // The dead thread's reader would hold freed blocks back for ever.
      clearReader(data.tree, data.slot)
      if (this.#isHung && cause === undefined) {
        this.#options.release(this.#sockets)
        const seconds = (hungLooks * lookMs) / 1000
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
    log.error({ err: cause, thread: name }, `a name server thread ${how}, it is started again`)
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

/** A thread that binds for itself fails with what an operator can mend: the address. */
function startError(name: string, cause: unknown): OperationalError {
  const why = cause instanceof Error ? cause.message : String(cause)
  const isBinding = cause instanceof Error && 'syscall' in cause && 'code' in cause
  return isBinding
    ? new OperationalError('address-unavailable', `cannot listen: ${why}`, { cause })
    : new OperationalError('worker-failed', `${name} did not start: ${why}`, { cause })
}
