// A named list on its way from what it held to what its generation says, in small transactions beside everything else:
// what an import began, and what the last process did not get to the end of. Called by import.ts and the door.
import { setTimeout as pause } from 'node:timers/promises'
import { type Logger, OperationalError } from '../errors.ts'
import { databaseFailure, isDatabaseError, type Store } from '../store/database.ts'
import type { Generation } from '../store/generations.ts'
import { journalMaxChanges } from '../store/journal.ts'
import type { TreeWriter } from '../tree/writer.ts'
import type { CommitQueue } from './commit-queue.ts'
import { noProgress, type Progress, stepForward } from './generation-step.ts'
import type { Ground } from './ground.ts'
import type { ListsAhead } from './lists-ahead.ts'
import type { Publisher } from './publish.ts'

/** A step writes for so long, and less where with its commit and publication it takes longer than the other. */
const stepMs = 8
const longestMs = 15
/** Entries from which on a list's checkpoints have a thread. */
const largeEntries = 50_000
/** Chunks deleted at once. */
const forgottenChunks = 50
/** Between steps the event loop is left to everybody else for so long: a mail session takes many turns of it. */
const pauseMs = 1
/** Pauses before a step that failed is tried again, from the shortest to the longest: a disk may have room again. */
const retryMs = { first: 1000, longest: 60_000 }
/** Tries after which the one who waits for the import is told that it fails. */
const triesUntold = 5
/** Who waits for all lists to be whole does so no longer: the largest takeover that goes on at all is done by then. */
const settledWithinMs = 60_000
/** So many steps at most may be lost with the power, and with them the serials that they were published under. */
export const unsyncedSteps = 32

export interface TakeoverParts {
  readonly store: Store
  readonly tree: TreeWriter | undefined
  readonly publisher: Publisher
  readonly queue: CommitQueue
  readonly ahead: ListsAhead | undefined
  readonly log: Logger
  ground(): Ground
  /** See BlocklistOptions. */
  requireClock(): void
}

/** The lists on their way. */
export class Takeovers {
  readonly #parts: TakeoverParts
  readonly #underWay = new Map<string, Promise<unknown>>()
  /** What the last process left. */
  readonly #left: readonly Generation[]
  readonly #beginning = Promise.withResolvers<void>()

