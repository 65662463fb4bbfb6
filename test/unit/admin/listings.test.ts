// /v1/listings: every status that the routes declare, and what changed or did not.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Admin, evidence, openAdmin, start } from '../../support/admin.ts'

async function post(admin: Admin, body: object) {
  const reply = await admin.app.inject({ method: 'POST', url: '/v1/listings', payload: body })
  return { status: reply.statusCode, headers: reply.headers, body: reply.json() }
}

async function get(admin: Admin, url: string) {
  const reply = await admin.app.inject(url)
  return { status: reply.statusCode, body: reply.json() }
}

async function remove(admin: Admin, ...prefixes: string[]) {
  const query = prefixes.map((each) => `prefix=${encodeURIComponent(each)}`).join('&')
  const reply = await admin.app.inject({ method: 'DELETE', url: `/v1/listings?${query}` })
  return { status: reply.statusCode, body: reply.json() }
}

async function listedPrefixes(admin: Admin): Promise<string[]> {
  const { body } = await get(admin, '/v1/listings?state=listed')
  return body.items.map((each: { prefix: string }) => each.prefix)
}

test('a new listing is 201 with its place, and the same again 200, extended and never shortened', async (t) => {
  const admin = openAdmin(t)
  const first = await post(admin, {
    ...{ prefix: '203.0.113.9', kinds: ['dsn'], reason: 'ticket 4711', duration: '2d' },
  })
  assert.equal(first.status, 201)
  assert.equal(first.headers.location, `/v1/listings/${first.body.id}`)
  assert.deepEqual(first.body, {
    ...{ id: first.body.id, prefix: '203.0.113.9/32', kinds: ['dsn'], state: 'listed' },
    ...{
      shadow: null,
      origin: 'manual',
      list: null,
      reason: 'ticket 4711',
      createdAt: '2026-07-01T10:00:00Z',
    },
    ...{ lastHitAt: null, expiresAt: '2026-07-03T10:00:00Z', hits: 0 },
  })
  assert.deepEqual((await get(admin, first.headers.location as string)).body, first.body)

  const shorter = await post(admin, { prefix: '203.0.113.9/32', duration: '1h' })
  assert.equal(shorter.status, 200)
  assert.equal(shorter.body.expiresAt, '2026-07-03T10:00:00Z')
  const longer = await post(admin, {
    prefix: '203.0.113.9',
    expiresAt: '2026-07-09T12:00:00+02:00',
  })
  assert.equal(longer.body.expiresAt, '2026-07-09T10:00:00Z')
  const permanent = await post(admin, { prefix: '203.0.113.9', expiresAt: null })
  assert.equal(permanent.body.expiresAt, null)
  assert.equal(permanent.body.id, first.body.id)
})

test('without a term a listing lasts as long as the policy allows', async (t) => {
  const { body } = await post(openAdmin(t), { prefix: '203.0.113.9' })
  assert.equal(body.expiresAt, '2026-07-29T10:00:00Z')
  assert.deepEqual(body.kinds, [])
})

test('several prefixes are listed in order, each once', async (t) => {
  const admin = openAdmin(t)
  await post(admin, { prefix: '203.0.113.9' })
  const { status, body } = await post(admin, {
    prefixes: ['2001:db8:0:1::/64', '203.0.113.9', '203.0.113.9/32'],
  })
  assert.equal(status, 201)
  const outcomes = body.items.map((each: { outcome: string; listing: { prefix: string } }) => [
    each.outcome,
    each.listing.prefix,
  ])
  assert.deepEqual(outcomes, [
    ['listed', '2001:db8:0:1::/64'],
    ['unchanged', '203.0.113.9/32'],
  ])
  const again = await post(admin, { prefixes: ['203.0.113.9'] })
  assert.equal(again.status, 200)
})

