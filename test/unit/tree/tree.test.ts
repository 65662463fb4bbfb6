// The tree does what a plain map of prefixes does, under random changes of both families: look-ups, exact
// reads, partial names, publishing and abandoning, without losing a block.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Address,
  addressBits,
  type Family,
  formatPrefix,
  networkOf,
  type Prefix,
} from '../../../src/ip/address.ts'
import { type EntryKind, entryKinds } from '../../../src/tree/layout.ts'
import { openReader } from '../../../src/tree/open-reader.ts'
import { maxBatch } from '../../../src/tree/prefetch.ts'
import type { TreeReader } from '../../../src/tree/reader.ts'
import { TreeWriter } from '../../../src/tree/writer.ts'
import fc from '../../support/properties.ts'
import { addressOf, assertNoLeak, find, integerOf, Oracle, seeded } from './oracle.ts'

const version = { serial: 7, generatedAt: 8, validUntil: 9, ipv4Entries: 1, ipv6Entries: 2 }
const answers = [0, 1, 2, 63, 64, 4095, 4096, (1 << 20) - 1]

type Random = (below: number) => number

/** How the keys of one run lie: near each other, or anywhere. */
function randomAddress(random: Random, family: Family, spread: number): Address {
  const bits = addressBits(family)
  let value = family === 4 ? 0xcb00_7100n : 0x2001_0db8_0000_0000_0000_0000_0000_0000n
  for (let i = 0; i < spread; i++) value ^= 1n << BigInt(random(bits))
  return addressOf(family, value)
}

function randomPrefix(random: Random, family: Family, spread: number): Prefix {
  const bits = addressBits(family)
  const special = [0, bits, bits - 1, 64 % bits, 32 % (bits + 1), 16, 20, 4]
  const length = random(2) === 0 ? random(bits + 1) : (special[random(special.length)] ?? 0)
  return networkOf(randomAddress(random, family, spread), length)
}

function run(seed: number, changes: number, spread: number, families: readonly Family[]): void {
  const random = seeded(seed)
  const writer = new TreeWriter(1 << 22)
  const reader = openReader(writer.buffer, seed % 64)
  const oracle = new Oracle()
  const fixed = assertNoLeak(writer, 0)
  for (let step = 0; step < changes; step++) {
    const family = families[random(families.length)] ?? 4
    const known = oracle.entries()
    const old = known[random(known.length)]?.prefix
    const prefix = old && random(3) === 0 ? old : randomPrefix(random, family, spread)
    const { w0, w1, w2, w3, length } = prefix
    if (random(5) < 3) {
      const kind = ([1, 1, 1, 2, 3] as const)[random(5)] ?? 1
      const answer = answers[random(answers.length)] ?? 0
      writer.set(prefix.family, w0, w1, w2, w3, length, kind, answer)
      oracle.set(prefix, kind, answer)
    } else {
      assert.equal(writer.remove(prefix.family, w0, w1, w2, w3, length), oracle.remove(prefix))
    }
    assert.deepEqual(writer.get(prefix.family, w0, w1, w2, w3, length), oracle.get(prefix))
    if (random(4) !== 0) continue
    if (random(4) === 0) {
      writer.abandon()
      oracle.abandon()
    } else {
      writer.publish(version)
      oracle.publish()
    }
    reader.enter()
    compare(writer, reader, oracle, random, families, spread)
    if (random(2) === 0) reader.leave()
    if (step % 8 === 0) {
      assertNoLeak(writer, 0)
    }
  }
  for (const { prefix } of oracle.entries()) {
    const { w0, w1, w2, w3, length } = prefix
    assert.ok(writer.remove(prefix.family, w0, w1, w2, w3, length), formatPrefix(prefix))
  }
  reader.leave()
  writer.publish(version)
  writer.publish(version)
  const { usedBytes, freeBytes } = assertNoLeak(writer, 0)
  assert.equal(
    usedBytes - freeBytes,
    fixed.usedBytes - fixed.freeBytes,
    'an emptied tree is all free',
  )
}

