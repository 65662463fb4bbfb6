// The thread that takes messages apart: octets in, verdict and evidence out. One message computes at a time; while it
// waits for DNS another one does. Shared memory tells the main thread which one, and from where its processor time
// counts: so a message that takes too long can be ended, and no other is blamed.
import { createHash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { type Resolved, type ResolvedType, ResolveError, Resolver } from '../resolver/resolver.ts'
import type { AuthenticityOptions } from './authenticity.ts'
import { KnownMessageIds } from './message-ids.ts'
import { type ReaderData, type ReadJob, type ReadResult, sharedWords } from './message-reader.ts'
import { readMessage } from './read-message.ts'
import { markReading } from './reading-mark.ts'

const { authenticity, mark, shared } = workerData as ReaderData
const { number: numberOfReading, isQuiet, cpuStart } = sharedWords(shared)
const resolver =
  authenticity && authenticity.servers.length > 0
    ? new Resolver({ servers: authenticity.servers })
    : undefined
const ourMessageIds =
  authenticity?.messageIdFile === undefined
    ? undefined
    : new KnownMessageIds(authenticity.messageIdFile)

/** Whose turn it is to compute: one message's at a time, in the order in which they ask. */
const turns = {
  isTaken: false,
  waiting: [] as (() => void)[],
  async take(): Promise<void> {
    if (this.isTaken) await new Promise<void>((begin) => this.waiting.push(begin))
    this.isTaken = true
  },
  give(): void {
    const next = this.waiting.shift()
    if (next === undefined) this.isTaken = false
    else next()
  },
}

/** One message's share of the thread: it holds the turn except while it waits for DNS. */
class Share {
  readonly #number: number
  /** What the mark calls it; '' for a message that its sender still keeps. */
  #name = ''
  #beginning: Promise<void> | undefined
  #spentMicroseconds = 0
  #isOver = false

  constructor(number: number) {
    this.#number = number
  }

  begin(): Promise<void> {
    this.#beginning ??= turns.take().then(() => {
      // While no message is named: that the file is long is none's fault.
      ourMessageIds?.refresh()
      cpuStart[0] = cpuMicroseconds() - this.#spentMicroseconds
      Atomics.store(numberOfReading, 0, this.#number)
      this.name(this.#name)
    })
    return this.#beginning
  }

  /** Names the message, now and whenever it computes again, in the mark that outlives the process. */
  name(name: string): void {
    this.#name = name
    if (mark && name !== '' && Atomics.load(isQuiet, 0) === 0) markReading(mark.descriptor, name)
  }

  end(): void {
    this.#isOver = true
    this.#pause()
  }

  readonly resolve = async (name: string, type: ResolvedType): Promise<Resolved> => {
    if (resolver === undefined) throw new ResolveError('ETIMEOUT', name, type)
    const asked = resolver.resolve(name, type)
    this.#pause()
    const [answer] = await Promise.allSettled([asked])
    // The check was given up before the answer came: nothing of it goes on.
    if (this.#isOver) throw new ResolveError('ETIMEOUT', name, type)
    await this.begin()
    if (answer.status === 'rejected') throw answer.reason
    return answer.value
  }

  #pause(): void {
    if (this.#beginning === undefined) return
    this.#beginning = undefined
    Atomics.store(numberOfReading, 0, 0)
    this.#spentMicroseconds = cpuMicroseconds() - (cpuStart[0] ?? 0)
    if (mark && this.#name !== '') markReading(mark.descriptor, '')
    turns.give()
  }
}

function cpuMicroseconds(): number {
  const { user, system } = process.threadCpuUsage()
  return user + system
}

async function read({ number, raw, delivered, isStored, now }: ReadJob): Promise<ReadResult> {
  const share = new Share(number)
  await share.begin()
  try {
    if (isStored && mark) {
      const name = createHash('sha256').update(raw).digest('hex')
      if (mark.condemned.includes(name)) return { number, isCondemned: true }
      share.name(name)
    }
    return { number, ...(await readMessage(raw, delivered, checksFor(share, now))) }
  } finally {
    share.end()
  }
}

function checksFor(share: Share, now: number): AuthenticityOptions | undefined {
  if (authenticity === undefined) return undefined
  const { batvKey } = authenticity
  return {
    ...(resolver && { resolver: share }),
    ...(batvKey && { batvKey }),
    ...(ourMessageIds && { isOurMessageId: (id) => ourMessageIds.has(id) }),
    now: () => now,
  }
}

// What rejects ends the thread: the message that was being read is to blame.
parentPort?.on('message', async (job: ReadJob) => {
  parentPort?.postMessage(await read(job))
})
