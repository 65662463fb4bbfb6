// The look-up without a key is no oracle: what it says of an address that DNS does not answer, and what it reads to say
// it, are the same whether a trap was hit from there or not.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { serveOnTcp } from '../../../src/admin/listeners.ts'
import { type Admin, evidence, listenerOptions, openAdmin, policy } from '../../support/admin.ts'
import { address } from '../../support/door.ts'
import { noteStatements } from '../../support/statements.ts'

const day = 86_400

interface Shown {
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly text: string
  readonly statements: readonly string[]
}

/** Asks over TCP without a key, or with one. */
async function lookups(t: TestContext, admin: Admin) {
  admin.byKey = true
  const listener = await serveOnTcp(admin.app, listenerOptions(admin))
  t.after(() => listener.close())
  const statements = noteStatements(t)
  return async (address: string, key?: string): Promise<Shown> => {
    statements.length = 0
    const reply = await fetch(`http://${listener.address}/v1/lookup/${address}`, {
      headers: { 'x-request-id': 'same', ...(key && { authorization: `Bearer ${key}` }) },
    })
    const text = await reply.text()
    const headers = [...reply.headers].filter(([name]) => name !== 'date')
    return { status: reply.status, headers, text, statements: [...statements] }
  }
}

/** One host for each thing that is known of hosts which are not answered; all have addresses of one length. */
async function unansweredHosts(admin: Admin): Promise<Record<string, string>> {
  const { blocklist, app } = admin
  const post = (url: string, payload: object) => app.inject({ method: 'POST', url, payload })
  const hosts = {
    'hit nothing, another one': '203.0.113.101',
    'below the threshold': '203.0.113.102',
    held: '203.0.113.103',
    shadow: '203.0.113.104',
    expired: '203.0.113.105',
    removed: '203.0.113.106',
    'excluded from a covering listing': '203.0.113.109',
    'exempt, and listed before': '203.0.113.117',
    'exempt by the configuration, and hit': '203.0.113.241',
  }
  // From two traps, so that there was public evidence.
  const both = [hosts.expired, hosts.removed].flatMap((client) =>
    ['one', 'two'].map((trap) =>
      evidence(client, 'dsn', { recipient: `${trap}@trap.example.org` }),
    ),
  )
  await blocklist.record(both)
  for (const client of [hosts.expired, hosts.removed]) {
    const shown = (await app.inject(`/v1/lookup/${client}`)).json()
    assert.equal(shown.listed, true)
  }
  assert.equal(blocklist.find(address(hosts.expired)).evidence.length, 1)
  await post('/v1/listings', { prefix: hosts['exempt, and listed before'] })
  await post('/v1/listings', { prefix: '203.0.113.108/30' })
  await post('/v1/exclusions', { prefix: '203.0.113.109' })
  await post('/v1/exemptions', { prefix: '203.0.113.116/31' })
  await app.inject({ method: 'DELETE', url: `/v1/listings?prefix=${hosts.removed}` })
  admin.now += 8 * day
  await blocklist.expire()
  const twice = { messages: 2, traps: 1, windowSeconds: 7 * day }
  await blocklist.reconfigure({
    ...policy,
    holdForSeconds: day,
    threshold: { ...policy.threshold, 'auto-reply': twice },
  })
  const fresh = (client: string, kind: Parameters<typeof evidence>[1]) =>
    evidence(client, kind, { seenAt: admin.now })
  const decisions = await blocklist.record([
    fresh(hosts['below the threshold'], 'auto-reply'),
    fresh(hosts.held, 'dsn'),
    fresh(hosts.shadow, 'callout'),
    fresh(hosts['exempt by the configuration, and hit'], 'dsn'),
  ])
  assert.deepEqual(
    decisions.map(({ decision }) => decision),
    ['counted', 'listed', 'listed', 'ignored'],
  )
  return hosts
}

test('a host that is not answered looks like one that hit nothing, and costs the same reads', async (t) => {
  const admin = openAdmin(t)
  const hosts = await unansweredHosts(admin)
  const ask = await lookups(t, admin)
  const none = await ask('203.0.113.100')
  assert.equal(none.status, 200)
  assert.deepEqual(JSON.parse(none.text), {
    ...{ query: '203.0.113.100', listed: false, kinds: [], codes: [] },
    ...{
      prefix: null,
      origin: null,
      since: null,
      until: null,
      state: null,
      evidence: [],
      advice: [],
    },
  })
  for (const [what, host] of Object.entries(hosts)) {
    const shown = await ask(host)
    assert.deepEqual({ ...shown, text: shown.text.replace(host, '203.0.113.100') }, none, what)
  }
})

test('without a key the table of evidence is never read, with one it is', async (t) => {
  const admin = openAdmin(t)
  const key = (
    await admin.app.inject({
      ...{ method: 'POST', url: '/v1/keys', payload: { name: 'reader', scope: 'read' } },
    })
  ).json().key
  await admin.blocklist.record([evidence('203.0.113.9', 'dsn')])
  const ask = await lookups(t, admin)
  const readsEvidence = ({ statements }: Shown) =>
    statements.some((text) => text.includes('FROM evidence'))
  for (const address of ['203.0.113.9', '203.0.113.8', '127.0.0.2', '2001:db8::1']) {
    assert.equal(readsEvidence(await ask(address)), false, address)
  }
  assert.equal(readsEvidence(await ask('203.0.113.9', key)), true)
})

test('of an answered host anyone learns the kinds and the day; the end and the messages need a key', async (t) => {
  const admin = openAdmin(t)
  const key = (
    await admin.app.inject({
      ...{ method: 'POST', url: '/v1/keys', payload: { name: 'reader', scope: 'read' } },
    })
  ).json().key
  await admin.blocklist.record([evidence('203.0.113.9', 'dsn')])
  admin.now += day
  const payload = { prefix: '203.0.113.9', kinds: ['auto-reply'] }
  await admin.app.inject({ method: 'POST', url: '/v1/listings', payload })
  const ask = await lookups(t, admin)
  const { advice, ...told } = JSON.parse((await ask('203.0.113.9')).text)
  assert.ok(advice.length > 0)
  assert.deepEqual(told, {
    ...{ query: '203.0.113.9', listed: true, kinds: ['dsn', 'auto-reply'] },
    codes: ['127.0.0.2', '127.0.0.3', '127.0.0.4'],
    ...{ prefix: '203.0.113.9/32', origin: 'trap' },
    ...{ since: '2026-07-01T00:00:00Z', until: null, state: 'listed', evidence: [] },
  })
  const { since, until, evidence: messages } = JSON.parse((await ask('203.0.113.9', key)).text)
  assert.deepEqual([since, until], ['2026-07-01T10:00:00Z', '2026-07-30T10:00:00Z'])
  assert.equal(messages.length, 1)
})

test('a reply’s id does not count the requests of others', async (t) => {
  const admin = openAdmin(t)
  const idOf = async () => (await admin.app.inject('/healthz')).headers['x-request-id']
  const ids = [await idOf(), await idOf()].map(String)
  // All that the two have in common is the form of a random UUID.
  for (const id of ids)
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})
