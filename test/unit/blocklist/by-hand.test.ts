import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { exceptionsPage, listingsPage } from '../../../src/blocklist/pages.ts'
import {
  isRefusal,
  isRequestRefusal,
  kindsMask,
  type Listing,
  type Page,
  type Refusal,
} from '../../../src/blocklist/types.ts'
import { formatPrefix } from '../../../src/ip/address.ts'
import {
  address,
  cli,
  type Door,
  day,
  evidence,
  openDoor,
  prefix,
  request,
  start,
  testPolicy,
} from '../../support/door.ts'

function refusal(outcome: object): Refusal {
  assert.ok(isRefusal(outcome), JSON.stringify(outcome))
  return outcome
}

/** Why a request was refused: each prefix and its reason. */
function refusals(outcome: object): string[] {
  assert.ok(isRequestRefusal(outcome), JSON.stringify(outcome))
  return outcome.refusals.map((each) => `${formatPrefix(each.prefix)} ${each.refused} ${each.why}`)
}

async function list(door: Door, ...requests: ReturnType<typeof request>[]) {
  const outcomes = await door.blocklist.list(requests, cli)
  assert.ok(!isRequestRefusal(outcomes), JSON.stringify(outcomes))
  return outcomes
}

test('what may not be listed by hand is refused, and says why', async (t) => {
  const policy = testPolicy({
    exempt: [{ prefix: prefix('20.9.0.0/16'), note: 'our own' }],
    allowSpecial: [prefix('198.51.100.0/24')],
  })
  const door = openDoor(t, { policy })
  await door.blocklist.addException('exemption', prefix('20.0.0.8/29'), null, cli)
  await door.blocklist.addException('exclusion', prefix('20.7.0.0/16'), null, cli)
  const cases: [string, Refusal['refused'], RegExp][] = [
    ['10.1.2.3', 'special-purpose', /^is in 10\.0\.0\.0\/8 \(Private-Use, RFC 1918\)/],
    ['224.0.0.0/16', 'special-purpose', /Multicast/],
    ['192.0.0.0/16', 'special-purpose', /^contains 192\.0\.0\.0\/24/],
    ['fe80::/64', 'special-purpose', /Link-Local/],
    ['::ffff:20.0.0.1', 'special-purpose', /IPv4-mapped/],
    ['20.9.1.1', 'exempt', /^is exempt: 20\.9\.0\.0\/16 \(our own\)/],
    ['20.0.0.8/29', 'exempt', /^is exempt: 20\.0\.0\.8\/29; end that exemption first$/],
    ['20.0.0.0/15', 'too-short', /is shorter than policy\.shortest4 \(16\)/],
    ['2a00::/31', 'too-short', /is shorter than policy\.shortest6 \(32\)/],
    ['20.7.0.0/16', 'excluded', /include it first/],
  ]
  for (const [text, refused, why] of cases) {
    const outcome = await door.blocklist.list([request(text)], cli)
    assert.ok(isRequestRefusal(outcome), text)
    assert.deepEqual(
      outcome.refusals.map((each) => each.refused),
      [refused],
      text,
    )
    assert.match(outcome.refusals[0]?.why ?? '', why)
  }
  // It contains the range that is allowed, and nothing else that is special.
  await list(door, request('198.51.0.0/16'))
  const past = await door.blocklist.list([request('20.0.0.1', { expiresAt: start })], cli)
  assert.deepEqual(refusals(past), ['20.0.0.1/32 invalid has an expiry time in the past'])
})

test('several prefixes are listed all or none', async (t) => {
  const door = openDoor(t)
  const before = door.blocklist.status().serial
  const outcomes = await door.blocklist.list(
    [request('20.0.0.1'), request('10.0.0.1'), request('20.0.0.2')],
    cli,
  )
  const [refused, ...others] = refusals(outcomes)
  assert.match(refused ?? '', /^10\.0\.0\.1\/32 special-purpose /)
  assert.deepEqual(others, [], 'the refused prefix alone is named')
  assert.deepEqual(door.codes('20.0.0.1'), [])
  assert.equal(state(door, '20.0.0.1'), null)
  assert.equal(door.blocklist.status().serial, before, 'nothing is published either')
  assert.equal(door.store.audit.page(10).length, 0)
})

