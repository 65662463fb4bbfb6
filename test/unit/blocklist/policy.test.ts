import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Case, judge, type PolicyOptions, termOf } from '../../../src/blocklist/policy.ts'
import { kindsMask } from '../../../src/blocklist/types.ts'
import type { BackscatterKind } from '../../../src/classify/kinds.ts'
import { day, start, testPolicy } from '../../support/door.ts'

/** [days after `start`, returned message, trap]; certain unless it says likely. */
type Seen = [days: number, returned: string, recipient: string, certainty?: 'likely']

interface Row {
  readonly name: string
  readonly kind?: BackscatterKind
  readonly hit: Seen
  readonly others?: readonly Seen[]
  /** [kinds, episode, days of the last hit, days of the expiry] */
  readonly standing?: readonly [readonly BackscatterKind[], number, number, number]
  readonly lastEpisode?: number
  /** Days of the newest hit of all ended listings; default: there was none. */
  readonly lastHit?: number
  /** Days; default: the hit's own time. */
  readonly now?: number
  readonly policy?: Partial<PolicyOptions>
  /** [decision, episode, days of the expiry] */
  readonly expected:
    | readonly ['listed' | 'extended', number, number]
    | readonly ['counted' | 'ignored']
  readonly kinds?: readonly BackscatterKind[]
  readonly why?: RegExp
}

