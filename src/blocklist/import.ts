// A whole named list in, in place of what it held, while everything else goes on. Its entries are read and put in
// order in memory, kept on disk as a generation in small transactions, and one row makes that the list; then the
// list's rows, and DNS with them, follow in small transactions. Killed before that row: the old list is whole. Killed
// after it: the next start answers from the new list, and its rows follow beside that. Called by the door.
import { setImmediate } from 'node:timers/promises'
import type { Prefix } from '../ip/address.ts'
import {
  chunkEntries,
  type EntryAttributes,
  type Generation,
  type ListEntry,
} from '../store/generations.ts'
import { EntryChecks } from './entry-checks.ts'
import { audit } from './ground.ts'
import { ListLines } from './list-lines.ts'
import { refuseLoss } from './list-loss.ts'
import { requireDisk, requireTreeRoom } from './list-room.ts'
import type { Actor, Refusal } from './outcomes.ts'
import type { TakeoverParts, Takeovers } from './takeover.ts'

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
  /** Takes away whatever it takes away: see list-loss.ts. */
  readonly isForced?: boolean
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

/** The imports under way, one of each list. */
export class ListImports {
  readonly #parts: TakeoverParts
  readonly #takeovers: Takeovers
  readonly #busy = new Set<string>()

  constructor(parts: TakeoverParts, takeovers: Takeovers) {
    this.#parts = parts
    this.#takeovers = takeovers
  }

  /**
   * Replaces what the list held by the items. Resolves once it is all on disk and, with a tree, in DNS. Refused by
   * value: 'conflict' while another import of the same list goes on, 'invalid' for a list that is wrong as a whole,
   * 'loss' where too much would go. Throws OperationalError 'capacity-reached', 'disk-too-small', 'clock-held' or
   * 'database-failed'; nothing is changed then, unless
   * the list had been taken over: then that goes on, and until it is done another import of it is a 'conflict'.
   */
  async import(request: ImportRequest): Promise<ImportOutcome> {
    const { list } = request
    if (this.#busy.has(list) || this.#takeovers.isUnderWay(list)) {
      return { refused: 'conflict', why: `another import of list ${list} is going on` }
    }
    this.#busy.add(list)
    try {
      await this.#takeovers.clear(list)
      const lines = new ListLines(new EntryChecks(this.#parts.ground()), request.isStrict)
      for await (const batch of request.items) {
        if (batch.some(hasTerm)) this.#parts.requireClock()
        const refusal = lines.take(batch)
        if (refusal) return refusal
        await setImmediate()
      }
      const nothing = lines.nothing()
      if (nothing) return nothing
      const loss = !request.isForced && (await refuseLoss(this.#parts.store, list, lines.entries()))
      if (loss) return loss
      return await this.#replace(request, lines)
    } finally {
      this.#busy.delete(list)
    }
  }

  async #replace({ list, actor }: ImportRequest, lines: ListLines): Promise<ImportDone> {
    const { queue, store, ground } = this.#parts
    await this.#requireRoom(list, lines)
    const generation = await queue.run(() => store.generations.begin(list, ground().now))
    try {
      await this.#keep(generation, lines)
      await queue.run(() => {
        store.generations.takeOver(generation.id)
        const after = { entries: lines.count, refused: lines.refusedCount }
        audit(ground(), actor.name, 'import', list, { before: null, after })
      })
    } catch (error) {
      await this.#takeovers.forget(generation).catch(() => undefined)
      throw error
    }
    const { added, removed, kept } = await this.#takeovers.takeOver(generation, {
      entries: lines.count,
    })
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

  /** Before anything is written. */
  async #requireRoom(list: string, lines: ListLines): Promise<void> {
    const { store, tree, publisher } = this.#parts
    requireDisk(store, list, lines.count)
    const { ipv4Entries, ipv6Entries } = publisher.last ?? { ipv4Entries: 0, ipv6Entries: 0 }
    const wanted = { list, count: lines.count, entries: () => lines.entries() }
    if (tree) await requireTreeRoom(tree, store, wanted, ipv4Entries + ipv6Entries)
  }
}

function hasTerm(item: ImportItem | ListFault): boolean {
  return 'attributes' in item && item.attributes !== null && item.attributes.expiresAt !== null
}
