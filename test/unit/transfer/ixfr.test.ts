// Incremental transfers (RFC 1995): an old copy and the difference make exactly what AXFR sends, whatever has happened to the
// list; and a difference carries only what changed. More of it: IXFR_RUNS=2000 IXFR_SEED=1.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Blocklist } from '../../../src/blocklist/blocklist.ts'
import type { ImportItem } from '../../../src/blocklist/types.ts'
import { backscatterKinds } from '../../../src/classify/kinds.ts'
import { networkOf, type Prefix } from '../../../src/ip/address.ts'
import { openStore } from '../../../src/store/database.ts'
import type { EntryAttributes } from '../../../src/store/packed-entries.ts'
import { transferMessages } from '../../../src/transfer/transfer.ts'
import { ownRecordsDigest } from '../../../src/transfer/zone-content.ts'
import { buildOpt, buildQuery, optionCodes, rcodes, types } from '../../support/dns-query.ts'
import {
  address,
  cli,
  type Door,
  day,
  openDoor,
  prefix,
  request,
  silentLog,
  start,
  testPolicy,
} from '../../support/door.ts'
import {
  localOptions,
  loopback,
  transferFrom,
  transferred,
  zoneWith,
} from '../../support/local-transfers.ts'
import fc from '../../support/properties.ts'
import {
  axfrQuery,
  ixfrQuery,
  readMessage,
  serialOf,
  type Transferred,
  type ZoneCopy,
} from '../../support/transfer-client.ts'

const { IXFR_RUNS: runs = '25', IXFR_SEED: seed } = process.env
const policy = testPolicy({
  shortest4: 7,
  shortest6: 30,
  allowSpecial: [prefix('0.0.0.0/0'), prefix('::/0')],
})
const zones = [zoneWith(), zoneWith('another text for {ip}')]

function open(t: Parameters<typeof openDoor>[0]): Door {
  return openDoor(t, { policy, capacityBytes: 1 << 20, ownRecords: ownRecordsDigest(zoneWith()) })
}

function whole(door: Door, zone = zoneWith()): ZoneCopy {
  const found = transferred(door.store.path, undefined, zone)
  assert.equal(found?.kind, 'whole')
  return found.copy
}

/** Does `change`, and returns what an incremental transfer brings; it leads to the same records as AXFR. */
async function difference(door: Door, change: () => Promise<unknown>): Promise<Transferred> {
  const before = whole(door)
  door.now += 10
  await change()
  const found = transferred(door.store.path, before)
  assert.ok(found)
  assert.deepEqual(found.copy, whole(door))
  return found
}

/** The owners of changed records with how many there are of each, without `_status`. */
function counted(records: Transferred['deleted']): Record<string, number> {
  const count: Record<string, number> = {}
  const suffix = '.bl.test.example'
  for (const { owner, type } of records) {
    if (owner.startsWith('_status.')) continue
    const name = `${owner.replace(suffix, '')} ${type === types.A ? 'A' : 'TXT'}`
    count[name] = (count[name] ?? 0) + 1
  }
  return count
}

test('a new address brings its records, the SOA record and _status, and nothing else', async (t) => {
  const door = open(t)
  await door.blocklist.list([request('198.51.100.0/24')], cli)
  const { kind, deleted, added } = await difference(door, () =>
    door.blocklist.list([request('20.0.0.7/32', { kinds: ['dsn'] })], cli),
  )
  assert.equal(kind, 'difference')
  assert.deepEqual(counted(added), { '7.0.0.20 A': 2, '7.0.0.20 TXT': 1 })
  assert.equal(added.length, 4)
  assert.deepEqual(
    deleted.map(({ owner }) => owner),
    ['_status.bl.test.example'],
  )
})

test('another kind of an address brings one A record', async (t) => {
  const door = open(t)
  await door.blocklist.list([request('20.0.0.7/32', { kinds: ['dsn'] })], cli)
  const { deleted, added } = await difference(door, () =>
    door.blocklist.list([request('20.0.0.7/32', { kinds: ['auto-reply'] })], cli),
  )
  assert.deepEqual(counted(deleted), {})
  assert.deepEqual(counted(added), { '7.0.0.20 A': 1 })
})

test('a hole in a wildcard makes it explicit names, and its end makes it a wildcard again', async (t) => {
  const door = open(t)
  await door.blocklist.list([request('198.51.100.0/23')], cli)
  const hole = prefix('198.51.100.7/32')
  const made = await difference(door, () =>
    door.blocklist.addException('exclusion', hole, null, cli),
  )
  assert.deepEqual(counted(made.deleted), { '*.100.51.198 A': 1, '*.100.51.198 TXT': 1 })
  assert.equal(Object.keys(counted(made.added)).length, 2 * 255)
  const ended = await difference(door, () => door.blocklist.removeException('exclusion', hole, cli))
  assert.deepEqual(counted(ended.added), counted(made.deleted))
  assert.deepEqual(counted(ended.deleted), counted(made.added))
})

