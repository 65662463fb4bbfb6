// Exports as of one moment: of a list what its version still lists, of everything what the zone has, each prefix once and in
// address order, against a naive merge; and nothing of what is written meanwhile.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { exportEntries } from '../../../src/blocklist/export.ts'
import { isListing, type ZoneRules, zoneEntryAt } from '../../../src/blocklist/zone-entry.ts'
import { formatPrefix, networkOf, type Prefix } from '../../../src/ip/address.ts'
import { openStore, type Store } from '../../../src/store/database.ts'
import { comparePrefixes, type ListEntry } from '../../../src/store/packed-entries.ts'
import { address, prefix, start, temporaryDirectory } from '../../support/door.ts'
import fc from '../../support/properties.ts'
import { entry, hide, putList, writeVersion } from './lists.ts'

const rules: ZoneRules = { publishedKinds: 0b111, isRetired: false, now: start }

function open(t: Pick<TestContext, 'after'>): Store {
  const store = openStore(join(temporaryDirectory(t), 'a.db'))
  t.after(() => store.close())
  return store
}

function addRow(store: Store, at: Prefix, kinds: number, reason: string | null): number {
  return store.listings.insert({
    ...{ prefix: at, kinds, state: 'listed', origin: 'manual', reason, createdAt: start - 3 },
    ...{ lastHitAt: null, expiresAt: start + 9, heldUntil: null, hits: 0, episode: 0 },
    termSeconds: null,
    shadow: null,
    basis: null,
  })
}

function exported(store: Store, list?: string, more: Partial<ZoneRules> = {}): ListEntry[] {
  const found = exportEntries(store, { ...rules, ...more }, list)
  assert.ok(found)
  return [...found.pages].flat()
}

function prefixesOf(entries: readonly ListEntry[]): string[] {
  return entries.map((each) => formatPrefix(each.prefix))
}

const bases = [address('20.0.0.0'), address('127.0.0.0'), address('2a00::')]
const somewhere = fc
  .record({ base: fc.constantFrom(...bases), last: fc.nat(7), missing: fc.nat(3) })
  .map(({ base, last, missing }): Prefix => {
    const at = base.family === 4 ? { ...base, w0: base.w0 + last } : { ...base, w3: last }
    return networkOf(at, (at.family === 4 ? 32 : 128) - missing)
  })
const thing = fc.record({
  at: somewhere,
  what: fc.constantFrom('a', 'b', 'row', 'exemption', 'exclusion'),
  kinds: fc.nat(7),
  isOver: fc.boolean(),
  isHidden: fc.boolean(),
})

test('random states: everything is what the zone has, without what is in an exemption', (t) => {
  const runs = fc.property(fc.array(thing, { maxLength: 40 }), fc.nat(4), (things, size) => {
    const store = open(t)
    const lists: Record<string, Map<string, { entry: ListEntry; isHidden: boolean }>> = {
      ...{ a: new Map(), b: new Map() },
    }
    const prefixes = new Map<string, Prefix>()
    for (const { at, what, kinds, isOver, isHidden } of things) {
      prefixes.set(formatPrefix(at), at)
      const table = what === 'exemption' ? store.exemptions : store.exclusions
      if (what === 'row') {
        if (store.listings.currentAt(at).length === 0) addRow(store, at, kinds, null)
      } else if (what === 'a' || what === 'b') {
        const attributes = { kinds, reason: null, expiresAt: isOver ? start : null }
        const made = { prefix: at, attributes, listedAt: start - 5 }
        lists[what]?.set(formatPrefix(at), { entry: made, isHidden })
      } else if (!table.has(at)) {
        table.insert({ prefix: at, source: 'manual', note: null, createdAt: start })
      }
    }
    for (const [name, own] of Object.entries(lists)) {
      const each = [...own.values()]
      putList(
        store,
        name,
        each.map((one) => one.entry),
        size + 1,
      )
      for (const { isHidden, entry } of each) if (isHidden) hide(store, name, entry)
    }
    const wanted = [...prefixes.values()].sort(comparePrefixes).filter((at) => {
      const holds =
        store.listings.currentAt(at).length > 0 ||
        Object.values(lists).some((own) => {
          const found = own.get(formatPrefix(at))
          return found && !found.isHidden && found.entry.attributes.expiresAt === null
        })
      const isZoned = isListing(zoneEntryAt(store, rules, at))
      return holds && isZoned && store.exemptions.covering(at) === undefined
    })
    assert.deepEqual(prefixesOf(exported(store)), wanted.map(formatPrefix))
    for (const [name, own] of Object.entries(lists)) {
      const standing = [...own.values()]
        .filter(({ isHidden, entry: { attributes } }) => !isHidden && attributes.expiresAt === null)
        .map((each) => each.entry)
        .sort((a, b) => comparePrefixes(a.prefix, b.prefix))
      assert.deepEqual(exported(store, name), standing)
    }
  })
  fc.assert(runs, { numRuns: 60 })
})

