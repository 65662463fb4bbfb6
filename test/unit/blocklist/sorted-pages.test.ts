// Sorted pages of listings, against a naive sort: each order with any filter, while rows change between the pages, and by
// indexes alone.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { listingsPage } from '../../../src/blocklist/pages.ts'
import {
  isRefusal,
  kindsMask,
  type Listing,
  type ListingsFilter,
} from '../../../src/blocklist/types.ts'
import { contains, networkOf, type Prefix } from '../../../src/ip/address.ts'
import { openStore, type Store } from '../../../src/store/database.ts'
import type { ListingSort } from '../../../src/store/listing-walks.ts'
import type { ListingRow, NewListingRow } from '../../../src/store/listings.ts'
import { comparePrefixes } from '../../../src/store/packed-entries.ts'
import { address, prefix, start, temporaryDirectory } from '../../support/door.ts'
import fc from '../../support/properties.ts'
import { noteStatements } from '../../support/statements.ts'
import { entry, putList } from './lists.ts'

const sorts = ['newest', 'ending', 'address'] as const
const states = ['listed', 'held', 'shadow', 'expired', 'removed'] as const
const path = (t: Pick<TestContext, 'after'>) => join(temporaryDirectory(t), 'a.db')

function open(t: Pick<TestContext, 'after'>, file = path(t)): Store {
  const store = openStore(file)
  t.after(() => store.close())
  return store
}

interface Made {
  readonly at: Prefix
  readonly kinds: number
  readonly state: (typeof states)[number]
  readonly origin: 'manual' | 'trap'
  /** Seconds after the start. */
  readonly end: number | null
}

const bases = [address('20.0.0.0'), address('2a00::'), address('2a00:0:0:1::')]
const made = fc.record({
  at: fc
    .record({ base: fc.constantFrom(...bases), last: fc.nat(7), missing: fc.nat(2) })
    .map(({ base, last, missing }): Prefix => {
      const at = base.family === 4 ? { ...base, w0: base.w0 + last } : { ...base, w3: last }
      return networkOf(at, (at.family === 4 ? 32 : 128) - missing)
    }),
  kinds: fc.nat(3),
  state: fc.constantFrom(...states),
  origin: fc.constantFrom('manual' as const, 'trap' as const),
  end: fc.option(fc.nat(3)),
})
const maybe = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined })
const anyFilter = fc.record({
  state: maybe(fc.constantFrom(...states)),
  origin: maybe(fc.constantFrom('manual' as const, 'trap' as const, 'import' as const)),
  kind: maybe(fc.constantFrom('dsn' as const, 'callout' as const)),
  prefix: maybe(fc.constantFrom(prefix('20.0.0.0/29'), prefix('2a00::/126'))),
})

/** Adds a row, unless one of this prefix and origin is there. */
function insert({ listings }: Store, { at, kinds, state, origin, end }: Made): void {
  if (listings.currentAt(at).some((row) => row.origin === origin)) return
  const isOver = state === 'expired' || state === 'removed'
  const row: NewListingRow = {
    ...{ prefix: at, kinds, state: isOver ? 'listed' : state, origin, reason: null },
    ...{ createdAt: start, lastHitAt: null, expiresAt: end === null ? null : start + end },
    ...{ heldUntil: null, hits: 0, episode: 0, termSeconds: null, shadow: null, basis: null },
  }
  const id = listings.insert(row)
  if (isOver) listings.end({ id, prefix: at }, state, start, null)
}

function rowsOf(store: Store): ListingRow[] {
  return [...store.listingWalks.page({}, 10_000)].flat()
}

function endOf({ state, expiresAt }: ListingRow): number {
  return state === 'expired' || state === 'removed' ? Infinity : (expiresAt ?? Infinity)
}

function byAddress({ prefix: a }: ListingRow, { prefix: b }: ListingRow): number {
  return a.family - b.family || a.length - b.length || comparePrefixes(a, b)
}

const compare: Readonly<Record<ListingSort, (a: ListingRow, b: ListingRow) => number>> = {
  newest: (a, b) => b.id - a.id,
  ending(a, b) {
    const [first, second] = [endOf(a), endOf(b)]
    if (first === second) return first === Infinity ? b.id - a.id : a.id - b.id
    return first < second ? -1 : 1
  },
  address: (a, b) => byAddress(a, b) || a.id - b.id,
}

/** The ids of the rows that pass the filter, in its order. */
function naive(rows: readonly ListingRow[], filter: ListingsFilter): number[] {
  const { sort = 'newest', prefix: within, kind, state, origin } = filter
  return rows
    .filter(
      (row) =>
        (within === undefined || contains(within, row.prefix)) &&
        (kind === undefined || (row.kinds & kindsMask([kind])) !== 0) &&
        (state === undefined || row.state === state) &&
        (origin === undefined || row.origin === origin),
    )
    .sort(compare[within ? 'address' : sort])
    .map(({ id }) => id)
}

/** All pages, one behind the other. `change` is called between two of them. */
async function all(store: Store, filter: ListingsFilter, limit: number, change = () => {}) {
  const items: Listing[] = []
  let cursor: string | null = null
  for (let pages = 0; pages < 500; pages++) {
    const page = await listingsPage(store, filter, { limit, ...(cursor && { cursor }) }, start)
    assert.ok(!isRefusal(page))
    items.push(...page.items)
    cursor = page.nextCursor
    if (cursor === null) return items.map(({ id }) => id)
    change()
  }
  throw new Error('the pages do not come to an end')
}

function given(filter: object): ListingsFilter {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined))
}

