// Whom a forwarded message was for: the operator learns the address, to add it as a trap, and nobody else does.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { test } from 'node:test'
import { evidence, openAdmin } from '../../support/admin.ts'

const stranger = 'somebody@people.example'

test('only scope admin is told whom a message was for that was forwarded to a trap', async (t) => {
  const admin = openAdmin(t)
  const client = '203.0.113.50'
  const addressed = { to: [stranger], returnedAuthors: [] }
  await admin.blocklist.record([evidence(client, 'dsn', { addressed })])
  for (const scope of ['public', 'read', 'write', 'admin'] as const) {
    admin.scope = scope
    const { body } = await admin.app.inject(`/v1/lookup/${client}`)
    assert.equal(body.includes(stranger), scope === 'admin', scope)
  }
  admin.scope = 'collect'
  const reply = await admin.app.inject({
    ...{ method: 'POST', headers: { 'content-type': 'message/rfc822' } },
    url: `/v1/messages?client=${client}&recipient=one@trap.example.org`,
    payload: `From: a@b.example\r\nTo: ${stranger}\r\n\r\nx`,
  })
  const [item] = reply.json().items
  assert.equal(item.decision, 'ignored')
  assert.match(item.why, /not addressed to a trap/)
  assert.doesNotMatch(reply.body, /people\.example/)
})

test('evidence that a command hands in is weighed like what came by itself', async (t) => {
  const admin = openAdmin(t)
  const digest = (digits: string) => digits.repeat(32)
  const item = (digits: string, more: object) => ({
    ...{ client: '203.0.113.50', recipient: 'one@trap.example.org', kind: 'dsn', rule: 'test' },
    ...{ content: digest(digits), returned: digest(digits), seenAt: '2026-07-01T09:00:00Z' },
    ...{ certainty: 'certain', source: 'ingest' },
    ...{ details: { subject: 'x'.repeat(900) }, ...more },
  })
  const reply = await admin.app.inject({
    ...{ method: 'POST', url: '/v1/evidence' },
    payload: {
      items: [
        item('a1', { addressed: { to: [stranger], returnedAuthors: [] } }),
        item('a2', { reportsSuccess: true }),
        item('a3', { addressed: { to: [stranger], returnedAuthors: ['x@trap.example.org'] } }),
      ],
    },
  })
  const { items } = reply.json()
  assert.deepEqual(
    items.map(({ decision }: { decision: string }) => decision),
    ['ignored', 'ignored', 'listed'],
  )
  assert.match(items[0].why, /somebody@people\.example/)
  const { body } = await admin.app.inject('/v1/lookup/203.0.113.50')
  assert.doesNotMatch(body, /x{201}/, 'each field has its length')
  for (const odd of [{ kind: null }, { certainty: null }, { certainty: 'sure' }]) {
    const refused = await admin.app.inject({
      ...{ method: 'POST', url: '/v1/evidence', payload: { items: [item('a4', odd)] } },
    })
    assert.equal(refused.statusCode, 400, JSON.stringify(odd))
  }
})

test('a collector can name the reverse-path; an empty one, and <>, is the null sender', async (t) => {
  const admin = openAdmin(t)
  const send = (query: string) =>
    admin.app.inject({
      method: 'POST',
      url: `/v1/messages?client=203.0.113.50&recipient=one@trap.example.org${query}`,
      headers: { 'content-type': 'message/rfc822' },
      payload: 'From: MAILER-DAEMON@mx.example.net\r\nSubject: failure\r\n\r\nbounce\r\n',
    })
  const sender = async () => {
    const reply = await admin.app.inject('/v1/lookup/203.0.113.50')
    return reply.json().evidence[0].reversePath
  }
  const [item] = (await send('&sender=')).json().items
  assert.equal(item.certainty, 'certain')
  assert.equal(await sender(), '')
  assert.equal((await send('&sender=user@example.net')).statusCode, 200)
  assert.equal(await sender(), 'user@example.net')
  assert.equal((await send(`&sender=${encodeURIComponent('<>')}`)).statusCode, 200)
  assert.equal(await sender(), '')
  for (const address of [
    'user@example.net',
    'SRS0=x=y=example.org=a@example.net',
    '"a b"@x.example',
  ]) {
    assert.equal((await send(`&sender=${encodeURIComponent(address)}`)).statusCode, 200, address)
    assert.equal(await sender(), address)
  }
  for (const odd of [
    '<a@b.example>',
    'MAILER-DAEMON',
    'a@',
    '@b',
    'a\r\n@b',
    `${'x'.repeat(320)}@b`,
  ]) {
    const reply = await send(`&sender=${encodeURIComponent(odd)}`)
    assert.equal(reply.statusCode, 400, odd)
    assert.match(reply.json().detail, /sender/)
  }
  assert.equal((await send('&sender=&sender=')).statusCode, 400)
})

test('mail that a full disk puts off is answered 503, and logged where that is decided alone', async (t) => {
  const statfs = t.mock.method(fs, 'statfsSync', () => ({ bsize: 4096, blocks: 100, bavail: 0 }))
  syncBuiltinESMExports()
  t.after(() => {
    statfs.mock.restore()
    syncBuiltinESMExports()
  })
  const admin = openAdmin(t, { minFreeBytes: 1024 })
  const post = () =>
    admin.app.inject({
      ...{ method: 'POST', headers: { 'content-type': 'message/rfc822' } },
      url: '/v1/messages?client=203.0.113.50&recipient=one@trap.example.org',
      payload: 'From: a@b.example\r\n\r\nx',
    })
  for (let repeat = 0; repeat < 3; repeat++) {
    const reply = await post()
    assert.deepEqual([reply.statusCode, reply.json().code], [503, 'disk-low'])
  }
  assert.deepEqual(
    admin.logged.map(({ message }) => message),
    ['the disk of the database is nearly full: no mail is accepted'],
  )
  const list = { method: 'POST', url: '/v1/listings', payload: { prefix: '203.0.113.7' } } as const
  assert.equal((await admin.app.inject(list)).statusCode, 201)
})
