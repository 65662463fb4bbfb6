// Group commit: all work that waits when the event loop comes round goes into one transaction, each piece in a savepoint of
// its own. A piece is answered once its transaction is on disk and published.
import { type Logger, OperationalError } from '../errors.ts'
import { OncePerMinute } from '../log-rarely.ts'
import { databaseFailure, isDatabaseError, type Store, whyNotWritten } from '../store/database.ts'
import type { Publisher } from './publish.ts'
import type { Alongside, WriteFailure } from './types.ts'

interface Waiting {
  /** Does the work inside a transaction. What it changed is undone if it throws. */
  attempt(): void
  resolve(): void
  reject(error: unknown): void
  readonly publishes: boolean
  readonly isAlone: boolean
}

interface WorkOptions<T> {
  readonly alongside?: Alongside<T> | undefined
  /** Publish even if no answer changed. */
  readonly publishes?: boolean
  /** Long work: it has a transaction of its own, and what waits with it goes first. */
  readonly isAlone?: boolean
}

/** A transaction takes no more work once it has held the event loop for this long. */
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
   * with what `work` threw, or OperationalError 'database-failed' or 'capacity-reached'; then nothing it did is left.
   */
  run<T>(work: () => T, options: WorkOptions<T> = {}): Promise<T> {
    const { alongside, publishes = false, isAlone = false } = options
    if (this.#isClosed) {
      return Promise.reject(new OperationalError('database-failed', 'the list is closed'))
    }
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    let outcome: { result: T } | undefined
    this.#waiting.push({
      attempt: () => {
        const result = work()
        outcome = { result }
        alongside?.(result)
      },
      resolve: () => outcome && resolve(outcome.result),
      reject,
      publishes,
      isAlone,
    })
    if (!this.#isScheduled) this.#schedule()
    return promise
  }

  /** Whether it takes no more work. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Runs `work` in a transaction of its own at once; throws what `run` rejects with. */
  runNow(work: () => void, publishes: boolean): void {
    let failure: { error: unknown } | undefined
    const reject = (error: unknown): void => {
      failure = { error }
    }
    const resolve = () => undefined
    this.#transact([{ attempt: work, resolve, reject, publishes, isAlone: true }])
    if (failure) throw failure.error
  }

  /** Does all that waits, and takes no more. */
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
    if (this.#waiting.length === 0) return
    this.#giveWay()
    const answered = this.#transact(this.#waiting)
    const pieces = this.#waiting.splice(0, answered || this.#waiting.length)
    if (answered > 0) return
    // The tree has no room for all of them: only those that do not fit by themselves are refused.
    for (const piece of pieces) this.#transact([piece])
  }

  /** Long work lets what waits with it go first, once: then it has its turn. */
  #giveWay(): void {
    if (!this.#waiting[0]?.isAlone) return
    const others = this.#waiting.filter((piece) => !piece.isAlone)
    this.#hasGivenWay = !this.#hasGivenWay && others.length > 0
    if (!this.#hasGivenWay) return
    this.#waiting = [...others, ...this.#waiting.filter((piece) => piece.isAlone)]
  }

  /**
   * One transaction with as many of the pieces as time allows. Answers these and says how many; 0: there are several, and
   * the tree has no room for what they change, so nothing is done and none is answered.
   */
  #transact(pieces: readonly Waiting[]): number {
    const done: Waiting[] = []
    const failed: { piece: Waiting; error: unknown }[] = []
    const startedMs = performance.now()
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
          // If SQLite gave up the whole transaction, the pieces before are undone too.
          if (!this.#store.inTransaction) throw error
          failed.push({ piece, error })
        }
        if (piece.isAlone || performance.now() - startedMs >= transactionMs) break
      }
      isPublished = this.#publisher.prepare(this.#now(), publishes)
      this.#store.commit()
    } catch (error) {
      this.#store.rollback()
      this.#publisher.abandon()
      if (isDatabaseError(error)) this.#health.failed(error)
      const isFull = error instanceof OperationalError && error.code === 'capacity-reached'
      if (isFull && pieces.length > 1) return 0
      // None taken: the transaction could not begin, and could not for the others either.
      const undone = taken === 0 ? pieces : pieces.slice(0, taken)
      for (const piece of undone) piece.reject(explained(error))
      return undone.length
    }
    this.#publisher.publish()
    // A transaction that changed nothing does not tell whether the disk can be written.
    if (isPublished) {
      this.#store.letOthersIn()
      this.#health.succeeded()
    }
    for (const piece of done) piece.resolve()
    for (const { piece, error } of failed) piece.reject(explained(error))
    return taken
  }
}

/** SQLite's own errors as OperationalError; other errors, which are bugs, as they are. */
function explained(error: unknown): unknown {
  return isDatabaseError(error) ? databaseFailure(error, 'the database failed') : error
}

/** Since when nothing can be written, and why: for the status and the log. */
export class WriteHealth {
  readonly #log: Logger
  readonly #now: () => number
  readonly #rarely = new OncePerMinute()
  #failure: WriteFailure | undefined

  constructor(log: Logger, now: () => number) {
    this.#log = log
    this.#now = now
  }

  /** undefined: as far as is known, writing works. */
  get failure(): WriteFailure | undefined {
    return this.#failure
  }

  /** A transaction failed with an error of SQLite's. */
  failed(error: unknown): void {
    const why = whyNotWritten(error)
    this.#failure = { since: this.#failure?.since ?? this.#now(), why }
    this.#rarely.run(() =>
      this.#log.error({ err: error, why }, 'the database cannot be written; retrying every second'),
    )
  }

  /** Something was written. */
  succeeded(): void {
    if (!this.#failure) return
    const seconds = this.#now() - this.#failure.since
    this.#failure = undefined
    this.#log.info({ seconds }, 'the database can be written again')
  }
}
