// A list's new version in place of its old one. It is written beside the old one in small transactions, and one row makes
// it the list. DNS then follows in steps; each computes some of the prefixes that differ. A crash before that row leaves
// the old list, whole; a crash after it the new one.
import { setTimeout as pause, setImmediate } from 'node:timers/promises'
import { type Logger, OperationalError } from '../errors.ts'
import type { Prefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import { journalMaxChanges } from '../store/journal.ts'
import { isOver, type NamedList } from '../store/list-versions.ts'
import { chunkEntries, comparePrefixes, type ListEntry } from '../store/packed-entries.ts'
import type { TreeWriter } from '../tree/writer.ts'
import type { CommitQueue } from './commit-queue.ts'
import type { Context } from './context.ts'
import type { Publisher } from './publish.ts'
import type { WantedEntry } from './subtract-holes.ts'

export interface ListParts {
  readonly store: Store
  readonly tree: TreeWriter | undefined
  readonly publisher: Publisher
  readonly queue: CommitQueue
  readonly log: Logger
  context(): Context
  /** See BlocklistOptions. */
  requireClock(): void
}

/** Chunks in one transaction, written and deleted: some milliseconds. */
const chunksAtOnce = 20
const chunksDeleted = 50
/** Entries looked at before others have their turn. */
export const entriesInTurn = 4096
/** A step takes about so long with its commit, and at first so many prefixes. */
const stepMs = 12
const firstPrefixes = 500
/** Between steps the event loop is left to everybody else for so long: a mail session takes many turns of it. */
const pauseMs = 1
/** Pauses before what failed is tried again, from the shortest to the longest: a disk may have room again. */
const retryMs = { first: 1000, longest: 60_000 }
/** Tries after which the one who waits for the import is told that it fails. */
const triesUntold = 5

/** A prefix of the old entries, of the new ones, or of both. */
export interface Pair<T> {
  readonly before: ListEntry | undefined
  readonly after: T | undefined
}

/** Two walks in address order as one. */
export function* paired<T extends { readonly prefix: Prefix }>(
  before: Iterable<ListEntry>,
  after: Iterable<T>,
): Generator<Pair<T>> {
  const old = before[Symbol.iterator]()
  const fresh = after[Symbol.iterator]()
  let from = old.next()
  let to = fresh.next()
  while (!from.done || !to.done) {
    const order = from.done ? 1 : to.done ? -1 : comparePrefixes(from.value.prefix, to.value.prefix)
    yield {
      before: order <= 0 && !from.done ? from.value : undefined,
      after: order >= 0 && !to.done ? to.value : undefined,
    }
    if (order <= 0) from = old.next()
    if (order >= 0) to = fresh.next()
  }
}

/** Leaves the event loop to others. Throws OperationalError 'database-failed' when the list was closed meanwhile. */
export async function turn(queue: CommitQueue): Promise<void> {
  await setImmediate()
  if (queue.isClosed) throw new OperationalError('database-failed', 'the list is closed')
}

/** Says of the entries of a version whether they are listed: neither removed by hand nor over. */
export function listedIn(
  { listings }: Store,
  version: number | null,
  now: number,
): (entry: ListEntry) => boolean {
  const isHidden = listings.hiddenIn(version)
  return (entry) => !isOver(entry, now) && !isHidden?.(entry.prefix)
}

export class ListReplacements {
  readonly #parts: ListParts
  /** Versions that are no list's, and not yet deleted. */
  readonly #left: Set<number>

  constructor(parts: ListParts) {
    this.#parts = parts
    this.#left = new Set(parts.store.lists.unused())
  }

  /**
   * Makes these entries the list, and resolves when DNS has followed. `changes`: how many prefixes differ; `now`: as of when
   * they are wanted. `flipped` is called in the transaction that makes it the list. Throws OperationalError
   * 'capacity-reached' or what stopped the writing, and the list is what it was. Where the disk is full after that
   * transaction it goes on trying, and says so after a while.
   */
  async replace(
    name: string,
    wanted: Iterable<WantedEntry>,
    { changes, now }: { readonly changes: number; readonly now: number },
    audit: { flipped(): void; setBack(): void },
  ): Promise<void> {
    const { queue, store, publisher, tree, context } = this.#parts
    const { list, version } = await queue.run(() => {
      const list = store.lists.begin(name)
      return { list, version: store.lists.addVersion(list.id, context().now) }
    })
    try {
      await this.#write(list, version, wanted, now)
      await queue.run(() => {
        store.lists.setVersion(list.id, version, tree ? list.applied : version)
        if (!tree || changes > journalMaxChanges) publisher.resetJournal()
        audit.flipped()
      })
    } catch (error) {
      await this.#discard(version)
      throw error
    }
    if (tree) await this.#follow(list, version, changes > journalMaxChanges, audit.setBack)
    else await this.#discard(list.version)
  }

  async #discard(version: number | null): Promise<void> {
    if (version !== null) this.#left.add(version)
    await this.clean().catch(() => undefined)
  }

  /** Deletes what is left of versions that are no list's. */
  async clean(): Promise<void> {
    const { queue, store } = this.#parts
    for (const version of this.#left) {
      const some = (): boolean => store.lists.deleteSome(version, chunksDeleted)
      while (!(await queue.run(some, { isAlone: true })));
      this.#left.delete(version)
    }
  }

  async #write(
    list: NamedList,
    version: number,
    wanted: Iterable<WantedEntry>,
    now: number,
  ): Promise<void> {
    const { queue, store } = this.#parts
    const isListed = listedIn(store, list.version, now)
    let chunks: ListEntry[][] = [[]]
    const put = async (): Promise<void> => {
      const full = chunks
      chunks = [[]]
      const write = () => {
        for (const chunk of full) store.lists.putChunk(version, chunk)
      }
      await queue.run(write, { isAlone: true })
    }
    let looked = 0
    for (const { before, after } of paired(store.lists.entries(list.version), wanted)) {
      if (++looked % entriesInTurn === 0) await turn(queue)
      if (!after) continue
      const listedAt = before && isListed(before) ? before.listedAt : now
      let chunk = chunks.at(-1) ?? []
      const isOther = chunk[0] !== undefined && chunk[0].prefix.family !== after.prefix.family
      if (chunk.length === chunkEntries || isOther) {
        if (chunks.length === chunksAtOnce) await put()
        else chunks.push([])
        chunk = chunks.at(-1) ?? []
      }
      chunk.push({ ...after, listedAt })
    }
    await put()
  }

  /** Resolves when the tree has all of the new version; rejects when that fails for long, and goes on all the same. */
  async #follow(
    list: NamedList,
    version: number,
    isLarge: boolean,
    auditSetBack: () => void,
  ): Promise<void> {
    const { promise: failing, reject } = Promise.withResolvers<never>()
    const following = this.#followAll(list, version, isLarge, auditSetBack, reject)
    await Promise.race([following, failing])
  }

  async #followAll(
    list: NamedList,
    version: number,
    isLarge: boolean,
    auditSetBack: () => void,
    tellFailing: (error: unknown) => void,
  ): Promise<void> {
    const { queue, store } = this.#parts
    const agree = (to: number | null) =>
      this.#tryAgain(
        list,
        () => queue.run(() => store.lists.setVersion(list.id, to, to)),
        tellFailing,
      )
    try {
      await this.#steps(list, this.#differing(list.version, version), { isLarge }, tellFailing)
    } catch (error) {
      if (!isOutOfRoom(error)) throw error
      const setBack = () => {
        store.lists.setVersion(list.id, list.version, version)
        // What was removed by hand since stays removed.
        store.listings.moveHidden(version, list.version)
        auditSetBack()
      }
      await this.#tryAgain(list, () => queue.run(setBack), tellFailing)
      // What comes out makes room for what comes back.
      for (const isGone of [true, false]) {
        const prefixes = this.#differing(list.version, version, isGone)
        await this.#steps(list, prefixes, { isLarge, usesReserve: true }, tellFailing)
      }
      await agree(list.version)
      await this.#discard(version)
      throw error
    }
    await agree(version)
    await this.#discard(list.version)
  }

  async #steps(
    list: NamedList,
    prefixes: Generator<Prefix | undefined>,
    options: { readonly isLarge: boolean; readonly usesReserve?: boolean },
    tellFailing: (error: unknown) => void,
  ): Promise<void> {
    const { queue, store, publisher } = this.#parts
    let most = firstPrefixes
    let batch: Prefix[] = []
    const step = async (): Promise<void> => {
      let started = 0
      const work = () => {
        started = performance.now()
        if (options.isLarge) publisher.resetJournal()
        if (options.usesReserve) publisher.useReserve()
        for (const prefix of batch) store.changed.note(prefix)
      }
      await this.#tryAgain(list, () => queue.run(work, { isAlone: true }), tellFailing)
      const scale = Math.min(Math.max(stepMs / (performance.now() - started), 0.5), 1.5)
      most = Math.max(Math.round(most * scale), 100)
      batch = []
      await pause(pauseMs)
    }
    for (const prefix of prefixes) {
      if (prefix === undefined) await turn(queue)
      else batch.push(prefix)
      if (batch.length >= most) await step()
    }
    if (batch.length > 0) await step()
  }

  /**
   * Prefixes that are answered otherwise by the one version than by the other, in order; undefined: others may have their
   * turn. `isGone`: only those that `from` does not have, or only the others.
   */
  *#differing(from: number | null, to: number, isGone?: boolean): Generator<Prefix | undefined> {
    const { store, context } = this.#parts
    const isListed = listedIn(store, from, context().now)
    let looked = 0
    for (const { before, after } of paired(store.lists.entries(from), store.lists.entries(to))) {
      if (++looked % entriesInTurn === 0) yield undefined
      const isSame =
        before && after && before.attributes.kinds === after.attributes.kinds && isListed(before)
      const { prefix } = before ?? after ?? {}
      if (isSame || !prefix) continue
      if (isGone === undefined || isGone === (before === undefined)) yield prefix
    }
  }

  /**
   * What has become the list is finished, however long the disk is full: half of it in DNS is nothing to leave. Throws
   * when there is no room in the tree, when the door is closed, and what is a bug of ours.
   */
  async #tryAgain<T>(
    { name }: NamedList,
    work: () => Promise<T>,
    tellFailing: (error: unknown) => void,
  ): Promise<T> {
    let tried = 0
    for (let waitMs = retryMs.first; ; waitMs = Math.min(2 * waitMs, retryMs.longest)) {
      try {
        return await work()
      } catch (error) {
        const isOurs = !(error instanceof OperationalError) || isOutOfRoom(error)
        if (isOurs || this.#parts.queue.isClosed) throw error
        tried += 1
        if (tried === triesUntold) tellFailing(error)
        const seconds = waitMs / 1000
        this.#parts.log.warn(
          { err: error, list: name },
          `import of list ${name} cannot be written yet; retrying in ${seconds} s`,
        )
        await new Promise((resolve) => {
          const timer = setTimeout(resolve, waitMs)
          // Nobody waits for it any more.
          if (tried >= triesUntold) timer.unref()
        })
      }
    }
  }
}

function isOutOfRoom(error: unknown): boolean {
  return error instanceof OperationalError && error.code === 'capacity-reached'
}
