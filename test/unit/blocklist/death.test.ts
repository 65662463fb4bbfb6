// A death at any commit of a list's way in: the database as it was after each one, opened by the next start.
import assert from 'node:assert/strict'
import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import type { ImportItem } from '../../../src/blocklist/import.ts'
import type { ListEntry } from '../../../src/store/generations.ts'
import {
  address,
  cli,
  type Door,
  day,
  openDoor,
  prefix,
  request,
  start,
  temporaryDirectory,
} from './fixture.ts'

const plain = { kinds: 0, reason: null, expiresAt: null }

function entries(from: number, count: number): ListEntry[] {
  return Array.from({ length: count }, (_, index) => {
    const host = from + index
    return { prefix: prefix(`20.0.${host >> 8}.${host & 255}`), attributes: plain }
  })
}

function copyOf(t: TestContext, { store }: Door): string {
  const path = join(temporaryDirectory(t), 'copy.db')
  for (const end of ['', '-wal']) {
    if (existsSync(store.path + end)) copyFileSync(store.path + end, path + end)
  }
  return path
}

/** From now on each commit leaves a copy of the database, which these are the paths of. */
function copies(t: TestContext, door: Door): string[] {
  const paths: string[] = []
  const { store } = door
  const commit = store.commit.bind(store)
  t.mock.method(store, 'commit', () => {
    commit()
    paths.push(copyOf(t, door))
  })
  return paths
}

async function finished(door: Door): Promise<void> {
  door.blocklist.finishImports()
  for (let turns = 0; turns < 3000; turns++) {
    if (door.store.generations.all().length === 0) return
    await setImmediate()
  }
  assert.fail('an import is not finished')
}

async function importEntries(door: Door, list: string, wanted: readonly ListEntry[]) {
  async function* items(): AsyncGenerator<ImportItem[]> {
    yield wanted.map((entry) => ({ line: 1, text: '', ...entry }))
  }
  await door.blocklist.import({ list, items: items(), isStrict: true, isForced: true, actor: cli })
}

/** Keeps a finished generation of the list, as an import does, in small chunks. */
function keepGeneration(door: Door, list: string, wanted: readonly ListEntry[], chunk: number) {
  const { store } = door
  store.begin()
  const { id } = store.generations.begin(list, start)
  for (let from = 0; from < wanted.length; from += chunk) {
    store.generations.putChunk(id, from / chunk, wanted.slice(from, from + chunk))
  }
  store.generations.takeOver(id)
  store.commit()
}

interface EntryChoice {
  readonly host: number
  readonly kinds: number
  readonly expiresAt: number | null
  /** Of the new list: whether the takeover had come to it. */
  readonly isThere: boolean
}

/** Puts a list into the database that is on its way from one to another; the door that is open knows nothing of it. */
function halfWay(door: Door, list: string, old: EntryChoice[], next: EntryChoice[]): void {
  const { store } = door
  const entryOf = ({ host, kinds, expiresAt }: EntryChoice) => ({
    prefix: prefix(`20.0.0.${host}`),
    attributes: { kinds, reason: null, expiresAt },
  })
  const sorted = next.toSorted((a, b) => a.host - b.host)
  keepGeneration(door, list, sorted.map(entryOf), 5)
  const listId = store.generations.all().find((each) => each.list === list)?.listId ?? 0
  const done = new Set(sorted.filter((each) => each.isThere).map(({ host }) => host))
  const rows = [
    ...old.filter(({ host, isThere }) => isThere && !done.has(host)),
    ...sorted.filter(({ host }) => done.has(host)),
  ]
  store.begin()
  store.listings.insertEntries(listId, rows.map(entryOf), start)
  store.commit()
}

/** Has a door that is open take over what was left of the list, by an import of it that then breaks off. */
async function takeOverLeft(door: Door, list: string): Promise<void> {
  async function* broken(): AsyncGenerator<ImportItem[]> {
    yield* []
    throw new Error('aborted')
  }
  const items = broken()
  await assert.rejects(door.blocklist.import({ list, items, isStrict: false, actor: cli }))
}

test('died while a list that is taken over is being forgotten: it stays what it is', async (t) => {
  const door = openDoor(t)
  keepGeneration(door, 'a', entries(0, 1200), 10)
  const paths = copies(t, door)
  await takeOverLeft(door, 'a')
  assert.deepEqual(door.store.generations.all(), [])
  assert.ok(paths.length > 3)
  for (const [index, path] of paths.entries()) {
    const next = openDoor(t, {}, path)
    assert.equal(next.blocklist.status().entries.ipv4, 1200, `after commit ${index}`)
    assert.deepEqual([next.codes('20.0.0.0'), next.codes('20.0.4.175')], [[2], [2]])
    next.blocklist.close()
  }
})

