// What holds for every route: problems in RFC 9457 form whatever goes wrong, scopes, and no 500 for any input.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backscatterKinds } from '../../../src/classify/kinds.ts'
import { OperationalError } from '../../../src/errors.ts'
import { type Admin, openAdmin } from '../../support/admin.ts'
import fc from '../../support/properties.ts'

type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

interface Faulty {
  readonly method: Method
  readonly url: string
  readonly payload?: string
  readonly headers?: Record<string, string>
}

const json = { 'content-type': 'application/json' }
const listing = '/v1/listings'

const faults: [name: string, request: Faulty, status: number, detail: RegExp][] = [
  ['no such path', { method: 'GET', url: '/v1/nothing' }, 404, /nothing at this path/],
  ['no such path with a broken body', { method: 'POST', url: '/no', payload: '{' }, 404, /nothing/],
  ['a trailing slash', { method: 'GET', url: '/healthz/' }, 404, /nothing/],
  ['a malformed URL', { method: 'GET', url: '/v1/lookup/%E0%A4%A' }, 400, /well-formed URL/],
  [
    'a path part too long',
    { method: 'GET', url: `/v1/lookup/${'1'.repeat(600)}` },
    414,
    /too long/,
  ],
  ['broken JSON', { method: 'POST', url: listing, payload: '{', headers: json }, 400, /JSON/],
  ['no JSON at all', { method: 'POST', url: listing, payload: '', headers: json }, 400, /empty/],
  [
    'JSON that is no object',
    { method: 'POST', url: listing, payload: '7', headers: json },
    400,
    /object/,
  ],
  ['no body', { method: 'POST', url: listing }, 400, /body/],
  [
    'a poisoned prototype',
    { method: 'POST', url: listing, payload: '{"__proto__": {"x": 1}}', headers: json },
    400,
    /JSON|prototype|__proto__/,
  ],
  [
    'another media type',
    { method: 'POST', url: listing, payload: '<x/>', headers: { 'content-type': 'text/xml' } },
    415,
    /media type/,
  ],
  [
    'plain text',
    { method: 'POST', url: listing, payload: 'x', headers: { 'content-type': 'text/plain' } },
    415,
    /media type/,
  ],
  [
    'a body too large',
    { method: 'POST', url: listing, payload: `"${'x'.repeat(1_100_000)}"`, headers: json },
    413,
    /larger/,
  ],
]

for (const [name, request, status, detail] of faults) {
  test(`a problem: ${name}`, async (t) => {
    const { app } = openAdmin(t)
    const reply = await app.inject(request)
    assert.equal(reply.statusCode, status, reply.body)
    assert.equal(reply.headers['content-type'], 'application/problem+json')
    const { type, title, status: inBody, code, detail: told } = reply.json()
    assert.equal(type, 'about:blank')
    assert.equal(inBody, status)
    assert.equal(typeof title, 'string')
    assert.match(code, /^[a-z-]+$/)
    assert.match(told, detail)
  })
}

test('405 names what the resource takes, whatever was tried', async (t) => {
  const { app } = openAdmin(t)
  const cases: [Method, string, string][] = [
    ['PUT', '/v1/listings', 'DELETE, GET, HEAD, POST'],
    ['PATCH', '/v1/listings?x=1', 'DELETE, GET, HEAD, POST'],
    ['POST', '/v1/listings/5', 'DELETE, GET, HEAD, PATCH'],
    ['POST', '/healthz', 'GET, HEAD'],
    ['OPTIONS', '/v1/lookup/192.0.2.1', 'GET, HEAD'],
  ]
  for (const [method, url, allow] of cases) {
    const reply = await app.inject({
      method,
      url,
      payload: '{',
      headers: { 'content-type': 'x/y' },
    })
    assert.deepEqual([reply.statusCode, reply.headers.allow], [405, allow], `${method} ${url}`)
    assert.equal(reply.json().code, 'method-not-allowed')
  }
})

