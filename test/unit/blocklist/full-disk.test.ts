// A stranger who sends what he can must not fill the disk: what is kept of one message, of one network's day, for how
// long, and what is taken when the disk is nearly full.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { Blocklist } from '../../../src/blocklist/blocklist.ts'
import type { BackscatterKind } from '../../../src/classify/kinds.ts'
import { type Logger, OperationalError } from '../../../src/errors.ts'
import { parseTrustedRelays } from '../../../src/mail/trace.ts'
import { openStore } from '../../../src/store/database.ts'
import { Collector } from '../../../src/traps/collect.ts'
import {
  address,
  cli,
  type Door,
  day,
  evidence,
  openDoor,
  prefix,
  request,
  silentLog,
  start,
  temporaryDirectory,
  testPolicy,
} from '../../support/door.ts'
import { octets } from '../../support/messages.ts'
import { reading } from '../../support/reading.ts'
import { noteStatements } from '../../support/statements.ts'

interface Counter {
  readonly day: number
  readonly w0: number
  readonly kind: string
  readonly trap: string
  readonly source: string
  readonly messages: number
  readonly last_seen_at: number
}

function counters({ store }: Door): Counter[] {
  const database = new Database(store.path, { readonly: true })
  const all = database
    .prepare<[], Counter>('SELECT * FROM evidence_counters ORDER BY w0, kind')
    .all()
  database.close()
  return all
}

function rows({ store }: Door, table: 'evidence' | 'messages'): number {
  const database = new Database(store.path, { readonly: true })
  const count = database.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get()
  database.close()
  return count ?? 0
}

/** Octets of the database as it stands without its log. */
function size({ store }: Door): number {
  const database = new Database(store.path, { readonly: true })
  const pages = database.pragma('page_count', { simple: true }) as number
  const octetsEach = database.pragma('page_size', { simple: true }) as number
  database.close()
  return pages * octetsEach
}

const decisionsOf = async (door: Door, ...messages: Parameters<typeof evidence>[0][]) =>
  (await door.blocklist.record(messages.map((each) => evidence(each)))).map(
    ({ decision }) => decision,
  )

test('100 recipients of a wildcard trap do not make 100 copies of one message', async (t) => {
  const door = openDoor(t, { policy: testPolicy({ traps: ['@trap.example.org'] }) })
  const collector = new Collector({
    relays: parseTrustedRelays([]),
    list: { isTrap: () => true, record: (pieces) => door.blocklist.record(pieces) },
    now: () => door.now,
    log: silentLog,
    ...reading(),
  })
  const before = size(door)
  let wire = 0
  for (let message = 0; message < 40; message++) {
    const long = (text: string) => `${text}${'x'.repeat(900)}`
    const raw = octets(
      'From: MAILER-DAEMON@mail.example.net',
      `Subject: ${long('s')}`,
      `Message-ID: <${message}.${'x'.repeat(900)}@mail.example.net>`,
      'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
      ...['', '--b', '', 'It could not be delivered.', '--b'],
      ...['Content-Type: message/delivery-status', '', `Reporting-MTA: dns; ${long('m')}`, ''],
      ...[`Final-Recipient: rfc822; ${long('r')}@example.net`, 'Action: failed', 'Status: 5.1.1'],
      ...[`Diagnostic-Code: smtp; ${long('550 ')}`, '', '--b', 'Content-Type: message/rfc822', ''],
      ...[`Message-ID: <${message}@trap.example.org>`, 'From: a@trap.example.org', '', 'x'],
      '--b--',
    )
    const recipients = Array.from(
      { length: 100 },
      (_, each) => `${message}-${each}@trap.example.org`,
    )
    await collector.receive({
      ...{ raw, client: address('20.0.0.1'), reversePath: 'r'.repeat(900), recipients },
      ...{ helo: 'h'.repeat(900), recipientsTried: recipients.join(', ') },
    })
    wire += raw.length + recipients.join('').length + 100 * 'RCPT TO:<>\r\n'.length
  }
  const grown = size(door) - before
  assert.ok(grown < 4 * wire, `${grown} octets of ${wire} on the wire`)
  assert.equal(
    rows(door, 'evidence'),
    200 + 38,
    'beyond the room of a day a message is stored once',
  )
  const [counter, ...more] = counters(door)
  assert.deepEqual([counter?.trap, counter?.messages], ['*@trap.example.org', 3762])
  assert.deepEqual(more, [])
  const [kept] = door.blocklist.explain(address('20.0.0.1')).evidence
  assert.equal(kept?.details.subject?.length, 200)
  assert.equal(kept?.details.helo?.length, 255)
})

