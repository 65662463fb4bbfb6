// /v1/lookup: the whole story for the operator, the rows for scope read, and for everybody else nothing that
// betrays a trap.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Admin, evidence, openAdmin } from '../../support/admin.ts'

async function lookup(admin: Admin, address: string) {
  const reply = await admin.app.inject(`/v1/lookup/${address}`)
  return { status: reply.statusCode, text: reply.body, body: reply.json() }
}

test('a listed address comes with its codes, times, listing and messages', async (t) => {
  const admin = openAdmin(t)
  await admin.blocklist.record([evidence('203.0.113.9', 'dsn')])
  const { status, body } = await lookup(admin, '203.0.113.9')
  assert.equal(status, 200)
  const { listings, evidence: messages, advice, ...rest } = body
  assert.equal(advice[0].generator, null)
  assert.deepEqual(rest, {
    ...{ query: '203.0.113.9', listed: true, kinds: ['dsn'], codes: ['127.0.0.2', '127.0.0.3'] },
    ...{ since: '2026-07-01T10:00:00Z', until: '2026-07-08T10:00:00Z', state: 'listed' },
    ...{ decidedBy: '203.0.113.9/32', isTestEntry: false },
    ...{ verifiedName: null, specialPurpose: null },
    ...{ exemption: null, exclusion: null, history: [] },
  })
  assert.equal(listings[0].origin, 'trap')
  assert.deepEqual(messages[0], {
    ...{ seenAt: '2026-07-01T10:00:00Z', client: '203.0.113.9', kind: 'dsn' },
    ...{ certainty: 'certain', rule: 'rfc3464' },
    ...{ trap: 'secret-trap@trap.example.org', source: 'smtp', decision: 'listed' },
    ...{ why: messages[0].why, subject: 'failure', messageId: '<1@mx.example.net>' },
    reportingMta: 'mx.example.net',
  })
})

test('scope public gets an allow-list of fields, scope read the rows too, neither the trap', async (t) => {
  const admin = openAdmin(t)
  await admin.blocklist.record([evidence('203.0.113.9', 'dsn')])
  const payload = { prefix: '203.0.113.9', reason: 'private note' }
  await admin.app.inject({ method: 'POST', url: '/v1/listings', payload })
  admin.scope = 'public'
  const told = await lookup(admin, '203.0.113.9')
  assert.deepEqual(Object.keys(told.body), [
    ...[
      'query',
      'listed',
      'kinds',
      'codes',
      'prefix',
      'origin',
      'since',
      'until',
      'state',
      'evidence',
      'advice',
    ],
  ])
  assert.deepEqual([told.body.origin, told.body.evidence], ['trap', []])
  const { advice: _, ...facts } = told.body
  assert.doesNotMatch(JSON.stringify(facts), /secret|private note|failure|example/)
  admin.scope = 'read'
  const read = await lookup(admin, '203.0.113.9')
  assert.equal(read.body.listings.length, 2)
  assert.deepEqual(Object.keys(read.body.evidence[0]), [
    ...['seenAt', 'client', 'kind', 'certainty', 'rule'],
  ])
  assert.doesNotMatch(read.text, /secret|trap\.example|failure|mx\.example/)
})

test('the state tells why an address is not answered', async (t) => {
  const admin = openAdmin(t)
  const post = (url: string, payload: object) => admin.app.inject({ method: 'POST', url, payload })
  await post('/v1/listings', { prefix: '203.0.113.0/25' })
  await post('/v1/exclusions', { prefix: '203.0.113.8/29', note: 'customer' })
  await post('/v1/exemptions', { prefix: '203.0.113.16/29' })
  await post('/v1/listings', { prefix: '203.0.113.130', duration: '1h' })
  await post('/v1/listings', { prefix: '203.0.113.131' })
  await admin.app.inject({ method: 'DELETE', url: '/v1/listings?prefix=203.0.113.131' })
  await admin.blocklist.record([evidence('203.0.113.132', 'callout')])
  admin.now += 7200
  await admin.blocklist.expire()

  const states: [address: string, listed: boolean, state: string | null][] = [
    ['203.0.113.1', true, 'listed'],
    ['203.0.113.9', false, 'excluded'],
    ['203.0.113.17', false, 'exempt'],
    ['203.0.113.130', false, 'expired'],
    ['203.0.113.131', false, 'removed'],
    ['203.0.113.132', false, 'shadow'],
    ['203.0.113.200', false, null],
  ]
  for (const [address, listed, state] of states) {
    const { body } = await lookup(admin, address)
    assert.deepEqual([body.listed, body.state], [listed, state], address)
  }
  assert.equal((await lookup(admin, '203.0.113.9')).body.exclusion.note, 'customer')
  const { history } = (await lookup(admin, '203.0.113.130')).body
  assert.deepEqual([history[0].state, history[0].endedAt], ['expired', '2026-07-01T11:00:00Z'])
})

test('addresses in every notation', async (t) => {
  const admin = openAdmin(t)
  const spellings: [text: string, query: string][] = [
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['::ffff:7f00:2', '::ffff:7f00:2'],
    ['127.0.0.2', '127.0.0.2'],
  ]
  for (const [text, query] of spellings) assert.equal((await lookup(admin, text)).body.query, query)
  assert.equal((await lookup(admin, '127.0.0.2')).body.isTestEntry, true)
  for (const text of ['203.0.113.0%2F24', 'example.org', '203.0.113.09', 'fe80::1%25eth0', '%00']) {
    const { status, body } = await lookup(admin, text)
    assert.deepEqual([status, body.code], [400, 'malformed'], text)
  }
})
