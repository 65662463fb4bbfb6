// What a stranger tries: keys that are wrong, old or too small, addresses that are not his, bodies that are slow or
// never end, paths and fields with something else in them. Each is answered its own problem, and changes nothing.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { serveOnTcp } from '../../../src/admin/listeners.ts'
import { type Admin, evidence, listenerOptions, openAdmin, stopClock } from '../../support/admin.ts'
import { prefix } from '../../support/door.ts'

const json = { 'content-type': 'application/json' }

/** An application that goes by keys alone, and a key of each scope. */
async function openWithKeys(t: TestContext) {
  const admin = openAdmin(t)
  const keys: Record<string, { id: number; key: string }> = {}
  for (const scope of ['read', 'write', 'collect', 'admin']) {
    const payload = JSON.stringify({ name: `a ${scope}`, scope })
    const made = await admin.app.inject({ method: 'POST', url: '/v1/keys', payload, headers: json })
    assert.equal(made.statusCode, 201, made.body)
    keys[scope] = made.json()
  }
  admin.byKey = true
  const ask = (url: string, key: string, more: object = {}) =>
    admin.app.inject({
      url,
      ...more,
      headers: { authorization: `Bearer ${key}`, ...('payload' in more && json) },
    })
  return {
    admin,
    ask,
    keyOf: (scope: string) => keys[scope]?.key ?? '',
    idOf: (scope: string) => keys[scope]?.id,
  }
}

test('a key opens what its scope says, until it expires or is revoked, and from then on nothing', async (t) => {
  const { admin, ask, keyOf, idOf } = await openWithKeys(t)
  const cases: [string, 'GET' | 'POST', string, number, string?][] = [
    ['read', 'GET', '/v1/listings', 200],
    ['read', 'POST', '/v1/listings', 403, 'forbidden'],
    ['write', 'POST', '/v1/listings', 201],
    ['write', 'GET', '/v1/traps', 403, 'forbidden'],
    ['collect', 'GET', '/v1/listings', 403, 'forbidden'],
    ['collect', 'GET', '/v1/lookup/203.0.113.9', 200],
    ['admin', 'GET', '/v1/audit', 200],
  ]
  const payload = JSON.stringify({ prefix: '203.0.113.9' })
  for (const [scope, method, url, status, code] of cases) {
    const reply = await ask(url, keyOf(scope), { method, ...(method === 'POST' && { payload }) })
    assert.deepEqual([reply.statusCode, reply.json().code], [status, code], `${scope} ${url}`)
  }
  const made = await ask('/v1/keys', keyOf('admin'), {
    ...{
      method: 'POST',
      payload: JSON.stringify({ name: 'brief', scope: 'read', duration: '1h' }),
    },
  })
  const brief = made.json().key
  assert.equal((await ask('/v1/listings', brief)).statusCode, 200)
  admin.now += 3600
  const expired = await ask('/v1/listings', brief)
  assert.deepEqual([expired.statusCode, expired.json().code], [401, 'wrong-key'])
  const revoked = await ask(`/v1/keys/${idOf('read')}`, keyOf('admin'), { method: 'DELETE' })
  assert.ok(revoked.json().revokedAt)
  assert.equal((await ask('/v1/listings', keyOf('read'))).json().code, 'wrong-key')
})

test('a secret is told once, kept as a hash alone, and its last use is shown', async (t) => {
  const { admin, ask, keyOf, idOf } = await openWithKeys(t)
  await ask('/v1/listings', keyOf('read'))
  const listed = await ask('/v1/keys', keyOf('admin'))
  assert.doesNotMatch(listed.body, /bsd_/)
  const row = listed.json().items.find(({ id }: { id: number }) => id === idOf('read'))
  assert.equal(row.lastUsedAt, '2026-07-01T10:00:00Z')
  const audit = await ask('/v1/audit?action=key-create', keyOf('admin'))
  assert.equal(audit.json().items.length, 4)
  assert.doesNotMatch(audit.body, /bsd_/)
  await admin.app.close()
})

