import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Evidence } from '../../../src/classify/evidence.ts'
import {
  address,
  cli,
  type Door,
  day,
  evidence,
  openDoor,
  prefix,
  start,
  testPolicy,
} from '../../support/door.ts'
import { noteStatements } from '../../support/statements.ts'

/** Records and gives the decisions alone. */
async function decisions(door: Door, ...messages: Evidence[]): Promise<string[]> {
  return (await door.blocklist.record(messages)).map(({ decision }) => decision)
}

/** Records one message from a client whose decision is asked for in full. */
async function decide(door: Door, changes: Parameters<typeof evidence>[0]) {
  const [decision] = await door.blocklist.record([evidence(changes)])
  assert.ok(decision)
  return decision
}

function state(door: Door, at = '20.0.0.1') {
  return door.blocklist.explain(address(at))
}

test('a message counts once for each client, recipient and content', async (t) => {
  const door = openDoor(t)
  const message = evidence({ returned: 'm1' })
  assert.deepEqual(await decisions(door, message, message), ['counted', 'duplicate'])
  assert.deepEqual(await decisions(door, message), ['duplicate'])
  door.reopen()
  assert.deepEqual(await decisions(door, { ...message, seenAt: start + 5, source: 'imap' }), [
    'duplicate',
  ])
  assert.deepEqual(await decisions(door, { ...message, recipient: 'two@trap.example.org' }), [
    'counted',
  ])
  assert.equal(state(door).evidence.length, 2)
  assert.deepEqual(await decisions(door, { ...message, content: 'other', returned: 'm2' }), [
    'listed',
  ])
  assert.deepEqual(await decisions(door, message), ['duplicate'], 'not an extension either')
  const unknown = evidence({ client: null })
  assert.deepEqual(await decisions(door, unknown, unknown), ['ignored', 'duplicate'])
})

test('what cannot list anybody is kept and says why', async (t) => {
  const policy = testPolicy({ exempt: [{ prefix: prefix('20.0.9.0/24'), note: 'our own relays' }] })
  const door = openDoor(t, { policy })
  await door.blocklist.addException('exclusion', prefix('20.0.0.7'), null, cli)
  await door.blocklist.addException('exemption', prefix('2a00::5/128'), null, cli)
  const cases: [Parameters<typeof evidence>[0], RegExp][] = [
    [{ client: null }, /no client address is known/],
    [{ kind: null, rule: 'no-report' }, /not recognised as backscatter \(no-report\)/],
    [{ client: '10.1.2.3' }, /10\.1\.2\.3 is in 10\.0\.0\.0\/8 \(Private-Use, RFC 1918\)/],
    [{ client: '20.0.9.1' }, /exempt: 20\.0\.9\.0\/24 \(our own relays\)/],
    [{ client: '2a00::5' }, /exempt: 2a00::5\/128/],
    [{ client: '20.0.0.7' }, /20\.0\.0\.7\/32 is excluded/],
    [{ seenAt: start - 29 * day }, /history: older than 28d/],
  ]
  for (const [changes, why] of cases) {
    for (const content of ['a', 'b', 'c']) {
      const decision = await decide(door, { ...changes, content: `${why} ${content}` })
      assert.equal(decision.decision, 'ignored')
      assert.match(decision.why, why)
      assert.equal(decision.listing, undefined)
    }
  }
  assert.equal(state(door, '20.0.9.1').evidence.length, 3)
  assert.deepEqual(door.blocklist.status().entries, { ipv4: 0, ipv6: 0, domains: 0 })
})

test('ignored evidence does not count later either', async (t) => {
  const door = openDoor(t)
  await door.blocklist.addException('exemption', prefix('20.0.0.1'), null, cli)
  assert.deepEqual(await decisions(door, evidence(), evidence()), ['ignored', 'ignored'])
  await door.blocklist.removeException('exemption', prefix('20.0.0.1'), cli)
  assert.deepEqual(await decisions(door, evidence()), ['counted'])
  assert.deepEqual(await decisions(door, evidence()), ['listed'])
})

