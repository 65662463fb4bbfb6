// Memory: blocks come back under churn, wait for a reader that may still look at them and for no other, and running
// out is an error that abandon undoes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headerAt } from '../../../src/tree/layout.ts'
import { openReader } from '../../../src/tree/open-reader.ts'
import { clearReader, nextEpoch, oldestEpoch } from '../../../src/tree/reclaim.ts'
import { TreeWriter } from '../../../src/tree/writer.ts'
import { assertNoLeak, seeded } from './oracle.ts'

const version = { serial: 1, generatedAt: 2, validUntil: 3, ipv4Entries: 4, ipv6Entries: 5 }

/** Replaces random entries one by one, publishing each time, and keeps their number. */
function churner(writer: TreeWriter, entries: number): (changes: number) => void {
  const random = seeded(entries)
  const keys: number[][] = []
  const fresh = (): number[] => [random(2 ** 32), random(2 ** 32)]
  const set = ([w0 = 0, w1 = 0]: number[]): void => {
    writer.set(4, w0, 0, 0, 0, 32, 1, 0)
    writer.set(6, w0, w1, 0, 0, 64, 1, 0)
  }
  const remove = ([w0 = 0, w1 = 0]: number[]): void => {
    writer.remove(4, w0, 0, 0, 0, 32)
    writer.remove(6, w0, w1, 0, 0, 64)
  }
  for (let i = 0; i < entries; i++) {
    const key = fresh()
    keys.push(key)
    set(key)
  }
  writer.publish(version)
  return (changes) => {
    for (let change = 0; change < changes; change++) {
      const i = random(entries)
      remove(keys[i] ?? [])
      const key = fresh()
      keys[i] = key
      set(key)
      writer.publish(version)
    }
  }
}

test('used memory stays bounded over 100,000 publications, with readers coming and going', () => {
  const writer = new TreeWriter(1 << 26)
  const churn = churner(writer, 5000)
  const readers = [0, 1, 2].map((slot) => openReader(writer.buffer, slot))
  const round = (): number => {
    for (const [i, reader] of readers.entries()) {
      reader.enter()
      churn(1000)
      if (i > 0) reader.leave()
    }
    return writer.stats().usedBytes
  }
  for (let i = 0; i < 5; i++) round()
  const settled = writer.stats().usedBytes
  for (let i = 0; i < 30; i++) round()
  const { usedBytes } = assertNoLeak(writer, 0)
  assert.ok(usedBytes < settled * 1.25, `${settled} octets grew to ${usedBytes}`)
})

test('a reader that is offline, blocked say, holds nothing back', () => {
  const writer = new TreeWriter(1 << 24)
  const reader = openReader(writer.buffer, 5)
  const churn = churner(writer, 100)
  reader.enter()
  reader.leave()
  churn(1000)
  assert.equal(writer.stats().limboBytes, 0)
})

test('a reader that stays inside holds back what it may see, and sees it unchanged', () => {
  const writer = new TreeWriter(1 << 24)
  const reader = openReader(writer.buffer, 5)
  const listed = Array.from({ length: 200 }, (_, i) => 0x0a000000 + i * 0x10203)
  for (const w0 of listed) writer.set(4, w0, 0, 0, 0, 32, 1, 9)
  writer.publish({ ...version, serial: 1 })
  reader.enter()
  for (const w0 of listed) assert.ok(writer.remove(4, w0, 0, 0, 0, 32))
  writer.publish({ ...version, serial: 2 })
  churner(writer, 300)(500)
  assert.ok(writer.stats().limboBytes > 0)
  for (const w0 of listed) assert.equal(reader.find(4, w0, 0, 0, 0), 9)
  assert.equal(reader.find(4, 0x0a000001, 0, 0, 0), -1)
  assert.equal(reader.serial, 1)
  reader.enter()
  for (const w0 of listed) assert.equal(reader.find(4, w0, 0, 0, 0), -1)
  assertNoLeak(writer, 0)
  writer.publish(version)
  writer.publish(version)
  const { limboBytes } = assertNoLeak(writer, 0)
  assert.ok(limboBytes < 1000, 'entering anew let the old version go')
})

test('a dead reader holds memory back until its slot is cleared', () => {
  const writer = new TreeWriter(1 << 24)
  openReader(writer.buffer, 63).enter()
  churner(writer, 100)(200)
  const held = writer.stats().limboBytes
  assert.ok(held > 0)
  clearReader(writer.buffer, 63)
  writer.publish(version)
  assert.equal(writer.stats().limboBytes, 0)
})

