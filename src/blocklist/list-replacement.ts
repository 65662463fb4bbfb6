// A list's new version in place of its old one. It is written beside the old one in small transactions; then one row makes
// it the list. DNS follows in steps of some prefixes each. A crash before that row leaves the old list whole, a crash after
// it the new one.
import { setTimeout as pause, setImmediate } from 'node:timers/promises'
import { type Logger, OperationalError } from '../errors.ts'
import type { Prefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import { journalMaxChanges } from '../store/journal.ts'
import type { NamedList } from '../store/list-versions.ts'
import { chunkEntries, comparePrefixes } from '../store/packed-entries.ts'
import type { TreeWriter } from '../tree/writer.ts'
import type { CommitQueue } from './commit-queue.ts'
import type { WantedEntry } from './list-lines.ts'
import { audit, type Context } from './listings.ts'
import type { Publisher } from './publish.ts'
import type { Actor, ListEntry } from './types.ts'
import { listedIn } from './zone-entry.ts'

/** What imports work on. */
export interface ImportParts {
  readonly store: Store
  readonly tree: TreeWriter | undefined
  readonly publisher: Publisher
  readonly queue: CommitQueue
  readonly log: Logger
  /** As of now. */
  context(): Context
  /** See BlocklistOptions. */
  requireClock(): void
}

interface Replacement {
  readonly name: string
  readonly wanted: Iterable<WantedEntry>
  /** How many prefixes differ from what the list is. */
  readonly changes: number
  /** The time of the import, in epoch seconds: new entries are listed since then. */
  readonly now: number
  readonly actor: Actor
  /** For the audit. */
  readonly summary: { readonly entries: number; readonly refused: number }
}

/** Chunks that one transaction writes or deletes, in some milliseconds. */
const chunksWritten = 20
const chunksDeleted = 50
/** Entries that are looked at before other work has its turn. */
export const entriesInTurn = 4096
/** A step and its commit are to take about this long; the first step has this many prefixes. */
const stepMs = 12
const firstPrefixes = 500
/** Between steps other work has the event loop for this long: a mail session takes many turns of it. */
const pauseMs = 1
/** The pause before a failed step is tried again doubles from the first to the longest. */
const retryMs = { first: 1000, longest: 60_000 }
/** After this many tries the import rejects, while it goes on trying. */
const triesUntilTold = 5

/** A prefix of the old entries, of the new ones, or of both. */
interface Pair<T> {
  readonly before: ListEntry | undefined
  readonly after: T | undefined
}

/** Two walks in address order as one. */
export function* paired<T extends { readonly prefix: Prefix }>(
  before: Iterable<ListEntry>,
  after: Iterable<T>,
): Generator<Pair<T>> {
  const olds = before[Symbol.iterator]()
  const news = after[Symbol.iterator]()
  let from = olds.next()
  let to = news.next()
  while (!from.done || !to.done) {
    const order = from.done ? 1 : to.done ? -1 : comparePrefixes(from.value.prefix, to.value.prefix)
    yield {
      before: order <= 0 && !from.done ? from.value : undefined,
      after: order >= 0 && !to.done ? to.value : undefined,
    }
    if (order <= 0) from = olds.next()
    if (order >= 0) to = news.next()
  }
}

/** Leaves the event loop to other work. Throws OperationalError 'database-failed' if the blocklist was closed meanwhile. */
export async function turn(queue: CommitQueue): Promise<void> {
  await setImmediate()
  if (queue.isClosed) throw new OperationalError('database-failed', 'the list is closed')
}

/** Versions that are no list's any more, which are deleted in small transactions. */
export class DiscardedVersions {
  readonly #parts: ImportParts
  readonly #versions: Set<number>

  constructor(parts: ImportParts) {
    this.#parts = parts
    this.#versions = new Set(parts.store.lists.unused())
  }

  /** Deletes the version. If that fails, the next call or the next start tries again. */
  async add(version: number | null): Promise<void> {
    if (version !== null) this.#versions.add(version)
    await this.clean()
  }

  async clean(): Promise<void> {
    const { queue, store } = this.#parts
    try {
      for (const version of this.#versions) {
        const deleteSome = (): boolean => store.lists.deleteSome(version, chunksDeleted)
        while (!(await queue.run(deleteSome, { isAlone: true })));
        this.#versions.delete(version)
      }
    } catch {
      // The disk is full, or the blocklist is closed.
    }
  }
}

/**
 * Makes these entries the list, and resolves when DNS has followed. Throws OperationalError 'capacity-reached' or what
 * stopped the writing; the list is then what it was. If the disk is full once it is the new list, it goes on trying, and
 * rejects after a while.
 */
export async function replaceList(
  parts: ImportParts,
  discarded: DiscardedVersions,
  replacement: Replacement,
): Promise<void> {
  const { queue, store, publisher, tree, context } = parts
  const { name, actor, summary } = replacement
  const isLarge = replacement.changes > journalMaxChanges
  const { list, version } = await queue.run(() => {
    const list = store.lists.begin(name)
    return { list, version: store.lists.addVersion(list.id, context().now) }
  })
  try {
    await writeVersion(parts, list, version, replacement)
    await queue.run(() => {
      store.lists.setVersion(list.id, version, tree ? list.applied : version)
      if (!tree || isLarge) publisher.resetJournal()
      audit(context(), actor, 'import', name, null, summary)
    })
  } catch (error) {
    await discarded.add(version)
    throw error
  }
  if (!tree) {
    await discarded.add(list.version)
    return
  }
  const setBack = () => audit(context(), actor, 'import-undone', name, summary, null)
  await new Follower(parts, discarded, list, version, isLarge, setBack).follow()
}

async function writeVersion(
  { queue, store }: ImportParts,
  list: NamedList,
  version: number,
  { wanted, now }: Replacement,
): Promise<void> {
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
      if (chunks.length === chunksWritten) await put()
      else chunks.push([])
      chunk = chunks.at(-1) ?? []
    }
    chunk.push({ ...after, listedAt })
  }
  await put()
}

