// Named lists of a database of schema 5, where they were rows of listings and generations, opened by this program.
// lists-of-schema-5.db.gz was written by the program of that time, killed in the middle of two imports. In it are
//
//   mixed    2,500 entries; 100 of them came a half day later, two were removed by hand, some expired
//   half     23.0.0.0 to 23.0.2.87, being replaced by 23.0.1.44 to 23.0.3.131: nearly done; one removed meanwhile
//   early    27.0.0.0 to 27.0.2.87, being replaced by 27.0.1.44 to 27.0.3.131: hardly begun
//   coming   24.0.0.0 to 24.0.0.49, and a longer one of which only a part had been read
//   gone     three entries, all removed by hand
//   unborn   nothing: its first import had only begun
//
// and two listings by trap, two by hand, of which one each is at a prefix of the list mixed.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import Database from 'better-sqlite3'
import { formatPrefix, type Prefix } from '../../../src/ip/address.ts'
import { openStore, type Store } from '../../../src/store/database.ts'
import { migrate } from '../../../src/store/migrate.ts'
import { comparePrefixes, type ListEntry } from '../../../src/store/packed-entries.ts'
import { day, openDoor, prefix, start, temporaryDirectory } from '../../support/door.ts'
import { digestOfLists } from './schema-5.ts'

const packed = gunzipSync(readFileSync(join(import.meta.dirname, 'lists-of-schema-5.db.gz')))
const program = join(import.meta.dirname, 'die-in-migration.ts')
/** When the imports were killed. */
const killedAt = start + 15 * day

function oldDatabase(t: TestContext): string {
  const path = join(temporaryDirectory(t), 'a.db')
  writeFileSync(path, packed)
  return path
}

function openOld(t: TestContext, path = oldDatabase(t)): Store {
  const store = openStore(path)
  t.after(() => store.close())
  return store
}

function entriesOf(store: Store, name: string): ListEntry[] {
  const list = store.lists.named(name)
  assert.ok(list, name)
  return [...store.lists.entries(list.version)]
}

/** One after the other: what differs in thousands takes minutes to be shown. */
function assertEntries(store: Store, name: string, wanted: readonly ListEntry[]): void {
  const entries = entriesOf(store, name)
  for (const [index, entry] of entries.entries()) assert.deepEqual(entry, wanted[index])
  assert.equal(entries.length, wanted.length)
}

/** Entry n of the list mixed: hosts in /22s, then /64s in /48s. */
function mixed(n: number): ListEntry {
  const at = n % 40 === 1 ? n - 1 : n
  const net4 = `20.${at >> 6}.${(at & 63) * 4}`
  const text4 = n % 40 === 0 ? `${net4}.0/22` : `${net4}.${n % 40 === 1 ? 9 : 7}`
  const net6 = `2a01:${(n % 3 === 1 ? n - 1 : n).toString(16)}`
  const text6 = n % 3 === 0 ? `${net6}::/48` : `${net6}:0:5::/64`
  return {
    prefix: prefix(n < 1500 ? text4 : text6),
    attributes: {
      kinds: n % 32,
      reason: n % 5 === 0 ? null : `Reason ${n % 37}, “quoted”`,
      expiresAt: n % 10 === 3 ? start + day * (1 + (n % 30)) : null,
    },
    listedAt: n % 25 === 24 ? start + day / 2 : start,
  }
}

/** Entry n of mixed was removed by hand, or had expired and been ended. */
const isRemoved = (n: number): boolean => n === 7 || n === 2000
const isEnded = (n: number): boolean => n % 30 === 3

const host = (net: string, n: number): Prefix => prefix(`${net}.${n >> 8}.${n & 255}`)
const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index)
const plain = { kinds: 0, reason: null, expiresAt: null }
const inOrder = (entries: ListEntry[]): ListEntry[] =>
  entries.sort((a, b) => comparePrefixes(a.prefix, b.prefix))

function connection(t: TestContext, path: string): Database.Database {
  const database = new Database(path)
  t.after(() => database.close())
  return database
}

