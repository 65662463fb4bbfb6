// The names of a transferred zone → entries for the tree that answer each full name of an address alike: the reverse of
// blocklist/zone-records.ts. By RFC 4592 a name that exists keeps the wildcards above it away; such holes become exclusions.
// The primary's own exclusions are not told from other holes: only the answers are the same.
import {
  addressBits,
  contains,
  type Family,
  networkOf,
  type Prefix,
  sameAddress,
} from '../ip/address.ts'
import { comparePrefixes } from '../store/packed-entries.ts'

/** A name with records: an address, or the network whose addresses its wildcard answers. */
export interface ListedName {
  /** Ends at the end of a label. */
  readonly prefix: Prefix
  /** Bit n stands for 127.0.0.n. */
  readonly codes: number
  /** The network that the TXT record names is `prefix` cut to this length; the longest such length. */
  readonly networkLength: number
}

/** A listing with its codes; with codes 0 an exclusion. */
export interface MirrorEntry {
  readonly prefix: Prefix
  readonly codes: number
}

/** Bits of a label (RFC 5782 §2.1, §2.4). */
export const labelBits: Readonly<Record<Family, number>> = { 4: 8, 6: 4 }

/**
 * The entries in address order. `names` are in address order, and each is there once. Throws if there are more than `maxEntries`:
 * a name far below a listing can leave hundreds of holes.
 */
export function entriesOf(names: readonly ListedName[], maxEntries: number): MirrorEntry[] {
  const entries = listingsOf(names)
  const emit = (prefix: Prefix): void => {
    if (entries.push({ prefix, codes: 0 }) > maxEntries) {
      throw new Error(`the zone needs more than ${maxEntries} entries`)
    }
  }
  for (const family of [4, 6] as const) {
    const mine = names.filter(({ prefix }) => prefix.family === family)
    const root = { family, w0: 0, w1: 0, w2: 0, w3: 0, length: 0 }
    const isCovered = mine.some(({ networkLength }) => networkLength === 0)
    new Holes(mine, emit).below(root, 0, mine.length, isCovered)
  }
  return entries.sort(byPrefix)
}

/**
 * One listing for each network of a TXT record. Of listings with the same network address and codes, one inside the other, the
 * shortest is enough.
 */
function listingsOf(names: readonly ListedName[]): MirrorEntry[] {
  const all: MirrorEntry[] = names.map((name) =>
    name.networkLength === name.prefix.length
      ? name
      : { prefix: networkOf(name.prefix, name.networkLength), codes: name.codes },
  )
  const listings: MirrorEntry[] = []
  for (const entry of all.sort(byPrefix)) {
    const before = listings.at(-1)
    const isInside = before !== undefined && sameAddress(before.prefix, entry.prefix)
    const isRepeated = isInside && before.prefix.length === entry.prefix.length
    if (isRepeated || (isInside && before.codes === entry.codes)) continue
    listings.push(entry)
  }
  return listings
}

/** Finds what no name answers for, although a listing contains it. */
class Holes {
  readonly #names: readonly ListedName[]
  readonly #emit: (hole: Prefix) => void

  constructor(names: readonly ListedName[], emit: (hole: Prefix) => void) {
    this.#names = names
    this.#emit = emit
  }

  /**
   * The holes in `node`, which ends at a label and exists because of the names from index `from` to `to`. `isCovered`: whether
   * a listing contains the whole node.
   */
  below(node: Prefix, from: number, to: number, isCovered: boolean): void {
    const names = this.#names
    const first = names[from]
    if (first === undefined || from === to) return
    const isAlone = to - from === 1 && first.networkLength === first.prefix.length
    if (isAlone && !isCovered) return
    const bits = labelBits[node.family]
    const length = node.length + bits
    const hasWildcard = first.prefix.length === node.length
    const covered = this.#covered(node, from, to, isCovered)
    const missing = covered.slice()
    for (let at = hasWildcard ? from + 1 : from; at < to; ) {
      const child = networkOf(names[at]?.prefix ?? node, length)
      const end = this.#endOf(child, at, to)
      const label = labelOf(child)
      missing[label] = 0
      if (length < addressBits(node.family)) this.below(child, at, end, covered[label] === 1)
      at = end
    }
    if (!hasWildcard) this.#emitBlocks(node, missing, 0, missing.length)
  }

  /** For each label below the node 1 if a listing contains all of it. */
  #covered(node: Prefix, from: number, to: number, isCovered: boolean): Uint8Array {
    const bits = labelBits[node.family]
    const covered = new Uint8Array(2 ** bits).fill(Number(isCovered))
    for (let at = from; at < to && !isCovered; at++) {
      const name = this.#names[at]
      if (name === undefined || name.networkLength > node.length + bits) continue
      const first = labelOf(
        networkOf(networkOf(name.prefix, name.networkLength), node.length + bits),
      )
      covered.fill(1, first, first + 2 ** (node.length + bits - name.networkLength))
    }
    return covered
  }

  /** The index after the names in `child`, of which `from` is the first. */
  #endOf(child: Prefix, from: number, to: number): number {
    let end = from + 1
    while (end < to && contains(child, this.#names[end]?.prefix ?? child)) end++
    return end
  }

  /** Emits the largest prefixes of labels that are all missing. */
  #emitBlocks(node: Prefix, missing: Uint8Array, from: number, to: number): void {
    const labels = missing.subarray(from, to)
    if (!labels.includes(1)) return
    if (!labels.includes(0)) {
      this.#emit(blockIn(node, from, to - from))
      return
    }
    const middle = (from + to) / 2
    this.#emitBlocks(node, missing, from, middle)
    this.#emitBlocks(node, missing, middle, to)
  }
}

const wordNames = ['w0', 'w1', 'w2', 'w3'] as const

/** The last label of a prefix that ends at a label. */
function labelOf(prefix: Prefix): number {
  const bits = labelBits[prefix.family]
  const start = prefix.length - bits
  return (prefix[wordNames[start >> 5] ?? 'w0'] >>> (32 - bits - (start & 31))) & (2 ** bits - 1)
}

/** The prefix of `count` labels below the node, from `first` on. `count` is a power of two, and `first` a multiple of it. */
function blockIn(node: Prefix, first: number, count: number): Prefix {
  const bits = labelBits[node.family]
  const word = wordNames[node.length >> 5] ?? 'w0'
  const shifted = first << (32 - bits - (node.length & 31))
  return {
    ...node,
    [word]: (node[word] | shifted) >>> 0,
    length: node.length + bits - Math.log2(count),
  }
}

function byPrefix(a: MirrorEntry, b: MirrorEntry): number {
  return comparePrefixes(a.prefix, b.prefix)
}
