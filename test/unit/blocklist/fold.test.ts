// Histories of one network and the listing that they come to. Then what holds for every history: the order of arrival does not
// matter, a further message never shortens, and nothing is listed without a threshold and a certain message.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fold, type History, noOffence, type Step } from '../../../src/blocklist/fold.ts'
import type { PolicyOptions } from '../../../src/blocklist/policy.ts'
import { kindsOf } from '../../../src/blocklist/types.ts'
import { type BackscatterKind, backscatterKinds } from '../../../src/classify/kinds.ts'
import type { Hit } from '../../../src/store/evidence.ts'
import type { Offender } from '../../../src/store/offenders.ts'
import { day, start, testPolicy } from '../../support/door.ts'
import fc from '../../support/properties.ts'

const kinds: Readonly<Record<string, BackscatterKind>> = {
  d: 'dsn',
  r: 'auto-reply',
  q: 'challenge-response',
  n: 'content-notice',
  c: 'callout',
}

/**
 * Events with commas between them. `2 d m1 a` on day 2 a bounce that returns m1, to trap a; with `?` behind it only likely.
 * `3 d x50`: 50 bounces that are counted and not stored; `3 removed`: a removal by hand.
 */
function history(text: string, base: Offender = noOffence): History {
  const hits: Hit[] = []
  const sums: History['sums'][number][] = []
  const removals: History['removals'][number][] = []
  for (const [index, event] of text.split(',').entries()) {
    const [days = '', what = '', returned = '', recipient = '', mark] = event.trim().split(' ')
    const seenAt = start + Math.round(Number(days) * day)
    assert.ok(Number.isInteger(seenAt), event)
    if (what === 'removed') {
      removals.push({ at: seenAt, mark: 0 })
      continue
    }
    const kind = kinds[what]
    assert.ok(kind, event)
    const certainty = mark === '?' || recipient === '?' ? 'likely' : 'certain'
    if (returned.startsWith('x')) {
      sums.push({ kind, certainty, seenAt, messages: Number(returned.slice(1)) })
    } else hits.push({ id: index + 1, kind, certainty, seenAt, returned, recipient })
  }
  return { base, hits, sums, removals }
}

/** `dsn 1 8 2`: the kinds, the episode, the day on which the last listing ends, and its messages. */
function told({ kinds: mask, episode, endsAt, hits }: Offender): string {
  if (mask === 0) return 'nothing'
  const until = Number(((endsAt - start) / day).toFixed(3))
  return `${kindsOf(mask).join('+')} ${episode} ${until} ${hits}`
}

type Row = readonly [name: string, events: string, listing: string, policy?: Partial<PolicyOptions>]

const one = { messages: 1, traps: 1, windowSeconds: 7 * day }
const list = { likely: 'list' } as const
const { threshold } = testPolicy()
const dsnTwoTraps = { threshold: { ...threshold, dsn: { ...one, messages: 2, traps: 2 } } }
const dsnOne = { threshold: { ...threshold, dsn: one } }
const longWindow = {
  threshold: { ...threshold, dsn: { ...one, messages: 2, windowSeconds: 20 * day } },
}
const short = { firstListingSeconds: 3 * day }
const wide = {
  threshold: { ...threshold, 'auto-reply': { messages: 3, traps: 2, windowSeconds: 20 * day } },
}
/** A listing that ends on day 8. */
const listed = '0 d m1 a, 1 d m2 a'
/** Episodes 1 to 3: the listing ends on day 33. */
const thrice = '0 d m1 a, 1 d m2 a, 3 d m3 a, 5 d m4 a'