test('wrong keys put their address off after twenty, and nobody else, and no valid key', async (t) => {
  const { ask, keyOf } = await openWithKeys(t)
  const clock = stopClock(t)
  const from = (remoteAddress: string) => ({ remoteAddress })
  const wrong = `bsd_${'A'.repeat(43)}`
  for (let tries = 0; tries < 20; tries++) {
    assert.equal((await ask('/v1/listings', wrong, from('2001:db8::1'))).statusCode, 401)
  }
  const putOff = await ask('/v1/listings', wrong, from('2001:db8::2'))
  assert.deepEqual([putOff.statusCode, putOff.json().code], [429, 'too-many-wrong-keys'])
  assert.equal(putOff.headers['retry-after'], '60')
  assert.equal((await ask('/v1/listings', wrong, from('2001:db8:0:1::1'))).statusCode, 401)
  assert.equal((await ask('/v1/listings', keyOf('read'), from('2001:db8::1'))).statusCode, 200)
  clock.nowMs += 60_000
  assert.equal((await ask('/v1/listings', wrong, from('2001:db8::1'))).statusCode, 401)
})

test('a clock that is set back leaves no address put off for longer', async (t) => {
  const { admin, ask } = await openWithKeys(t)
  const clock = stopClock(t)
  const wrong = `bsd_${'A'.repeat(43)}`
  const from = { remoteAddress: '198.51.100.1' }
  for (let tries = 0; tries < 21; tries++) await ask('/v1/listings', wrong, from)
  assert.equal((await ask('/v1/listings', wrong, from)).statusCode, 429)
  admin.now -= 86_400
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() - 86_400_000 })
  clock.nowMs += 60_000
  assert.equal((await ask('/v1/listings', wrong, from)).statusCode, 401)
})

test('what is no Bearer key of ours is a wrong key: other schemes, cut, padded, doubled', async (t) => {
  const { admin, keyOf } = await openWithKeys(t)
  const key = keyOf('admin')
  const fields = [
    'Basic YTpi',
    `Bearer ${key.slice(0, -1)}`,
    `Bearer ${key}=`,
    `Bearer ${key} ${key}`,
  ]
  for (const authorization of [...fields, key, 'Bearer', `Bearer\t${key}`, "Bearer ' OR 1=1 --"]) {
    const reply = await admin.app.inject({ url: '/v1/keys', headers: { authorization } })
    assert.deepEqual([reply.statusCode, reply.json().code], [401, 'wrong-key'], authorization)
  }
  const lower = await admin.app.inject({
    url: '/v1/keys',
    headers: { authorization: `bearer ${key}` },
  })
  assert.equal(lower.statusCode, 200)
})

test('without a key an address has so many requests a minute; with one, or from loopback, it has all', async (t) => {
  const { admin, ask, keyOf } = await openWithKeys(t)
  admin.requestsPerMinute = 3
  const url = '/v1/lookup/203.0.113.9'
  const status = async (remoteAddress: string, headers = {}): Promise<number> =>
    (await admin.app.inject({ url, remoteAddress, headers })).statusCode
  for (let request = 0; request < 3; request++) assert.equal(await status('198.51.100.1'), 200)
  assert.equal(await status('198.51.100.1'), 429)
  assert.equal(await status('198.51.100.1', { 'x-forwarded-for': '198.51.100.2' }), 429)
  assert.equal(await status('198.51.100.2'), 200)
  assert.equal((await ask(url, keyOf('read'), { remoteAddress: '198.51.100.1' })).statusCode, 200)
  for (let request = 0; request < 9; request++) assert.equal(await status('127.0.0.1'), 200)
  assert.equal(await status('::ffff:198.51.100.1'), 429)
})

test('a wall clock that is set back does not put an address off for as long', async (t) => {
  const { admin } = await openWithKeys(t)
  const clock = stopClock(t)
  admin.requestsPerMinute = 3
  const request = { url: '/v1/lookup/203.0.113.9', remoteAddress: '198.51.100.1' }
  const status = async () => (await admin.app.inject(request)).statusCode
  for (let count = 0; count < 3; count++) assert.equal(await status(), 200)
  const refused = await admin.app.inject(request)
  assert.equal(refused.statusCode, 429)
  assert.equal(refused.headers['retry-after'], '60')
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() - 86_400_000 })
  clock.nowMs += 61_000
  assert.equal(await status(), 200)
})