/** Brings DNS from the old version of a list to the new one. */
class Follower {
  readonly #parts: ImportParts
  readonly #discarded: DiscardedVersions
  /** As it was before. */
  readonly #list: NamedList
  readonly #version: number
  /** Whether the differences are more than the journal holds. */
  readonly #isLarge: boolean
  readonly #auditSetBack: () => void
  readonly #failing = Promise.withResolvers<never>()

  constructor(
    parts: ImportParts,
    discarded: DiscardedVersions,
    list: NamedList,
    version: number,
    isLarge: boolean,
    auditSetBack: () => void,
  ) {
    this.#parts = parts
    this.#discarded = discarded
    this.#list = list
    this.#version = version
    this.#isLarge = isLarge
    this.#auditSetBack = auditSetBack
  }

  /**
   * Resolves when the tree has all of the new version. Rejects if that fails for long, and goes on all the same. If the
   * tree has no room for it, goes back to the old version and rejects with 'capacity-reached'.
   */
  follow(): Promise<void> {
    return Promise.race([this.#followAll(), this.#failing.promise])
  }

  async #followAll(): Promise<void> {
    const { store } = this.#parts
    const { id, version: old } = this.#list
    const version = this.#version
    try {
      await this.#publish(this.#differing(), false)
    } catch (error) {
      if (!isOutOfRoom(error)) throw error
      await this.#tryUntilDone(() => {
        store.lists.setVersion(id, old, version)
        // What was removed by hand since stays removed.
        store.listings.moveHidden(version, old)
        this.#auditSetBack()
      })
      // What is removed first makes room for what comes back.
      await this.#publish(this.#differing('removed'), true)
      await this.#publish(this.#differing('restored'), true)
      await this.#tryUntilDone(() => store.lists.setVersion(id, old, old))
      await this.#discarded.add(version)
      throw error
    }
    await this.#tryUntilDone(() => store.lists.setVersion(id, version, version))
    await this.#discarded.add(old)
  }

  /** Publishes what should stand at these prefixes, some at a time. */
  async #publish(prefixes: Generator<Prefix | undefined>, usesReserve: boolean): Promise<void> {
    const { queue, store, publisher } = this.#parts
    let most = firstPrefixes
    let batch: Prefix[] = []
    const step = async (): Promise<void> => {
      let startedMs = 0
      await this.#tryUntilDone(() => {
        startedMs = performance.now()
        if (this.#isLarge) publisher.resetJournal()
        if (usesReserve) publisher.useReserve()
        for (const prefix of batch) store.changed.note(prefix)
      }, true)
      const scale = Math.min(Math.max(stepMs / (performance.now() - startedMs), 0.5), 1.5)
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
   * Prefixes that the two versions answer differently, in order; undefined: other work may have its turn. `only`, for
   * the way back: those that the old version lacks, or those that it has.
   */
  *#differing(only?: 'removed' | 'restored'): Generator<Prefix | undefined> {
    const { store, context } = this.#parts
    const from = this.#list.version
    const isListed = listedIn(store, from, context().now)
    const pairs = paired(store.lists.entries(from), store.lists.entries(this.#version))
    let looked = 0
    for (const { before, after } of pairs) {
      if (++looked % entriesInTurn === 0) yield undefined
      const isSame =
        before && after && before.attributes.kinds === after.attributes.kinds && isListed(before)
      const { prefix } = before ?? after ?? {}
      if (isSame || !prefix) continue
      if (only === undefined || only === (before ? 'restored' : 'removed')) yield prefix
    }
  }

  /**
   * Runs `work` in a transaction, again and again while the disk is full: half of a list in DNS must not be left. Throws if
   * the tree has no room, if the blocklist is closed, and what is a bug of ours.
   */
  async #tryUntilDone(work: () => void, isAlone = false): Promise<void> {
    const { queue, log } = this.#parts
    const { name } = this.#list
    let tried = 0
    for (let waitMs = retryMs.first; ; waitMs = Math.min(2 * waitMs, retryMs.longest)) {
      try {
        await queue.run(work, { isAlone })
        return
      } catch (error) {
        const isFinal = !(error instanceof OperationalError) || isOutOfRoom(error)
        if (isFinal || queue.isClosed) throw error
        tried += 1
        if (tried === triesUntilTold) this.#failing.reject(error)
        const text = `import of list ${name} cannot be written yet; retrying in ${waitMs / 1000} s`
        log.warn({ err: error, list: name }, text)
        await new Promise((resolve) => {
          const timer = setTimeout(resolve, waitMs)
          // Nobody waits for the import any more, so it must not keep the process alive.
          if (tried >= triesUntilTold) timer.unref()
        })
      }
    }
  }
}

function isOutOfRoom(error: unknown): boolean {
  return error instanceof OperationalError && error.code === 'capacity-reached'
}
