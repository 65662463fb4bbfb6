// Named lists over HTTP: what an import would change, and their entries among the listings.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Admin, openAdmin } from '../../support/admin.ts'

async function importList(admin: Admin, query: string, lines: readonly string[]) {
  const reply = await admin.app.inject({
    ...{ method: 'POST', url: `/v1/import?${query}`, payload: `${lines.join('\n')}\n` },
    headers: { 'content-type': 'text/plain' },
  })
  return { status: reply.statusCode, body: reply.json() }
}

async function get(admin: Admin, url: string) {
  return (await admin.app.inject(url)).json()
}

async function ids(admin: Admin, query: string): Promise<(number | string)[]> {
  const { items } = await get(admin, `/v1/listings?${query}`)
  return items.map((each: { id: number | string }) => each.id)
}

test('a dry run says what would be added, removed, kept and refused, and changes nothing', async (t) => {
  const admin = openAdmin(t)
  await importList(admin, 'list=a', ['203.0.113.1', '203.0.113.2', '203.0.113.3'])
  const before = [await get(admin, '/v1/listings'), await get(admin, '/v1/audit')]
  const serial = admin.blocklist.status().serial
  const lines = ['203.0.113.3', '203.0.113.4', '203.0.113.5', '10.0.0.1']
  const { status, body } = await importList(admin, 'list=a&dryRun=true', lines)
  assert.equal(status, 200)
  assert.deepEqual(
    { ...body, refused: body.refused.length },
    { ...{ list: 'a', dryRun: true, added: 2, removed: 2, kept: 1 }, refused: 1, refusedCount: 1 },
  )
  const unknown = await importList(admin, 'list=b&dryRun=true', ['203.0.113.9'])
  assert.deepEqual([unknown.body.added, unknown.body.dryRun], [1, true])
  assert.deepEqual([await get(admin, '/v1/listings'), await get(admin, '/v1/audit')], before)
  assert.equal(admin.blocklist.status().serial, serial)
  assert.equal((await get(admin, '/v1/export?list=b')).status, 404)

  const done = await importList(admin, 'list=a', lines)
  const { dryRun, ...same } = body
  assert.deepEqual(done.body, same)
})

test('a dry run is not refused for what it would take away, and is for a list that is wrong', async (t) => {
  const admin = openAdmin(t)
  const many = Array.from({ length: 200 }, (_, index) => `203.0.113.${index}`)
  await importList(admin, 'list=a', many)
  const { status, body } = await importList(admin, 'list=a&dryRun=true', [])
  assert.deepEqual([status, body.added, body.removed, body.kept], [200, 0, 200, 0])
  assert.equal((await importList(admin, 'list=a', [])).status, 409)
  assert.equal((await importList(admin, 'list=a&dryRun=true&strict=true', ['x'])).status, 422)
  assert.equal((await importList(admin, 'list=a&dryRun=yes', many)).status, 400)
})

test('listings are rows newest first, then entries by list and address; by prefix all together', async (t) => {
  const admin = openAdmin(t)
  await importList(admin, 'list=b', ['203.0.113.2', '203.0.113.0/25', '2001:db8::/64'])
  await importList(admin, 'list=a', ['203.0.113.9', '203.0.113.2'])
  for (const prefix of ['203.0.113.2', '203.0.113.1']) {
    await admin.app.inject({ method: 'POST', url: '/v1/listings', payload: { prefix } })
  }
  const entries = ['a:203.0.113.2-32', 'a:203.0.113.9-32']
  const ofB = ['b:203.0.113.0-25', 'b:203.0.113.2-32', 'b:2001:db8::-64']
  assert.deepEqual(await ids(admin, ''), [2, 1, ...entries, ...ofB])
  assert.deepEqual(await ids(admin, 'prefix=203.0.113.0/24'), [
    ...[ofB[0], 2, 1, 'a:203.0.113.2-32', 'b:203.0.113.2-32', 'a:203.0.113.9-32'],
  ])
  assert.deepEqual(await ids(admin, 'list=b'), ofB)
  assert.deepEqual(await ids(admin, 'origin=import&state=listed'), [...entries, ...ofB])
  assert.deepEqual(await ids(admin, 'origin=manual'), [2, 1])
  assert.deepEqual(await ids(admin, 'prefix=2001:db8::/32&limit=1'), ['b:2001:db8::-64'])
  const paged: (number | string)[] = []
  for (let cursor = ''; ; ) {
    const { items, nextCursor } = await get(admin, `/v1/listings?limit=2${cursor}`)
    paged.push(...items.map((each: { id: number | string }) => each.id))
    if (nextCursor === null) break
    cursor = `&cursor=${nextCursor}`
  }
  assert.deepEqual(paged, [2, 1, ...entries, ...ofB])
})

test('what is removed by its prefix is removed in every list, and is back with the next import', async (t) => {
  const admin = openAdmin(t)
  await importList(admin, 'list=a', ['203.0.113.2', '203.0.113.3'])
  await importList(admin, 'list=b', ['203.0.113.2'])
  const url = '/v1/listings?prefix=203.0.113.2'
  const removed = (await admin.app.inject({ method: 'DELETE', url })).json()
  assert.deepEqual(
    removed.items.map((each: { list: string; state: string }) => [each.list, each.state]),
    [
      ['a', 'removed'],
      ['b', 'removed'],
    ],
  )
  assert.equal((await get(admin, '/v1/lookup/203.0.113.2')).state, 'removed')
  const rows = await ids(admin, 'state=removed')
  assert.equal(rows.length, 2)
  assert.ok(rows.every((id) => typeof id === 'number'))
  assert.deepEqual(await ids(admin, 'state=listed'), ['a:203.0.113.3-32'])
  const again = await importList(admin, 'list=a', ['203.0.113.2', '203.0.113.3'])
  assert.deepEqual([again.body.added, again.body.kept], [1, 1])
  const { listed, listings, history } = await get(admin, '/v1/lookup/203.0.113.2')
  assert.deepEqual([listed, listings.length, history.length], [true, 1, 2])
})
