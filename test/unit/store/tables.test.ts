import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { formatPrefix, type Prefix } from '../../../src/ip/address.ts'
import { openStore, type Store } from '../../../src/store/database.ts'
import {
  journalMaxChanges,
  journalMaxPublications,
  type Publication,
} from '../../../src/store/journal.ts'
import { type ListingFilter, pagePosition } from '../../../src/store/listing-walks.ts'
import type { ListingRow, NewListingRow } from '../../../src/store/listings.ts'
import { address, evidence, prefix, temporaryDirectory } from '../../support/door.ts'

function open(t: TestContext): Store {
  const store = openStore(join(temporaryDirectory(t), 'a.db'))
  t.after(() => store.close())
  return store
}

function listing(at: string | Prefix, changes: Partial<NewListingRow> = {}): NewListingRow {
  return {
    prefix: typeof at === 'string' ? prefix(at) : at,
    ...{ kinds: 1, state: 'listed', origin: 'manual', reason: null },
    ...{ createdAt: 1, lastHitAt: null, expiresAt: null, heldUntil: null },
    ...{ hits: 0, episode: 1, termSeconds: null, shadow: null, basis: null },
    ...changes,
  }
}

function end(listings: Store['listings'], row: NewListingRow): void {
  listings.end({ id: listings.insert(row), prefix: row.prefix }, 'removed', 2, 0)
}

function answered(store: Store): Map<string, number> {
  const found = new Map<string, number>()
  store.listingWalks.eachAnswered((family, w0, w1, w2, w3, length, kinds) => {
    const text = formatPrefix({ family, w0, w1, w2, w3, length })
    assert.ok(!found.has(text), `${text} comes twice`)
    found.set(text, kinds)
  })
  return found
}

test('the load gives each listed prefix once, with the kinds of all its rows', (t) => {
  const store = open(t)
  const { listings } = store
  listings.insert(listing('192.0.2.1'))
  listings.insert(listing('192.0.2.1', { origin: 'trap', kinds: 2 }))
  listings.insert(listing('192.0.2.3', { kinds: 4 }))
  listings.insert(listing('192.0.2.3', { origin: 'trap', kinds: 8, state: 'shadow' }))
  listings.insert(listing('192.0.2.0/24', { kinds: 0 }))
  listings.insert(listing('255.255.255.255', { kinds: 2 }))
  listings.insert(listing('0.0.0.0/1', { kinds: 16 }))
  listings.insert(listing('2001:db8::/32'))
  listings.insert(listing('2001:db8::/64'))
  listings.insert(listing('2001:db8::/64', { origin: 'trap', kinds: 4 }))
  listings.insert(listing('2001:db8:1::/64', { origin: 'trap', kinds: 8, state: 'held' }))
  end(listings, listing('192.0.2.9'))
  const found = answered(store)
  assert.deepEqual(Object.fromEntries(found), {
    '0.0.0.0/1': 16,
    '192.0.2.0/24': 0,
    '192.0.2.1/32': 3,
    '192.0.2.3/32': 4,
    '255.255.255.255/32': 2,
    '2001:db8::/32': 1,
    '2001:db8::/64': 5,
  })
})

test('the load reads in chunks and loses no prefix at their edges', (t) => {
  const store = open(t)
  // Chunks are of 50,000 rows: one prefix has rows on both sides of the edge, in either family.
  const rows = 50_003
  store.begin()
  for (let index = 0; index < rows; index++) {
    const word = 0x1400_0000 + index
    store.listings.insert(listing({ family: 4, w0: word, w1: 0, w2: 0, w3: 0, length: 32 }))
    const w1 = index
    store.listings.insert(listing({ family: 6, w0: 0x2a000000, w1, w2: 0, w3: 0, length: 64 }))
  }
  for (const edge of [49_998, 49_999, 50_000]) {
    for (const family of [4, 6] as const) {
      const words = family === 4 ? [0x1400_0000 + edge, 0] : [0x2a000000, edge]
      const at = { family, w0: words[0] ?? 0, w1: words[1] ?? 0, w2: 0, w3: 0 }
      const length = family === 4 ? 32 : 64
      store.listings.insert(listing({ ...at, length }, { origin: 'trap', kinds: 2 }))
    }
  }
  store.commit()
  const found = answered(store)
  assert.equal(found.size, 2 * rows)
  const doubled = [...found].filter(([, kinds]) => kinds === 3).map(([text]) => text)
  assert.deepEqual(doubled, [
    ...['20.0.195.78/32', '20.0.195.79/32', '20.0.195.80/32'],
    ...['2a00:0:0:c34e::/64', '2a00:0:0:c34f::/64', '2a00:0:0:c350::/64'],
  ])
})