test('a special-purpose range that is allowed is listed like any other', async (t) => {
  const door = openDoor(t, { policy: testPolicy({ allowSpecial: [prefix('198.51.100.0/24')] }) })
  const client = '198.51.100.10'
  assert.deepEqual(await decisions(door, evidence({ client }), evidence({ client })), [
    'counted',
    'listed',
  ])
  assert.deepEqual(door.codes(client), [2, 3])
})

test('IPv6 clients are judged and listed as their network', async (t) => {
  const door = openDoor(t)
  const made = [evidence({ client: '2a00:1:2:3::1' }), evidence({ client: '2a00:1:2:3:ffff::2' })]
  assert.deepEqual(await decisions(door, ...made), ['counted', 'listed'])
  assert.deepEqual(door.codes('2a00:1:2:3:abcd::'), [2, 3])
  assert.deepEqual(door.codes('2a00:1:2:4::1'), [])
  const { listings, evidence: seen } = state(door, '2a00:1:2:3::77')
  assert.deepEqual(
    listings.map((each) => each.prefix),
    ['2a00:1:2:3::/64'],
  )
  assert.equal(seen.length, 2)
  door.reopen({ policy: testPolicy({ ipv6Prefix: 48 }) })
  assert.deepEqual(await decisions(door, evidence({ client: '2a00:1:2:9::1' })), ['listed'])
  assert.deepEqual(door.codes('2a00:1:2:4::1'), [2, 3])
})

test('an IPv4-mapped client is its IPv4 address', async (t) => {
  const door = openDoor(t)
  const made = [evidence({ client: '::ffff:20.0.0.1' }), evidence({ client: '20.0.0.1' })]
  assert.deepEqual(await decisions(door, ...made), ['counted', 'listed'])
  assert.deepEqual(door.codes('20.0.0.1'), [2, 3])
})

test('a listing lasts its term from the last hit, is extended by hits and ends', async (t) => {
  const door = openDoor(t)
  await decisions(door, evidence(), evidence())
  door.now = start + 0.5 * day
  const extended = await decide(door, { seenAt: door.now })
  assert.equal(extended.decision, 'extended')
  assert.equal(extended.listing?.expiresAt, start + 7.5 * day)
  assert.equal(extended.listing?.hits, 3)
  door.now = start + 7.5 * day - 1
  assert.equal(await door.blocklist.expire(), 0)
  assert.deepEqual(door.codes('20.0.0.1'), [2, 3])
  door.now += 1
  assert.equal(await door.blocklist.expire(), 1)
  assert.deepEqual(door.codes('20.0.0.1'), [])
  assert.equal(state(door).state, 'expired')
  assert.equal(state(door).history.length, 1)
})

test('each new episode doubles the term up to the longest: after an expiry, and after 24 h of silence', async (t) => {
  const door = openDoor(t)
  const terms: number[] = []
  for (let episode = 1; episode <= 4; episode++) {
    await decisions(door, evidence({ seenAt: door.now }))
    const decision = await decide(door, { seenAt: door.now })
    assert.equal(decision.decision, 'listed')
    const until = decision.listing?.expiresAt ?? 0
    terms.push((until - door.now) / day)
    door.now = until
    await door.blocklist.expire()
  }
  assert.deepEqual(terms, [7, 14, 28, 28])
  const quiet = openDoor(t)
  await decisions(quiet, evidence(), evidence())
  quiet.now = start + day
  assert.equal((await decide(quiet, { seenAt: quiet.now })).listing?.expiresAt, start + 15 * day)
  quiet.now += 60
  assert.equal(
    (await decide(quiet, { seenAt: quiet.now })).listing?.expiresAt,
    start + 15 * day + 60,
  )
})

test('a listing whose time is over but which nobody swept yet is over', async (t) => {
  const door = openDoor(t)
  await decisions(door, evidence(), evidence())
  door.now = start + 8 * day
  assert.deepEqual(await decisions(door, evidence({ seenAt: door.now })), ['counted'])
  assert.deepEqual(door.codes('20.0.0.1'), [])
  assert.equal(state(door).state, 'expired')
})

