// The zone's entries in address order → owner names of records, for name servers that know only names. A prefix becomes
// wildcards and explicit names (RFC 4592), so that every full name of an address gets the answer that our own server gives.
// IPv4 and IPv6 share the zone: a wildcard below digits of 0 to 9 alone would also answer names of the other family.
import { type Address, contains, type Family, networkOf, type Prefix } from '../ip/address.ts'
import { comparePrefixes } from '../store/packed-entries.ts'
import type { Export } from './types.ts'
import { neverListed, testEntries } from './zone-entry.ts'

/** A listing with the mask of its answered kinds, or a hole: an excluded or exempt prefix. */
export interface ZoneItem {
  readonly prefix: Prefix
  /** null: a hole. */
  readonly kinds: number | null
  /** The network of the listing, if it is larger than the prefix. */
  readonly network?: Address
}

/** The records at one name: an A record for each kind, and the TXT record that names `network`. */
export interface NamedAnswer {
  /** Relative to the origin, such as "7.2.0.192" or "*.51.198". */
  readonly owner: string
  readonly kinds: number
  /** The network address of the entry that decides. */
  readonly network: Address
}

interface Listed {
  readonly kinds: number
  readonly network: Address
}

/** Bits of a label, and labels of a full name: RFC 5782 §2.1 and §2.4. */
export const labelsOf = { 4: { bits: 8, count: 4 }, 6: { bits: 4, count: 32 } } as const
/** An IPv4 name has no more labels than this, so a wildcard below as many labels answers no IPv4 name. */
const labelsOfBoth = 4
/** A prefix may become thousands of names; a page has about so many. */
const pageNames = 2000
const wordNames = ['w0', 'w1', 'w2', 'w3'] as const

/** The names of everything in an export, and of the test entries unless the zone is retired. A page may be empty. */
export function* answerPages(list: Export): Generator<readonly NamedAnswer[]> {
  let page: NamedAnswer[] = []
  const records = new ZoneRecords((answer) => page.push(answer))
  const waiting = fixedItems(list).toSorted((a, b) => comparePrefixes(b.prefix, a.prefix))
  for (const entries of list.pages) {
    for (const { prefix, attributes } of entries) {
      for (let next = waiting.at(-1); next && comparePrefixes(next.prefix, prefix) < 0; ) {
        records.add(next)
        waiting.pop()
        next = waiting.at(-1)
      }
      records.add({ prefix, kinds: attributes.kinds & list.zoneKinds })
      if (page.length < pageNames) continue
      yield page
      page = []
    }
    yield page
    page = []
  }
  for (const item of waiting.reverse()) records.add(item)
  records.end()
  yield page
}

function fixedItems({ holes, isRetired }: Export): ZoneItem[] {
  if (isRetired) return []
  const hidden = [...holes, ...neverListed].map((prefix) => ({ prefix, kinds: null }))
  // At one prefix the last item decides, and `answerPages` takes them from the end: no exception hides a test entry.
  return [...testEntries, ...hidden]
}

/** A name and the names one label below it. */
interface Node {
  readonly prefix: Prefix
  /** What answers for the whole prefix where nothing longer does; null: nothing. */
  whole: Listed | null
  /** The same for names below, by label, where it is not `whole`. */
  readonly below: Map<number, Listed | null>
  /** Names below that have a node of their own; true if it has records. */
  readonly nodes: Map<number, boolean>
}

/**
 * Takes the items in address order, IPv4 first, shorter prefixes before longer ones. Calls `emit` for each name; the names
 * come in no particular order. Call `end` after the last item. Holds one node for each label of the current name.
 */
export class ZoneRecords {
  readonly #emit: (answer: NamedAnswer) => void
  readonly #path: Node[] = []

  constructor(emit: (answer: NamedAnswer) => void) {
    this.#emit = emit
  }

  add({ prefix, kinds, network = prefix }: ZoneItem): void {
    const { bits } = labelsOf[prefix.family]
    for (let node = this.#path.at(-1); node && !contains(node.prefix, prefix); ) {
      this.#close()
      node = this.#path.at(-1)
    }
    if (this.#path.length === 0) {
      this.#path.push(nodeOf(networkOf(prefix, 0), null))
    }
    let node = this.#path.at(-1)
    while (node && prefix.length > node.prefix.length + bits) {
      const below = networkOf(prefix, node.prefix.length + bits)
      node = nodeOf(below, wholeBelow(node, labelAt(below, node.prefix.length)))
      this.#path.push(node)
    }
    if (!node) return
    const listed = kinds === null ? null : { kinds, network }
    if (prefix.length === node.prefix.length) node.whole = listed
    const first = labelAt(prefix, node.prefix.length)
    const count = 2 ** (node.prefix.length + bits - prefix.length)
    for (let label = first; label < first + count; label++) node.below.set(label, listed)
  }