test('what several say of a prefix is one entry: kinds of all, the first reason, the latest end', (t) => {
  const store = open(t)
  const at = '20.0.0.1'
  addRow(store, prefix(at), 1, null)
  putList(store, 'b', [entry(at, { kinds: 2, reason: 'second', expiresAt: start + 90 })])
  putList(store, 'a', [entry(at, { kinds: 4, reason: 'first', expiresAt: start + 5, listedAt: 7 })])
  const [one, ...others] = exported(store)
  assert.deepEqual(others, [])
  assert.deepEqual(
    one,
    entry(at, { kinds: 7, reason: 'first', expiresAt: start + 90, listedAt: 7 }),
  )
})

test('a whole export knows its holes and kinds; of a retired zone nothing is left', (t) => {
  const store = open(t)
  putList(store, 'a', [entry('20.0.0.0/24', { kinds: 8 })])
  store.exclusions.insert({
    prefix: prefix('20.0.0.8/29'),
    source: 'config',
    note: null,
    createdAt: 1,
  })
  const exempt = {
    prefix: prefix('20.0.0.16/28'),
    source: 'manual',
    note: null,
    createdAt: 1,
  } as const
  store.exemptions.insert(exempt)
  const whole = exportEntries(store, rules, undefined)
  assert.deepEqual(whole?.holes.map(formatPrefix), ['20.0.0.8/29', '20.0.0.16/28'])
  assert.equal(whole.zoneKinds, 0b111)
  whole.close()
  const ofList = exportEntries(store, rules, 'a')
  assert.deepEqual(ofList?.holes, [])
  assert.equal(ofList.zoneKinds & 8, 8)
  ofList.close()
  assert.deepEqual(prefixesOf(exported(store)), ['20.0.0.0/24'])
  assert.deepEqual(exported(store, undefined, { isRetired: true }), [])
  assert.deepEqual(prefixesOf(exported(store, 'a', { isRetired: true })), ['20.0.0.0/24'])
})

test('an export goes on with its moment, whatever becomes of the list meanwhile', (t) => {
  const store = open(t)
  const old = Array.from({ length: 2500 }, (_, index) => entry(`20.0.${index >> 8}.${index & 255}`))
  const before = putList(store, 'a', old, 100)
  const begun = ['a', undefined].map((list) => {
    const pages = exportEntries(store, rules, list)?.pages[Symbol.iterator]()
    return { pages, entries: [...(pages?.next().value ?? [])] }
  })
  putList(store, 'a', [entry('21.0.0.1')])
  store.lists.deleteSome(before, 1000)
  for (const { pages, entries } of begun) {
    assert.ok(entries.length > 0 && entries.length < old.length)
    for (let page = pages?.next(); page && !page.done; page = pages?.next()) {
      entries.push(...page.value)
    }
    assert.deepEqual(prefixesOf(entries), prefixesOf(old))
  }
  assert.deepEqual(prefixesOf(exported(store)), ['21.0.0.1/32'])
})

test('a name that no whole list has is none', (t) => {
  const store = open(t)
  store.begin()
  writeVersion(store, 'begun', [entry('20.0.0.1')])
  store.commit()
  assert.equal(exportEntries(store, rules, 'begun'), undefined)
  assert.equal(exportEntries(store, rules, 'none'), undefined)
  assert.deepEqual(exported(store), [])
})