test('every entry of a list is in its version, with kinds, reason and expiry, as old as its row was', (t) => {
  const store = openOld(t)
  const wanted = numbers(0, 2500).filter((n) => !isRemoved(n) && !isEnded(n))
  assertEntries(store, 'mixed', inOrder(wanted.map(mixed)))
  const list = store.lists.named('mixed')
  assert.equal([...store.lists.entries(list?.version ?? null)].length, wanted.length)
  assert.equal(list?.applied, list?.version)
  assert.deepEqual(store.lists.unused(), [])
  const database = connection(t, store.path)
  assert.deepEqual(
    database
      .prepare('SELECT entry_type FROM list_chunks WHERE version_id = ? ORDER BY first')
      .pluck()
      .all(list?.version)
      .sort(),
    ['ipv4', 'ipv4', 'ipv6'],
  )
  assert.deepEqual(database.pragma('foreign_key_check'), [])
  assert.deepEqual(database.pragma('integrity_check', { simple: true }), 'ok')
})

test('a list that was being replaced is the new one, wherever that was, and DNS has to follow', (t) => {
  const store = openOld(t)
  // The row of an entry that had been there already came with a step of the import, a minute later.
  const isThere = (n: number): boolean => n >= 600 && n < 750
  assertEntries(
    store,
    'half',
    numbers(300, 900)
      .filter((n) => n !== 305)
      .map((n) => ({
        prefix: host('23.0', n),
        attributes: {
          ...{ kinds: 2, reason: 'new' },
          expiresAt: n % 7 === 0 ? start + 20 * day + n : null,
        },
        listedAt: n < 600 ? start : isThere(n) ? killedAt + 60 : killedAt,
      })),
  )
  assertEntries(
    store,
    'early',
    numbers(300, 900).map((n) => ({
      ...{ prefix: host('27.0', n), attributes: plain, listedAt: n < 600 ? start : killedAt },
    })),
  )
  for (const name of ['half', 'early']) assert.equal(store.lists.named(name)?.applied, null)
})

test('an import that had only begun is forgotten, and the list is what it was', (t) => {
  const store = openOld(t)
  assertEntries(
    store,
    'coming',
    numbers(0, 50).map((n) => ({ prefix: host('24.0', n), attributes: plain, listedAt: start })),
  )
  const { version, applied } = store.lists.named('unborn') ?? {}
  assert.deepEqual([version, applied], [null, null])
})

test('a list that has no entry any more, or was imported empty, is a list still', (t) => {
  const path = oldDatabase(t)
  connection(t, path).exec("INSERT INTO lists (name) VALUES ('empty')")
  const store = openOld(t, path)
  for (const name of ['gone', 'empty']) {
    const { version, applied } = store.lists.named(name) ?? {}
    assert.ok(version)
    assert.equal(applied, version)
    assertEntries(store, name, [])
  }
})

test('a start answers from all lists as they are now, under a serial that was never shown', (t) => {
  const path = oldDatabase(t)
  const serial = connection(t, path).prepare('SELECT max(serial) FROM publications').pluck().get()
  const door = openDoor(t, { now: killedAt + 100 }, path)
  for (const { version, applied } of door.store.lists.all()) assert.equal(applied, version)
  assert.ok(door.blocklist.status().serial > Number(serial))
  const answers = (at: string) => door.codes(at).length > 0
  const numbered = (n: number) => `${n >> 8}.${n & 255}`
  for (let n = 0; n < 1000; n++) {
    const isNew = n >= 300 && n < 900
    assert.equal(answers(`23.0.${numbered(n)}`), isNew && n !== 305, `23.0.${numbered(n)}`)
    assert.equal(answers(`24.0.${numbered(n)}`), n < 50, `24.0.${numbered(n)}`)
    assert.equal(answers(`27.0.${numbered(n)}`), isNew, `27.0.${numbered(n)}`)
  }
  for (let n = 0; n < 2500; n++) {
    const { prefix: at } = mixed(n)
    if (at.length !== 32 && at.family === 4) continue
    const isListed = !isRemoved(n) && !isEnded(n) && n % 30 !== 13
    const isInNet = n % 3 === 1 && n >= 1500 && !isRemoved(n - 1)
    assert.equal(door.codes(at).length > 0, isListed || isInNet, formatPrefix(at))
  }
  const found = door.blocklist.export('gone')
  assert.deepEqual([...(found?.pages ?? ['none'])].flat(), [])
  found?.close()
})

