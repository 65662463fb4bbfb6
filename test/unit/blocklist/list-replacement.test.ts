// What happens between the transaction that makes a new version the list and the one that says that DNS has all of it: a
// database that fails, a tree that is full, a death, and others who change what is on its way.
import assert from 'node:assert/strict'
import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { CommitQueue } from '../../../src/blocklist/commit-queue.ts'
import { listingAt } from '../../../src/blocklist/pages.ts'
import { Publisher } from '../../../src/blocklist/publish.ts'
import type { ImportItem } from '../../../src/blocklist/types.ts'
import { OperationalError } from '../../../src/errors.ts'
import { type Address, formatAddress, formatPrefix, hostPrefix } from '../../../src/ip/address.ts'
import { openStore } from '../../../src/store/database.ts'
import {
  address,
  cli,
  type Door,
  openDoor,
  prefix,
  silentLog,
  start,
  temporaryDirectory,
  testPolicy,
} from '../../support/door.ts'
import { seeded } from '../../support/seeded.ts'
import { journalLeads } from './agreement.ts'

const plain = { kinds: 0, reason: null, expiresAt: null }

function importHosts(door: Door, list: string, hosts: readonly Address[]) {
  async function* items(): AsyncGenerator<ImportItem[]> {
    yield hosts.map((host, index) => ({
      ...{ line: index + 1, text: '', prefix: hostPrefix(host), attributes: plain },
    }))
  }
  return door.blocklist.import({
    ...{ list, items: items(), isStrict: true, isForced: true, actor: cli },
  })
}

function importTexts(door: Door, list: string, ...hosts: string[]) {
  return importHosts(door, list, hosts.map(address))
}

/** So many hosts that may be listed, far from each other. */
function randomHosts(count: number, seed: number): Address[] {
  const next = seeded(seed)
  const first = address('2a00::')
  return Array.from({ length: count }, () => ({ ...first, w1: next(), w2: next(), w3: next() }))
}

/** Calls `then` once, when the list is another version than DNS has. */
function onFlip(t: TestContext, { store }: Door, list: string, then: () => void): void {
  const commit = store.commit.bind(store)
  let isFlipped = false
  t.mock.method(store, 'commit', () => {
    commit()
    const { version, applied } = store.lists.named(list) ?? {}
    if (isFlipped || version === applied) return
    isFlipped = true
    then()
  })
}

