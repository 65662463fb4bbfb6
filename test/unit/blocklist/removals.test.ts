// Removal on request: what the policy allows at once, what waits for the operator, and that nothing else than the listing by
// trap ends.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { PolicyOptions } from '../../../src/blocklist/policy.ts'
import {
  isRefusal,
  type Refusal,
  type Removal,
  type RemovalAnswer,
} from '../../../src/blocklist/types.ts'
import type { RemovalRow } from '../../../src/store/removals.ts'
import {
  address,
  cli,
  type Door,
  day,
  evidence,
  openDoor,
  prefix,
  request,
  start,
  testPolicy,
} from '../../support/door.ts'
import fc from '../../support/properties.ts'

const host = '20.0.0.1'
const hour = 3600

/** Two messages, seen now: they list the host. */
async function hit(door: Door, client = host): Promise<void> {
  const seen = { client, seenAt: door.now }
  await door.blocklist.record([evidence(seen), evidence(seen)])
}

async function ask(door: Door, text = host): Promise<RemovalAnswer | Refusal> {
  const asked = prefix(text)
  const removable = door.blocklist.removablePrefix(asked)
  assert.ok(removable, text)
  return await door.blocklist.requestRemoval(asked, removable)
}

function refused(outcome: object | undefined): Refusal['refused'] | undefined {
  return outcome !== undefined && isRefusal(outcome) ? outcome.refused : undefined
}

async function answered(door: Door, text = host): Promise<RemovalAnswer> {
  const answer = await ask(door, text)
  assert.ok(!isRefusal(answer), JSON.stringify(answer))
  return answer
}

async function decide(
  door: Door,
  id: number,
  state: 'removed' | 'refused',
  why?: string,
): Promise<Removal> {
  const decided = await door.blocklist.decideRemoval(id, state, why, cli)
  assert.ok(decided && !isRefusal(decided), JSON.stringify(decided))
  return decided
}

function requests({ store }: Door): Pick<RemovalRow, 'state' | 'decidedBy'>[] {
  return store.removals.page(100).map(({ state, decidedBy }) => ({ state, decidedBy }))
}

/** The listings by trap of the host, newest first. */
function episodes({ store }: Door, client = host): [state: string, episode: number][] {
  return store.listings
    .around(address(client))
    .filter(({ origin }) => origin === 'trap')
    .map(({ state, episode }): [string, number] => [state, episode])
    .reverse()
}

test('a host that was quiet long enough is removed at once, and its history is kept', async (t) => {
  const door = openDoor(t)
  await hit(door)
  door.now += day
  assert.deepEqual(await ask(door), {
    ...{ prefix: '20.0.0.1/32', state: 'removed', why: 'the rules of the list allow it' },
    ...{ unmet: [], askAgainAt: null, listed: false },
  })
  assert.deepEqual(door.codes(host), [])
  assert.deepEqual(requests(door), [{ state: 'removed', decidedBy: 'policy' }])
  const [entry] = door.store.audit.page(1)
  assert.deepEqual(
    [entry?.actor, entry?.action, entry?.target],
    ['policy', 'delist', '20.0.0.1/32'],
  )
  assert.equal(refused(await ask(door)), 'not-listed')

  const { history } = door.blocklist.explain(address(host))
  assert.deepEqual(
    history.map(({ state, endedAt, hits }) => [state, endedAt, hits]),
    [['removed', start + day, 2]],
  )
})

test('evidence from before a removal no longer counts, and the next listing is a new episode', async (t) => {
  const door = openDoor(t)
  await hit(door)
  door.now += day
  await answered(door)
  await door.blocklist.record([evidence({ seenAt: start }), evidence({ seenAt: door.now })])
  assert.deepEqual(door.codes(host), [])
  await door.blocklist.record([evidence({ seenAt: door.now })])
  assert.deepEqual(door.codes(host), [2, 3])
  assert.deepEqual(episodes(door), [
    ['listed', 2],
    ['removed', 1],
  ])
})

