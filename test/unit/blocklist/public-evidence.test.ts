// What the public sees of the evidence for a listing by trap: a snapshot in which nothing depends on one trap alone.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { quietSince } from '../../../src/blocklist/public-evidence.ts'
import type { Finding } from '../../../src/blocklist/types.ts'
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

const host = '20.0.0.1'
const hour = 3600
/** The midnight (UTC) before `start`, which is at 08:00. */
const today = start - (start % day)
const details = {
  ...{ helo: 'mx1.sender.net', reportingMta: 'mail.sender.net', generator: 'postfix' },
  status: '5.1.1',
}

type Changes = Parameters<typeof evidence>[0]

/** A message at the door's time to the trap of this name. */
function hit(door: Door, trap: string, changes: Changes = {}) {
  const recipient = `${trap}@trap.example.org`
  return evidence({ recipient, seenAt: door.now, details, ...changes })
}

function found(door: Door, at = host): Finding {
  return door.blocklist.find(address(at))
}

/** A door with a listing for messages to two traps. */
async function listed(t: TestContext, changes: Changes = {}): Promise<Door> {
  const door = openDoor(t)
  await door.blocklist.record([hit(door, 'one', changes), hit(door, 'two', changes)])
  assert.deepEqual(door.codes(host), [2, 3])
  return door
}

async function passDays(door: Door, days: number): Promise<void> {
  door.now = door.now - (door.now % day) + days * day
  await door.blocklist.expire()
}

test('a listing for two traps shows its evidence at once', async (t) => {
  const door = await listed(t)
  assert.deepEqual(found(door), {
    ...{ query: host, listed: true, kinds: ['dsn'], codes: ['127.0.0.2', '127.0.0.3'] },
    ...{ prefix: '20.0.0.1/32', origin: 'trap', since: start, until: today + 8 * day },
    evidence: [
      {
        kind: 'dsn',
        certainty: 'certain',
        messages: '1–2',
        traps: '1–2',
        hours: [start],
        ...details,
      },
    ],
  })
})

test('a listing for one trap shows the day, and nothing of its evidence', async (t) => {
  const door = openDoor(t)
  const hits = Array.from({ length: 20 }, () => hit(door, 'one'))
  await door.blocklist.record(hits)
  const { since, until, evidence: shown } = found(door)
  assert.deepEqual([since, until, shown], [today, null, []])
})

test('the snapshot is made in the transaction in which the listing is first answered', async (t) => {
  const policy = testPolicy({ holdForSeconds: 6 * hour })
  const door = openDoor(t, { policy })
  await door.blocklist.record([hit(door, 'one'), hit(door, 'two')])
  door.now += hour
  await door.blocklist.record([hit(door, 'three', { seenAt: start })])
  door.now = today + 18 * hour
  const { store } = door
  const before = store.publicEvidence.due(Number.MAX_SAFE_INTEGER, 9)
  await door.blocklist.expire()
  assert.deepEqual(before, [])
  const { since, evidence: shown } = found(door)
  assert.deepEqual([since, shown[0]?.traps], [today + 18 * hour, '3–9'])
})

test('a further hit changes nothing before midnight, however many come', async (t) => {
  const door = await listed(t)
  const before = found(door)
  for (const trap of ['three', 'four', 'five']) {
    door.now += hour
    const other = { seenAt: start, details: { ...details, helo: 'other.net' } }
    await door.blocklist.record([hit(door, trap, other)])
    await door.blocklist.expire()
    assert.deepEqual(found(door), before)
  }
  await passDays(door, 1)
  const { until, evidence: shown } = found(door)
  const { helo: _helo, ...others } = details
  assert.equal(until, today + 8 * day)
  assert.deepEqual(shown, [
    { kind: 'dsn', certainty: 'certain', messages: '3–9', traps: '3–9', hours: [start], ...others },
  ])
})

test('a snapshot is renewed only after a day with hits from enough further traps', async (t) => {
  const door = await listed(t)
  const before = found(door)
  for (const trap of ['three', 'four', 'five']) {
    await door.blocklist.record([hit(door, 'one'), hit(door, 'two'), hit(door, trap)])
    await passDays(door, 1)
    assert.deepEqual(found(door), before, `${trap}, the only further one of its day`)
  }
  await door.blocklist.record([hit(door, 'six'), hit(door, 'seven')])
  await passDays(door, 1)
  const after = found(door)
  // Those of the other days do not count.
  assert.deepEqual([after.evidence[0]?.traps, after.evidence[0]?.messages], ['3–9', '3–9'])
  const more = ['seven', 'one', 'eight'].map((trap) => hit(door, trap))
  await door.blocklist.record(more)
  await passDays(door, 1)
  assert.deepEqual(found(door), after)
})