test('a reader may stop between any two steps of entering, whatever is published meanwhile', (t) => {
  const steps = ['load', 'store', 'load'] as const
  for (const [stop, name] of steps.entries()) {
    for (const publications of [1, 2, 3, 4, 50]) {
      const writer = new TreeWriter(1 << 24)
      const reader = openReader(writer.buffer, 3)
      let serial = 0
      const publish = (): void => {
        serial++
        for (let i = 0; i < 100; i++) writer.set(4, 0x0a000000 + i, 0, 0, 0, 32, 1, serial)
        writer.publish({ ...version, serial })
      }
      publish()
      let calls = 0
      const original: (...args: unknown[]) => unknown = Atomics[name] as never
      const isStop = (): boolean => calls++ === (stop === 2 ? 1 : 0)
      const mock = t.mock.method(Atomics, name, (...args: unknown[]) => {
        if (isStop()) for (let i = 0; i < publications; i++) publish()
        return original(...args)
      })
      reader.enter()
      mock.mock.restore()
      const seen = reader.serial
      for (let i = 0; i < 50; i++) publish()
      assert.ok(seen >= 1 && seen < serial)
      for (let i = 0; i < 100; i++) {
        assert.equal(
          reader.find(4, 0x0a000000 + i, 0, 0, 0),
          seen,
          `stopped before ${name} ${stop}`,
        )
      }
    }
  }
})

test('epochs may wrap, and 0 is none', () => {
  const writer = new TreeWriter(1 << 24)
  const memory = new Int32Array(writer.buffer)
  memory[headerAt.epoch] = 0x7ffffffe
  assert.equal(nextEpoch(0x7fffffff), -0x80000000)
  assert.equal(nextEpoch(-1), 1)
  const churn = churner(writer, 50)
  const reader = openReader(writer.buffer, 0)
  reader.enter()
  const entered = memory[headerAt.epoch]
  churn(10)
  assert.ok((memory[headerAt.epoch] ?? 0) < 0, 'the epoch went round')
  assert.equal(oldestEpoch(memory), entered)
  assert.ok(writer.stats().limboBytes > 0)
  reader.leave()
  churn(1)
  assert.equal(writer.stats().limboBytes, 0)
  memory[headerAt.epoch] = -2
  churn(5)
  assert.equal(memory[headerAt.epoch], 4)
  assert.equal(writer.stats().limboBytes, 0)
  assertNoLeak(writer, 0)
})

for (const [name, family, length, answer] of [
  ['narrow and wide leaves', 4, 32, 0],
  ['full leaves', 6, 128, 0],
  ['high answers', 6, 64, 5000],
] as const) {
  test(`out of room: an error, nothing lost by abandon, and on it goes: ${name}`, () => {
    const writer = new TreeWriter(100_000)
    const reader = openReader(writer.buffer, 0)
    const random = seeded(length)
    const key = (): number[] => [random(2 ** 32), random(2 ** 32), random(4), random(2 ** 32)]
    const kept: number[][] = Array.from({ length: 500 }, key)
    const put = ([w0 = 0, w1 = 0, w2 = 0, w3 = 0]: number[]): void => {
      writer.set(family, w0, w1, w2, w3, length, 1, answer)
    }
    for (const words of kept) put(words)
    writer.publish(version)
    for (let round = 0; round < 20; round++) {
      const before = assertNoLeak(writer, 0)
      let staged = 0
      assert.throws(
        () => {
          for (; staged < 100_000; staged++) {
            put(key())
            const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = kept[random(500)] ?? []
            if (staged % 3 === 0) writer.remove(family, w0, w1, w2, w3, length)
          }
        },
        { name: 'OperationalError', code: 'capacity-reached' },
      )
      assert.ok(staged > 0)
      writer.abandon()
      const after = assertNoLeak(writer, 0)
      assert.equal(after.limboBytes, before.limboBytes)
      reader.enter()
      for (const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] of kept) {
        assert.equal(reader.find(family, w0, w1, w2, w3), answer)
      }
      reader.leave()
      const i = random(500)
      const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = kept[i] ?? []
      assert.ok(writer.remove(family, w0, w1, w2, w3, length))
      const words = key()
      kept[i] = words
      put(words)
      writer.publish(version)
    }
  })
}

test('what is staged is whole even where the error came: it may be published', () => {
  const writer = new TreeWriter(40_000)
  const reader = openReader(writer.buffer, 0)
  const set: number[] = []
  const random = seeded(4)
  assert.throws(
    () => {
      for (;;) {
        const w0 = random(2 ** 32)
        writer.set(4, w0, 0, 0, 0, 32, 1, 0)
        set.push(w0)
      }
    },
    { code: 'capacity-reached' },
  )
  writer.publish(version)
  assertNoLeak(writer, 0)
  reader.enter()
  for (const w0 of set) assert.equal(reader.find(4, w0, 0, 0, 0), 0)
})

test('memory that one shape left free serves another', () => {
  const writer = new TreeWriter(1 << 20)
  const random = seeded(9)
  for (let round = 0; round < 6; round++) {
    const [family, length] = (
      [
        [4, 32],
        [6, 128],
        [6, 48],
      ] as const
    )[round % 3] ?? [4, 32]
    const keys = Array.from({ length: 14_000 }, () => [random(2 ** 32), random(2 ** 32)])
    for (const [w0 = 0, w1 = 0] of keys) writer.set(family, w0, w1, w0, w1, length, 1, 0)
    writer.publish(version)
    for (const [w0 = 0, w1 = 0] of keys) writer.remove(family, w0, w1, w0, w1, length)
    writer.publish(version)
    assertNoLeak(writer, 0)
  }
})
