// GET /v1/evidence: the operator sees everything that is stored, filtered and in pages.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Admin, evidence, openAdmin, start } from '../../support/admin.ts'

const hour = 3600

interface Item {
  readonly id: number
  readonly client: string | null
  readonly trap: string
}

async function ask(admin: Admin, query: string) {
  const reply = await admin.app.inject(`/v1/evidence${query}`)
  return { status: reply.statusCode, body: reply.json() }
}

async function ids(admin: Admin, query: string): Promise<number[]> {
  const { status, body } = await ask(admin, query)
  assert.equal(status, 200, JSON.stringify(body))
  return body.items.map(({ id }: Item) => id)
}

async function filled(t: Parameters<typeof openAdmin>[0]): Promise<Admin> {
  const admin = openAdmin(t)
  const other = { recipient: 'Other@trap.example.org', seenAt: start - 2 * hour }
  await admin.blocklist.record([
    evidence('203.0.113.1', 'dsn', { seenAt: start - 3 * hour }),
    evidence('203.0.113.2', 'auto-reply', other),
    evidence('203.0.113.2', 'dsn', { seenAt: start - hour }),
    evidence('2001:db8::1', 'dsn'),
    { ...evidence('203.0.113.9', 'dsn'), client: null, kind: null, certainty: null },
  ])
  return admin
}

test('a piece of evidence shows all that is stored of it', async (t) => {
  const admin = await filled(t)
  const { body } = await ask(admin, '?address=203.0.113.1')
  const [{ content, returned, ...item }] = body.items
  assert.match(content, /^[0-9a-f]{64}$/)
  assert.equal(returned, content)
  assert.deepEqual(item, {
    ...{ id: 1, seenAt: '2026-07-01T07:00:00Z', recordedAt: '2026-07-01T10:00:00Z' },
    ...{ client: '203.0.113.1', trap: 'secret-trap@trap.example.org', kind: 'dsn' },
    ...{ certainty: 'certain', rule: 'rfc3464', source: 'smtp', decision: 'listed' },
    why: 'dsn: 1 of 1 message, 1 of 1 trap within 7d',
    details: {
      messageId: '<1@mx.example.net>',
      reportingMta: 'mx.example.net',
      subject: 'failure',
    },
  })
})

test('each filter selects, and all of them together', async (t) => {
  const admin = await filled(t)
  const cases: [query: string, ids: number[]][] = [
    ['', [5, 4, 3, 2, 1]],
    ['?address=203.0.113.2', [3, 2]],
    ['?address=203.0.113.0/24', [3, 2, 1]],
    ['?address=2001:db8::/64', [4]],
    ['?address=2001:db8::/32', [4]],
    ['?address=9.9.9.9', []],
    ['?kind=auto-reply', [2]],
    ['?trap=other@trap.example.org', [2]],
    ['?trap=OTHER@TRAP.example.org', [2]],
    ['?trap=*@trap.example.org', [5, 4, 3, 2, 1]],
    ['?trap=*@*.example.org', [5, 4, 3, 2, 1]],
    ['?trap=@example.org', []],
    ['?from=2026-07-01T08:00:00Z&to=2026-07-01T09:00:00Z', [2]],
    ['?to=2026-07-01T10:00:00%2B02:00', [1]],
    ['?address=203.0.113.2&kind=dsn&trap=@trap.example.org&from=2026-07-01T09:00:00Z', [3]],
  ]
  for (const [query, expected] of cases) assert.deepEqual(await ids(admin, query), expected, query)
})

test('pages lead through everything once, whatever the filter', async (t) => {
  const admin = openAdmin(t)
  const all = Array.from({ length: 25 }, (_, index) =>
    evidence(`203.0.113.${index % 2}`, 'dsn', { recipient: `t${index % 3}@trap.example.org` }),
  )
  await admin.blocklist.record(all)
  for (const filter of ['', 'address=203.0.113.1&', 'trap=t1@trap.example.org&', 'kind=dsn&']) {
    const whole = await ids(admin, `?${filter}limit=1000`)
    const seen: number[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body } = await ask(admin, `?${filter}limit=4${cursor && `&cursor=${cursor}`}`)
      assert.ok(body.items.length <= 4)
      seen.push(...body.items.map(({ id }: Item) => id))
      cursor = body.nextCursor
    }
    assert.deepEqual(seen, whole, filter)
  }
})

test('a search through very many rows goes on in the next page', async (t) => {
  const admin = openAdmin(t)
  await admin.blocklist.record([evidence('203.0.113.1', 'dsn')])
  const others = (from: number, count: number) =>
    admin.blocklist.record(
      Array.from({ length: count }, (_, index) =>
        evidence(`203.0.${(from + index) >> 8}.${(from + index) & 255}`, 'auto-reply'),
      ),
    )
  for (let from = 0; from < 5200; from += 400) await others(from, 400)
  assert.deepEqual(await ids(admin, '?kind=dsn'), [1])
  assert.deepEqual(await ids(admin, '?kind=dsn&address=203.0.0.0/16'), [1])
})

test('what is malformed is refused, and every scope below admin', async (t) => {
  const admin = await filled(t)
  for (const query of [
    '?address=x',
    '?trap=x',
    '?kind=x',
    '?from=yesterday',
    '?cursor=x',
    '?nothing=1',
  ]) {
    assert.equal((await ask(admin, query)).status, 400, query)
  }
  for (const scope of ['write', 'read', 'collect', 'public'] as const) {
    admin.scope = scope
    const { status, body } = await ask(admin, '')
    assert.ok(status === 403 || status === 401, `${scope}: ${status}`)
    assert.equal(JSON.stringify(body).includes('secret-trap'), false)
  }
})
