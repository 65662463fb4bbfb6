// What the policy makes of an address, as the operator is told: what counts, what does not and why, what would list it, and what
// would free it. Then, for any history, that what is said to list a network does so, and that nothing less does.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { explainFold, type NextStep } from '../../../src/blocklist/explain-fold.ts'
import type { PolicyExplanation } from '../../../src/blocklist/explain-policy.ts'
import { fold, type History, noOffence } from '../../../src/blocklist/fold.ts'
import { toldWhy } from '../../../src/blocklist/record.ts'
import { kindsOf } from '../../../src/blocklist/types.ts'
import type { BackscatterKind } from '../../../src/classify/kinds.ts'
import type { Hit } from '../../../src/store/evidence.ts'
import { disclosuresIn } from '../../support/disclosure.ts'
import {
  address,
  cli,
  type Door,
  type DoorOptions,
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

interface Case extends Door {
  /** Records a message that is seen on this day, which becomes the present one. */
  hit(days: number, changes?: Parameters<typeof evidence>[0]): Promise<void>
  told(text?: string): PolicyExplanation
}

function open(t: TestContext, options?: Partial<DoorOptions>): Case {
  const door = openDoor(t, options)
  return Object.assign(door, {
    async hit(days: number, changes = {}) {
      door.now = start + days * day
      await door.blocklist.record([evidence({ seenAt: door.now, ...changes })])
    },
    told: (text = host) => door.blocklist.explainPolicy(address(text)),
  })
}

function ofKind({ kinds }: PolicyExplanation, kind: BackscatterKind) {
  const found = kinds.find((each) => each.kind === kind)
  assert.ok(found)
  return found
}

/** `2027-01-15` for day 0. */
function at(days: number): string {
  return new Date((start + days * day) * 1000).toISOString().replace('.000Z', 'Z')
}

function why({ messages }: PolicyExplanation): string[] {
  return messages.map((each) => `${each.counts} ${each.why}`)
}

test('a host that sent nothing: what would list it for each kind', (t) => {
  const told = open(t).told()
  assert.equal(told.state, null)
  assert.equal(told.sentence, '20.0.0.1/32 was never listed for mail to a trap')
  assert.deepEqual([told.listing, told.past, told.messages, told.exits], [null, [], [], []])
  assert.deepEqual(told.next, { episode: 1, termSeconds: 7 * day, lowerAt: null })
  assert.deepEqual(
    told.kinds.map(({ sentence }) => sentence),
    [
      `2 dsn, one of them certain, returning 2 different messages, to any trap, within 7d, would list it until ${at(7)} (episode 1, term 7d)`,
      ...['auto-reply', 'challenge-response', 'content-notice'].map(
        (kind) =>
          `3 ${kind}, one of them certain, returning 3 different messages, to 2 different traps, within 7d, would list it until ${at(7)} (episode 1, term 7d)`,
      ),
      `5 callout, one of them certain, returning 5 different messages, to 2 different traps, within 7d, would list it until ${at(7)} (episode 1, term 7d), but only as a listing that is not published (kind)`,
    ],
  )
})

test('below the threshold: a likely message is enough beside a certain one, while that counts', async (t) => {
  const door = open(t)
  await door.hit(0)
  door.now += day
  const dsn = ofKind(door.told(), 'dsn')
  assert.deepEqual(
    [dsn.messages, dsn.messagesNeeded, dsn.traps, dsn.trapsNeeded, dsn.isReached, dsn.isListed],
    [1, 2, 1, 1, false, false],
  )
  assert.deepEqual([dsn.provenAt, dsn.leavesAt], [start, start + 7 * day])
  assert.equal(
    dsn.sentence,
    `one more dsn that returns another message, to any trap, before ${at(7)}, would list it until ${at(7)} (episode 1, term 7d)`,
  )
  assert.deepEqual(why(door.told()), [`true counts until ${at(7)}`])
  assert.equal(door.told().messages[0]?.did, 'dsn: 1 of 2 messages, 1 of 1 trap within 7d')
})

test('likely messages alone: the next one must be certain', async (t) => {
  const door = open(t)
  await door.hit(0, { certainty: 'likely' })
  await door.hit(1, { certainty: 'likely' })
  const told = door.told()
  const dsn = ofKind(told, 'dsn')
  assert.deepEqual([dsn.isReached, dsn.provenAt], [true, null])
  assert.equal(
    dsn.sentence,
    `one more certain dsn, to any trap, before ${at(7)}, would list it until ${at(8)} (episode 1, term 7d)`,
  )
  const only = 'but is only likely: it lists and extends nothing'
  assert.deepEqual(why(told), [
    `true counts until ${at(8)}, ${only}`,
    `true counts until ${at(7)}, ${only}`,
  ])
})

test('another trap is missing', async (t) => {
  const door = open(t)
  for (const hours of [0, 1, 2]) await door.hit(hours / 24, { kind: 'auto-reply' })
  const { sentence, next } = ofKind(door.told(), 'auto-reply')
  assert.deepEqual([next.messages, next.otherReturned, next.otherTraps], [1, 0, 1])
  assert.match(sentence ?? '', /^one more auto-reply, to another trap, before /)
  assert.doesNotMatch(JSON.stringify(door.told()), /trap\.example/)
})

test('messages outside of the window do not count', async (t) => {
  const door = open(t)
  await door.hit(0)
  door.now = start + 7 * day
  const told = door.told()
  assert.deepEqual(why(told), ['false outside of the window of 7d'])
  assert.deepEqual([ofKind(told, 'dsn').messages, ofKind(told, 'dsn').leavesAt], [0, null])
  door.now -= 1
  assert.equal(ofKind(door.told(), 'dsn').messages, 1)
})

test('listed: the listing, its basis, what would extend it, and what would free it', async (t) => {
  const door = open(t)
  await door.hit(0)
  await door.hit(1, { recipient: 'two@trap.example.org' })
  await door.hit(1.5)
  const told = door.told()
  assert.equal(told.sentence, `20.0.0.1/32 is listed for dsn until ${at(8.5)}`)
  assert.deepEqual([told.state, told.listed, told.listing?.hits], ['listed', true, 3])
  assert.deepEqual(told.listing?.basis, [
    { rule: 'lists', kind: 'dsn', messages: 2, traps: 2, from: start, to: start + day },
  ])
  assert.deepEqual(
    told.messages.map(({ did }) => did),
    [
      'listed for dsn already',
      'listed it for dsn: 2 of 2 messages, 2 of 1 trap within 7d',
      'dsn: 1 of 2 messages, 1 of 1 trap within 7d',
    ],
  )
  door.now = start + 3 * day
  const { sentence, isListed } = ofKind(door.told(), 'dsn')
  assert.equal(isListed, true)
  assert.equal(
    sentence,
    `one more certain dsn, to any trap, before ${at(8.5)}, would keep it listed until ${at(17)} (episode 2, term 14d)`,
  )
  assert.match(
    ofKind(door.told(), 'auto-reply').sentence ?? '',
    /^3 auto-reply, .* would join the listing and keep it until /,
  )
  assert.deepEqual(door.told().next, {
    ...{ episode: 2, termSeconds: 14 * day },
    lowerAt: start + 36.5 * day,
  })
})

test('what frees it: its end, a request once it is quiet, and the operator', async (t) => {
  const door = open(t)
  await door.hit(0)
  await door.hit(0)
  const exit = (by: string) => door.told().exits.find((each) => each.by === by)
  assert.deepEqual(
    door.told().exits.map(({ by }) => by),
    ['time', 'request', 'remove', 'exempt'],
  )
  assert.deepEqual(exit('time'), {
    by: 'time',
    at: start + 7 * day,
    sentence: `it ends at ${at(7)} if nothing more comes that extends it`,
  })
  assert.match(exit('remove')?.sentence ?? '', /^“backscatterd remove 20\.0\.0\.1\/32” ends it/)
  assert.match(exit('exempt')?.sentence ?? '', /^“backscatterd exempt 20\.0\.0\.1\/32” keeps it/)
  assert.match(
    exit('request')?.sentence ?? '',
    /^a request for removal would wait for the operator: /,
  )
  const answer = await door.blocklist.requestRemoval(address(host), prefix(host))
  assert.ok('askAgainAt' in answer && answer.askAgainAt !== null)
  const { why, askAgainAt } = answer
  const later = `${why}; from ${at((askAgainAt - start) / day)} on the rules allow it`
  assert.deepEqual(exit('request'), {
    by: 'request',
    at: askAgainAt,
    sentence: `a request for removal waits for the operator: ${later}`,
  })
  await door.blocklist.decideRemoval(1, 'refused', undefined, cli)
  const refused = `the operator refused a request for removal: ${later}`
  assert.equal(exit('request')?.sentence, refused)
  door.now = askAgainAt
  const allowed = 'anyone may request its removal: the rules allow it'
  assert.deepEqual(exit('request'), { by: 'request', at: askAgainAt, sentence: allowed })
  const policy = testPolicy()
  await door.blocklist.reconfigure({ ...policy, removal: { ...policy.removal, isOpen: false } })
  assert.equal(exit('request')?.sentence, 'requests for removal are not taken (admin.removal)')
  await door.blocklist.reconfigure(policy)
  const again = await door.blocklist.requestRemoval(address(host), prefix(host))
  assert.ok('state' in again && again.state === 'removed', JSON.stringify(again))
})

test('removed: earlier messages count no more', async (t) => {
  const door = open(t)
  await door.hit(0)
  await door.hit(1)
  door.now = start + 2 * day
  await door.blocklist.delist([prefix(host)], cli)
  const told = door.told()
  assert.equal(told.state, 'removed')
  assert.match(told.sentence, new RegExp(`its listing was removed at ${at(2)}$`))
  assert.deepEqual(why(told), Array(2).fill('false from before the listing was removed'))
  assert.equal(ofKind(told, 'dsn').messages, 0)
  assert.deepEqual(told.past, [
    { listedAt: start + day, endsAt: door.now, kinds: ['dsn'], episode: 1, isRemoved: true },
  ])
  assert.deepEqual([told.next.episode, told.next.lowerAt], [2, start + 30 * day])
})

test('expired, before and after its row is ended: old certain messages list no more', async (t) => {
  const threshold = {
    ...testPolicy().threshold,
    dsn: { messages: 2, traps: 1, windowSeconds: 20 * day },
  }
  const door = open(t, { policy: testPolicy({ threshold }) })
  await door.hit(0)
  await door.hit(1)
  door.now = start + 9 * day
  const before = door.told()
  assert.equal(before.state, 'expired')
  assert.match(before.sentence, new RegExp(`its listing expired at ${at(8)}$`))
  assert.deepEqual([before.listed, before.listing, before.exits], [true, null, []])
  await door.blocklist.expire()
  const told = door.told()
  assert.deepEqual([told.state, told.sentence], [before.state, before.sentence])
  assert.equal(told.listed, false)
  assert.match(ofKind(told, 'dsn').sentence ?? '', /^one more certain dsn, to any trap, before /)
  for (const each of why(told)) {
    assert.match(
      each,
      /^true counts until .*, but lists no more: it is part of a listing that ended$/,
    )
  }
})

test('episodes: those that were, the next one, and when it decays', async (t) => {
  const door = open(t)
  for (const days of [0, 1, 3, 5]) await door.hit(days)
  assert.deepEqual(
    door.told().past.map(({ listedAt, endsAt, episode }) => [listedAt, endsAt, episode]),
    [[start + day, start + 33 * day, 3]],
  )
  door.now = start + 40 * day
  await door.blocklist.expire()
  // Of three episodes, one decays after 28 days, but the term is the longest all the same.
  assert.deepEqual(door.told().next, {
    ...{ episode: 3, termSeconds: 28 * day },
    lowerAt: start + (33 + 56) * day,
  })
  door.now = start + (33 + 56) * day
  assert.deepEqual(door.told().next, {
    ...{ episode: 2, termSeconds: 14 * day },
    lowerAt: start + (33 + 84) * day,
  })
  door.now = start + (33 + 84) * day
  assert.deepEqual(door.told().next, { episode: 1, termSeconds: 7 * day, lowerAt: null })
})

test('a kind that joins is in the basis', async (t) => {
  const door = open(t)
  await door.hit(0)
  await door.hit(0)
  for (const recipient of ['one', 'two', 'two']) {
    await door.hit(1, { kind: 'auto-reply', recipient: `${recipient}@trap.example.org` })
  }
  const { listing, past } = door.told()
  assert.deepEqual(
    listing?.basis.map(({ rule, kind }) => [rule, kind]),
    [
      ['lists', 'dsn'],
      ['joins', 'auto-reply'],
    ],
  )
  assert.deepEqual(past[0]?.kinds, ['dsn', 'auto-reply'])
})

test('held back: until when', async (t) => {
  const door = open(t, { policy: testPolicy({ holdForSeconds: 3600 }) })
  await door.hit(0)
  await door.hit(0)
  const { state, listed, listing, sentence, exits } = door.told()
  assert.deepEqual([state, listed], ['held', false])
  assert.equal(listing?.heldUntil, start + 3600)
  assert.match(sentence, new RegExp(`, which is held back until ${at(1 / 24)}$`))
  const byRequest = exits.find(({ by }) => by === 'request')
  assert.equal(byRequest?.at, null)
})

test('only counted: the kind is not published', async (t) => {
  const door = open(t)
  for (const recipient of ['one', 'two', 'one', 'two', 'one']) {
    await door.hit(0, { kind: 'callout', recipient: `${recipient}@trap.example.org` })
  }
  const told = door.told()
  assert.deepEqual([told.state, told.listing?.shadow, told.listed], ['shadow', 'kind', false])
  assert.match(told.sentence, /, which is only counted \(kind\)$/)
  assert.equal(ofKind(told, 'callout').shadow, 'kind')
  assert.equal(ofKind(told, 'dsn').shadow, null)
})

test('exempt, excluded and special-purpose: nothing lists it', async (t) => {
  const door = open(t)
  await door.blocklist.addException('exemption', prefix('20.0.0.0/24'), 'ours', cli)
  await door.blocklist.addException('exclusion', prefix('20.0.1.1/32'), null, cli)
  await door.hit(0)
  const states = [
    [host, 'exempt', '20.0.0.1/32 is not listed, whatever it sends: exempt: 20.0.0.0/24 (ours)'],
    [
      '20.0.1.1',
      'excluded',
      '20.0.1.1/32 is not listed, whatever it sends: 20.0.1.1/32 is excluded',
    ],
    [
      '10.0.0.1',
      'special-purpose',
      /^10\.0\.0\.1\/32 is never listed: .*\(Private-Use, RFC 1918\)$/,
    ],
  ] as const
  for (const [text, state, sentence] of states) {
    const told = door.told(text)
    assert.equal(told.state, state)
    assert.match(
      told.sentence,
      typeof sentence === 'string' ? RegExp(RegExp.escape(sentence)) : sentence,
    )
    assert.deepEqual(
      told.kinds.map((each) => each.sentence),
      Array(5).fill(null),
    )
  }
  assert.deepEqual(why(door.told()), ['false exempt: 20.0.0.0/24 (ours)'])
})

test('ignored messages: why, without the address of a stranger', async (t) => {
  const door = open(t)
  const addressed = { to: ['quiet.heron@hidden.example'], returnedAuthors: [] }
  await door.hit(0, { addressed })
  await door.hit(1, { genuine: 'it names quiet.heron@hidden.example' })
  await door.hit(2, { reportsSuccess: true })
  await door.hit(3, { kind: null })
  const told = door.told()
  assert.deepEqual(why(told), [
    'false not recognised as backscatter (test)',
    'false a report of success: any sender can request one',
    'false a genuine bounce',
    'false not addressed to a trap, and it returns no message of a trap',
  ])
  assert.deepEqual(disclosuresIn(JSON.stringify(told), ['quiet.heron@hidden.example']), [])
  assert.ok(told.kinds.every(({ messages }) => messages === 0))
  const ofOlder = 'addressed to somebody else than a trap, and it returns no message of a trap'
  assert.equal(toldWhy(`${ofOlder}: quiet.heron@hidden.example`), ofOlder)
})

test('too many on one day: they are only counted', async (t) => {
  const door = open(t, { policy: testPolicy({ evidencePerDay: 1 }) })
  await door.hit(0, { returned: 'same' })
  for (const hours of [1, 2]) await door.hit(hours / 24, { returned: 'same' })
  const { counted, messages } = door.told()
  assert.equal(messages.length, 1)
  assert.deepEqual(counted, [{ kind: 'dsn', certainty: 'certain', messages: 2, seenAt: door.now }])
})

test('at most 50 messages, the newest', async (t) => {
  const door = open(t)
  for (let index = 0; index < 60; index++) await door.hit(index / 100)
  const { messages } = door.told()
  assert.deepEqual([messages.length, messages[0]?.seenAt], [50, door.now])
})

test('IPv6: the network counts as one', async (t) => {
  const door = open(t)
  await door.hit(0, { client: '2400::1' })
  await door.hit(0, { client: '2400::2' })
  const told = door.told('2400::3')
  assert.deepEqual([told.query, told.prefix, told.state], ['2400::3', '2400::/64', 'listed'])
  assert.equal(told.messages.length, 2)
})

test('listed by hand alone: said, and the only way off is the one of that listing', async (t) => {
  const door = open(t)
  await door.blocklist.list([request('20.0.0.0/24')], cli)
  const told = door.told()
  assert.deepEqual([told.state, told.listed], [null, true])
  assert.deepEqual(
    told.exits.map(({ by }) => by),
    ['remove'],
  )
  assert.match(told.sentence, /was never listed for mail to a trap, but another listing covers it$/)
})

test('evidence that was deleted for its age is still known by its listing', async (t) => {
  const door = open(t)
  await door.hit(0)
  await door.hit(1)
  door.now = start + 92 * day
  await door.hit(92, { certainty: 'likely' })
  await door.blocklist.purgeEvidence()
  assert.deepEqual(door.told().past, [
    { listedAt: null, endsAt: start + 8 * day, kinds: ['dsn'], episode: 1, isRemoved: false },
  ])
})

const policy = testPolicy()
const anyHit = fc.record({
  kind: fc.constantFrom<BackscatterKind>('dsn', 'auto-reply'),
  hours: fc.integer({ min: 0, max: 30 * 24 }),
  returned: fc.constantFrom('m1', 'm2', 'm3', 'm4'),
  recipient: fc.constantFrom('a', 'b', 'c'),
  certainty: fc.constantFrom('certain' as const, 'likely' as const),
})
const anyHistory = fc
  .record({
    hits: fc.array(anyHit, { maxLength: 12 }),
    removedHours: fc.array(fc.integer({ min: 0, max: 30 * 24 }), { maxLength: 2 }),
  })
  .map(
    ({ hits, removedHours }): History => ({
      base: noOffence,
      sums: [],
      hits: hits.map(({ hours, ...hit }, id) => ({
        ...hit,
        id: id + 1,
        seenAt: start + hours * 3600,
      })),
      removals: removedHours.map((hours) => ({ at: start + hours * 3600 + 1, mark: 0 })),
    }),
  )

/** The messages that a step asks for, at one time: `others` of the present ones are returned and hit again. */
function messagesOf(
  kind: BackscatterKind,
  next: NextStep,
  seenAt: number,
  history: History,
): Hit[] {
  const known = history.hits.filter((hit) => hit.kind === kind && hit.seenAt > seenAt - 7 * day)
  return Array.from({ length: next.messages }, (_, index) => ({
    ...{ id: 1000 + index, kind, seenAt },
    returned: index < next.otherReturned ? `new ${index}` : (known.at(-1)?.returned ?? 'new'),
    recipient: index < next.otherTraps ? `new ${index}` : (known.at(-1)?.recipient ?? 'new'),
    certainty: next.needsCertain && index === 0 ? 'certain' : 'likely',
  }))
}

test('what is said to list a network does, at any time before it is said to change; nothing less does', () => {
  fc.assert(
    fc.property(
      anyHistory,
      fc.constantFrom<BackscatterKind>('dsn', 'auto-reply'),
      fc.integer({ min: 1, max: 40 * 24 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (history, kind, hours, part) => {
        const newest = Math.max(
          ...history.hits.map(({ seenAt }) => seenAt),
          ...history.removals.map(({ at }) => at),
          start,
        )
        const now = newest + hours * 3600
        const offender = fold(history, policy)
        const { kinds } = explainFold(history, offender, policy, now)
        const next = kinds.find((each) => each.kind === kind)?.next
        assert.ok(next)
        const end = next.before ?? now + 60 * day
        const seenAt = Math.floor(now + part * (end - 1 - now))
        const isListed = (more: readonly Hit[]) => {
          const after = fold({ ...history, hits: [...history.hits, ...more] }, policy)
          const grows = after.endsAt > seenAt && kindsOf(after.kinds).includes(kind)
          return grows && (next.effect !== 'extends' || after.provenAt === seenAt)
        }
        const more = messagesOf(kind, next, seenAt, history)
        assert.ok(isListed(more), 'these list')
        assert.ok(!isListed(more.slice(0, -1)), 'one message fewer does not')
        if (next.needsCertain) {
          const likely = more.map((hit) => ({ ...hit, certainty: 'likely' as const }))
          assert.ok(!isListed(likely), 'likely ones do not')
        }
        const now1 = fold(
          { ...history, hits: [...history.hits, ...messagesOf(kind, next, now, history)] },
          policy,
        )
        assert.equal(now1.endsAt, next.offender.endsAt)
      },
    ),
    { numRuns: 2000 },
  )
})
