// Keeps one thread of the name server running: starts it, and restarts it on the same sockets if it dies or hangs.
import { type ResourceLimits, Worker } from 'node:worker_threads'
import { bindFault, type Logger, messageOf, OperationalError } from '../errors.ts'
import { clearReader, readerEpoch } from '../tree/reclaim.ts'
import { progressOf } from './counters.ts'
import type { ThreadSocket } from './sockets.ts'
import type { WorkerData } from './worker.ts'

export interface ThreadOptions {
  /** Name in logs and debuggers, such as `dns-udp-0`. */
  readonly name: string
  readonly data: WorkerData
  /** Makes the thread's sockets; called at each start. */
  sockets(): ThreadSocket[]
  /** Closes the sockets of a thread that was ended before it could do so. */
  release(sockets: readonly ThreadSocket[]): void
  readonly log: Logger
  /** Called once if the thread dies too often. */
  onFatal(error: Error): void
}

/** What became of a thread since the server started. */
export interface ThreadStatus {
  readonly name: string
  /** false while the thread is being restarted. */
  readonly isAnswering: boolean
  readonly restarts: number
}

/** Answering a query allocates next to nothing, so a small heap is enough. */
const resourceLimits: ResourceLimits = { maxYoungGenerationSizeMb: 6 }

/** If the thread dies more often than this within `crashWindowMs`, it is not restarted. */
const maxCrashes = 5
const crashWindowMs = 60_000

/**
 * The wait before the second restart; it doubles with each further one. The first restart is immediate, so that the socket's
 * queue does not overflow.
 */
const firstDelayMs = 100

/**
 * A thread hangs if this many checks in a row find it inside the same batch. Checks are counted instead of time, since time
 * also passes while the process is suspended.
 */
const hungChecks = 5
const checkMs = 1000

export class Thread {
  readonly #options: ThreadOptions
  readonly #firstStart = Promise.withResolvers<void>()
  #worker: Worker
  #hasAnswered = false
  #isAnswering = false
  #restarts = 0
  #isClosing = false
  #crashes: number[] = []
  #restart: NodeJS.Timeout | undefined
  readonly #watch: NodeJS.Timeout
  #sockets: readonly ThreadSocket[] = []
  /**
   * The batch that the thread was inside at the last check: the epoch of the thread's reader (0 outside any batch), and its
   * progress count.
   */
  #batch = { epoch: 0, progress: 0 }
  #sameChecks = 0
  #isHung = false

  /** Starts the thread. It answers once `listen` has given it its sockets. */
  constructor(options: ThreadOptions) {
    this.#options = options
    // The promise may reject before listen() waits for it.
    this.#firstStart.promise.catch(() => undefined)
    this.#worker = this.#start()
    this.#watch = setInterval(() => this.#check(), checkMs).unref()
  }

  get status(): ThreadStatus {
    const { name } = this.#options
    return { name, isAnswering: this.#isAnswering, restarts: this.#restarts }
  }

  /** Resolves when the thread answers, and rejects if the thread dies before that. A thread that dies later is restarted. */
  async listen(): Promise<void> {
    this.#hand(this.#options.sockets())
    await this.#firstStart.promise
  }

  /** Resolves when the thread has ended; after `forceMs` it is terminated. The caller must have set the thread's `stop` word. */
  async close(forceMs: number): Promise<void> {
    this.#stopRestarting()
    const worker = this.#worker
    if (worker.threadId === -1) return
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    const force = setTimeout(() => void worker.terminate(), forceMs)
    await ended
    clearTimeout(force)
  }

  /** Ends the thread at once, whatever it is doing. */
  async abandon(): Promise<void> {
    this.#stopRestarting()
    await this.#worker.terminate()
  }

  #stopRestarting(): void {
    this.#isClosing = true
    clearTimeout(this.#restart)
    clearInterval(this.#watch)
  }

  #hand(sockets: readonly ThreadSocket[]): void {
    this.#sockets = sockets
    this.#worker.postMessage(sockets)
  }

  /** Ends the thread if it hangs; the 'exit' handler restarts it. */
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
      if (this.#hasAnswered) log.info({ thread: name }, 'the thread answers again')
      this.#hasAnswered = true
      this.#isAnswering = true
      this.#firstStart.resolve()
    })
    worker.once('exit', (code) => {
      // Otherwise the tree memory that the dead thread's reader has pinned could never be reused.
      clearReader(data.tree, data.slot)
      this.#isAnswering = false
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
    if (!this.#hasAnswered) {
      this.#firstStart.reject(startError(name, cause))
      return
    }
    const how = this.#isHung ? 'hung in one batch' : 'died'
    log.error({ err: cause, thread: name }, `a name server thread ${how}; restarting it`)
    const now = performance.now()
    this.#crashes = [...this.#crashes.filter((at) => now - at < crashWindowMs), now]
    const count = this.#crashes.length
    if (count > maxCrashes) {
      this.#stopRestarting()
      const message = `${name} died ${count} times within ${crashWindowMs / 1000} seconds`
      onFatal(new OperationalError('worker-failed', message, { cause }))
      return
    }
    const delay = count === 1 ? 0 : firstDelayMs * 2 ** (count - 2)
    this.#restart = setTimeout(() => {
      try {
        const sockets = this.#options.sockets()
        this.#worker = this.#start()
        this.#restarts += 1
        this.#hand(sockets)
      } catch (error) {
        this.#onDeath(error)
      }
    }, delay)
  }
}

/**
 * The error for a thread that did not start. If it could not bind its own socket, the address is at fault, and the operator can
 * fix that.
 */
function startError(name: string, cause: unknown): OperationalError {
  const why = messageOf(cause)
  const isBinding = cause instanceof Error && 'syscall' in cause && 'code' in cause
  return isBinding
    ? new OperationalError('address-unavailable', `dns.listen: ${why}: ${bindFault(cause)}`, {
        cause,
      })
    : new OperationalError('worker-failed', `${name} did not start: ${why}`, { cause })
}