test('a list that DNS follows gets to the end, however often the database fails', async (t) => {
  const door = openDoor(t)
  await importTexts(door, 'a', '20.0.0.1')
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { commit } = door.store
  let fails = 12
  let isFlipped = false
  t.mock.method(door.store, 'commit', () => {
    if (isFlipped && fails-- > 0) throw new OperationalError('database-failed', 'disk full')
    commit.call(door.store)
    const { version, applied } = door.store.lists.named('a') ?? {}
    isFlipped = version !== applied
  })
  const told = importTexts(door, 'a', '20.0.0.2').then(
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
  assert.deepEqual(await importTexts(door, 'a', '20.0.0.3'), {
    refused: 'conflict',
    why: 'another import of list a is running',
  })
  assert.deepEqual([door.codes('20.0.0.1'), door.codes('20.0.0.2')], [[2], []])
  assert.deepEqual(exported(door, 'a'), ['20.0.0.2/32'], 'the list is the new one')
  for (let minute = 0; minute < 9; minute++) await later(60)
  assert.ok(fails < 0, 'it was tried more than twelve times')
  assert.deepEqual([door.codes('20.0.0.1'), door.codes('20.0.0.2')], [[], [2]])
  const isApplied = (): boolean => {
    const { version, applied } = door.store.lists.named('a') ?? {}
    return version === applied
  }
  for (let minute = 0; minute < 9 && !isApplied(); minute++) await later(60)
  assert.ok(isApplied(), 'DNS has all of it')
})

function exported(door: Door, list: string): string[] {
  const found = door.blocklist.export(list)
  return [...(found?.pages ?? [])].flat().map((entry) => formatPrefix(entry.prefix))
}

const smallTree = { capacityBytes: 256 * 1024 }
const oldHosts = randomHosts(400, 1)
/** Half of the old ones and many more. */
const newHosts = [...oldHosts.slice(200), ...randomHosts(3000, 2)]
const others = randomHosts(8000, 3)
const textOf = (host: Address): string => formatPrefix(hostPrefix(host))
const wanted = { old: new Set(oldHosts.map(textOf)), new: new Set(newHosts.map(textOf)) }
const texts = new Map([...oldHosts, ...newHosts].map((host) => [host, textOf(host)]))

/** Begins to import the new list, and lists others by hand as soon as it is the list, until the tree is full. */
async function fillMeanwhile(t: TestContext, door: Door): Promise<string> {
  const filled = Promise.withResolvers<void>()
  const fill = async (): Promise<void> => {
    const batches = Array.from({ length: 40 }, (_, index) =>
      others.slice(index * 200, index * 200 + 200),
    )
    await Promise.allSettled(
      batches.map((batch) =>
        door.blocklist.list(
          batch.map((host) => ({ prefix: hostPrefix(host), kinds: [], expiresAt: null })),
          cli,
        ),
      ),
    )
    filled.resolve()
  }
  onFlip(t, door, 'a', () => void fill())
  const told = await importHosts(door, 'a', newHosts).then(
    () => 'done',
    (error) => error.code,
  )
  await filled.promise
  return told
}

/** Which list DNS and the export have; fails where it is neither one, whole. */
function whole(door: Door): 'old' | 'new' {
  const list = exported(door, 'a')
  const which = list.length === oldHosts.length ? 'old' : 'new'
  assert.deepEqual(new Set(list), wanted[which])
  const answered = [...texts].filter(([host]) => door.codes(host).length > 0)
  assert.deepEqual(new Set(answered.map(([, text]) => text)), wanted[which])
  return which
}

test('the tree is filled by others while it follows: the list goes back to what it was, whole', async (t) => {
  const door = openDoor(t, smallTree)
  await importHosts(door, 'a', oldHosts)
  const { version } = door.store.lists.named('a') ?? {}
  assert.equal(await fillMeanwhile(t, door), 'capacity-reached')
  assert.equal(whole(door), 'old')
  assert.deepEqual(door.store.lists.named('a'), { id: 1, name: 'a', version, applied: version })
  assert.deepEqual(door.store.lists.unused(), [])
  journalLeads(door)
  const { entries } = door.blocklist.status()
  door.reopen()
  assert.equal(whole(door), 'old')
  assert.deepEqual(door.blocklist.status().entries, entries)
})

test('killed while it goes back, or before that: the next start has the old list or the new one, whole', async (t) => {
  const door = openDoor(t, smallTree)
  await importHosts(door, 'a', oldHosts)
  const folder = temporaryDirectory(t)
  const paths: string[] = []
  const { store } = door
  const commit = store.commit.bind(store)
  t.mock.method(store, 'commit', () => {
    commit()
    const path = join(folder, `${paths.length}.db`)
    for (const end of ['', '-wal']) {
      if (existsSync(store.path + end)) copyFileSync(store.path + end, path + end)
    }
    paths.push(path)
  })
  assert.equal(await fillMeanwhile(t, door), 'capacity-reached')
  const found: string[] = []
  for (const [index, path] of paths.entries()) {
    const next = openDoor(t, smallTree, path)
    found.push(whole(next))
    const { version, applied } = next.store.lists.named('a') ?? {}
    assert.equal(applied, version, `after commit ${index}`)
    next.blocklist.close()
    next.store.close()
  }
  assert.deepEqual([found[0], found.at(-1)], ['old', 'old'])
  assert.ok(found.includes('new'))
})

test('removed by hand while DNS follows a list that then goes back: it stays removed', async (t) => {
  const door = openDoor(t, smallTree)
  await importHosts(door, 'a', oldHosts)
  // In both lists, and in an address order before and after where there is no more room.
  const removed = oldHosts.slice(200).sort((a, b) => a.w1 - b.w1)
  const [first, last] = [removed[0], removed.at(-1)]
  assert.ok(first && last)
  const delisted = Promise.withResolvers<unknown>()
  onFlip(t, door, 'a', () => {
    void door.blocklist.delist([hostPrefix(first), hostPrefix(last)], cli).then(delisted.resolve)
  })
  assert.equal(await fillMeanwhile(t, door), 'capacity-reached')
  await delisted.promise
  const answers = () => [first, last].map((host) => door.codes(host))
  assert.deepEqual(answers(), [[], []])
  assert.equal(exported(door, 'a').length, oldHosts.length - 2)
  door.reopen()
  assert.deepEqual(answers(), [[], []])
})

test('after a death between the list and DNS no serial comes back that was seen before it', async (t) => {
  const door = openDoor(t)
  await importTexts(door, 'a', '20.0.0.1')
  const { serial } = door.blocklist.status()
  const { id, version } = door.store.lists.named('a') ?? {}
  assert.ok(id && version)
  door.store.begin()
  door.store.lists.setVersion(id, door.store.lists.addVersion(id, start), version)
  door.store.commit()
  door.reopen()
  assert.ok(door.blocklist.status().serial > serial)
  assert.deepEqual(door.codes('20.0.0.1'), [])
  assert.equal(listingAt(door.store, 'a:20.0.0.1-32', door.now), undefined)
})

test('others change what is on its way: each change holds, and DNS comes to what the list is', async (t) => {
  const door = openDoor(t)
  const first = address('20.0.0.0')
  const hosts = (from: number, count: number) =>
    Array.from({ length: count }, (_, index) => ({ ...first, w0: first.w0 + from + index }))
  await importHosts(door, 'a', hosts(0, 6000))
  await importHosts(door, 'b', hosts(5990, 20))
  const later: Promise<unknown>[] = []
  onFlip(t, door, 'a', () => {
    const { blocklist } = door
    later.push(
      // Old and new, new alone, old alone, and one of another list.
      blocklist.delist([prefix('20.0.19.136'), prefix('20.0.39.15')], cli),
      blocklist.list([{ prefix: prefix('20.0.0.9'), kinds: ['dsn'] }], cli),
      blocklist.list([{ prefix: prefix('20.0.39.14'), kinds: ['dsn'] }], cli),
      blocklist.addException('exclusion', prefix('20.0.0.128/25'), null, cli),
      blocklist.addException('exemption', prefix('20.0.30.0/24'), null, cli),
      blocklist.delist([prefix('20.0.23.110')], cli),
      blocklist.expire(),
    )
  })
  await importHosts(door, 'a', hosts(3000, 7000))
  await Promise.all(later)
  const at = (host: string) => door.codes(host)
  const check = (): void => {
    assert.deepEqual([at('20.0.19.136'), at('20.0.39.15')], [[], []])
    assert.deepEqual(
      [at('20.0.0.9'), at('20.0.39.14')],
      [
        [2, 3],
        [2, 3],
      ],
    )
    assert.deepEqual([at('20.0.0.130'), at('20.0.30.1'), at('20.0.23.110')], [[], [], []])
    assert.deepEqual([at('20.0.11.183'), at('20.0.11.184'), at('20.0.39.13')], [[], [2], [2]])
    for (const host of hosts(0, 10_000)) {
      const { listed } = door.blocklist.find(host)
      assert.equal(door.codes(host).length > 0, listed, formatAddress(host))
    }
    assert.equal(listingAt(door.store, 'a:20.0.39.15-32', door.now)?.state, 'removed')
  }
  check()
  const answers = hosts(0, 10_000).map((host) => door.codes(host).join())
  const { entries } = door.blocklist.status()
  door.reopen()
  check()
  assert.deepEqual(
    hosts(0, 10_000).map((host) => door.codes(host).join()),
    answers,
  )
  assert.deepEqual(door.blocklist.status().entries, entries)
})

test('over since the last process died: whoever follows the journal does not keep it', async (t) => {
  const door = openDoor(t)
  const attributes = { ...plain, expiresAt: start + 10 }
  async function* items(): AsyncGenerator<ImportItem[]> {
    yield [{ line: 1, text: '', prefix: prefix('20.0.0.1'), attributes }]
  }
  await door.blocklist.import({ list: 'a', items: items(), isStrict: true, actor: cli })
  door.now += 20
  door.reopen()
  await door.blocklist.expire()
  assert.deepEqual(door.codes('20.0.0.1'), [])
  journalLeads(door)
})

test('a list of nothing but holes is empty: refused unless it is forced', async (t) => {
  const door = openDoor(t)
  await importTexts(door, 'a', '20.0.0.1')
  const importHole = (isForced: boolean) => {
    async function* items(): AsyncGenerator<ImportItem[]> {
      yield [{ line: 1, text: '', prefix: prefix('20.0.0.0/24'), attributes: null }]
    }
    return door.blocklist.import({
      list: 'a',
      items: items(),
      isStrict: true,
      isForced,
      actor: cli,
    })
  }
  const refused = await importHole(false)
  assert.equal('refused' in refused && refused.refused, 'loss')
  assert.deepEqual(door.codes('20.0.0.1'), [2])
  assert.ok('added' in (await importHole(true)))
  assert.deepEqual(door.codes('20.0.0.1'), [])
})

test('other kinds are published while DNS follows a list: what it has is counted once', async (t) => {
  const door = openDoor(t)
  const first = address('20.0.0.0')
  const hosts = (from: number) =>
    Array.from({ length: 3000 }, (_, index) => ({ ...first, w0: first.w0 + from + index }))
  await importHosts(door, 'a', hosts(0))
  const published: Promise<void>[] = []
  onFlip(t, door, 'a', () => {
    published.push(door.blocklist.reconfigure(testPolicy({ publish: ['callout'] })))
  })
  await importHosts(door, 'a', hosts(2000))
  await Promise.all(published)
  assert.equal(published.length, 1)
  assert.equal(door.blocklist.status().entries.ipv4, 3000)
  journalLeads(door)
})

test('what takes long lets the others go first, once', async (t) => {
  const store = openStore(`${temporaryDirectory(t)}/a.db`)
  const publisher = new Publisher({
    ...{
      store,
      tree: undefined,
      publishedKinds: 1,
      validForSeconds: 60,
      isRetired: false,
      ownRecords: undefined,
      onPublished: () => undefined,
    },
    log: silentLog,
  })
  const queue = new CommitQueue(store, publisher, () => start, silentLog)
  const order: string[] = []
  const put = (name: string, options = {}, then?: () => void) =>
    queue.run(() => {
      order.push(name)
      then?.()
    }, options)
  const more: Promise<void>[] = []
  await Promise.all([
    put('step 1', { isAlone: true }),
    put('step 2', { isAlone: true }),
    put('a'),
    put('b', {}, () => more.push(put('c'), put('d'))),
  ])
  await Promise.all(more)
  assert.deepEqual(order, ['a', 'b', 'step 1', 'c', 'd', 'step 2'])
  queue.close()
  store.close()
})
