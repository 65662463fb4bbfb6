// Packs entries of a named list into the octets of one row (chunk) of list_chunks, and reads them. The entries of a chunk have
// the same family and size, so that a binary search works. They are in address order; a prefix comes before those inside it.
// The fields of an entry and their octets:
//
//   [ address, 4 or 16 | length, 1 | number of the label, 2 | listedAt, 4 | expiresAt, 5 (0: permanent) ]
//
// A label is a pair of kinds and reason, which many entries share.
import type { Address, Family, Prefix } from '../ip/address.ts'
import type { Visit } from './prefix-columns.ts'

/** The attributes of an entry. */
export interface EntryAttributes {
  /** A mask: bit i stands for backscatterKinds[i]. */
  readonly kinds: number
  readonly reason: string | null
  /** Epoch seconds; null: permanent. */
  readonly expiresAt: number | null
}

/** Joins the attributes of two entries: all kinds of both, the first reason that is set, and the later end. */
export function joined(a: EntryAttributes, b: EntryAttributes): EntryAttributes {
  const isForEver = a.expiresAt === null || b.expiresAt === null
  return {
    kinds: a.kinds | b.kinds,
    reason: a.reason ?? b.reason,
    expiresAt: isForEver ? null : Math.max(a.expiresAt ?? 0, b.expiresAt ?? 0),
  }
}

export function sameAttributes(a: EntryAttributes, b: EntryAttributes): boolean {
  return a.kinds === b.kinds && a.reason === b.reason && a.expiresAt === b.expiresAt
}

export interface ListEntry {
  readonly prefix: Prefix
  readonly attributes: EntryAttributes
  /** Epoch seconds. The list has had this prefix since then without a break. */
  readonly listedAt: number
}

/** A chunk has at most this many entries, so 16 bits are enough for the number of a label. */
export const chunkEntries = 1000

const addressOctets = { 4: 4, 6: 16 } as const
/** The number of octets of an entry after its address. */
const otherOctets = 12
/** Offsets of the fields from the end of the address. */
const labelAt = 1
const listedAtAt = 3
const expiresAtAt = 7

/** Compares in address order: IPv4 first, and a prefix before those inside it. */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  return (
    a.family - b.family ||
    a.w0 - b.w0 ||
    a.w1 - b.w1 ||
    a.w2 - b.w2 ||
    a.w3 - b.w3 ||
    a.length - b.length
  )
}

/** Converts a prefix to octets that sort in the order of prefixes (within one family). */
export function prefixKey(prefix: Prefix): Uint8Array {
  const octets = new Uint8Array(addressOctets[prefix.family] + 1)
  putPrefix(new DataView(octets.buffer), 0, prefix)
  return octets
}

/** Packs up to `chunkEntries` entries, which must be of one family and in order. Returns the labels as JSON. */
export function packEntries(entries: readonly ListEntry[]): {
  readonly octets: Uint8Array
  readonly labels: string
} {
  const family = entries[0]?.prefix.family ?? 4
  const size = addressOctets[family] + otherOctets
  const octets = new Uint8Array(entries.length * size)
  const view = new DataView(octets.buffer)
  const known = new Map<EntryAttributes, number>()
  const numbers = new Map<string, number>()
  for (const [index, { prefix, attributes, listedAt }] of entries.entries()) {
    const { kinds, reason, expiresAt } = attributes
    let number = known.get(attributes)
    if (number === undefined) {
      const text = JSON.stringify({ kinds, reason })
      number = numbers.get(text) ?? numbers.size
      numbers.set(text, number)
      known.set(attributes, number)
    }
    const at = index * size + addressOctets[family]
    putPrefix(view, index * size, prefix)
    view.setUint16(at + labelAt, number)
    view.setUint32(at + listedAtAt, listedAt)
    // Five octets, since four are not enough after 2106.
    view.setUint8(at + expiresAtAt, Math.floor((expiresAt ?? 0) / 2 ** 32))
    view.setUint32(at + expiresAtAt + 1, (expiresAt ?? 0) % 2 ** 32)
  }
  return { octets, labels: `[${[...numbers.keys()].join(',')}]` }
}

/** Reads packed entries without unpacking them all. */
export class PackedEntries {
  readonly family: Family
  readonly count: number
  readonly #view: DataView
  readonly #size: number
  /** The labels as attributes; their `expiresAt` is null. */
  readonly #labels: readonly EntryAttributes[]

  constructor(family: Family, octets: Uint8Array, labels: string) {
    this.family = family
    this.#size = addressOctets[family] + otherOctets
    this.count = octets.byteLength / this.#size
    this.#view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength)
    const known = JSON.parse(labels) as Pick<EntryAttributes, 'kinds' | 'reason'>[]
    this.#labels = known.map(({ kinds, reason }) => ({ kinds, reason, expiresAt: null }))
  }

