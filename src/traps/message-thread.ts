// The thread that takes messages apart: octets and how they came → what the message is, and its evidence. One message
// computes at a time, in the order in which they ask; while it waits for DNS another one does. Shared memory tells the main
// thread which one computes, and since when by its processor time: so a message that takes too long can be ended, and no
// other is blamed.
import { parentPort, workerData } from 'node:worker_threads'
import { classify } from '../bounce/classify.ts'
import { evidenceOf } from '../bounce/evidence.ts'
import { parseMessage } from '../bounce/message.ts'
import { type Resolved, type ResolvedType, ResolveError, Resolver } from '../resolver/resolver.ts'
import { type AuthenticityOptions, checkAuthenticity } from './authenticity.ts'
import type { Delivered } from './delivery.ts'
import { KnownMessageIds } from './message-ids.ts'
import {
  type ReaderData,
  type ReadJob,
  type ReadMessage,
  type ReadResult,
  sharedWords,
} from './message-reader.ts'
import { nameOf } from './reading-mark.ts'

/** Classifies a message; its evidence has one piece for each trap. Records nothing. Never throws. */
export async function readMessage(
  raw: Uint8Array,
  delivered: Delivered,
  authenticity?: AuthenticityOptions,
): Promise<ReadMessage> {
  const { recipients, trace, ...common } = delivered
  const message = await parseMessage(raw)
  const { reversePath } = common
  const classification = classify(message, {
    recipients,
    ...(reversePath !== undefined && { reversePath }),
  })
  const deliveries = recipients.map((recipient) => ({
    ...common,
    client: trace.client,
    recipient,
  }))
  const plain = evidenceOf(message, classification, deliveries, trace.believed)
  if (authenticity === undefined || plain.length === 0) return { classification, evidence: plain }
  const checked = await checkAuthenticity(message, classification, recipients, authenticity)
  const { genuine, ...words } = checked
  const evidence = plain.map((each) => ({
    ...each,
    ...(genuine !== null && { genuine }),
    details: { ...each.details, ...words },
  }))
  return { classification, evidence }
}

interface Asked {
  resolve(name: string, type: ResolvedType): Promise<Resolved>
}

export class Turns {
  readonly words: ReturnType<typeof sharedWords>
  readonly prepare: () => void
  readonly #waiting: (() => void)[] = []
  #isTaken = false

  /** `prepare` runs before a message that gets the turn computes; its time is not counted. */
  constructor(words: ReturnType<typeof sharedWords>, prepare: () => void = () => undefined) {
    this.words = words
    this.prepare = prepare
  }

  async take(): Promise<void> {
    if (this.#isTaken) await new Promise<void>((begin) => this.#waiting.push(begin))
    this.#isTaken = true
  }

  /** To be called by whoever has the turn, once. */
  give(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#isTaken = false
    else next()
  }
}

/** One message's share of the thread: it holds the turn except while it waits for DNS. */
export class Share {
  readonly #turns: Turns
  readonly #number: number
  readonly #resolver: Asked | undefined
  #beginning: Promise<void> | undefined
  /** Questions without an answer. */
  readonly #asked = new Set<Promise<Resolved>>()
  #spentMicroseconds = 0
  #hasTurn = false
  #isOver = false

  /** `number`: of the message, in the shared words. What it looks up is asked of `resolver`. */
  constructor(turns: Turns, number: number, resolver?: Asked) {
    this.#turns = turns
    this.#number = number
    this.#resolver = resolver
  }

  /** Resolves once it has the turn. */
  begin(): Promise<void> {
    this.#beginning ??= this.#turns.take().then(() => this.#start())
    return this.#beginning
  }

  /** The message is done with; a check that was given up may still ask, and gets no answer. */
  end(): void {
    this.#isOver = true
    this.#pause()
  }

  readonly resolve = async (name: string, type: ResolvedType): Promise<Resolved> => {
    const resolver = this.#resolver
    if (resolver === undefined || this.#isOver) throw new ResolveError('ETIMEOUT', name, type)
    const asked = resolver.resolve(name, type).finally(() => this.#asked.delete(asked))
    this.#asked.add(asked)
    this.#pause()
    // Who asks several questions at once goes on when all are answered: with the turn, it would wait for the others.
    while (this.#asked.size > 0) await Promise.allSettled(this.#asked)
    if (!this.#isOver) await this.begin()
    // The check was given up before the answer came, or before its turn did: nothing of it goes on.
    if (this.#isOver) throw new ResolveError('ETIMEOUT', name, type)
    return await asked
  }

  #start(): void {
    // It was over before its turn came.
    if (this.#isOver) {
      this.#turns.give()
      return
    }
    const { prepare, words } = this.#turns
    prepare()
    const { cpuStart, number } = words
    this.#hasTurn = true
    cpuStart[0] = cpuMicroseconds() - this.#spentMicroseconds
    Atomics.store(number, 0, this.#number)
  }

  #pause(): void {
    if (!this.#hasTurn) return
    const { words } = this.#turns
    this.#hasTurn = false
    this.#beginning = undefined
    Atomics.store(words.number, 0, 0)
    this.#spentMicroseconds = cpuMicroseconds() - (words.cpuStart[0] ?? 0)
    this.#turns.give()
  }
}

function cpuMicroseconds(): number {
  const { user, system } = process.threadCpuUsage()
  return user + system
}

/** Answers jobs. What rejects ends the thread: the message that was being read is to blame. */
function serveReader({ authenticity, condemned, shared }: ReaderData): void {
  const hasServers = authenticity !== undefined && authenticity.servers.length > 0
  const resolver = hasServers ? new Resolver({ servers: authenticity.servers }) : undefined
  const idFile = authenticity?.messageIdFile
  const ourMessageIds = idFile === undefined ? undefined : new KnownMessageIds(idFile)
  // The time that a long file takes is no message's fault.
  const turns = new Turns(sharedWords(shared), () => ourMessageIds?.refresh())

  const checksFor = (share: Share, now: number): AuthenticityOptions | undefined =>
    authenticity && {
      ...(resolver && { resolver: share }),
      ...(authenticity.batvKey && { batvKey: authenticity.batvKey }),
      ...(ourMessageIds && { isOurMessageId: (id) => ourMessageIds.has(id) }),
      now: () => now,
    }

  const read = async ({ number, raw, delivered, isStored, now }: ReadJob): Promise<ReadResult> => {
    const share = new Share(turns, number, resolver)
    await share.begin()
    try {
      if (isStored && condemned.length > 0 && condemned.includes(nameOf(raw))) {
        return { number, isCondemned: true }
      }
      return { number, ...(await readMessage(raw, delivered, checksFor(share, now))) }
    } finally {
      share.end()
    }
  }

  parentPort?.on('message', async (job: ReadJob) => parentPort?.postMessage(await read(job)))
}

if (parentPort !== null) serveReader(workerData)
