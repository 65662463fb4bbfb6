// The lines of a list → the entries that the list then has, by what the interface says: lines of one prefix are one entry,
// and a hole takes its addresses out of what encloses it and leaves what is listed inside it.
import { contains, formatPrefix, overlaps, type Prefix } from '../../../src/ip/address.ts'
import { never, same } from './naive-zone.ts'

export interface Line {
  readonly prefix: Prefix
  /** null: a hole. Epoch seconds; null there: permanent. */
  readonly attributes: {
    readonly kinds: number
    readonly reason: string | null
    readonly expiresAt: number | null
  } | null
}

export interface Wanted {
  readonly prefix: Prefix
  readonly kinds: number
  readonly reason: string | null
  readonly expiresAt: number
}

/** Each prefix once, in address order, IPv4 first, an enclosing prefix before what is inside it. */
export function entriesOf(lines: readonly Line[]): Wanted[] {
  const holes = lines.filter(({ attributes }) => attributes === null).map(({ prefix }) => prefix)
  const items = new Map<string, Wanted>()
  for (const { prefix, attributes } of lines) {
    if (attributes === null || holes.some((hole) => same(hole, prefix))) continue
    const known = items.get(formatPrefix(prefix))
    items.set(formatPrefix(prefix), {
      prefix,
      kinds: (known?.kinds ?? 0) | attributes.kinds,
      reason: known?.reason ?? attributes.reason,
      expiresAt: Math.max(known?.expiresAt ?? 0, attributes.expiresAt ?? never),
    })
  }
  const pieces = new Map<string, Wanted>()
  // Of a prefix that comes of several, the longest decides.
  for (const item of [...items.values()].sort((a, b) => a.prefix.length - b.prefix.length)) {
    const inside = holes.filter((hole) => contains(item.prefix, hole))
    for (const prefix of without(item.prefix, inside)) {
      pieces.set(formatPrefix(prefix), { ...item, prefix })
    }
  }
  return [...pieces.values()].sort((a, b) => compare(a.prefix, b.prefix))
}

/** The largest prefixes that together are this one without the holes. */
function without(prefix: Prefix, holes: readonly Prefix[]): Prefix[] {
  const inside = holes.filter((hole) => overlaps(hole, prefix))
  if (inside.length === 0) return [prefix]
  if (inside.some((hole) => contains(hole, prefix))) return []
  return halves(prefix).flatMap((half) => without(half, inside))
}

function halves(prefix: Prefix): Prefix[] {
  const words = [prefix.w0, prefix.w1, prefix.w2, prefix.w3]
  const word = prefix.length >> 5
  const high = words.with(word, ((words[word] ?? 0) | (2 ** (31 - (prefix.length & 31)))) >>> 0)
  return [words, high].map(([w0 = 0, w1 = 0, w2 = 0, w3 = 0]) => ({
    ...{ family: prefix.family, w0, w1, w2, w3, length: prefix.length + 1 },
  }))
}

export function compare(a: Prefix, b: Prefix): number {
  const words = (each: Prefix) => [each.family, each.w0, each.w1, each.w2, each.w3, each.length]
  const [left, right] = [words(a), words(b)]
  const at = left.findIndex((word, index) => word !== right[index])
  return at < 0 ? 0 : (left[at] ?? 0) - (right[at] ?? 0)
}
