// A copy that is restored goes on with serials of its own, however often copies are restored and in which order: no serial stands
// for two contents, and none goes back.
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { backupDatabase } from '../../../src/store/backup.ts'
import { openStore } from '../../../src/store/database.ts'
import { cli, type Door, openDoor, request, start } from '../../support/door.ts'

function serialOf(door: Door): number {
  return door.store.journal.newest()?.serial ?? 0
}

async function publish(door: Door, ...addresses: string[]): Promise<void> {
  for (const each of addresses) await door.blocklist.list([request(each)], cli)
}

test('serials of restored copies are new, and always greater than before', async (t) => {
  const original = openDoor(t)
  await publish(original, '20.0.0.1', '20.0.0.2')
  const older = join(original.directory, 'older.db')
  backupDatabase(original.store.path, older)
  await publish(original, '20.0.0.3')
  const newer = join(original.directory, 'newer.db')
  backupDatabase(original.store.path, newer)
  original.now += 100
  await publish(original, '20.0.0.4', '20.0.0.5')
  const given = [serialOf(original)]

  const restores = [older, older, newer, older]
  for (const [index, copy] of restores.entries()) {
    const folder = join(original.directory, `${index}`)
    mkdirSync(folder)
    copyFileSync(copy, join(folder, 'list.db'))
    const door = openDoor(t, { now: start + 200 + index * 60 }, join(folder, 'list.db'))
    // It is published at once, without any change: secondaries may have more than the copy, and must be told.
    const first = serialOf(door)
    assert.ok(first > Math.max(...given), `${first} after ${given}`)
    assert.equal(door.store.journal.publication(given[0] ?? 0), undefined)
    await publish(door, `20.0.1.${index}`)
    assert.equal(serialOf(door), first + 1)
    assert.equal(door.store.journal.isCopy, false)
    assert.ok(door.store.journal.publication(first), 'differences lead on from the first serial')
    given.push(first, serialOf(door))
  }
  assert.equal(new Set(given).size, given.length)
})

test('an older copy may be restored after a copy of a restored copy', async (t) => {
  const original = openDoor(t)
  await publish(original, '20.0.0.1')
  const folder = join(original.directory, 'copies')
  mkdirSync(folder)
  const older = join(folder, 'older.db')
  backupDatabase(original.store.path, older)
  const given = [serialOf(original)]
  let copy = older
  for (const index of [1, 2, 3]) {
    const file = join(folder, `${index}.db`)
    copyFileSync(index === 3 ? older : copy, file)
    const door = openDoor(t, { now: start + index * 60 }, file)
    assert.ok(serialOf(door) > Math.max(...given), `${serialOf(door)} after ${given}`)
    await publish(door, '20.0.0.2', '20.0.0.3')
    given.push(serialOf(door))
    copy = join(folder, `copy${index}.db`)
    backupDatabase(file, copy)
  }
})

test('a change that is rolled back leaves the copy marked', async (t) => {
  const original = openDoor(t)
  await publish(original, '20.0.0.1')
  const folder = join(original.directory, 'copy')
  mkdirSync(folder)
  backupDatabase(original.store.path, join(folder, 'list.db'))
  const store = openStore(join(folder, 'list.db'))
  t.after(() => store.close())
  const publication = store.journal.newest()
  assert.ok(publication)
  store.begin()
  store.journal.append({ ...publication, serial: publication.serial + 1 }, [], true)
  assert.equal(store.journal.isCopy, false)
  store.rollback()
  assert.equal(store.journal.isCopy, true)
})
