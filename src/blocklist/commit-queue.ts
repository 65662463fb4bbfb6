// Group commit: all work that waits at the next turn of the event loop shares one transaction; each piece has a savepoint of
// its own. A piece's promise settles once the transaction is on disk and published.
import { type Logger, OperationalError } from '../errors.ts'
import { OncePerMinute } from '../log-rarely.ts'
import { databaseFailure, isDatabaseError, type Store, whyNotWritten } from '../store/database.ts'
import type { Publisher } from './publish.ts'
import type { Alongside, WriteFailure } from './types.ts'

interface Waiting {
  /** Does the work inside a transaction. If it throws, its changes are undone. */
  attempt(): void
  resolve(): void
  reject(error: unknown): void
  readonly publishes: boolean
  readonly isAlone: boolean
}

interface WorkOptions<T> {
  readonly alongside?: Alongside<T> | undefined
  /** Publish even if no DNS answer changed. */
  readonly publishes?: boolean
  /** Long work: it gets a transaction of its own, after other waiting work. */
  readonly isAlone?: boolean
}

/** A transaction takes no more work after this time, so that the event loop is not blocked for long. */
export const transactionMs = 10

export class CommitQueue {
  readonly #store: Store
  readonly #publisher: Publisher
  readonly #now: () => number
  readonly health: WriteHealth
  #publishedInMs: number | undefined
  #waiting: Waiting[] = []
  #isScheduled = false
  #isClosed = false
  #hasGivenWay = false

  constructor(store: Store, publisher: Publisher, now: () => number, log: Logger) {
    this.#store = store
    this.#publisher = publisher
    this.#now = now
    this.health = new WriteHealth(log, now)
  }

  /**
   * Runs synchronous `work` in the next transaction. Resolves with its result after COMMIT and publication. Rejects with the
   * error that `work` threw, or OperationalError 'database-failed' or 'capacity-reached'; then all its changes are undone.
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

  /** See BlocklistStatus. */
  get publishedInMs(): number | undefined {
    return this.#publishedInMs
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Runs `work` at once, in a transaction of its own. Throws the errors that `run` rejects with. */
  runNow(work: () => void, publishes: boolean): void {
    let failure: { error: unknown } | undefined
    const reject = (error: unknown): void => {
      failure = { error }
    }
    const resolve = () => undefined
    this.#transact([{ attempt: work, resolve, reject, publishes, isAlone: true }])
    if (failure) throw failure.error
  }

  /** Accepts no more work, and does the work that still waits. */
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
    // The tree has no room for all of them together. Run them one by one, so that only those that do not fit are refused.
    for (const piece of pieces) this.#transact([piece])
  }

  /** Moves long work behind the other waiting work, but only every second time, so that long work gets its turn too. */
  #giveWay(): void {
    if (!this.#waiting[0]?.isAlone) return
    const others = this.#waiting.filter((piece) => !piece.isAlone)
    this.#hasGivenWay = !this.#hasGivenWay && others.length > 0
    if (!this.#hasGivenWay) return
    this.#waiting = [...others, ...this.#waiting.filter((piece) => piece.isAlone)]
  }

  /**
   * Runs one transaction with as many of the pieces as time allows, answers them, and returns their number. Returns 0 if
   * there are several pieces and the tree has no room for all their changes: then nothing is done, and none is answered.
   */
  #transact(pieces: readonly Waiting[]): number {
    const done: Waiting[] = []
    const failed: { piece: Waiting; error: unknown }[] = []
    const startedMs = performance.now()
    let publishes = false
    let taken = 0
    let isPublished = false
    let committingMs = 0
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
          // SQLite may have rolled back the whole transaction. Then the earlier pieces are undone too.
          if (!this.#store.inTransaction) throw error
          failed.push({ piece, error })
        }
        if (piece.isAlone || performance.now() - startedMs >= transactionMs) break
      }
      isPublished = this.#publisher.prepare(this.#now(), publishes)
      committingMs = performance.now()
      this.#store.commit()
    } catch (error) {
      this.#store.rollback()
      this.#publisher.abandon()
      if (isDatabaseError(error)) this.health.failed(error)
      const isFull = error instanceof OperationalError && error.code === 'capacity-reached'
      if (isFull && pieces.length > 1) return 0
      // If no piece was taken, the transaction could not even begin. The other pieces would fail in the same way.
      const undone = taken === 0 ? pieces : pieces.slice(0, taken)
      for (const piece of undone) piece.reject(explained(error))
      return undone.length
    }
    this.#publisher.publish()
    // A transaction without changes does not show whether the disk can be written.
    if (isPublished) {
      this.#publishedInMs = performance.now() - committingMs
      this.#store.letOthersIn()
      this.health.succeeded()
    }
    for (const piece of done) piece.resolve()
    for (const { piece, error } of failed) piece.reject(explained(error))
    return taken
  }
}

/** Converts SQLite's errors to OperationalError. Other errors are bugs and stay as they are. */
function explained(error: unknown): unknown {
  return isDatabaseError(error) ? databaseFailure(error, 'the database failed') : error
}

/** Remembers whether the database can be written, for the status and the log. */
class WriteHealth {
  readonly #log: Logger
  readonly #now: () => number
  readonly #rarely = new OncePerMinute()
  #failure: WriteFailure | undefined

  constructor(log: Logger, now: () => number) {
    this.#log = log
    this.#now = now
  }

  /** The present failure. Undefined if the last write worked. */
  get failure(): WriteFailure | undefined {
    return this.#failure
  }

  /** Call it when a transaction fails with an error of SQLite. */
  failed(error: unknown): void {
    const why = whyNotWritten(error)
    this.#failure = { since: this.#failure?.since ?? this.#now(), why }
    this.#rarely.run(() =>
      this.#log.error({ err: error, why }, 'the database cannot be written; retrying every second'),
    )
  }

  /** Call it when something was written. */
  succeeded(): void {
    if (!this.#failure) return
    const seconds = this.#now() - this.#failure.since
    this.#failure = undefined
    this.#log.info({ seconds }, 'the database can be written again')
  }
}
