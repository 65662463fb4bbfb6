// A purge through the door: the listings become what they would be if the purged evidence had never been seen.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { isRefusal, type Purge, type PurgeRequest } from '../../../src/blocklist/types.ts'
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
import fc from '../../support/properties.ts'

const policy = testPolicy({ traps: ['*@trap.example.org', 'lost@trap.example.net'] })
const now = start + 20 * day

function open(t: Pick<TestContext, 'after'>, changes = policy): Door {
  return openDoor(t, { policy: changes, now })
}

async function purge(door: Door, request: PurgeRequest, isDryRun = false): Promise<Purge> {
  const outcome = await door.blocklist.purge(request, isDryRun, cli)
  assert.ok(!isRefusal(outcome), JSON.stringify(outcome))
  return outcome
}

/** Of messages of the same second any may come first, so only the kinds are the same in every order. */
function kindsOfBasis(basis: string | null): string[] {
  const entries = JSON.parse(basis ?? '[]') as { kind: string }[]
  return entries.map(({ kind }) => kind).sort()
}

/** Everything that a later message or look-up can tell apart. */
function known(door: Door, ...hosts: string[]) {
  return hosts.map((host) => {
    const { store } = door
    const offender = store.offenders.at(prefix(`${host}/32`))?.offender
    const row = store.listings.currentAt(prefix(`${host}/32`))[0]
    return {
      codes: door.codes(host),
      // A network of which nothing is left is as good as one that was never seen.
      offender: offender?.seenAt ? offender : undefined,
      row: row && { ...row, id: 0, basis: kindsOfBasis(row.basis) },
      evidence: store.evidence
        .newest(prefix(`${host}/32`), 100)
        .map(({ content, recipient }) => `${content} ${recipient}`)
        .sort(),
    }
  })
}

test('a purge by trap ends what rests on that trap alone, and shortens what rests on it in part', async (t) => {
  const door = open(t)
  const poisoned = 'lost@trap.example.net'
  const at = (days: number, client: string, recipient = 'one@trap.example.org') =>
    evidence({ client, recipient, seenAt: now - days * day })
  await door.blocklist.record([
    ...[at(3, '20.0.0.1', poisoned), at(3, '20.0.0.1', poisoned)],
    ...[at(3, '20.0.0.2'), at(3, '20.0.0.2'), at(2.5, '20.0.0.2', poisoned)],
    ...[at(3, '20.0.0.3'), at(3, '20.0.0.3')],
  ])
  const before = known(door, '20.0.0.1', '20.0.0.2', '20.0.0.3')
  assert.deepEqual(
    before.map(({ codes }) => codes),
    [
      [2, 3],
      [2, 3],
      [2, 3],
    ],
  )
  const dry = await purge(door, { trap: poisoned }, true)
  assert.deepEqual(known(door, '20.0.0.1', '20.0.0.2', '20.0.0.3'), before, 'a dry run')
  const done = await purge(door, { trap: poisoned })
  assert.deepEqual({ ...done, notice: null }, dry)
  assert.deepEqual([done.messages, done.ended, done.shortened], [3, 1, 1])
  assert.deepEqual(
    done.listings.map(({ listing, expiresAt }) => [listing.prefix, expiresAt]),
    [
      ['20.0.0.1/32', null],
      ['20.0.0.2/32', now + 4 * day],
    ],
  )
  const [gone, shorter, same] = known(door, '20.0.0.1', '20.0.0.2', '20.0.0.3')
  assert.deepEqual(gone?.codes, [])
  assert.equal(gone?.row, undefined)
  assert.equal(shorter?.row?.expiresAt, now + 4 * day)
  assert.deepEqual(same, before[2])
  // The host is as good as new: the listing was none, so the next one is its first.
  await door.blocklist.record([at(0, '20.0.0.1'), at(0, '20.0.0.1')])
  assert.equal(known(door, '20.0.0.1')[0]?.row?.expiresAt, now + 7 * day)
  const { history } = door.blocklist.explain(address('20.0.0.1'))
  assert.deepEqual(
    history.map(({ state }) => state),
    ['removed'],
  )
})