test('a host that was heard too lately waits, and learns from when on it need not', async (t) => {
  const door = openDoor(t, { now: start + 100 })
  await hit(door)
  const told = {
    ...{ prefix: '20.0.0.1/32', state: 'queued', listed: true },
    ...{ why: 'it has to be quiet for 1d first', unmet: ['quiet'] },
    askAgainAt: start + hour + day,
  }
  assert.deepEqual(await ask(door), told, 'the hour ends at start + 1 h')
  assert.deepEqual(door.codes(host), [2, 3])
  door.now = start + hour + day - 1
  assert.deepEqual(await ask(door), told)
  assert.deepEqual(requests(door), [{ state: 'queued', decidedBy: null }])
  door.now += 1
  assert.equal((await answered(door)).state, 'removed')
  assert.deepEqual(requests(door), [{ state: 'removed', decidedBy: 'policy' }])
  const [row] = door.store.removals.page(1)
  assert.deepEqual([row?.requestedAt, row?.decidedAt], [start + 100, start + hour + day])
})

test('messages do not show in the answer before they show in the public evidence', async (t) => {
  const door = openDoor(t)
  const { blocklist } = door
  const from = (trap: string) =>
    blocklist.record([evidence({ seenAt: door.now, recipient: `${trap}@trap.example.org` })])
  await hit(door)
  const before = await answered(door)
  // The same trap, and one more: two are needed before anything of them is public.
  for (const trap of ['one', 'two']) {
    door.now += 3 * hour
    await from(trap)
    await blocklist.expire()
    assert.deepEqual(await answered(door), before, trap)
  }
  await from('three')
  assert.deepEqual(await answered(door), before, 'not before midnight')
  const midnight = start - (start % day) + day
  door.now = midnight
  await blocklist.expire()
  assert.equal((await answered(door)).askAgainAt, midnight + day)
})

test('a host is not removed more often than the policy allows within the period', async (t) => {
  const removal = { isOpen: true, quietSeconds: 0, times: 2, periodSeconds: 30 * day }
  const door = openDoor(t, { policy: testPolicy({ removal }) })
  for (let times = 0; times < 2; times++) {
    await hit(door)
    assert.equal((await answered(door)).state, 'removed')
    door.now += day
  }
  await hit(door)
  assert.deepEqual(await answered(door), {
    ...{ prefix: '20.0.0.1/32', state: 'queued', listed: true },
    ...{ why: 'it was removed 2 times within 30d', unmet: ['times'] },
    askAgainAt: start + 30 * day,
  })
  // Another host is not concerned.
  await hit(door, '20.0.0.2')
  assert.equal((await answered(door, '20.0.0.2')).state, 'removed')

  const [waiting] = door.store.removals.page(1, undefined, 'queued')
  await decide(door, waiting?.id ?? 0, 'removed')
  await hit(door)
  const { why, askAgainAt } = await answered(door)
  assert.equal(why, 'it was removed 3 times within 30d', 'by the operator, too')
  assert.equal(askAgainAt, start + 31 * day, 'when two of the three are older than the period')
  door.now = start + 31 * day - 1
  await hit(door)
  assert.equal((await answered(door)).state, 'queued')
  door.now += 1
  assert.equal((await answered(door)).state, 'removed')
})

test('both reasons are told, with the later of the two times', async (t) => {
  const removal = { isOpen: true, quietSeconds: 10 * day, times: 1, periodSeconds: day }
  const door = openDoor(t, { policy: testPolicy({ removal, longestListingSeconds: 60 * day }) })
  await hit(door)
  const id = () => door.store.removals.page(1, undefined, 'queued')[0]?.id ?? 0
  await answered(door)
  await decide(door, id(), 'removed')
  await hit(door)
  const { why, unmet, askAgainAt } = await answered(door)
  assert.deepEqual(unmet, ['quiet', 'times'])
  assert.equal(why, 'it has to be quiet for 10d first, and it was removed once within 1d')
  assert.equal(askAgainAt, start + 10 * day)
})

