// One step on a named list's way from what it holds to what its generation says: two walks in address order, of the
// generation's entries and of the list's rows, compared as they go. Rows that stay are not written. Called by
// takeover.ts, inside a transaction.

import type { Prefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import {
  comparePrefixes,
  type Generation,
  type ListEntry,
  type StandingEntry,
} from '../store/generations.ts'
import { isOver, sameAttributes } from './entry-attributes.ts'
import type { ReplacedEntry } from './publish.ts'

export interface Progress {
  readonly chunk: number
  /** The last prefix that is done. */
  readonly after: Prefix | undefined
  readonly added: number
  readonly removed: number
  readonly kept: number
  readonly isDone: boolean
}

export const noProgress: Progress = {
  ...{ chunk: 0, after: undefined },
  ...{ added: 0, removed: 0, kept: 0, isDone: false },
}

export interface StepOptions {
  readonly now: number
  readonly milliseconds: number
  /** The list is answered already: only what has ended since is answered otherwise. */
  readonly isAhead?: boolean
}

/** Rows of the list read at once. */
const pageRows = 250
/** Entries between two looks at the clock: a step is worth its commit on a machine that is busy, too. */
const entriesBetween = 250

/**
 * Goes on from `progress` for so long, or to the end. Also says which prefixes may be answered otherwise now: each once.
 */
export function stepForward(
  store: Store,
  generation: Generation,
  progress: Progress,
  options: StepOptions,
): { progress: Progress; replaced: ReplacedEntry[] } {
  const { listings, generations } = store
  const { id, listId } = generation
  const deadline = performance.now() + options.milliseconds
  const replaced: ReplacedEntry[] = []
  const differs = (prefix: Prefix, addedKinds: number | undefined): void => {
    if (!options.isAhead) replaced.push({ prefix, addedKinds })
  }
  const inserted: ListEntry[] = []
  let { chunk, after, added, removed, kept } = progress
  let entries: readonly ListEntry[] | undefined = generations.chunk(id, chunk)
  let index = entries && after ? indexAfter(entries, after) : 0
  let rows: readonly StandingEntry[] = generations.standing(listId, after, pageRows)
  let row = 0
  for (let steps = 1; ; steps++) {
    while (entries && index >= entries.length) {
      chunk += 1
      index = 0
      entries = generations.chunk(id, chunk)
    }
    if (row >= rows.length && rows.length === pageRows) {
      rows = generations.standing(listId, rows.at(-1)?.prefix, pageRows)
      row = 0
    }
    const wanted = entries?.[index]
    const standing = rows[row]
    if (!wanted && !standing) break
    const order = !wanted ? 1 : !standing ? -1 : comparePrefixes(wanted.prefix, standing.prefix)
    if (wanted && order <= 0 && isOver(wanted.attributes, options.now)) {
      if (standing && order === 0) listings.delete(standing.id)
      replaced.push({ prefix: wanted.prefix, addedKinds: undefined })
    } else if (wanted && order < 0) {
      inserted.push(wanted)
      differs(wanted.prefix, wanted.attributes.kinds)
      added += 1
    } else if (standing && order > 0) {
      listings.delete(standing.id)
      differs(standing.prefix, undefined)
      removed += 1
    } else if (wanted && standing) {
      kept += 1
      if (!sameAttributes(wanted.attributes, standing)) {
        listings.changeEntry(standing.id, wanted.attributes)
        differs(standing.prefix, undefined)
      }
    }
    after = order > 0 ? standing?.prefix : wanted?.prefix
    if (order <= 0) index += 1
    if (order >= 0) row += 1
    if (steps % entriesBetween === 0) {
      listings.insertEntries(listId, inserted.splice(0), options.now)
      if (performance.now() >= deadline) {
        return {
          progress: { chunk, after, added, removed, kept, isDone: false },
          replaced,
        }
      }
    }
  }
  listings.insertEntries(listId, inserted, options.now)
  return { progress: { chunk, after, added, removed, kept, isDone: true }, replaced }
}

/** Where the entries after this prefix begin; entries may have been withdrawn since the step before. */
function indexAfter(entries: readonly ListEntry[], after: Prefix): number {
  const index = entries.findIndex(({ prefix }) => comparePrefixes(prefix, after) > 0)
  return index < 0 ? entries.length : index
}