test('evidence from before a removal no longer counts, and the next listing is a new episode', async (t) => {
  const door = openDoor(t)
  await decisions(door, evidence(), evidence())
  await door.blocklist.delist([prefix('20.0.0.1')], cli)
  assert.deepEqual(door.codes('20.0.0.1'), [])
  assert.equal(state(door).state, 'removed')
  // In the same second, but after it.
  assert.deepEqual(await decisions(door, evidence({ seenAt: start })), ['counted'])
  door.now = start + 10
  const late = await decide(door, { seenAt: start - 10 })
  assert.deepEqual(
    [late.decision, late.why],
    ['ignored', 'from before the listing was removed by hand'],
  )
  const again = await decide(door, { seenAt: start + 10 })
  assert.equal(again.decision, 'listed')
  assert.equal(again.listing?.expiresAt, start + 10 + 14 * day)
})

test('time from the future counts as now', async (t) => {
  const door = openDoor(t)
  await decisions(door, evidence())
  const decision = await decide(door, { seenAt: start + 300 * day })
  assert.equal(decision.listing?.expiresAt, start + 7 * day)
  assert.equal(state(door).evidence[0]?.seenAt, start)
})

test('kinds join a listing as each reaches its own threshold', async (t) => {
  const door = openDoor(t)
  const reply = (recipient: string) => evidence({ kind: 'auto-reply', recipient })
  await decisions(door, evidence(), evidence())
  const [one, two] = ['one@trap.example.org', 'two@trap.example.org']
  assert.deepEqual(await decisions(door, reply(one), reply(one), reply(two)), [
    ...['counted', 'counted', 'extended'],
  ])
  assert.deepEqual(door.codes('20.0.0.1'), [2, 3, 4])
  assert.deepEqual(state(door).kinds, ['dsn', 'auto-reply'])
})

test('kinds that are not published only count: shadow, until a published one joins', async (t) => {
  const door = openDoor(t)
  const callouts = Array.from({ length: 5 }, (_, index) =>
    evidence({ kind: 'callout', recipient: `${index}@trap.example.org` }),
  )
  const decided = await door.blocklist.record(callouts)
  assert.equal(decided.at(-1)?.decision, 'listed')
  assert.equal(decided.at(-1)?.listing?.state, 'shadow')
  assert.deepEqual(door.codes('20.0.0.1'), [])
  assert.equal(state(door).state, 'shadow')
  assert.deepEqual(door.blocklist.status().entries.ipv4, 0)
  assert.deepEqual(await decisions(door, evidence(), evidence()), ['counted', 'extended'])
  assert.deepEqual(door.codes('20.0.0.1'), [2, 3], 'the code of the unpublished kind is not shown')
  assert.deepEqual(state(door).codes, ['127.0.0.2', '127.0.0.3'])
})

test('holdFor waits before a listing shows', async (t) => {
  const door = openDoor(t, { policy: testPolicy({ holdForSeconds: 600 }) })
  const [, held] = await door.blocklist.record([evidence(), evidence()])
  assert.equal(held?.listing?.state, 'held')
  assert.deepEqual(door.codes('20.0.0.1'), [])
  assert.equal(state(door).state, 'held')
  door.now = start + 599
  assert.equal(await door.blocklist.expire(), 0)
  assert.equal((await decide(door, { seenAt: door.now })).listing?.state, 'held')
  door.reopen()
  assert.deepEqual(door.codes('20.0.0.1'), [])
  door.now = start + 600
  assert.equal(await door.blocklist.expire(), 1)
  assert.deepEqual(door.codes('20.0.0.1'), [2, 3])
  assert.equal(state(door).state, 'listed')
  assert.equal(state(door).until, start + 600 + 7 * day)
})