  end(): void {
    while (this.#path.length > 0) this.#close()
  }

  /** Emits the records of the last node, and takes it off the path. */
  #close(): void {
    const node = this.#path.pop()
    if (!node) return
    const { prefix, whole, below, nodes } = node
    // Most nodes have few names below.
    const labels =
      whole === null
        ? new Set([...below.keys(), ...nodes.keys()])
        : Array.from({ length: 2 ** labelsOf[prefix.family].bits }, (_, label) => label)
    let hasRecords = false
    let isFull = true
    for (const label of labels) {
      const isThere = nodes.get(label) ?? wholeBelow(node, label) !== null
      if (isThere) hasRecords = true
      else isFull = false
    }
    // A name that has nothing must not exist: a wildcard beside it would answer for it.
    const isWildcard = whole !== null && isFull && mayBeWildcard(prefix)
    if (isWildcard) this.#emitAt(`*.${ownerOf(prefix)}`, whole)
    for (const label of labels) {
      const listed = wholeBelow(node, label)
      if (nodes.has(label) || listed === null || (isWildcard && listed === whole)) continue
      this.#emitWhole(belowPrefix(prefix, label), listed)
    }
    const parent = this.#path.at(-1)
    parent?.nodes.set(labelAt(prefix, parent.prefix.length), hasRecords)
  }

  /** Emits the records of a prefix, of whole labels, that is answered alike everywhere. */
  #emitWhole(prefix: Prefix, listed: Listed): void {
    const { bits, count } = labelsOf[prefix.family]
    if (prefix.length === bits * count) this.#emitAt(ownerOf(prefix), listed)
    else if (mayBeWildcard(prefix)) this.#emitAt(`*.${ownerOf(prefix)}`, listed)
    else {
      for (let label = 0; label < 2 ** bits; label++) {
        this.#emitWhole(belowPrefix(prefix, label), listed)
      }
    }
  }

  #emitAt(owner: string, { kinds, network }: Listed): void {
    this.#emit({ owner, kinds, network })
  }
}

function nodeOf(prefix: Prefix, whole: Listed | null): Node {
  return { prefix, whole, below: new Map(), nodes: new Map() }
}

function wholeBelow({ below, whole }: Node, label: number): Listed | null {
  const listed = below.get(label)
  return listed === undefined ? whole : listed
}

/** Whether a wildcard directly below this name answers only names of the prefix's own family. */
function mayBeWildcard({ family, ...prefix }: Prefix): boolean {
  const labels = labelsIn({ family, ...prefix })
  if (labels.length === 0) return false
  return labels.some((label) => label > 9) || (family === 6 && labels.length >= labelsOfBoth)
}

function ownerOf(prefix: Prefix): string {
  const radix = prefix.family === 4 ? 10 : 16
  return labelsIn(prefix)
    .reverse()
    .map((label) => label.toString(radix))
    .join('.')
}

/** The labels of the prefix, which ends at the end of one; the most significant first. */
function labelsIn(prefix: Prefix): number[] {
  const { bits } = labelsOf[prefix.family]
  return Array.from({ length: prefix.length / bits }, (_, index) => labelAt(prefix, index * bits))
}

/** The label that begins at this bit. */
function labelAt(address: Address, bit: number): number {
  const { bits } = labelsOf[address.family as Family]
  const word = address[wordNames[bit >> 5] ?? 'w0']
  return (word >>> (32 - bits - (bit & 31))) & (2 ** bits - 1)
}

/** The prefix one label longer, with this label. */
function belowPrefix(prefix: Prefix, label: number): Prefix {
  const { bits } = labelsOf[prefix.family]
  const word = wordNames[prefix.length >> 5] ?? 'w0'
  const shifted = label << (32 - bits - (prefix.length & 31))
  return { ...prefix, [word]: (prefix[word] | shifted) >>> 0, length: prefix.length + bits }
}
