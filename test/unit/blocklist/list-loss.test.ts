// An import that would empty a list, or take away most of it, is refused and says how many would go; forced, it is done.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plain } from '../../../src/feeds/entry.ts'
import { cli, type Door, openDoor, prefix } from '../../support/door.ts'

/** 20.0.X.Y for the numbers from `from` to `to - 1`. */
function addresses(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => {
    const host = from + index
    return `20.0.${host >> 8}.${host & 255}`
  })
}

async function importAll(door: Door, entries: readonly string[], isForced = false) {
  async function* items() {
    yield entries.map((text, index) => ({
      ...{ line: index + 1, text, prefix: prefix(text), attributes: plain },
    }))
  }
  const outcome = await door.blocklist.import({
    ...{ list: 'a', items: items(), isStrict: false, isForced, actor: cli },
  })
  return 'why' in outcome ? outcome : [outcome.added, outcome.removed, outcome.kept]
}

const refusal = (why: string) => ({
  refused: 'loss',
  why: `nothing was changed: ${why}; use force if that is intended`,
})

test('an empty import does not empty a list, however small, unless it is forced', async (t) => {
  const door = openDoor(t)
  assert.deepEqual(await importAll(door, []), refusal('the import is empty'))
  assert.deepEqual(await importAll(door, addresses(0, 3)), [3, 0, 0])
  const why = 'the import is empty; all 3 entries of list a would be removed'
  assert.deepEqual(await importAll(door, []), refusal(why))
  assert.deepEqual(door.codes('20.0.0.1'), [2])
  assert.deepEqual(await importAll(door, [], true), [0, 3, 0])
  assert.deepEqual(door.codes('20.0.0.1'), [])
})

test('half of a list may go, and more of a small one; more of another one must be forced', async (t) => {
  const door = openDoor(t)
  await importAll(door, addresses(0, 100))
  assert.deepEqual(await importAll(door, addresses(99, 100)), [0, 99, 1])
  await importAll(door, addresses(0, 102))
  assert.deepEqual(await importAll(door, addresses(51, 102)), [0, 51, 51])
  await importAll(door, addresses(0, 102))
  const why = '52 of the 102 entries of list a would be removed'
  assert.deepEqual(await importAll(door, addresses(52, 102)), refusal(why))
  assert.deepEqual(door.codes('20.0.0.1'), [2])
  assert.deepEqual(await importAll(door, addresses(52, 102), true), [0, 52, 50])
})

test('another list in place of this one is a loss, however long it is', async (t) => {
  const door = openDoor(t)
  await importAll(door, addresses(0, 3000))
  const other = addresses(2900, 9000)
  assert.deepEqual(
    await importAll(door, other),
    refusal('2900 of the 3000 entries of list a would be removed'),
  )
  assert.deepEqual(await importAll(door, other, true), [6000, 2900, 100])
})