test('the audit says what was purged, and the notice tells the public without the trap', async (t) => {
  const door = open(t)
  const poisoned = 'lost@trap.example.net'
  await door.blocklist.record([
    evidence({ recipient: poisoned, seenAt: now }),
    evidence({ recipient: poisoned, seenAt: now }),
  ])
  const { notice } = await purge(door, { trap: poisoned })
  assert.deepEqual(door.store.notices.page(10), [{ id: 1, at: now, text: notice }])
  assert.match(notice ?? '', /1 listing ended, 0 listings shortened/)
  assert.doesNotMatch(notice ?? '', /lost|trap/)
  const [line] = door.store.audit.page(1)
  assert.deepEqual(
    [line?.actor, line?.action, line?.target, line?.after],
    ['cli', 'purge', `trap ${poisoned}`, { messages: 2, ended: 1, shortened: 0 }],
  )
})

test('a purge by mailbox, collector, kind or time takes only what has all of it', async (t) => {
  const sent = (source: string, kind: 'dsn' | 'auto-reply', days: number) =>
    evidence({ source, kind, seenAt: now - days * day })
  const all = [
    sent('imap', 'dsn', 1),
    sent('imap', 'auto-reply', 2),
    sent('collector:imap', 'dsn', 3),
    sent('collector:mx2', 'dsn', 4),
  ]
  const rows: [PurgeRequest, number[]][] = [
    [{ mailbox: 'imap' }, [0, 1]],
    [{ collector: 'mx2' }, [3]],
    [{ collector: 'imap' }, [2]],
    [{ kind: 'dsn' }, [0, 2, 3]],
    [{ kind: 'dsn', mailbox: 'imap' }, [0]],
    [{ from: now - 3 * day }, [0, 1, 2]],
    [{ to: now - 3 * day }, [3]],
    [{ from: now - 3 * day, to: now - 2 * day }, [2]],
    [{ trap: 'two@trap.example.org' }, []],
    [{ trap: '*@trap.example.org' }, [0, 1, 2, 3]],
  ]
  for (const [request, wanted] of rows) {
    const door = open(t)
    await door.blocklist.record(all)
    const { messages } = await purge(door, request)
    assert.equal(messages, wanted.length, JSON.stringify(request))
    const left = all.filter((_, index) => !wanted.includes(index)).map(({ content }) => content)
    assert.deepEqual(
      door.store.evidence.newest(prefix('20.0.0.1/32'), 10).map(({ content }) => content),
      left,
      JSON.stringify(request),
    )
  }
})

test('what is purged is no longer public evidence', async (t) => {
  const door = open(t)
  const hit = (recipient: string, source: string) =>
    evidence({ recipient, source, seenAt: now, details: { helo: 'mail.host.example' } })
  const good = ['one', 'two'].map((user) => hit(`${user}@trap.example.org`, 'smtp'))
  const bad = ['three', 'four'].map((user) => hit(`${user}@trap.example.org`, 'imap'))
  await door.blocklist.record([...good, ...bad])
  const shown = () =>
    door.blocklist.find(address('20.0.0.1')).evidence.map(({ messages }) => messages)
  assert.deepEqual(shown(), ['3–9'])
  await purge(door, { mailbox: 'imap' })
  assert.deepEqual(shown(), ['1–2'])
  await purge(door, { trap: 'two@trap.example.org' })
  assert.deepEqual(door.codes('20.0.0.1'), [], 'one message lists nobody')
  assert.deepEqual(shown(), [])
})

test('what is no selection is refused', async (t) => {
  const door = open(t)
  for (const request of [{}, { trap: 'nobody' }, { mailbox: 'a', collector: 'b' }]) {
    const outcome = await door.blocklist.purge(request, false, cli)
    assert.ok(isRefusal(outcome) && outcome.refused === 'invalid', JSON.stringify(request))
  }
  assert.deepEqual(door.store.notices.page(10), [])
})

