// /v1/removals: what anyone is answered who asks to be removed, how often anyone may ask, and what the operator sees of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Admin, evidence, openAdmin, policy, stopClock } from '../../support/admin.ts'
import { day } from '../../support/door.ts'
import { noteStatements } from '../../support/statements.ts'

const host = '203.0.113.9'
const stranger = '198.51.100.1'

interface Asking {
  readonly from?: string
  readonly headers?: Record<string, string>
}

async function ask(
  admin: Admin,
  address: string,
  { from = '127.0.0.1', headers = {} }: Asking = {},
) {
  const scope = admin.scope
  admin.scope = 'public'
  const reply = await admin.app.inject({
    ...{ method: 'POST', url: '/v1/removals', payload: { address } },
    ...{ remoteAddress: from, headers: { 'x-request-id': 'same', ...headers } },
  })
  admin.scope = scope
  return { status: reply.statusCode, text: reply.body, body: reply.json(), headers: reply.headers }
}

async function decide(admin: Admin, id: number, action: 'approve' | 'refuse', payload?: object) {
  const reply = await admin.app.inject({
    ...{ method: 'POST', url: `/v1/removals/${id}/${action}` },
    ...(payload && { payload }),
  })
  return { status: reply.statusCode, body: reply.json() }
}

async function queue(admin: Admin, query = '') {
  return (await admin.app.inject(`/v1/removals${query}`)).json()
}

function hit(admin: Admin, client = host) {
  return admin.blocklist.record([evidence(client, 'dsn', { seenAt: admin.now })])
}

test('anyone can have a quiet host removed, and queues a request for one that is not', async (t) => {
  const admin = openAdmin(t)
  await hit(admin)
  const early = await ask(admin, host)
  assert.equal(early.status, 202)
  assert.deepEqual(early.body, {
    ...{ prefix: '203.0.113.9/32', state: 'queued', why: 'it has to be quiet for 1d first' },
    ...{ askAgainAt: '2026-07-02T10:00:00Z', listed: true },
  })
  admin.now += day
  const late = await ask(admin, host)
  assert.equal(late.status, 200)
  assert.deepEqual(late.body, {
    ...{ prefix: '203.0.113.9/32', state: 'removed', why: 'the rules of the list allow it' },
    ...{ askAgainAt: null, listed: false },
  })
  const { listed, history } = (await admin.app.inject(`/v1/lookup/${host}`)).json()
  assert.deepEqual([listed, history[0].state], [false, 'removed'])
})

test('the operator sees the queue, newest first, and decides; nobody sees who asked', async (t) => {
  const admin = openAdmin(t)
  const hosts = ['203.0.113.9', '203.0.113.10', '203.0.113.11']
  for (const each of hosts) {
    await hit(admin, each)
    await ask(admin, each, { from: stranger })
  }
  const stats = async () => (await admin.app.inject('/v1/stats')).json().queuedRemovals
  assert.equal(await stats(), 3)
  const first = await queue(admin, '?limit=2')
  assert.deepEqual(
    first.items.map(({ id, prefix }: { id: number; prefix: string }) => [id, prefix]),
    [
      [3, '203.0.113.11/32'],
      [2, '203.0.113.10/32'],
    ],
  )
  const second = await queue(admin, `?limit=2&cursor=${first.nextCursor}`)
  assert.deepEqual([second.items.length, second.nextCursor], [1, null])
  assert.deepEqual(second.items[0], {
    ...{ id: 1, prefix: '203.0.113.9/32', state: 'queued' },
    ...{ why: 'it has to be quiet for 1d first', requestedAt: '2026-07-01T10:00:00Z' },
    ...{ decidedAt: null, decidedBy: null },
  })

  const approved = await decide(admin, 1, 'approve')
  assert.deepEqual(approved, {
    status: 200,
    body: {
      ...{ id: 1, prefix: '203.0.113.9/32', state: 'removed', why: 'removed by the operator' },
      ...{ requestedAt: '2026-07-01T10:00:00Z', decidedAt: '2026-07-01T10:00:00Z' },
      decidedBy: 'test',
    },
  })
  const refused = await decide(admin, 2, 'refuse', { why: 'mend it first' })
  assert.deepEqual([refused.status, refused.body.state], [200, 'refused'])
  assert.equal(refused.body.why, 'mend it first')
  for (const [id, action, status] of [
    [1, 'refuse', 409],
    [2, 'approve', 409],
    [9, 'approve', 404],
  ] as const) {
    assert.equal((await decide(admin, id, action)).status, status, `${action} ${id}`)
  }
  assert.equal(await stats(), 1)
  const states = async (query: string) =>
    (await queue(admin, query)).items.map(({ id }: { id: number }) => id)
  assert.deepEqual(await states('?state=queued'), [3])
  assert.deepEqual(await states('?state=removed'), [1])
  assert.deepEqual(await states('?state=refused'), [2])
  assert.deepEqual(await states('?state=obsolete'), [])
  assert.doesNotMatch(JSON.stringify([await queue(admin), admin.logged]), /198\.51\.100/)
  const again = await ask(admin, '203.0.113.10')
  assert.deepEqual([again.status, again.body.code], [409, 'conflict'])
  assert.doesNotMatch(again.text, /mend it first/, 'the reason is for the operator')
})