function compare(
  writer: TreeWriter,
  reader: TreeReader,
  oracle: Oracle,
  random: Random,
  families: readonly Family[],
  spread: number,
): void {
  for (const { prefix, kind, answer } of oracle.entries()) {
    const { family, w0, w1, w2, w3, length } = prefix
    assert.deepEqual(writer.get(family, w0, w1, w2, w3, length), { kind, answer })
    for (const address of probesOf(prefix)) {
      assert.deepEqual(find(reader, address), oracle.find(address), formatPrefix(prefix))
    }
  }
  comparePrefetched(reader, oracle, random)
  for (let i = 0; i < 8; i++) {
    const family = families[random(families.length)] ?? 4
    const address = randomAddress(random, family, spread + 1)
    assert.deepEqual(find(reader, address), oracle.find(address))
    const partial = networkOf(address, random(addressBits(family) + 1))
    const { w0, w1, w2, w3, length } = partial
    assert.equal(
      reader.hasEntryUnder(family, w0, w1, w2, w3, length),
      oracle.hasEntryUnder(partial),
      `under ${formatPrefix(partial)}`,
    )
  }
}

/** The first address of a prefix, its last one, and one between. */
function probesOf(prefix: Prefix): Address[] {
  const hosts = (1n << BigInt(addressBits(prefix.family) - prefix.length)) - 1n
  const first = integerOf(prefix)
  return [first, first | hosts, first | (hosts >> 1n)].map((probe) =>
    addressOf(prefix.family, probe),
  )
}

/** Prefetching ends, whatever the tree, and changes no answer. */
function comparePrefetched(reader: TreeReader, oracle: Oracle, random: Random): void {
  const all = oracle.entries().flatMap(({ prefix }) => probesOf(prefix))
  const addresses = Array.from({ length: maxBatch }, () => all[random(all.length)]).filter(
    (address) => address !== undefined,
  )
  const words = Int32Array.from(addresses.flatMap(({ w0, w1 }) => [w0, w1]))
  const families = Uint8Array.from(addresses, ({ family }) => family)
  reader.prefetch(words, families, addresses.length)
  for (const [index, address] of addresses.entries()) {
    const expected = oracle.find(address)
    assert.deepEqual(find(reader, address, index), expected, `${index} of ${addresses.length}`)
    assert.deepEqual(find(reader, address), expected)
  }
}

for (const [name, families, spread] of [
  ['IPv4, clustered', [4], 2],
  ['IPv4, anywhere', [4], 24],
  ['IPv6, clustered', [6], 2],
  ['IPv6, anywhere', [6], 90],
  ['both families', [4, 6], 4],
] as const) {
  test(`the tree equals the oracle: ${name}`, () => {
    for (let seed = 1; seed <= 6; seed++) run(seed, 250, spread, families)
  })
}

interface Space {
  family: Family
  first: bigint
  /** Entries are `first` plus 0 to `size` - 1 in units of the last bit of `length`. */
  length: number
  size: number
  answer: number
}

const crowds: Record<string, Space> = {
  'IPv4 hosts side by side': { family: 4, first: 0xcb007000n, length: 32, size: 3000, answer: 5 },
  'IPv4 networks': { family: 4, first: 0x0a000000n, length: 24, size: 3000, answer: 4095 },
  'IPv4 hosts, many answers': {
    family: 4,
    first: 0xcb007000n,
    length: 32,
    size: 500,
    answer: 4096,
  },
  'IPv6 networks': { family: 6, first: 0x20010db8n << 96n, length: 64, size: 3000, answer: 7 },
  'IPv6 networks far apart': {
    family: 6,
    first: 0x20010db8n << 96n,
    length: 40,
    size: 3000,
    answer: 7,
  },
  'IPv6 hosts': {
    family: 6,
    first: (0x20010db8n << 96n) | 0xfffffff0n,
    length: 128,
    size: 1500,
    answer: 1,
  },
}

