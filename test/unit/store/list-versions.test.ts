// Versions of named lists in the database against plain arrays of entries.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  addressBits,
  contains,
  formatPrefix,
  networkOf,
  type Prefix,
} from '../../../src/ip/address.ts'
import { openStore, type Store } from '../../../src/store/database.ts'
import { isOver } from '../../../src/store/list-versions.ts'
import {
  comparePrefixes,
  type ListEntry,
  PackedEntries,
  packEntries,
  prefixKey,
} from '../../../src/store/packed-entries.ts'
import { prefix, temporaryDirectory } from '../../support/door.ts'
import fc from '../../support/properties.ts'

const families = [4, 6] as const

function openEmpty(t: TestContext): Store {
  const store = openStore(join(temporaryDirectory(t), 'a.db'))
  t.after(() => store.close())
  return store
}

function transact<T>(store: Store, work: () => T): T {
  store.begin()
  const result = work()
  store.commit()
  return result
}

const anyWord = fc.constantFrom(0, 1, 2, 3, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff)
/** Many inside each other, at the borders of words and signs, and all there is. */
const anyPrefix4: fc.Arbitrary<Prefix> = fc
  .record({
    word: fc.oneof(anyWord, fc.integer({ min: 0x1400_0000, max: 0x1400_003f })),
    length: fc.oneof(fc.integer({ min: 0, max: 32 }), fc.integer({ min: 26, max: 32 })),
  })
  .map(({ word, length }) => networkOf({ family: 4, w0: word, w1: 0, w2: 0, w3: 0 }, length))
const anyPrefix6: fc.Arbitrary<Prefix> = fc
  .record({ w0: anyWord, w1: anyWord, w2: anyWord, w3: anyWord, length: fc.nat(128) })
  .map(({ length, ...words }) => networkOf({ family: 6, ...words }, length))
const anyPrefix = fc.oneof(anyPrefix4, anyPrefix6)

const anyEntry: fc.Arbitrary<ListEntry> = fc
  .tuple(
    anyPrefix,
    fc.nat(31),
    fc.option(fc.string({ unit: 'grapheme', maxLength: 8 })),
    fc.option(fc.integer({ min: 1, max: 60 })),
    fc.oneof(fc.nat(100), fc.constant(0xffff_ffff)),
  )
  .map(([at, kinds, reason, expiresAt, listedAt]) => ({
    ...{ prefix: at, attributes: { kinds, reason, expiresAt }, listedAt },
  }))

const anyEntries = fc
  .uniqueArray(anyEntry, { selector: ({ prefix: each }) => formatPrefix(each), maxLength: 60 })
  .map((entries) => entries.sort((a, b) => comparePrefixes(a.prefix, b.prefix)))
/** Entries of a chunk: few, so that borders are everywhere. */
const anyChunkSize = fc.integer({ min: 1, max: 9 })

/** Writes a version of the list, and says its id. */
function putVersion(
  { lists }: Store,
  list: string,
  entries: readonly ListEntry[],
  { size, now }: { readonly size: number; readonly now: number },
): number {
  const version = lists.addVersion(lists.begin(list).id, now)
  for (const family of families) {
    const ofFamily = entries.filter(({ prefix: each }) => each.family === family)
    for (let from = 0; from < ofFamily.length; from += size) {
      lists.putChunk(version, ofFamily.slice(from, from + size))
    }
  }
  return version
}

/** Deletes all of it, as many chunks at once. */
function deleteVersion(store: Store, version: number, chunks: number): void {
  while (!transact(store, () => store.lists.deleteSome(version, chunks)));
}