test('a longer exemption inside is no refusal, and holds', async (t) => {
  const door = openDoor(t)
  await door.blocklist.addException('exemption', prefix('20.0.0.128/25'), null, cli)
  await list(door, request('20.0.0.0/24', { kinds: ['dsn'] }))
  assert.deepEqual(door.codes('20.0.0.0'), [2, 3])
  assert.deepEqual(door.codes('20.0.0.127'), [2, 3])
  assert.deepEqual(door.codes('20.0.0.128'), [])
  assert.equal(state(door, '20.0.0.200'), 'exempt')
})

test('no term: the longest listing; extended, never shortened; permanent beats any term', async (t) => {
  const door = openDoor(t)
  const until = async (expiresAt?: number | null) => {
    const [outcome] = await list(
      door,
      request('20.0.0.1', expiresAt === undefined ? {} : { expiresAt }),
    )
    return [outcome?.outcome, outcome?.listing.expiresAt]
  }
  assert.deepEqual(await until(), ['listed', start + 28 * day])
  assert.deepEqual(await until(start + 5), ['unchanged', start + 28 * day])
  assert.deepEqual(await until(start + 99 * day), ['extended', start + 99 * day])
  assert.deepEqual(await until(null), ['extended', null])
  assert.deepEqual(await until(start + 5), ['unchanged', null])
  door.now = start + 1000 * day
  assert.equal(await door.blocklist.expire(), 0)
  assert.deepEqual(door.codes('20.0.0.1'), [2])
})

test('kinds add up, and a reason stays until there is a new one', async (t) => {
  const door = openDoor(t)
  await list(door, request('20.0.0.1', { kinds: ['dsn'], reason: 'first' }))
  await list(door, request('20.0.0.1', { kinds: ['auto-reply'] }))
  const [outcome] = await list(door, request('20.0.0.1', { kinds: ['callout'] }))
  assert.equal(outcome?.outcome, 'amended')
  assert.deepEqual(outcome?.listing.kinds, ['dsn', 'auto-reply', 'callout'])
  assert.equal(outcome?.listing.reason, 'first')
  assert.deepEqual(door.codes('20.0.0.1'), [2, 3, 4], 'callout is not published')
  const [again] = await list(door, request('20.0.0.1', { reason: 'second' }))
  assert.equal(again?.listing.reason, 'second')
})

test('origins and lists have a row each; DNS shows their union until the last ends', async (t) => {
  const door = openDoor(t)
  await door.blocklist.record([evidence(), evidence()])
  await list(door, request('20.0.0.1', { kinds: ['auto-reply'], expiresAt: start + 10 }))
  await importEntry(door, 'a', { kinds: kindsMask(['content-notice']), expiresAt: null })
  await importEntry(door, 'b', { kinds: 0, expiresAt: start + 28 * day })
  assert.deepEqual(door.codes('20.0.0.1'), [2, 3, 4, 6])
  assert.equal(door.blocklist.status().entries.ipv4, 1)
  assert.equal(door.blocklist.explain(address('20.0.0.1')).until, null)
  door.now = start + 10
  assert.equal(await door.blocklist.expire(), 1)
  assert.deepEqual(door.codes('20.0.0.1'), [2, 3, 6])
  door.now = start + 30 * day
  assert.equal(await door.blocklist.expire(), 2)
  assert.deepEqual(door.codes('20.0.0.1'), [2, 6])
  const removed = await door.blocklist.delist([prefix('20.0.0.1')], cli)
  assert.ok(!isRequestRefusal(removed))
  assert.deepEqual(
    removed.map(({ list, state }) => [list, state]),
    [['a', 'removed']],
  )
  assert.deepEqual(door.codes('20.0.0.1'), [])
  assert.equal(door.blocklist.status().entries.ipv4, 0)
})

test('a removal takes exactly that prefix, of every origin, all or none', async (t) => {
  const door = openDoor(t)
  await list(door, request('20.0.0.0/24'), request('20.0.0.1'), request('20.0.0.2'))
  const absent = ['20.0.1.1/32 not-listed is not listed']
  const [covered] = refusals(await door.blocklist.delist([prefix('20.0.0.9')], cli))
  assert.match(covered ?? '', /^20\.0\.0\.9\/32 covered .* covered by 20\.0\.0\.0\/24/)
  assert.deepEqual(refusals(await door.blocklist.delist([prefix('20.0.1.1')], cli)), absent)
  const both = await door.blocklist.delist([prefix('20.0.0.1'), prefix('20.0.1.1')], cli)
  assert.deepEqual(refusals(both), absent)
  await door.blocklist.delist([prefix('20.0.0.1'), prefix('20.0.0.2')], cli)
  assert.equal(door.blocklist.explain(address('20.0.0.1')).decidedBy, '20.0.0.0/24')
  await door.blocklist.delist([prefix('20.0.0.0/24')], cli)
  assert.deepEqual(door.codes('20.0.0.1'), [])
  const gone = await door.blocklist.delist([prefix('20.0.0.1')], cli)
  assert.deepEqual(refusals(gone), ['20.0.0.1/32 not-listed is not listed'])
})

