// The list under a wall clock that jumps: what it ends, what it takes, and under which serial it publishes.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Blocklist } from '../../../src/blocklist/blocklist.ts'
import { listingsPage } from '../../../src/blocklist/pages.ts'
import { isRequestRefusal } from '../../../src/blocklist/types.ts'
import { Clock } from '../../../src/clock.ts'
import { readFeed } from '../../../src/feeds/feed.ts'
import { openStore } from '../../../src/store/database.ts'
import {
  cli,
  day,
  evidence,
  prefix,
  request,
  silentLog,
  start,
  temporaryDirectory,
  testPolicy,
} from '../../support/door.ts'

const years40 = 40 * 365 * day

/** A list with both clocks in the test's hand, in seconds. */
function listWithClocks(t: TestContext) {
  const time = { wall: start, monotonic: 0 }
  const store = openStore(`${temporaryDirectory(t)}/test.db`)
  const clock = new Clock({
    lastPublishedAt: undefined,
    log: silentLog,
    sources: { wall: () => time.wall * 1000, monotonic: () => time.monotonic * 1000 },
  })
  const blocklist = new Blocklist({
    ...{ store, policy: testPolicy(), log: silentLog, validForSeconds: day, retired: false },
    now: () => clock.now(),
    requireClock: () => clock.requireSure(),
  })
  t.after(() => {
    blocklist.close()
    store.close()
  })
  const pass = (seconds: number): void => {
    time.wall += seconds
    time.monotonic += seconds
  }
  const listings = async (): Promise<string[]> => {
    const page = await listingsPage(store, { state: 'listed' }, { limit: 10 }, clock.now())
    assert.ok('items' in page)
    return page.items.map((each) => each.prefix.replace('/32', '')).sort()
  }
  return { blocklist, time, pass, listings }
}

const held = { code: 'clock-held' }

test('a clock that jumps by 40 years for 2.5 s ends no listing', async (t) => {
  const { blocklist, time, pass, listings } = listWithClocks(t)
  await blocklist.list([request('20.0.0.1')], cli)
  time.wall += years40
  for (let second = 0; second < 3; second++) {
    await blocklist.expire()
    pass(1)
  }
  time.wall -= years40
  await blocklist.expire()
  assert.deepEqual(await listings(), ['20.0.0.1'])
  pass(28 * day)
  await blocklist.expire()
  assert.deepEqual(await listings(), [])
})

test('while the clock is held, listings end by the held time, and what needs no time of day goes on', async (t) => {
  const { blocklist, time, pass, listings } = listWithClocks(t)
  await blocklist.list([request('20.0.0.1', { expiresAt: start + 60 })], cli)
  await blocklist.list([request('20.0.0.2')], cli)
  time.wall += years40
  const { serial } = blocklist.status()
  await blocklist.list([request('20.0.0.3', { expiresAt: null })], cli)
  assert.equal(blocklist.status().serial, serial + 1)
  await blocklist.delist([prefix('20.0.0.2')], cli)
  await blocklist.addException('exemption', prefix('20.0.0.9'), null, cli)
  pass(60)
  await blocklist.expire()
  assert.deepEqual(await listings(), ['20.0.0.3'])
})

test('while the clock is held, evidence and changes with a term are put off', async (t) => {
  const { blocklist, time, pass } = listWithClocks(t)
  const done = await blocklist.list([request('20.0.0.3', { expiresAt: null })], cli)
  assert.ok(!isRequestRefusal(done) && done[0])
  const { id } = done[0].listing
  const importing = (text: string) => {
    async function* octets() {
      yield Buffer.from(text)
    }
    const items = readFeed(octets(), { format: 'csv', now: start })
    return blocklist.import({ list: 'a', items, isStrict: true, actor: cli })
  }
  time.wall -= years40
  await assert.rejects(blocklist.record([evidence()]), held)
  await assert.rejects(blocklist.list([request('20.0.0.1')], cli), held)
  await assert.rejects(blocklist.list([request('20.0.0.1', { expiresAt: start + day })], cli), held)
  const amended = { expiresAt: start + day }
  await assert.rejects(
    blocklist.amend(id, amended, () => true, cli),
    held,
  )
  await assert.rejects(importing('20.0.1.1,dsn,,2030-01-01T00:00:00Z\n'), held)
  assert.ok(!('refused' in (await blocklist.amend(id, { reason: 'x' }, () => true, cli))))
  assert.ok('added' in (await importing('20.0.1.1,dsn,,\n')))
  pass(600)
  assert.equal((await blocklist.record([evidence()]))[0]?.decision, 'counted')
})