test('a version is found as an array of its entries is: at, around, inside and from any prefix', (t) => {
  const store = openEmpty(t)
  const { lists } = store
  fc.assert(
    fc.property(
      anyEntries,
      anyChunkSize,
      fc.array(anyPrefix, { maxLength: 30 }),
      fc.nat(70),
      (entries, size, probes, now) => {
        const version = transact(store, () => putVersion(store, 'a', entries, { size, now: 0 }))
        assert.equal([...lists.entries(version)].length, entries.length)
        assert.deepEqual([...lists.entries(version)], entries)
        for (const probe of [...probes, ...entries.map(({ prefix: each }) => each)]) {
          const same = entries.filter(({ prefix: each }) => each.family === probe.family)
          const around = (inner: Prefix) =>
            same.filter(({ prefix: each }) => contains(each, inner)).toReversed()
          assert.deepEqual(
            lists.find(version, probe),
            same.find(({ prefix: each }) => comparePrefixes(each, probe) === 0),
          )
          assert.deepEqual([...lists.covering(version, probe)], around(probe))
          const { family, w0, w1, w2, w3 } = probe
          const address = { family, w0, w1, w2, w3 }
          const host = { ...address, length: addressBits(family) }
          assert.deepEqual([...lists.covering(version, address)], around(host))
          assert.deepEqual(
            [...lists.inside(version, probe)],
            same.filter(({ prefix: each }) => contains(probe, each)),
          )
          const after: ListEntry[] = []
          for (const { chunk, start } of lists.chunksFrom(version, probe)) {
            assert.ok(start < chunk.count)
            for (let index = start; index < chunk.count; index++) after.push(chunk.entryAt(index))
          }
          assert.deepEqual(
            after,
            same.filter(({ prefix: each }) => comparePrefixes(each, probe) >= 0),
          )
        }
        assert.deepEqual(
          [...lists.entries(version, now)],
          entries.filter((entry) => !isOver(entry, now)),
        )
        const listed: [Prefix, number][] = []
        const isProbe = (each: Prefix) => probes.some((probe) => comparePrefixes(probe, each) === 0)
        lists.eachListed(version, isProbe, now, (family, w0, w1, w2, w3, length, kinds) => {
          listed.push([{ family, w0, w1, w2, w3, length }, kinds])
        })
        const hidden = new Set(probes.map(formatPrefix))
        assert.deepEqual(
          listed,
          entries
            .filter((entry) => !isOver(entry, now) && !hidden.has(formatPrefix(entry.prefix)))
            .map(({ prefix: each, attributes }) => [each, attributes.kinds]),
        )
        deleteVersion(store, version, 3)
      },
    ),
    { numRuns: 150 },
  )
})

test('each entry that comes to be over is noted once, whatever chunk and list it is in', (t) => {
  const store = openEmpty(t)
  const { lists, changed } = store
  fc.assert(
    fc.property(
      fc.array(anyEntries, { minLength: 1, maxLength: 3 }),
      anyChunkSize,
      fc.array(fc.nat(12), { minLength: 1, maxLength: 8 }),
      (contents, size, waits) => {
        let now = 0
        const versions = transact(store, () =>
          contents.map((entries, index) => {
            const version = putVersion(store, `list${index}`, entries, { size, now })
            lists.setVersion(lists.begin(`list${index}`).id, version, version)
            return version
          }),
        )
        for (const wait of waits) {
          const before = now
          now += wait
          let told = 0
          store.begin()
          for (let some = lists.expireSome(now); some > 0; some = lists.expireSome(now))
            told += some
          const noted = changed.take().map(formatPrefix)
          store.commit()
          const over = contents.map((entries) =>
            entries
              .filter((entry) => isOver(entry, now) && !isOver(entry, before))
              .map((entry) => formatPrefix(entry.prefix)),
          )
          assert.equal(told, over.flat().length)
          assert.deepEqual(noted.sort(), [...new Set(over.flat())].sort())
        }
        // What they say has not changed.
        for (const [index, entries] of contents.entries()) {
          assert.deepEqual([...lists.entries(versions[index] ?? null)], entries)
        }
        transact(store, () => {
          for (const { id } of lists.all()) lists.setVersion(id, null, null)
        })
        assert.deepEqual(lists.unused(), versions)
        for (const version of versions) deleteVersion(store, version, 100)
        assert.deepEqual(lists.unused(), [])
      },
    ),
    { numRuns: 100 },
  )
})

