// The data of the screenshots: the hosts that the pictures show are in the state that they show.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { fillDemonstration, shown } from '../../../scripts/demonstration.ts'
import { policyOptions } from '../../../src/commands/options.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { address, openDoor, prefix, temporaryDirectory } from '../../support/door.ts'

test('the demonstration lists what its pictures show', async (t) => {
  const path = join(temporaryDirectory(t), 'list.db')
  const config = loadConfig({ file: 'data/demo.toml', env: {}, cwd: '.' })
  const policy = {
    ...config.policy,
    allowSpecial: ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32'],
  }
  await fillDemonstration({ ...config, policy, store: { ...config.store, path } })
  const now = Math.floor(Date.now() / 1000)
  const door = openDoor(t, { policy: policyOptions({ ...config, policy }), now }, path)
  const found = door.blocklist.find(address(shown.listed))
  assert.deepEqual(found.kinds, ['dsn', 'auto-reply'])
  assert.ok(found.evidence.length > 0)
  assert.equal(door.blocklist.find(address(shown.unlisted)).listed, false)
  const removed = await door.blocklist.requestRemoval(
    address(shown.removable),
    prefix(shown.removable),
  )
  assert.ok('state' in removed && removed.state === 'removed', JSON.stringify(removed))
})