  constructor(parts: TakeoverParts) {
    this.#parts = parts
    this.#left = parts.store.generations.all()
    // Answered already: they are under way from now on, and move once they are let.
    for (const left of parts.ahead?.generations ?? []) {
      this.takeOver(left, { after: this.#beginning.promise }).catch(() => undefined)
    }
  }

  /** Finishes, in the background, what the last process left half-way, and forgets what it was only loading. */
  finishLeft(): void {
    this.#beginning.resolve()
    this.#forgetLeft().catch(() => undefined)
  }

  isUnderWay(list: string): boolean {
    return this.#underWay.has(list)
  }

  /**
   * Resolves when no list is on its way any more from what it held to what it holds: then each is whole. Throws
   * OperationalError 'list-unfinished' where one cannot get there: a full disk may last for days.
   */
  async settled(): Promise<void> {
    const { promise: isLate, reject } = Promise.withResolvers<never>()
    const late = new OperationalError('list-unfinished', 'a list is not yet whole')
    const timer = setTimeout(() => reject(late), settledWithinMs)
    try {
      while (this.#underWay.size > 0) {
        await Promise.race([Promise.allSettled(this.#underWay.values()), isLate])
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * Takes the list's rows, and DNS with them, to what the generation says, and forgets the generation. Rejects when it
   * fails for long, and goes on all the same: who waits for it is told so. `entries`: how many they are, if known.
   */
  async takeOver(
    generation: Generation,
    { entries = 0, after }: { readonly entries?: number; readonly after?: Promise<void> } = {},
  ): Promise<Progress> {
    const { list } = generation
    const { promise: failing, reject } = Promise.withResolvers<never>()
    const begin = async (): Promise<Progress> => {
      await after
      return await this.#withCheckpoints(generation, entries, reject)
    }
    const work = begin().finally(() => this.#underWay.delete(list))
    this.#underWay.set(list, work)
    return await Promise.race([work, failing])
  }

  async #withCheckpoints(
    generation: Generation,
    entries: number,
    tellFailing: (error: unknown) => void,
  ): Promise<Progress> {
    const { checkpoints, generations } = this.#parts.store
    const standing = generations.size(generation.list)
    const isLarge = Math.max(entries, standing) > largeEntries
    if (isLarge) checkpoints.begin()
    try {
      return await this.#follow(generation, entries - standing, tellFailing)
    } finally {
      if (isLarge) await checkpoints.end()
    }
  }

  async #follow(
    generation: Generation,
    growth: number,
    tellFailing: (error: unknown) => void,
  ): Promise<Progress> {
    const { queue, store, publisher, ahead, tree, ground } = this.#parts
    const isAhead = ahead?.generations.some(({ id }) => id === generation.id) ?? false
    let milliseconds = stepMs
    let progress = noProgress
    // A new beginning at once, where it is known to come to that: the differences would be kept for nothing.
    let changes = growth > journalMaxChanges && !isAhead ? journalMaxChanges : 0
    for (let steps = 1; !progress.isDone; steps++) {
      const from = progress
      let started = 0
      const step = (): Promise<Progress> =>
        queue.run(
          () => {
            started = performance.now()
            const { now } = ground()
            const done = stepForward(store, generation, from, { now, milliseconds, isAhead })
            changes += done.replaced.length
            if (changes > journalMaxChanges) publisher.startAnew({ recounts: false })
            publisher.replace(done.replaced)
            return done.progress
          },
          { isAlone: true, mayBeLost: steps % unsyncedSteps > 0 },
        )
      progress = await this.#tryAgain(step, tellFailing)
      // Its commit and publication hold everything up as well, and a busy machine makes all of it longer.
      const isTooLong = performance.now() - started > longestMs
      milliseconds = isTooLong ? Math.max(milliseconds / 2, 1) : Math.min(milliseconds + 1, stepMs)
      await store.checkpoints.relieve()
      if (!progress.isDone) await pause(pauseMs)
    }
    ahead?.caughtUp(generation)
    if (!tree && changes > 0) {
      await queue.run(() => publisher.startAnew({ recounts: true }), { isAlone: true })
    }
    await this.#tryAgain(() => this.forget(generation), tellFailing)
    return progress
  }

  /**
   * What has been taken over is finished, however long the disk is full or the tree has no room: half of the list in
   * DNS is nothing to leave. Throws when the door is closed, and what is a bug of ours.
   */
  async #tryAgain<T>(work: () => Promise<T>, tellFailing: (error: unknown) => void): Promise<T> {
    let tried = 0
    for (let waitMs = retryMs.first; ; waitMs = Math.min(2 * waitMs, retryMs.longest)) {
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof OperationalError) || this.#parts.queue.isClosed) throw error
        tried += 1
        if (tried === triesUntold) tellFailing(error)
        this.#parts.log.warn(
          { err: error, waitMs },
          'what an import began cannot be finished yet: tried again',
        )
        await new Promise((resolve) => {
          const timer = setTimeout(resolve, waitMs)
          // Nobody waits for it any more.
          if (tried >= triesUntold) timer.unref()
        })
      }
    }
  }

  /** Finishes or forgets what an import that failed left of this list. */
  async clear(list: string): Promise<void> {
    const left = this.#parts.store.generations.all().find((each) => each.list === list)
    if (left?.state === 'taking over') await this.takeOver(left)
    else if (left) await this.forget(left)
  }

  /** Deletes the generation and what is kept of it, some at a time. */
  async forget({ id }: Generation): Promise<void> {
    const { queue, store } = this.#parts
    const some = (): boolean => store.generations.forget(id, forgottenChunks)
    while (!(await queue.run(some, { isAlone: true })));
  }

  async #forgetLeft(): Promise<void> {
    for (const left of this.#left) {
      if (left.state !== 'loading') continue
      const forget = () => this.forget(left)
      await this.#tryAgain(forget, () => undefined)
    }
  }
}

/**
 * For a process that answers nobody and may end at any moment: goes to the end of what was being taken over when the
 * last process died, at once. The publisher must then `startAnew`, in the transaction that calls the result; undefined:
 * there was nothing to finish. Throws OperationalError 'database-failed'.
 */
export function finishTakeovers(store: Store, now: number): (() => void) | undefined {
  const finished: Generation[] = []
  for (const generation of store.generations.all()) {
    if (generation.state === 'loading') continue
    for (let progress = noProgress; !progress.isDone; ) {
      const from = progress
      transact(store, () => {
        progress = stepForward(store, generation, from, { now, milliseconds: 200 }).progress
      })
    }
    finished.push(generation)
  }
  if (finished.length === 0) return undefined
  return () => {
    for (const { id } of finished) while (!store.generations.forget(id, forgottenChunks));
  }
}

function transact(store: Store, work: () => void): void {
  store.begin()
  try {
    work()
    store.commit()
  } catch (error) {
    store.rollback()
    if (!isDatabaseError(error)) throw error
    throw databaseFailure(error, 'what an import began cannot be finished')
  }
}