test('for a start, every version that is no list’s is left over, the one that DNS had last too', (t) => {
  const store = openEmpty(t)
  const { lists } = store
  transact(store, () => {
    const { id } = lists.begin('a')
    const [old, next, given] = [1, 2, 3].map((now) => putVersion(store, 'a', [], { size: 1, now }))
    assert.ok(old && next && given)
    lists.setVersion(id, next, old)
    assert.deepEqual(lists.unused(), [old, given])
    assert.deepEqual(lists.named('a'), { id, name: 'a', version: next, applied: old })
    assert.deepEqual(lists.unused(), [old, given])
  })
})

const entriesAt = (...texts: string[]): ListEntry[] =>
  texts.map((text) => ({
    prefix: prefix(text),
    attributes: { kinds: 1, reason: text, expiresAt: null },
    listedAt: 1,
  }))

test('a version that is deleted some chunks at a time is not there, though it was read a moment ago', (t) => {
  const store = openEmpty(t)
  const { lists } = store
  const entries = entriesAt('20.0.0.1', '20.0.0.2', '20.0.0.3', '2a01::1', '2a01::2', '2a01::3')
  const version = transact(store, () => putVersion(store, 'a', entries, { size: 1, now: 0 }))
  const standing = () => entries.filter(({ prefix: each }) => lists.find(version, each))
  assert.equal(standing().length, 6)
  for (const left of [4, 2, 0]) {
    assert.equal(
      transact(store, () => lists.deleteSome(version, 2)),
      false,
    )
    assert.equal(standing().length, left)
  }
  assert.deepEqual(lists.unused(), [version])
  assert.equal(
    transact(store, () => lists.deleteSome(version, 2)),
    true,
  )
  assert.deepEqual(lists.unused(), [])
  assert.deepEqual([...lists.entries(version)], [])
  assert.deepEqual([...lists.entries(version)], [])
})

test('a version that was undone leaves nothing to the next one, which has its number', (t) => {
  const store = openEmpty(t)
  const { lists } = store
  const undone = entriesAt('20.0.0.1', '20.0.0.5')
  const kept = entriesAt('20.0.0.1', '20.0.0.3', '20.0.0.5')
  transact(store, () => lists.begin('a'))
  store.begin()
  const first = putVersion(store, 'a', undone, { size: 9, now: 0 })
  assert.deepEqual(lists.find(first, prefix('20.0.0.1')), undone[0])
  store.rollback()
  assert.equal(lists.find(first, prefix('20.0.0.1')), undefined)
  const second = transact(store, () => putVersion(store, 'a', kept, { size: 9, now: 0 }))
  assert.equal(second, first)
  assert.deepEqual(lists.find(second, prefix('20.0.0.3')), kept[1])
})

test('a list without a version has nothing', (t) => {
  const { lists } = openEmpty(t)
  const all = prefix('20.0.0.0/16')
  assert.equal(lists.find(null, all), undefined)
  assert.deepEqual([...lists.entries(null)], [])
  for (const none of [lists.entries(null), lists.covering(null, all), lists.inside(null, all)]) {
    assert.deepEqual([...none], [])
  }
  assert.deepEqual([...lists.chunksFrom(null, all)], [])
})

test('keys of prefixes sort as prefixes do', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.tuple(anyPrefix4, anyPrefix4), fc.tuple(anyPrefix6, anyPrefix6)),
      ([a, b]) => {
        const order = Buffer.compare(prefixKey(a), prefixKey(b))
        assert.equal(order, Math.sign(comparePrefixes(a, b)))
      },
    ),
  )
})

test('equal kinds and reasons are kept once, be they one object or many, whatever ends when', () => {
  const attributes = () => ({ kinds: 3, reason: 'spam', expiresAt: 9 })
  const entries = entriesAt('20.0.0.1', '20.0.0.2', '20.0.0.3').map((entry, index) => ({
    ...entry,
    attributes: index === 1 ? { ...attributes(), expiresAt: 8 } : attributes(),
  }))
  const packed = packEntries(entries)
  assert.equal(JSON.parse(packed.labels).length, 1)
  const read = new PackedEntries(4, packed.octets, packed.labels)
  assert.deepEqual([read.nextExpiry(7), read.nextExpiry(8), read.nextExpiry(9)], [8, 9, null])
  assert.deepEqual(
    Array.from(entries, (_, index) => read.entryAt(index)),
    entries,
  )
})