test('liveness, readiness and statistics', async (t) => {
  const admin = openAdmin(t)
  assert.deepEqual((await admin.app.inject('/healthz')).json(), { status: 'ok' })
  assert.deepEqual((await admin.app.inject('/readyz')).json(), { status: 'ready' })
  admin.isReady = false
  const unready = await admin.app.inject('/readyz')
  assert.deepEqual([unready.statusCode, unready.json().code], [503, 'not-ready'])
  const stats = (await admin.app.inject('/v1/stats')).json()
  assert.equal(stats.version, '0.0.0')
  assert.equal(stats.tree.capacityBytes, 1 << 22)
  assert.equal(stats.mailboxes[0].lastReadAt, '2026-07-01T10:00:00Z')
  assert.match(stats.validUntil, /Z$/)
})

test('a scope opens what it includes and nothing else', async (t) => {
  const admin = openAdmin(t)
  const status = async (method: Method, url: string): Promise<number> =>
    (await admin.app.inject({ method, url })).statusCode
  const cases: [Admin['scope'], Method, string, number][] = [
    ['public', 'GET', '/v1/lookup/192.0.2.1', 200],
    ['public', 'GET', '/healthz', 200],
    ['public', 'GET', '/v1/listings', 401],
    ['public', 'POST', '/v1/listings', 401],
    ['read', 'GET', '/v1/listings', 200],
    ['read', 'GET', '/v1/stats', 200],
    ['read', 'DELETE', '/v1/listings?prefix=192.0.2.1', 403],
    ['read', 'GET', '/v1/traps', 403],
    ['write', 'GET', '/v1/exemptions', 200],
    ['write', 'DELETE', '/v1/exemptions?prefix=192.0.2.1', 404],
    ['write', 'DELETE', '/v1/traps?pattern=x@y.example', 403],
    ['collect', 'GET', '/v1/listings', 403],
    ['admin', 'GET', '/v1/traps', 200],
  ]
  for (const [scope, method, url, expected] of cases) {
    admin.scope = scope
    assert.equal(await status(method, url), expected, `${scope} ${method} ${url}`)
  }
  admin.scope = 'public'
  const refused = await admin.app.inject('/v1/listings')
  assert.match(String(refused.headers['www-authenticate']), /^Bearer /)
})

test('what fails inside is a 5xx that says nothing of its cause, and a log entry that does', async (t) => {
  const admin = openAdmin(t)
  const secret = 'SQLITE_CORRUPT /var/lib/secret.db'
  const cases: [Error, number, string][] = [
    [new Error(secret), 500, 'internal'],
    [Object.assign(new Error(secret), { statusCode: 599, code: 'X' }), 500, 'internal'],
    [new OperationalError('database-failed', secret), 503, 'database-failed'],
    [new OperationalError('capacity-reached', secret), 503, 'capacity-reached'],
  ]
  for (const [error, status, code] of cases) {
    t.mock.method(admin.blocklist, 'explain', () => {
      throw error
    })
    const reply = await admin.app.inject('/v1/lookup/192.0.2.1')
    assert.deepEqual([reply.statusCode, reply.json().code], [status, code])
    assert.doesNotMatch(reply.body, /secret|SQLITE/)
    assert.deepEqual(admin.logged.at(-1)?.fields, {
      ...{ err: error, method: 'GET', route: '/v1/lookup/:address' },
      requestId: reply.headers['x-request-id'],
    })
  }
})

test('what an operational error has to tell is told in place of its code’s sentence', async (t) => {
  const admin = openAdmin(t)
  const told = 'no room for 7 entries'
  t.mock.method(admin.blocklist, 'explain', () => {
    throw new OperationalError('disk-too-small', `${told} beside /var/lib/secret.db`, { told })
  })
  const reply = await admin.app.inject('/v1/lookup/192.0.2.1')
  assert.deepEqual([reply.statusCode, reply.json().detail], [503, told])
  assert.doesNotMatch(reply.body, /secret/)
})