const rows: readonly Row[] = [
  {
    name: 'one message of two',
    hit: [0, 'm1', 't1'],
    expected: ['counted'],
    why: /1 of 2 messages, 1 of 1 traps within 7d/,
  },
  {
    name: 'two messages of two',
    hit: [1, 'm2', 't1'],
    others: [[0, 'm1', 't1']],
    expected: ['listed', 1, 8],
  },
  {
    name: 'the same returned message twice is one',
    hit: [1, 'm1', 't2'],
    others: [[0, 'm1', 't1']],
    expected: ['counted'],
  },
  {
    name: 'the window is as long as it says, its beginning excluded',
    hit: [7, 'm2', 't1'],
    others: [[0, 'm1', 't1']],
    expected: ['counted'],
  },
  {
    name: 'just inside the window',
    hit: [6.9, 'm2', 't1'],
    others: [[0, 'm1', 't1']],
    expected: ['listed', 1, 13.9],
  },
  {
    name: 'three messages to one trap of two',
    kind: 'auto-reply',
    hit: [2, 'm3', 't1'],
    others: [
      [0, 'm1', 't1'],
      [1, 'm2', 't1'],
    ],
    expected: ['counted'],
    why: /3 of 3 messages, 1 of 2 traps/,
  },
  {
    name: 'three messages to two traps',
    kind: 'auto-reply',
    hit: [2, 'm3', 't2'],
    others: [
      [0, 'm1', 't1'],
      [1, 'm2', 't1'],
    ],
    expected: ['listed', 1, 9],
    kinds: ['auto-reply'],
  },
  {
    name: 'a mailbox read backwards: the window ends after the hit',
    hit: [0, 'm1', 't1'],
    others: [[1, 'm2', 't1']],
    now: 1,
    expected: ['listed', 1, 8],
  },
  {
    name: 'backwards, but too far apart',
    hit: [0, 'm1', 't1'],
    others: [[7, 'm2', 't1']],
    now: 7,
    expected: ['counted'],
  },
  {
    name: 'hits before and after, in no one window',
    kind: 'auto-reply',
    hit: [5, 'm2', 't2'],
    others: [
      [0, 'm1', 't1'],
      [8, 'm3', 't1'],
    ],
    now: 8,
    expected: ['counted'],
  },
  {
    name: 'listed for the kind: any hit extends',
    hit: [3, 'm9', 't1'],
    standing: [['dsn'], 1, 2.5, 9.5],
    expected: ['extended', 1, 10],
  },
  {
    name: 'an old message never shortens',
    hit: [1, 'm9', 't1'],
    standing: [['dsn'], 1, 2, 9],
    now: 3,
    expected: ['extended', 1, 9],
  },
  {
    name: '24 h quiet: a new episode of twice the term',
    hit: [3, 'm9', 't1'],
    standing: [['dsn'], 1, 2, 9],
    expected: ['extended', 2, 17],
    why: /new episode/,
  },
  {
    name: 'a second less is the same episode',
    hit: [3 - 1 / day, 'm9', 't1'],
    standing: [['dsn'], 1, 2, 9],
    expected: ['extended', 1, 10 - 1 / day],
  },
  {
    name: 'another kind below its threshold only counts',
    kind: 'auto-reply',
    hit: [3, 'm9', 't1'],
    standing: [['dsn'], 1, 2.5, 9.5],
    expected: ['counted'],
  },
  {
    name: 'another kind that reaches its threshold joins',
    kind: 'auto-reply',
    hit: [3, 'm3', 't2'],
    others: [
      [2.6, 'm1', 't1'],
      [2.7, 'm2', 't1'],
    ],
    standing: [['dsn'], 1, 2.5, 9.5],
    expected: ['extended', 1, 10],
    kinds: ['dsn', 'auto-reply'],
  },
  {
    name: 'after an expired listing: a new episode',
    hit: [20, 'm2', 't1'],
    others: [[19, 'm1', 't1']],
    lastEpisode: 1,
    expected: ['listed', 2, 34],
  },
  {
    name: 'terms double up to the longest',
    hit: [20, 'm2', 't1'],
    others: [[19, 'm1', 't1']],
    lastEpisode: 2,
    expected: ['listed', 3, 48],
  },
  {
    name: 'and no further',
    hit: [20, 'm2', 't1'],
    others: [[19, 'm1', 't1']],
    lastEpisode: 30,
    expected: ['listed', 31, 48],
  },
  {
    name: 'older than the longest listing is history',
    hit: [0, 'm2', 't1'],
    others: [[0, 'm1', 't1']],
    now: 28.1,
    expected: ['ignored'],
    why: /history: older than 28d/,
  },
  {
    name: 'a term that is over already lists nobody',
    hit: [1, 'm2', 't1'],
    others: [[0, 'm1', 't1']],
    now: 9,
    expected: ['counted'],
    why: /is over/,
  },
  {
    name: 'one message is enough where the policy says so',
    policy: {
      threshold: { ...testPolicy().threshold, dsn: { messages: 1, traps: 1, windowSeconds: 1 } },
    },
    hit: [0, 'm1', 't1'],
    expected: ['listed', 1, 7],
  },
  {
    name: 'a window that is reached is found behind one that is fuller and is not',
    kind: 'auto-reply',
    hit: [5, 'm1', 't1'],
    others: [
      [0, 'm2', 't2'],
      [1, 'm3', 't1'],
      ...['m4', 'm5', 'm6', 'm7'].map((returned): Seen => [9, returned, 't1']),
    ],
    now: 9,
    expected: ['listed', 1, 12],
  },
  {
    name: 'likely messages alone list nobody, however many',
    hit: [3, 'm20', 't20', 'likely'],
    others: Array.from({ length: 20 }, (_, each) => [each / 10, `m${each}`, `t${each}`, 'likely']),
    expected: ['counted'],
    why: /^dsn: 21 of 2 messages, 21 of 1 traps within 7d, none of them certain$/,
  },
  {
    name: 'where the policy says that likely lists, they list as certain ones do',
    policy: { likely: 'list' },
    hit: [3, 'm2', 't1', 'likely'],
    others: [[1, 'm1', 't1', 'likely']],
    expected: ['listed', 1, 10],
  },
  {
    name: 'a likely message fills what a certain one began, and the term runs from the certain one',
    hit: [3, 'm2', 't1', 'likely'],
    others: [[1, 'm1', 't1']],
    expected: ['listed', 1, 8],
  },
  {
    name: 'likely traps fill the threshold of traps',
    kind: 'auto-reply',
    hit: [3, 'm3', 't3'],
    others: [
      [1, 'm1', 't1', 'likely'],
      [4, 'm2', 't2', 'likely'],
    ],
    now: 4,
    expected: ['listed', 1, 10],
  },
  {
    name: 'a certain message outside the window helps no likely ones',
    hit: [8, 'm3', 't1', 'likely'],
    others: [
      [1, 'm1', 't1'],
      [7, 'm2', 't1', 'likely'],
    ],
    expected: ['counted'],
    why: /2 of 2 messages, 1 of 1 traps within 7d, none of them certain/,
  },
  {
    name: 'the term of a certain message can be over when a likely one fills the window',
    policy: { firstListingSeconds: day },
    hit: [3, 'm2', 't1', 'likely'],
    others: [[1, 'm1', 't1']],
    expected: ['counted'],
    why: /is over/,
  },
  {
    name: 'a likely message lists nobody anew by the certain message that the ended listing was for',
    policy: { firstListingSeconds: 5 * day },
    hit: [6, 'm2', 't1', 'likely'],
    others: [[0, 'm1', 't1']],
    lastEpisode: 1,
    lastHit: 0,
    expected: ['counted'],
    why: /^dsn: 2 of 2 messages, 1 of 1 traps within 7d, none of them certain and newer than the last hit of an ended listing$/,
  },
  {
    name: 'a certain message after the ended listing does list anew with a likely one',
    policy: { firstListingSeconds: 5 * day },
    hit: [6, 'm2', 't1', 'likely'],
    others: [
      [0, 'm1', 't1'],
      [5.5, 'm3', 't1'],
    ],
    lastEpisode: 1,
    lastHit: 0,
    expected: ['listed', 2, 15.5],
  },
  {
    name: 'a certain message lists anew with what the ended listing was for, though it was seen before that',
    policy: { firstListingSeconds: 5 * day },
    hit: [-1, 'm2', 't1'],
    others: [[0, 'm1', 't1']],
    lastEpisode: 1,
    lastHit: 0,
    now: 6,
    expected: ['listed', 2, 10],
  },
  {
    name: 'where likely lists, a likely message lists anew like a certain one',
    policy: { firstListingSeconds: 5 * day, likely: 'list' },
    hit: [6, 'm2', 't1', 'likely'],
    others: [[0, 'm1', 't1']],
    lastEpisode: 1,
    lastHit: 0,
    expected: ['listed', 2, 16],
  },
  {
    name: 'a likely message extends no listing of its kind',
    hit: [3, 'm9', 't1', 'likely'],
    standing: [['dsn'], 1, 2.5, 9.5],
    expected: ['counted'],
    why: /^listed for dsn already, and a message that is only likely extends nothing$/,
  },
  {
    name: 'nor does it begin an episode, except where the policy lets it list',
    policy: { likely: 'list' },
    hit: [5, 'm9', 't1', 'likely'],
    standing: [['dsn'], 1, 2, 9],
    expected: ['extended', 2, 19],
  },
  {
    name: 'another kind joins by a certain message of that kind, and the term runs from it',
    kind: 'auto-reply',
    hit: [3, 'm3', 't2', 'likely'],
    others: [
      [2.6, 'm1', 't1'],
      [2.7, 'm2', 't1', 'likely'],
    ],
    standing: [['dsn'], 1, 2.5, 9.5],
    expected: ['extended', 1, 9.6],
    kinds: ['dsn', 'auto-reply'],
  },
  {
    name: 'another kind of likely messages alone does not join',
    kind: 'auto-reply',
    hit: [3, 'm3', 't2', 'likely'],
    others: [
      [2.6, 'm1', 't1', 'likely'],
      [2.7, 'm2', 't1', 'likely'],
    ],
    standing: [['dsn'], 1, 2.5, 9.5],
    expected: ['counted'],
  },
]

