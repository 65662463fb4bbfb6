// Look-ups of addresses that named lists have: what is told with a key and without, with a tree and without one, and while
// DNS is on its way from one version of a list to the next.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explain } from '../../../src/blocklist/explain.ts'
import { type Explanation, kindsMask } from '../../../src/blocklist/types.ts'
import { parsePrefix } from '../../../src/ip/address.ts'
import type { EntryAttributes } from '../../../src/store/packed-entries.ts'
import {
  address,
  cli,
  type Door,
  openDoor,
  prefix,
  request,
  start,
  testPolicy,
} from '../../support/door.ts'
import { entry, writeVersion } from './lists.ts'

const hour = 3600
const dsn = kindsMask(['dsn'])

async function importList(
  { blocklist }: Pick<Door, 'blocklist'>,
  list: string,
  entries: Readonly<Record<string, Partial<EntryAttributes>>>,
): Promise<void> {
  const items = Object.entries(entries).map(([text, attributes], index) => {
    const parsed = parsePrefix(text)
    assert.ok('value' in parsed, text)
    const all = { kinds: 0, reason: null, expiresAt: null, ...attributes }
    return { line: index + 1, text, prefix: parsed.value, attributes: all }
  })
  const batches = (async function* () {
    yield items
  })()
  const request = { list, items: batches, isStrict: true, isForced: true, actor: cli }
  const outcome = await blocklist.import(request)
  assert.ok('added' in outcome, JSON.stringify(outcome))
}

/** What is told, as far as entries of lists matter for it. */
function summary({
  listed,
  kinds,
  decidedBy,
  since,
  until,
  state,
  listings,
  history,
}: Explanation) {
  return {
    ...{ listed, kinds, decidedBy, since, until, state },
    listings: listings.map(({ id, state }) => [id, state]),
    history: history.map(({ id, state, endedAt }) => [id, state, endedAt]),
  }
}

/** The same question asked of the tree and of the store alone. */
function ask(door: Door, at: string): ReturnType<typeof summary> {
  const byTree = summary(door.blocklist.explain(address(at)))
  const policy = testPolicy()
  const publishedKinds = kindsMask(policy.publish)
  const rules = (now: number) => ({ publishedKinds, isRetired: false, now })
  const publisher = { publishedKinds, rules, last: undefined }
  const { store, now } = door
  const context = { store, publisher, policy, now, trapOf: () => undefined, hostsKnownAfter: null }
  assert.deepEqual(summary(explain(context, undefined, address(at))), byTree, at)
  return byTree
}

const nothing = { since: null, until: null, listings: [], history: [] }

test('entries hold beside rows: the longest prefix decides, and all at it are answered', async (t) => {
  const door = openDoor(t)
  await importList(door, 'a', {
    '20.0.0.0/24': { kinds: dsn },
    '20.0.0.9': { expiresAt: start + hour },
  })
  door.now += 60
  await importList(door, 'b', { '20.0.0.9': { kinds: dsn } })
  door.now += 60
  await door.blocklist.list([request('20.0.0.9', { kinds: ['auto-reply'] })], cli)
  const [row] = [...door.store.listingWalks.page({}, 1)].flat()
  assert.deepEqual(ask(door, '20.0.0.9'), {
    ...{ listed: true, kinds: ['dsn', 'auto-reply'], decidedBy: '20.0.0.9/32', state: 'listed' },
    ...{ since: start, until: null, history: [] },
    listings: [
      [row?.id, 'listed'],
      ['a:20.0.0.9-32', 'listed'],
      ['b:20.0.0.9-32', 'listed'],
      ['a:20.0.0.0-24', 'listed'],
    ],
  })
  const around = ask(door, '20.0.0.10')
  assert.deepEqual([around.decidedBy, around.since, around.until], ['20.0.0.0/24', start, null])
  assert.deepEqual(ask(door, '20.0.1.1'), {
    ...{ ...nothing, listed: false, kinds: [], decidedBy: null, state: null },
  })
})

