// The figures of the overview: what is counted, what a reader of scope read may see, and that nothing in it is taken for HTML.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { overviewView } from '../../../src/admin/pages/overview-view.ts'
import { QueryHistory } from '../../../src/admin/pages/query-history.ts'
import { RecentEvidence } from '../../../src/admin/pages/recent-evidence.ts'
import { PageRenderer } from '../../../src/admin/pages/render.ts'
import type { ServerStatus } from '../../../src/admin/schemas/server.ts'
import { evidence, openAdmin, start } from '../../support/admin.ts'

const hour = 3600

test('a sample a second tells the rates of each group and how long a publication took', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let outcomes: Record<string, number> = { listed: 5 }
  let publication = { serial: 1, publishedInMs: 3 }
  const history = new QueryHistory({
    outcomes: () => outcomes,
    publication: () => publication,
  })
  history.start()
  t.after(() => history.stop())
  outcomes = { listed: 1_000_005, notListed: 2_000_000, noData: 1_000_000, slipped: 1 }
  const sampled = once(history, 'sample')
  t.mock.timers.tick(1000)
  const [{ rates, publishedInMs }] = await sampled
  assert.ok(rates[0] > 0)
  // Both rates are rounded to a tenth, and the timer's second is not a real one.
  assert.ok(Math.abs(rates[1] / rates[0] - 3) < 0.01, `${rates}`)
  assert.deepEqual([rates[2], rates[3]], [0, 0])
  assert.ok(rates[4] > 0)
  assert.equal(publishedInMs, null)
  publication = { serial: 2, publishedInMs: 7 }
  t.mock.timers.tick(1000)
  assert.equal(history.samples.at(-1)?.publishedInMs, 7)
  t.mock.timers.tick(1000 * 1000)
  assert.equal(history.samples.length, 900)
  const times = history.samples.map(({ at }) => at)
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  )
})

test('evidence is counted by hour, source and network, each row once, for two days', async (t) => {
  const admin = openAdmin(t)
  const recent = new RecentEvidence(admin.store, () => admin.now)
  const record = (client: string, source: string) =>
    admin.blocklist.record([evidence(client, 'dsn', { source })])
  await record('203.0.113.1', 'old')
  admin.now = start + 50 * hour
  for (const last of [1, 2, 3]) await record(`203.0.113.${last}`, 'smtp')
  await record('2001:db8::1', 'box')
  await recent.refresh()
  admin.now += 2 * hour
  await record('2001:db8::2', 'smtp')
  await Promise.all([recent.refresh(), recent.refresh()])
  const { hours, sources } = recent.hourly()
  assert.equal(hours.length, 48)
  assert.equal(hours.at(-1), Math.floor(admin.now / hour) * hour)
  assert.deepEqual(
    sources.map(({ name, counts }) => [name, counts.at(-3), counts.at(-2), counts.at(-1)]),
    [
      ['smtp', 3, 0, 1],
      ['box', 1, 0, 0],
    ],
  )
  assert.deepEqual(recent.topNetworks(5), [
    { network: '203.0.113.0/24', messages: 3 },
    { network: '2001:db8::/48', messages: 2 },
  ])
  assert.equal(recent.topNetworks(1).length, 1)
  admin.now += 48 * hour
  await recent.refresh()
  assert.deepEqual(recent.hourly().sources, [])
  assert.deepEqual(recent.topNetworks(5), [])
})

test('the first look finds the rows of the last two days among many', async (t) => {
  const admin = openAdmin(t)
  const many = (count: number) =>
    admin.blocklist.record(Array.from({ length: count }, () => evidence('203.0.113.1', 'dsn')))
  for (let day = 0; day < 5; day++) {
    await many(day + 1)
    admin.now += 24 * hour
  }
  const { figures, evidence: rows } = admin.store
  for (let day = 0; day <= 5; day++) {
    const before = figures.idBefore(start + day * 24 * hour, rows.newestId())
    assert.equal(before, (day * (day + 1)) / 2, `day ${day}`)
  }
  const recent = new RecentEvidence(admin.store, () => admin.now)
  await recent.refresh()
  const [source] = recent.hourly().sources
  assert.equal(
    source?.counts.reduce((sum, count) => sum + count),
    5,
  )
})

test('listings are counted by their kinds while they are listed', async (t) => {
  const admin = openAdmin(t)
  await admin.blocklist.record([
    evidence('203.0.113.1', 'dsn'),
    evidence('203.0.113.2', 'dsn'),
    evidence('203.0.113.2', 'auto-reply'),
  ])
  const counts = () => admin.store.figures.listingCounts().sort((a, b) => a.kinds - b.kinds)
  assert.deepEqual(counts(), [
    { kinds: 1, listings: 1 },
    { kinds: 3, listings: 1 },
  ])
  admin.now += 400 * 24 * hour
  await admin.blocklist.expire()
  assert.deepEqual(counts(), [])
})

async function statusOf(t: TestContext, scope: 'read' | 'admin'): Promise<ServerStatus> {
  const admin = openAdmin(t)
  admin.scope = scope
  return (await admin.app.inject('/v1/stats')).json()
}

test('every text in the overview is escaped', async (t) => {
  const bad = '<img src=x onerror=alert(1)>"\''
  const stats = await statusOf(t, 'admin')
  const [mailbox] = stats.mailboxes
  assert.ok(mailbox)
  const times = { toldAt: null, answeredAt: null, serial: 1, answeredSerial: 1 }
  const view = overviewView({
    stats: {
      ...stats,
      needRestart: [bad],
      writeFailure: { since: stats.validUntil, why: bad },
      mailboxes: [
        { ...mailbox, name: bad, state: 'failing', lastError: bad, lastErrorDetail: bad },
      ],
      secondaries: [{ address: bad, state: 'silent', ...times }],
      imports: [{ list: bad, phase: 'reading', done: 1, total: null }],
    },
    samples: [],
    evidence: { hours: [0], sources: [{ name: bad, counts: [1] }] },
    networks: [{ network: bad, messages: 1 }],
    listings: [],
    lists: [{ name: bad, entries: 1 }],
    origin: bad,
  })
  const renderer = new PageRenderer('bl.example')
  const parts = ['health', 'queries', 'evidence', 'parts', 'kinds', 'networks']
  for (const part of parts) {
    const html = renderer.renderPart(`overview-${part}`, view)
    assert.match(html, /&lt;img src=x/, part)
    assert.doesNotMatch(html, /<img/, part)
  }
})

test('a stranger gets neither the overview nor its events; scope read is not told the words of a mail server', async (t) => {
  const admin = openAdmin(t)
  admin.byKey = true
  assert.equal((await admin.app.inject('/dashboard')).statusCode, 303)
  assert.equal((await admin.app.inject('/dashboard/events')).statusCode, 401)
  admin.byKey = false
  await admin.blocklist.record([evidence('203.0.113.1', 'dsn')])
  admin.mailbox = { state: 'failing', lastError: 'login', lastErrorDetail: 'secret-trap@x.example' }
  for (const scope of ['read', 'write', 'admin'] as const) {
    admin.scope = scope
    admin.now += 1
    const page = await admin.app.inject('/dashboard')
    assert.equal(page.statusCode, 200)
    assert.match(page.body, /mailbox box fails/)
    assert.equal(page.body.includes('secret-trap'), scope === 'admin', scope)
    assert.doesNotMatch(page.body, /@trap\.example/)
  }
})
