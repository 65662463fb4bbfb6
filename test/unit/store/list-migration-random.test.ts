// Random rows of named lists in a database of schema 5, opened by this program.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { formatPrefix, networkOf } from '../../../src/ip/address.ts'
import { openStore } from '../../../src/store/database.ts'
import { comparePrefixes, type ListEntry } from '../../../src/store/packed-entries.ts'
import { prefixValues } from '../../../src/store/prefix-columns.ts'
import { start, temporaryDirectory } from '../../support/door.ts'
import { seeded } from '../../support/seeded.ts'
import { createSchema5, digestOfLists } from './schema-5.ts'

const program = join(import.meta.dirname, 'die-in-migration.ts')
const inOrder = (entries: ListEntry[]): ListEntry[] =>
  entries.sort((a, b) => comparePrefixes(a.prefix, b.prefix))

/** Writes a database of schema 5: so many entries of three lists, random prefixes inside each other, and history. */
function randomRows(path: string, count: number): Map<string, ListEntry[]> {
  const database = createSchema5(path)
  const lists = new Map(['one', 'two', 'three'].map((name) => [name, new Map<string, ListEntry>()]))
  const all = [...lists.values()]
  const random = seeded(7)
  const pick = <T>(values: readonly T[]): T => values[random() % values.length] as T
  const insert = database.prepare(
    `INSERT INTO listings (family, length, w0, w1, w2, w3, kinds, state, origin, list_id, reason, created_at,
       expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'import', ?, ?, ?, ?)`,
  )
  database.exec('BEGIN')
  for (const name of lists.keys()) database.prepare('INSERT INTO lists (name) VALUES (?)').run(name)
  for (let current = 0; current < count; ) {
    const number = random() % 3
    const entries = all[number]
    const words = { w0: random(), w1: random(), w2: random() % 4, w3: random() }
    const at =
      random() % 3 > 0
        ? networkOf({ family: 4, w0: words.w0 >>> 4, w1: 0, w2: 0, w3: 0 }, 16 + (random() % 17))
        : networkOf(
            { family: 6, ...words, w0: 0x2a010000 + (random() % 256) },
            32 + (random() % 97),
          )
    const attributes = {
      kinds: random() % 32,
      reason: pick([null, '', 'spam', `r${random() % 100}`]),
      expiresAt: pick([null, start + (random() % 1000)]),
    }
    const entry = { prefix: at, attributes, listedAt: start - (random() % 1000) }
    const state = pick(['listed', 'listed', 'listed', 'held', 'shadow', 'removed', 'expired'])
    const isCurrent = state !== 'removed' && state !== 'expired'
    const key = formatPrefix(at)
    if (isCurrent && entries?.has(key)) continue
    const { kinds, reason, expiresAt } = attributes
    insert.run(...prefixValues(at), kinds, state, number + 1, reason, entry.listedAt, expiresAt)
    if (!isCurrent) continue
    entries?.set(key, entry)
    current += 1
  }
  database.exec('COMMIT')
  database.close()
  return new Map([...lists].map(([name, entries]) => [name, inOrder([...entries.values()])]))
}

test('30,000 random rows of three lists: each list is its rows, a thousand to a chunk', (t) => {
  const path = join(temporaryDirectory(t), 'a.db')
  const lists = randomRows(path, 30_000)
  const killed = join(temporaryDirectory(t), 'killed.db')
  copyFileSync(path, killed)
  const old = digestOfLists(path)
  const store = openStore(path)
  t.after(() => store.close())
  let total = 0
  for (const [name, wanted] of lists) {
    const { version = null } = store.lists.named(name) ?? {}
    let index = 0
    for (const entry of store.lists.entries(version)) {
      const expected = wanted[index]
      assert.ok(expected)
      if (JSON.stringify(entry) !== JSON.stringify(expected)) assert.deepEqual(entry, expected)
      index += 1
    }
    assert.equal(index, wanted.length)
    assert.equal([...store.lists.entries(version)].length, wanted.length)
    for (const entry of wanted.filter((_, at) => at % 97 === 0)) {
      assert.deepEqual(store.lists.find(version, entry.prefix), entry)
    }
    total += index
  }
  assert.equal(total, 30_000)
  const database = new Database(path, { readonly: true })
  t.after(() => database.close())
  const chunks = database.prepare('SELECT count(*) FROM list_chunks').pluck().get()
  const full = [...lists.values()].flatMap((entries) =>
    ([4, 6] as const).map((family) =>
      Math.ceil(entries.filter(({ prefix: each }) => each.family === family).length / 1000),
    ),
  )
  assert.equal(
    chunks,
    full.reduce((sum, each) => sum + each, 0),
  )
  const left = `SELECT count(*) FROM listings WHERE state NOT IN ('removed', 'expired')`
  assert.equal(database.prepare(left).pluck().get(), 0)
  // Killed right before the commit, when most of it is in the write-ahead log.
  assert.equal(spawnSync(process.execPath, [program, killed, '7']).signal, 'SIGKILL')
  assert.deepEqual(digestOfLists(killed), old)
})
