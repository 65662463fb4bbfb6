// A whole named list in, in place of what it held, while everything else goes on. Its entries are read and put in
// order in memory, kept on disk as a generation in small transactions, and one row makes that the list; then the
// list's rows, and DNS with them, follow in small transactions. Killed before that row: the old list is whole. Killed
// after it: the next start goes on to the end before it answers. Called by the door.
import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as pause, setImmediate } from 'node:timers/promises'
import { type Logger, OperationalError } from '../errors.ts'
import type { Prefix } from '../ip/address.ts'
import { databaseFailure, isDatabaseError, type Store } from '../store/database.ts'
import {
  chunkEntries,
  type EntryAttributes,
  type Generation,
  type ListEntry,
} from '../store/generations.ts'
import { journalMaxChanges } from '../store/journal.ts'
import type { TreeWriter } from '../tree/writer.ts'
import type { CommitQueue } from './commit-queue.ts'
import { EntryChecks } from './entry-checks.ts'
import { noProgress, type Progress, stepForward } from './generation-step.ts'
import { audit, type Ground } from './ground.ts'
import { ListLines } from './list-lines.ts'
import type { Actor, Refusal } from './outcomes.ts'
import type { Publisher } from './publish.ts'

/** One line of a list, read. `attributes` null: a hole in what the list has around it. */
export type ImportItem =
  | { readonly line: number; readonly text: string; readonly why: string }
  | {
      readonly line: number
      readonly text: string
      readonly prefix: Prefix
      readonly attributes: EntryAttributes | null
    }

/** A list that must not be taken at all, whatever its lines say: it is past the time that it gives itself. */
export interface ListFault {
  readonly line: number
  readonly fault: string
}

export interface ImportRequest {
  readonly list: string
  /** Lines in batches that take some milliseconds each. What it throws, the import throws, and changes nothing. */
  readonly items: AsyncIterable<readonly (ImportItem | ListFault)[]>
  /** The first wrong line refuses all of it. */
  readonly isStrict: boolean
  readonly actor: Actor
}

export interface RefusedLine {
  readonly line: number
  readonly text: string
  readonly why: string
}

export interface ImportDone {
  readonly list: string
  /** Prefixes that the list did not have, no longer has, and has still. */
  readonly added: number
  readonly removed: number
  readonly kept: number
  /** The first of the wrong lines. */
  readonly refused: readonly RefusedLine[]
  readonly refusedCount: number
}

/** `line`: the one that a strict import, or one of nothing but wrong lines, was refused for. */
export type ImportOutcome = ImportDone | (Refusal & { readonly line?: RefusedLine })

/** A step writes for so long, and less where with its commit and publication it takes longer than the other. */
const stepMs = 8
const longestMs = 15
/** Entries from which on a list's checkpoints have a thread. */
const largeEntries = 50_000
/** Chunks deleted at once. */
const forgottenChunks = 50
/** Memory of the tree that one more entry may take, in octets; it is rather less. */
const treeBytesPerEntry = 32
/** Between steps the event loop is left to everybody else for so long: a mail session takes many turns of it. */
const pauseMs = 1
/** Pauses before a step that failed is tried again, from the shortest to the longest: a disk may have room again. */
const retryMs = { first: 1000, longest: 60_000 }
/** Tries after which the one who waits for the import is told that it fails. */
const triesUntold = 5
/** Who waits for all lists to be whole does so no longer: the largest takeover that goes on at all is done by then. */
const settledWithinMs = 60_000
/** Of the database, for an entry that is new. */
const diskBytesPerEntry = 140
/** Of the log that goes before it, for each entry at first and in all at most. */
const logBytesPerEntry = 200
const largestLogBytes = 96 * 1024 ** 2
/** So many steps at most may be lost with the power, and with them the serials that they were published under. */
export const unsyncedSteps = 32

export interface Imports {
  readonly store: Store
  readonly tree: TreeWriter | undefined
  readonly publisher: Publisher
  readonly queue: CommitQueue
  readonly log: Logger
  ground(): Ground
}

/** The imports under way, one of each list. */
export class ListImports {
  readonly #parts: Imports
  readonly #busy = new Set<string>()
  readonly #takingOver = new Map<string, Promise<unknown>>()

  constructor(parts: Imports) {
    this.#parts = parts
  }