test('where listings are held, the moments at which they show and end do not tell when a trap was hit', async (t) => {
  const hour = 3600
  const door = openDoor(t, { policy: testPolicy({ holdForSeconds: hour }) })
  assert.equal(start % hour, 0)
  const hosts = [1, 60, 1800, 3599, 3600].map((second, host) => {
    return { client: `20.0.1.${host}`, seenAt: start + second }
  })
  for (const host of hosts) {
    door.now = host.seenAt
    await decisions(door, evidence(host), evidence(host), evidence(host))
  }
  const shown = async (now: number) => {
    door.now = now
    await door.blocklist.expire()
    return hosts.map(({ client }) => door.codes(client).length > 0)
  }
  const all = hosts.map(() => true)
  const none = hosts.map(() => false)
  assert.deepEqual(await shown(start + 2 * hour - 1), none)
  assert.deepEqual(await shown(start + 2 * hour), all)
  assert.deepEqual(await shown(start + hour + 7 * day - 1), all)
  assert.deepEqual(await shown(start + hour + 7 * day), none)
})

test('the day since when a held listing is answered is not the day on which the trap was hit', async (t) => {
  const door = openDoor(t, { policy: testPolicy({ holdForSeconds: 2 * day }) })
  await decisions(door, evidence(), evidence())
  const shownAt = Math.ceil((start + 2 * day) / (2 * day)) * 2 * day
  door.now = shownAt + 60
  await door.blocklist.expire()
  assert.equal(door.blocklist.find(address('20.0.0.1')).since, shownAt)
})

test('one trap in three spellings is one trap', async (t) => {
  const trap = 'one@trap.example.org'
  const door = openDoor(t, { policy: testPolicy({ traps: [trap] }) })
  for (const recipient of [trap, 'ONE@trap.example.org', `prvs=1234ABCDEF=${trap}`]) {
    const reply = evidence({ kind: 'auto-reply', recipient })
    assert.deepEqual(await decisions(door, reply), ['counted'], recipient)
  }
  const rows = state(door).evidence
  assert.deepEqual(new Set(rows.map(({ recipient }) => recipient)), new Set([trap]))
})

test('evidence keeps all that was known, newest first, and the decision', async (t) => {
  const door = openDoor(t)
  const details = { helo: 'mx.example.net', subject: 'Undelivered', diagnosticCode: '550 5.1.1' }
  await decisions(door, evidence({ details, seenAt: start - 5 }), evidence({ seenAt: start - 1 }))
  const [newest, oldest] = state(door).evidence
  assert.equal(newest?.decision, 'listed')
  assert.deepEqual(oldest?.details, details)
  assert.equal(oldest?.why, 'dsn: 1 of 2 messages, 1 of 1 trap within 7d')
  assert.equal(oldest?.recordedAt, start)
})

test('after a thousand messages that reach no threshold, one more takes no more statements', async (t) => {
  const door = openDoor(t)
  const statements = noteStatements(t)
  const record = async (messages: number): Promise<number> => {
    statements.length = 0
    await door.blocklist.record(
      Array.from({ length: messages }, () => evidence({ kind: 'auto-reply' })),
    )
    return statements.length
  }
  const first = await record(10)
  await record(500)
  await record(500)
  const last = await record(10)
  assert.ok(last <= first, `${first} statements, then ${last}`)
  const other = evidence({ kind: 'auto-reply', recipient: 'two@trap.example.org' })
  assert.deepEqual(await decisions(door, other), ['listed'])
})

const likely = (changes: Parameters<typeof evidence>[0] = {}) =>
  evidence({ certainty: 'likely', ...changes })

test('after a listing expired, a likely message does not list anew by the certain hits it was for', async (t) => {
  const door = openDoor(t)
  const old = evidence({ seenAt: start - 7 * day + 12 })
  const older = evidence({ seenAt: start - 7 * day + 12 })
  assert.deepEqual(await decisions(door, old, older), ['counted', 'listed'])
  door.now = start + 13
  await door.blocklist.expire()
  const late = { seenAt: start - 3 * day }
  const decision = await decide(door, { certainty: 'likely', ...late })
  assert.equal(decision.decision, 'counted', decision.why)
  assert.match(decision.why, /listed for dsn already, and a message that is only likely extends/)
  assert.deepEqual(door.codes('20.0.0.1'), [])
  // A certain one does: had it come in time, it would have extended the listing.
  assert.equal((await decide(door, late)).listing?.expiresAt, start + 11 * day)
})