const rows: readonly Row[] = [
  // Thresholds.
  ['one message of two', '0 d m1 a', 'nothing'],
  ['two messages of two', listed, 'dsn 1 8 2'],
  ['two in the same second', '0 d m1 a, 0 d m2 a', 'dsn 1 7 2'],
  ['one returned message twice is one', '0 d m1 a, 1 d m1 b', 'nothing'],
  ['one message of one', '0 d m1 a', 'dsn 1 7 1', dsnOne],
  ['two messages to one trap of two', listed, 'nothing', dsnTwoTraps],
  ['two messages to two traps', '0 d m1 a, 1 d m2 b', 'dsn 1 8 2', dsnTwoTraps],
  ['the window’s first second is excluded', '0 d m1 a, 7 d m2 a', 'nothing'],
  ['just inside the window', '0 d m1 a, 6.999 d m2 a', 'dsn 1 13.999 2'],
  ['a longer window', '0 d m1 a, 19 d m2 a', 'dsn 1 26 2', longWindow],
  ['too far apart, then near enough', '0 d m1 a, 8 d m2 a, 10 d m3 a', 'dsn 1 17 2'],
  ['three replies to two traps', '0 r m1 a, 1 r m2 a, 2 r m3 b', 'auto-reply 1 9 3'],
  ['three replies to one trap', '0 r m1 a, 1 r m2 a, 2 r m3 a', 'nothing'],
  ['two replies to two traps', '0 r m1 a, 1 r m2 b', 'nothing'],
  ['three challenges to two traps', '0 q m1 a, 0 q m2 b, 0 q m3 b', 'challenge-response 1 7 3'],
  ['three notices to two traps', '0 n m1 a, 0 n m2 b, 0 n m3 b', 'content-notice 1 7 3'],
  ['four callouts to two traps', '0 c m1 a, 0 c m2 b, 0 c m3 b, 1 c m4 a', 'nothing'],
  [
    'five callouts to two traps',
    '0 c m1 a, 0 c m2 b, 0 c m3 b, 1 c m4 a, 1 c m5 a',
    'callout 1 8 5',
  ],
  ['kinds do not add up', '0 d m1 a, 1 r m2 b, 2 q m3 a', 'nothing'],
  [
    'a trap that was hit outside the window does not count',
    '0 r m1 b, 8 r m2 a, 9 r m3 a, 10 r m4 a',
    'nothing',
  ],
  // Likely and certain.
  ['likely messages alone', '0 d m1 a ?, 1 d m2 b ?, 2 d m3 a ?', 'nothing'],
  [
    'a likely one beside a certain one: by the certain one’s time',
    '0 d m1 a, 1 d m2 a ?',
    'dsn 1 7 2',
  ],
  ['a certain one after a likely one', '0 d m1 a ?, 1 d m2 a', 'dsn 1 8 2'],
  ['a certain one outside the window', '0 d m1 a, 7 d m2 a ?, 8 d m3 a ?', 'nothing'],
  ['a likely one extends nothing', `${listed}, 4 d m3 a ?`, 'dsn 1 8 3'],
  ['a likely one begins no episode', `${listed}, 4 d m3 a ?, 4.5 d m4 a`, 'dsn 2 18.5 4'],
  ['likely ones list if the policy says so', '0 d m1 a ?, 1 d m2 a ?', 'dsn 1 8 2', list],
  ['likely ones extend if the policy says so', `${listed}, 1.5 d m3 a ?`, 'dsn 1 8.5 3', list],
  [
    'a likely one does not list anew by the old certain ones',
    '0 d m1 a, 6 d m2 a, 13.5 d m3 a ?',
    'dsn 1 13 2',
    longWindow,
  ],
  [
    'a certain one lists anew beside old ones',
    '0 d m1 a, 6 d m2 a, 13.5 d m3 a',
    'dsn 2 27.5 3',
    longWindow,
  ],
  [
    'a likely one completes an old certain one whose term is over',
    '0 d m1 a, 8 d m2 a ?',
    'nothing',
    longWindow,
  ],
  // Terms and episodes.
  ['a hit within a day extends by one term', `${listed}, 1.5 d m3 a`, 'dsn 1 8.5 3'],
  ['the same message again extends as well', `${listed}, 1.5 d m2 a`, 'dsn 1 8.5 3'],
  ['just under a day is no new episode', `${listed}, 1.999 d m3 a`, 'dsn 1 8.999 3'],
  ['a day of quiet begins an episode, which doubles the term', `${listed}, 2 d m3 a`, 'dsn 2 16 3'],
  ['the third episode doubles again', thrice, 'dsn 3 33 4'],
  ['the longest term is never exceeded', `${thrice}, 7 d m5 a, 9 d m6 a`, 'dsn 3 37 6'],
  [
    'many hits of one day are one episode',
    `${listed}, 1.1 d m3 a, 1.2 d m4 a, 1.3 d m5 a`,
    'dsn 1 8.3 5',
  ],
  [
    'a hit a day without end',
    '0 d m1 a, 0.9 d m2 a, 1.8 d m3 a, 2.7 d m4 a, 3.6 d m5 a',
    'dsn 1 10.6 5',
  ],
  ['equal terms', '0 d m1 a, 1 d m2 a, 3 d m3 a', 'dsn 1 10 3', { longestListingSeconds: 7 * day }],
  ['a term that is no power of two', thrice, 'dsn 3 25 4', { longestListingSeconds: 20 * day }],
  ['after the end, one hit of two does nothing', `${listed}, 9 d m3 a`, 'dsn 1 8 2'],
  ['after the end, a new listing is a new episode', `${listed}, 9 d m3 a, 10 d m4 a`, 'dsn 2 24 2'],
  ['a hit in the last second extends', `${listed}, 7.9999 d m3 a`, 'dsn 2 22 3'],
  ['a hit in the second of the end comes too late', `${listed}, 8 d m3 a`, 'dsn 1 8 2'],
  ['another kind only counts', `${listed}, 2 r m3 a`, 'dsn 1 8 2'],
  [
    'another kind joins at its own threshold',
    `${listed}, 1.2 r m3 a, 1.3 r m4 b, 1.4 r m5 b`,
    'dsn+auto-reply 1 8.4 5',
  ],
  [
    'another kind joins as a new episode after a day',
    `${listed}, 3 r m3 a, 3 r m4 b, 3 r m5 b`,
    'dsn+auto-reply 2 17 5',
  ],
  [
    'a kind that joined extends like the first',
    `${listed}, 1.2 r m3 a, 1.3 r m4 b, 1.4 r m5 b, 1.6 r m6 a`,
    'dsn+auto-reply 1 8.6 6',
  ],
  [
    'a kind whose certain message is too old joins nothing',
    '0 r m1 a, 6.9 d m1 a, 6.9 d m2 a, 6.9 r m2 b ?, 6.9 r m3 a ?',
    'dsn 1 9.9 2',
    short,
  ],
  [
    'a kind does not join by what an earlier listing was for',
    '0 r m1 a, 0 r m2 b, 0 r m3 b, 7 d m1 a, 7 d m2 a, 7.1 r m4 a ?, 7.1 r m5 b ?',
    'dsn 2 21 2',
    wide,
  ],
  [
    'a new listing has only the new kind',
    '0 d m1 a, 1 d m2 a, 10 r m3 a, 10 r m4 b, 10 r m5 b',
    'auto-reply 2 24 3',
  ],
  // Decay.
  ['less than the longest listing: no decay', `${thrice}, 60 d m5 a, 60.5 d m6 a`, 'dsn 3 88.5 2'],
  [
    'one quiet longest listing lowers the episode by one',
    `${thrice}, 61 d m5 a, 61.5 d m6 a`,
    'dsn 3 89.5 2',
  ],
  ['two lower it by two', `${thrice}, 89 d m5 a, 89.5 d m6 a`, 'dsn 2 103.5 2'],
  ['in the end all is forgiven', `${thrice}, 117 d m5 a, 117.5 d m6 a`, 'dsn 1 124.5 2'],
  ['it is never lowered below nothing', `${listed}, 500 d m5 a, 500.5 d m6 a`, 'dsn 1 507.5 2'],
  ['one episode decays in one', `${listed}, 36 d m5 a, 36.5 d m6 a`, 'dsn 1 43.5 2'],
  ['and not before', `${listed}, 35 d m5 a, 35.5 d m6 a`, 'dsn 2 49.5 2'],
  [
    'a hit that lists nobody does not disturb the decay',
    `${listed}, 20 d m5 a, 36 d m6 a, 36.5 d m7 a`,
    'dsn 1 43.5 2',
  ],
  // Removals.
  ['a removal ends the listing', `${listed}, 2 removed`, 'dsn 1 2 2'],
  ['earlier messages no longer count', `${listed}, 2 removed, 3 d m3 a`, 'dsn 1 2 2'],
  [
    'a listing after a removal is a new episode',
    `${listed}, 2 removed, 3 d m3 a, 4 d m4 a`,
    'dsn 2 18 2',
  ],
  ['a removal before anything is listed', '0 d m1 a, 1 removed, 2 d m2 a', 'nothing'],
  [
    'a message of the removal’s second counts',
    `${listed}, 2 removed, 2 d m3 a, 2 d m4 a`,
    'dsn 2 16 2',
  ],
  [
    'two removals',
    `${listed}, 2 removed, 3 d m3 a, 3 d m4 a, 4 removed, 5 d m5 a, 5 d m6 a`,
    'dsn 3 33 2',
  ],
  [
    'a removal does not stop the decay',
    `${listed}, 2 removed, 30 d m5 a, 30.5 d m6 a`,
    'dsn 1 37.5 2',
  ],
  // Messages that are counted and not stored.
  ['counted messages list nobody', '0 d x500', 'nothing'],
  ['counted messages extend', `${listed}, 1.5 d x50`, 'dsn 1 8.5 52'],
  ['counted messages of another kind do not', `${listed}, 1.5 r x50`, 'dsn 1 8 2'],
  ['counted messages that are likely do not', `${listed}, 1.5 d x50 ?`, 'dsn 1 8 52'],
  // Held back.
  [
    'a listing that is held back ends at a multiple',
    listed,
    'dsn 1 8.667 2',
    { holdForSeconds: day },
  ],
  [
    'and so does one that is extended',
    `${listed}, 1.5 d m3 a`,
    'dsn 1 8.667 3',
    { holdForSeconds: day },
  ],
]

