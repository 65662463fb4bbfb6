// /v1/exemptions, /v1/exclusions and /v1/traps: add, read, take back, by id and by name.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Admin, openAdmin } from '../../support/admin.ts'

type Method = 'GET' | 'POST' | 'DELETE'

async function ask(admin: Admin, method: Method, url: string, payload?: object) {
  const reply = await admin.app.inject({ method, url, ...(payload && { payload }) })
  return { status: reply.statusCode, location: reply.headers.location, body: reply.json() }
}

for (const path of ['/v1/exemptions', '/v1/exclusions']) {
  test(`${path}: added, noted, read and taken back`, async (t) => {
    const admin = openAdmin(t)
    const added = await ask(admin, 'POST', path, { prefix: '203.0.113.0/29', note: 'one' })
    assert.equal(added.status, 201)
    assert.deepEqual(added.body, {
      ...{ id: added.body.id, prefix: '203.0.113.0/29', source: 'manual', note: 'one' },
      createdAt: '2026-07-01T10:00:00Z',
    })
    assert.equal(added.location, `${path}/${added.body.id}`)
    const again = await ask(admin, 'POST', path, { prefix: '203.0.113.0/29', note: 'two' })
    assert.deepEqual([again.status, again.body.id, again.body.note], [200, added.body.id, 'two'])
    assert.deepEqual((await ask(admin, 'GET', added.location as string)).body, again.body)

    await ask(admin, 'POST', path, { prefix: '2001:db8::/48' })
    const first = await ask(admin, 'GET', `${path}?limit=1`)
    assert.equal(first.body.items[0].prefix, '2001:db8::/48')
    const second = await ask(admin, 'GET', `${path}?limit=1&cursor=${first.body.nextCursor}`)
    assert.equal(second.body.items[0].prefix, '203.0.113.0/29')

    const byPrefix = await ask(admin, 'DELETE', `${path}?prefix=2001:db8::/48`)
    assert.deepEqual([byPrefix.status, byPrefix.body.prefix], [200, '2001:db8::/48'])
    assert.equal((await ask(admin, 'DELETE', added.location as string)).status, 200)
    assert.equal((await ask(admin, 'DELETE', added.location as string)).status, 404)
    assert.equal((await ask(admin, 'GET', added.location as string)).status, 404)
  })

  test(`${path}: an IPv4-mapped prefix in dotted form is the IPv4 prefix`, async (t) => {
    const admin = openAdmin(t)
    for (const [prefix, taken] of [
      ['::ffff:203.0.113.9/128', '203.0.113.9/32'],
      ['::ffff:203.0.113.16', '203.0.113.16/32'],
      ['::ffff:203.0.113.32/124', '203.0.113.32/28'],
    ] as const) {
      assert.equal((await ask(admin, 'POST', path, { prefix })).body.prefix, taken)
      assert.equal((await ask(admin, 'DELETE', `${path}?prefix=${prefix}`)).body.prefix, taken)
    }
  })

  test(`${path}: what cannot be is a problem, and changes nothing`, async (t) => {
    const admin = openAdmin(t)
    const before = (await ask(admin, 'GET', path)).body
    const cases: [Method, string, object | undefined, number, RegExp][] = [
      ['POST', path, { prefix: '203.0.113.1/29' }, 400, /host bits/],
      ['POST', path, { prefix: '203.0.113.0/29', note: 7 }, 400, /body\/note: must be string/],
      ['POST', path, { note: 'x' }, 400, /missing key "prefix"/],
      ['POST', path, { prefix: '203.0.113.0/29', reason: '' }, 400, /unknown key "reason"/],
      ['DELETE', path, undefined, 400, /missing key "prefix"/],
      ['DELETE', `${path}?prefix=x`, undefined, 400, /\(not shown\): not an IP address/],
      ['DELETE', `${path}?prefix=203.0.113.0/29`, undefined, 404, /^203\.0\.113\.0\/29 is not ex/],
      ['GET', `${path}?cursor=x`, undefined, 400, /cursor/],
      ['GET', `${path}/nothing`, undefined, 400, /params\/id/],
    ]
    for (const [method, url, payload, status, detail] of cases) {
      const reply = await ask(admin, method, url, payload)
      assert.equal(reply.status, status, `${method} ${url}`)
      assert.match(reply.body.detail, detail)
    }
    assert.deepEqual((await ask(admin, 'GET', path)).body, before)
  })
}

