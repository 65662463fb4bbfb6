// When a mailbox that failed is read again, with the time in the test's hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Collector } from '../../../src/traps/collect.ts'
import { Poller } from '../../../src/traps/poller.ts'
import { silentLog } from '../../support/door.ts'
import { reading } from '../../support/reading.ts'

test('a mailbox that failed is read again though the clock was set back', async (t) => {
  let now = 1_800_000_000
  let readings = 0
  const collector = new Collector({
    relays: { names: [], addresses: [] },
    list: {
      isTrap: () => true,
      record: async () => [],
    },
    ...{ now: () => now, log: silentLog, ...reading() },
  })
  const poller = new Poller({
    ...{ name: 'box', type: 'box', allTraps: true, collector, now: () => now, log: silentLog },
    positions: { get: () => undefined, set: () => undefined },
    mailbox: {
      // biome-ignore lint/correctness/useYield: it fails before its first message.
      async *messages() {
        readings += 1
        throw new Error('broken')
      },
      accept: async () => undefined,
      passOver: () => undefined,
    },
  })
  t.after(() => poller.stop())
  await poller.poll()
  await poller.poll()
  assert.equal(readings, 1, 'it waits after a failure')
  now -= 1_000_000
  await poller.poll()
  assert.equal(readings, 2)
})
