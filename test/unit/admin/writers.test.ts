// Two writers at once, and one that says the same thing twice: ETags and Idempotency-Key.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Admin, openAdmin } from '../../support/admin.ts'

const json = { 'content-type': 'application/json' }

function post(admin: Admin, url: string, payload: object, key: string) {
  const headers = { ...json, 'idempotency-key': key }
  return admin.app.inject({ method: 'POST', url, payload: JSON.stringify(payload), headers })
}

test('of two who change what they both read, one is told that it has changed', async (t) => {
  const { app } = openAdmin(t)
  const payload = JSON.stringify({ prefix: '203.0.113.9', kinds: ['dsn'] })
  await app.inject({ method: 'POST', url: '/v1/listings', payload, headers: json })
  const url = '/v1/listings/1'
  const tag = String((await app.inject(url)).headers['etag'])
  const change = (reason: string) =>
    app.inject({
      ...{ method: 'PATCH', url, payload: JSON.stringify({ reason, duration: '1d' }) },
      headers: { ...json, 'if-match': tag },
    })
  const both = await Promise.all([change('one'), change('two')])
  assert.deepEqual(both.map(({ statusCode }) => statusCode).sort(), [200, 412])
  const [done] = both.filter(({ statusCode }) => statusCode === 200)
  const now = await app.inject(url)
  assert.equal(now.headers['etag'], done?.headers['etag'])
  assert.equal(now.json().reason, done?.json().reason)
  assert.equal(now.json().expiresAt, '2026-07-02T10:00:00Z')
  const { items } = (await app.inject('/v1/audit?action=amend')).json()
  assert.deepEqual([items.length, items[0].actor, items[0].before.reason], [1, 'test', null])
  assert.equal(items[0].after.expiresAt, '2026-07-02T10:00:00Z')
})

test('a repeated request is answered as the first one was, for a day, and by its own caller alone', async (t) => {
  const admin = openAdmin(t)
  const first = await post(admin, '/v1/listings', { prefix: '203.0.113.9' }, 'a')
  const again = await post(admin, '/v1/listings', { prefix: '203.0.113.9' }, 'a')
  assert.equal(first.statusCode, 201)
  assert.deepEqual(
    [again.statusCode, again.body, again.headers.location, again.headers['idempotency-replayed']],
    [201, first.body, first.headers.location, 'true'],
  )
  const other = await post(admin, '/v1/listings', { prefix: '203.0.113.10' }, 'a')
  assert.deepEqual([other.statusCode, other.json().code], [422, 'idempotency-key-reused'])
  const refused = await post(admin, '/v1/listings', { prefix: '127.0.0.1' }, 'b')
  assert.equal((await post(admin, '/v1/listings', { prefix: '127.0.0.1' }, 'b')).body, refused.body)
  admin.now += 86_401
  assert.equal((await post(admin, '/v1/listings', { prefix: '203.0.113.9' }, 'a')).statusCode, 200)
})

test('a key that was made is not made again, and its secret is kept nowhere', async (t) => {
  const admin = openAdmin(t)
  const made = await post(admin, '/v1/keys', { name: 'ops', scope: 'read' }, 'k')
  const again = await post(admin, '/v1/keys', { name: 'ops', scope: 'read' }, 'k')
  assert.deepEqual([made.statusCode, again.statusCode, again.json().code], [201, 409, 'told-once'])
  assert.equal((await admin.app.inject('/v1/keys')).json().items.length, 1)
})

test('an import takes no Idempotency-Key, rather than none being heeded', async (t) => {
  const { app } = openAdmin(t)
  const headers = { 'content-type': 'text/plain', 'idempotency-key': 'a' }
  const request = { method: 'POST', url: '/v1/import?list=a', headers } as const
  const refused = await app.inject({ ...request, payload: '203.0.113.9\n' })
  assert.deepEqual([refused.statusCode, refused.json().code], [400, 'idempotency-key-refused'])
  assert.deepEqual((await app.inject('/v1/listings')).json().items, [])
})

test('a key of scope read writes nothing: an answer that changed nothing is not kept for a day', async (t) => {
  const admin = openAdmin(t)
  admin.scope = 'read'
  const headers = { 'content-type': 'message/rfc822', 'idempotency-key': 'a' }
  const request = { method: 'POST', url: '/v1/classify', headers } as const
  const first = await admin.app.inject({ ...request, payload: 'Subject: a\n\nb\n' })
  const again = await admin.app.inject({ ...request, payload: 'Subject: a\n\nb\n' })
  assert.deepEqual([first.statusCode, again.statusCode], [200, 200])
  assert.equal(again.headers['idempotency-replayed'], undefined)
  assert.equal(again.body, first.body)
})
