// A death at any commit of an import and of the clean-up afterwards: the next start has the old list or the new one, whole,
// and so has a backup of that moment.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { listingAt } from '../../src/blocklist/pages.ts'
import { backupDatabase } from '../../src/store/backup.ts'
import { type Door, openDoor, temporaryDirectory } from '../support/door.ts'
import { journalLeads } from '../unit/blocklist/agreement.ts'
import {
  answered,
  digest,
  exported,
  fill,
  importList,
  listedSince,
  newAt,
  newKinds,
  oldAt,
} from '../unit/blocklist/two-lists.ts'

const program = join(import.meta.dirname, '../support/die-in-import.ts')
const atOnce = 2
/** What a commit brought is shown before the next one begins. */
const moments = ['before', 'after']

function copyOf(t: TestContext, from: string): string {
  const path = join(temporaryDirectory(t), 'copy.db')
  for (const end of ['', '-wal']) {
    if (existsSync(from + end)) copyFileSync(from + end, path + end)
  }
  return path
}

/** Opens what was left, as a start does, and says which list it has: the same in DNS, exports and look-ups. */
async function opened(t: TestContext, path: string, what: string): Promise<['old' | 'new', Door]> {
  const door = openDoor(t, { finishesImports: false }, path)
  const which = answered(door)
  assert.equal(exported(door), which, what)
  const { version, applied } = door.store.lists.named('a') ?? {}
  assert.ok(version, what)
  assert.equal(applied, version, what)
  const since = which === 'new' ? [oldAt, newAt, newAt] : [oldAt, undefined, oldAt]
  assert.deepEqual(listedSince(door), since, what)
  assert.equal(
    listingAt(door.store, 'a:20.0.3.0-32', door.now)?.state,
    which === 'new' ? 'listed' : 'removed',
  )
  const { serial } = door.blocklist.status()
  door.blocklist.finishImports()
  await clean(door)
  assert.equal(door.blocklist.status().serial, serial, `${what}: cleaning up changes no answer`)
  journalLeads(door)
  return [which, door]
}

/** Waits until nothing is left but what the lists are. */
async function clean(door: Door): Promise<void> {
  const database = new Database(door.store.path, { readonly: true })
  try {
    const left = database
      .prepare(
        `SELECT (SELECT count(*) FROM list_versions WHERE id NOT IN (SELECT version FROM lists)) +
           (SELECT count(*) FROM list_chunks WHERE version_id NOT IN (SELECT version FROM lists))`,
      )
      .pluck()
    const end = performance.now() + 60_000
    while (left.get() !== 0 && performance.now() < end) await setImmediate()
    assert.equal(left.get(), 0, "no row is left of versions that are no list's")
  } finally {
    database.close()
  }
}

/** Runs the program, and says what it showed last, and whether it came to its end. */
function died(path: string, number: number, moment: string) {
  const { promise, resolve, reject } = Promise.withResolvers<{
    serial: number
    digest: number
    isDone: boolean
  }>()
  const args = [program, path, `${number}`, moment]
  execFile(process.execPath, args, (error, stdout, stderr) => {
    if (error && error.signal !== 'SIGKILL') reject(new Error(stderr))
    const lines = stdout.trimEnd().split('\n')
    const isDone = lines.at(-1) === 'done'
    const [serial = 0, sum = 0] =
      lines
        .at(isDone ? -2 : -1)
        ?.split(' ')
        .map(Number) ?? []
    resolve({ serial, digest: sum, isDone })
  })
  return promise
}

test('killed at any commit of an import: the next start has the old list or the new one, whole', async (t) => {
  const door = openDoor(t)
  await fill(door)
  door.blocklist.close()
  door.store.close()
  const found = new Map<string, 'old' | 'new'>()
  let last = Number.POSITIVE_INFINITY
  const killOnce = async (number: number, moment: string): Promise<void> => {
    const what = `killed at commit ${number}, ${moment}`
    const path = copyOf(t, door.store.path)
    const shown = await died(path, number, moment)
    if (shown.isDone) last = Math.min(last, number)
    const [which, next] = await opened(t, path, what)
    found.set(`${moment} ${number}`, which)
    const { serial } = next.blocklist.status()
    assert.ok(serial > shown.serial || digest(next.reader) === shown.digest, `${what}: ${serial}`)
    assert.ok(serial >= shown.serial, what)
    next.blocklist.close()
    next.store.close()
  }
  for (let number = 1; number <= last; number += atOnce) {
    for (const moment of moments) {
      const numbers = Array.from({ length: atOnce }, (_, index) => number + index)
      await Promise.all(numbers.map((each) => killOnce(each, moment)))
    }
  }
  const commits = last - 1
  t.diagnostic(`${commits} commits`)
  assert.ok(commits > 8)
  for (const moment of moments) {
    const all = Array.from({ length: commits }, (_, index) => found.get(`${moment} ${index + 1}`))
    assert.deepEqual(all, all.toSorted().reverse(), 'once it is the new list, it stays so')
    assert.deepEqual(new Set(all), new Set(['old', 'new']))
  }
})

test('a backup made at any commit of an import has the old list or the new one, whole', async (t) => {
  const door = openDoor(t)
  await fill(door)
  const folder = temporaryDirectory(t)
  const commit = door.store.commit.bind(door.store)
  const files: string[] = []
  t.mock.method(door.store, 'commit', () => {
    commit()
    const file = join(folder, `${files.length}`)
    backupDatabase(door.store.path, file)
    files.push(file)
  })
  await importList(door.blocklist, 'a', newKinds)
  t.mock.restoreAll()
  const found = new Set<string>()
  for (const file of files) {
    const [which, next] = await opened(t, file, file)
    found.add(which)
    next.blocklist.close()
    next.store.close()
  }
  assert.deepEqual(found, new Set(['old', 'new']))
})
