// Random changes of a small world, and each of them done to the door and to the naive list, which must answer alike.
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { Blocklist } from '../../../src/blocklist/blocklist.ts'
import { likelyUses, type PolicyOptions } from '../../../src/blocklist/policy.ts'
import { type ImportItem, isRefusal, isRequestRefusal } from '../../../src/blocklist/types.ts'
import { backscatterKinds, certainties } from '../../../src/classify/kinds.ts'
import { formatAddress, networkOf, type Prefix } from '../../../src/ip/address.ts'
import { openStore } from '../../../src/store/database.ts'
import {
  address,
  cli,
  type Door,
  day,
  evidence,
  prefix,
  silentLog,
  testPolicy,
} from '../../support/door.ts'
import fc from '../../support/properties.ts'
import type { Line } from './naive-import.ts'
import type { NaiveImport, NaiveList } from './naive-list.ts'
import { answerAt } from './naive-zone.ts'

const threshold = (messages: number, traps: number) => ({ messages, traps, windowSeconds: day })

export function randomPolicy(holdForSeconds: number): PolicyOptions {
  return testPolicy({
    firstListingSeconds: 2 * day,
    longestListingSeconds: 8 * day,
    ...{ ipv6Prefix: 64, shortest4: 29, shortest6: 63, holdForSeconds },
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
}

const ipv4 = address('20.0.0.0')
const ipv6 = address('2a00::')
const tests4 = address('127.0.0.0')
const tests6 = address('::ffff:127.0.0.0')
const hosts = 7
const testHosts = 9

/** Every address that can tell two states apart: each IPv4 one, and two hosts in each of three IPv6 networks. */
export const probes = [
  ...Array.from({ length: hosts }, (_, index) => ({ ...ipv4, w0: ipv4.w0 + index })),
  ...Array.from({ length: 6 }, (_, index) => ({ ...ipv6, w1: index >> 1, w3: index & 1 })),
  ...Array.from({ length: testHosts }, (_, index) => ({ ...tests4, w0: tests4.w0 + index })),
  ...Array.from({ length: 4 }, (_, index) => ({ ...tests6, w3: tests6.w3 + index })),
]

const lengths4 = [27, 28, 29, 30, 31, 32]
const lengths6 = [61, 62, 63, 64, 126, 127, 128]

/** Every prefix that something may be at. */
export const allPrefixes: readonly Prefix[] = [
  ...new Map(
    probes
      .flatMap((probe) =>
        (probe.family === 4 ? lengths4 : lengths6).map((length) => networkOf(probe, length)),
      )
      .map((each) => [`${formatAddress(each)}/${each.length}`, each]),
  ).values(),
]

const anyUsual: fc.Arbitrary<Prefix> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .record({ host: fc.nat(hosts - 1), length: fc.integer({ min: 28, max: 32 }) })
      .map(({ host, length }) => networkOf({ ...ipv4, w0: ipv4.w0 + host }, length)),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ net: fc.nat(2), host: fc.nat(1), length: fc.constantFrom(62, 63, 64, 128) })
      .map(({ net, host, length }) => networkOf({ ...ipv6, w1: net, w3: host }, length)),
  },
)
const anyNearTests: fc.Arbitrary<Prefix> = fc.oneof(
  fc
    .record({ host: fc.nat(testHosts - 1), length: fc.integer({ min: 28, max: 32 }) })
    .map(({ host, length }) => networkOf({ ...tests4, w0: tests4.w0 + host }, length)),
  fc
    .record({ host: fc.nat(3), length: fc.integer({ min: 126, max: 128 }) })
    .map(({ host, length }) => networkOf({ ...tests6, w3: tests6.w3 + host }, length)),
)
const anyPrefix = fc.oneof(
  { weight: 5, arbitrary: anyUsual },
  { weight: 1, arbitrary: anyNearTests },
)
const kinds = fc.subarray([...backscatterKinds])
const term = fc.constantFrom(undefined, null, -1, 3600, day, 3 * day)
const list = fc.constantFrom('a', 'b', 'c-1.x')
const reason = fc.constantFrom(null, 'told')

