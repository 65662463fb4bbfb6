// Who forges the traps' domains: counted by network and day, and never listed for it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPrefix } from '../../../src/ip/address.ts'
import { networksOfDay } from '../../../src/store/forgeries.ts'
import { evidence, openDoor, start } from './fixture.ts'

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

test('one who invents forgers without end fills neither the store nor the time of who asks for them', async (t) => {
  const door = openDoor(t)
  const forger = (number: number) =>
    evidence({
      client: '30.0.0.1',
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
