// Readers on other threads while the tree changes: each version is seen whole, memory they may look at is left alone,
// and a thread that died inside holds it back only until its slot is cleared.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { clearReader } from '../../../src/tree/reclaim.ts'
import { TreeWriter } from '../../../src/tree/writer.ts'
import { assertNoLeak, seeded } from './oracle.ts'
import {
  groupSize,
  groups,
  member,
  partner,
  stamp,
  type ThreadData,
  type ThreadReport,
} from './reader-thread.ts'

const publications = 12_000
const deadline = 8000

test('threads that look on see whole versions only, while memory is reused', {
  timeout: 120_000,
}, async () => {
  const writer = new TreeWriter(1 << 28)
  const random = seeded(11)
  const current: number[] = []
  let serial = 0

  const setPair = (address: number, answer: number): void => {
    const [w0, w1] = partner(address)
    writer.set(4, address, 0, 0, 0, 32, 1, answer)
    writer.set(6, w0, w1, 0, 0, 64, 1, answer)
  }
  const removePair = (address: number): void => {
    const [w0, w1] = partner(address)
    assert.ok(writer.remove(4, address, 0, 0, 0, 32))
    assert.ok(writer.remove(6, w0, w1, 0, 0, 64))
  }
  const move = (group: number): number => {
    removePair(member(group, current[group] ?? 0))
    const index = random(groupSize)
    setPair(member(group, index), serial + 1)
    return index
  }
  const publish = (): void => {
    serial++
    writer.set(4, stamp, 0, 0, 0, 32, 1, serial)
    writer.set(6, stamp, 0, 0, 0, 128, 1, serial)
    writer.publish({ serial, generatedAt: 0, validUntil: 0, ipv4Entries: 0, ipv6Entries: 0 })
  }
  for (let group = 0; group < groups; group++) {
    current[group] = 0
    setPair(member(group, 0), 1)
  }
  publish()

  const control = new Int32Array(new SharedArrayBuffer(8))
  const start = (slot: number, diesAfter: number): Worker => {
    const workerData: ThreadData = { buffer: writer.buffer, slot, control, diesAfter }
    return new Worker(new URL('./reader-thread.ts', import.meta.url), { workerData })
  }
  const mortal = start(9, 40)
  const died = once(mortal, 'exit')
  const threads = [0, 1, 62].map((slot) => start(slot, -1))
  const reports = threads.map(async (thread): Promise<ThreadReport> => {
    const [report] = await once(thread, 'message')
    return report
  })
  try {
    while (Atomics.load(control, 1) < 4) await new Promise((resolve) => setTimeout(resolve, 5))

    const end = Date.now() + deadline
    while (serial < publications && Date.now() < end) {
      if (random(10) === 0) {
        const first = random(groups)
        for (let i = 0; i < 20; i++) move((first + i) % groups)
        writer.abandon()
      }
      for (let i = random(12); i >= 0; i--) {
        const group = random(groups)
        current[group] = move(group)
      }
      publish()
      if (serial % 1000 === 0) {
        assertNoLeak(writer, 0)
        await new Promise((resolve) => setImmediate(resolve))
      }
      if (serial === 500) {
        await died
        clearReader(writer.buffer, 9)
      }
    }
  } finally {
    Atomics.store(control, 0, 1)
    Atomics.notify(control, 0)
  }
  for (const { checks, versions, fault } of await Promise.all(reports)) {
    assert.equal(fault, undefined)
    assert.ok(checks > 0 && versions > 0)
  }
  await died
  clearReader(writer.buffer, 9)
  publish()
  publish()
  const { limboBytes } = assertNoLeak(writer, 0)
  assert.equal(limboBytes, 0, 'with every reader gone nothing waits')
})