const anyList = fc.record({
  does: fc.constant('list' as const),
  entries: fc.array(fc.record({ prefix: anyPrefix, kinds, term, reason }), {
    minLength: 1,
    maxLength: 3,
  }),
})
const anyRecord = fc.record({
  does: fc.constant('record' as const),
  client: fc.option(fc.nat(hosts + 6 + testHosts - 1), { freq: 10 }),
  kind: fc.option(fc.constantFrom(...backscatterKinds), { freq: 10 }),
  certainty: fc.constantFrom(...certainties),
  recipient: fc.constantFrom('one@trap.example.org', 'two@trap.example.org'),
  content: fc.nat(30),
  age: fc.constantFrom(0, 0, 0, 60, day - 1, day, 5 * day, 9 * day, -1000),
})
const anyLine = fc.record({
  prefix: anyPrefix,
  attributes: fc.option(
    fc.record({
      kinds: fc.nat(2 ** backscatterKinds.length - 1),
      reason,
      term: fc.constantFrom(null, null, -1, 3600, day, 3 * day),
    }),
    { freq: 6 },
  ),
})
const rarely = fc.nat(7).map((number) => number === 0)
const anyImport = fc.record({
  does: fc.constant('import' as const),
  list,
  /** undefined: the file that the list was imported from last. */
  lines: fc.option(fc.array(anyLine, { maxLength: 9 }), { nil: undefined, freq: 5 }),
  isStrict: rarely,
  isForced: fc.boolean(),
  isDryRun: rarely,
  /** While it goes on. */
  meanwhile: fc.array(fc.oneof(anyList, anyRecord), { maxLength: 2 }),
})
const anyPolicy = {
  publish: fc.option(fc.subarray([...backscatterKinds], { minLength: 1 }), { nil: undefined }),
  allowsTests: fc.option(fc.boolean(), { nil: undefined }),
  exempt: fc.option(fc.array(anyPrefix, { maxLength: 2 }), { nil: undefined, freq: 3 }),
  likely: fc.option(fc.constantFrom(...likelyUses), { nil: undefined }),
  /** Shorter than the window too, so that what an ended listing was for is still in it. */
  firstListingSeconds: fc.option(fc.constantFrom(3600, 2 * day), { nil: undefined }),
}

const anyDelist = fc.record({
  does: fc.constant('delist' as const),
  prefixes: fc.array(anyPrefix, { minLength: 1, maxLength: 2 }),
})
const anyExcept = fc.record({
  does: fc.constant('except' as const),
  kind: fc.constantFrom('exemption' as const, 'exclusion' as const),
  prefix: anyPrefix,
  isOn: fc.boolean(),
})

const anyWait = fc.record({
  does: fc.constant('wait' as const),
  seconds: fc.constantFrom(1, 3600, day - 1, day, 2 * day, 5 * day),
  expires: fc.nat(3).map((number) => number > 0),
})
const anyConfigure = fc.record({ does: fc.constant('configure' as const), ...anyPolicy })

/** What happens to one host that sends again and again. */
export const anyOfOneHost = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(anyRecord, fc.constantFrom('dsn' as const, 'auto-reply' as const))
      .map(([each, kind]) => ({ ...each, client: 0, kind })),
  },
  { weight: 3, arbitrary: anyWait },
  { weight: 1, arbitrary: anyConfigure },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant('delist' as const),
      prefixes: fc.tuple(fc.constant(prefix('20.0.0.0/32'))),
    }),
  },
)

export const anyChange = fc.oneof(
  { weight: 4, arbitrary: anyList },
  { weight: 3, arbitrary: anyDelist },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constant('delist entry' as const), list, which: fc.nat(8) }),
  },
  { weight: 2, arbitrary: anyExcept },
  { weight: 6, arbitrary: anyRecord },
  { weight: 4, arbitrary: anyWait },
  { weight: 6, arbitrary: anyImport },
  { weight: 2, arbitrary: anyConfigure },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant('command' as const),
      changes: fc.array(fc.oneof(anyList, anyDelist, anyExcept, anyImport), {
        minLength: 1,
        maxLength: 3,
      }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant('restart' as const),
      isRetired: fc.nat(4).map((number) => number === 0),
      ...anyPolicy,
    }),
  },
)
export type Change = typeof anyChange extends fc.Arbitrary<infer T> ? T : never

/** The door, the naive list, and what has to be remembered of what was done to both. */
export interface World {
  readonly door: Door
  readonly naive: NaiveList
  policy: PolicyOptions
  readonly files: Map<string, readonly Line[]>
}