test('only a trusted proxy says whose request it is, and only as far as its word is unbroken', async (t) => {
  const { admin } = await openWithKeys(t)
  admin.requestsPerMinute = 1
  admin.trustedProxies = [prefix('192.0.2.0/24')]
  const status = async (forwarded: string, remoteAddress = '192.0.2.1'): Promise<number> =>
    (
      await admin.app.inject({
        url: '/v1/lookup/203.0.113.9',
        remoteAddress,
        headers: { 'x-forwarded-for': forwarded },
      })
    ).statusCode
  assert.equal(await status('198.51.100.1'), 200)
  assert.equal(await status('10.0.0.1, 198.51.100.1, 192.0.2.7'), 429)
  assert.equal(await status('198.51.100.1, 198.51.100.3'), 200)
  assert.equal(await status('127.0.0.1', '203.0.113.1'), 200)
  assert.equal(await status('127.0.0.1', '203.0.113.1'), 429)
  // A port behind an address changes nothing (RFC 7239 §6).
  assert.equal(await status('198.51.100.5:4711'), 200)
  assert.equal(await status('198.51.100.5:4712'), 429)
  assert.equal(await status('[2001:db8:1::5]:4711'), 200)
  assert.equal(await status('2001:db8:1::6'), 429)
  // What is no address proves nothing: all such clients are one, and never the loopback's, which is free.
  assert.equal(await status('198.51.100.9, <script>'), 200)
  assert.equal(await status("198.51.100.8, ' OR 1=1"), 429)
  admin.trustedProxies = [prefix('127.0.0.1/32')]
  assert.equal(await status('198.51.100.10, <other>', '127.0.0.1'), 429)
})

test('dots and escapes in a path lead nowhere else', async (t) => {
  const { admin, keyOf } = await openWithKeys(t)
  const paths = ['/v1/../healthz', '/v1/%2e%2e/healthz', '/docs/static/..%2f..%2fpackage.json']
  const more = [
    '/docs/static/../../../../etc/passwd',
    '/docs/static/%2e%2e/%2e%2e/index.js',
    '//healthz',
  ]
  const address = await listening(t, admin)
  const odd = [
    '/v1/listings/%2e%2e',
    '/v1/listings/..',
    '/v1/listings/1%00',
    '/v1/lookup/%2e%2e%2fkeys',
  ]
  for (const url of [...paths, ...more, ...odd]) {
    // As it stands: fetch and URL would resolve the dots themselves.
    const fields = `Host: x\r\nAuthorization: Bearer ${keyOf('read')}\r\nConnection: close`
    const answer = await exchange(address, [`GET ${url} HTTP/1.1\r\n${fields}\r\n\r\n`])
    assert.match(answer, /^HTTP\/1\.1 (400|403|404) /, url)
    assert.match(answer, /content-type: application\/problem\+json/i, url)
  }
  const docs = await admin.app.inject('/docs')
  assert.equal(docs.statusCode, 200)
  assert.doesNotMatch(docs.body, /https?:\/\/(?!www\.w3\.org)/)
  assert.match(String(docs.headers['content-security-policy']), /default-src 'none'/)
})

test('SQL in any field is text', async (t) => {
  const { admin, ask, keyOf } = await openWithKeys(t)
  const sql = "x'); DROP TABLE listings; --"
  const inQuery = encodeURIComponent(sql)
  const write = (url: string, payload: object) =>
    ask(url, keyOf('admin'), { method: 'POST', payload: JSON.stringify(payload) })
  assert.equal(
    (await write('/v1/listings', { prefix: '203.0.113.9', reason: sql })).statusCode,
    201,
  )
  assert.equal(
    (await write('/v1/exemptions', { prefix: '203.0.113.16', note: sql })).statusCode,
    201,
  )
  assert.equal((await write('/v1/traps', { pattern: `${sql}@x.example` })).statusCode, 400)
  assert.equal((await write('/v1/keys', { name: sql, scope: 'read' })).statusCode, 400)
  assert.equal((await ask(`/v1/listings?list=${inQuery}`, keyOf('read'))).json().items.length, 0)
  assert.equal((await ask(`/v1/listings?cursor=${inQuery}`, keyOf('read'))).statusCode, 400)
  assert.equal((await ask(`/v1/audit?actor=${inQuery}`, keyOf('admin'))).json().items.length, 0)
  assert.equal((await ask(`/v1/lookup/${inQuery}`, keyOf('read'))).statusCode, 400)
  assert.equal((await ask('/v1/listings', keyOf('read'))).json().items[0].reason, sql)
  assert.deepEqual(admin.logged, [])
})