test('with times = 0 the operator decides on every removal', async (t) => {
  const removal = { isOpen: true, quietSeconds: 0, times: 0, periodSeconds: day }
  const door = openDoor(t, { policy: testPolicy({ removal }) })
  await hit(door)
  const { state, why, unmet, askAgainAt } = await answered(door)
  assert.deepEqual(
    [state, why, unmet, askAgainAt],
    ['queued', 'the operator decides on every removal', [], null],
  )
})

test('a listing by hand or import is not removed on request, and stays beside one by trap', async (t) => {
  const door = openDoor(t)
  await door.blocklist.list([request('20.0.0.0/24'), request('20.0.1.1', { kinds: ['dsn'] })], cli)
  assert.equal(refused(await ask(door, '20.0.0.7')), 'operator-only')
  assert.equal(refused(await ask(door, '127.0.0.2')), 'operator-only')
  await hit(door)
  await hit(door, '20.0.1.1')
  door.now += day
  assert.equal((await answered(door)).listed, true)
  assert.equal((await answered(door, '20.0.1.1')).listed, true)
  assert.deepEqual(door.codes(host), [2])
  assert.deepEqual(door.codes('20.0.1.1'), [2, 3])
  assert.equal(refused(await ask(door)), 'operator-only')
  assert.equal(refused(await ask(door, '20.0.1.1')), 'operator-only')
})

test('of an IPv6 host the network is removed, asked for by an address in it or by itself', async (t) => {
  const door = openDoor(t)
  const { blocklist } = door
  for (const text of ['2a00::1', '2a00::ffff:0:0:1', '2a00::/64']) {
    await hit(door, '2a00::1')
    door.now += day
    const { prefix: removed, state } = await answered(door, text)
    assert.deepEqual([removed, state], ['2a00::/64', 'removed'])
    assert.deepEqual(door.codes('2a00::1'), [])
  }
  for (const text of ['2a00::/63', '2a00::/65', '20.0.0.0/24'])
    assert.equal(blocklist.removablePrefix(prefix(text)), undefined, text)
  await hit(door, '2a00::1')
  await blocklist.addException('exclusion', prefix('2a00::9'), null, cli)
  assert.equal(refused(await ask(door, '2a00::9')), 'not-listed')
})

test('what DNS does not answer is not listed, for whatever reason', async (t) => {
  const hold = { holdForSeconds: day }
  const door = openDoor(t, { policy: testPolicy(hold) })
  await hit(door)
  assert.equal(door.blocklist.explain(address(host)).state, 'held')
  assert.equal(refused(await ask(door)), 'not-listed')
  door.reopen({ policy: testPolicy({ publish: ['auto-reply'] }) })
  assert.equal(door.blocklist.explain(address(host)).state, 'shadow')
  assert.equal(refused(await ask(door)), 'not-listed')
  await door.blocklist.list([request('20.0.0.0/24')], cli)
  assert.equal(refused(await ask(door)), 'operator-only', 'as if only the other listing were there')
  assert.equal(refused(await ask(door, '20.0.0.2')), 'operator-only')
  assert.deepEqual(requests(door), [])
})

test('a listing whose time is over is not listed, even before that is published', async (t) => {
  const door = openDoor(t)
  await hit(door)
  await answered(door)
  door.now += 8 * day
  assert.deepEqual(door.codes(host), [2, 3])
  assert.equal(refused(await ask(door)), 'not-listed')
  assert.deepEqual(requests(door), [{ state: 'obsolete', decidedBy: null }])
})

