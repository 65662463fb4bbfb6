// Whether a whole list fits, on the disk and in the shared tree, before anything of it is written. Called by
// blocklist/import.ts.
import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { OperationalError } from '../errors.ts'
import { formatSize } from '../quantity.ts'
import type { Store } from '../store/database.ts'
import type { ListEntry } from '../store/generations.ts'
import { entryKinds } from '../tree/layout.ts'
import { TreeWriter } from '../tree/writer.ts'

/** Of the database, for an entry that is new. */
const diskBytesPerEntry = 140
/** Of the log that goes before it, for each entry at first and in all at most. */
const logBytesPerEntry = 200
const largestLogBytes = 96 * 1024 ** 2

/**
 * Octets of the tree for each entry of the worst: a /128 in each /64 takes 34, random ones of all lengths 27. Random IPv4
 * addresses take 5 to 12, as their leaves are fuller or not, so where this does not fit the tree is built to see.
 */
const worstEntryBytes = 40
/** Part of the tree that may be in use: an eighth stays free (publish.ts), and a list on its way leaves pieces. */
const usableShare = 3 / 4
/** Entries staged without a pause: some milliseconds. */
const entriesWithoutPause = 4096

/** An import that filled the disk would stop all else from being written as well. Throws 'disk-too-small'. */
export function requireDisk(store: Store, list: string, entries: number): void {
  const growth = entries - store.generations.size(list)
  const { bavail, bsize } = statfsSync(dirname(store.path))
  const needed =
    Math.max(growth, 0) * diskBytesPerEntry + Math.min(entries * logBytesPerEntry, largestLogBytes)
  if (bavail * bsize >= needed) return
  const told = `no room for ${entries} entries on the disk: they take some ${Math.ceil(needed / 1e6)} MB`
  throw new OperationalError('disk-too-small', `${told} beside ${store.path}`, { told })
}

/** A list on its way into the tree. */
export interface ListForTree {
  readonly list: string
  readonly count: number
  /** In address order, as often as they are asked for. */
  entries(): Iterable<ListEntry>
}

/**
 * Throws OperationalError 'capacity-reached' where the list, in place of what it held and beside everything else, does
 * not fit the tree. `standing`: entries in the tree now. Where it may be close, it is tried on a tree that is thrown
 * away: half a second for a million entries, what others listed without a pause.
 */
export async function requireTreeRoom(
  tree: TreeWriter,
  store: Store,
  wanted: ListForTree,
  standing: number,
): Promise<void> {
  const { capacityBytes } = tree.stats()
  const usable = Math.floor(capacityBytes * usableShare)
  if ((standing + wanted.count) * worstEntryBytes <= usable) return
  let staged = 0
  let others = 0
  try {
    const trial = TreeWriter.create({ capacityBytes: usable })
    const answer = trial.internAnswer(1)
    const { listing } = entryKinds
    const listId = store.listings.listId(wanted.list)
    store.listings.eachAnswered(
      (family, w0, w1, w2, w3, length) => {
        trial.set(family, w0, w1, w2, w3, length, listing, answer)
        others += 1
      },
      listId === undefined ? [] : [listId],
    )
    for (const { prefix } of wanted.entries()) {
      const { family, w0, w1, w2, w3, length } = prefix
      trial.set(family, w0, w1, w2, w3, length, listing, answer)
      if (++staged % entriesWithoutPause === 0) await setImmediate()
    }
  } catch (error) {
    if (!(error instanceof OperationalError && error.code === 'capacity-reached')) throw error
    const beside = others > 0 ? ` beside ${others} others` : ''
    const told = `no room for ${wanted.count} entries${beside} in the shared tree of ${formatSize(capacityBytes)}, which is full with ${staged} of them: raise dns.capacity`
    throw new OperationalError('capacity-reached', told, { told, cause: error })
  }
}
