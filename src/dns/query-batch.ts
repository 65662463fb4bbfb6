// The usual queries of a batch, read before the first of them is answered: what each asks for can then be brought into
// the processor's cache for all at once. nameserver/ has them read, and says which one respond.ts answers next.
import { EntryName } from './entry-name.ts'
import { readUsualQuery } from './fast-path.ts'
import { type FoldedName, foldName } from './name.ts'
import { Query } from './query.ts'
import { headerLength, type Octets } from './wire.ts'

export class QueriesAhead {
  /** The place of the query that is answered next; -1: it has not been read here. */
  place = -1
  /** Of the query at each place what readUsualQuery answered: the family of the address asked for, or 0. */
  readonly families: Uint8Array
  /** Two words of each address: of IPv4 the one and 0, of IPv6 the first two. */
  readonly words: Int32Array
  readonly queries: readonly Query[]
  readonly entries: readonly EntryName[]
  readonly #origin: FoldedName

  /**
   * @param places how many queries there can be
   * @param origin the zone's, in wire form
   */
  constructor(places: number, origin: Uint8Array) {
    this.families = new Uint8Array(places)
    this.words = new Int32Array(places * 2)
    this.queries = Array.from({ length: places }, () => new Query())
    this.entries = Array.from({ length: places }, () => new EntryName())
    this.#origin = foldName(origin)
  }

  /** Reads the query of `length` octets for `place`. Until it is answered it stays as it is. */
  read(octets: Octets, length: number, place: number): void {
    const entry = this.entries[place]!
    const family =
      length < headerLength
        ? 0
        : readUsualQuery(octets, length, this.#origin, this.queries[place]!, entry)
    this.families[place] = family
    if (family === 0) return
    this.words[place * 2] = family === 4 ? entry.ipv4 : entry.ipv6[0]!
    this.words[place * 2 + 1] = family === 4 ? 0 : entry.ipv6[1]!
  }
}
