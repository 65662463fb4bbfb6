// Prefixes, holes and exemptions, as an operator makes them on the command line and DNS shows them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, reversed } from '../support/ask.ts'
import { origin, type Server, Site } from '../support/server.ts'

async function isListed(server: Server, address: string): Promise<boolean> {
  const { rcode, a } = await ask(server.dns, reversed(address, origin))
  assert.equal(rcode === 0 && a.length > 0, a.length > 0)
  return a.length > 0
}

async function done(site: Site, ...args: string[]): Promise<void> {
  const { code, stderr } = await site.run(...args)
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
}

test('a listing answers on both edges; an exclusion and an exemption inside it hold, and go again', async (t) => {
  const site = new Site(t)
  const server = await site.start()
  await done(site, 'add', '203.0.113.0/25', '--kind', 'dsn', '--permanent')
  assert.ok(await isListed(server, '203.0.113.0'))
  assert.ok(await isListed(server, '203.0.113.127'))
  assert.ok(!(await isListed(server, '203.0.113.128')))
  assert.ok(!(await isListed(server, '203.0.112.255')))
  const { txt } = await ask(server.dns, reversed('203.0.113.127', origin), 'TXT')
  assert.deepEqual(txt, ['Backscatter source: 203.0.113.0'])

  await done(site, 'exclude', '203.0.113.16/28')
  assert.ok(!(await isListed(server, '203.0.113.16')))
  assert.ok(!(await isListed(server, '203.0.113.31')))
  assert.ok(await isListed(server, '203.0.113.32'))
  await done(site, 'add', '203.0.113.20')
  assert.ok(await isListed(server, '203.0.113.20'), 'a longer listing inside an exclusion holds')

  await done(site, 'exempt', '203.0.113.0/26', '--note', 'our relays')
  for (const address of ['203.0.113.0', '203.0.113.20', '203.0.113.63']) {
    assert.ok(!(await isListed(server, address)), address)
  }
  assert.ok(await isListed(server, '203.0.113.64'))
  const refused = await site.run('add', '203.0.113.7')
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /exempt/)

  await done(site, 'unexempt', '203.0.113.0/26')
  await done(site, 'include', '203.0.113.16/28')
  for (const address of ['203.0.113.0', '203.0.113.16', '203.0.113.63']) {
    assert.ok(await isListed(server, address), address)
  }
  const covered = await site.run('remove', '203.0.113.40')
  assert.equal(covered.code, 1)
  assert.match(covered.stderr, /203\.0\.113\.0\/25/)
  await done(site, 'remove', '203.0.113.0/25')
  assert.ok(!(await isListed(server, '203.0.113.127')))
  assert.ok(await isListed(server, '203.0.113.20'))
})

test('an IPv6 /64 answers for any address in it and for none beside it', async (t) => {
  const site = new Site(t)
  const server = await site.start()
  await done(site, 'add', '2001:db8:1:2::/64')
  assert.ok(await isListed(server, '2001:0db8:0001:0002:0000:0000:0000:0000'))
  assert.ok(await isListed(server, '2001:0db8:0001:0002:ffff:ffff:ffff:ffff'))
  assert.ok(!(await isListed(server, '2001:0db8:0001:0003:0000:0000:0000:0000')))
  assert.ok(!(await isListed(server, '2001:0db8:0001:0001:ffff:ffff:ffff:ffff')))
})

test('a listing that may not be is refused with its reason, and nothing of it is done', async (t) => {
  const site = new Site(t)
  const server = await site.start()
  const cases: [string[], number, RegExp][] = [
    [['10.1.2.3'], 1, /10\.0\.0\.0\/8/],
    [['224.0.0.0/24'], 1, /224\.0\.0\.0\/4/],
    [['fe80::1'], 1, /fe80::\/10/],
    [['8.0.0.0/15'], 1, /short/],
    [['2a00::/31'], 1, /short/],
    [['203.0.113.9', '192.168.1.1'], 1, /192\.168\.0\.0\/16/],
    [['203.0.113.1/24'], 2, /203\.0\.113\.0\/24/],
    [['203.0.113.01'], 2, /203\.0\.113\.01/],
    [['fe80::1%eth0'], 2, /zone id/],
    [['203.0.113.9', '--for', 'long'], 2, /duration/],
    [['203.0.113.9', '--kind', 'spam'], 2, /kind/],
  ]
  for (const [args, code, why] of cases) {
    const result = await site.run('add', ...args)
    assert.equal(result.code, code, `${args}: ${result.stderr}`)
    assert.match(result.stderr, why)
    assert.equal(result.stderr.trimEnd().split('\n').length, 1, result.stderr)
  }
  assert.ok(!(await isListed(server, '203.0.113.9')), 'all or none')
})

test('what was done without a server is there when one starts', async (t) => {
  const site = new Site(t)
  await done(site, 'add', '203.0.113.0/24', '--kind', 'dsn')
  await done(site, 'exclude', '203.0.113.8/29')
  await done(site, 'exempt', '203.0.113.77')
  await done(site, 'trap', 'add', 'hand@made.example')
  const server = await site.start()
  assert.ok(await isListed(server, '203.0.113.1'))
  assert.ok(!(await isListed(server, '203.0.113.8')))
  assert.ok(!(await isListed(server, '203.0.113.77')))
  const traps = JSON.parse((await site.run('trap', 'list', '--json')).stdout)
  assert.match(JSON.stringify(traps), /hand@made\.example/)
})