for (const [name, { family, first, length, size, answer }] of Object.entries(crowds)) {
  test(`leaves burst and join under a crowd: ${name}`, () => {
    const random = seeded(size + answer)
    const writer = new TreeWriter(1 << 22)
    const reader = openReader(writer.buffer, 0)
    const host = addressBits(family) - length
    const at = (i: number): Address => addressOf(family, first + (BigInt(i) << BigInt(host)))
    const kinds = new Map<number, EntryKind>()
    const check = (): void => {
      writer.publish(version)
      reader.enter()
      for (let i = -2; i < size + 2; i++) {
        const { w0, w1, w2, w3 } = at(i)
        const kind = kinds.get(i)
        const found = kind === entryKinds.listing ? answer : -1
        assert.equal(reader.find(family, w0, w1, w2, w3), found)
        if (found >= 0) assert.equal(reader.matchedLength, length)
        assert.equal(reader.hasEntryUnder(family, w0, w1, w2, w3, length), found >= 0)
        assert.equal(writer.get(family, w0, w1, w2, w3, length)?.kind, kind)
      }
      for (let short = 1; short < 13; short++) {
        for (let i = 0; i < size; i += 1 << short) {
          const base = networkOf(at(i), length - short)
          const begin = Number((integerOf(base) - first) >> BigInt(host))
          let expected = false
          for (let j = begin; j < begin + (1 << short); j++) expected ||= kinds.get(j) === 1
          const { w0, w1, w2, w3 } = base
          assert.equal(reader.hasEntryUnder(family, w0, w1, w2, w3, length - short), expected)
        }
      }
      assertNoLeak(writer, 0)
    }
    check()
    for (const share of [0.05, 0.6, 0.99, 0.4, 0.7, 0.1, 0]) {
      for (let step = 0; step < size * 2; step++) {
        const i = random(size)
        const { w0, w1, w2, w3 } = at(i)
        if (random(1000) < share * 1000) {
          const kind = ([1, 1, 1, 2, 3] as const)[random(5)] ?? 1
          kinds.set(i, kind)
          writer.set(family, w0, w1, w2, w3, length, kind, answer)
        } else {
          assert.equal(writer.remove(family, w0, w1, w2, w3, length), kinds.delete(i))
        }
      }
      check()
    }
    for (const i of [...kinds.keys()]) {
      const { w0, w1, w2, w3 } = at(i)
      assert.ok(writer.remove(family, w0, w1, w2, w3, length))
      kinds.delete(i)
    }
    check()
  })
}

test('any sequence of changes in a few bits equals the oracle', () => {
  const change = fc.record({
    value: fc.nat(0xff),
    length: fc.nat(8),
    kind: fc.constantFrom<EntryKind | 0>(0, 1, 1, 2, 3),
    end: fc.constantFrom('none', 'none', 'publish', 'abandon'),
  })
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 40 }),
      fc.constantFrom(0, 24, 27),
      (changes, shift) => {
        const writer = new TreeWriter(1 << 16)
        const reader = openReader(writer.buffer, 0)
        const oracle = new Oracle()
        for (const { value, length, kind, end } of changes) {
          const address: Address = {
            family: 6,
            w0: 0,
            w1: value * 2 ** (24 - (shift % 25)),
            w2: 0,
            w3: 0,
          }
          const prefix = networkOf(address, Math.min(32 + (shift % 25) + length, 128))
          const { w0, w1, w2, w3 } = prefix
          if (kind === 0) {
            assert.equal(writer.remove(6, w0, w1, w2, w3, prefix.length), oracle.remove(prefix))
          } else {
            writer.set(6, w0, w1, w2, w3, prefix.length, kind, length)
            oracle.set(prefix, kind, length)
          }
          if (end === 'none') continue
          writer[end](version)
          oracle[end]()
          reader.enter()
          for (let probe = 0; probe < 256; probe += 5) {
            const w1 = probe * 2 ** (24 - (shift % 25))
            const probed: Address = { family: 6, w0: 0, w1, w2: 0, w3: 0 }
            assert.deepEqual(find(reader, probed), oracle.find(probed))
            const partial = networkOf(probed, 32 + (shift % 25) + (probe % 9))
            assert.equal(
              reader.hasEntryUnder(6, 0, partial.w1, 0, 0, partial.length),
              oracle.hasEntryUnder(partial),
            )
          }
          assertNoLeak(writer, 0)
        }
      },
    ),
    { seed: 2, numRuns: 150 },
  )
})

