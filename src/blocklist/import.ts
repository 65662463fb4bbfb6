// A whole named list in, in place of what it held: its lines are read and sorted in memory and compared with what the list
// is; only then is anything written.
import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { OperationalError } from '../errors.ts'
import { formatSize } from '../quantity.ts'
import { sameAttributes } from '../store/packed-entries.ts'
import { ListLines } from './list-lines.ts'
import {
  DiscardedVersions,
  entriesInTurn,
  type ImportParts,
  paired,
  replaceList,
  turn,
} from './list-replacement.ts'
import { audit } from './listings.ts'
import { roomLeft } from './publish.ts'
import type { ImportItem, ImportOutcome, ImportRequest, ListFault, Refusal } from './types.ts'
import { listedIn } from './zone-entry.ts'

/** The new entries compared with what the list is. */
interface Comparison {
  readonly added: number
  readonly removed: number
  readonly kept: number
  /** Prefixes that are new or gone, or whose attributes differ. */
  readonly changes: number
  /** New entries at prefixes where the tree has nothing. */
  readonly newInTree: number
}

/** A list of at most this many entries may lose any number of them, but not all. */
const smallList = 100
/** Disk space that an entry takes in the database, and that the write-ahead log may take. */
const diskBytesPerEntry = 32
const logBytes = 16 * 1024 ** 2
/** The most that an entry takes in the tree: a /128 in each /64 does. */
const treeBytesPerEntry = 34

/** The imports that are running, at most one for each list. */
export class ListImports {
  readonly #parts: ImportParts
  readonly #discarded: DiscardedVersions
  readonly #busy = new Set<string>()

  constructor(parts: ImportParts) {
    this.#parts = parts
    this.#discarded = new DiscardedVersions(parts)
  }

  /** Deletes in the background what unfinished imports of the last process left. */
  clean(): void {
    void this.#discarded.clean()
  }

  /**
   * Replaces what the list held by the items; after a crash at any moment the list is the old one or the new one, whole.
   * Resolves once all of it is on disk and, with a tree, in DNS. Refuses with 'conflict' while another import of the list
   * runs, 'invalid' if the list is wrong as a whole, and 'loss' if too many entries would go. Throws OperationalError
   * 'capacity-reached', 'disk-too-small' or 'clock-held', and nothing is changed then. Throws 'database-failed': nothing
   * is changed either, unless the list is the new one already. DNS then goes on to follow it, and another import of it is a
   * 'conflict' until it has.
   */
  async import(request: ImportRequest): Promise<ImportOutcome> {
    const { list, isDryRun = false, isForced = false } = request
    const known = this.#parts.store.lists.named(list)
    if (this.#busy.has(list) || known?.version !== known?.applied) {
      return { refused: 'conflict', why: `another import of list ${list} is going on` }
    }
    this.#busy.add(list)
    try {
      // One moment for all of it, however long it takes.
      const context = this.#parts.context()
      const lines = new ListLines(context, request.isStrict)
      for await (const batch of request.items) {
        if (batch.some(hasTerm)) this.#parts.requireClock()
        const refusal = lines.take(batch)
        if (refusal) return refusal
        await turn(this.#parts.queue)
      }
      const refusal = lines.refusalOfNoEntries()
      if (refusal) return refusal
      const comparison = await this.#compare(list, lines, context.now)
      const { added, removed, kept } = comparison
      const loss = isForced || isDryRun ? undefined : lossOf(list, comparison)
      if (loss) return loss
      if (!isDryRun) await this.#replace(request, lines, comparison, context.now)
      return { list, added, removed, kept, ...lines.report() }
    } finally {
      this.#busy.delete(list)
    }
  }

  async #compare(name: string, lines: ListLines, now: number): Promise<Comparison> {
    const { store, publisher, queue } = this.#parts
    const version = store.lists.named(name)?.version ?? null
    const isListed = listedIn(store, version, now)
    const counts = { added: 0, removed: 0, kept: 0, changes: 0, newInTree: 0 }
    let looked = 0
    for (const { before, after } of paired(store.lists.entries(version), lines.entries())) {
      if (++looked % entriesInTurn === 0) await turn(queue)
      const wasListed = before !== undefined && isListed(before)
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
    const replacement = { name: list, wanted, changes, now, actor, summary }
    await replaceList(this.#parts, this.#discarded, replacement)
  }

  /** An import that filled the disk would stop all other writing too. */
  #requireDisk({ count, reasonCharacters }: ListLines): void {
    const { path } = this.#parts.store
    const { bavail, bsize } = statfsSync(dirname(path))
    const neededBytes = count * diskBytesPerEntry + reasonCharacters + logBytes
    if (bavail * bsize >= neededBytes) return
    const told = `no room for ${count} entries on the disk: they take some ${Math.ceil(neededBytes / 1e6)} MB`
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

/** A file that was cut off, or the wrong file, would remove entries that nobody meant to lose. */
function lossOf(list: string, { added, removed, kept }: Comparison): Refusal | undefined {
  const standing = removed + kept
  if (added + kept === 0) {
    const all = standing === 0 ? '' : `, and all ${standing} entries of list ${list} would go`
    return unforced(`the import is empty${all}`)
  }
  if (standing <= smallList || 2 * kept >= standing) return undefined
  return unforced(`${removed} of the ${standing} entries of list ${list} would go`)
}

function unforced(why: string): Refusal {
  return { refused: 'loss', why: `nothing was changed: ${why}; force it if that is meant` }
}

function hasTerm(item: ImportItem | ListFault): boolean {
  return 'attributes' in item && item.attributes !== null && item.attributes.expiresAt !== null
}