test('the operator approves or refuses a request once; both are in the audit', async (t) => {
  const door = openDoor(t)
  await hit(door)
  await hit(door, '20.0.0.2')
  await answered(door)
  await answered(door, '20.0.0.2')
  assert.equal(door.store.removals.countQueued(), 2)
  const approved = await decide(door, 1, 'removed', 'they mended it')
  assert.deepEqual(approved, {
    ...{ id: 1, prefix: '20.0.0.1/32', state: 'removed', why: 'they mended it' },
    ...{ requestedAt: start, decidedAt: start, decidedBy: 'cli' },
  })
  assert.deepEqual(door.codes(host), [])
  const denied = await decide(door, 2, 'refused')
  assert.deepEqual([denied.state, denied.why], ['refused', 'refused by the operator'])
  assert.deepEqual(door.codes('20.0.0.2'), [2, 3])
  assert.equal(door.store.removals.countQueued(), 0)
  for (const id of [1, 2]) {
    const again = await door.blocklist.decideRemoval(id, 'removed', undefined, cli)
    assert.equal(refused(again), 'conflict')
  }
  assert.deepEqual(door.codes('20.0.0.2'), [2, 3])
  assert.equal(await door.blocklist.decideRemoval(3, 'removed', undefined, cli), undefined)
  assert.deepEqual(
    door.store.audit.page(3).map(({ actor, action, target }) => [actor, action, target]),
    [
      ['cli', 'refuse', '20.0.0.2/32'],
      ['cli', 'approve', '20.0.0.1/32'],
      ['cli', 'delist', '20.0.0.1/32'],
    ],
  )
})

test('a refusal stands until the policy allows the removal', async (t) => {
  const door = openDoor(t)
  await hit(door)
  await answered(door)
  await decide(door, 1, 'refused')
  assert.deepEqual(await ask(door), {
    refused: 'conflict',
    why: 'stays listed: the operator refused to remove it; ask again at 2027-01-16T08:00:00Z',
    askAgainAt: 1_800_086_400,
  })
  assert.deepEqual(requests(door), [{ state: 'refused', decidedBy: 'cli' }])
  door.now += day
  assert.equal((await answered(door)).state, 'removed')
  assert.deepEqual(requests(door), [{ state: 'removed', decidedBy: 'policy' }])
  await hit(door)
  assert.equal((await answered(door)).state, 'queued', 'it was for that listing only')
})

for (const [how, end] of [
  ['expired', (door: Door) => (door.now += 8 * day)],
  ['was removed by hand', (door: Door) => door.blocklist.delist([prefix(host)], cli)],
  ['loses its evidence', (door: Door) => door.blocklist.purge({ kind: 'dsn' }, false, cli)],
  [
    'overlaps a range that is never listed',
    (door: Door) => door.blocklist.reconfigure(testPolicy()),
  ],
] as const) {
  test(`a request is obsolete when its listing ${how}`, async (t) => {
    const special = '198.51.100.7'
    const client = how.startsWith('overlaps') ? special : host
    const allowSpecial = [prefix('198.51.100.0/24')]
    const door = openDoor(t, { policy: testPolicy({ allowSpecial }) })
    await hit(door, client)
    await answered(door, client)
    await end(door)
    await door.blocklist.expire()
    assert.deepEqual(requests(door), [{ state: 'obsolete', decidedBy: null }])
    assert.equal(door.store.removals.countQueued(), 0)
    assert.equal(refused(await door.blocklist.decideRemoval(1, 'removed', '', cli)), 'conflict')
  })
}

test('requests at the same moment lead to one removal, or to one request that waits', async (t) => {
  const door = openDoor(t)
  await hit(door)
  const all = () => Promise.all([ask(door), ask(door), ask(door)])
  const early = await all()
  assert.deepEqual(
    early.map((each) => 'state' in each && each.state),
    ['queued', 'queued', 'queued'],
  )
  assert.equal(requests(door).length, 1)
  door.now += day
  const late = await all()
  assert.deepEqual(
    late.map((each) => refused(each) ?? ('state' in each && each.state)),
    ['removed', 'not-listed', 'not-listed'],
  )
  assert.equal(requests(door).length, 1)
})

/** One host is listed by import as well, the other by hand. */
const hosts = [host, '20.0.0.2']