test('changes that undo each other bring only the SOA record and _status', async (t) => {
  const door = open(t)
  await door.blocklist.list([request('198.51.100.0/24')], cli)
  const { kind, deleted, added } = await difference(door, async () => {
    await door.blocklist.list([request('198.51.100.9/32', { kinds: ['dsn'] })], cli)
    await door.blocklist.delist([prefix('198.51.100.9/32')], cli)
  })
  assert.equal(kind, 'difference')
  assert.deepEqual([counted(deleted), counted(added)], [{}, {}])
  assert.deepEqual([deleted.length, added.length], [1, 1])
})

test('a zone with an odd number of entries, and many of them, has differences too', async (t) => {
  const door = openDoor(t, { policy, ownRecords: ownRecordsDigest(zoneWith()) })
  const plain = { kinds: 0, reason: null, expiresAt: null }
  const entries = Array.from({ length: 40_001 }, (_, index) => ({
    prefix: prefix(`20.0.${index >> 8}.${index & 255}/32`),
    attributes: plain,
  }))
  await door.blocklist.import(importOf('a', entries))
  // A network without entries, so that the names below it must be counted.
  const { kind } = await difference(door, () => door.blocklist.list([request('20.0.0.0/16')], cli))
  assert.equal(kind, 'whole')
  const { added } = await difference(door, () => door.blocklist.list([request('30.0.0.7/32')], cli))
  assert.deepEqual(counted(added), { '7.0.0.30 A': 1, '7.0.0.30 TXT': 1 })
})

test('differences that take longer than secondaries wait become the whole zone, and a client may go away meanwhile', async (t) => {
  const door = open(t)
  await door.blocklist.list([request('20.0.0.7/32')], cli)
  const copy = whole(door)
  door.now += 10
  const attributes = { kinds: 0, reason: null, expiresAt: null }
  const entries = Array.from({ length: 200 }, (_, last) => ({
    ...{ prefix: prefix(`20.0.1.${last}/32`), attributes },
  }))
  await door.blocklist.import(importOf('a', entries))
  assert.equal(transferred(door.store.path, copy)?.kind, 'difference')
  const stopped = transferMessages(
    ixfrQuery('bl.test.example', copy.serial),
    loopback,
    localOptions(door.store.path),
    () => 0,
  )
  assert.deepEqual(stopped.next().value, { pauseMs: 0 })
  assert.doesNotThrow(() => stopped.return(undefined))
  let elapsedMs = 0
  t.mock.method(performance, 'now', () => (elapsedMs += 3001))
  assert.equal(transferred(door.store.path, copy)?.kind, 'whole')
})

test('an entry that expires leaves with the next publication, not before', async (t) => {
  const door = open(t)
  const attributes = { kinds: 1, reason: null, expiresAt: start + 100 }
  const entries = [{ prefix: prefix('20.0.0.9/32'), attributes }]
  await door.blocklist.import(importOf('a', entries))
  const before = whole(door)
  door.now = start + 200
  assert.deepEqual(whole(door), before)
  const { deleted } = await difference(door, () => door.blocklist.expire())
  assert.deepEqual(counted(deleted), { '9.0.0.20 A': 2, '9.0.0.20 TXT': 1 })
})

test('a serial that is not in the journal, or in one begun anew, gets the whole zone', async (t) => {
  const door = open(t)
  await door.blocklist.list([request('20.0.0.7/32')], cli)
  const copy = whole(door)
  const unknown = transferred(door.store.path, { ...copy, serial: copy.serial - 1000 })
  assert.equal(unknown?.kind, 'whole')
  door.now += 10
  const [, other] = zones
  assert.ok(other)
  door.reopen()
  assert.equal(transferred(door.store.path, copy)?.kind, 'difference')
  door.reopen({ ownRecords: ownRecordsDigest(other) })
  assert.equal(transferred(door.store.path, copy, other)?.kind, 'whole')
})

