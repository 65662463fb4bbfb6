// The resolver against a real name server on loopback: shapes and errors as node:dns/promises has them, and the cache.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Resolver, type ResolverOptions } from '../../../src/resolver/resolver.ts'
import { startNameServer, type Zone } from '../../support/name-server.ts'

async function start(t: TestContext, zone: Zone, more: Partial<ResolverOptions> = {}) {
  const server = await startNameServer(t, zone)
  const clock = { now: 0 }
  const resolver = new Resolver({
    ...{ servers: [server.address], timeoutMs: 30_000, now: () => clock.now },
    ...more,
  })
  return { server, clock, resolver }
}

const zone: Zone = {
  'A host.test': ['192.0.2.1', '192.0.2.2'],
  'AAAA host.test': ['2001:db8::1'],
  'MX host.test': [{ exchange: 'mx.host.test', priority: 10 }],
  'PTR 1.2.0.192.in-addr.arpa': ['host.test'],
  'TXT long.test': ['x'.repeat(300)],
  'TXT cut.test': 'CUT',
  'A broken.test': 'SERVFAIL',
  'A silent.test': 'DROP',
}

test('each type in its shape; a cut answer is fetched over TCP', async (t) => {
  const { resolver } = await start(t, zone)
  assert.deepEqual(await resolver.resolve('HOST.test.', 'A'), ['192.0.2.1', '192.0.2.2'])
  assert.deepEqual(await resolver.resolve('host.test', 'AAAA'), ['2001:db8::1'])
  assert.deepEqual(await resolver.resolve('host.test', 'MX'), [
    { exchange: 'mx.host.test', priority: 10 },
  ])
  assert.deepEqual(await resolver.resolve('1.2.0.192.in-addr.arpa', 'PTR'), ['host.test'])
  assert.deepEqual(await resolver.resolve('long.test', 'TXT'), [['x'.repeat(250), 'x'.repeat(50)]])
  assert.deepEqual(await resolver.resolve('cut.test', 'TXT'), [['over tcp']])
})

test('what is not there, what is not known, and what is no name', async (t) => {
  const { resolver, server } = await start(t, zone)
  await assert.rejects(resolver.resolve('none.test', 'A'), { code: 'ENOTFOUND' })
  await assert.rejects(resolver.resolve('host.test', 'TXT'), { code: 'ENODATA' })
  await assert.rejects(resolver.resolve('broken.test', 'A'), { code: 'ESERVFAIL' })
  const impatient = new Resolver({ servers: [server.address], timeoutMs: 300 })
  await assert.rejects(impatient.resolve('silent.test', 'A'), { code: 'ETIMEOUT' })
  const before = server.asked.length
  for (const name of ['', 'a..b', `${'a'.repeat(64)}.test`, 'a.'.repeat(130)]) {
    await assert.rejects(resolver.resolve(name, 'A'), { code: 'EBADNAME' })
  }
  assert.equal(server.asked.length, before)
})

test('an answer is kept for its TTL, whether there was one or not; two at once go out once', async (t) => {
  const { resolver, server, clock } = await start(t, zone)
  await Promise.all([resolver.resolve('host.test', 'A'), resolver.resolve('Host.test', 'A')])
  await assert.rejects(resolver.resolve('none.test', 'A'))
  clock.now = 59_000
  await resolver.resolve('host.test', 'A')
  await assert.rejects(resolver.resolve('none.test', 'A'), { code: 'ENOTFOUND' })
  assert.deepEqual(server.asked, ['A host.test', 'A none.test'])
  clock.now = 61_000
  await resolver.resolve('host.test', 'A')
  assert.equal(server.asked.length, 3)
})

test('the cache is bounded, and a caller cannot change what is in it', async (t) => {
  const { resolver, server } = await start(t, zone, { maxAnswers: 1 })
  const first = (await resolver.resolve('host.test', 'A')) as string[]
  first.pop()
  assert.equal((await resolver.resolve('host.test', 'A')).length, 2)
  await resolver.resolve('host.test', 'AAAA')
  await resolver.resolve('host.test', 'A')
  assert.deepEqual(server.asked, ['A host.test', 'AAAA host.test', 'A host.test'])
})

test('large answers do not fill the memory: what was not asked for the longest time goes', async (t) => {
  const large = ['x'.repeat(400)]
  const answers: Zone = { 'TXT a.test': large, 'TXT b.test': large, 'TXT c.test': large }
  const { resolver, server } = await start(t, answers, { maxOctets: 2000 })
  const asksFor = async (name: string): Promise<boolean> => {
    const before = server.asked.length
    await resolver.resolve(name, 'TXT')
    return server.asked.length > before
  }
  for (const name of ['a.test', 'b.test', 'c.test', 'a.test']) assert.ok(await asksFor(name), name)
  assert.ok(!(await asksFor('a.test')))
  assert.ok(!(await asksFor('c.test')))
  assert.ok(await asksFor('b.test'))
})

test('the next server is asked when one fails or keeps silent', async (t) => {
  const failing = await startNameServer(t, { 'A host.test': 'SERVFAIL', 'MX host.test': 'DROP' })
  const sound = await startNameServer(t, zone)
  const resolver = new Resolver({ servers: [failing.address, sound.address], timeoutMs: 3000 })
  assert.equal((await resolver.resolve('host.test', 'A')).length, 2)
  assert.equal((await resolver.resolve('host.test', 'MX')).length, 1)
})