/** Does the change to both. `look`: called again and again while an import goes on. */
export async function apply(world: World, each: Change, look: () => void): Promise<void> {
  const { door, naive } = world
  const { blocklist } = door
  switch (each.does) {
    case 'list': {
      const requests = each.entries.map(({ term: seconds, reason: why, ...entry }) => ({
        ...entry,
        ...(why !== null && { reason: why }),
        ...(seconds !== undefined && { expiresAt: seconds && door.now + seconds }),
      }))
      const outcomes = await blocklist.list(requests, cli)
      const said = isRequestRefusal(outcomes)
        ? outcomes.refusals.map(({ refused }) => refused)
        : outcomes.map(({ outcome }) => outcome)
      assert.deepEqual(said, naive.list(requests))
      break
    }
    case 'delist': {
      const removed = await blocklist.delist(each.prefixes, cli)
      const said = isRequestRefusal(removed)
        ? removed.refusals.map(({ refused }) => refused)
        : ['removed']
      assert.deepEqual(said, naive.delist(each.prefixes))
      break
    }
    case 'delist entry': {
      const entries = naive.entriesOf(each.list) ?? []
      const entry = entries[each.which % Math.max(entries.length, 1)]
      if (!entry) break
      const id = `${each.list}:${formatAddress(entry.prefix)}-${entry.prefix.length}`
      const outcome = await blocklist.delistOne(id, () => true, cli)
      assert.equal(!isRefusal(outcome), naive.delistEntry(each.list, entry.prefix), id)
      break
    }
    case 'except':
      await except(world, each)
      break
    case 'record': {
      const { kind, recipient, age } = each
      const certainty = kind && each.certainty
      const message = {
        ...evidence({
          kind,
          certainty,
          recipient,
          content: `c${each.content}`,
          seenAt: door.now - age,
        }),
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
    case 'import':
      await importLines(world, each, look)
      break
    case 'configure':
      world.policy = changed(world.policy, each)
      await blocklist.reconfigure(world.policy)
      naive.configure(world.policy)
      break
    case 'command':
      await withoutServer(world, each.changes)
      break
    case 'restart':
      world.policy = changed(world.policy, each)
      door.reopen({ policy: world.policy, retired: each.isRetired })
      naive.configure(world.policy, each.isRetired)
  }
}

/** Does the changes as commands do while no server runs, with an answer from the look-up after each; then starts again. */
async function withoutServer(world: World, changes: readonly Change[]): Promise<void> {
  const { door, naive, policy } = world
  door.blocklist.close()
  door.store.close()
  const store = openStore(door.store.path)
  const blocklist = new Blocklist({
    ...{ store, policy, retired: naive.isRetired, validForSeconds: day },
    ...{ now: () => door.now, log: silentLog },
  })
  try {
    for (const each of changes) {
      await apply({ ...world, door: { ...door, store, blocklist } }, each, () => undefined)
      if (!naive.isExact()) continue
      for (const probe of probes) {
        const codes = answerAt(naive.world(), probe).codes.map((code) => `127.0.0.${code}`)
        const explained = blocklist.explain(probe)
        assert.deepEqual(explained.codes, codes, `without a server, ${formatAddress(probe)}`)
        assert.equal(explained.listed, codes.length > 0)
      }
    }
  } finally {
    blocklist.close()
    store.close()
  }
  door.reopen({ policy, retired: naive.isRetired })
}

async function except(
  { door: { blocklist }, naive }: World,
  { kind, prefix: at, isOn }: Extract<Change, { does: 'except' }>,
): Promise<void> {
  if (isOn) await blocklist.addException(kind, at, null, cli)
  else await blocklist.removeException(kind, at, cli)
  naive.setException(kind, at, isOn)
}

function changed(
  policy: PolicyOptions,
  {
    publish,
    allowsTests,
    exempt,
    likely,
    firstListingSeconds,
  }: Extract<Change, { does: 'configure' | 'restart' }>,
): PolicyOptions {
  return {
    ...policy,
    ...(publish && { publish }),
    ...(likely && { likely }),
    ...(firstListingSeconds !== undefined && { firstListingSeconds }),
    ...(allowsTests !== undefined && { allowSpecial: allowsTests ? [prefix('127.0.0.0/29')] : [] }),
    ...(exempt && { exempt: exempt.map((each) => ({ prefix: each, note: '' })) }),
  }
}

async function importLines(
  world: World,
  { meanwhile, ...each }: Extract<Change, { does: 'import' }>,
  look: () => void,
): Promise<void> {
  const { door, naive, files } = world
  const lines =
    each.lines?.map(({ prefix: at, attributes }) => ({
      prefix: at,
      attributes: attributes && {
        kinds: attributes.kinds,
        reason: attributes.reason,
        expiresAt: attributes.term === null ? null : door.now + attributes.term,
      },
    })) ??
    files.get(each.list) ??
    []
  const request: NaiveImport = { ...each, lines }
  if (!each.isDryRun) files.set(each.list, lines)
  const expected = naive.import(request)
  let isOver = false
  const done = door.blocklist.import({ ...each, items: items(lines), actor: cli }).finally(() => {
    isOver = true
  })
  const others = (async () => {
    for (const other of meanwhile) await apply(world, other, look)
  })()
  while (!isOver) {
    await setImmediate()
    if (!isOver) look()
  }
  await others
  const outcome = await done
  naive.follow(each.list)
  if (typeof expected === 'string') {
    assert.equal('refused' in outcome && outcome.refused, expected)
    return
  }
  assert.ok('added' in outcome, JSON.stringify(outcome))
  const { added, removed, kept, refusedCount } = outcome
  assert.deepEqual({ added, removed, kept, refusedCount }, expected)
  const { version, applied } = door.store.lists.named(each.list) ?? {}
  assert.equal(applied, version)
}

async function* items(lines: readonly Line[]): AsyncGenerator<ImportItem[]> {
  const all = lines.map((line, index) => ({ line: index + 1, text: '', ...line }))
  yield all.slice(0, all.length >> 1)
  yield all.slice(all.length >> 1)
}