test('lengths in use are found again after a restart, longest first', (t) => {
  const directory = temporaryDirectory(t)
  const before = openStore(join(directory, 'a.db'))
  for (const text of ['20.0.0.0/8', '20.0.0.0/17', '20.0.0.0/24', '2a00::/48']) {
    before.listings.insert(listing(text))
  }
  before.close()
  const store = openStore(join(directory, 'a.db'))
  const texts = (at: string) => [...store.listings.covering(address(at))].map(formatPrefix)
  assert.deepEqual(texts('20.0.7.7'), ['20.0.7.0/24', '20.0.0.0/17', '20.0.0.0/8'])
  assert.deepEqual([...store.listings.covering(prefix('20.0.0.0/17'))].map(formatPrefix), [
    ...['20.0.0.0/17', '20.0.0.0/8'],
  ])
  assert.deepEqual(texts('2a00::1'), ['2a00::/48'])
  store.close()
})

test('one origin has one row that holds at a prefix', (t) => {
  const { listings } = open(t)
  const id = listings.insert(listing('20.0.0.1'))
  assert.throws(() => listings.insert(listing('20.0.0.1')), /UNIQUE/)
  listings.end({ id, prefix: prefix('20.0.0.1') }, 'expired', 5, null)
  listings.insert(listing('20.0.0.1'))
  listings.insert(listing('20.0.0.1', { origin: 'trap' }))
  assert.deepEqual(
    listings.currentAt(prefix('20.0.0.1')).map(({ origin }) => origin),
    ['manual', 'trap'],
  )
})

test('pages pass every filter, hold each row once and end', (t) => {
  const { listings, listingWalks, lists } = open(t)
  const listIds = ['list 0', 'list 1'].map((name) => lists.begin(name).id)
  for (let index = 0; index < 40; index++) {
    const at = `20.0.${index % 4}.${index}`
    const kinds = 1 << (index % 5)
    const listId = listIds[index % 2] ?? 0
    if (index % 3 === 0) {
      const entry = { prefix: prefix(at), kinds, reason: null, createdAt: 1, expiresAt: null }
      listings.insertRemoved({ ...entry, listId, version: 1 }, 2, 0)
    } else {
      const state = index % 7 === 0 ? 'shadow' : 'listed'
      listings.insert(listing(at, { kinds, state }))
    }
  }
  listings.insert(listing('20.0.1.0/24'))
  listings.insert(listing('20.0.0.0/16'))
  const pageOf = (filter: ListingFilter, limit: number, after?: ListingRow) =>
    [...listingWalks.page(filter, limit, after && pagePosition(after))].flat()
  const all: ListingRow[] = pageOf({}, 1000)
  assert.equal(all.length, 42)
  const filters: [ListingFilter, (row: (typeof all)[number]) => boolean][] = [
    [{}, () => true],
    [{ state: 'shadow' }, ({ state }) => state === 'shadow'],
    [{ state: 'listed', kinds: 4 }, ({ state, kinds }) => state === 'listed' && kinds === 4],
    [{ origin: 'import', list: 'list 1' }, ({ list }) => list === 'list 1'],
    [{ list: 'no such list' }, () => false],
    [{ prefix: prefix('20.0.1.0/24') }, (row) => formatPrefix(row.prefix).startsWith('20.0.1.')],
    [
      { prefix: prefix('20.0.0.0/14'), kinds: 2, origin: 'manual' },
      ({ kinds, origin }) => kinds === 2 && origin === 'manual',
    ],
    [{ prefix: prefix('2a00::/16') }, () => false],
  ]
  for (const [filter, passes] of filters) {
    for (const limit of [1, 3, 1000]) {
      const ids: number[] = []
      for (let page = pageOf(filter, limit); page.length > 0; ) {
        ids.push(...page.map(({ id }) => id))
        page = pageOf(filter, limit, page.at(-1))
      }
      const expected = all.filter(passes).map(({ id }) => id)
      assert.deepEqual(ids.toSorted(), expected.toSorted(), JSON.stringify({ filter, limit }))
      if (!filter.prefix) assert.deepEqual(ids, expected, 'newest first')
    }
  }
})

