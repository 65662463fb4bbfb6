// Random changes through the door, after each of which the tree, explain() and a naive list must agree on every
// address; then a restart, which must change nothing, and the journal, which must lead from the start to the end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { noLeaf } from '../../../src/blocklist/leaf.ts'
import { isRefusal } from '../../../src/blocklist/outcomes.ts'
import { backscatterKinds } from '../../../src/bounce/kinds.ts'
import { formatAddress, formatPrefix, networkOf, type Prefix } from '../../../src/ip/address.ts'
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
} from './fixture.ts'
import { NaiveList } from './naive-list.ts'

const threshold = (messages: number, traps: number) => ({ messages, traps, windowSeconds: day })
const policy = testPolicy({
  firstListingSeconds: 2 * day,
  longestListingSeconds: 8 * day,
  ...{ ipv6Prefix: 64, shortest4: 29, shortest6: 63 },
  publish: ['dsn', 'auto-reply'],
  threshold: {
    dsn: threshold(1, 1),
    'auto-reply': threshold(2, 1),
    'challenge-response': threshold(2, 2),
    'content-notice': threshold(2, 1),
    callout: threshold(1, 1),
  },
  exempt: [{ prefix: prefix('20.0.0.4/31'), note: 'configured' }],
})
const ipv4 = address('20.0.0.0')
const ipv6 = address('2a00::')

/** Every address that can tell two states apart: each IPv4 one, and two hosts in each of three IPv6 networks. */
const probes = [
  ...Array.from({ length: 7 }, (_, index) => ({ ...ipv4, w0: ipv4.w0 + index })),
  ...Array.from({ length: 6 }, (_, index) => ({ ...ipv6, w1: index >> 1, w3: index & 1 })),
]

const anyPrefix: fc.Arbitrary<Prefix> = fc.oneof(
  fc
    .record({ host: fc.nat(6), length: fc.integer({ min: 28, max: 32 }) })
    .map(({ host, length }) => networkOf({ ...ipv4, w0: ipv4.w0 + host }, length)),
  fc
    .record({ net: fc.nat(2), host: fc.nat(1), length: fc.constantFrom(62, 63, 64, 128) })
    .map(({ net, host, length }) => networkOf({ ...ipv6, w1: net, w3: host }, length)),
)
const kinds = fc.subarray([...backscatterKinds])
const term = fc.constantFrom(undefined, null, -1, 3600, day, 3 * day)

const change = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('list' as const),
      entries: fc.array(
        fc.record({ prefix: anyPrefix, kinds, term, list: fc.constantFrom(undefined, 'a', 'b') }),
        { minLength: 1, maxLength: 3 },
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      does: fc.constant('delist' as const),
      prefixes: fc.array(anyPrefix, { minLength: 1, maxLength: 2 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constant('except' as const),
      kind: fc.constantFrom('exemption' as const, 'exclusion' as const),
      prefix: anyPrefix,
      isOn: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      does: fc.constant('record' as const),
      client: fc.option(fc.nat(probes.length - 1), { freq: 10 }),
      kind: fc.option(fc.constantFrom(...backscatterKinds), { freq: 10 }),
      recipient: fc.constantFrom('one@trap.example.org', 'two@trap.example.org'),
      content: fc.nat(30),
      age: fc.constantFrom(0, 0, 0, 60, day - 1, day, 5 * day, 9 * day, -1000),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      does: fc.constant('wait' as const),
      seconds: fc.constantFrom(1, 3600, day - 1, day, 2 * day, 5 * day),
      expires: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('restart' as const) }) },
)
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never