test('many networks of a stranger take little more than they sent, too', async (t) => {
  const door = openDoor(t, { policy: testPolicy({ traps: ['@trap.example.org'] }) })
  const before = size(door)
  let wire = 0
  for (let network = 0; network < 40; network++) {
    const pieces = Array.from({ length: 100 }, (_, each) =>
      evidence({
        ...{ client: `20.0.1.${network}`, content: `${network}`.padStart(64, '0') },
        ...{ returned: `${network}`.padStart(64, '0'), recipient: `${each}@trap.example.org` },
        details: { subject: 'x'.repeat(5000), diagnosticCode: 'y'.repeat(5000) },
      }),
    )
    await door.blocklist.record(pieces)
    wire += 10_000 + 100 * 'RCPT TO:<00@trap.example.org>\r\n'.length
  }
  const grown = size(door) - before
  assert.ok(grown < 4 * wire, `${grown} octets of ${wire} on the wire`)
})

test('beyond a day’s room a message is stored only if it brings a trap address or a returned message that the day lacks', async (t) => {
  const policy = testPolicy({ evidencePerDay: 3, traps: ['*@trap.example.org'] })
  const door = openDoor(t, { policy })
  const reply = { kind: 'auto-reply' as const, recipient: 'one@trap.example.org' }
  assert.deepEqual(await decisionsOf(door, reply, reply, reply, reply, reply), [
    ...['counted', 'counted', 'counted', 'counted', 'counted'],
  ])
  assert.equal(rows(door, 'evidence'), 3)
  assert.equal(counters(door)[0]?.messages, 2)
  const other = { ...reply, recipient: 'two@trap.example.org' }
  assert.deepEqual(await decisionsOf(door, other), ['listed'], 'a threshold of traps can be met')
  assert.equal(rows(door, 'evidence'), 4)
  for (const more of [
    { ...reply, seenAt: start - day },
    { ...reply, client: '20.0.0.2' },
    { ...reply, kind: 'dsn' as const },
    { ...reply, kind: null },
  ]) {
    const stored = rows(door, 'evidence')
    await decisionsOf(door, more)
    assert.equal(rows(door, 'evidence'), stored + 1, JSON.stringify(more))
  }
  for (let number = 0; number < 10; number++) {
    await decisionsOf(door, { ...reply, recipient: `more${number}@trap.example.org` })
  }
  assert.equal(rows(door, 'evidence'), 3 + 2 + 4, 'three trap addresses, and not without end')
})

test('a flood of one returned message keeps no other bounce of the day from reaching the threshold', async (t) => {
  const one = { returned: 'one and the same' }
  for (const recipientOf of [
    () => 'one@trap.example.org',
    (n: number) => `${n}@trap.example.org`,
  ]) {
    const policy = testPolicy({ evidencePerDay: 3, traps: ['*@trap.example.org'] })
    const door = openDoor(t, { policy })
    const flood = Array.from({ length: 20 }, (_, n) => ({ ...one, recipient: recipientOf(n) }))
    assert.deepEqual(new Set(await decisionsOf(door, ...flood)), new Set(['counted']))
    assert.equal(rows(door, 'evidence'), 3)
    assert.deepEqual(await decisionsOf(door, { recipient: flood[0]?.recipient ?? '' }), ['listed'])
    await decisionsOf(door, ...Array.from({ length: 20 }, () => ({})))
    assert.equal(rows(door, 'evidence'), 3 + 2, 'three returned messages, and not without end')
  }
})