const key = fc.constantFrom(
  'prefix',
  'prefixes',
  'kinds',
  'reason',
  'expiresAt',
  'duration',
  'note',
  'pattern',
)
const near = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.ipV4().map((address) => `${address}/24`),
  fc.constantFrom(
    '203.0.113.9',
    '2001:db8::/64',
    '28d',
    '0s',
    '2026-07-09T10:00:00Z',
    '@x.example',
  ),
  fc.constantFrom(...backscatterKinds),
  fc.string({ unit: 'binary' }),
)
const value = fc.oneof(near, fc.array(near, { maxLength: 5 }), fc.jsonValue())
const body = fc.oneof(fc.dictionary(key, value, { maxKeys: 5 }), fc.jsonValue())

test('no body and no query ends in a 500, and every refusal is a problem', async (t) => {
  const { app, logged } = openAdmin(t)
  const path = fc.constantFrom('/v1/listings', '/v1/exemptions', '/v1/exclusions', '/v1/traps')
  const query = fc.dictionary(
    fc.oneof(fc.constantFrom('prefix', 'limit', 'cursor', 'kind', 'state', 'pattern'), fc.string()),
    fc.oneof(near, fc.integer().map(String)),
    { maxKeys: 3 },
  )
  const check = (reply: { statusCode: number; body: string; headers: Record<string, unknown> }) => {
    assert.ok(reply.statusCode < 500, reply.body)
    const isProblem = reply.headers['content-type'] === 'application/problem+json'
    assert.equal(isProblem, reply.statusCode >= 400, reply.body)
  }
  await fc.assert(
    fc.asyncProperty(path, body, query, fc.string(), async (url, payload, search, id) => {
      const text = JSON.stringify(payload)
      check(await app.inject({ method: 'POST', url, payload: text, headers: json }))
      const asked = `${url}?${new URLSearchParams(search)}`
      check(await app.inject({ method: 'GET', url: asked }))
      check(await app.inject({ method: 'DELETE', url: asked }))
      check(await app.inject({ method: 'GET', url: `${url}/${encodeURIComponent(id) || 'x'}` }))
      check(await app.inject(`/v1/lookup/${encodeURIComponent(id) || 'x'}`))
    }),
    { numRuns: 150 },
  )
  assert.deepEqual(logged, [])
})

test('a body that cannot be read is refused with what could be: media type and content coding', async (t) => {
  const { app } = openAdmin(t)
  const importing = '/v1/import?list=a'
  const refused = async (url: string, headers: Record<string, string>, payload = '203.0.113.9') => {
    const reply = await app.inject({ method: 'POST', url, headers, payload })
    assert.equal(reply.statusCode, 415, reply.body)
    assert.equal(reply.headers['content-type'], 'application/problem+json')
    const { accept, 'accept-encoding': codings } = reply.headers
    return [reply.json().code, accept, codings]
  }
  const lists =
    'text/plain, text/csv, application/x-ndjson, application/jsonl, application/octet-stream, application/x-www-form-urlencoded'
  assert.deepEqual(
    [
      await refused('/v1/listings', { 'content-type': 'text/plain' }),
      await refused('/v1/messages?recipient=a@b.example', { 'content-type': 'application/json' }),
      await refused(importing, { 'content-type': 'application/json' }, '{}'),
      await refused(importing, { 'content-type': 'multipart/form-data; boundary=x' }),
      await refused(importing, { 'content-type': 'text/plain', 'content-encoding': 'gzip' }),
      await refused('/v1/listings', {
        'content-type': 'application/json',
        'content-encoding': 'Br',
      }),
    ],
    [
      ['media-type', 'application/json', undefined],
      ['media-type', 'message/rfc822', undefined],
      ['media-type', lists, undefined],
      ['media-type', lists, undefined],
      ['content-coding', undefined, 'identity'],
      ['content-coding', undefined, 'identity'],
    ],
  )
  assert.deepEqual((await app.inject('/v1/listings')).json().items, [])
  for (const type of ['text/csv; charset=utf-8', 'application/x-www-form-urlencoded', '']) {
    const headers = { 'content-encoding': 'identity', ...(type && { 'content-type': type }) }
    const reply = await app.inject({
      method: 'POST',
      url: importing,
      headers,
      payload: '203.0.113.9',
    })
    assert.equal(reply.statusCode, 200, `${type}: ${reply.body}`)
  }
})