test('a filter that hardly any row passes does not hold the event loop', (t) => {
  const store = open(t)
  const { listings } = store
  store.begin()
  const count = 25_000
  for (let index = 0; index < count; index++) {
    const isRare = index % 6000 === 17
    const at = `20.${index >> 16}.${(index >> 8) & 255}.${index & 255}`
    listings.insert(listing(at, { kinds: isRare ? 2 : 1, origin: 'manual' }))
  }
  store.commit()
  const rare = [0, 1, 2, 3, 4].map((number) => number * 6000 + 18)
  const everywhere = prefix('20.0.0.0/8')
  for (const [filter, expected] of [
    [{ kinds: 2 }, rare.toReversed()],
    [{ kinds: 2, origin: 'manual' }, rare.toReversed()],
    [{ kinds: 2, prefix: everywhere }, rare],
    [{ kinds: 2, prefix: everywhere, origin: 'manual' }, rare],
    [{ kinds: 4 }, []],
    [{ origin: 'trap', prefix: everywhere }, []],
  ] satisfies [ListingFilter, number[]][]) {
    const steps = [...store.listingWalks.page(filter, 1000)]
    assert.ok(steps.length >= 3, `${JSON.stringify(filter)}: ${steps.length} steps`)
    const ids = (rows: ListingRow[]) => rows.map(({ id }) => id)
    assert.deepEqual(ids(steps.flat()), expected)
    const first = [...store.listingWalks.page(filter, 2)].flat()
    const last = first.at(-1)
    const rest = [...store.listingWalks.page(filter, 1000, last && pagePosition(last))].flat()
    assert.deepEqual(ids([...first, ...(first.length > 0 ? rest : [])]), expected)
  }
})

test('the journal leads from any publication it still has to the newest', (t) => {
  const { journal } = open(t)
  assert.equal(journal.newest(), undefined)
  for (let serial = 1; serial <= 3; serial++) {
    const differences = [
      { prefix: prefix(`20.0.0.${serial}`), before: 0, after: 5 },
      { prefix: prefix('2a00::/64'), before: serial, after: serial + 1 },
    ]
    journal.append(publication(serial), differences, false)
  }
  assert.deepEqual(journal.newest(), publication(3))
  assert.deepEqual(journal.publication(2), publication(2))
  assert.equal(journal.publication(4), undefined)
  const changes = [...journal.changes(1, 3)].map((each) => [
    ...[each.serial, formatPrefix(each.prefix), each.before, each.after],
  ])
  assert.deepEqual(changes, [
    [2, '20.0.0.2/32', 0, 5],
    [2, '2a00::/64', 2, 3],
    [3, '20.0.0.3/32', 0, 5],
    [3, '2a00::/64', 3, 4],
  ])
  journal.append(publication(9), [], true)
  assert.equal(journal.publication(3), undefined)
  assert.deepEqual(journal.newest(), publication(9))
})

test('the journal forgets the oldest publications, whole, and never grows over its bounds', (t) => {
  const store = open(t)
  const { journal } = store
  const many = Array.from({ length: journalMaxChanges / 2 - 1 }, (_, index) => ({
    prefix: { family: 4, w0: index, w1: 0, w2: 0, w3: 0, length: 32 } as const,
    ...{ before: 0, after: 1 },
  }))
  store.begin()
  for (let serial = 1; serial <= 3; serial++) journal.append(publication(serial), many, false)
  assert.equal(journal.publication(1), undefined)
  assert.ok(journal.publication(2))
  journal.append(publication(4), [...many, ...many, ...many], false)
  assert.equal(journal.publication(3), undefined, 'one larger than the journal starts it anew')
  assert.deepEqual([...journal.changes(0, 4)], [])
  for (let serial = 5; serial < 5 + journalMaxPublications; serial++) {
    journal.append(publication(serial), [], false)
  }
  store.commit()
  assert.equal(journal.publication(4), undefined)
  assert.ok(journal.publication(5))
})