async function apply(door: Door, naive: NaiveList, each: Change): Promise<void> {
  const { blocklist } = door
  const said = (outcomes: readonly object[]) =>
    outcomes.map((one) => (isRefusal(one) ? one.refused : 'outcome' in one && one.outcome))
  switch (each.does) {
    case 'list': {
      const requests = each.entries.map(({ term: seconds, list, ...entry }) => ({
        ...entry,
        ...(list ? { origin: 'import' as const, list } : { origin: 'manual' as const }),
        ...(seconds !== undefined && { expiresAt: seconds && door.now + seconds }),
      }))
      assert.deepEqual(said(await blocklist.list(requests, cli)), naive.list(requests))
      break
    }
    case 'delist':
      assert.deepEqual(
        said(await blocklist.delist(each.prefixes, cli)),
        naive.delist(each.prefixes),
      )
      break
    case 'except': {
      const verbs = {
        exemption: each.isOn ? 'exempt' : 'unexempt',
        exclusion: each.isOn ? 'exclude' : 'include',
      } as const
      const verb = verbs[each.kind]
      if (verb === 'exempt' || verb === 'exclude') await blocklist[verb](each.prefix, null, cli)
      else await blocklist[verb](each.prefix, cli)
      naive.setException(each.kind, each.prefix, each.isOn)
      break
    }
    case 'record': {
      const { kind, recipient, age } = each
      const message = {
        ...evidence({ kind, recipient, content: `c${each.content}`, seenAt: door.now - age }),
        ...{ returned: `m${each.content >> 1}`, client: probes[each.client ?? -1] ?? null },
      }
      const [decision] = await blocklist.record([message])
      assert.equal(decision?.decision, naive.record(message), `${decision?.why}`)
      break
    }
    case 'wait':
      door.now += each.seconds
      naive.now = door.now
      if (each.expires) {
        await blocklist.expire()
        naive.expire()
      }
      break
    case 'restart':
      door.reopen()
  }
}

function agree(door: Door, naive: NaiveList): void {
  for (const probe of probes) {
    const at = formatAddress(probe)
    const codes = naive.codes(probe)
    assert.deepEqual(door.codes(probe), codes, `the tree's answer for ${at}`)
    const explained = door.blocklist.explain(probe)
    assert.deepEqual(
      explained.codes,
      codes.map((code) => `127.0.0.${code}`),
      `explain's for ${at}`,
    )
    assert.equal(explained.listed, codes.length > 0)
    assert.equal(explained.state === 'listed', explained.listed, `${at} is ${explained.state}`)
  }
  const { ipv4: four, ipv6: six } = door.blocklist.status().entries
  assert.deepEqual([four, six], [naive.entries(4), naive.entries(6)], 'entries counted')
}

/** What each prefix holds at the end of the journal is what its rows say, and each difference begins where one ended. */
function journalLeads(door: Door, from: number): void {
  const leaves = new Map<string, { prefix: Prefix; leaf: number }>()
  const { serial } = door.blocklist.status()
  for (const { prefix: at, before, after } of door.store.journal.changes(from, serial)) {
    const text = formatPrefix(at)
    const known = leaves.get(text)
    if (known) assert.equal(before, known.leaf, text)
    leaves.set(text, { prefix: at, leaf: after })
  }
  for (const { prefix: at, leaf } of leaves.values()) {
    const { family, w0, w1, w2, w3, length } = at
    const entry = door.tree.get(family, w0, w1, w2, w3, length)
    assert.equal(entry?.kind ?? noLeaf, leaf & 3, formatPrefix(at))
  }
}

for (const holdForSeconds of [0, 7200]) {
  test(`the door agrees with a naive list under random changes, holdFor ${holdForSeconds}s`, async (t) => {
    const chosen = { ...policy, holdForSeconds }
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 40, maxLength: 80, size: 'max' }),
        async (changes) => {
          const cleanups: (() => void)[] = []
          const door = openDoor(
            { after: (cleanup) => cleanups.unshift(cleanup as () => void) },
            { policy: chosen },
          )
          try {
            door.now = start
            const naive = new NaiveList(chosen, start)
            const { serial } = door.blocklist.status()
            for (const each of changes) {
              await apply(door, naive, each)
              agree(door, naive)
            }
            door.reopen()
            agree(door, naive)
            journalLeads(door, serial)
          } finally {
            for (const cleanup of cleanups) cleanup()
          }
        },
      ),
      { numRuns: 15, interruptAfterTimeLimit: 60_000 },
    )
    t.diagnostic('15 runs of 40 to 80 changes')
  })
}
