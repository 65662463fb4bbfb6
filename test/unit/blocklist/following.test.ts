// Lists of several steps on their way into DNS, and random changes of what is on its way: after each commit every prefix is
// as it was or as it will be, look-ups say what DNS says, and at the end, or after a restart in the middle, all agrees with
// the naive list.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { ImportItem } from '../../../src/blocklist/types.ts'
import { backscatterKinds } from '../../../src/classify/kinds.ts'
import { type Address, hostPrefix, networkOf } from '../../../src/ip/address.ts'
import { address, cli, day, openDoor, start } from '../../support/door.ts'
import fc from '../../support/properties.ts'
import { seeded } from '../../support/seeded.ts'
import { agree, agreeMeanwhile, journalLeads } from './agreement.ts'
import type { Line } from './naive-import.ts'
import { NaiveList } from './naive-list.ts'
import { apply, type Change, randomPolicy, type World } from './random-changes.ts'

const { ORACLE_RUNS: runs = '4', ORACLE_SEED: seed } = process.env
const hosts = 3000
const first = address('20.0.0.0')
const host = (index: number): Address => ({ ...first, w0: first.w0 + index })

/** A list of a part of the hosts, some of them in networks, with terms and kinds; the same for the same numbers. */
function linesOf(number: number, share: number): Line[] {
  const next = seeded(number + 1)
  const lines: Line[] = []
  for (let index = 0; index < hosts; index++) {
    if (next() % 100 >= share) continue
    const at = host(index)
    lines.push({
      prefix: next() % 20 === 0 ? networkOf(at, 30) : hostPrefix(at),
      attributes: {
        kinds: next() % 4,
        reason: null,
        expiresAt: next() % 5 === 0 ? start + (1 + (next() % 3)) * day : null,
      },
    })
  }
  return lines
}

async function* items(lines: readonly Line[]): AsyncGenerator<ImportItem[]> {
  yield lines.map((line, index) => ({ line: index + 1, text: '', ...line }))
}

const anyPlace = fc.nat(hosts - 1).map((index) => hostPrefix(host(index)))
const kinds = fc.subarray([...backscatterKinds])
const anyTouch: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    does: fc.constant('list' as const),
    entries: fc.array(
      fc.record({
        ...{ prefix: anyPlace, kinds, reason: fc.constant(null) },
        term: fc.constantFrom(undefined, null, 3600),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  }),
  fc.record({ does: fc.constant('delist' as const), prefixes: fc.tuple(anyPlace) }),
  fc.record({
    does: fc.constant('delist entry' as const),
    list: fc.constantFrom('a', 'b'),
    which: fc.nat(hosts),
  }),
  fc.record({
    does: fc.constant('except' as const),
    kind: fc.constantFrom('exemption' as const, 'exclusion' as const),
    prefix: fc
      .record({ index: fc.nat(hosts - 1), length: fc.constantFrom(24, 28, 30, 32) })
      .map(({ index, length }) => networkOf(host(index), length)),
    isOn: fc.boolean(),
  }),
  fc.record({
    does: fc.constant('wait' as const),
    seconds: fc.constantFrom(60, day, 2 * day),
    expires: fc.boolean(),
  }),
)

test('while DNS follows a list each prefix is old or new, whatever else changes', async (t) => {
  let looks = 0
  const property = async (
    lists: { number: number; share: number }[],
    touches: Change[],
    restartsAfter: number,
  ): Promise<void> => {
    const cleanups: (() => void)[] = []
    const policy = { ...randomPolicy(0), exempt: [] }
    const door = openDoor(
      { after: (cleanup) => cleanups.unshift(cleanup as () => void) },
      { policy, capacityBytes: 1 << 22 },
    )
    try {
      const naive = new NaiveList(policy, start)
      const world: World = { door, naive, policy, files: new Map() }
      const next = seeded(lists.length + touches.length + 1)
      const some = () => {
        const at = Array.from({ length: 24 }, () => host(next() % hosts))
        const prefixes = at.flatMap((each) => [hostPrefix(each), networkOf(each, 30)])
        return { prefixes, probes: at, lookups: at.slice(0, 4), lists: [] }
      }
      const look = (): void => {
        looks += 1
        agreeMeanwhile(door, naive, some())
      }
      for (const [index, { number, share }] of lists.entries()) {
        const list = index % 2 === 0 ? 'a' : 'b'
        const lines = linesOf(number, share)
        const before = door.store.lists.named(list)?.version ?? null
        const isFlipped = () => (door.store.lists.named(list)?.version ?? null) !== before
        naive.import({ list, lines, isStrict: false, isForced: true, isDryRun: false })
        let outcome: object | undefined
        const request = { list, items: items(lines), isStrict: false, isForced: true, actor: cli }
        const done = door.blocklist.import(request).then(
          (told) => {
            outcome = told
          },
          (error) => {
            outcome = error
          },
        )
        let turns = 0
        let isRestarted = false
        while (!outcome) {
          await setImmediate()
          turns += 1
          look()
          if (!isFlipped() || turns % 3 > 0) continue
          if (index === lists.length - 1 && restartsAfter === turns) {
            door.reopen()
            isRestarted = true
            break
          }
          const touch = touches.pop()
          if (touch) await apply(world, touch, look)
        }
        await done
        if (!isRestarted) assert.ok(outcome && 'added' in outcome, JSON.stringify(outcome))
        if (isRestarted && !isFlipped()) naive.undo(list)
        naive.follow(list)
        await door.blocklist.expire()
        naive.expire()
        const all = Array.from({ length: hosts }, (_, each) => host(each))
        const prefixes = all.flatMap((each) => [hostPrefix(each), networkOf(each, 30)])
        agree(door, naive, { prefixes, probes: all, lookups: some().lookups, lists: ['a', 'b'] })
      }
      journalLeads(door)
    } finally {
      for (const cleanup of cleanups) cleanup()
    }
  }
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ number: fc.nat(1000), share: fc.constantFrom(0, 10, 60, 90) }), {
        minLength: 2,
        maxLength: 5,
        size: 'max',
      }),
      fc.array(anyTouch, { maxLength: 20, size: 'max' }),
      fc.nat(60),
      property,
    ),
    { numRuns: Number(runs), ...(seed !== undefined && { seed: Number(seed) }) },
  )
  assert.ok(looks > 20, 'it was looked at in the middle')
  t.diagnostic(`${runs} runs, ${looks} looks in the middle`)
})
