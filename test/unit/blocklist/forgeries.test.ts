// Who forges the traps' domains: counted by network and day, and never listed for it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPrefix } from '../../../src/ip/address.ts'
import { day, evidence, openDoor, start, testPolicy } from './fixture.ts'

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
  for (let number = 0; number < 1200; number++) {
    const details = { returnedOrigin: named(number) }
    await door.blocklist.record([evidence({ details, client: named(number) })])
  }
  assert.equal(door.store.forgeries.most(0, 5000).length, 1200)
  door.now = start + 91 * day
  await door.blocklist.purgeEvidence()
  assert.equal(door.store.forgeries.most(0, 5000).length, 0)
})