const refused: [name: string, body: object, status: number, code: string, detail: RegExp][] = [
  [
    'a private prefix',
    { prefix: '10.0.0.0/24' },
    422,
    'special-purpose',
    /^10\.0\.0\.0\/24 is in 10/,
  ],
  [
    'around a private one',
    { prefix: '10.0.0.0/7' },
    422,
    'special-purpose',
    /contains 10\.0\.0\.0\/8/,
  ],
  ['multicast', { prefix: 'ff02::1' }, 422, 'special-purpose', /ff00::\/8/],
  ['exempt', { prefix: '203.0.113.241' }, 422, 'exempt', /203\.0\.113\.240\/28 \(our relays\)/],
  [
    'too short',
    { prefix: '8.0.0.0/15' },
    422,
    'too-short',
    /is shorter than policy\.shortest4 \(16\)/,
  ],
  ['host bits', { prefix: '203.0.113.1/24' }, 400, 'malformed', /host bits.*203\.0\.113\.0\/24/],
  ['no address', { prefix: 'example.org' }, 400, 'malformed', /\(not shown\): not an IP address/],
  ['nothing to list', {}, 400, 'malformed', /either prefix or prefixes/],
  ['both forms', { prefix: '203.0.113.1', prefixes: ['203.0.113.2'] }, 400, 'malformed', /either/],
  ['an empty list', { prefixes: [] }, 400, 'malformed', /prefixes/],
  ['a number', { prefix: 5 }, 400, 'malformed', /body\/prefix: must be string/],
  [
    'an unknown key',
    { prefix: '203.0.113.1', kind: 'dsn' },
    400,
    'malformed',
    /unknown key "kind"/,
  ],
  ['an unknown kind', { prefix: '203.0.113.1', kinds: ['spam'] }, 400, 'malformed', /one of "dsn"/],
  [
    'two terms',
    { prefix: '203.0.113.1', duration: '1d', expiresAt: null },
    400,
    'malformed',
    /exclude/,
  ],
  ['no duration', { prefix: '203.0.113.1', duration: 'long' }, 400, 'malformed', /duration/],
  [
    'no time',
    { prefix: '203.0.113.1', expiresAt: 'soon' },
    400,
    'malformed',
    /expiresAt.*date-time/,
  ],
  [
    'no real time',
    { prefix: '203.0.113.1', expiresAt: '2026-02-30T00:00:00Z' },
    400,
    'malformed',
    /./,
  ],
  [
    'past the year 9999',
    { prefix: '203.0.113.1', expiresAt: '9999-12-31T23:59:59-12:00' },
    400,
    'malformed',
    /use null for permanent/,
  ],
  [
    'the past',
    { prefix: '203.0.113.1', expiresAt: '2020-01-01T00:00:00Z' },
    400,
    'invalid',
    /expiry time in the past/,
  ],
  [
    'no time at all',
    { prefix: '203.0.113.1', duration: '0s' },
    400,
    'invalid',
    /expiry time in the past/,
  ],
]
for (const [name, body, status, code, detail] of refused) {
  test(`refused: ${name}`, async (t) => {
    const admin = openAdmin(t)
    const reply = await post(admin, body)
    assert.equal(reply.headers['content-type'], 'application/problem+json')
    assert.equal(reply.status, status)
    assert.equal(reply.body.status, status)
    assert.equal(reply.body.code, code)
    assert.match(reply.body.detail, detail)
    assert.deepEqual(await listedPrefixes(admin), [])
  })
}

test('an excluded prefix is a conflict', async (t) => {
  const admin = openAdmin(t)
  const payload = { prefix: '203.0.113.8/29' }
  await admin.app.inject({ method: 'POST', url: '/v1/exclusions', payload })
  const { status, body } = await post(admin, payload)
  assert.deepEqual([status, body.code], [409, 'excluded'])
})

test('one refusal among several lists none, and every refused one is named', async (t) => {
  const admin = openAdmin(t)
  const { status, body } = await post(admin, {
    prefixes: ['203.0.113.1', '10.0.0.1', '203.0.113.2', '192.168.0.1'],
  })
  assert.equal(status, 422)
  assert.match(body.detail, /^10\.0\.0\.1\/32 is in [^;]*; 192\.168\.0\.1\/32 is in [^;]*$/)
  assert.deepEqual(
    body.errors.map((each: { at: string }) => each.at),
    ['10.0.0.1/32', '192.168.0.1/32'],
  )
  assert.deepEqual(await listedPrefixes(admin), [])

  const many = Array.from({ length: 9 }, (_, index) => `10.0.0.${index}`)
  assert.match((await post(admin, { prefixes: many })).body.detail, /; and 6 more$/)
})

test('removal takes exactly the named entries of every origin, all or none', async (t) => {
  const admin = openAdmin(t)
  await post(admin, { prefixes: ['203.0.113.0/24', '203.0.113.9'] })
  await admin.blocklist.record([evidence('203.0.113.9', 'dsn')])

  const covered = await remove(admin, '203.0.113.9', '203.0.113.10')
  assert.deepEqual([covered.status, covered.body.code], [404, 'covered'])
  assert.match(covered.body.detail, /^203\.0\.113\.10\/32 .* 203\.0\.113\.0\/24/)
  const unknown = await remove(admin, '198.18.0.1')
  assert.deepEqual([unknown.status, unknown.body.code], [404, 'not-listed'])
  assert.equal((await remove(admin, '203.0.113.1/24')).status, 400)
  const unasked = await admin.app.inject({ method: 'DELETE', url: '/v1/listings' })
  assert.equal(unasked.statusCode, 400)
  assert.equal((await listedPrefixes(admin)).length, 3)

  const removed = await remove(admin, '203.0.113.9', '203.0.113.9/32')
  assert.equal(removed.status, 200)
  const origins = removed.body.items.map((each: { origin: string }) => each.origin)
  assert.deepEqual(origins.sort(), ['manual', 'trap'])
  assert.deepEqual(await listedPrefixes(admin), ['203.0.113.0/24'])
})

