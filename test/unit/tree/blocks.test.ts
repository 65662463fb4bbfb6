// The allocator alone: no two blocks overlap, every unit is in use, free or in limbo, and what is free can be had again
// in other sizes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Blocks } from '../../../src/tree/blocks.ts'
import { headerAt, headerWords, maxBlockUnits } from '../../../src/tree/layout.ts'
import { nextEpoch } from '../../../src/tree/reclaim.ts'
import { seeded } from './oracle.ts'

const capacityBytes = 32_000

for (const seed of [1, 2, 3, 4]) {
  test(`blocks neither overlap nor get lost, full to the brim (${seed})`, () => {
    const random = seeded(seed)
    const memory = new Int32Array(new SharedArrayBuffer(capacityBytes))
    memory[headerAt.epoch] = 1
    const blocks = new Blocks(memory)
    const first = headerWords / 2
    /** 0 free, 1 in use, 2 in limbo. */
    const inUse = new Uint8Array(capacityBytes / 8)
    const published = (): void => {
      limbo += publish(blocks, memory)
      for (const [i, state] of inUse.entries()) if (state === 2) inUse[i] = 0
    }
    let live: { unit: number; units: number }[] = []
    let full = 0
    let limbo = 0
    const mark = (unit: number, units: number, value: number): void => {
      for (let i = unit; i < unit + units; i++) {
        assert.notEqual(inUse[i], value)
        inUse[i] = value
      }
    }
    for (let step = 0; step < 12_000; step++) {
      const isFilling = Math.floor(step / 1000) % 2 === 0
      if (random(10) < (isFilling ? 7 : 3)) {
        const units = seed % 2 === 0 ? 1 + random(maxBlockUnits) : 1 + random(6) ** 2
        try {
          const unit = blocks.take(units)
          blocks.keep()
          assert.ok(unit >= first && unit + units <= inUse.length)
          assert.ok(blocks.isOwned(unit))
          mark(unit, units, 1)
          live.push({ unit, units })
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'capacity-reached')
          full++
          assert.ok(longestFree(inUse.subarray(first)) < units, 'there was room')
          published()
        }
      } else if (live.length > 0) {
        const i = random(live.length)
        const { unit, units } = live[i] ?? { unit: 0, units: 0 }
        const isOwned = blocks.isOwned(unit)
        blocks.release(unit, units)
        mark(unit, units, isOwned ? 0 : 2)
        live = live.filter((_, j) => j !== i)
      }
      if (random(100) === 0) published()
      const { usedBytes, freeBytes, limboBytes } = blocks.stats()
      const liveUnits = live.reduce((sum, { units }) => sum + units, 0)
      assert.equal(usedBytes / 8 - first, liveUnits + freeBytes / 8 + limboBytes / 8)
    }
    assert.ok(full > 10)
    assert.ok(limbo > 0)
  })
}

function longestFree(inUse: Uint8Array): number {
  let longest = 0
  let run = 0
  for (const state of inUse) {
    run = state === 0 ? run + 1 : 0
    if (run > longest) longest = run
  }
  return longest
}

/** A publication: the epoch moves on, and limbo (no reader is online) becomes free. */
function publish(blocks: Blocks, memory: Int32Array<SharedArrayBuffer>): number {
  const { limboBytes } = blocks.stats()
  memory[headerAt.epoch] = nextEpoch(memory[headerAt.epoch] ?? 0)
  blocks.published()
  assert.equal(blocks.stats().limboBytes, 0)
  return limboBytes
}

test('a change that finds no room gives back what it had taken', () => {
  const memory = new Int32Array(new SharedArrayBuffer(headerWords * 4 + 800))
  const blocks = new Blocks(memory)
  const kept = blocks.take(40)
  blocks.keep()
  blocks.take(30)
  blocks.take(20)
  assert.throws(() => blocks.take(11), { code: 'capacity-reached' })
  assert.equal(blocks.stats().freeBytes, 50 * 8)
  assert.ok(blocks.isOwned(kept))
  assert.ok(blocks.take(50) > 0, 'in one piece')
})
