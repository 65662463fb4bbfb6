// What DNS answers and an export holds, by what the interface says, in the plainest way: a look at everything for every
// answer. Nothing of the product is asked but what addresses are and which number a kind has.
import { backscatterKinds } from '../../../src/classify/kinds.ts'
import {
  type Address,
  addressBits,
  contains,
  formatPrefix,
  hostPrefix,
  networkOf,
  type Prefix,
  parsePrefix,
} from '../../../src/ip/address.ts'

export interface Row {
  readonly prefix: Prefix
  readonly origin: 'trap' | 'manual'
  readonly createdAt: number
  /** Mask. */
  kinds: number
  reason: string | null
  state: 'listed' | 'held' | 'shadow' | 'expired' | 'removed'
  /** `never`: permanent. */
  expiresAt: number
  heldUntil: number
  lastHitAt: number
  episode: number
}

export interface Entry {
  readonly prefix: Prefix
  readonly kinds: number
  readonly reason: string | null
  readonly expiresAt: number
  readonly listedAt: number
  /** Removed by hand, until the list is imported again. */
  isHidden: boolean
}

/** All that an answer depends on. */
export interface World {
  readonly rows: readonly Row[]
  readonly lists: ReadonlyMap<string, readonly Entry[]>
  readonly exempt: readonly Prefix[]
  readonly excluded: readonly Prefix[]
  readonly published: number
  readonly isRetired: boolean
  /** What is over or due by then is: of rows, and of entries of lists. */
  readonly rowsAsOf: number
  readonly asOf: number
}

export interface Exported {
  readonly prefix: string
  readonly kinds: number
  readonly expiresAt: number
}

/** What is listed, as look-ups show it. */
export interface Shown {
  readonly prefix: Prefix
  readonly state: string
  readonly origin: 'trap' | 'manual' | 'import'
  readonly list: string | null
  readonly kinds: number
  readonly reason: string | null
  readonly createdAt: number
  readonly expiresAt: number
}

export const never = Number.POSITIVE_INFINITY

/** The test entries of RFC 5782 §5, and the mask of each. */
const tests: readonly (readonly [Prefix, number])[] = [
  ...backscatterKinds.map((_, index) => [prefixFrom(`127.0.0.${3 + index}`), 1 << index] as const),
  [prefixFrom('127.0.0.2'), 0],
  [prefixFrom('::ffff:127.0.0.2'), 0],
]
const testEntries = new Map(tests.map(([prefix, mask]) => [keyOf(prefix), mask]))
const neverListed = ['127.0.0.1', '::ffff:127.0.0.1'].map((text) => keyOf(prefixFrom(text)))

function prefixFrom(text: string): Prefix {
  const parsed = parsePrefix(text)
  if ('why' in parsed) throw new Error(text)
  return parsed.value
}

export function same(a: Prefix, b: Prefix): boolean {
  return keyOf(a) === keyOf(b)
}

function keyOf({ family, w0, w1, w2, w3, length }: Prefix): string {
  return `${family} ${w0} ${w1} ${w2} ${w3} ${length}`
}

export function isLive(entry: Entry, asOf: number): boolean {
  return !entry.isHidden && entry.expiresAt > asOf
}

export function isStanding(row: Row): boolean {
  return row.state !== 'expired' && row.state !== 'removed'
}

/** Everything that is answered at exactly this prefix but for exceptions. */
export function listedAt(world: World, prefix: Prefix): readonly Shown[] {
  let byPrefix = worldsListed.get(world)
  if (!byPrefix) {
    byPrefix = Map.groupBy(allListed(world), (each) => keyOf(each.prefix))
    worldsListed.set(world, byPrefix)
  }
  return byPrefix.get(keyOf(prefix)) ?? []
}

/** A world is looked at often, and made anew after each change. */
const worldsListed = new WeakMap<World, Map<string, Shown[]>>()

export function allListed({ rows, lists, published, rowsAsOf, asOf }: World): Shown[] {
  const shown: Shown[] = []
  for (const row of rows) {
    const isDue = row.state === 'held' && row.heldUntil <= rowsAsOf && (row.kinds & published) !== 0
    if ((row.state !== 'listed' && !isDue) || row.expiresAt <= rowsAsOf) continue
    shown.push({ ...row, state: 'listed', list: null })
  }
  for (const [list, entries] of lists) {
    for (const entry of entries) {
      if (!isLive(entry, asOf)) continue
      const { prefix, kinds, reason, listedAt: createdAt, expiresAt } = entry
      shown.push({
        ...{ prefix, kinds, reason, createdAt, expiresAt },
        ...{ state: 'listed', origin: 'import', list },
      })
    }
  }
  return shown
}