test('a request id is taken over when it is harmless, and stands in the problem', async (t) => {
  const { admin } = await openWithKeys(t)
  const idOf = async (given: string) =>
    (await admin.app.inject({ url: '/v1/listings', headers: { 'x-request-id': given } })).json()
      .requestId
  assert.equal(await idOf('a-1.b_2'), 'a-1.b_2')
  for (const odd of ['<script>', 'a b', 'x'.repeat(65), 'ä', ''])
    assert.notEqual(await idOf(odd), odd)
})

test('below scope admin no answer holds a trap address', async (t) => {
  const { admin, ask, keyOf } = await openWithKeys(t)
  await admin.blocklist.record([evidence('203.0.113.60', 'dsn')])
  const secret = /secret-trap|trap\.example\.org/
  const urls = [
    '/v1/lookup/203.0.113.60',
    '/v1/listings',
    '/v1/stats',
    '/v1/mailboxes',
    '/v1/mailboxes/box',
  ]
  for (const url of urls) {
    for (const key of [keyOf('read'), keyOf('write')]) {
      const reply = await ask(url, key)
      assert.equal(reply.statusCode, 200)
      assert.doesNotMatch(reply.body, secret, url)
    }
  }
  assert.match((await ask('/v1/lookup/203.0.113.60', keyOf('admin'))).body, secret)
  const known = Object.keys((await admin.app.inject('/v1/lookup/203.0.113.60')).json())
  const answered = ['query', 'listed', 'kinds', 'codes', 'state']
  const shown = [...answered, 'prefix', 'origin', 'since', 'until', 'evidence', 'advice']
  assert.deepEqual(known.sort(), shown.sort())
  const stranger = await ask('/v1/messages?recipient=secret-stranger@x.example', keyOf('collect'), {
    method: 'POST',
  })
  assert.doesNotMatch(stranger.body, /secret-stranger/)
})

/** Everything a socket is answered until it closes. */
async function exchange(address: string, chunks: readonly string[]): Promise<string> {
  const [host = '', port] = address.split(':')
  const socket = connect(Number(port), host).setEncoding('latin1')
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  socket.on('error', () => undefined)
  for (const chunk of chunks) socket.write(chunk)
  await once(socket, 'close')
  return answer
}

async function listening(t: TestContext, admin: Admin): Promise<string> {
  const listener = await serveOnTcp(admin.app, {
    ...listenerOptions(admin),
    deadlines: { requestMs: 2000 },
  })
  t.after(() => listener.close())
  return listener.address
}

test('a body that never ends is given up, a header that is too long and what is no HTTP too', async (t) => {
  const admin = openAdmin(t)
  const address = await listening(t, admin)
  const head = 'POST /v1/listings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
  const slow = await exchange(address, [`${head}Content-Length: 100\r\n\r\n`, '{"prefix"'])
  assert.match(slow, /^HTTP\/1\.1 408 .*application\/problem\+json.*"code":"timeout"/s)
  const long = await exchange(address, [
    `GET /healthz HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
  ])
  assert.match(long, /^HTTP\/1\.1 431 .*"code":"headers-too-large"/s)
  for (const odd of [
    '\x16\x03\x01\x02\x00\x01\x00\x01',
    'GET / HTTP/9.9\r\n\r\n',
    'EHLO x\r\n\r\n',
  ]) {
    assert.match(await exchange(address, [odd]), /^HTTP\/1\.1 400 .*"code":"malformed"/s)
  }
  const smuggled = `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/keys HTTP/1.1\r\n\r\n`
  assert.match(await exchange(address, [smuggled]), /^HTTP\/1\.1 400 /)
  const injected = await exchange(address, [
    'GET /v1/nothing HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\nSet-Cookie: b\r\nConnection: close\r\n\r\n',
  ])
  assert.doesNotMatch(injected, /set-cookie/i)
})

test('over TCP a caller is nobody until a key says otherwise', async (t) => {
  const admin = openAdmin(t)
  admin.byKey = true
  const address = await listening(t, admin)
  const reply = await fetch(`http://${address}/v1/listings`)
  assert.equal(reply.status, 401)
  assert.equal(reply.headers.get('x-content-type-options'), 'nosniff')
  assert.equal(reply.headers.get('cache-control'), 'no-store')
  const open = await fetch(`http://${address}/v1/lookup/203.0.113.9`)
  assert.equal((await open.json()).listed, false)
})
