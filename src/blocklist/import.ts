// Imports a whole named list. All lines are read, sorted in memory and compared with the present list before anything is
// written.
import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { OperationalError } from '../errors.ts'
import { formatSize } from '../quantity.ts'
import { sameAttributes } from '../store/packed-entries.ts'
import { audit } from './context.ts'
import { ListLines } from './list-lines.ts'
import {
  DiscardedVersions,
  entriesInTurn,
  type ImportParts,
  ImportSteps,
  paired,
  replaceList,
  turn,
} from './list-replacement.ts'
import { roomLeft } from './publish.ts'
import type { ImportItem, ImportOutcome, ImportRequest, ListFault, RunningImport } from './types.ts'
import { listedIn } from './zone-entry.ts'

/** How the new entries differ from the present list. */
interface Comparison {
  readonly added: number
  readonly removed: number
  readonly kept: number
  /** Prefixes that are added, removed, or have other attributes. */
  readonly changes: number
  /** Prefixes of the new list that the tree does not have yet. */
  readonly newInTree: number
}

/** A list of up to this many entries may lose any number of them without force, but not all. */
const smallList = 100
/** The disk space of an import: this many octets for each entry in the database, and this many for the write-ahead log. */
const diskBytesPerEntry = 32
const logBytes = 16 * 1024 ** 2
/** An entry takes at most this many octets in the tree (when each /64 has a single /128). */
const treeBytesPerEntry = 34

/** Runs imports, at most one at a time for each list. */
export class ListImports {
  readonly #parts: ImportParts
  readonly #discarded: DiscardedVersions
  readonly #running = new Map<string, ImportSteps>()

  constructor(parts: ImportParts) {
    this.#parts = parts
    this.#discarded = new DiscardedVersions(parts)
  }

  /** Deletes in the background what unfinished imports of an earlier process left. */
  clean(): void {
    void this.#discarded.clean()
  }

  /**
   * Replaces the list by the items. A crash leaves either the whole old list or the whole new one. Resolves once all of it
   * is on disk and, if there is a tree, in DNS. Refuses with 'conflict' while another import of the list runs, 'invalid' if
   * the list is wrong as a whole, and 'loss' if too many entries would be removed. Throws OperationalError
   * 'capacity-reached', 'disk-too-small' or 'clock-held', with nothing changed, or 'database-failed'. After
   * 'database-failed' the list may already be the new one: then publishing goes on in the background, and until it is done,
   * another import of the list is a 'conflict'.
   */
  async import(request: ImportRequest): Promise<ImportOutcome> {
    const { list, isDryRun = false, isForced = false } = request
    const known = this.#parts.store.lists.named(list)
    if (this.#running.has(list) || known?.version !== known?.applied) {
      return { refused: 'conflict', why: `another import of list ${list} is running` }
    }
    const steps = new ImportSteps(list)
    this.#running.set(list, steps)
    try {
      // The whole import uses the time of its start.
      const context = this.#parts.context()
      const lines = new ListLines(context, request.isStrict)
      for await (const batch of request.items) {
        if (batch.some(hasTerm)) this.#parts.requireClock()
        const refusal = lines.take(batch)
        if (refusal) return refusal
        steps.done = lines.count
        await turn(this.#parts.queue)
      }
      const refusal = lines.refusalOfNoEntries()
      if (refusal) return refusal
      const comparison = await this.#compare(steps, lines, context.now)
      const { added, removed, kept } = comparison
      const done = { list, added, removed, kept, ...lines.report() }
      const loss = isForced ? undefined : lossOf(list, comparison)
      if (isDryRun) return { ...done, ...(loss !== undefined && { needsForce: loss }) }
      if (loss !== undefined) {
        const why = `nothing was changed: ${loss}; use force if that is intended`
        return { refused: 'loss', why }
      }
      await this.#replace(request, lines, comparison, context.now, steps)
      return done
    } finally {
      this.#running.delete(list)
    }
  }

  running(): RunningImport[] {
    return [...this.#running.values()].map((steps) => ({ ...steps }))
  }

  async #compare(steps: ImportSteps, lines: ListLines, now: number): Promise<Comparison> {
    const { store, publisher, queue } = this.#parts
    const version = store.lists.named(steps.list)?.version ?? null
    const isListed = listedIn(store, version, now)
    const counts = { added: 0, removed: 0, kept: 0, changes: 0, newInTree: 0 }
    let looked = 0
    steps.begin('sorting', lines.count)
    for (const { before, after } of paired(store.lists.entries(version), lines.entries())) {
      if (++looked % entriesInTurn === 0) await turn(queue)
      const wasListed = before !== undefined && isListed(before)
      if (after) steps.done += 1
      if (after && !publisher.holds(after.prefix)) counts.newInTree += 1
      if (after && wasListed) counts.kept += 1
      else if (after) counts.added += 1
      else if (wasListed) counts.removed += 1
      const isSame = after && wasListed && sameAttributes(before.attributes, after.attributes)
      if (!isSame) counts.changes += 1
    }
    return counts
  }

  async #replace(
    { list, actor }: ImportRequest,
    lines: ListLines,
    { added, kept, changes, newInTree }: Comparison,
    now: number,
    steps: ImportSteps,
  ): Promise<void> {
    const { queue, context, store } = this.#parts
    const summary = { entries: added + kept, refused: lines.refusedCount }
    const wasImported = (store.lists.named(list)?.version ?? null) !== null
    if (changes === 0 && wasImported) {
      await queue.run(() => audit(context(), actor, 'import', list, null, summary))
      return
    }
    this.#requireDisk(lines)
    this.#requireTree(newInTree)
    const wanted = lines.entries()
    const replacement = { name: list, wanted, changes, now, actor, summary, steps }
    await replaceList(this.#parts, this.#discarded, replacement)
  }

  /** Throws if the disk has too little room. An import that fills the disk would also stop all other writing. */
  #requireDisk({ count, reasonCharacters }: ListLines): void {
    const { path } = this.#parts.store
    const { bavail, bsize } = statfsSync(dirname(path))
    const neededBytes = count * diskBytesPerEntry + reasonCharacters + logBytes
    if (bavail * bsize >= neededBytes) return
    const told = `no room for ${count} entries on the disk: they take about ${Math.ceil(neededBytes / 1e6)} MB`
    throw new OperationalError('disk-too-small', `${told} beside ${path}`, { told })
  }

  #requireTree(entries: number): void {
    const { tree } = this.#parts
    if (!tree || entries * treeBytesPerEntry <= roomLeft(tree)) return
    const size = formatSize(tree.stats().capacityBytes)
    const told = `no room for ${entries} more entries in the shared tree of ${size}: raise dns.capacity`
    throw new OperationalError('capacity-reached', told, { told })
  }
}

/** Says that an import removes too much: the file may be incomplete or the wrong one. Undefined if it does not. */
function lossOf(list: string, { added, removed, kept }: Comparison): string | undefined {
  const standing = removed + kept
  if (added + kept === 0) {
    const all = standing === 0 ? '' : `; all ${standing} entries of list ${list} would be removed`
    return `the import is empty${all}`
  }
  if (standing <= smallList || 2 * kept >= standing) return undefined
  return `${removed} of the ${standing} entries of list ${list} would be removed`
}

function hasTerm(item: ImportItem | ListFault): boolean {
  return 'attributes' in item && item.attributes !== null && item.attributes.expiresAt !== null
}