const anyStep = fc.record({
  client: fc.constantFrom(...hosts),
  actions: fc.oneof(
    { weight: 3, arbitrary: fc.constant(['hit', 'ask'] as const) },
    fc.constantFrom(['hit'] as const, ['ask'] as const, ['refuse'] as const, ['delist'] as const),
    fc.constant(['approve'] as const),
  ),
  hours: fc.oneof(fc.constant(0), fc.nat(4 * 24)),
})

async function withLists(t: Pick<TestContext, 'after'>, removal: PolicyOptions['removal']) {
  const door = openDoor(t, { policy: testPolicy({ removal }), capacityBytes: 1 << 20 })
  await door.blocklist.list([request('20.0.0.2', { expiresAt: null })], cli)
  const attributes = { kinds: 0, reason: null, expiresAt: null }
  const items = async function* () {
    yield [{ line: 1, text: host, prefix: prefix(host), attributes }]
  }
  await door.blocklist.import({ list: 'a', items: items(), isStrict: true, actor: cli })
  return door
}

test('whatever comes in whatever order, the policy never removes too often or anything else', async () => {
  const periodSeconds = 10 * day
  let refusals = 0
  let removals = 0
  const property = async (
    times: number,
    quietSeconds: number,
    steps: readonly { client: string; actions: readonly string[]; hours: number }[],
  ) => {
    const cleanups: (() => void)[] = []
    const t = { after: (cleanup: unknown) => cleanups.unshift(cleanup as () => void) }
    const door = await withLists(t, { isOpen: true, quietSeconds, times, periodSeconds })
    const { blocklist, store } = door
    const removedAt = new Map<string, number[]>(hosts.map((each) => [each, []]))
    const lately = (client: string): number =>
      removedAt.get(client)?.filter((at) => at > door.now - periodSeconds).length ?? 0
    const decideOldest = async (state: 'removed' | 'refused') => {
      const id = store.removals.page(10, undefined, 'queued').at(-1)?.id ?? 0
      const decided = await blocklist.decideRemoval(id, state, '', cli)
      if (state === 'refused' || decided === undefined || isRefusal(decided)) return
      removedAt.get(decided.prefix.replace('/32', ''))?.push(door.now)
    }
    const run: Record<string, (client: string) => Promise<unknown>> = {
      hit: (client) => hit(door, client),
      approve: () => decideOldest('removed'),
      refuse: () => decideOldest('refused'),
      async delist(client) {
        const row = store.listings.currentAt(prefix(client)).find(({ origin }) => origin === 'trap')
        if (row) await blocklist.delistOne(row.id, () => true, cli)
      },
      async ask(client) {
        const answer = await ask(door, client)
        const isRemoved = 'state' in answer && answer.state === 'removed'
        if (isRemoved) assert.ok(lately(client) < times, 'not too often')
        else if (refused(answer) !== 'operator-only' && quietSeconds === 0)
          assert.ok(lately(client) >= times, 'and not too seldom')
        if (isRemoved) removedAt.get(client)?.push(door.now)
        if (isRemoved) removals += 1
        else refusals += 1
      },
    }
    try {
      for (const { client, actions, hours } of steps) {
        door.now += hours * hour
        await blocklist.expire()
        for (const action of actions) await run[action]?.(client)
        for (const each of hosts) assert.ok(door.codes(each).includes(2), 'listed otherwise')
        const waiting = store.removals.page(100, undefined, 'queued')
        assert.ok(
          waiting.every(({ listingId }) => store.listings.byId(listingId)?.endedAt === null),
        )
        assert.equal(new Set(waiting.map((each) => each.prefix.w0)).size, waiting.length)
      }
    } finally {
      for (const cleanup of cleanups) cleanup()
    }
  }
  await fc.assert(
    fc.asyncProperty(
      fc.nat(3),
      fc.constantFrom(0, 0, hour, day),
      fc.array(anyStep, { minLength: 5, maxLength: 40, size: 'max' }),
      property,
    ),
    { numRuns: 30 },
  )
  assert.ok(removals > 10 && refusals > 10, `${removals} removals, ${refusals} refusals`)
})