test('an entry that is over is history from its end on, and one removed by hand from then', async (t) => {
  const door = openDoor(t)
  await importList(door, 'a', { '20.0.0.1': { expiresAt: start + hour }, '20.0.0.2': {} })
  assert.equal(ask(door, '20.0.0.1').until, start + hour)
  await door.blocklist.delist([prefix('20.0.0.2')], cli)
  door.now += hour
  const late = summary(door.blocklist.explain(address('20.0.0.1')))
  assert.deepEqual([late.listed, late.since, late.until], [true, start, start + hour])
  assert.equal(late.state, 'expired')
  await door.blocklist.expire()
  const [row] = [...door.store.listingWalks.page({}, 1)].flat()
  const gone = { ...nothing, listed: false, kinds: [], decidedBy: null }
  assert.deepEqual(ask(door, '20.0.0.1'), {
    ...{ ...gone, state: 'expired', history: [['a:20.0.0.1-32', 'expired', start + hour]] },
  })
  assert.deepEqual(ask(door, '20.0.0.2'), {
    ...{ ...gone, state: 'removed', history: [[row?.id, 'removed', start]] },
  })
  await importList(door, 'a', { '20.0.0.2': {} })
  const back = ask(door, '20.0.0.2')
  assert.deepEqual([back.state, back.since], ['listed', start + hour])
  assert.deepEqual(back.history, [[row?.id, 'removed', start]])
})

test('exceptions hold for entries, and a shadow kind is answered with the general code', async (t) => {
  const door = openDoor(t)
  await importList(door, 'a', { '20.0.0.0/24': { kinds: kindsMask(['callout']) } })
  await door.blocklist.addException('exclusion', prefix('20.0.0.8/29'), null, cli)
  await door.blocklist.addException('exemption', prefix('20.0.0.16/28'), null, cli)
  const shown = (at: string) => {
    const { listed, kinds, decidedBy, state } = ask(door, at)
    return [listed, kinds, decidedBy, state]
  }
  assert.deepEqual(shown('20.0.0.1'), [true, [], '20.0.0.0/24', 'listed'])
  assert.deepEqual(door.blocklist.explain(address('20.0.0.1')).codes, ['127.0.0.2'])
  assert.deepEqual(shown('20.0.0.9'), [false, [], '20.0.0.8/29', 'excluded'])
  assert.deepEqual(shown('20.0.0.17'), [false, [], null, 'exempt'])
  assert.deepEqual(shown('127.0.0.2'), [true, [], '127.0.0.2/32', 'listed'])
  assert.deepEqual(shown('127.0.0.1'), [false, [], null, 'exempt'])
})

test('while DNS follows a new version, the look-up says what DNS says, and the state what holds', async (t) => {
  const door = openDoor(t)
  await importList(door, 'a', { '20.0.0.1': { kinds: dsn }, '20.0.0.2': {} })
  door.now += hour
  const { store, blocklist } = door
  const before = store.lists.named('a')?.version ?? null
  store.begin()
  const { id, version } = writeVersion(store, 'a', [entry('20.0.0.2'), entry('20.0.0.3')])
  store.lists.setVersion(id, version, before)
  store.commit()
  const told = (at: string) => {
    const { listed, kinds, decidedBy, since, state, listings } = blocklist.explain(address(at))
    const found = blocklist.find(address(at))
    assert.deepEqual([found.listed, found.kinds], [listed, kinds])
    assert.equal(found.since === null, since === null)
    return [listed, decidedBy, since, state, listings.length]
  }
  assert.deepEqual(told('20.0.0.1'), [true, '20.0.0.1/32', start, null, 0])
  assert.deepEqual(told('20.0.0.2'), [true, '20.0.0.2/32', start, 'listed', 1])
  assert.deepEqual(told('20.0.0.3'), [false, null, null, 'listed', 1])
})

test('without a key the day is that of the oldest entry or row that is answered', async (t) => {
  const door = openDoor(t)
  const day = 86_400
  const midnight = start - (start % day)
  await importList(door, 'a', { '20.0.0.1': { expiresAt: start + day }, '20.0.0.2': {} })
  door.now += day / 2
  await importList(door, 'b', { '20.0.0.1': {}, '20.0.0.2': {} })
  const since = (at: string) => door.blocklist.find(address(at)).since
  assert.deepEqual([since('20.0.0.1'), since('20.0.0.9')], [midnight, null])
  door.now = start + day
  await door.blocklist.expire()
  const ofB = start + day / 2
  assert.equal(since('20.0.0.1'), ofB - (ofB % day))
  assert.equal(since('20.0.0.2'), midnight)
  assert.deepEqual(door.blocklist.find(address('127.0.0.3')).since, null)
})

test('a retired zone: nothing is answered, and what would be is told', async (t) => {
  const door = openDoor(t)
  await importList(door, 'a', { '20.0.0.0/24': {} })
  door.reopen({ retired: true })
  const { listed, codes, decidedBy, since, state } = door.blocklist.explain(address('20.0.0.1'))
  assert.deepEqual([listed, codes, since], [false, [], null])
  assert.deepEqual([decidedBy, state], ['20.0.0.0/24', 'listed'])
})
