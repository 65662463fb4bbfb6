// A list on its way in while the database fails, and what else waits to be written meanwhile.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { CommitQueue } from '../../../src/blocklist/commit-queue.ts'
import { Publisher } from '../../../src/blocklist/publish.ts'
import { WriteHealth } from '../../../src/blocklist/write-health.ts'
import { OperationalError } from '../../../src/errors.ts'
import { readFeed } from '../../../src/feeds/feed.ts'
import { formatPrefix } from '../../../src/ip/address.ts'
import { openStore } from '../../../src/store/database.ts'
import { cli, type Door, openDoor, silentLog, start, temporaryDirectory } from './fixture.ts'

function importText(door: Door, text: string) {
  async function* octets() {
    yield Buffer.from(text)
  }
  const items = readFeed(octets(), { format: 'text', now: start })
  return door.blocklist.import({ list: 'a', items, isStrict: false, actor: cli })
}

test('a list that is half taken over gets to the end, however often the database fails', async (t) => {
  const door = openDoor(t)
  await importText(door, '20.0.0.1')
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { commit } = door.store
  let fails = 12
  let isTakingOver = false
  t.mock.method(door.store, 'commit', () => {
    if (isTakingOver && fails-- > 0) throw new OperationalError('database-failed', 'disk full')
    isTakingOver = door.store.generations.all()[0]?.state === 'taking over'
    commit.call(door.store)
  })
  const told = importText(door, '20.0.0.2').then(
    () => 'done',
    (error) => error.code,
  )
  const later = async (seconds: number): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await setImmediate()
    t.mock.timers.tick(seconds * 1000)
    for (let turn = 0; turn < 20; turn++) await setImmediate()
  }
  for (const seconds of [1, 2, 4, 8]) await later(seconds)
  assert.equal(await told, 'database-failed', 'who waits is told')
  assert.deepEqual(await importText(door, '20.0.0.3'), {
    refused: 'conflict',
    why: 'another import of list a is going on',
  })
  assert.deepEqual([door.codes('20.0.0.1'), door.codes('20.0.0.2')], [[2], []])
  const refused = assert.rejects(door.blocklist.export(undefined), { code: 'list-unfinished' })
  await later(60)
  await refused
  for (let minute = 0; minute < 8; minute++) await later(60)
  assert.ok(fails < 0, 'it was tried more than twelve times')
  assert.deepEqual([door.codes('20.0.0.1'), door.codes('20.0.0.2')], [[], [2]])
  const found = await door.blocklist.export('a')
  assert.deepEqual(
    [...(found?.pages ?? [])].flat().map((entry) => formatPrefix(entry.prefix)),
    ['20.0.0.2/32'],
  )
  assert.deepEqual(door.store.generations.all(), [])
})

test('after a power cut no serial comes back that was seen before it', async (t) => {
  const door = openDoor(t)
  await importText(door, '20.0.0.1')
  const { serial } = door.blocklist.status()
  door.store.begin()
  const { id } = door.store.generations.begin('a', start)
  door.store.generations.takeOver(id)
  door.store.commit()
  door.reopen()
  assert.ok(door.blocklist.status().serial > serial + 32)
  assert.deepEqual(door.codes('20.0.0.1'), [])
})

test('what takes long lets the others go first, once', async (t) => {
  const store = openStore(`${temporaryDirectory(t)}/a.db`)
  const publisher = new Publisher({
    ...{
      store,
      tree: undefined,
      publishedKinds: 1,
      ahead: undefined,
      validForSeconds: 60,
      isRetired: false,
    },
    log: silentLog,
  })
  const queue = new CommitQueue(
    store,
    publisher,
    () => start,
    new WriteHealth(silentLog, () => start),
  )
  const order: string[] = []
  const put = (name: string, options = {}, then?: () => void) =>
    queue.run(() => {
      order.push(name)
      then?.()
    }, options)
  const more: Promise<void>[] = []
  await Promise.all([
    put('step 1', { isAlone: true }),
    put('step 2', { mayBeLost: true }),
    put('a'),
    put('b', {}, () => more.push(put('c'), put('d'))),
  ])
  await Promise.all(more)
  assert.deepEqual(order, ['a', 'b', 'step 1', 'c', 'd', 'step 2'])
  queue.close()
  store.close()
})
