// Whose turn it is to compute in the thread that reads messages: one message's at a time, in the order in which they
// ask. Shared memory tells the main thread which one, and from where its processor time counts: so a message that takes
// too long can be ended, and no other is blamed.
import { type Resolved, type ResolvedType, ResolveError } from '../resolver/resolver.ts'
import type { sharedWords } from './message-reader.ts'

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

  /** A message's share, by the number that it has in the shared words; what it looks up is asked of `resolver`. */
  share(number: number, resolver?: Asked): Share {
    return new Share(this, number, resolver)
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

  constructor(turns: Turns, number: number, resolver: Asked | undefined) {
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
