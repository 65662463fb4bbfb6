// Who forges the traps' domains: counted by network and day, and never listed for it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPrefix } from '../../../src/ip/address.ts'
import { networksOfDay } from '../../../src/store/day-counters.ts'
import { day, evidence, openDoor, start, testPolicy } from '../../support/door.ts'

test('the spoofer’s network is counted and not listed; a genuine bounce counts nobody', async (t) => {
  const door = openDoor(t)
  const details = { returnedOrigin: '30.1.2.3', spf: 'fail' }
  await door.blocklist.record([
    evidence({ details }),
    evidence({ details: { returnedOrigin: '30.1.2.9', spf: 'pass' } }),
    evidence({ details: { returnedOrigin: '2a00:1:2:3::4' } }),
    evidence({ details, genuine: 'it is ours' }),
    evidence({ details, kind: null }),
  ])
  assert.deepEqual(
    door.blocklist
      .forgers()
      .map(({ network, ...rest }) => ({ ...rest, network: formatPrefix(network) })),
    [
      { messages: 2, spfFail: 1, lastSeenAt: start, network: '30.1.2.0/24' },
      { messages: 1, spfFail: 0, lastSeenAt: start, network: '2a00:1:2::/48' },
    ],
  )
  assert.deepEqual(door.codes('30.1.2.3'), [])
})

test('one message to 100 traps blames the network that it names once, and a flood no more than is stored', async (t) => {
  const door = openDoor(t, { policy: testPolicy({ evidencePerDay: 3 }) })
  const details = { returnedOrigin: '30.1.2.3' }
  const blamed = () => door.blocklist.forgers().map(({ messages }) => messages)
  await door.blocklist.record(
    Array.from({ length: 100 }, (_, each) =>
      evidence({ details, content: 'one', recipient: `${each}@trap.example.org` }),
    ),
  )
  assert.deepEqual(blamed(), [1])
  const flood = Array.from({ length: 50 }, () => evidence({ details, returned: 'r' }))
  await door.blocklist.record(flood)
  assert.deepEqual(blamed(), [2])
})

test('networks that are named as forgers are not kept without end', async (t) => {
  const door = openDoor(t)
  const named = (number: number) => `30.${number >> 8}.${number & 255}.1`
  for (let number = 0; number < 900; number++) {
    const details = { returnedOrigin: named(number) }
    await door.blocklist.record([evidence({ details, client: named(number) })])
  }
  assert.equal(door.store.forgeries.most(0, 5000).length, 900)
  door.now = start + 91 * day
  await door.blocklist.purgeEvidence()
  assert.equal(door.store.forgeries.most(0, 5000).length, 0)
})

test('one who invents forgers without end fills neither the store nor the time of who asks for them', async (t) => {
  const door = openDoor(t)
  const forger = (number: number) =>
    evidence({
      client: `30.${(number >> 8) & 255}.${number & 255}.1`,
      details: {
        returnedOrigin: `2a00:${(number >> 16).toString(16)}:${(number & 0xffff).toString(16)}::1`,
      },
    })
  await door.blocklist.record(
    Array.from({ length: networksOfDay + 500 }, (_, number) => forger(number)),
  )
  assert.equal(door.store.forgeries.most(0, 10_000).length, networksOfDay)
  await door.blocklist.record([forger(1)])
  assert.equal(door.store.forgeries.most(0, 1)[0]?.messages, 2, 'who is known is counted still')
})

test('who forged is forgotten with the evidence', async (t) => {
  const door = openDoor(t)
  await door.blocklist.record([evidence({ details: { returnedOrigin: '30.1.2.3' } })])
  door.now += 89 * 86_400
  await door.blocklist.purgeEvidence()
  assert.equal(door.store.forgeries.most(0, 10).length, 1)
  door.now += 3 * 86_400
  await door.blocklist.purgeEvidence()
  assert.equal(door.store.forgeries.most(0, 10).length, 0)
})
