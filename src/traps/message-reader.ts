// Sends messages to a thread that parses and judges them, so that no message can stop the server. If a message takes too much
// processor time, fills the thread's heap or ends the thread, it is recorded as "unreadable". A new thread is started and gets
// all other messages.
import { type ResourceLimits, Worker } from 'node:worker_threads'
import type { Classification } from '../classify/classify.ts'
import type { Evidence } from '../classify/evidence.ts'
import { codeOf, type Logger, OperationalError } from '../errors.ts'
import { type Delivered, sourceKey } from './delivery.ts'
import { nameOf, type ReadingMark } from './reading-mark.ts'

/** What the thread needs to check whether a returned message was really ours. */
export interface AuthenticitySources {
  /** DNS servers as `host:port`. If there are none, each result that needs DNS is "unknown". */
  readonly servers: readonly string[]
  /** The secret that signs our own BATV tags. */
  readonly batvKey?: Uint8Array
  /** File of the Message-IDs that our own mail servers made. */
  readonly messageIdFile?: string
}

export interface MessageReaderOptions {
  /** If absent, no returned message is checked. */
  readonly authenticity?: AuthenticitySources | undefined
  /** Writes down a stored message that takes long, in case the process dies of it. */
  readonly mark?: ReadingMark | undefined
  readonly log: Logger
  /** Seconds of the thread's processor time for one message. @default 5 */
  readonly maxCpuSeconds?: number
  /** Limits of the thread's heap. @default 128 MiB old and 4 MiB young generation */
  readonly resourceLimits?: ResourceLimits
  /** The file that the thread runs. @default message-thread.ts */
  readonly entry?: URL
}

export interface ReadMessage {
  readonly classification: Classification
  /** One piece for each trap that the message was sent to. */
  readonly evidence: readonly Evidence[]
}

/** A message to read. The caller must not change its octets until it has been read. */
interface ReadRequest {
  readonly raw: Uint8Array
  readonly delivered: Delivered
  /** The message is in a mailbox, so it is read again if this process dies. */
  readonly isStored: boolean
  /** Epoch seconds. */
  readonly now: number
}

type ReadOutcome = ReadMessage & {
  /** Reading was stopped before the end; the verdict and the evidence say only that. */
  readonly isStopped: boolean
}

/** What goes to the thread. Each result comes back with the same number. */
export interface ReadJob extends ReadRequest {
  readonly number: number
}
export type ReadResult = { readonly number: number } & (
  | ReadMessage
  | { readonly isCondemned: true }
)

/** The workerData of the thread. */
export interface ReaderData {
  readonly authenticity: AuthenticitySources | undefined
  /** Names, made by nameOf() in reading-mark.ts, of messages that must not be read. */
  readonly condemned: readonly string[]
  readonly shared: SharedArrayBuffer
}

interface Waiting extends ReadJob {
  readonly resolve: (outcome: ReadOutcome) => void
  readonly reject: (error: Error) => void
}

/** Messages in the thread at the same time; only one of them computes. */
const maxAtOnce = 8
const checkMs = 200
/** After this much processor time the mark names the message. Usual messages take far less, even the first one of a thread. */
const namedAfterSeconds = 0.5
/** The wait before the next start, if the thread died while it read nothing. */
const restartMs = 1000
const defaultLimits: ResourceLimits = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 4 }

export class MessageReader {
  readonly #options: MessageReaderOptions
  readonly #shared = new SharedArrayBuffer(16)
  readonly #words = sharedWords(this.#shared)
  /** Waiting messages by client or mailbox. The one whose turn is next stands first. */
  readonly #queues = new Map<string, Waiting[]>()
  readonly #inThread = new Map<number, Waiting>()
  #worker: Worker | undefined
  #restart: NodeJS.Timeout | undefined
  #drain: NodeJS.Timeout | undefined
  #check: NodeJS.Timeout | undefined
  #lastNumber = 0
  /** The number of the message for which we are ending the thread because it takes too long; 0 if none. */
  #ended = 0
  /** The number of the message that the mark names; 0 if none. */
  #named = 0
  #diedWithoutMessage = false
  #isRefusing = false
  #isClosing = false

  constructor(options: MessageReaderOptions) {
    this.#options = options
    this.#start()
  }

