// A whole named list in, in place of what it held: its lines are read and put in order in memory, compared with what the
// list is, and only then is anything written.
import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { OperationalError } from '../errors.ts'
import { formatSize } from '../quantity.ts'
import { sameAttributes } from '../store/packed-entries.ts'
import { audit } from './context.ts'
import { ListLines } from './list-lines.ts'
import {
  entriesInTurn,
  type ListParts,
  ListReplacements,
  listedIn,
  paired,
  turn,
} from './list-replacement.ts'
import { roomLeft } from './publish.ts'
import type { ImportItem, ImportOutcome, ImportRequest, ListFault, Refusal } from './types.ts'

/** The new entries beside what the list is. */
interface Comparison {
  readonly added: number
  readonly removed: number
  readonly kept: number
  /** Prefixes that are new, gone, or have something else beside them. */
  readonly changes: number
  /** Prefixes that the tree has nothing at. */
  readonly newInTree: number
}

/** A list of so many entries may lose any number of them, but not all. */
const smallList = 100
/** Of the database, for an entry; and what the log before it may grow by. */
const diskBytesPerEntry = 32
const logBytes = 16 * 1024 ** 2
/** Octets of the tree that an entry takes at most: a /128 in each /64 does. */
const treeBytesPerEntry = 34

/** The imports under way, one of each list. */
export class ListImports {
  readonly #parts: ListParts
  readonly #replacements: ListReplacements
  readonly #busy = new Set<string>()

  constructor(parts: ListParts) {
    this.#parts = parts
    this.#replacements = new ListReplacements(parts)
  }

  /** Deletes what imports of the last process left, in the background. */
  clean(): void {
    this.#replacements.clean().catch(() => undefined)
  }

  /**
   * Replaces what the list held by the items. Resolves once it is all on disk and, with a tree, in DNS. Refused by
   * value: 'conflict' while another import of the same list goes on, 'invalid' for a list that is wrong as a whole,
   * 'loss' where too much would go. Throws OperationalError 'capacity-reached', 'disk-too-small' or 'clock-held', and
   * nothing is changed then; 'database-failed', and nothing is changed unless the list is the new one already: DNS then
   * goes on to follow it, and until it has, another import of it is a 'conflict'.
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
      const nothing = lines.nothing()
      if (nothing) return nothing
      const comparison = await this.#compare(list, lines, context.now)
      const { added, removed, kept } = comparison
      const loss = isForced || isDryRun ? undefined : lossOf(list, comparison)
      if (loss) return loss
      if (!isDryRun) await this.#replace(request, lines, { ...comparison, now: context.now })
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
    { added, kept, changes, newInTree, now }: Comparison & { readonly now: number },
  ): Promise<void> {
    const { queue, context, store } = this.#parts
    const after = { entries: added + kept, refused: lines.refusedCount }
    const flipped = () => audit(context(), actor.name, 'import', list, { before: null, after })
    const isKnown = (store.lists.named(list)?.version ?? null) !== null
    if (changes === 0 && isKnown) {
      await queue.run(flipped)
      return
    }
    this.#requireDisk(lines)
    this.#requireTree(newInTree)
    const setBack = () =>
      audit(context(), actor.name, 'import-undone', list, { before: after, after: null })
    const wanted = lines.entries()
    await this.#replacements.replace(list, wanted, { changes, now }, { flipped, setBack })
  }

  /** An import that filled the disk would stop all else from being written as well. */
  #requireDisk({ count, reasonCharacters }: ListLines): void {
    const { path } = this.#parts.store
    const { bavail, bsize } = statfsSync(dirname(path))
    const needed = count * diskBytesPerEntry + reasonCharacters + logBytes
    if (bavail * bsize >= needed) return
    const told = `no room for ${count} entries on the disk: they take some ${Math.ceil(needed / 1e6)} MB`
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

/** A file that was cut off, or is another one, takes away what nobody meant to lose. */
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