test('a serial that is ours or newer gets the SOA record alone, also past the end of numbers (RFC 1982)', async (t) => {
  const door = open(t)
  await door.blocklist.list([request('20.0.0.7/32')], cli)
  const { serial } = whole(door)
  const answered = (asked: number) =>
    transferFrom(door.store.path, ixfrQuery('bl.test.example', asked >>> 0))?.flatMap(
      ({ records }) => records,
    )
  for (const asked of [serial, serial + 1, serial + 2 ** 31 - 1]) {
    const records = answered(asked)
    assert.equal(records?.length, 1, `${asked}`)
    assert.equal(records[0] && serialOf(records[0]), serial)
  }
  // Newer by more than half of all numbers is older; half of them exactly is neither, and sends the zone.
  for (const asked of [serial + 2 ** 31 + 1, serial - 1]) {
    assert.ok((answered(asked)?.length ?? 0) > 2, `${asked}`)
  }
})

test('while DNS is brought to a new list, no zone is sent; after a while SERVFAIL', async (t) => {
  const door = open(t)
  const list = door.store.lists.begin('a')
  const version = door.store.lists.addVersion(list.id, start)
  door.store.lists.setVersion(list.id, version, null)
  assert.equal(transferred(door.store.path), undefined)
  const asked = axfrQuery('bl.test.example')
  const steps = [...transferMessages(asked, loopback, localOptions(door.store.path), () => 0)]
  const messages = steps.flatMap((step) => ('pauseMs' in step ? [] : [step]))
  assert.deepEqual(
    messages.map((each) => readMessage(each).rcode),
    [rcodes.SERVFAIL],
  )
})

function importOf(
  list: string,
  entries: readonly { readonly prefix: Prefix; readonly attributes: EntryAttributes }[],
) {
  const all = entries.map((entry, index) => ({ line: index + 1, text: '', ...entry }))
  async function* items(): AsyncGenerator<ImportItem[]> {
    yield all
  }
  return { list, items: items(), actor: cli, isForced: true, isStrict: false, isDryRun: false }
}

/** Places where whole labels, digits that are also nibbles, test entries and both families meet. */
const anyAddress = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(2, 100, 101, 200),
      fc.constantFrom(6, 7, 60),
      fc.constantFrom(0, 90),
      fc.nat(3),
    )
    .map((octets) => address(octets.join('.'))),
  fc.nat(8).map((last) => address(`127.0.0.${last}`)),
  fc
    .tuple(fc.constantFrom('2620', '2001', '2a00'), fc.constantFrom('0', '1', '8000'), fc.nat(1))
    .map(([first, second, last]) => address(`${first}:${second}::${last}`)),
)
const anyPrefix = fc
  .tuple(
    anyAddress,
    fc.constantFrom(15, 16, 17, 22, 23, 24, 24, 24, 25, 25, 28, 30, 31, 32, 32, 32, 32, 32),
    fc.constantFrom(30, 31, 32, 33, 35, 36, 64, 127, 128, 128),
  )
  .map(([at, length4, length6]) => networkOf(at, at.family === 4 ? length4 : length6))
const kinds = fc.subarray([...backscatterKinds])
const term = fc.constantFrom(null, 1, 60, day)

const anyChange = fc.oneof(
  fc.record({ does: fc.constant('list' as const), prefix: anyPrefix, kinds, term }),
  fc.record({ does: fc.constant('delist' as const), prefix: anyPrefix }),
  fc.record({
    does: fc.constant('except' as const),
    kind: fc.constantFrom('exemption' as const, 'exclusion' as const),
    prefix: anyPrefix,
    isOn: fc.boolean(),
  }),
  fc.record({
    does: fc.constant('import' as const),
    list: fc.constantFrom('a', 'b'),
    lines: fc.array(fc.record({ prefix: anyPrefix, kinds: fc.nat(15), term }), { maxLength: 6 }),
  }),
  fc.record({
    does: fc.constant('wait' as const),
    seconds: fc.constantFrom(0, 1, 30, 60, day),
    expires: fc.boolean(),
  }),
  fc.record({
    does: fc.constant('restart' as const),
    isRetired: fc.nat(9).map((number) => number === 0),
    isRewritten: fc.nat(9).map((number) => number === 0),
    /** Delisted by a command while no server runs. */
    offline: fc.option(anyPrefix),
  }),
)
type Change = typeof anyChange extends fc.Arbitrary<infer T> ? T : never

interface World {
  readonly door: Door
  zone: (typeof zones)[number]
}