test('died at any commit of an import: the next start answers from the old list or the new one, whole, at once', async (t) => {
  const door = openDoor(t)
  await importEntries(door, 'a', entries(0, 1500))
  await door.blocklist.list([request('20.0.0.1', { kinds: ['dsn'] })], cli)
  const paths = copies(t, door)
  await importEntries(door, 'a', entries(1000, 1500))
  const stages = new Set<string>()
  let isNew = false
  for (const [index, path] of paths.entries()) {
    const next = openDoor(t, { finishesImports: false }, path)
    const [generation] = next.store.generations.all()
    stages.add(generation?.state ?? 'none')
    const { serial } = next.blocklist.status()
    const answered = () =>
      [0, 999, 1000, 1499, 1500, 2499].map((host) => {
        const at = `20.0.${host >> 8}.${host & 255}`
        const codes = next.codes(at)
        assert.equal(next.blocklist.find(address(at)).listed, codes.length > 0, at)
        return codes.length
      })
    isNew ||= answered()[5] === 1
    const expected: number[] = isNew ? [0, 0, 1, 1, 1, 1] : [1, 1, 1, 1, 0, 0]
    assert.deepEqual(answered(), expected, `after commit ${index}`)
    assert.deepEqual(next.codes('20.0.0.1'), [2, 3])
    assert.equal(next.blocklist.status().entries.ipv4, isNew ? 1501 : 1500)
    await finished(next)
    assert.deepEqual(answered(), expected, `after commit ${index}, finished`)
    assert.equal(next.blocklist.status().entries.ipv4, isNew ? 1501 : 1500)
    assert.equal(next.blocklist.status().serial, serial, 'nothing new in it')
    const found = await next.blocklist.export('a')
    assert.equal([...(found?.pages ?? [])].flat().length, 1500)
    next.blocklist.close()
  }
  assert.deepEqual([...stages].sort(), ['loading', 'none', 'taking over'])
  assert.ok(isNew)
})

const hosts = 24
const anyEntries = fc.uniqueArray(
  fc.record({
    host: fc.nat(hosts - 1),
    kinds: fc.integer({ min: 0, max: 3 }),
    // Over already, and not within the test.
    expiresAt: fc.constantFrom(null, start - 10, start + day),
    isThere: fc.boolean(),
  }),
  { selector: ({ host }) => host, maxLength: hosts },
)
const hostOrNet = fc.oneof(
  fc.nat(hosts - 1).map((host) => `20.0.0.${host}`),
  fc.nat(hosts / 4 - 1).map((net) => `20.0.0.${net * 4}/30`),
)
const anyChange = fc.record({
  what: fc.constantFrom('list', 'delist', 'exclude', 'include', 'exempt', 'unexempt', 'expire'),
  at: hostOrNet,
})

/** What becomes of it is told but for the ids, which differ. */
async function change(door: Door, { what, at }: { what: string; at: string }): Promise<string> {
  const { blocklist } = door
  const outcomes: Record<string, () => Promise<unknown>> = {
    list: () => blocklist.list([request(at, { kinds: ['content-notice'] })], cli),
    delist: () => blocklist.delist([prefix(at)], cli),
    exclude: () => blocklist.exclude(prefix(at), null, cli),
    include: () => blocklist.include(prefix(at), cli),
    exempt: () => blocklist.exempt(prefix(at), null, cli),
    unexempt: () => blocklist.unexempt(prefix(at), cli),
    expire: async () => void (await blocklist.expire()),
  }
  return JSON.stringify(await outcomes[what]?.(), (key, value) => (key === 'id' ? 0 : value)) ?? ''
}

test('ahead of the rows of two lists: every change and answer is as if their takeover had been finished', async (t) => {
  const answers = (door: Door) =>
    Array.from({ length: hosts }, (_, host) => {
      const codes = door.codes(`20.0.0.${host}`)
      const { listed, kinds, decidedBy, state } = door.blocklist.explain(address(`20.0.0.${host}`))
      assert.equal(listed, codes.length > 0)
      return JSON.stringify([codes, kinds, decidedBy, listed ? state : ''])
    })
  const property = async (
    lists: { old: EntryChoice[]; next: EntryChoice[] }[],
    changes: { what: string; at: string }[],
  ): Promise<void> => {
    const first = openDoor(t)
    await first.blocklist.list([request('20.0.0.1'), request('20.0.0.4/30')], cli)
    for (const [index, { old, next }] of lists.entries()) halfWay(first, `list${index}`, old, next)
    const paths = [copyOf(t, first), copyOf(t, first)]
    first.blocklist.close()
    const [ahead, whole] = paths.map((path) => openDoor(t, { finishesImports: false }, path))
    assert.ok(ahead && whole)
    await finished(whole)
    assert.deepEqual(answers(ahead), answers(whole))
    for (const each of changes) {
      assert.equal(await change(ahead, each), await change(whole, each), JSON.stringify(each))
      assert.deepEqual(answers(ahead), answers(whole), JSON.stringify(each))
    }
    // Dies once more, before and after the end.
    for (const isFinished of [false, true]) {
      if (isFinished) await finished(ahead)
      ahead.reopen()
      assert.deepEqual(answers(ahead), answers(whole))
      assert.deepEqual(ahead.blocklist.status().entries, whole.blocklist.status().entries)
    }
    await finished(ahead)
    assert.deepEqual(answers(ahead), answers(whole))
    for (const door of [ahead, whole]) await door.blocklist.expire()
    assert.deepEqual(answers(ahead), answers(whole))
    assert.deepEqual(ahead.blocklist.status().entries, whole.blocklist.status().entries)
    for (const door of [ahead, whole]) door.blocklist.close()
  }
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ old: anyEntries, next: anyEntries }), { minLength: 1, maxLength: 2 }),
      fc.array(anyChange, { maxLength: 6 }),
      property,
    ),
    { numRuns: 40 },
  )
})