test('a listing that is over, swept or not, is not there to be removed or to cover', async (t) => {
  const door = openDoor(t)
  await list(door, request('20.0.0.0/24', { expiresAt: start + 5 }))
  door.now = start + 5
  for (const text of ['20.0.0.0/24', '20.0.0.1']) {
    const [refused] = refusals(await door.blocklist.delist([prefix(text)], cli))
    assert.match(refused ?? '', / not-listed /, text)
  }
  const [again] = await list(door, request('20.0.0.0/24', { expiresAt: start + 9 }))
  assert.equal(again?.outcome, 'listed')
  assert.equal(again?.listing.expiresAt, start + 9)
})

test('an exemption beats every listing, and gives back what it covered', async (t) => {
  const door = openDoor(t)
  await list(door, request('20.0.0.0/24'), request('20.0.0.1', { kinds: ['dsn'] }))
  for (const text of ['20.0.0.1', '20.0.0.0/24', '20.0.0.0/8', '0.0.0.0/0']) {
    const added = await door.blocklist.addException('exemption', prefix(text), 'note', cli)
    assert.ok(!isRefusal(added) && added.outcome === 'added')
    assert.deepEqual(door.codes('20.0.0.1'), [], text)
    const removed = await door.blocklist.removeException('exemption', prefix(text), cli)
    assert.ok(!isRefusal(removed) && removed.outcome === 'removed')
    assert.deepEqual(door.codes('20.0.0.1'), [2, 3], text)
  }
})

test('an exclusion is a hole in what covers it, and a longer listing inside still holds', async (t) => {
  const door = openDoor(t)
  await list(door, request('20.0.0.0/24'), request('20.0.0.65', { kinds: ['dsn'] }))
  await door.blocklist.addException('exclusion', prefix('20.0.0.64/26'), null, cli)
  assert.deepEqual(door.codes('20.0.0.63'), [2])
  assert.deepEqual(door.codes('20.0.0.64'), [])
  assert.deepEqual(door.codes('20.0.0.65'), [2, 3])
  assert.equal(state(door, '20.0.0.64'), 'excluded')
  await door.blocklist.addException('exclusion', prefix('20.0.0.65'), null, cli)
  assert.deepEqual(door.codes('20.0.0.65'), [], 'of one prefix the exclusion decides')
  await door.blocklist.removeException('exclusion', prefix('20.0.0.65'), cli)
  await door.blocklist.removeException('exclusion', prefix('20.0.0.64/26'), cli)
  assert.deepEqual(door.codes('20.0.0.64'), [2])
  assert.deepEqual(door.codes('20.0.0.65'), [2, 3])
})

test('exceptions are added once, renamed, and taken back exactly', async (t) => {
  const door = openDoor(t, {
    policy: testPolicy({ exempt: [{ prefix: prefix('20.9.0.0/16'), note: 'ours' }] }),
  })
  const { blocklist } = door
  const first = await blocklist.addException('exemption', prefix('20.0.0.0/24'), null, cli)
  const second = await blocklist.addException('exemption', prefix('20.0.0.0/24'), 'why', cli)
  assert.ok(!isRefusal(first) && !isRefusal(second))
  assert.deepEqual([first.outcome, second.outcome], ['added', 'unchanged'])
  assert.equal(second.exception.note, 'why')
  const third = await blocklist.addException('exemption', prefix('20.0.0.0/24'), null, cli)
  assert.ok(!isRefusal(third))
  assert.deepEqual(third.exception, second.exception)
  const refusals: [string, Refusal['refused']][] = [
    ['20.0.0.1', 'covered'],
    ['20.0.0.0/16', 'not-listed'],
    ['20.9.0.0/16', 'conflict'],
    ['20.9.1.0/24', 'covered'],
  ]
  for (const [text, refused] of refusals) {
    assert.equal(
      refusal(await blocklist.removeException('exemption', prefix(text), cli)).refused,
      refused,
      text,
    )
  }
  assert.equal(
    refusal(await blocklist.removeException('exclusion', prefix('20.0.0.0/24'), cli)).refused,
    'not-listed',
  )
  await blocklist.addException('exemption', prefix('20.9.0.0/16'), 'by hand too', cli)
  const both = await blocklist.removeException('exemption', prefix('20.9.0.0/16'), cli)
  assert.equal(refusal(both).refused, 'conflict', 'it would stay exempt')
  const page = exceptionsPage(door.store, 'exemption', { limit: 10 })
  assert.ok(!isRefusal(page))
  assert.deepEqual(
    page.items.map((each) => [each.prefix, each.source, each.note]),
    [
      ['20.9.0.0/16', 'manual', 'by hand too'],
      ['20.0.0.0/24', 'manual', 'why'],
      ['20.9.0.0/16', 'config', 'ours'],
    ],
  )
})

