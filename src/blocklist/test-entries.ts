// The entries every DNSBL has whatever it lists (RFC 5782 §5): the test entries, answered in spite of any exemption
// around them, and the two addresses that never are. Called by publish and explain.
import { backscatterKinds } from '../bounce/kinds.ts'
import {
  type Address,
  addressBits,
  contains,
  hostPrefix,
  networkOf,
  type Prefix,
  sameAddress,
} from '../ip/address.ts'

export interface TestEntry {
  readonly prefix: Prefix
  /** Mask of the kinds it is answered with; 0: the general code alone. */
  readonly kinds: number
}

/** 127.0.0.2, 127.0.0.3 … one for each code, and ::ffff:127.0.0.2. */
export const testEntries: readonly TestEntry[] = [
  { prefix: loopback(4, 2), kinds: 0 },
  ...backscatterKinds.map((_, index) => ({ prefix: loopback(4, 3 + index), kinds: 1 << index })),
  { prefix: loopback(6, 2), kinds: 0 },
]

/** 127.0.0.1 and ::ffff:127.0.0.1. */
export const neverListed: readonly Prefix[] = [loopback(4, 1), loopback(6, 1)]

export function testEntryAt(address: Address): TestEntry | undefined {
  return testEntries.find(({ prefix }) => sameAddress(prefix, address))
}

/**
 * The largest prefixes that together are `prefix` without the test entries in it; `[prefix]` where there are none.
 * An exemption is put into the tree in this form, since it would win over the test entries otherwise.
 */
export function withoutTestEntries(prefix: Prefix): Prefix[] {
  if (!holdsTestEntry(prefix)) return [prefix]
  if (prefix.length === addressBits(prefix.family)) return []
  const [low, high] = halves(prefix)
  return [...withoutTestEntries(low), ...withoutTestEntries(high)]
}

/**
 * Whether an exemption of something shorter comes out as this prefix in `withoutTestEntries`: then the shortest such
 * exemption is an exemption of this prefix's parent.
 */
export function exemptByParent(prefix: Prefix): Prefix | undefined {
  if (prefix.length === 0) return undefined
  const parent = networkOf(prefix, prefix.length - 1)
  return holdsTestEntry(parent) && !holdsTestEntry(prefix) ? parent : undefined
}

export function holdsTestEntry(prefix: Prefix): boolean {
  return testEntries.some((entry) => contains(prefix, entry.prefix))
}

/** The two networks one bit longer; not for a single address. */
export function halves(prefix: Prefix): [low: Prefix, high: Prefix] {
  const low = { ...prefix, length: prefix.length + 1 }
  const bit = (word: number): number =>
    prefix.length >> 5 === word ? (0x8000_0000 >>> (prefix.length & 31)) >>> 0 : 0
  const high = {
    ...low,
    w0: (low.w0 | bit(0)) >>> 0,
    w1: (low.w1 | bit(1)) >>> 0,
    w2: (low.w2 | bit(2)) >>> 0,
    w3: (low.w3 | bit(3)) >>> 0,
  }
  return [low, high]
}

function loopback(family: 4 | 6, last: number): Prefix {
  const word = 0x7f00_0000 + last
  return hostPrefix(
    family === 4
      ? { family, w0: word, w1: 0, w2: 0, w3: 0 }
      : { family, w0: 0, w1: 0, w2: 0xffff, w3: word },
  )
}