test('each path wants its scope', async (t) => {
  const admin = openAdmin(t)
  await hit(admin)
  await ask(admin, host)
  const paths = [
    ['GET', '/v1/removals'],
    ['POST', '/v1/removals/1/refuse'],
    ['POST', '/v1/removals/1/approve'],
  ] as const
  const statuses = async () =>
    await Promise.all(
      paths.map(async ([method, url]) => (await admin.app.inject({ method, url })).statusCode),
    )
  admin.scope = 'public'
  assert.deepEqual(await statuses(), [401, 401, 401])
  admin.scope = 'collect'
  assert.deepEqual(await statuses(), [403, 403, 403])
  admin.scope = 'read'
  assert.deepEqual(await statuses(), [200, 403, 403])
  admin.scope = 'write'
  assert.deepEqual(await statuses(), [200, 200, 409])
})

test('whatever is known of a host that is not answered, it is not listed, at the same cost', async (t) => {
  const admin = openAdmin(t)
  const { blocklist, app } = admin
  const post = (url: string, payload: object) => app.inject({ method: 'POST', url, payload })
  const hosts = {
    'below the threshold': '203.0.113.102',
    held: '203.0.113.103',
    shadow: '203.0.113.104',
    expired: '203.0.113.105',
    removed: '203.0.113.106',
    excluded: '203.0.113.109',
    exempt: '203.0.113.117',
    'never listed': '127.0.0.10',
  }
  await hit(admin, hosts.expired)
  await hit(admin, hosts.removed)
  await ask(admin, hosts.expired)
  await hit(admin, hosts.exempt)
  await app.inject({ method: 'DELETE', url: `/v1/listings?prefix=${hosts.removed}` })
  await post('/v1/exemptions', { prefix: '203.0.113.116/31' })
  admin.now += 8 * day
  await blocklist.expire()
  await hit(admin, hosts.excluded)
  await post('/v1/exclusions', { prefix: hosts.excluded })
  const twice = { messages: 2, traps: 1, windowSeconds: 7 * day }
  await blocklist.reconfigure({
    ...policy,
    holdForSeconds: day,
    threshold: { ...policy.threshold, 'auto-reply': twice },
  })
  await blocklist.record([
    evidence(hosts['below the threshold'], 'auto-reply', { seenAt: admin.now }),
    evidence(hosts.held, 'dsn', { seenAt: admin.now }),
    evidence(hosts.shadow, 'callout', { seenAt: admin.now }),
  ])
  const statements = noteStatements(t)
  const shown = async (address: string) => {
    statements.length = 0
    const { status, text, headers } = await ask(admin, address)
    const { date: _, 'content-length': length, ...rest } = headers
    const saved = text.replaceAll(address, 'X')
    return {
      status,
      text: saved,
      rest,
      length: Number(length) - address.length,
      read: [...statements],
    }
  }
  const none = await shown('203.0.113.100')
  assert.equal(none.status, 404)
  assert.deepEqual(JSON.parse(none.text), {
    ...{ type: 'about:blank', title: 'Not Found', status: 404, code: 'not-listed' },
    ...{ detail: 'X is not listed', requestId: 'same' },
  })
  assert.deepEqual(none.read, [], 'the database is not read')
  for (const [what, address] of Object.entries(hosts)) {
    assert.deepEqual(await shown(address), none, what)
  }
  const network = await ask(admin, '2001:db8::/64')
  assert.deepEqual([network.status, network.body.detail], [404, '2001:db8::/64 is not listed'])
})