test('likely messages neither list nor extend, begin no episode and lift no shadow', async (t) => {
  const policy = testPolicy({ publish: ['dsn'] })
  const door = openDoor(t, { policy })
  const flood = Array.from({ length: 30 }, (_, each) =>
    likely({ recipient: `${each}@trap.example.org` }),
  )
  assert.deepEqual(new Set(await decisions(door, ...flood)), new Set(['counted']))
  assert.deepEqual(door.codes('20.0.0.1'), [])
  const callouts = Array.from({ length: 5 }, (_, each) =>
    evidence({ kind: 'callout', recipient: `${each}@trap.example.org`, client: '20.0.0.2' }),
  )
  assert.equal((await decisions(door, ...callouts)).at(-1), 'listed')
  const beside = flood.map((each) => ({ ...each, client: address('20.0.0.2') }))
  assert.deepEqual(new Set(await decisions(door, ...beside)), new Set(['counted']))
  assert.equal(state(door, '20.0.0.2').state, 'shadow')
  const certain = await decide(door, {})
  assert.equal(certain.decision, 'listed', 'a certain one beside them')
  assert.equal(certain.listing?.hits, 31)
  door.now = start + 3 * day
  assert.deepEqual(await decisions(door, likely({ seenAt: door.now })), ['counted'])
  assert.equal(state(door).until, start + 7 * day)
})

test('a likely message lists beside a certain one that came before, by the certain one’s time', async (t) => {
  const door = openDoor(t)
  await decisions(door, evidence({ seenAt: start - 2 * day }))
  const decision = await decide(door, { certainty: 'likely' })
  assert.equal(decision.decision, 'listed')
  assert.deepEqual(
    [decision.listing?.lastHitAt, decision.listing?.expiresAt],
    [start - 2 * day, start + 5 * day],
  )
})

test('no number of likely messages hides a certain one', async (t) => {
  const door = openDoor(t, { policy: testPolicy({ evidencePerDay: 2000 }) })
  const certain = evidence({ kind: 'auto-reply', seenAt: start - 2 * day })
  await decisions(door, certain)
  const flood = Array.from({ length: 1200 }, () =>
    likely({ kind: 'auto-reply', seenAt: start - day, returned: certain.returned }),
  )
  await door.blocklist.record(flood)
  const others = [
    likely({ kind: 'auto-reply' }),
    likely({ kind: 'auto-reply', recipient: 'two@trap.example.org' }),
  ]
  assert.deepEqual(await decisions(door, ...others), ['counted', 'listed'])
  assert.equal(state(door).listings[0]?.lastHitAt, start - 2 * day)
})

test('likely messages do not use up the day of the certain ones', async (t) => {
  const door = openDoor(t, { policy: testPolicy({ evidencePerDay: 3 }) })
  const again = () => likely({ returned: 'm1' })
  await decisions(door, again(), again(), again())
  const [over] = await door.blocklist.record([again()])
  assert.match(over?.why ?? '', /more than 3 that day/)
  assert.deepEqual(await decisions(door, evidence({ returned: 'm1' })), ['counted'])
  assert.deepEqual(await decisions(door, likely()), ['listed'], 'the certain one was stored')
})

test('where the policy lets likely messages list, they do all that certain ones do', async (t) => {
  const door = openDoor(t, { policy: testPolicy({ likely: 'list' }) })
  assert.deepEqual(await decisions(door, likely(), likely(), likely()), [
    ...['counted', 'listed', 'extended'],
  ])
  const until = state(door).until
  door.reopen({ policy: testPolicy() })
  door.now = start + 60
  assert.deepEqual(await decisions(door, likely({ seenAt: door.now })), ['counted'])
  assert.equal(state(door).until, until, 'a standing listing keeps its term')
})
