// Group commit: everything that waits to be written when the event loop comes round goes into one transaction, each
// piece of work in a savepoint of its own, and is answered once that is on disk and published.

import { OperationalError } from '../errors.ts'
import { databaseFailure, isDatabaseError, type Store } from '../store/database.ts'
import type { Publisher } from './publish.ts'
import type { Alongside } from './types.ts'
import type { WriteHealth } from './write-health.ts'

interface Waiting {
  /** Does the work inside a transaction. What it changed is undone if it throws. */
  attempt(): void
  resolve(): void
  reject(error: unknown): void
  readonly publishes: boolean
  readonly isAlone: boolean
}

export interface WorkOptions<T> {
  readonly alongside?: Alongside<T> | undefined
  /** Publish even if no answer changed. */
  readonly publishes?: boolean
  /** In a transaction of its own, after all else that waits: work that takes as long as one may. */
  readonly isAlone?: boolean
}

/** One transaction takes no more work once it has held the event loop for this long. */
const transactionMs = 10

export class CommitQueue {
  readonly #store: Store
  readonly #publisher: Publisher
  readonly #now: () => number
  readonly #health: WriteHealth
  #waiting: Waiting[] = []
  #isScheduled = false
  #isClosed = false
  #hasGivenWay = false

  constructor(store: Store, publisher: Publisher, now: () => number, health: WriteHealth) {
    this.#store = store
    this.#publisher = publisher
    this.#now = now
    this.#health = health
  }

  /**
   * Runs synchronous `work` in the next transaction and resolves with its result after COMMIT and publication. Rejects
   * with what `work` threw, or OperationalError 'database-failed' or 'capacity-reached'; nothing it did is left then.
   */
  run<T>(work: () => T, options: WorkOptions<T> = {}): Promise<T> {
    if (this.#isClosed) {
      return Promise.reject(new OperationalError('database-failed', 'the list is closed'))
    }
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    let outcome: { result: T } | undefined
    this.#waiting.push({
      attempt: () => {
        const result = work()
        outcome = { result }
        options.alongside?.(result)
      },
      resolve: () => outcome && resolve(outcome.result),
      reject,
      publishes: options.publishes ?? false,
      isAlone: options.isAlone ?? false,
    })
    if (!this.#isScheduled) this.#schedule()
    return promise
  }

  /** Whether it takes nothing more. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Runs `work` in a transaction of its own at once; throws what `run` rejects with. */
  runNow(work: () => void, options: { readonly publishes: boolean }): void {
    let failure: { error: unknown } | undefined
    const fail = (error: unknown): void => {
      failure = { error }
    }
    const piece = {
      attempt: work,
      resolve: () => undefined,
      reject: fail,
      isAlone: true,
      ...options,
    }
    this.#transact([piece], fail)
    if (failure) throw failure.error
  }

  /** Does all that waits, and takes nothing more. */
  close(): void {
    this.#isClosed = true
    while (this.#waiting.length > 0) this.#flush()
  }

  #schedule(): void {
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#flush()
      if (this.#waiting.length > 0) this.#schedule()
    })
  }

  #flush(): void {
    this.#giveWay()
    const taken = this.#transact(this.#waiting)
    // Out of room: one of them is too much, so that each is tried by itself and only that one refused.
    if (taken === 'capacity-reached') this.#oneByOne(this.#waiting.splice(0))
    else this.#waiting.splice(0, taken)
  }

  /** What takes long lets those that wait with it go first, once: then it has its turn. */
  #giveWay(): void {
    if (!this.#waiting[0]?.isAlone) return
    const others = this.#waiting.filter((piece) => !piece.isAlone)
    this.#hasGivenWay = !this.#hasGivenWay && others.length > 0
    if (!this.#hasGivenWay) return
    this.#waiting = [...others, ...this.#waiting.filter((piece) => piece.isAlone)]
  }

  #oneByOne(pieces: readonly Waiting[]): void {
    for (const piece of pieces) this.#transact([piece], (error) => piece.reject(error))
  }

  /**
   * One transaction with as many of the pieces as time allows; answers them and says how many they were. Where the tree
   * has no room for their changes nothing is left of them, and none is answered but through `refuse`.
   */
  #transact(
    pieces: readonly Waiting[],
    refuse?: (error: unknown) => void,
  ): number | 'capacity-reached' {
    const done: Waiting[] = []
    const failed: { piece: Waiting; error: unknown }[] = []
    const started = performance.now()
    let publishes = false
    let taken = 0
    let isPublished = false
    try {
      this.#store.begin()
      for (const piece of pieces) {
        if (piece.isAlone && taken > 0) break
        taken += 1
        try {
          this.#store.attempt(piece.attempt)
          done.push(piece)
          publishes ||= piece.publishes
        } catch (error) {
          // Where SQLite gave up the whole transaction, what went before is undone too.
          if (!this.#store.inTransaction) throw error
          failed.push({ piece, error })
        }
        if (piece.isAlone || performance.now() - started >= transactionMs) break
      }
      isPublished = this.#publisher.prepare(this.#now(), publishes)
      this.#store.commit()
    } catch (error) {
      this.#store.rollback()
      this.#publisher.abandon()
      if (isDatabaseError(error)) this.#health.failed(error)
      if (error instanceof OperationalError && error.code === 'capacity-reached') {
        refuse?.(error)
        return 'capacity-reached'
      }
      // Nothing taken: the transaction did not even begin, and would not for the others either.
      const undone = taken === 0 ? pieces : pieces.slice(0, taken)
      for (const piece of undone) piece.reject(explained(error))
      return undone.length
    }
    this.#publisher.publish()
    // A transaction that changed nothing says nothing of the disk.
    if (isPublished) {
      this.#store.letOthersIn()
      this.#health.succeeded()
    }
    for (const piece of done) piece.resolve()
    for (const { piece, error } of failed) piece.reject(explained(error))
    return taken
  }
}

/** SQLite's own errors as OperationalError; a bug stays what it is. */
function explained(error: unknown): unknown {
  return isDatabaseError(error) ? databaseFailure(error, 'the database failed') : error
}