test('special-purpose and shortest prefixes may be exempt and excluded', async (t) => {
  const { blocklist } = openDoor(t)
  for (const text of ['10.0.0.0/8', '0.0.0.0/0', '::/0', 'fe80::/10']) {
    assert.ok(!isRefusal(await blocklist.addException('exemption', prefix(text), null, cli)), text)
    assert.ok(!isRefusal(await blocklist.addException('exclusion', prefix(text), null, cli)), text)
  }
})

test('traps by hand and by configuration: one matcher that follows every change', async (t) => {
  const door = openDoor(t, { policy: testPolicy({ traps: ['@config.example.org'] }) })
  const { blocklist } = door
  assert.ok(blocklist.isTrap('a@config.example.org'))
  const added = await blocklist.addTrap('@Hand.example.org', cli)
  assert.ok(!isRefusal(added))
  assert.deepEqual([added.outcome, added.trap.pattern], ['added', '*@hand.example.org'])
  assert.ok(blocklist.isTrap('a@hand.example.org'))
  const again = await blocklist.addTrap('*@hand.example.org', cli)
  assert.ok(!isRefusal(again) && again.outcome === 'unchanged')
  const configured = await blocklist.addTrap('@config.example.org', cli)
  assert.ok(!isRefusal(configured) && configured.outcome === 'unchanged')
  assert.equal(refusal(await blocklist.addTrap('nonsense', cli)).refused, 'invalid')
  assert.equal(refusal(await blocklist.removeTrap('@config.example.org', cli)).refused, 'conflict')
  assert.equal(refusal(await blocklist.removeTrap('@other.example.org', cli)).refused, 'not-listed')
  assert.deepEqual(
    door.store.traps.all().map(({ pattern, source }) => [pattern, source]),
    [
      ['*@config.example.org', 'config'],
      ['*@hand.example.org', 'manual'],
    ],
  )
  door.reopen({ policy: testPolicy({ traps: [] }) })
  assert.ok(!door.blocklist.isTrap('a@config.example.org'))
  assert.ok(door.blocklist.isTrap('a@hand.example.org'))
  const removed = await door.blocklist.removeTrap('@hand.example.org', cli)
  assert.ok(!isRefusal(removed) && removed.outcome === 'removed')
  assert.ok(!door.blocklist.isTrap('a@hand.example.org'))
})

test('every change by hand is in the audit with the state before and after', async (t) => {
  const { blocklist, store } = openDoor(t)
  const ops = { name: 'ops' }
  await blocklist.list([request('20.0.0.1', { kinds: ['dsn'] })], ops)
  await blocklist.list([request('20.0.0.1', { expiresAt: null })], ops)
  await blocklist.delist([prefix('20.0.0.1')], ops)
  await blocklist.addException('exemption', prefix('20.0.0.0/24'), 'why', ops)
  await blocklist.removeException('exemption', prefix('20.0.0.0/24'), ops)
  await blocklist.addException('exclusion', prefix('20.0.0.0/24'), null, ops)
  await blocklist.addTrap('@trap.example.org', ops)
  await blocklist.removeTrap('@trap.example.org', ops)
  await blocklist.record([evidence(), evidence()])
  const rows = store.audit.page(100).reverse()
  assert.deepEqual(
    rows.map(({ actor, action, target, before, after }) => [
      ...[actor, action, target, before !== null, after !== null],
    ]),
    [
      ['ops', 'list', '20.0.0.1/32', false, true],
      ['ops', 'list', '20.0.0.1/32', true, true],
      ['ops', 'delist', '20.0.0.1/32', true, true],
      ['ops', 'exempt', '20.0.0.0/24', false, true],
      ['ops', 'unexempt', '20.0.0.0/24', true, false],
      ['ops', 'exclude', '20.0.0.0/24', false, true],
      ['ops', 'trap-add', '*@trap.example.org', false, true],
      ['ops', 'trap-remove', '*@trap.example.org', true, false],
      ['trap', 'list', '20.0.0.1/32', false, true],
    ],
  )
  assert.partialDeepStrictEqual(rows[1], {
    before: { expiresAt: start + 28 * day },
    after: { expiresAt: null },
  })
})