function publication(serial: number): Publication {
  return {
    ...{ serial, generatedAt: serial * 10, validUntil: serial * 10 + 5 },
    ...{ ipv4Entries: serial, ipv6Entries: 0, publishedKinds: 15, isRetired: false },
    ownRecords: 'own',
  }
}

test('evidence comes back as it went in, newest first, of one network', (t) => {
  const { evidence: table } = open(t)
  const details = { subject: 'Undelivered “mail”', status: '5.1.1' }
  const counted = { decision: 'counted', why: 'test' } as const
  assert.equal(table.newestId(), 0)
  const first = evidence({ client: '2a00::1:0:0:1', seenAt: 10, details })
  const second = evidence({ client: '2a00::2', seenAt: 30, kind: null })
  const elsewhere = evidence({ client: '2a00:0:0:1::2', seenAt: 20 })
  for (const each of [first, second, elsewhere, evidence({ client: null })]) {
    table.insert(each, 40, counted)
  }
  assert.equal(table.newestId(), 4)
  assert.ok(table.has(address('2a00::2'), second.recipient, second.content))
  assert.ok(!table.has(address('2a00::3'), second.recipient, second.content))
  assert.deepEqual(table.newest(prefix('2a00::/64'), 10), [
    { ...second, ...counted, id: 2, recordedAt: 40 },
    { ...first, ...counted, id: 1, recordedAt: 40 },
  ])
  assert.equal(table.newest(prefix('2a00::/48'), 10).length, 3)
  assert.equal(table.newest(prefix('2a00::/63'), 10).length, 3)
  assert.equal(table.newest(prefix('2a00::2/127'), 10).length, 1)
  const seen = { from: 0, to: 20, mark: 0 }
  const certain = { kind: 'dsn', certainty: 'certain' } as const
  const likely = { kind: 'dsn', certainty: 'likely' } as const
  assert.equal(table.hits(prefix('2a00::/48'), likely, seen, 10).length, 0)
  assert.equal(table.hits(prefix('2a00::/48'), certain, seen, 10).length, 2)
  assert.equal(table.hits(prefix('2a00::/64'), certain, seen, 10).length, 1)
  assert.equal(table.hits(prefix('2a00::/48'), certain, { ...seen, mark: 1 }, 10).length, 1)
  assert.equal(table.hits(prefix('2a00::/48'), certain, { ...seen, to: 19 }, 10).length, 1)
})

test('keys are found by their hash, revoked once, and a name is free again then', (t) => {
  const { keys } = open(t)
  const hash = createHash('sha256').update('bsd_secret').digest()
  const id = keys.insert({ name: 'ops', scope: 'write', hash, createdAt: 5, expiresAt: null })
  const key = { id, name: 'ops', scope: 'write', createdAt: 5, expiresAt: null }
  const fresh = { ...key, revokedAt: null, lastUsedAt: null }
  assert.deepEqual(keys.byHash(hash), { ...fresh, hash })
  assert.deepEqual(keys.all(), [fresh])
  const other = { name: 'ops', scope: 'read', createdAt: 6, expiresAt: null } as const
  assert.throws(() => keys.insert({ ...other, hash: Buffer.alloc(32, 1) }), /UNIQUE/)
  keys.touch(id, 8)
  assert.ok(keys.revoke(id, 9))
  assert.ok(!keys.revoke(id, 10))
  assert.deepEqual(keys.all(), [{ ...key, revokedAt: 9, lastUsedAt: 8 }])
  assert.equal(keys.byHash(Buffer.alloc(32)), undefined)
  const next = keys.insert({ ...other, scope: 'admin', hash: Buffer.alloc(32, 1) })
  assert.deepEqual(
    keys.all().map((row) => row.id),
    [id, next],
  )
})

test('the audit pages backwards and keeps states as they were', (t) => {
  const { audit } = open(t)
  for (let at = 1; at <= 3; at++) {
    audit.insert({
      at,
      actor: 'cli',
      action: 'list',
      target: `t${at}`,
      before: null,
      after: { at },
    })
  }
  assert.deepEqual(
    audit.page(2).map(({ target, after }) => [target, after]),
    [
      ['t3', { at: 3 }],
      ['t2', { at: 2 }],
    ],
  )
  assert.deepEqual(
    audit.page(2, 2).map(({ target }) => target),
    ['t1'],
  )
})
