// Replaces a list by its new version. The new version is written beside the old one in small transactions; then a change of
// one row makes it the list. After that, DNS is brought to the new version in small steps. A crash before the change of that
// row leaves the whole old list, a crash after it the whole new one.
import { setTimeout as pause, setImmediate } from 'node:timers/promises'
import { type Logger, OperationalError } from '../errors.ts'
import type { Prefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import { journalMaxChanges } from '../store/journal.ts'
import type { NamedList } from '../store/list-versions.ts'
import { chunkEntries, comparePrefixes } from '../store/packed-entries.ts'
import type { TreeWriter } from '../tree/writer.ts'
import type { CommitQueue } from './commit-queue.ts'
import { audit, type Context } from './context.ts'
import type { WantedEntry } from './list-lines.ts'
import type { Publisher } from './publish.ts'
import type { Actor, ListEntry, RunningImport } from './types.ts'
import { listedIn } from './zone-entry.ts'

/** The parts of the blocklist that imports use. */
export interface ImportParts {
  readonly store: Store
  readonly tree: TreeWriter | undefined
  readonly publisher: Publisher
  readonly queue: CommitQueue
  readonly log: Logger
  /** Returns a context with the present time. */
  context(): Context
  /** See BlocklistOptions. */
  requireClock(): void
}

/** How far an import is: the import changes it, and the status reads it. */
export class ImportSteps implements RunningImport {
  readonly list: string
  phase: RunningImport['phase'] = 'reading'
  done = 0
  total: number | null = null

  constructor(list: string) {
    this.list = list
  }

  begin(phase: RunningImport['phase'], total: number): void {
    this.phase = phase
    this.done = 0
    this.total = total
  }
}

interface Replacement {
  readonly name: string
  readonly wanted: Iterable<WantedEntry>
  /** The number of prefixes in which the wanted list differs from the present one. */
  readonly changes: number
  /** The time of the import, in epoch seconds. New entries count as listed since then. */
  readonly now: number
  readonly actor: Actor
  /** The size of the import, as the audit shows it. */
  readonly summary: { readonly entries: number; readonly refused: number }
  /** Is told how far the import is. */
  readonly steps: ImportSteps
}

/** One transaction writes or deletes at most this many chunks, so that it takes only milliseconds. */
const chunksWritten = 20
const chunksDeleted = 50
/** After reading this many entries, other work gets a turn of the event loop. */
export const entriesInTurn = 4096
/**
 * A publishing step should take `stepMs` of the processor. The first step has `firstPrefixes`, later ones more or fewer. The wait
 * for the disk does not count: it is the same for few prefixes as for many, so smaller steps would only make more of it.
 */
const stepMs = 12
const firstPrefixes = 500
/** Pause between steps. One turn of the event loop would not do: a mail session needs many turns. */
const pauseMs = 1
/** A failed step is tried again after the first pause. The pause then doubles each time, up to the longest. */
const retryMs = { first: 1000, longest: 60_000 }
/** After this many failed tries, the caller is told that the import failed. The step is still tried again in the background. */
const triesUntilTold = 5

/** The old and the new entry of one prefix. One of them may be missing. */
interface Pair<T> {
  readonly before: ListEntry | undefined
  readonly after: T | undefined
}

/** Pairs the entries of two sequences by prefix. Both sequences must be in address order, and so is the result. */
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

/** Gives other work a turn of the event loop. Throws OperationalError 'database-failed' if the blocklist has been closed. */
export async function turn(queue: CommitQueue): Promise<void> {
  await setImmediate()
  if (queue.isClosed) throw new OperationalError('database-failed', 'the list is closed')
}

/** Deletes list versions that are no longer used, in small transactions. */
export class DiscardedVersions {
  readonly #parts: ImportParts
  readonly #versions: Set<number>

  constructor(parts: ImportParts) {
    this.#parts = parts
    this.#versions = new Set(parts.store.lists.unused())
  }

  /** Deletes this version. If that fails, the next call or the next start tries again. */
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
      // The disk is full or the blocklist is closed: a later call tries again.
    }
  }
}

/**
 * Makes the wanted entries the list, and resolves once DNS answers them. Rejects with OperationalError 'capacity-reached', or
 * with the error that stopped the writing; the list is then the old one. If the disk becomes full after the new version has
 * become the list, it rejects after a while and goes on trying in the background.
 */
