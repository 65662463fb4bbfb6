// Exclusions that a list brings along ("10.0.0.0/24, but not 10.0.0.5") → the prefixes that are left: a hole is this
// list's own and takes nothing from another. The longest match decides, as in rbldnsd: what is listed inside a hole
// stays listed.
import { contains, type Prefix } from '../ip/address.ts'
import { comparePrefixes, type EntryAttributes } from '../store/packed-entries.ts'
import { halves } from './test-entries.ts'

/** An entry as a list's file has it. */
export interface WantedEntry {
  readonly prefix: Prefix
  readonly attributes: EntryAttributes
}

export interface ListItem {
  readonly prefix: Prefix
  /** null: a hole. */
  readonly attributes: EntryAttributes | null
}

/** Each prefix once, in address order, enclosing ones first; so are the entries that come out. */
export function* withoutHoles(items: Iterable<ListItem>): Generator<WantedEntry> {
  let group: ListItem[] = []
  let hasHole = false
  for (const item of items) {
    const outer = group[0]
    if (outer && contains(outer.prefix, item.prefix)) {
      group.push(item)
      hasHole ||= item.attributes === null
      continue
    }
    yield* carved(group, hasHole)
    // A hole in nothing is no hole.
    group = item.attributes === null ? [] : [item]
    hasHole = false
  }
  yield* carved(group, hasHole)
}

/** `group`: a listed prefix and everything inside it. */
function* carved(group: readonly ListItem[], hasHole: boolean): Generator<WantedEntry> {
  if (!hasHole) {
    for (const { prefix, attributes } of group) if (attributes) yield { prefix, attributes }
    return
  }
  const entries: WantedEntry[] = []
  carve(group, 0, entries)
  yield* entries.sort((a, b) => comparePrefixes(a.prefix, b.prefix))
}

/**
 * Adds what is left of the item at `index` and of everything inside it. `end`: the first item that is not inside it.
 * `isCut`: it is a hole or has one, so that what encloses it must leave it out.
 */
function carve(
  items: readonly ListItem[],
  index: number,
  entries: WantedEntry[],
): { end: number; isCut: boolean } {
  const item = items[index]
  if (!item) return { end: index, isCut: false }
  const cuts: Prefix[] = []
  const whole: Prefix[] = []
  let end = index + 1
  for (let inner = items[end]; inner && contains(item.prefix, inner.prefix); inner = items[end]) {
    const result = carve(items, end, entries)
    if (result.isCut) cuts.push(inner.prefix)
    else whole.push(inner.prefix)
    end = result.end
  }
  if (item.attributes === null) return { end, isCut: true }
  const { attributes } = item
  // Where a piece is a prefix that is listed by itself, that one decides.
  for (const prefix of cuts.length > 0 ? without(item.prefix, cuts) : [item.prefix]) {
    if (whole.some((each) => comparePrefixes(each, prefix) === 0)) continue
    entries.push({ prefix, attributes })
  }
  return { end, isCut: cuts.length > 0 }
}

/** The largest prefixes that together are `prefix` without those inside it. */
function without(prefix: Prefix, cuts: readonly Prefix[]): Prefix[] {
  const inside = cuts.filter((cut) => contains(prefix, cut))
  if (inside.length === 0) return [prefix]
  if (inside.some((cut) => cut.length === prefix.length)) return []
  return halves(prefix).flatMap((half) => without(half, inside))
}