test('kinds, lengths and identity along one path', () => {
  const writer = new TreeWriter(1 << 16)
  const reader = openReader(writer.buffer, 0)
  const listed = writer.internAnswer((1 << 2) | (1 << 3))
  const { listing, exclusion, exemption } = entryKinds
  writer.set(4, 0x0a000000, 0, 0, 0, 8, listing, listed)
  writer.set(4, 0x0a010000, 0, 0, 0, 16, exclusion, 0)
  writer.set(4, 0x0a010200, 0, 0, 0, 24, listing, listed)
  writer.set(4, 0x0a010203, 0, 0, 0, 32, exemption, 0)
  writer.publish(version)
  reader.enter()
  assert.equal(reader.find(4, 0x0a020304, 0, 0, 0), listed)
  assert.equal(reader.matchedLength, 8)
  assert.equal(reader.find(4, 0x0a010304, 0, 0, 0), -1)
  assert.equal(reader.find(4, 0x0a010202, 0, 0, 0), listed)
  assert.equal(reader.matchedLength, 24)
  assert.equal(reader.find(4, 0x0a010203, 0, 0, 0), -1)
  assert.equal(reader.answerCodes(listed), (1 << 2) | (1 << 3))
  assert.equal(reader.hasEntryUnder(4, 0x0a010000, 0, 0, 0, 16), true)
  assert.equal(reader.hasEntryUnder(4, 0x0a010300, 0, 0, 0, 24), false)
  assert.equal(reader.hasEntryUnder(4, 0x0a010203, 0, 0, 0, 32), false)
  writer.set(4, 0x0a000000, 0, 0, 0, 7, exemption, 0)
  writer.publish(version)
  assert.equal(reader.find(4, 0x0a020304, 0, 0, 0), listed, 'the pinned version stays')
  reader.enter()
  assert.equal(reader.find(4, 0x0a020304, 0, 0, 0), -1, 'a shorter exemption wins over all below')
  assert.equal(reader.hasEntryUnder(4, 0x0a000000, 0, 0, 0, 8), false)
  assert.deepEqual(writer.get(4, 0x0a010000, 0, 0, 0, 16), { kind: exclusion, answer: 0 })
  assert.equal(writer.get(4, 0x0a010000, 0, 0, 0, 17), undefined)
})

test('a partial name that exclusions fill is not listed, however long the listing above', () => {
  const writer = new TreeWriter(1 << 16)
  const reader = openReader(writer.buffer, 0)
  const { listing, exclusion } = entryKinds
  writer.set(4, 0xc0000200, 0, 0, 0, 24, listing, 1)
  for (let i = 0; i < 20; i++) writer.set(4, 0xc0000200 + i, 0, 0, 0, 32, exclusion, 0)
  writer.publish(version)
  reader.enter()
  const isListedUnder = (last: number, length: number): boolean =>
    reader.hasEntryUnder(4, 0xc0000200 + last, 0, 0, 0, length)
  for (const [last, length] of [
    [0, 28],
    [0, 29],
    [8, 30],
    [16, 30],
    [19, 32],
  ] as const) {
    assert.equal(isListedUnder(last, length), false, `.${last}/${length}`)
  }
  for (const [last, length] of [
    [0, 27],
    [16, 28],
    [20, 30],
    [20, 32],
  ] as const) {
    assert.equal(isListedUnder(last, length), true, `.${last}/${length}`)
  }
})