async function apply(world: World, each: Change, look: () => void): Promise<void> {
  const { door } = world
  const { blocklist } = door
  switch (each.does) {
    case 'list': {
      const expiresAt = each.term === null ? null : door.now + each.term
      await blocklist.list([{ prefix: each.prefix, kinds: each.kinds, expiresAt }], cli)
      break
    }
    case 'delist':
      await blocklist.delist([each.prefix], cli)
      break
    case 'except':
      if (each.isOn) await blocklist.addException(each.kind, each.prefix, null, cli)
      else await blocklist.removeException(each.kind, each.prefix, cli)
      break
    case 'import': {
      const entries = each.lines.map(({ prefix: at, kinds: mask, term: seconds }) => ({
        prefix: at,
        attributes: {
          kinds: mask,
          reason: null,
          expiresAt: seconds === null ? null : door.now + seconds,
        },
      }))
      let isOver = false
      const done = blocklist.import(importOf(each.list, entries)).finally(() => {
        isOver = true
      })
      for (let turns = 1; !isOver; turns++) {
        await setImmediate()
        if (turns % 8 === 0) look()
      }
      await done
      break
    }
    case 'wait':
      door.now += each.seconds
      if (each.expires) await blocklist.expire()
      break
    case 'restart':
      await restart(world, each)
  }
}

async function restart(
  world: World,
  { isRetired, isRewritten, offline }: Extract<Change, { does: 'restart' }>,
): Promise<void> {
  const { door } = world
  if (offline) {
    door.blocklist.close()
    door.store.close()
    const store = openStore(door.store.path)
    const rest = { retired: false, validForSeconds: day, now: () => door.now, log: silentLog }
    const blocklist = new Blocklist({ store, policy, ...rest })
    await blocklist.delist([offline], cli)
    blocklist.close()
    store.close()
  }
  const [first, second] = zones
  assert.ok(first && second)
  if (isRewritten) world.zone = world.zone === first ? second : first
  door.reopen({ retired: isRetired, ownRecords: ownRecordsDigest(world.zone) })
}

test('after any changes, an old copy and the difference are the records of AXFR', async (t) => {
  const counts = { current: 0, whole: 0, difference: 0 }
  const property = async (changes: readonly Change[]) => {
    const cleanups: (() => void)[] = []
    const [first] = zones
    assert.ok(first)
    const world = {
      door: open({ after: (cleanup) => cleanups.unshift(cleanup as () => void) }),
      zone: first,
    }
    const copies = new Map<number, ZoneCopy>()
    const look = (): void => {
      const { path } = world.door.store
      const now = transferred(path, undefined, world.zone)?.copy
      if (now === undefined) return
      const same = copies.get(now.serial)
      if (same) assert.deepEqual(now, same, 'a serial has one content')
      else {
        for (const old of [...copies.values()].slice(-2)) {
          const found = transferred(path, old, world.zone)
          assert.ok(found)
          counts[found.kind] += 1
          assert.deepEqual(found.copy, now)
        }
      }
      copies.set(now.serial, now)
    }
    try {
      look()
      for (const each of changes) {
        await apply(world, each, look)
        look()
      }
      await world.door.blocklist.expire()
      look()
      assert.ok(copies.has(world.door.blocklist.status().serial), 'the last state was sent')
    } finally {
      for (const cleanup of cleanups) cleanup()
    }
  }
  await fc.assert(
    fc.asyncProperty(fc.array(anyChange, { minLength: 1, maxLength: 20, size: 'max' }), property),
    { numRuns: Number(runs), ...(seed !== undefined && { seed: Number(seed) }) },
  )
  t.diagnostic(`${runs} runs: ${JSON.stringify(counts)}`)
  assert.ok(counts.difference > counts.whole)
})

test('a transfer query with a later EDNS, two OPT records or a cookie of no length gets no zone', (t) => {
  const { store } = open(t)
  const transfer = (opts: NonNullable<Parameters<typeof buildQuery>[2]>) =>
    transferFrom(store.path, buildQuery('bl.test.example', types.AXFR, opts))
  assert.equal(transfer({ edns: {} })?.length, 1)
  const cookie = { code: optionCodes.cookie, data: [1] }
  for (const wrong of [{ edns: { version: 1 } }, { edns: { options: [cookie] } }]) {
    // Then it is answered as any other query: BADVERS or FORMERR.
    assert.deepEqual(transfer(wrong), [])
  }
  const opt = buildOpt({})
  const twice = Buffer.concat([buildQuery('bl.test.example', types.AXFR), opt, opt])
  twice.writeUInt16BE(2, 10)
  assert.deepEqual(transferFrom(store.path, twice), [])
})

test('a query for differences without the SOA record that holds the serial is malformed', (t) => {
  const { store } = open(t)
  const answer = transferFrom(store.path, buildQuery('bl.test.example', types.IXFR))
  assert.deepEqual(answer, [{ rcode: rcodes.FORMERR, records: [] }])
})
