// The usual queries of a batch, read before the first of them is answered, so that the tree can be read ahead for all of
// them together.
import { EntryName } from './entry-name.ts'
import { readUsualQuery } from './fast-path.ts'
import type { FoldedName } from './name.ts'
import { Query } from './query.ts'
import { headerLength, type Octets } from './wire.ts'

/** One query as it was read. */
export interface ReadQuery {
  readonly query: Query
  readonly entry: EntryName
}

export class QueryBatch {
  readonly queries: readonly ReadQuery[]
  /** For each query what readUsualQuery answered: the family of the address asked for, or 0. */
  readonly families: Uint8Array
  /** Two words of each address: of IPv4 the one and 0, of IPv6 the first two. */
  readonly words: Int32Array
  readonly #origin: FoldedName

  /** @param size most queries of a batch */
  constructor(size: number, origin: FoldedName) {
    this.queries = Array.from({ length: size }, () => ({
      query: new Query(),
      entry: new EntryName(),
    }))
    this.families = new Uint8Array(size)
    this.words = new Int32Array(size * 2)
    this.#origin = origin
  }

  /** Reads the query of `length` octets as the one at `batchIndex`. Its octets must stay until it is answered. */
  read(octets: Octets, length: number, batchIndex: number): void {
    const { query, entry } = this.queries[batchIndex]!
    const family =
      length < headerLength ? 0 : readUsualQuery(octets, length, this.#origin, query, entry)
    this.families[batchIndex] = family
    if (family === 0) return
    this.words[batchIndex * 2] = family === 4 ? entry.ipv4 : entry.ipv6[0]!
    this.words[batchIndex * 2 + 1] = family === 4 ? 0 : entry.ipv6[1]!
  }
}