test('what is only counted extends a listing, and never reaches a threshold', async (t) => {
  const threshold = { messages: 5, traps: 1, windowSeconds: 7 * day }
  const kinds = testPolicy().threshold
  const policy = testPolicy({
    ...{ evidencePerDay: 3, traps: ['one@trap.example.org'] },
    threshold: { ...kinds, dsn: threshold },
  })
  const door = openDoor(t, { policy })
  const many = Array.from({ length: 50 }, () => ({}))
  assert.deepEqual(new Set(await decisionsOf(door, ...many)), new Set(['counted']))
  assert.deepEqual(door.codes('20.0.0.1'), [])
  door.reopen({ policy: testPolicy({ evidencePerDay: 3, traps: ['one@trap.example.org'] }) })
  door.now = start + day
  assert.deepEqual(await decisionsOf(door, { seenAt: door.now }), ['listed'])
  await decisionsOf(door, { seenAt: door.now }, { seenAt: door.now })
  door.now += 3600
  const stored = rows(door, 'evidence')
  const [extended] = await door.blocklist.record([evidence({ seenAt: door.now })])
  assert.equal(rows(door, 'evidence'), stored)
  assert.equal(extended?.decision, 'extended')
  assert.equal(extended?.listing?.expiresAt, door.now + 7 * day)
  const [counter] = counters(door).filter((each) => each.day === Math.floor(door.now / day))
  assert.equal(counter?.last_seen_at, door.now)
  assert.equal(counter?.trap, 'one@trap.example.org')
  // Another kind is not listed yet, and has room of its own.
  const reply = { kind: 'auto-reply' as const, seenAt: door.now }
  assert.deepEqual(await decisionsOf(door, reply), ['counted'])
  door.reopen()
  assert.deepEqual(door.codes('20.0.0.1'), [2, 3])
})

test('a message that is read again when it was only counted extends nothing further', async (t) => {
  const door = openDoor(t, { policy: testPolicy({ evidencePerDay: 2 }) })
  await decisionsOf(door, {}, {})
  const counted = evidence({ seenAt: start - 60 })
  const [first] = await door.blocklist.record([counted])
  door.now = start + 3 * day
  const [again] = await door.blocklist.record([counted])
  assert.equal(again?.listing?.expiresAt, first?.listing?.expiresAt)
  assert.equal(again?.listing?.lastHitAt, first?.listing?.lastHitAt)
})

test('what proves nothing takes no room from what counts', async (t) => {
  const door = openDoor(t, { policy: testPolicy({ evidencePerDay: 3 }) })
  const success = Array.from({ length: 20 }, () => ({ reportsSuccess: true as const }))
  assert.deepEqual(new Set(await decisionsOf(door, ...success)), new Set(['ignored']))
  assert.equal(rows(door, 'evidence'), 3)
  assert.deepEqual(await decisionsOf(door, {}, {}), ['counted', 'listed'])
})

test('messages of clients that are not known, and what is no backscatter, have a day’s room as well', async (t) => {
  const door = openDoor(t, { policy: testPolicy({ evidencePerDay: 3 }) })
  for (const [client, kind] of [
    [null, 'dsn'],
    [null, null],
    ['20.0.0.1', null],
  ] as [string | null, BackscatterKind | null][]) {
    const before = rows(door, 'evidence')
    await decisionsOf(door, ...Array.from({ length: 20 }, () => ({ client, kind })))
    assert.equal(rows(door, 'evidence'), before + 3)
  }
  assert.deepEqual(
    counters(door).map(({ w0, kind, trap, messages }) => [w0, kind, trap, messages]),
    [
      [0, '', '*', 17],
      [0, 'dsn', '*', 17],
      [address('20.0.0.1').w0, '', '*', 17],
    ],
  )
})

test('evidence is deleted when it is kept no longer, with its messages and counters, and the listing stays', async (t) => {
  const door = openDoor(t, { policy: testPolicy({ evidencePerDay: 700 }) })
  const shared = { content: 'shared', returned: 'shared' }
  await decisionsOf(door, ...Array.from({ length: 1200 }, () => ({})), shared)
  await door.blocklist.list([request('20.0.0.9', { expiresAt: null })], cli)
  assert.ok(rows(door, 'evidence') < 1200)
  assert.equal(counters(door).length, 1)
  door.now = start + 60 * day
  await decisionsOf(door, { ...shared, recipient: 'two@trap.example.org' }, {})
  const stored = rows(door, 'evidence')
  assert.equal(await door.blocklist.purgeEvidence(), 0)
  assert.equal(rows(door, 'evidence'), stored)
  door.now = start + 91 * day
  const transactions = t.mock.method(door.store, 'commit')
  assert.equal(await door.blocklist.purgeEvidence(), stored - 2)
  assert.ok(transactions.mock.callCount() > 1, 'in several transactions')
  assert.equal(rows(door, 'evidence'), 2)
  assert.equal(rows(door, 'messages'), 2, 'a message that is told of still stays')
  assert.deepEqual(counters(door), [])
  assert.equal(await door.blocklist.purgeEvidence(), 0)
  assert.deepEqual(door.codes('20.0.0.9'), [2])
  // Ids go on where they were: a removal's mark tells old from new.
  await door.blocklist.delist([prefix('20.0.0.9')], cli)
  door.reopen()
  assert.equal(door.blocklist.explain(address('20.0.0.1')).evidence.length, 2)
})