test('the end that shows follows from the days that show', async (t) => {
  const door = await listed(t)
  await passDays(door, 2)
  await door.blocklist.record([hit(door, 'three')])
  await passDays(door, 2)
  await door.blocklist.record([hit(door, 'four'), hit(door, 'five')])
  await passDays(door, 1)
  // How many episodes there were would tell of the hit on the second day.
  const [row] = door.store.listings.currentAt(prefix(host))
  assert.deepEqual([row?.episode, row?.expiresAt], [3, today + 32 * day])
  assert.equal(found(door).until, today + 12 * day)
})

test('a snapshot’s end that is over is not shown', async (t) => {
  const door = await listed(t)
  door.now = today + 7 * day
  await door.blocklist.record([hit(door, 'one')])
  door.now = today + 8 * day
  await door.blocklist.expire()
  assert.equal(found(door).until, null)
  assert.equal(found(door).listed, true)
})

test('a trap whose messages look like those of no other trap leaves no mark', async (t) => {
  const odd: Changes[] = [
    ...['helo', 'reportingMta', 'generator', 'status'].map((name) => ({
      details: { ...details, [name]: '4.0.0' },
    })),
    ...['helo', 'reportingMta', 'generator', 'status'].map((name) => {
      const { [name as keyof typeof details]: _, ...without } = details
      return { details: without }
    }),
    { certainty: 'likely' },
    { seenAt: start - hour },
  ]
  for (const changes of odd) {
    const door = openDoor(t)
    await door.blocklist.record([
      ...['one', 'two'].map((trap) => hit(door, trap)),
      ...['three', 'three', 'three'].map((trap) => hit(door, trap, changes)),
    ])
    const shown = found(door)
    assert.equal(shown.evidence[0]?.traps, '1–2')
    const alone = await listed(t)
    assert.deepEqual(shown, found(alone), JSON.stringify(changes))
  }
})

test('of two values that several traps have each, none shows', async (t) => {
  const door = openDoor(t)
  const other = { ...details, helo: 'mx2.sender.net' }
  await door.blocklist.record([
    ...['one', 'two'].map((trap) => hit(door, trap)),
    ...['three', 'four'].map((trap) => hit(door, trap, { details: other })),
  ])
  const [shown] = found(door).evidence
  assert.deepEqual([shown?.traps, shown?.helo, shown?.status], ['3–9', undefined, '5.1.1'])
})

test('free text never shows', async (t) => {
  const odd = {
    ...{ helo: 'no dots', reportingMta: 'a.net; see b.net', generator: 'Hello you' },
    ...{ status: '5.1.1 (jo)', subject: 'a', messageId: '<a@b.net>', diagnosticCode: 'a' },
    ...{ finalRecipient: 'jo@b.net', returnedMessageId: '<a@c.net>', reversePath: '', notes: 'a' },
  }
  const door = await listed(t, { details: odd })
  assert.deepEqual(Object.keys(found(door).evidence[0] ?? {}), [
    ...['kind', 'certainty', 'messages', 'traps', 'hours'],
  ])
})

test('a value that holds a part of a trap never shows', async (t) => {
  const policy = testPolicy({ traps: ['@elsewhere.example.net'] })
  const door = openDoor(t, { policy })
  const values = { helo: 'one.sender.net', reportingMta: 'mx.elsewhere.example.net' }
  await door.blocklist.record(
    ['one', 'two'].map((trap) => hit(door, trap, { details: { ...details, ...values } })),
  )
  const { helo, reportingMta, generator } = found(door).evidence[0] ?? {}
  assert.deepEqual([helo, reportingMta, generator], [undefined, undefined, 'postfix'])
})

test('an hour shows only if enough traps were hit in it, and only the five newest do', async (t) => {
  const door = openDoor(t)
  const at = (trap: string, hours: number) => hit(door, trap, { seenAt: start - hours * hour })
  const both = [3, 5, 7, 9, 11, 13, 15].flatMap((hours) => [at('one', hours), at('two', hours)])
  await door.blocklist.record([...both, at('one', 4), at('two', 6), at('three', 2), at('three', 2)])
  await passDays(door, 1)
  await door.blocklist.record([at('x', 30), at('y', 40)])
  await passDays(door, 1)
  const hours = [3, 5, 7, 9, 11].map((each) => start - each * hour)
  assert.deepEqual(found(door).evidence[0]?.hours, hours)
})

test('one trap does not decide the class of the messages', async (t) => {
  const door = openDoor(t)
  const many = Array.from({ length: 30 }, () => hit(door, 'one'))
  await door.blocklist.record([...many, hit(door, 'two')])
  assert.equal(found(door).evidence[0]?.messages, '1–2')
})