test('histories come to the listing that the rules say', () => {
  assert.ok(rows.length >= 60)
  for (const [name, events, expected, policy] of rows) {
    assert.equal(told(fold(history(events), testPolicy(policy))), expected, name)
  }
})

test('what was deleted for its age goes on from its base', () => {
  const policy = testPolicy()
  const base = fold(history(thrice), policy)
  const later = '34 d m5 a, 34.5 d m6 a, 36 d m7 a'
  const whole = fold(history(`${thrice}, ${later}`), policy)
  assert.deepEqual(fold(history(later, base), policy), whole)
  // What the base has already is not counted twice.
  assert.deepEqual(fold(history(`5 d m4 a, ${later}`, base), policy), whole)
})

const certainty = fc.constantFrom('certain', 'likely')
const anyHit = fc.record({
  kind: fc.constantFrom(...backscatterKinds.slice(0, 3)),
  certainty,
  // Few times, so that many messages share a second.
  seenAt: fc.integer({ min: 0, max: 70 }).map((steps) => start + steps * 43_200),
  returned: fc.constantFrom('m1', 'm2', 'm3', 'm4'),
  recipient: fc.constantFrom('a', 'b', 'c'),
})
const anyHits = fc
  .array(anyHit, { maxLength: 40, size: 'max' })
  .map((hits): Hit[] => hits.map((hit, index) => ({ ...hit, id: index + 1 }) as Hit))
