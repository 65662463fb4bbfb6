// Pages of listings, against a naive list of all that is there: rows and entries of lists in their order, whatever the
// filter, the size of pages and of chunks, and whatever an import does meanwhile.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { listingAt, listingsPage } from '../../../src/blocklist/pages.ts'
import {
  entryId,
  isRefusal,
  kindsMask,
  kindsOf,
  type Listing,
  type ListingsFilter,
} from '../../../src/blocklist/types.ts'
import { backscatterKinds } from '../../../src/classify/kinds.ts'
import { contains, networkOf, type Prefix } from '../../../src/ip/address.ts'
import { openStore, type Store } from '../../../src/store/database.ts'
import { comparePrefixes, type ListEntry } from '../../../src/store/packed-entries.ts'
import { address, prefix, start, temporaryDirectory } from '../../support/door.ts'
import fc from '../../support/properties.ts'
import { entry, hide, putList, writeVersion } from './lists.ts'

function open(t: Pick<TestContext, 'after'>): Store {
  const store = openStore(join(temporaryDirectory(t), 'a.db'))
  t.after(() => store.close())
  return store
}

/** The page, which must be one. */
async function pageOf(store: Store, filter: ListingsFilter, limit: number, cursor?: string | null) {
  const request = { limit, ...(cursor != null && { cursor }) }
  const page = await listingsPage(store, filter, request, start)
  assert.ok(!isRefusal(page))
  assert.ok(page.items.length <= limit)
  return page
}

/** All pages, one behind the other. */
async function all(store: Store, filter: ListingsFilter, limit = 3): Promise<Listing[]> {
  const items: Listing[] = []
  let cursor: string | null = null
  for (let pages = 0; pages < 200; pages++) {
    const page = await pageOf(store, filter, limit, cursor)
    items.push(...page.items)
    cursor = page.nextCursor
    if (cursor === null) return items
  }
  throw new Error('the pages do not come to an end')
}

function ids(listings: readonly Listing[]) {
  return listings.map(({ id }) => id)
}

/** What filters ask of a listing. */
type Shown = Pick<Listing, 'id' | 'state' | 'origin' | 'list'> & { readonly kinds: number }

const bases = [address('20.0.0.0'), address('2a00::')]
const somewhere = fc
  .record({ base: fc.constantFrom(...bases), last: fc.nat(15), missing: fc.nat(4) })
  .map(({ base, last, missing }): Prefix => {
    const at = base.family === 4 ? { ...base, w0: base.w0 + last } : { ...base, w3: last }
    return networkOf(at, (at.family === 4 ? 32 : 128) - missing)
  })
const kinds = fc.nat(7)
const listEntry = fc.record({ at: somewhere, kinds, isOver: fc.boolean(), isHidden: fc.boolean() })
const list = fc.uniqueArray(listEntry, {
  ...{
    maxLength: 12,
    comparator: (a: Prefix, b: Prefix) => comparePrefixes(a, b) === 0,
    selector: ({ at }) => at,
  },
})
const row = fc.record({ at: somewhere, kinds, isRemoved: fc.boolean() })
const maybe = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined })
const anyFilter = fc.record({
  prefix: maybe(somewhere.map((at) => networkOf(at, Math.max(at.length - 3, 28)))),
  state: maybe(fc.constantFrom('listed' as const, 'expired' as const, 'removed' as const)),
  origin: maybe(fc.constantFrom('manual' as const, 'import' as const)),
  kind: maybe(fc.constantFrom('dsn' as const, 'callout' as const)),
  list: maybe(fc.constantFrom('a', '7', 'none')),
})

test('random rows and lists: the pages are all that passes the filter, in order, each once', async (t) => {
  const runs = fc.asyncProperty(
    ...[fc.array(row, { maxLength: 8 }), fc.tuple(list, list, list), anyFilter],
    ...[fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 5 })],
    async (rows, lists, filter, limit, chunkSize) => {
      const store = open(t)
      for (const { at, kinds, isRemoved } of rows) {
        if (store.listings.currentAt(at).length > 0) continue
        const none = {
          lastHitAt: null,
          expiresAt: null,
          heldUntil: null,
          termSeconds: null,
          shadow: null,
          basis: null,
        }
        const id = store.listings.insert({
          ...{ prefix: at, kinds, state: 'listed', origin: 'manual', reason: null },
          ...{ createdAt: start, hits: 0, episode: 0, ...none },
        })
        if (isRemoved) store.listings.end({ id, prefix: at }, 'removed', start, 0)
      }
      const naive: { listing: Shown; at: Prefix }[] = []
      for (const [index, name] of ['7', 'a', 'b.c'].entries()) {
        const own = (lists[index] ?? []).map(({ at, kinds, isOver, isHidden }) => {
          const attributes = { kinds, reason: null, expiresAt: isOver ? start : null }
          return { isHidden, entry: { prefix: at, attributes, listedAt: start - 9 } }
        })
        putList(
          store,
          name,
          own.map((each) => each.entry),
          chunkSize,
        )
        own.sort((a, b) => comparePrefixes(a.entry.prefix, b.entry.prefix))
        for (const { entry: each, isHidden } of own) {
          const id = entryId(name, each.prefix)
          const state = each.attributes.expiresAt === null ? 'listed' : 'expired'
          const listing: Shown = {
            id,
            state,
            origin: 'import',
            list: name,
            kinds: each.attributes.kinds,
          }
          if (isHidden) hide(store, name, each)
          else naive.push({ listing, at: each.prefix })
        }
      }
      const stored = [...store.listingWalks.page({}, 1000)].flat()
      naive.unshift(
        ...stored.map(({ id, prefix: at, state, origin, list, kinds }) => ({
          listing: { id, state, origin, list, kinds },
          at,
        })),
      )
      const given = Object.fromEntries(
        Object.entries(filter).filter(([, value]) => value !== undefined),
      ) as ListingsFilter
      const { kind, prefix: within, ...same } = given
      const wanted = naive.filter(
        ({ listing, at }) =>
          (within === undefined || contains(within, at)) &&
          (kind === undefined || (listing.kinds & kindsMask([kind])) !== 0) &&
          Object.entries(same).every(([key, value]) => listing[key as 'state'] === value),
      )
      if (within) {
        const rank = ({ listing: { id } }: (typeof wanted)[number]) =>
          typeof id === 'number' ? id : Number.MAX_SAFE_INTEGER
        wanted.sort(
          (a, b) => a.at.length - b.at.length || comparePrefixes(a.at, b.at) || rank(a) - rank(b),
        )
      }
      assert.deepEqual(
        ids(await all(store, given, limit)),
        wanted.map(({ listing }) => listing.id),
      )
    },
  )
  await fc.assert(runs, { numRuns: 60 })
})