test('what was removed by hand or had expired is not in its list; its row is history, with its evidence mark', (t) => {
  const store = openOld(t)
  const { version } = store.lists.named('mixed') ?? { version: null }
  for (const n of [7, 2000]) {
    const removed = mixed(n).prefix
    assert.equal(store.lists.find(version, removed), undefined)
    assert.deepEqual(store.listings.removals(removed), [{ at: start + day, mark: 4 }])
  }
  const withdrawn = host('23.0', 305)
  assert.deepEqual(store.listings.removals(withdrawn), [{ at: killedAt + 60, mark: 4 }])
  const rows = connection(t, store.path)
    .prepare(
      `SELECT name, origin, state, count(*) AS count, count(version_id) AS hiding, count(ended_at) AS ended
       FROM listings LEFT JOIN lists ON lists.id = list_id GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
    )
    .raw()
    .all()
  assert.deepEqual(rows, [
    [null, 'manual', 'listed', 2, 0, 0],
    [null, 'trap', 'listed', 2, 0, 0],
    ['gone', 'import', 'removed', 3, 0, 3],
    ['half', 'import', 'removed', 1, 0, 1],
    ['mixed', 'import', 'expired', numbers(0, 2500).filter(isEnded).length, 0, 84],
    ['mixed', 'import', 'removed', 2, 0, 2],
  ])
  const [byHand] = store.listings.currentAt(prefix('20.0.40.7'))
  assert.deepEqual([byHand?.origin, byHand?.reason, byHand?.list], ['manual', 'by hand', null])
  const [byTrap] = store.listings.currentAt(prefix('20.0.8.7'))
  assert.deepEqual([byTrap?.origin, byTrap?.createdAt], ['trap', start + day / 2])
})

test('an entry that was over, and whose row had not been ended, is told of by the first look for such', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: killedAt * 1000 })
  const store = openOld(t)
  const told = (now: number): string[] => {
    store.begin()
    while (store.lists.expireSome(now) > 0);
    const prefixes = store.changed.take().map(formatPrefix)
    store.commit()
    return prefixes.sort()
  }
  const over = numbers(0, 2500).filter((n) => n % 30 === 13)
  assert.deepEqual(told(killedAt), over.map((n) => formatPrefix(mixed(n).prefix)).sort())
  assert.deepEqual(told(killedAt), [])
})

test('killed at any point, the database is the old one whole, and the next opening migrates it', (t) => {
  const wanted = digestOfLists(oldDatabase(t))
  const migrated = openOld(t)
  const names = migrated.lists.all().map(({ name }) => name)
  let deaths = 0
  for (let nth = 1; ; nth++) {
    const path = oldDatabase(t)
    const { signal, status, stderr } = spawnSync(process.execPath, [program, path, String(nth)])
    if (signal === null) {
      assert.equal(status, 0, String(stderr))
      break
    }
    deaths += 1
    assert.equal(signal, 'SIGKILL')
    const version = connection(t, path).pragma('user_version', { simple: true })
    if (Number(version) < 7)
      assert.deepEqual(digestOfLists(path), wanted, `died before script ${nth}`)
    const store = openOld(t, path)
    assert.deepEqual(store.lists.all(), migrated.lists.all())
    for (const name of names) assertEntries(store, name, entriesOf(migrated, name))
  }
  // Six migrations, of three scripts, four, and three each.
  assert.equal(deaths, 19)
})

test('a migration that fails half-way leaves the old database, and says which one it was', (t) => {
  const path = oldDatabase(t)
  const database = connection(t, path)
  // The last list of two that are packed from a generation names attributes that it does not have.
  database.exec(`UPDATE generation_chunks SET attributes = '[]' WHERE generation_id =
    (SELECT max(id) FROM generations WHERE state = 'taking over')`)
  const before = digestOfLists(path)
  assert.throws(
    () => openStore(path),
    /migration 0007-list-versions\.sql failed: a generation names/,
  )
  assert.deepEqual(digestOfLists(path), before)
  assert.equal(database.pragma('user_version', { simple: true }), 6)
})

test('a database of the newest schema, opened again, is not written to', (t) => {
  const path = oldDatabase(t)
  openStore(path).close()
  const before = readFileSync(path)
  openStore(path).close()
  assert.ok(before.equals(readFileSync(path)))
  const database = connection(t, path)
  migrate(database, path)
  assert.equal(database.prepare('SELECT total_changes()').pluck().get(), 0)
})
