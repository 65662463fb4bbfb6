// Who forges the traps' domains: counted by network and day, and never listed for it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPrefix } from '../../../src/ip/address.ts'
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