async function seeded(t: TestContext): Promise<Admin> {
  const admin = openAdmin(t)
  await post(admin, { prefixes: ['203.0.113.1', '203.0.113.2', '203.0.113.3'], kinds: ['dsn'] })
  await post(admin, { prefix: '203.0.113.2', kinds: ['callout'] })
  await admin.blocklist.record([evidence('203.0.113.4', 'auto-reply')])
  await remove(admin, '203.0.113.3')
  return admin
}

test('listings are filtered by prefix, kind, state and origin', async (t) => {
  const admin = await seeded(t)
  const found = async (query: string): Promise<string[]> => {
    const { status, body } = await get(admin, `/v1/listings?${query}`)
    assert.equal(status, 200, JSON.stringify(body))
    return body.items.map((each: { prefix: string }) => each.prefix.slice(10, -3)).sort()
  }
  assert.deepEqual(await found(''), ['1', '2', '3', '4'])
  assert.deepEqual(await found('state=listed'), ['1', '2', '4'])
  assert.deepEqual(await found('state=removed'), ['3'])
  assert.deepEqual(await found('origin=trap'), ['4'])
  assert.deepEqual(await found('kind=callout'), ['2'])
  assert.deepEqual(await found('kind=dsn&state=listed'), ['1', '2'])
  assert.deepEqual(await found('prefix=203.0.113.2/31&state=listed'), ['2'])
  assert.deepEqual(await found('list=nowhere'), [])
})

test('pages follow one another to the end', async (t) => {
  const admin = await seeded(t)
  const seen: number[] = []
  let cursor: string | null = null
  do {
    const after: string = cursor === null ? '' : `&cursor=${cursor}`
    const { body } = await get(admin, `/v1/listings?limit=3${after}`)
    assert.ok(body.items.length <= 3)
    seen.push(...body.items.map((each: { id: number }) => each.id))
    cursor = body.nextCursor
  } while (cursor !== null)
  assert.equal(seen.length, 4)
  assert.equal(new Set(seen).size, 4)
})

test('what a query or path gets wrong is named', async (t) => {
  const admin = openAdmin(t)
  const wrong: [url: string, status: number, detail: RegExp][] = [
    ['/v1/listings?limit=0', 400, /querystring\/limit/],
    ['/v1/listings?limit=5.5', 400, /querystring\/limit/],
    ['/v1/listings?limit=', 400, /querystring\/limit/],
    ['/v1/listings?limit=1001', 400, /querystring\/limit/],
    ['/v1/listings?limit=1&limit=2', 400, /querystring\/limit/],
    ['/v1/listings?cursor=x', 400, /cursor/],
    ['/v1/listings?cursor=99', 400, /cursor/],
    ['/v1/listings?kind=spam', 400, /querystring\/kind: must be one of/],
    ['/v1/listings?colour=red', 400, /unknown key "colour"/],
    ['/v1/listings?__proto__=1', 400, /unknown key/],
    ['/v1/listings?prefix=203.0.113.1/24', 400, /host bits/],
    ['/v1/listings/x', 400, /params\/id/],
    ['/v1/listings/1.5', 400, /params\/id/],
    ['/v1/listings/0', 400, /params\/id/],
    ['/v1/listings/-1', 400, /params\/id/],
    ['/v1/listings/1%20or%201=1', 400, /params\/id/],
    ['/v1/listings/77', 404, /no listing 77/],
  ]
  for (const [url, status, detail] of wrong) {
    const reply = await get(admin, url)
    assert.equal(reply.status, status, url)
    assert.match(reply.body.detail, detail, url)
  }
})

test('a change stands in the audit under the name of who made it', async (t) => {
  const admin = openAdmin(t)
  await post(admin, { prefix: '203.0.113.9' })
  assert.equal(admin.now, start)
  const { default: Database } = await import('better-sqlite3')
  const database = new Database(`${admin.folder}/list.db`, { readonly: true })
  const rows = database
    .prepare("SELECT actor, action, target FROM audit WHERE actor <> 'config'")
    .all()
  database.close()
  assert.deepEqual(rows, [{ actor: 'test', action: 'list', target: '203.0.113.9/32' }])
})
