// The tree as a plain map of prefixes, slow and obvious, and a walk over the shared buffer that counts what is
// reachable. The tree's tests compare the real thing with both.
import assert from 'node:assert/strict'
import {
  type Address,
  addressBits,
  type Family,
  networkOf,
  type Prefix,
} from '../../../src/ip/address.ts'
import type { TreeStats } from '../../../src/tree/blocks.ts'
import {
  blockOf,
  blockUnits,
  childBits,
  type EntryKind,
  entryKinds,
  entryWords,
  headerAt,
  headerWords,
  itemBits,
  leafBit,
  leafCount,
  leafSummary,
  maxLeafEntries,
  nodeSummary,
  popcount,
  skipWords,
  unitBytes,
  versionAt,
  versionUnits,
} from '../../../src/tree/layout.ts'
import type { TreeReader } from '../../../src/tree/reader.ts'
import type { TreeWriter } from '../../../src/tree/writer.ts'

export interface Entry {
  prefix: Prefix
  kind: EntryKind
  answer: number
}

/** What `find` must say: the answer with the length that decided, or -1. */
export interface Found {
  answer: number
  length: number
}

export class Oracle {
  #entries = new Map<string, Entry>()
  #published = new Map<string, Entry>()

  set(prefix: Prefix, kind: EntryKind, answer: number): void {
    this.#entries.set(keyOf(prefix), { prefix, kind, answer })
  }

  remove(prefix: Prefix): boolean {
    return this.#entries.delete(keyOf(prefix))
  }

  get(prefix: Prefix): { kind: EntryKind; answer: number } | undefined {
    const entry = this.#entries.get(keyOf(prefix))
    return entry && { kind: entry.kind, answer: entry.answer }
  }

  publish(): void {
    this.#published = new Map(this.#entries)
  }

  abandon(): void {
    this.#entries = new Map(this.#published)
  }

  /** Staged entries. */
  entries(): Entry[] {
    return [...this.#entries.values()]
  }

  /** Looks among the published entries. */
  find(address: Address): Found {
    let best: Entry | undefined
    for (let length = 0; length <= addressBits(address.family); length++) {
      const entry = this.#published.get(keyOf(networkOf(address, length)))
      if (entry?.kind === entryKinds.exemption) return { answer: -1, length: -1 }
      if (entry) best = entry
    }
    if (best?.kind !== entryKinds.listing) return { answer: -1, length: -1 }
    return { answer: best.answer, length: best.prefix.length }
  }

  /**
   * Whether an address under the prefix is found listed: what is found changes only where an entry begins or
   * has just ended, so those addresses, and the first of the prefix, stand for all.
   */
  hasEntryUnder(prefix: Prefix): boolean {
    const first = integerOf(prefix)
    const last = first | ((1n << BigInt(addressBits(prefix.family) - prefix.length)) - 1n)
    const probes = new Set([first])
    for (const { prefix: inner } of this.#published.values()) {
      if (inner.family !== prefix.family || inner.length < prefix.length) continue
      const begin = integerOf(inner)
      const after = begin + (1n << BigInt(addressBits(inner.family) - inner.length))
      for (const probe of [begin, after]) if (probe >= first && probe <= last) probes.add(probe)
    }
    return [...probes].some((probe) => this.find(addressOf(prefix.family, probe)).answer >= 0)
  }
}

export function keyOf({ family, w0, w1, w2, w3, length }: Prefix): string {
  return `${family} ${w0} ${w1} ${w2} ${w3} ${length}`
}

export function integerOf({ family, w0, w1, w2, w3 }: Address): bigint {
  if (family === 4) return BigInt(w0)
  return (BigInt(w0) << 96n) | (BigInt(w1) << 64n) | (BigInt(w2) << 32n) | BigInt(w3)
}

export function addressOf(family: Family, value: bigint): Address {
  const word = (shift: bigint): number => Number((value >> shift) & 0xffff_ffffn)
  if (family === 4) return { family, w0: word(0n), w1: 0, w2: 0, w3: 0 }
  return { family, w0: word(96n), w1: word(64n), w2: word(32n), w3: word(0n) }
}

/** `find` with the length that decided, as the oracle gives it. */
export function find(
  reader: TreeReader,
  { family, w0, w1, w2, w3 }: Address,
  batchIndex = -1,
): Found {
  reader.matchedLength = -1
  const answer = reader.find(family, w0, w1, w2, w3, batchIndex)
  return { answer, length: reader.matchedLength }
}

/**
 * Walks the published version: asserts the invariants of every node and slot, and returns the octets of the
 * blocks it met. Header, version block and answer segments are not among them.
 */
export function reachableBytes(writer: TreeWriter): number {
  const memory = new Int32Array(writer.buffer)
  const version = memory[headerAt.current] ?? 0
  let units = 0
  const walk = (at: number, depth: number): void => {
    const ref = memory[at] ?? 0
    const bits = memory[at + 1] ?? 0
    const block = blockOf(ref)
    if ((ref & leafBit) !== 0) {
      const count = leafCount(bits)
      assert.ok(count >= 1 && count <= maxLeafEntries, 'a leaf has 1 to 32 entries')
      assert.equal(
        ref & 15,
        leafSummary(memory, block, bits, depth) | leafBit,
        'a slot sums up its leaf',
      )
      units += blockUnits(count * entryWords(bits))
      return
    }
    const count = popcount(bits & itemBits)
    assert.ok(count >= 2, 'a node has at least two items')
    assert.equal(ref & 15, nodeSummary(memory, block, bits, depth), 'a slot sums up its node')
    const end = bits < 0 ? (memory[block] ?? 0) & 255 : depth
    assert.ok(end >= depth)
    const children = bits < 0 ? block + skipWords(memory, block) : block
    const childCount = popcount(bits & childBits)
    units += blockUnits(children - block + count + childCount)
    for (let i = 0; i < childCount; i++) {
      assert.notEqual(memory[children + 2 * i], 0)
      walk(children + 2 * i, end + 4)
    }
  }
  for (const root of [versionAt.root4, versionAt.root6]) {
    if (memory[version + root] !== 0) walk(version + root, 0)
  }
  return units * unitBytes
}

/** Asserts that every octet handed out is reachable, free, in limbo, or one of the fixed parts. */
export function assertNoLeak(writer: TreeWriter, answers: number): TreeStats {
  const stats = writer.stats()
  const versionBytes = versionUnits * unitBytes
  let segments = 0
  for (let size = 64, first = 0; first < answers; first += size, size = first) segments += size * 8
  const fixed = headerWords * 4 + versionBytes + segments
  assert.equal(
    stats.usedBytes - stats.freeBytes - stats.limboBytes,
    fixed + reachableBytes(writer),
    'a block was lost',
  )
  return stats
}

/** A small generator of reproducible numbers (mulberry32): integers from 0 to `below` - 1. */
export function seeded(seed: number): (below: number) => number {
  let state = seed | 0
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below)
  }
}