for (const row of rows) {
  test(row.name, () => {
    const policy = testPolicy(row.policy)
    const at = (days: number) => Math.round(start + days * day)
    const hit = ([days, returned, recipient, likely]: Seen) => ({
      ...{ seenAt: at(days), returned, recipient },
      certainty: likely ?? ('certain' as const),
    })
    const subject: Case = {
      kind: row.kind ?? 'dsn',
      hit: hit(row.hit),
      others: (row.others ?? []).map(hit),
      standing: row.standing && {
        kinds: kindsMask(row.standing[0]),
        episode: row.standing[1],
        lastHitAt: at(row.standing[2]),
        expiresAt: at(row.standing[3]),
      },
      lastEpisode: row.lastEpisode ?? row.standing?.[1] ?? 0,
      lastHitAt: row.lastHit === undefined ? 0 : at(row.lastHit),
      now: at(row.now ?? row.hit[0]),
    }
    const judgement = judge(subject, policy)
    assert.equal(judgement.decision, row.expected[0], judgement.why)
    if (row.why) assert.match(judgement.why, row.why)
    if (!('kinds' in judgement)) return
    assert.deepEqual(
      [judgement.episode, judgement.expiresAt],
      [row.expected[1], at(row.expected[2] ?? 0)],
    )
    if (row.kinds) assert.equal(judgement.kinds, kindsMask(row.kinds))
    assert.equal(judgement.termSeconds, termOf(judgement.episode, policy))
  })
}
