// A death at any commit of a list's way in: the database as it was after each one, opened by the next start.
import assert from 'node:assert/strict'
import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { ImportItem } from '../../../src/blocklist/import.ts'
import type { ListEntry } from '../../../src/store/generations.ts'
import { cli, type Door, openDoor, prefix, start, temporaryDirectory } from './fixture.ts'

const plain = { kinds: 0, reason: null, expiresAt: null }

function entries(from: number, count: number): ListEntry[] {
  return Array.from({ length: count }, (_, index) => {
    const host = from + index
    return { prefix: prefix(`20.0.${host >> 8}.${host & 255}`), attributes: plain }
  })
}

/** From now on each commit leaves a copy of the database, which these are the paths of. */
function copies(t: TestContext, door: Door): string[] {
  const paths: string[] = []
  const { store } = door
  const commit = store.commit.bind(store)
  t.mock.method(store, 'commit', () => {
    commit()
    const path = join(temporaryDirectory(t), 'copy.db')
    for (const end of ['', '-wal']) {
      if (existsSync(store.path + end)) copyFileSync(store.path + end, path + end)
    }
    paths.push(path)
  })
  return paths
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