const anyPolicy = fc
  .record({
    likely: fc.constantFrom('count' as const, 'list' as const),
    holdForSeconds: fc.constantFrom(0, 7200),
    firstListingSeconds: fc.constantFrom(7 * day, 2 * day),
  })
  .map(testPolicy)

function historyOfHits(hits: readonly Hit[]): History {
  return { base: noOffence, hits, sums: [], removals: [] }
}

test('any order of arrival comes to the same listing', () => {
  fc.assert(
    fc.property(anyHits, fc.infiniteStream(fc.nat()), anyPolicy, (hits, order, policy) => {
      const keys = new Map(hits.map((hit) => [hit, order.next().value]))
      const shuffled = hits.toSorted((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0))
      const wanted = fold(historyOfHits(hits), policy)
      assert.deepEqual(fold(historyOfHits(shuffled), policy), wanted)
    }),
    { numRuns: 500 },
  )
})

test('no further message shortens a listing, and none is listed without its threshold and a proof', () => {
  fc.assert(
    fc.property(anyHits, anyPolicy, (hits, policy) => {
      let end = 0
      let stood = false
      fold(historyOfHits(hits), policy, (sent, { rule, offender, window }: Step) => {
        stood = end > sent.seenAt
        assert.ok(!stood || offender.endsAt >= end, 'the end is never earlier than it was')
        if (rule === 'lists' || rule === 'joins') {
          const least = policy.threshold[sent.kind]
          assert.ok(window && window.messages >= least.messages && window.traps >= least.traps)
          const inside = hits.filter(
            (each) =>
              each.kind === sent.kind &&
              each.seenAt <= sent.seenAt &&
              each.seenAt > sent.seenAt - least.windowSeconds,
          )
          assert.ok(policy.likely === 'list' || inside.some((each) => each.certainty === 'certain'))
        } else if (!stood) assert.equal(offender.endsAt, end, 'nothing begins by another rule')
        end = offender.endsAt
      })
    }),
    { numRuns: 500 },
  )
})