test('the history of a network is read once, however many of its messages are deleted for their age', async (t) => {
  const door = openDoor(t, { policy: testPolicy({ evidencePerDay: 700 }) })
  await decisionsOf(door, ...Array.from({ length: 700 }, () => ({})))
  door.now = start + 91 * day
  const statements = noteStatements(t)
  assert.equal(await door.blocklist.purgeEvidence(), 700)
  assert.equal(statements.filter((text) => text.includes('kind IS NOT NULL')).length, 1)
})

test('a transaction that deletes old evidence takes no further network after its time', async (t) => {
  const door = openDoor(t)
  const hosts = ['20.0.0.1', '20.0.0.2', '20.0.0.3']
  await decisionsOf(door, { client: null }, ...hosts.flatMap((client) => [{ client }, { client }]))
  door.now = start + 91 * day
  let nowMs = performance.now()
  t.mock.method(performance, 'now', () => {
    nowMs += 1000
    return nowMs
  })
  const transactions = t.mock.method(door.store, 'commit')
  assert.equal(await door.blocklist.purgeEvidence(), 7)
  assert.equal(transactions.mock.callCount(), hosts.length + 1)
})

interface NearlyFull {
  freeBytes: number
  seconds: number
}

/** The disk and the monotonic clock, in the test's hand. */
function mockDisk(t: TestContext): NearlyFull {
  const state = { freeBytes: 10 * 1024 ** 3, seconds: 0 }
  const bsize = 4096
  t.mock.method(fs, 'statfsSync', () => ({
    ...{ bsize, blocks: (100 * 1024 ** 3) / bsize },
    bavail: Math.floor(state.freeBytes / bsize),
  }))
  syncBuiltinESMExports()
  t.mock.method(performance, 'now', () => state.seconds * 1000)
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
  return state
}

test('a nearly full disk puts mail off, says so once a minute, and all else goes on', async (t) => {
  const disk = mockDisk(t)
  const store = openStore(`${temporaryDirectory(t)}/a.db`)
  const warned: string[] = []
  const log: Logger = { ...silentLog, warn: (_fields, message) => warned.push(message) }
  const blocklist = new Blocklist({
    ...{ store, policy: testPolicy(), now: () => start, log },
    ...{ validForSeconds: day, retired: false, minFreeBytes: 1024 ** 3 },
  })
  t.after(() => {
    blocklist.close()
    store.close()
  })
  const isLow = (error: unknown) => error instanceof OperationalError && error.code === 'disk-low'
  await blocklist.record([evidence()])
  disk.freeBytes = 1024 ** 3 - 4096
  for (let second = 1; second <= 121; second++) {
    disk.seconds = second
    await assert.rejects(blocklist.record([evidence()]), isLow)
  }
  assert.equal(warned.length, 3)
  await blocklist.list([request('20.0.0.9')], cli)
  await blocklist.addException('exemption', prefix('20.0.0.10'), null, cli)
  await blocklist.expire()
  await blocklist.purgeEvidence()
  disk.freeBytes = 1024 ** 3
  disk.seconds += 1
  assert.equal((await blocklist.record([evidence()]))[0]?.decision, 'listed')
})

test('of a small disk 5 % are enough, and with no least it is not looked at', async (t) => {
  const disk = mockDisk(t)
  for (const [minFreeBytes, freeBytes, isTaken] of [
    [50 * 1024 ** 3, 5 * 1024 ** 3, true],
    [50 * 1024 ** 3, 5 * 1024 ** 3 - 4096, false],
    [0, 0, true],
  ] as const) {
    disk.freeBytes = freeBytes
    const store = openStore(`${temporaryDirectory(t)}/a.db`)
    const blocklist = new Blocklist({
      ...{ store, policy: testPolicy(), now: () => start, log: silentLog },
      ...{ validForSeconds: day, retired: false, minFreeBytes },
    })
    const recorded = await blocklist.record([evidence()]).then(
      () => true,
      () => false,
    )
    assert.equal(recorded, isTaken)
    blocklist.close()
    store.close()
  }
})