test('what is listed by hand or from a list is the operator’s to remove, with a trap’s listing hidden or not', async (t) => {
  const admin = openAdmin(t)
  const listed = '203.0.113.0/26'
  await admin.app.inject({ method: 'POST', url: '/v1/listings', payload: { prefix: listed } })
  await admin.app.inject({
    ...{ method: 'POST', url: '/v1/import?list=a', payload: '203.0.113.70\n' },
    headers: { 'content-type': 'text/plain' },
  })
  await admin.blocklist.record([evidence('203.0.113.5', 'callout')])
  const texts = new Set<string>()
  for (const address of ['203.0.113.70', '203.0.113.4', '203.0.113.5', '127.0.0.2']) {
    const { status, text } = await ask(admin, address)
    assert.equal(status, 422)
    texts.add(text.replace(address, 'X'))
  }
  assert.equal(texts.size, 1)
  const [text = ''] = texts
  const { code, detail } = JSON.parse(text)
  assert.equal(code, 'operator-only')
  assert.equal(detail, 'X is listed, but not for mail to a spam trap: ask the operator of the list')
})

test('a text that names no listed host is malformed, and is not repeated', async (t) => {
  const admin = openAdmin(t)
  for (const text of [
    '203.0.113.0/24',
    '2001:db8::/48',
    'a@trap.example.org',
    '',
    '1.2.3',
    '::/129',
  ]) {
    const { status, body } = await ask(admin, text)
    assert.deepEqual([status, body.code], [400, 'malformed'], text)
    assert.doesNotMatch(body.detail, /trap\.example/)
  }
  const reply = await admin.app.inject({ method: 'POST', url: '/v1/removals', payload: {} })
  assert.equal(reply.statusCode, 400)
})

test('an operator can turn removal on request off, and on again', async (t) => {
  const admin = openAdmin(t)
  await hit(admin)
  admin.now += day
  admin.takesRemovals = false
  for (const address of [host, '203.0.113.100', 'nonsense']) {
    const { status, body } = await ask(admin, address)
    assert.deepEqual([status, body.code], [403, 'forbidden'])
    assert.match(body.detail, /takes no requests for removal: ask the operator of the list$/)
  }
  admin.takesRemovals = true
  assert.equal((await ask(admin, host)).status, 200)
})

test('a client may ask ten times an hour, and so may its whole IPv6 network', async (t) => {
  const admin = openAdmin(t)
  const clock = stopClock(t)
  for (const client of ['198.51.100.1', '2001:db8:9::']) {
    for (let count = 1; count <= 10; count++) {
      const from = client.includes(':') ? `${client}${count}` : client
      assert.equal((await ask(admin, `203.0.113.${count + 20}`, { from })).status, 404)
    }
    const { status, body, headers } = await ask(admin, '203.0.113.200', { from: client })
    assert.deepEqual(
      [status, body.code, headers['retry-after']],
      [429, 'too-many-requests', '3600'],
    )
  }
  assert.equal((await ask(admin, '203.0.113.200', { from: '198.51.100.2' })).status, 404)
  clock.nowMs += 3_600_001
  assert.equal((await ask(admin, '203.0.113.200', { from: '198.51.100.1' })).status, 404)
  assert.deepEqual(
    admin.logged.map(({ fields }) => fields),
    ['198.51.100.1', '2001:db8:9::/64'].map((client) => ({
      ...{ client, why: 'too many requests', refused: 1 },
    })),
  )
})

test('for a prefix strangers together may ask five times an hour, listed or not', async (t) => {
  const admin = openAdmin(t)
  stopClock(t)
  await hit(admin)
  await hit(admin, '2001:db8::1')
  for (const [address, status] of [
    [host, 202],
    ['203.0.113.100', 404],
    ['2001:db8::', 202],
    ['2001:db8:1::', 404],
  ] as const) {
    const from = (count: number) => `198.51.${address.length}.${count}`
    const each = (count: number) => (address.includes(':') ? `${address}${count}` : address)
    for (let count = 1; count <= 5; count++) {
      assert.equal((await ask(admin, each(count), { from: from(count) })).status, status)
    }
    const late = await ask(admin, each(6), { from: from(6) })
    assert.deepEqual([late.status, late.headers['retry-after']], [429, '3600'], address)
    const own = await ask(admin, each(7), { from: each(7) })
    assert.equal(own.status, status, 'strangers do not keep the host itself waiting')
  }
  assert.equal((await ask(admin, host)).status, 202, 'loopback has no limit')
  const reply = await admin.app.inject({
    ...{ method: 'POST', url: '/v1/removals', payload: { address: host } },
    remoteAddress: stranger,
  })
  assert.equal(reply.statusCode, 202, 'a key has no limit')
})

test('an Idempotency-Key of a stranger is not kept', async (t) => {
  const admin = openAdmin(t)
  await hit(admin)
  const headers = { 'idempotency-key': 'one' }
  assert.equal((await ask(admin, '203.0.113.100', { headers })).status, 404)
  assert.equal((await ask(admin, host, { headers })).status, 202)
  admin.now += day
  assert.equal((await ask(admin, host, { headers })).status, 200)
})