test('listings page by cursor; a cursor from elsewhere is refused', async (t) => {
  const door = openDoor(t)
  const texts = Array.from({ length: 25 }, (_, index) => `20.0.0.${index}`)
  await list(door, ...texts.map((text) => request(text, { kinds: ['dsn'] })))
  const seen: string[] = []
  let cursor: string | null = null
  do {
    const page: Page<Listing> | Refusal = await listingsPage(
      door.store,
      { kind: 'dsn' },
      { limit: 10, ...(cursor && { cursor }) },
      door.now,
    )
    assert.ok(!isRefusal(page))
    seen.push(...page.items.map((each) => each.prefix))
    cursor = page.nextCursor
  } while (cursor !== null)
  assert.deepEqual(seen, texts.map((text) => `${text}/32`).reverse())
  for (const wrong of ['x', '-1', '99999', '1 OR 1', '1e3']) {
    assert.ok(
      isRefusal(await listingsPage(door.store, {}, { limit: 10, cursor: wrong }, door.now)),
      wrong,
    )
  }
  assert.ok(isRefusal(exceptionsPage(door.store, 'exemption', { limit: 1, cursor: 'x' })))
})

test('pages go on when the row that the last one ended with is gone', async (t) => {
  const door = openDoor(t)
  const texts = Array.from({ length: 6 }, (_, index) => `20.0.0.${index}`)
  await list(door, ...texts.map((text) => request(text)))
  for (const [filter, rest] of [
    [{}, ['20.0.0.3/32', '20.0.0.2/32', '20.0.0.1/32', '20.0.0.0/32']],
    [{ prefix: prefix('20.0.0.0/24') }, ['20.0.0.2/32', '20.0.0.3/32', '20.0.0.5/32']],
  ] as const) {
    const first = await listingsPage(door.store, filter, { limit: 2 }, door.now)
    assert.ok(!isRefusal(first) && first.nextCursor !== null)
    deleteRow(door, first.items.at(-1)?.id)
    const next = await listingsPage(
      door.store,
      filter,
      { limit: 10, cursor: first.nextCursor },
      door.now,
    )
    assert.ok(!isRefusal(next))
    assert.deepEqual(
      next.items.map((each) => each.prefix),
      rest,
    )
    const elsewhere = { prefix: prefix('20.0.1.0/24') }
    assert.ok(
      isRefusal(
        await listingsPage(
          door.store,
          elsewhere,
          { limit: 10, cursor: first.nextCursor },
          door.now,
        ),
      ),
    )
  }
})

/** Nothing of ours deletes a row; a page must not need the one it ended with all the same. */
function deleteRow({ directory }: Door, id: number | string | undefined): void {
  const database = new Database(join(directory, 'test.db'))
  database.prepare('DELETE FROM listings WHERE id = ?').run(id)
  database.close()
}

/** 20.0.0.1 as the only entry of a list. */
async function importEntry(
  door: Door,
  name: string,
  attributes: { readonly kinds: number; readonly expiresAt: number | null },
): Promise<void> {
  async function* items() {
    const entry = { prefix: prefix('20.0.0.1'), attributes: { reason: null, ...attributes } }
    yield [{ line: 1, text: '', ...entry }]
  }
  const outcome = await door.blocklist.import({
    ...{ list: name, items: items(), isStrict: true, actor: cli },
  })
  assert.ok('added' in outcome && outcome.added === 1)
}

function state(door: Door, at: string) {
  return door.blocklist.explain(address(at)).state
}