  /**
   * Replaces what the list held by the items. Resolves once it is all on disk and, with a tree, in DNS. Refused by
   * value: 'conflict' while another import of the same list goes on, 'invalid' for a list that is wrong as a whole.
   * Throws OperationalError 'capacity-reached', 'disk-too-small' or 'database-failed'; nothing is changed then, unless
   * the list had been taken over: then that goes on, and until it is done another import of it is a 'conflict'.
   */
  async import(request: ImportRequest): Promise<ImportOutcome> {
    const { list } = request
    if (this.#busy.has(list) || this.#takingOver.has(list)) {
      return { refused: 'conflict', why: `another import of list ${list} is going on` }
    }
    this.#busy.add(list)
    try {
      await this.#clear(list)
      const lines = new ListLines(new EntryChecks(this.#parts.ground()), request.isStrict)
      for await (const batch of request.items) {
        const refusal = lines.take(batch)
        if (refusal) return refusal
        await setImmediate()
      }
      const nothing = lines.nothing()
      if (nothing) return nothing
      return await this.#replace(request, lines)
    } finally {
      this.#busy.delete(list)
    }
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
      while (this.#takingOver.size > 0) {
        await Promise.race([Promise.allSettled(this.#takingOver.values()), isLate])
      }
    } finally {
      clearTimeout(timer)
    }
  }

  async #replace({ list, actor }: ImportRequest, lines: ListLines): Promise<ImportDone> {
    const { queue, store, ground } = this.#parts
    this.#requireRoom(list, lines.count)
    const generation = await queue.run(() => store.generations.begin(list, ground().now))
    try {
      await this.#keep(generation, lines)
      await queue.run(() => {
        store.generations.takeOver(generation.id)
        const after = { entries: lines.count, refused: lines.refusedCount }
        audit(ground(), actor.name, 'import', list, { before: null, after })
      })
    } catch (error) {
      await this.#forget(generation).catch(() => undefined)
      throw error
    }
    const { added, removed, kept } = await this.#takeOver(generation, lines.count)
    return { list, added, removed, kept, ...lines.report() }
  }

  async #keep(generation: Generation, lines: ListLines): Promise<void> {
    const { queue, store } = this.#parts
    let entries: ListEntry[] = []
    let number = 0
    const put = (): Promise<void> => {
      const chunk = entries
      entries = []
      return queue.run(() => store.generations.putChunk(generation.id, number++, chunk), {
        mayBeLost: true,
      })
    }
    for (const entry of lines.entries()) {
      entries.push(entry)
      if (entries.length === chunkEntries) await put()
    }
    if (entries.length > 0) await put()
  }

  /** Rejects, and goes on all the same, when it fails for long: who waits for it is told so. */
  async #takeOver(generation: Generation, entries = 0): Promise<Progress> {
    const { list } = generation
    const { promise: failing, reject } = Promise.withResolvers<never>()
    const work = this.#withCheckpoints(generation, entries, reject).finally(() => {
      this.#takingOver.delete(list)
    })
    this.#takingOver.set(list, work)
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
    const { queue, store, publisher, tree, ground } = this.#parts
    let milliseconds = stepMs
    let progress = noProgress
    // A new beginning at once, where it is known to come to that: the differences would be kept for nothing.
    let changes = growth > journalMaxChanges ? journalMaxChanges : 0
    for (let steps = 1; !progress.isDone; steps++) {
      const from = progress
      let started = 0
      const step = (): Promise<Progress> =>
        queue.run(
          () => {
            started = performance.now()
            const { now } = ground()
            const done = stepForward(store, generation, from, { now, milliseconds })
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
    if (!tree && changes > 0) {
      await queue.run(() => publisher.startAnew({ recounts: true }), { isAlone: true })
    }
    await this.#tryAgain(() => this.#forget(generation), tellFailing)
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
  async #clear(list: string): Promise<void> {
    const left = this.#parts.store.generations.all().find((each) => each.list === list)
    if (left?.state === 'taking over') await this.#takeOver(left)
    else if (left) await this.#forget(left)
  }

  /** In the background: forgets what was being loaded when the last process died. */
  async forgetLeft(): Promise<void> {
    for (const left of this.#parts.store.generations.all()) {
      if (left.state !== 'loading') continue
      const forget = () => this.#forget(left)
      await this.#tryAgain(forget, () => undefined)
    }
  }

  async #forget({ id }: Generation): Promise<void> {
    const { queue, store } = this.#parts
    const some = (): boolean => store.generations.forget(id, forgottenChunks)
    while (!(await queue.run(some, { isAlone: true })));
  }

  /** Before anything is written: an import that fills the disk would stop all else from being written as well. */
  #requireRoom(list: string, entries: number): void {
    const { store, tree } = this.#parts
    const growth = entries - store.generations.size(list)
    const { bavail, bsize } = statfsSync(dirname(store.path))
    const needed =
      Math.max(growth, 0) * diskBytesPerEntry +
      Math.min(entries * logBytesPerEntry, largestLogBytes)
    if (bavail * bsize < needed) {
      const megabytes = Math.ceil(needed / 1e6)
      const why = `no room for ${entries} entries on the disk: they take some ${megabytes} MB beside ${store.path}`
      throw new OperationalError('disk-too-small', why)
    }
    const stats = tree?.stats()
    if (!stats) return
    const room = (stats.capacityBytes - stats.usedBytes + stats.freeBytes) / treeBytesPerEntry
    if (room >= entries || room >= growth) return
    throw new OperationalError(
      'capacity-reached',
      `no room for ${entries} more entries in the shared tree: raise dns.capacity`,
    )
  }
}

/**
 * Before the first publication: goes to the end of what was being taken over when the last process died. The publisher
 * must then `startAnew`, in the transaction that calls `finished`; undefined: there is nothing to finish. What was being
 * loaded is in nobody's way: `forgetLeft`. Throws OperationalError 'database-failed'.
 */
export function finishImports(store: Store, now: number): (() => void) | undefined {
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
