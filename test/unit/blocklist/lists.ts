// Named lists put straight into a store, in chunks of any size, for tests of what reads them.
import type { Store } from '../../../src/store/database.ts'
import { comparePrefixes, type ListEntry } from '../../../src/store/packed-entries.ts'
import { prefix, start } from '../../support/door.ts'

/** An entry of no kind that never ends, unless said otherwise. */
export function entry(
  text: string,
  { listedAt = start, ...attributes }: Partial<ListEntry['attributes'] & ListEntry> = {},
): ListEntry {
  const plain = { kinds: 0, reason: null, expiresAt: null }
  return { prefix: prefix(text), attributes: { ...plain, ...attributes }, listedAt }
}

/** A version with these entries, which need not be in order; it is not the list's yet. */
export function writeVersion(
  store: Store,
  name: string,
  entries: readonly ListEntry[],
  chunkSize = 1000,
): { readonly id: number; readonly version: number } {
  const { id } = store.lists.begin(name)
  const version = store.lists.addVersion(id, start)
  const sorted = entries.toSorted((a, b) => comparePrefixes(a.prefix, b.prefix))
  for (const family of [4, 6]) {
    const own = sorted.filter((each) => each.prefix.family === family)
    for (let from = 0; from < own.length; from += chunkSize) {
      store.lists.putChunk(version, own.slice(from, from + chunkSize))
    }
  }
  return { id, version }
}

/** Makes these entries the list, as if DNS had followed at once; says the version. */
export function putList(
  store: Store,
  name: string,
  entries: readonly ListEntry[],
  chunkSize?: number,
): number {
  store.begin()
  const { id, version } = writeVersion(store, name, entries, chunkSize)
  store.lists.setVersion(id, version, version)
  store.commit()
  return version
}

/** Removes an entry by hand. */
export function hide(store: Store, name: string, { prefix: at, attributes, listedAt }: ListEntry) {
  const list = store.lists.named(name)
  if (list?.version == null) throw new Error(`there is no list ${name}`)
  const removed = { prefix: at, ...attributes, createdAt: listedAt }
  store.listings.insertRemoved({ ...removed, listId: list.id, version: list.version }, start + 5, 0)
}
