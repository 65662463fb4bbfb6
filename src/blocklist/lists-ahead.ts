// Lists that are answered from their generation while their rows in listings have yet to follow: those whose takeover
// the last process did not get to the end of. A server then starts with the new list, whole, and the takeover goes on
// beside it. Called by the publisher, and by what reads rows of a prefix.
import { type Address, addressBits, type Family, networkOf, type Prefix } from '../ip/address.ts'
import type { Visit } from '../store/answered-listings.ts'
import type { Store } from '../store/database.ts'
import type { EntryAttributes, Generation } from '../store/generations.ts'
import type { ListingRow } from '../store/listing-rows.ts'
import { isOver, sameAttributes } from './entry-attributes.ts'

/** An entry whose time is over so soon is not answered ahead of its row: nobody would end it in time. */
const soonSeconds = 60

interface ListAhead {
  readonly generation: Generation
  /** Lengths that its entries have, longest first. */
  readonly lengths: Record<Family, readonly number[]>
}

export class ListsAhead {
  readonly #store: Store
  readonly #now: () => number
  #lists: readonly ListAhead[]

  constructor(store: Store, now: () => number) {
    this.#store = store
    this.#now = now
    this.#lists = store.generations
      .all()
      .filter(({ state }) => state === 'taking over')
      .map((generation) => ({ generation, lengths: this.#lengthsOf(generation.id) }))
  }

  get generations(): readonly Generation[] {
    return this.#lists.map(({ generation }) => generation)
  }

  /** The list's rows are what it is from now on. */
  caughtUp({ id }: Generation): void {
    this.#lists = this.#lists.filter(({ generation }) => generation.id !== id)
  }

  /** Visits every entry of one of them that is to be answered, in address order. */
  each({ id }: Generation, visit: Visit): void {
    const until = this.#now() + soonSeconds
    this.#store.generations.each(id, (family, w0, w1, w2, w3, length, attributes) => {
      if (!isOver(attributes, until)) visit(family, w0, w1, w2, w3, length, attributes.kinds)
    })
  }

  /** Inside a transaction: brings the rows of exactly this prefix to what the lists have there. */
  settle(prefix: Prefix): void {
    const { listings } = this.#store
    const now = this.#now()
    for (const { generation } of this.#lists) {
      const wanted = this.#entryAt(generation, prefix, now)
      const row = listings.currentAt(prefix).find(({ list }) => list === generation.list)
      if (row && !wanted) listings.delete(row.id)
      else if (row && wanted && !sameAttributes(row, wanted)) listings.changeEntry(row.id, wanted)
      else if (wanted && !row) {
        listings.insertEntries(generation.listId, [{ prefix, attributes: wanted }], now)
      }
    }
  }

  /** Prefixes of entries around, at and inside this one. For small ranges. */
  prefixesAt(range: Prefix): Prefix[] {
    return this.#lists.flatMap((list) => [
      ...this.#around(list, range, range.length).map(({ prefix }) => prefix),
      ...this.#store.generations.inside(list.generation.id, range),
    ])
  }

  /**
   * The rows around an address as they will be: what `rows` says of these lists, put right. One that is not there yet
   * has the id 0.
   */
  corrected(address: Address, rows: ListingRow[]): ListingRow[] {
    if (this.#lists.length === 0) return rows
    let corrected = rows
    for (const list of this.#lists) {
      const { generation } = list
      const isTheirs = (row: ListingRow) => row.list === generation.list && row.endedAt === null
      const theirs = corrected.filter(isTheirs)
      const wanted = this.#around(list, address, addressBits(address.family))
      corrected = [
        ...corrected.filter((row) => !isTheirs(row)),
        ...wanted.map(({ prefix, attributes }) => ({
          ...(theirs.find((row) => row.prefix.length === prefix.length) ??
            newRow(generation, prefix, this.#now())),
          ...attributes,
        })),
      ]
    }
    return corrected.sort((a, b) => b.prefix.length - a.prefix.length || a.id - b.id)
  }

  #around({ generation, lengths }: ListAhead, inner: Address, longest: number) {
    const now = this.#now()
    return lengths[inner.family].flatMap((length) => {
      if (length > longest) return []
      const prefix = networkOf(inner, length)
      const attributes = this.#entryAt(generation, prefix, now)
      return attributes ? [{ prefix, attributes }] : []
    })
  }

  #entryAt({ id }: Generation, prefix: Prefix, now: number): EntryAttributes | undefined {
    const found = this.#store.generations.find(id, prefix)
    return found && !isOver(found, now) ? found : undefined
  }

  #lengthsOf(id: number): Record<Family, readonly number[]> {
    const found = { 4: new Set<number>(), 6: new Set<number>() }
    this.#store.generations.each(id, (family, _w0, _w1, _w2, _w3, length) => {
      found[family].add(length)
    })
    const longestFirst = (lengths: Set<number>) => [...lengths].sort((a, b) => b - a)
    return { 4: longestFirst(found[4]), 6: longestFirst(found[6]) }
  }
}

function newRow({ list }: Generation, prefix: Prefix, createdAt: number): ListingRow {
  return {
    ...{
      id: 0,
      prefix,
      kinds: 0,
      state: 'listed',
      origin: 'import',
      list,
      reason: null,
      createdAt,
    },
    ...{ lastHitAt: null, expiresAt: null, heldUntil: null, endedAt: null },
    ...{ hits: 0, episode: 1, termSeconds: null },
  }
}