test('each order holds each row that passes the filter once, and then the entries of lists', async (t) => {
  const runs = fc.asyncProperty(
    ...[fc.array(made, { maxLength: 25 }), anyFilter, fc.integer({ min: 1, max: 7 })],
    async (rows, filter, limit) => {
      const store = open(t)
      for (const each of rows) insert(store, each)
      const stored = rowsOf(store)
      for (const sort of sorts) {
        const asked = given({ ...filter, sort })
        assert.deepEqual(await all(store, asked, limit), naive(stored, asked), sort)
      }
      putList(store, 'a', [entry('20.0.0.9'), entry('20.0.0.0/24'), entry('2a00::/64')])
      for (const sort of sorts) {
        const entries = ['a:20.0.0.0-24', 'a:20.0.0.9-32', 'a:2a00::-64']
        assert.deepEqual(await all(store, { sort }, limit), [
          ...naive(stored, { sort }),
          ...entries,
        ])
      }
    },
  )
  await fc.assert(runs, { numRuns: 60 })
})

test('rows are added, extended, ended and deleted between pages: the others come once, in order', async (t) => {
  const change = fc.record({ which: fc.nat(30), how: fc.constantFrom('extend', 'end', 'delete') })
  const runs = fc.asyncProperty(
    ...[fc.array(made, { minLength: 5, maxLength: 30 }), fc.array(made, { maxLength: 5 })],
    ...[
      fc.array(change, { maxLength: 10 }),
      fc.constantFrom(...sorts),
      fc.integer({ min: 1, max: 5 }),
    ],
    async (rows, added, changes, sort, limit) => {
      const file = path(t)
      const store = open(t, file)
      const other = new Database(file)
      for (const each of rows) insert(store, each)
      const before = rowsOf(store)
      const touched = new Set<number | string>()
      const seen = await all(store, { sort }, limit, () => {
        const next = added.pop()
        if (next) insert(store, next)
        const { which, how } = changes.pop() ?? { which: 0, how: 'none' }
        const row = before[which]
        if (row === undefined || how === 'none' || touched.has(row.id)) return
        touched.add(row.id)
        if (how === 'delete') other.prepare('DELETE FROM listings WHERE id = ?').run(row.id)
        else if (how === 'end') store.listings.end(row, 'expired', start, null)
        else {
          const { prefix: _prefix, origin: _origin, createdAt: _createdAt, ...rest } = row
          const state = row.state === 'held' ? 'held' : 'listed'
          if (!row.endedAt) store.listings.change(row, { ...rest, state, expiresAt: start + 2 })
        }
      })
      other.close()
      const untouched = before.filter(({ id }) => !touched.has(id))
      const isUntouched = new Set<number | string>(untouched.map(({ id }) => id))
      assert.deepEqual(
        seen.filter((id) => isUntouched.has(id)),
        naive(untouched, { sort }),
      )
    },
  )
  await fc.assert(runs, { numRuns: 60 })
})

test('no order scans or sorts the table', async (t) => {
  const file = path(t)
  const store = open(t, file)
  for (let host = 0; host < 30; host++) {
    const state = states[host % 5] ?? 'listed'
    const end = host % 3 === 0 ? null : host
    insert(store, { at: prefix(`20.0.0.${host}`), kinds: 1, state, origin: 'manual', end })
    insert(store, { at: prefix(`2a00::${host}`), kinds: 1, state, origin: 'manual', end })
  }
  const database = new Database(file)
  t.after(() => database.close())
  const indexes: Readonly<Record<ListingSort, readonly RegExp[]>> = {
    newest: [/^SEARCH listings USING INTEGER PRIMARY KEY \(rowid<\?\)$/],
    ending: [/listings_expiry \(expires_at>\?\)$/, /listings_no_end \(id<\?\)$/],
    address: [/listings_prefix \(family=\? AND length=\? AND \(w0,w1,w2,w3\)>\(\?,\?,\?,\?\)\)$/],
  }
  const noted = noteStatements(t)
  for (const sort of sorts) {
    for (const filter of [{}, { kind: 'dsn' as const }, { origin: 'manual' as const }]) {
      noted.length = 0
      await all(store, { ...filter, sort }, 10)
      const walks = new Set(noted.filter((sql) => / FROM listings WHERE .* ORDER BY /s.test(sql)))
      assert.ok(walks.size >= 2)
      const used = new Set<string>()
      for (const sql of walks) {
        const unbound = Array(sql.split('?').length - 1).fill(null)
        const steps = database
          .prepare<unknown[], { parent: number; detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
          .all(...unbound)
        // The rows of one page are read by their ids, and may be sorted.
        const isPage = steps[0]?.detail === 'SEARCH listings USING INTEGER PRIMARY KEY (rowid=?)'
        for (const { parent, detail } of steps) {
          assert.doesNotMatch(detail, /^SCAN listings/, sql)
          const isOfPage = isPage && parent === 0
          if (!isOfPage) assert.notEqual(detail, 'USE TEMP B-TREE FOR ORDER BY', sql)
          if (detail.startsWith('SEARCH listings') && !isOfPage) used.add(detail)
        }
      }
      const found = [...used]
      assert.ok(
        indexes[sort].every((index) => found.some((detail) => index.test(detail))),
        `${sort}: ${found.join('; ')}`,
      )
      assert.ok(
        found.every((detail) => indexes[sort].some((index) => index.test(detail))),
        `${sort}: ${found.join('; ')}`,
      )
    }
  }
})

test('a cursor must be of this program', async (t) => {
  const store = open(t)
  for (const text of ['1 20.0.0.1/32', '1 20.0.0.1/32 ', '1 20.0.0.1/32 x', '1 20.0.0.1/32 07']) {
    const cursor = Buffer.from(text).toString('base64url')
    assert.ok(isRefusal(await listingsPage(store, { sort: 'ending' }, { limit: 3, cursor }, start)))
  }
})
