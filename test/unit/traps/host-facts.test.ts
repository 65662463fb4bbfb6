// What DNS says of a host, asked at a real name server.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { HostQuestions } from '../../../src/classify/evidence.ts'
import { Resolver } from '../../../src/resolver/resolver.ts'
import { askAbout } from '../../../src/traps/host-facts.ts'
import { address } from '../../support/door.ts'
import { startNameServer, type Zone } from '../../support/name-server.ts'

async function about(
  t: TestContext,
  zone: Zone,
  questions: Partial<Omit<HostQuestions, 'host'>> = {},
  host = '20.0.0.1',
  timeoutMs = 30_000,
) {
  const server = await startNameServer(t, zone)
  const resolver = new Resolver({ servers: [server.address], timeoutMs })
  const asked = { host: address(host), pools: true, whitelists: [], ...questions }
  return { facts: await askAbout(asked, resolver), asked: server.asked }
}

const reverse = 'PTR 1.0.0.20.in-addr.arpa'
const none = { name: null, pool: null, whitelist: null }

test('a name is verified if it leads back to the address', async (t) => {
  const zone = { [reverse]: ['mx.host.example'], 'A mx.host.example': ['20.0.0.9', '20.0.0.1'] }
  const { facts, asked } = await about(t, zone)
  assert.deepEqual(facts, { ...none, name: 'mx.host.example' })
  assert.deepEqual(asked, [reverse, 'A mx.host.example'])
})

test('the pool is that of the verified name, whatever other names the host has', async (t) => {
  const zone = {
    [reverse]: ['other.host.example', 'Mail-X.Google.COM'],
    'A mail-x.google.com': ['20.0.0.1'],
    'A other.host.example': ['20.0.0.1'],
  }
  const { facts } = await about(t, zone)
  assert.deepEqual(facts, { ...none, name: 'mail-x.google.com', pool: 'Google' })
})

test('a name that does not lead back is none, however good it sounds', async (t) => {
  const zone = { [reverse]: ['mail-x.google.com'], 'A mail-x.google.com': ['20.0.0.2'] }
  assert.deepEqual((await about(t, zone)).facts, none)
  assert.deepEqual((await about(t, { [reverse]: ['mail-x.google.com'] })).facts, none)
  assert.deepEqual((await about(t, {})).facts, none)
})

test('an IPv6 host is asked about by nibbles and verified by AAAA', async (t) => {
  const nibbles = `1.${'0.'.repeat(23)}8.b.d.0.1.0.0.2`
  const zone = {
    [`PTR ${nibbles}.ip6.arpa`]: ['out.smtpout.orange.fr'],
    'AAAA out.smtpout.orange.fr': ['2001:db8::1'],
    'A out.smtpout.orange.fr': ['20.0.0.1'],
    [`A ${nibbles}.wl.example`]: ['127.0.0.2'],
  }
  const { facts } = await about(t, zone, { whitelists: ['wl.example'] }, '2001:db8::1')
  assert.deepEqual(facts, {
    ...{ name: 'out.smtpout.orange.fr', pool: 'Orange', whitelist: 'wl.example' },
  })
})

test('at most five names are looked at', async (t) => {
  const names = Array.from({ length: 9 }, (_, index) => `n${index}.host.example`)
  const { facts, asked } = await about(t, {
    [reverse]: names,
    ...Object.fromEntries(names.slice(5).map((name) => [`A ${name}`, ['20.0.0.1']])),
  })
  assert.deepEqual(facts, none)
  assert.equal(asked.length, 6)
})

test('only the values of 127/8 that are no refusal make a member', async (t) => {
  const listed = 'A 1.0.0.20.wl.example'
  const member = (value: string) =>
    about(t, { [listed]: [value] }, { whitelists: ['wl.example'], pools: false })
  assert.equal((await member('127.0.5.2')).facts?.whitelist, 'wl.example')
  assert.deepEqual((await member('192.0.2.1')).facts, none)
  for (const refusal of ['127.0.0.255', '127.255.255.254']) {
    assert.equal((await member(refusal)).facts, undefined, refusal)
  }
})

test('the first whitelist that has the host is named; further ones are not asked', async (t) => {
  const zone: Zone = { 'A 1.0.0.20.a.example': 'SERVFAIL', 'A 1.0.0.20.b.example': ['127.0.0.1'] }
  const whitelists = ['a.example', 'b.example', 'c.example']
  const { facts, asked } = await about(t, zone, { whitelists, pools: false })
  assert.deepEqual(facts, { ...none, whitelist: 'b.example' })
  assert.deepEqual(asked.toSorted(), ['A 1.0.0.20.a.example', 'A 1.0.0.20.b.example'])
})

test('without an answer that matters nothing is known', async (t) => {
  assert.equal((await about(t, { [reverse]: 'SERVFAIL' })).facts, undefined)
  const silent = await about(t, { [reverse]: 'DROP' }, {}, '20.0.0.1', 300)
  assert.equal(silent.facts, undefined)
  const claims: Zone = {
    [reverse]: ['mail-x.google.com', 'mx.host.example'],
    'A mail-x.google.com': 'SERVFAIL',
    'A mx.host.example': ['20.0.0.1'],
  }
  assert.equal((await about(t, claims)).facts, undefined)
  const broken: Zone = { [reverse]: ['mx.host.example'], 'A mx.host.example': 'SERVFAIL' }
  assert.deepEqual((await about(t, broken)).facts, none)
})

test('what makes it a member is enough, whatever else has no answer', async (t) => {
  const zone: Zone = { [reverse]: 'SERVFAIL', 'A 1.0.0.20.wl.example': ['127.0.0.2'] }
  const { facts } = await about(t, zone, { whitelists: ['wl.example'] })
  assert.deepEqual(facts, { ...none, whitelist: 'wl.example' })
})
