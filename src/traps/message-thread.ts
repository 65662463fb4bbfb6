// The thread that parses and judges messages: octets and how they reached us → a verdict and evidence. One message computes at a
// time, and while it waits for DNS the next one computes. Shared memory tells the main thread which message computes, and at
// what processor time it began. So the main thread can end the thread if a message takes too long, and blames no other message.
import { parentPort, workerData } from 'node:worker_threads'
import { classify } from '../classify/classify.ts'
import { evidenceOf } from '../classify/evidence.ts'
import { parseMessage } from '../mail/message.ts'
import { type Resolved, type ResolvedType, ResolveError, Resolver } from '../resolver/resolver.ts'
import { type AuthenticityOptions, checkAuthenticity, type NameResolver } from './authenticity.ts'
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

/** Classifies a message; returns one piece of evidence for each trap. Records nothing. Never throws. */
export async function readMessage(
  raw: Uint8Array,
  delivered: Delivered,
  authenticity?: AuthenticityOptions,
): Promise<ReadMessage> {
  const { recipients, trace, trapsInTo = [], ...common } = delivered
  const message = parseMessage(raw)
  const { reversePath } = common
  // If every message of a mailbox is for a trap, a recipient may be `mailbox:NAME`, which is no address.
  const known = [...recipients.filter((each) => each.includes('@')), ...trapsInTo]
  const classification = classify(message, {
    recipients: known,
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

export class Turns {
  readonly words: ReturnType<typeof sharedWords>
  readonly prepare: () => void
  readonly #waiting: (() => void)[] = []
  #isTaken = false

  /** `prepare` runs each time a message gets the turn; its time is not counted for the message. */
  constructor(words: ReturnType<typeof sharedWords>, prepare: () => void = () => undefined) {
    this.words = words
    this.prepare = prepare
  }

  async take(): Promise<void> {
    if (this.#isTaken) await new Promise<void>((begin) => this.#waiting.push(begin))
    this.#isTaken = true
  }

  /** Passes the turn to the next message; call it once when you have the turn. */
  give(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#isTaken = false
    else next()
  }
}

/** Lets one message compute when it has the turn. The message gives up the turn while it waits for DNS. */
export class Share {
  readonly #turns: Turns
  readonly #number: number
  readonly #resolver: NameResolver | undefined
  #beginning: Promise<void> | undefined
  /** DNS queries that have no answer yet. */
  readonly #asked = new Set<Promise<Resolved>>()
  #spentMicroseconds = 0
  #hasTurn = false
  #isOver = false

  /** `number` is the message's number in the shared memory. `resolver` answers its DNS queries. */
  constructor(turns: Turns, number: number, resolver?: NameResolver) {
    this.#turns = turns
    this.#number = number
    this.#resolver = resolver
  }

  /** Resolves once the message has the turn. */
  begin(): Promise<void> {
    this.#beginning ??= this.#turns.take().then(() => this.#start())
    return this.#beginning
  }

  /** To be called when the message is done. A check that ran out of time may still send queries; they fail. */
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
    // A check that sends several queries goes on when all are answered. If it took the turn at the first answer, it would keep
    // the turn while it waits for the others.
    while (this.#asked.size > 0) await Promise.allSettled(this.#asked)
    if (!this.#isOver) await this.begin()
    // The check ran out of time while it waited: end it here.
    if (this.#isOver) throw new ResolveError('ETIMEOUT', name, type)
    return await asked
  }

  #start(): void {
    // The message was done before its turn came.
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

/** Answers jobs. If a job rejects, the thread ends and the message that was being read is blamed. */
function serveReader({ authenticity, condemned, shared }: ReaderData): void {
  const hasServers = authenticity !== undefined && authenticity.servers.length > 0
  const resolver = hasServers ? new Resolver({ servers: authenticity.servers }) : undefined
  const idFile = authenticity?.messageIdFile
  const ourMessageIds = idFile === undefined ? undefined : new KnownMessageIds(idFile)
  // Reading a long file of Message-IDs takes time that no message is blamed for.
  const turns = new Turns(sharedWords(shared), () => ourMessageIds?.refresh())

  const checksFor = (share: Share, now: number): AuthenticityOptions | undefined =>
    authenticity && {
      resolver: resolver && share,
      batvKey: authenticity.batvKey,
      isOurMessageId: (id) => ourMessageIds?.has(id) ?? false,
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