test('a kind shows only if enough traps got messages of it, and DNS answers it', async (t) => {
  const all = ['dsn', 'auto-reply', 'content-notice'] as const
  const once = { messages: 1, traps: 1, windowSeconds: 7 * day }
  const { threshold } = testPolicy()
  const policy = testPolicy({
    threshold: { ...threshold, 'auto-reply': once, 'content-notice': once, callout: once },
  })
  const door = openDoor(t, { policy })
  const hits = [...all, 'callout' as const].flatMap((kind) =>
    ['one', 'two'].map((trap) => hit(door, trap, { kind })),
  )
  await door.blocklist.record(hits.filter(({ kind }) => kind !== 'auto-reply'))
  await door.blocklist.record([hit(door, 'one', { kind: 'auto-reply' })])
  await passDays(door, 1)
  await door.blocklist.record(['x', 'y'].map((trap) => hit(door, trap)))
  await passDays(door, 1)
  const kinds = () => found(door).evidence.map(({ kind }) => kind)
  assert.deepEqual([found(door).kinds, kinds()], [[...all], ['dsn', 'content-notice']])
  await door.blocklist.reconfigure({ ...policy, publish: ['dsn'] })
  assert.deepEqual([found(door).kinds, kinds()], [['dsn'], ['dsn']])
})

test('evidence from before a removal is never shown again', async (t) => {
  const door = await listed(t)
  await door.blocklist.delist([prefix(host)], cli)
  door.now += hour
  await door.blocklist.record([hit(door, 'one'), hit(door, 'one')])
  const { listed: isListed, since, until, evidence: shown } = found(door)
  assert.deepEqual([isListed, since, until, shown], [true, today, null, []])
})

test('of a listing by hand only the prefix, the origin and the day show', async (t) => {
  const door = openDoor(t)
  await door.blocklist.list([request('20.0.0.0/24', { reason: 'private' })], cli)
  assert.deepEqual(found(door), {
    ...{ query: host, listed: true, kinds: [], codes: ['127.0.0.2'] },
    ...{ prefix: '20.0.0.0/24', origin: 'manual', since: today, until: null, evidence: [] },
  })
})

test('listed by hand too, the end is not shown, since that of the other listing may be later', async (t) => {
  const door = await listed(t)
  await door.blocklist.list([request(host)], cli)
  const { origin, until, evidence: shown } = found(door)
  assert.deepEqual([origin, until, shown.length], ['trap', null, 1])
})

test('an end that the operator set is not told wrongly', async (t) => {
  const door = await listed(t)
  const [row] = door.store.listings.currentAt(prefix(host))
  assert.ok(row)
  assert.notEqual(found(door).until, null)
  await door.blocklist.amend(row.id, { expiresAt: door.now + hour }, () => true, cli)
  assert.equal(found(door).until, null)
  await door.blocklist.amend(row.id, { expiresAt: null }, () => true, cli)
  assert.equal(found(door).until, null)
})

test('the quiet time runs from the hour of the snapshot, not from the newest hit', async (t) => {
  const door = openDoor(t)
  door.now += 600
  await door.blocklist.record([hit(door, 'one'), hit(door, 'two')])
  const quiet = () => {
    const [row] = door.store.listings.currentAt(prefix(host))
    assert.ok(row)
    return quietSince({ store: door.store } as Parameters<typeof quietSince>[0], row)
  }
  assert.equal(quiet(), start + hour)
  door.now += 3 * hour
  await door.blocklist.record([hit(door, 'three'), hit(door, 'four')])
  assert.equal(quiet(), start + hour)
  await passDays(door, 1)
  assert.equal(quiet(), today + day)
})

test('a server that was down at midnight shows nothing of the day that has begun', async (t) => {
  const door = await listed(t)
  const before = found(door)
  await door.blocklist.record([hit(door, 'one')])
  door.now = today + day + 9 * hour
  await door.blocklist.record([hit(door, 'three'), hit(door, 'four')])
  await door.blocklist.expire()
  assert.deepEqual(found(door), before)
  await passDays(door, 1)
  assert.equal(found(door).evidence[0]?.traps, '3–9')
})

test('many snapshots are made in small transactions, and after a restart too', async (t) => {
  const door = openDoor(t)
  const hosts = Array.from({ length: 50 }, (_, index) => `20.0.1.${index}`)
  const all = (...traps: string[]) =>
    hosts.flatMap((client) => traps.map((trap) => hit(door, trap, { client })))
  await door.blocklist.record(all('one', 'two'))
  await door.blocklist.record(all('three', 'four'))
  door.reopen()
  await passDays(door, 1)
  assert.deepEqual(door.store.publicEvidence.due(Number.MAX_SAFE_INTEGER, 9), [])
  for (const client of hosts) assert.equal(found(door, client).evidence[0]?.traps, '3–9')
})
