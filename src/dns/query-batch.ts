// The queries of a batch that are of the usual kind (fast-path.ts). They are read before the first one is answered, so that the
// tree can prefetch for all of them together.
import { EntryName } from './entry-name.ts'
import { readUsualQuery } from './fast-path.ts'
import type { FoldedName } from './name.ts'
import { Query } from './query.ts'
import { headerLength, type Octets } from './wire.ts'

/** What readUsualQuery found in a query. */
export interface ReadQuery {
  readonly query: Query
  readonly entry: EntryName
}

export class QueryBatch {
  readonly queries: readonly ReadQuery[]
  /** For each query, what readUsualQuery returned: the family of the address in the question, or 0. */
  readonly families: Uint8Array
  /** Two words for each address: an IPv4 address and 0, or the first two words of an IPv6 address. */
  readonly words: Int32Array
  readonly #origin: FoldedName

  /** @param size the most queries in a batch */
  constructor(size: number, origin: FoldedName) {
    this.queries = Array.from({ length: size }, () => ({
      query: new Query(),
      entry: new EntryName(),
    }))
    this.families = new Uint8Array(size)
    this.words = new Int32Array(size * 2)
    this.#origin = origin
  }

  /** Reads the query of `length` octets and stores it at `batchIndex`. `octets` must not change until the query is answered. */
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