test('an exemption of the configuration is taken back there alone', async (t) => {
  const admin = openAdmin(t)
  const { body } = await ask(admin, 'GET', '/v1/exemptions')
  assert.deepEqual([body.items.length, body.items[0].source], [1, 'config'])
  for (const url of [
    '/v1/exemptions?prefix=203.0.113.240/28',
    `/v1/exemptions/${body.items[0].id}`,
  ]) {
    const reply = await ask(admin, 'DELETE', url)
    assert.deepEqual([reply.status, reply.body.code], [409, 'conflict'])
  }
  const within = await ask(admin, 'DELETE', '/v1/exemptions?prefix=203.0.113.241')
  assert.deepEqual([within.status, within.body.code], [404, 'covered'])
})

test('traps are added in one canonical form, listed in pages and removed', async (t) => {
  const admin = openAdmin(t)
  const added = await ask(admin, 'POST', '/v1/traps', { pattern: 'Spam@Trap.Example.NET' })
  assert.equal(added.status, 201)
  assert.equal(added.body.pattern, 'spam@trap.example.net')
  assert.equal(added.body.source, 'manual')
  assert.equal(
    (await ask(admin, 'POST', '/v1/traps', { pattern: 'spam@trap.example.net' })).status,
    200,
  )
  assert.deepEqual((await ask(admin, 'GET', added.location as string)).body, added.body)

  const first = await ask(admin, 'GET', '/v1/traps?limit=1')
  const second = await ask(admin, 'GET', `/v1/traps?limit=1&cursor=${first.body.nextCursor}`)
  assert.equal(second.body.nextCursor, null)
  const patterns = [...first.body.items, ...second.body.items].map((each) => each.pattern)
  assert.deepEqual(patterns, ['*@trap.example.org', 'spam@trap.example.net'])

  const removed = await ask(admin, 'DELETE', '/v1/traps?pattern=SPAM@trap.example.net')
  assert.deepEqual([removed.status, removed.body.pattern], [200, 'spam@trap.example.net'])
  const subdomains = await ask(admin, 'POST', '/v1/traps', { pattern: '*@*.example.net' })
  assert.equal((await ask(admin, 'DELETE', subdomains.location as string)).status, 200)
  assert.equal((await ask(admin, 'GET', subdomains.location as string)).status, 404)
})

test('a trap that is none, is not there, or stands in the configuration is a problem', async (t) => {
  const admin = openAdmin(t)
  const { body } = await ask(admin, 'GET', '/v1/traps')
  const cases: [Method, string, object | undefined, number, RegExp][] = [
    ['POST', '/v1/traps', { pattern: 'nobody' }, 400, /^nobody: a trap is/],
    ['POST', '/v1/traps', { pattern: ['x@example.org'] }, 400, /body\/pattern: must be string/],
    ['DELETE', '/v1/traps?pattern=x@example.org', undefined, 404, /^x@example\.org is not a trap/],
    ['DELETE', '/v1/traps?pattern=nobody', undefined, 400, /^nobody: a trap is/],
    ['DELETE', '/v1/traps?pattern=@trap.example.org', undefined, 409, /configuration/],
    ['DELETE', `/v1/traps/${body.items[0].id}`, undefined, 409, /configuration/],
    ['DELETE', '/v1/traps/99', undefined, 404, /no trap 99/],
    ['GET', '/v1/traps?cursor=99', undefined, 400, /cursor/],
  ]
  for (const [method, url, payload, status, detail] of cases) {
    const reply = await ask(admin, method, url, payload)
    assert.equal(reply.status, status, `${method} ${url}`)
    assert.match(reply.body.detail, detail)
  }
})