/** Addresses 20.0.x.y, as entries. */
function addresses(from: number, count: number): ListEntry[] {
  return Array.from({ length: count }, (_, index) => {
    const host = from + index
    return entry(`20.0.${host >> 8}.${host & 255}`, { kinds: host === from + count - 1 ? 1 : 0 })
  })
}

test('what passes the filter is rare: pages are short, and the last of them has it', async (t) => {
  const store = open(t)
  putList(store, 'a', addresses(0, 1200), 1)
  for (const filter of [{}, { prefix: prefix('20.0.0.0/16') }]) {
    const kind = backscatterKinds[0] ?? 'dsn'
    const first = await pageOf(store, { ...filter, kind }, 10)
    assert.deepEqual(first.items, [])
    assert.notEqual(first.nextCursor, null)
    const found = await all(store, { ...filter, kind }, 10)
    assert.deepEqual(ids(found), ['a:20.0.4.175-32'])
  }
})

test('an import between two pages, and in the middle of one: what stays is shown once', async (t) => {
  for (const filter of [{}, { prefix: prefix('20.0.0.0/16') }]) {
    const store = open(t)
    const before = putList(store, 'a', addresses(0, 20), 3)
    const first = await pageOf(store, filter, 5)
    const { nextCursor } = first
    assert.deepEqual(ids(first.items).at(-1), 'a:20.0.0.4-32')
    // The entry that the page ended with is gone, and one before it is new.
    const changed = [...addresses(0, 3), entry('20.0.0.3'), ...addresses(10, 300)]
    const after = putList(store, 'a', changed, 3)
    store.lists.deleteSome(before, 1000)
    const wanted = addresses(10, 300).map(({ prefix: at }) => entryId('a', at))
    assert.deepEqual(ids((await pageOf(store, filter, 1000, nextCursor)).items), wanted)

    const asked = pageOf(store, filter, 1000, nextCursor)
    await setImmediate()
    await setImmediate()
    putList(store, 'a', changed, 7)
    store.lists.deleteSome(after, 1000)
    assert.deepEqual(ids((await asked).items), wanted)
  }
})

test('a list that was never imported whole has no entries; nor has an unknown cursor a page', async (t) => {
  const store = open(t)
  store.begin()
  writeVersion(store, 'a', addresses(0, 3))
  store.commit()
  assert.deepEqual(await all(store, {}), [])
  assert.equal(listingAt(store, 'a:20.0.0.1-32', start), undefined)
  const encoded = (text: string) => Buffer.from(text).toString('base64url')
  for (const cursor of [
    'x',
    '99',
    encoded('a:20.0.0.1-24'),
    encoded('a 20.0.0.1/32'),
    encoded('0 20.0.0.1/32'),
  ]) {
    assert.ok(isRefusal(await listingsPage(store, {}, { limit: 3, cursor }, start)), cursor)
  }
  const outside = encoded('a:21.0.0.1-32')
  const within = { prefix: prefix('20.0.0.0/16') }
  assert.ok(isRefusal(await listingsPage(store, within, { limit: 3, cursor: outside }, start)))
})

test('an entry by its id: listed, expired, removed by hand, gone', (t) => {
  const store = open(t)
  const ended = entry('20.0.0.2', { expiresAt: start })
  const removed = entry('2a00::/48', { kinds: 1, reason: 'why' })
  putList(store, 'a', [entry('20.0.0.0/24', { listedAt: start - 7 }), ended, removed])
  hide(store, 'a', removed)
  const stateOf = (id: string) => listingAt(store, id, start)?.state
  assert.equal(stateOf('a:20.0.0.0-24'), 'listed')
  assert.equal(stateOf('a:20.0.0.2-32'), 'expired')
  assert.deepEqual(listingAt(store, 'a:2a00::-48', start), {
    ...{ id: 'a:2a00::-48', prefix: '2a00::/48', kinds: kindsOf(1), state: 'removed' },
    ...{ shadow: null, origin: 'import', list: 'a', reason: 'why' },
    ...{ createdAt: start, lastHitAt: null },
    ...{ expiresAt: null, hits: 0 },
  })
  for (const id of ['a:20.0.0.0-25', 'b:20.0.0.0-24', 'a:20.0.0.0/24', 'a:20.0.0.1-24', 'a']) {
    assert.equal(stateOf(id), undefined, id)
  }
  putList(store, 'a', [entry('20.0.0.0/24'), removed])
  assert.deepEqual(['a:2a00::-48', 'a:20.0.0.2-32'].map(stateOf), ['listed', undefined])
})