  prefixAt(index: number): Prefix {
    const view = this.#view
    const at = index * this.#size
    const w0 = view.getUint32(at)
    if (this.family === 4) {
      return { family: 4, w0, w1: 0, w2: 0, w3: 0, length: view.getUint8(at + 4) }
    }
    return {
      family: 6,
      w0,
      w1: view.getUint32(at + 4),
      w2: view.getUint32(at + 8),
      w3: view.getUint32(at + 12),
      length: view.getUint8(at + 16),
    }
  }

  lengthAt(index: number): number {
    return this.#view.getUint8(this.#endOfAddress(index))
  }

  kindsAt(index: number): number {
    return this.#label(index).kinds
  }

  /** Epoch seconds; null: permanent. */
  expiryAt(index: number): number | null {
    const at = this.#endOfAddress(index) + expiresAtAt
    return this.#view.getUint8(at) * 2 ** 32 + this.#view.getUint32(at + 1) || null
  }

  isOverAt(index: number, now: number): boolean {
    const expiresAt = this.expiryAt(index)
    return expiresAt !== null && expiresAt <= now
  }

  entryAt(index: number): ListEntry {
    const listedAt = this.#view.getUint32(this.#endOfAddress(index) + listedAtAt)
    const label = this.#label(index)
    const expiresAt = this.expiryAt(index)
    // Permanent entries with the same label share one object, so that their attributes compare quickly.
    const attributes = expiresAt === null ? label : { ...label, expiresAt }
    return { prefix: this.prefixAt(index), attributes, listedAt }
  }

  /** Visits every entry that is neither expired nor hidden, in order. */
  eachListed(now: number, isHidden: ((prefix: Prefix) => boolean) | undefined, visit: Visit): void {
    const view = this.#view
    const isLong = this.family === 6
    for (let index = 0, at = 0; index < this.count; index++, at += this.#size) {
      const kinds = this.kindsAt(index)
      if (this.isOverAt(index, now) || isHidden?.(this.prefixAt(index))) continue
      const w0 = view.getUint32(at)
      if (isLong) {
        const w1 = view.getUint32(at + 4)
        const w2 = view.getUint32(at + 8)
        const w3 = view.getUint32(at + 12)
        visit(6, w0, w1, w2, w3, view.getUint8(at + 16), kinds)
      } else visit(4, w0, 0, 0, 0, view.getUint8(at + 4), kinds)
    }
  }

  /** The index of the last entry that is not after the prefix; -1 if all are after it. */
  lastUpTo(prefix: Prefix): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#compare(middle, prefix) <= 0) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** The index of the entry of exactly this prefix; -1 if there is none. */
  indexOf(prefix: Prefix): number {
    const index = this.lastUpTo(prefix)
    return index >= 0 && this.#compare(index, prefix) === 0 ? index : -1
  }

  /** Whether the prefix lies between the first and the last entry, inclusive. */
  spans(prefix: Prefix): boolean {
    const last = this.count - 1
    return last >= 0 && this.#compare(0, prefix) <= 0 && this.#compare(last, prefix) >= 0
  }

  /** The first time after `now` at which an entry expires; null if none does. */
  nextExpiry(now: number): number | null {
    let next: number | null = null
    for (let index = 0; index < this.count; index++) {
      const expiresAt = this.expiryAt(index)
      if (expiresAt !== null && expiresAt > now && (next === null || expiresAt < next)) {
        next = expiresAt
      }
    }
    return next
  }

  #label(index: number): EntryAttributes {
    const label = this.#labels[this.#view.getUint16(this.#endOfAddress(index) + labelAt)]
    if (!label) throw new Error('a list names a label that it does not have')
    return label
  }

  #endOfAddress(index: number): number {
    return index * this.#size + addressOctets[this.family]
  }

  #compare(index: number, prefix: Prefix): number {
    const view = this.#view
    const at = index * this.#size
    const first = view.getUint32(at) - prefix.w0
    if (first !== 0 || this.family === 4) return first || view.getUint8(at + 4) - prefix.length
    return (
      view.getUint32(at + 4) - prefix.w1 ||
      view.getUint32(at + 8) - prefix.w2 ||
      view.getUint32(at + 12) - prefix.w3 ||
      view.getUint8(at + 16) - prefix.length
    )
  }
}

/** Writes address and length. */
function putPrefix(view: DataView, at: number, prefix: Prefix): void {
  view.setUint32(at, prefix.w0)
  if (prefix.family === 6) {
    view.setUint32(at + 4, prefix.w1)
    view.setUint32(at + 8, prefix.w2)
    view.setUint32(at + 12, prefix.w3)
  }
  view.setUint8(at + addressOctets[prefix.family], prefix.length)
}

/** The number of leading bits that two addresses of one family have in common. If they are equal: 128, for IPv4 too. */
export function commonBits(a: Address, b: Address): number {
  for (const [index, word] of (['w0', 'w1', 'w2', 'w3'] as const).entries()) {
    const differing = a[word] ^ b[word]
    if (differing !== 0) return 32 * index + Math.clz32(differing)
  }
  return 128
}