export async function replaceList(
  parts: ImportParts,
  discarded: DiscardedVersions,
  replacement: Replacement,
): Promise<void> {
  const { queue, store, publisher, tree, context } = parts
  const { name, actor, summary, steps } = replacement
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
  steps.begin('publishing', replacement.changes)
  await new Follower(parts, { discarded, list, version, isLarge, setBack, steps }).follow()
}

async function writeVersion(
  { queue, store }: ImportParts,
  list: NamedList,
  version: number,
  { wanted, now, summary, steps }: Replacement,
): Promise<void> {
  steps.begin('storing', summary.entries)
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
    steps.done += 1
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

interface Following {
  readonly discarded: DiscardedVersions
  /** The list as it was before the import. */
  readonly list: NamedList
  /** The new version. */
  readonly version: number
  /** Whether there are more differences than the journal holds. */
  readonly isLarge: boolean
  readonly steps: ImportSteps
  /** Called in the transaction that makes the old version the list again. */
  setBack(): void
}

/** Changes DNS from the old version of a list to the new one, step by step. */
class Follower {
  readonly #parts: ImportParts
  readonly #change: Following
  readonly #failing = Promise.withResolvers<never>()

  constructor(parts: ImportParts, change: Following) {
    this.#parts = parts
    this.#change = change
  }

  /**
   * Resolves when the tree has the whole new version. If the disk stays full, rejects but goes on trying. If the tree has no
   * room for the new version, restores the old version and rejects with 'capacity-reached'.
   */
  follow(): Promise<void> {
    return Promise.race([this.#followAll(), this.#failing.promise])
  }

  async #followAll(): Promise<void> {
    const { store } = this.#parts
    const { list, version, discarded, setBack } = this.#change
    const { id, version: old } = list
    try {
      await this.#publish(this.#differing(), false)
    } catch (error) {
      if (!isOutOfRoom(error)) throw error
      await this.#tryUntilDone(() => {
        store.lists.setVersion(id, old, version)
        // Entries that were removed by hand meanwhile stay removed.
        store.listings.moveHidden(version, old)
        setBack()
      })
      // First remove the new prefixes: that makes room for the old ones.
      await this.#publish(this.#differing('removed'), true)
      await this.#publish(this.#differing('restored'), true)
      await this.#tryUntilDone(() => store.lists.setVersion(id, old, old))
      await discarded.add(version)
      throw error
    }
    await this.#tryUntilDone(() => store.lists.setVersion(id, version, version))
    await discarded.add(old)
  }

  /** Publishes the present state of these prefixes in steps. */
  async #publish(prefixes: Generator<Prefix | undefined>, usesReserve: boolean): Promise<void> {
    const { queue, store, publisher } = this.#parts
    const { isLarge, steps } = this.#change
    let most = firstPrefixes
    let batch: Prefix[] = []
    const step = async (): Promise<void> => {
      let before = process.threadCpuUsage()
      await this.#tryUntilDone(() => {
        before = process.threadCpuUsage()
        if (isLarge) publisher.resetJournal()
        if (usesReserve) publisher.useReserve()
        for (const prefix of batch) store.changed.note(prefix)
      }, true)
      const { user, system } = process.threadCpuUsage(before)
      const scale = Math.min(Math.max((stepMs * 1000) / (user + system), 0.5), 1.5)
      most = Math.max(Math.round(most * scale), 100)
      steps.done += batch.length
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
   * Yields the prefixes for which the two versions give different answers, in order. Now and then it yields undefined, so that
   * other work can get a turn. `only` is for restoring the old version: 'removed' selects the prefixes that the old version
   * lacks, 'restored' those that it has.
   */
  *#differing(only?: 'removed' | 'restored'): Generator<Prefix | undefined> {
    const { store, context } = this.#parts
    const { list, version } = this.#change
    const from = list.version
    const isListed = listedIn(store, from, context().now)
    const pairs = paired(store.lists.entries(from), store.lists.entries(version))
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
   * Runs `work` in a transaction and tries again as long as the disk is full, since DNS must not stay at half a list. Throws
   * only if the tree has no room, if the blocklist is closed, or on a bug.
   */
  async #tryUntilDone(work: () => void, isAlone = false): Promise<void> {
    const { queue, log } = this.#parts
    const { name } = this.#change.list
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
          // The import's promise has been rejected, so this timer must not keep the process alive.
          if (tried >= triesUntilTold) timer.unref()
        })
      }
    }
  }
}

function isOutOfRoom(error: unknown): boolean {
  return error instanceof OperationalError && error.code === 'capacity-reached'
}
