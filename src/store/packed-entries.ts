// Entries of a list ↔ octets and JSON, as one row of a generation keeps some thousand of them. Called by
// generations.ts.
import type { Family, Prefix } from '../ip/address.ts'
import type { EntryAttributes, ListEntry } from './generations.ts'

/** Octets of an entry: family, length, number of its attributes (16 bits), then one or four words. */
const packedSize = { 4: 8, 6: 20 } as const

export function packEntries(entries: readonly ListEntry[]): {
  packed: Uint8Array
  attributes: string
} {
  const numbers = new Map<EntryAttributes, number>()
  const size = entries.reduce((sum, { prefix }) => sum + packedSize[prefix.family], 0)
  const packed = new Uint8Array(size)
  const view = new DataView(packed.buffer)
  let at = 0
  for (const { prefix, attributes } of entries) {
    let number = numbers.get(attributes)
    if (number === undefined) {
      number = numbers.size
      numbers.set(attributes, number)
    }
    view.setUint8(at, prefix.family)
    view.setUint8(at + 1, prefix.length)
    view.setUint16(at + 2, number)
    view.setUint32(at + 4, prefix.w0)
    if (prefix.family === 6) {
      view.setUint32(at + 8, prefix.w1)
      view.setUint32(at + 12, prefix.w2)
      view.setUint32(at + 16, prefix.w3)
    }
    at += packedSize[prefix.family]
  }
  return { packed, attributes: JSON.stringify([...numbers.keys()]) }
}

export function unpackEntries(packed: Uint8Array, attributes: string): ListEntry[] {
  const entries: ListEntry[] = []
  eachPacked(packed, attributes, (family, w0, w1, w2, w3, length, of) => {
    entries.push({ prefix: { family, w0, w1, w2, w3, length }, attributes: of })
  })
  return entries
}

/** Takes one entry. */
export type VisitEntry = (
  family: Family,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  length: number,
  attributes: EntryAttributes,
) => void

/** As `unpackEntries`, without an object for each. */
export function eachPacked(packed: Uint8Array, attributes: string, visit: VisitEntry): void {
  const known = JSON.parse(attributes) as EntryAttributes[]
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  for (let at = 0; at < packed.byteLength; ) {
    const { family, w0, w1, w2, w3, length } = prefixAt(view, at)
    const of = known[view.getUint16(at + 2)]
    if (!of) throw new Error('a generation names attributes that it does not have')
    visit(family, w0, w1, w2, w3, length, of)
    at += packedSize[family]
  }
}

/** What exactly this prefix has; undefined: it is not there. */
export function findPacked(
  packed: Uint8Array,
  attributes: string,
  prefix: Prefix,
): EntryAttributes | undefined {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  for (let at = 0; at < packed.byteLength; at += packedSize[view.getUint8(at) as Family]) {
    // Nearly all others end at this.
    if (view.getUint32(at + 4) !== prefix.w0) continue
    const { family, w1, w2, w3, length } = prefixAt(view, at)
    if (family !== prefix.family || length !== prefix.length) continue
    if (w1 !== prefix.w1 || w2 !== prefix.w2 || w3 !== prefix.w3) continue
    return (JSON.parse(attributes) as EntryAttributes[])[view.getUint16(at + 2)]
  }
  return undefined
}

/** The prefix of the first entry, if there is one. */
export function firstPacked(packed: Uint8Array): Prefix | undefined {
  if (packed.byteLength === 0) return undefined
  return prefixAt(new DataView(packed.buffer, packed.byteOffset, packed.byteLength), 0)
}

function prefixAt(view: DataView, at: number): Prefix {
  const family = view.getUint8(at) as Family
  const isLong = family === 6
  return {
    family,
    w0: view.getUint32(at + 4),
    w1: isLong ? view.getUint32(at + 8) : 0,
    w2: isLong ? view.getUint32(at + 12) : 0,
    w3: isLong ? view.getUint32(at + 16) : 0,
    length: view.getUint8(at + 1),
  }
}