test('messages that were only counted are purged too', async (t) => {
  const door = open(t, { ...policy, evidencePerDay: 2 })
  const all = Array.from({ length: 6 }, () => evidence({ seenAt: now - day, returned: 'one' }))
  all[0] = { ...(all[0] as Evidence), returned: 'other' }
  await door.blocklist.record(all)
  assert.equal(known(door, '20.0.0.1')[0]?.row?.hits, 6)
  assert.equal((await purge(door, { kind: 'dsn' })).messages, 6)
  assert.deepEqual(door.codes('20.0.0.1'), [])
  assert.deepEqual(door.store.evidenceCounters.all(), [])
})

test('an end that the operator set holds', async (t) => {
  const door = open(t)
  await door.blocklist.record([evidence({ seenAt: now }), evidence({ seenAt: now })])
  const row = door.store.listings.currentAt(prefix('20.0.0.1/32'))[0]
  assert.ok(row)
  await door.blocklist.amend(row.id, { expiresAt: null }, () => true, cli)
  const { ended, shortened } = await purge(door, { kind: 'dsn' })
  assert.deepEqual([ended, shortened], [0, 0])
  assert.deepEqual(door.codes('20.0.0.1'), [2, 3])
})

const anySent = fc.record({
  client: fc.constantFrom('20.0.0.1', '20.0.0.2'),
  kind: fc.constantFrom('dsn' as const, 'auto-reply' as const),
  certainty: fc.constantFrom('certain' as const, 'likely' as const),
  recipient: fc.constantFrom(
    'one@trap.example.org',
    'two@trap.example.org',
    'lost@trap.example.net',
  ),
  returned: fc.constantFrom('m1', 'm2', 'm3'),
  source: fc.constantFrom('imap', 'smtp'),
  seenAt: fc.integer({ min: 0, max: 150 }).map((steps) => start + steps * 10_800),
})
const anyPurge = fc.constantFrom<PurgeRequest>(
  { trap: 'lost@trap.example.net' },
  { mailbox: 'imap' },
  { kind: 'auto-reply' },
  { from: start + 10 * day },
  { to: start + 10 * day, kind: 'dsn' },
)

function matches(sent: Evidence, { trap, mailbox, kind, from = 0, to = now + 1 }: PurgeRequest) {
  return (
    (trap === undefined || sent.recipient === trap) &&
    (mailbox === undefined || sent.source === mailbox) &&
    (kind === undefined || sent.kind === kind) &&
    sent.seenAt >= from &&
    sent.seenAt < to
  )
}

test('any purge equals never having seen it, in whatever order messages came', async () => {
  const property = async (
    sent: readonly Parameters<typeof evidence>[0][],
    request: PurgeRequest,
    order: number,
  ) => {
    const cleanups: (() => void)[] = []
    const t = { after: (cleanup: () => void) => void cleanups.unshift(cleanup) } as TestContext
    try {
      const all = sent.map((each) => evidence(each))
      const purged = open(t)
      await purged.blocklist.record(all)
      await purge(purged, request)
      const clean = open(t)
      const left = all.filter((each) => !matches(each, request))
      const at = (order * 7) % Math.max(1, left.length)
      await clean.blocklist.record([...left.slice(at), ...left.slice(0, at).toReversed()])
      const [one, two] = [purged, clean].map((door) => known(door, '20.0.0.1', '20.0.0.2'))
      assert.deepEqual(one, two)
    } finally {
      for (const cleanup of cleanups) cleanup()
    }
  }
  await fc.assert(
    fc.asyncProperty(
      fc.array(anySent, { maxLength: 30, size: 'max' }),
      anyPurge,
      fc.nat(50),
      property,
    ),
    { numRuns: 60, endOnFailure: true },
  )
})