  /**
   * Resolves once the message has been read. Clients and mailboxes take turns, so that none keeps the others waiting. Rejects
   * with OperationalError `mail-deferred` if the message could not be read through no fault of its own.
   */
  read(request: ReadRequest): Promise<ReadOutcome> {
    if (this.#isRefusing) return Promise.reject(deferred(stopping))
    const { promise, resolve, reject } = Promise.withResolvers<ReadOutcome>()
    this.#lastNumber = (this.#lastNumber % 0x7fffffff) + 1
    this.#enqueue({ ...request, number: this.#lastNumber, resolve, reject })
    this.#fill()
    return promise
  }

  /**
   * To be called when the process is about to end. After `withinMs`, waiting messages are rejected unread and new ones are
   * refused.
   */
  drain(withinMs: number): void {
    this.#options.mark?.quiet()
    clearTimeout(this.#drain)
    this.#drain = setTimeout(() => this.#refuse(), withinMs).unref()
  }

  /** Rejects waiting messages unread and ends the thread. May be called again. */
  async close(): Promise<void> {
    this.drain(0)
    this.#refuse()
    this.#isClosing = true
    clearTimeout(this.#restart)
    clearInterval(this.#check)
    await this.#worker?.terminate()
    this.#options.mark?.close()
  }

  #refuse(): void {
    clearTimeout(this.#drain)
    this.#isRefusing = true
    this.#rejectAll(stopping)
  }

  #enqueue(waiting: Waiting): void {
    const key = sourceKey(waiting.delivered)
    const queue = this.#queues.get(key)
    if (queue === undefined) this.#queues.set(key, [waiting])
    else queue.push(waiting)
  }

  /** Takes the next message of the client or mailbox whose turn it is. That client or mailbox then comes last. */
  #dequeue(): Waiting | undefined {
    const [first] = this.#queues
    if (first === undefined) return undefined
    const [key, queue] = first
    const next = queue.shift()
    this.#queues.delete(key)
    if (queue.length > 0) this.#queues.set(key, queue)
    return next
  }

  #fill(): void {
    const worker = this.#worker
    if (worker === undefined) return
    while (this.#inThread.size < maxAtOnce) {
      const next = this.#dequeue()
      if (next === undefined) break
      this.#inThread.set(next.number, next)
      const { number, delivered, isStored, now } = next
      // Copy it: posting a view of a larger buffer would copy the whole buffer.
      const raw = new Uint8Array(next.raw)
      worker.postMessage({ number, raw, delivered, isStored, now } satisfies ReadJob, [raw.buffer])
    }
    if (this.#inThread.size === 0) {
      clearInterval(this.#check)
      this.#check = undefined
      // The thread keeps the process alive only while it reads a message.
      worker.unref()
    } else if (this.#check === undefined) {
      worker.ref()
      this.#check = setInterval(() => void this.#checkTime(worker), checkMs)
    }
  }

  #start(): void {
    const { entry, resourceLimits, authenticity, mark } = this.#options
    const data: ReaderData = {
      authenticity,
      condemned: mark?.condemned ?? [],
      shared: this.#shared,
    }
    Atomics.store(this.#words.number, 0, 0)
    const worker = new Worker(entry ?? new URL('./message-thread.ts', import.meta.url), {
      workerData: data,
      name: 'message-reader',
      resourceLimits: { ...defaultLimits, ...resourceLimits },
    })
    let cause: unknown
    worker.on('message', (result: ReadResult) => this.#onResult(result))
    worker.on('error', (error) => {
      cause = error
    })
    worker.once('exit', (code) => this.#onDeath(cause ?? new Error(`exit code ${code}`)))
    worker.unref()
    this.#worker = worker
  }

  #onResult(result: ReadResult): void {
    const waiting = this.#inThread.get(result.number)
    if (waiting === undefined) return
    this.#inThread.delete(result.number)
    this.#diedWithoutMessage = false
    if (this.#named === result.number) this.#clearMark()
    if ('isCondemned' in result) this.#stop(waiting, 'the process died twice while reading it')
    else waiting.resolve({ ...result, isStopped: false })
    this.#fill()
  }

  /** Measures the thread's processor time and not the time of day, so a busy machine or a suspended process does no harm. */
  async #checkTime(worker: Worker): Promise<void> {
    const { maxCpuSeconds = 5 } = this.#options
    const { number, cpuStart } = this.#words
    const reading = Atomics.load(number, 0)
    const start = cpuStart[0] ?? 0
    if (reading === 0 || this.#ended !== 0) return
    const used = await worker.cpuUsage().catch(() => undefined)
    if (used === undefined || Atomics.load(number, 0) !== reading || cpuStart[0] !== start) return
    const seconds = (used.user + used.system - start) / 1e6
    const waiting = this.#inThread.get(reading)
    if (waiting?.isStored && seconds > namedAfterSeconds && this.#named === 0) {
      this.#named = reading
      this.#options.mark?.name(waiting.raw)
    }
    if (seconds <= maxCpuSeconds) return
    this.#ended = reading
    await worker.terminate()
  }

  #clearMark(): void {
    this.#named = 0
    this.#options.mark?.clear()
  }

  #onDeath(cause: unknown): void {
    const { log } = this.#options
    const number = this.#ended || Atomics.load(this.#words.number, 0)
    const blamed = this.#inThread.get(number)
    const why = this.#ended === 0 ? faultOf(cause) : 'it took too much processor time'
    this.#ended = 0
    this.#worker = undefined
    clearInterval(this.#check)
    this.#check = undefined
    if (this.#isClosing) return
    this.#clearMark()
    this.#inThread.delete(number)
    if (blamed !== undefined) this.#stop(blamed, why)
    else log.error({ err: cause }, 'the thread that reads messages died; starting it again')
    if (blamed === undefined && this.#diedWithoutMessage) {
      // The thread died twice in a row without a message. Reject all messages, so that none waits until somebody mends the cause.
      this.#rejectAll('the thread that reads messages keeps dying')
    }
    this.#diedWithoutMessage = blamed === undefined
    for (const waiting of this.#inThread.values()) this.#enqueue(waiting)
    this.#inThread.clear()
    this.#restart = setTimeout(
      () => {
        this.#start()
        this.#fill()
      },
      this.#diedWithoutMessage ? restartMs : 0,
    )
  }

  #stop({ raw, delivered, resolve }: Waiting, why: string): void {
    const { source } = delivered
    this.#options.log.warn(
      { source, octets: raw.length, why },
      'message cannot be read; it is recorded as unreadable and lists nobody',
    )
    resolve({ ...unreadable(raw, delivered), isStopped: true })
  }

  #rejectAll(why: string): void {
    const all = [...this.#inThread.values(), ...[...this.#queues.values()].flat()]
    this.#inThread.clear()
    this.#queues.clear()
    for (const { reject } of all) reject(deferred(why))
  }
}

/** Views of the memory that the main thread and the message thread share; message-thread.ts writes them. */
export function sharedWords(shared: SharedArrayBuffer) {
  return {
    /** The number of the message that computes now; 0 if none. */
    number: new Int32Array(shared, 0, 1),
    /** The thread's processor time when this message got its turn, less the message's earlier turns; in microseconds. */
    cpuStart: new Float64Array(shared, 8, 1),
  }
}

const stopping = 'the server is stopping'

function deferred(why: string): OperationalError {
  return new OperationalError('mail-deferred', `message not read: ${why}`)
}

function faultOf(cause: unknown): string {
  const isFull = codeOf(cause) === 'ERR_WORKER_OUT_OF_MEMORY'
  return isFull ? 'it took too much memory' : 'the thread died while reading it'
}

/** The verdict and the evidence for a message that could not be read. */
function unreadable(raw: Uint8Array, { trace, recipients, ...session }: Delivered): ReadMessage {
  const rule = 'unreadable-message'
  const content = nameOf(raw)
  const { seenAt, source, helo, reversePath, tls } = session
  const details = {
    ...(helo !== undefined && { helo }),
    ...(reversePath !== undefined && { reversePath }),
    ...(tls !== undefined && { tls }),
  }
  return {
    classification: {
      backscatter: false,
      kind: null,
      notBackscatter: 'other',
      certainty: null,
      facts: [],
      rule,
      generator: null,
      dsn: null,
      returned: null,
      viaList: false,
    },
    evidence: recipients.map((recipient) => ({
      client: trace.client,
      recipient,
      kind: null,
      certainty: null,
      rule,
      content,
      returned: content,
      seenAt: Math.floor(seenAt),
      source,
      details,
    })),
  }
}