/** What the zone has at exactly this prefix: '', 'exempt', 'excluded' or 'listed MASK'. */
export function entryAt(world: World, prefix: Prefix): string {
  if (world.isRetired) return ''
  const test = testEntries.get(keyOf(prefix))
  if (test !== undefined) return `listed ${test}`
  if (neverListed.includes(keyOf(prefix))) return 'exempt'
  if (isPieceOfExemption(world, prefix)) return 'exempt'
  if (world.excluded.some((each) => same(each, prefix))) return 'excluded'
  const listed = listedAt(world, prefix)
  if (listed.length === 0) return ''
  const kinds = listed.reduce((mask, each) => mask | each.kinds, 0)
  return `listed ${kinds & world.published}`
}

/** An exemption is in the zone as the largest prefixes that hold no test entry. */
function isPieceOfExemption({ exempt }: World, prefix: Prefix): boolean {
  if (holdsTestEntry(prefix)) return false
  return exempt.some(
    (each) =>
      contains(each, prefix) &&
      (each.length === prefix.length || holdsTestEntry(networkOf(prefix, prefix.length - 1))),
  )
}

function holdsTestEntry(prefix: Prefix): boolean {
  return tests.some(([each]) => contains(prefix, each))
}

export interface Answer {
  /** A values by their last octet; empty: not listed. */
  readonly codes: number[]
  /** The prefix whose listing or exclusion decides. */
  readonly decidedBy: Prefix | null
  readonly isTestEntry: boolean
  readonly isExempt: boolean
}

export function answerAt(world: World, address: Address): Answer {
  const nothing = { codes: [], decidedBy: null, isTestEntry: false, isExempt: false }
  if (world.isRetired) return nothing
  const host = hostPrefix(address)
  const key = keyOf(host)
  const test = testEntries.get(key)
  if (test !== undefined) {
    return { codes: codesOf(test), decidedBy: host, isTestEntry: true, isExempt: false }
  }
  const isExempt = world.exempt.some((each) => contains(each, host))
  if (isExempt || neverListed.includes(key)) return { ...nothing, isExempt: true }
  for (let length = addressBits(address.family); length >= 0; length--) {
    const prefix = networkOf(address, length)
    if (world.excluded.some((each) => same(each, prefix))) {
      // A hole in nothing decides nothing.
      const isHole = allListed(world).some((each) => contains(each.prefix, prefix))
      return { ...nothing, decidedBy: isHole ? prefix : null }
    }
    const listed = listedAt(world, prefix)
    if (listed.length === 0) continue
    const kinds = listed.reduce((mask, each) => mask | each.kinds, 0)
    return { ...nothing, codes: codesOf(kinds & world.published), decidedBy: prefix }
  }
  return nothing
}

/** How many prefixes have a listing of their own in the zone. */
export function entryCount(world: World, family: 4 | 6): number {
  const prefixes = new Map(allListed(world).map(({ prefix }) => [keyOf(prefix), prefix]))
  for (const key of testEntries.keys()) prefixes.delete(key)
  return [...prefixes.values()].filter(
    (prefix) => prefix.family === family && entryAt(world, prefix).startsWith('listed'),
  ).length
}

/** All that is listed and not exempt, each prefix once; test entries are left to zones. */
export function exportedWhole(world: World): Exported[] {
  const prefixes = new Map(allListed(world).map(({ prefix }) => [keyOf(prefix), prefix]))
  const exported: Exported[] = []
  for (const prefix of prefixes.values()) {
    if (isOfTests(prefix) || world.exempt.some((each) => contains(each, prefix))) continue
    if (world.excluded.some((each) => same(each, prefix))) continue
    const listed = listedAt(world, prefix)
    const kinds = listed.reduce((mask, each) => mask | each.kinds, 0)
    const expiresAt = Math.max(...listed.map((each) => each.expiresAt))
    exported.push({ prefix: formatPrefix(prefix), kinds, expiresAt })
  }
  return exported
}

/** Whether it is a test entry or one of the two addresses that never are listed. */
export function isOfTests(prefix: Prefix): boolean {
  return testEntries.has(keyOf(prefix)) || neverListed.includes(keyOf(prefix))
}

function codesOf(mask: number): number[] {
  return [2, 3, 4, 5, 6, 7].filter((code) => code === 2 || mask & (1 << (code - 3)))
}
