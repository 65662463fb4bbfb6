// Whether an import takes away what nobody meant to lose: all of a list, or most of one that is not small. A file that
// was cut off, or is another one, looks like this.
import { setImmediate } from 'node:timers/promises'
import type { Store } from '../store/database.ts'
import { comparePrefixes, type ListEntry } from '../store/generations.ts'
import type { Refusal } from './outcomes.ts'

/** A list of so many entries may lose any number of them, but not all. */
const smallList = 100
/** Rows of the list read at once: some milliseconds. */
const pageRows = 1000

/** The refusal of an import that leaves the list with these entries, all in address order; undefined: it may go on. */
export async function refuseLoss(
  store: Store,
  list: string,
  entries: Iterable<ListEntry>,
): Promise<Refusal | undefined> {
  const standing = store.generations.size(list)
  const walk = entries[Symbol.iterator]()
  let wanted = walk.next()
  if (wanted.done) {
    const all = standing === 0 ? '' : `, and all ${standing} entries of list ${list} would go`
    return unforced(`the import is empty${all}`)
  }
  const listId = store.listings.listId(list)
  if (standing <= smallList || listId === undefined) return undefined
  let kept = 0
  let rows = store.generations.standing(listId, undefined, pageRows)
  while (rows.length > 0) {
    for (const { prefix } of rows) {
      while (!wanted.done && comparePrefixes(wanted.value.prefix, prefix) < 0) wanted = walk.next()
      if (!wanted.done && comparePrefixes(wanted.value.prefix, prefix) === 0) kept += 1
    }
    if (2 * kept >= standing) return undefined
    await setImmediate()
    rows = store.generations.standing(listId, rows.at(-1)?.prefix, pageRows)
  }
  return unforced(`${standing - kept} of the ${standing} entries of list ${list} would go`)
}

function unforced(why: string): Refusal {
  return { refused: 'loss', why: `nothing was changed: ${why}; force it if that is meant` }
}
