// add, remove, show, exempt, exclude and trap as processes of their own on a database without a server: exit codes,
// one line for what is refused, and the shapes that scripts read.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { type Finished, main, Site, until } from '../../support/server.ts'

/** Runs a command that must succeed, and gives its JSON. */
async function json(site: Site, ...args: string[]) {
  const { code, stdout, stderr } = await site.run(...args, '--json')
  assert.equal(code, 0, stderr)
  assert.equal(stderr, '')
  return JSON.parse(stdout)
}

async function done(site: Site, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await site.run(...args)
  assert.deepEqual([code, stderr], [0, ''], args.join(' '))
  return stdout
}

/** One line on standard error, none on standard output. */
function isRefused({ code, stdout, stderr }: Finished, expected: number, why: RegExp): void {
  assert.equal(code, expected, stderr)
  assert.equal(stdout, '')
  assert.match(stderr, /^backscatterd: [^\n]+\n$/)
  assert.match(stderr, why)
}

async function refuses(t: TestContext, cases: [args: string, code: number, why: RegExp][]) {
  const site = new Site(t)
  for (const [args, code, why] of cases) {
    await t.test(args, async () => isRefused(await site.run(...args.split(' ')), code, why))
  }
  return site
}

test('add lists, extends, and tells until when', async (t) => {
  const site = new Site(t)
  const added = await json(
    site,
    'add',
    '203.0.113.9',
    '2001:db8:7::/64',
    '--kind',
    'dsn',
    '--for',
    '2d',
  )
  assert.deepEqual(
    added.items.map((each: { outcome: string; listing: object }) => each.outcome),
    ['listed', 'listed'],
  )
  const { id, createdAt, expiresAt, ...listing } = added.items[0].listing
  assert.ok(Number.isInteger(id))
  assert.equal(Date.parse(expiresAt) - Date.parse(createdAt), 2 * 86_400_000)
  assert.deepEqual(listing, {
    prefix: '203.0.113.9/32',
    kinds: ['dsn'],
    state: 'listed',
    shadow: null,
    origin: 'manual',
    list: null,
    reason: null,
    lastHitAt: null,
    hits: 0,
  })
  const more = ['--kind', 'dsn', '--kind', 'auto-reply', '--permanent', '--reason', 'ticket 4711']
  const again = await done(site, 'add', '203.0.113.9/32', '203.0.113.9', ...more)
  assert.equal(again, 'extended  203.0.113.9/32  dsn,auto-reply  permanently\n')
  const { listings } = await json(site, 'show', '203.0.113.9')
  assert.deepEqual([listings.length, listings[0].reason], [1, 'ticket 4711'])
})

test('add refuses in one line', async (t) => {
  const site = await refuses(t, [
    ['add 10.0.0.1', 1, /10\.0\.0\.1\/32 is in 10\.0\.0\.0\/8 \(Private-Use, RFC 1918\)/],
    ['add 203.0.113.1 10.0.0.1 192.168.0.0/24', 1, /10\.0\.0\.0\/8.*192\.168\.0\.0\/16/],
    ['add 8.0.0.0/15', 1, /shorter than policy\.shortest4 \(16\)/],
    ['add 203.0.113.1/24', 2, /host bits are set: the network is 203\.0\.113\.0\/24/],
    ['add 203.0.113.01', 2, /203\.0\.113\.01: .*leading zeros/],
    ['add fe80::1%eth0', 2, /zone id/],
    ['add 203.0.113.1 example.org', 2, /example\.org: this version does not list domain names/],
    ['add 203.0.113.1 --kind spam', 2, /--kind spam: expected one of dsn, auto-reply/],
    ['add 203.0.113.1 --for long', 2, /--for long: expected a duration/],
    ['add 203.0.113.1 --for 0s', 2, /--for 0s/],
    ['add 203.0.113.1 --for 1d --permanent', 2, /give either --for or --permanent/],
    ['add 203.0.113.1 --colour red', 2, /unknown option '--colour'/],
    ['add', 2, /missing required argument 'prefix'/],
  ])
  assert.equal((await json(site, 'show', '203.0.113.1')).state, null)
})

test('remove takes exactly the entry, names what covers it, and several all or none', async (t) => {
  const site = new Site(t)
  await done(site, 'add', '203.0.113.0/24', '203.0.113.9')
  isRefused(
    await site.run('remove', '203.0.113.9', '203.0.113.10'),
    1,
    /covered by 203\.0\.113\.0\/24/,
  )
  isRefused(await site.run('remove', '198.51.100.1'), 1, /198\.51\.100\.1\/32 is not listed/)
  isRefused(await site.run('remove', 'example.org'), 2, /domain names/)
  isRefused(await site.run('remove'), 2, /missing required argument/)
  assert.equal((await json(site, 'show', '203.0.113.9')).decidedBy, '203.0.113.9/32')
  const removed = await json(site, 'remove', '203.0.113.9')
  assert.equal(removed.items[0].state, 'removed')
  assert.equal(
    await done(site, 'remove', '203.0.113.0/24', '203.0.113.0/24'),
    'removed  203.0.113.0/24  no kind  listed by hand\n',
  )
})

test('exempt, unexempt, exclude and include say what holds now', async (t) => {
  const site = new Site(t)
  const words: [args: string[], output: RegExp][] = [
    [['exempt', '203.0.113.16/28', '--note', 'customer'], /^203\.0\.113\.16\/28 is exempt now/],
    [['exempt', '203.0.113.16/28'], /^203\.0\.113\.16\/28 was exempt already\.\n$/],
    [['unexempt', '203.0.113.16/28'], /^203\.0\.113\.16\/28 is no longer exempt\.\n$/],
    [['exclude', '203.0.113.32/28'], /^203\.0\.113\.32\/28 is excluded now/],
    [['exclude', '203.0.113.32/28'], /was excluded already/],
    [['include', '203.0.113.32/28'], /is no longer excluded/],
  ]
  for (const [args, output] of words) assert.match(await done(site, ...args), output)
  const exemption = await json(site, 'exempt', '203.0.113.1', '--note', 'x')
  assert.deepEqual([exemption.prefix, exemption.note], ['203.0.113.1/32', 'x'])
  isRefused(await site.run('add', '203.0.113.1'), 1, /is exempt: 203\.0\.113\.1\/32 \(x\)/)
  isRefused(await site.run('unexempt', '203.0.113.2'), 1, /203\.0\.113\.2\/32 is not exempt/)
  isRefused(await site.run('include', '203.0.113.2'), 1, /is not excluded/)
  isRefused(await site.run('exempt', '203.0.113.1/24'), 2, /host bits/)
  isRefused(await site.run('exclude'), 2, /missing required argument/)
  isRefused(await site.run('unexempt', '203.0.113.1', '--note', 'x'), 2, /unknown option '--note'/)
})

test('trap add, remove and list', async (t) => {
  const site = new Site(t)
  assert.equal(
    await done(site, 'trap', 'add', 'Old@Shop.example'),
    'old@shop.example is now a trap.\n',
  )
  assert.match(await done(site, 'trap', 'add', 'old@shop.example'), /was already a trap/)
  const list = await done(site, 'trap', 'list')
  assert.match(list, /^pattern .*\n\*@trap\.example\.org {2}configuration {2}\d/)
  assert.match(list, /\nold@shop\.example {4}by hand {8}\d/)
  const { items } = await json(site, 'trap', 'list')
  assert.deepEqual(
    items.map((each: { pattern: string; source: string }) => [each.pattern, each.source]),
    [
      ['*@trap.example.org', 'config'],
      ['old@shop.example', 'manual'],
    ],
  )
  isRefused(await site.run('trap', 'add', 'nobody'), 2, /^backscatterd: nobody: a trap is user@/)
  isRefused(await site.run('trap', 'remove', 'x@y.example'), 1, /x@y\.example is not a trap/)
  isRefused(await site.run('trap', 'remove', '@trap.example.org'), 1, /configuration/)
  isRefused(await site.run('trap', 'forget', 'x@y.example'), 2, /unknown command 'forget'/)
  assert.equal((await json(site, 'trap', 'remove', 'old@shop.example')).pattern, 'old@shop.example')
})

test('a trap by standard input is among no process’s arguments', async (t) => {
  const site = new Site(t)
  const run = async (input: string, ...args: string[]) => {
    const all = [main, '--config', site.configFile, 'trap', ...args, '-']
    const child = spawn(process.execPath, all, { stdio: ['pipe', 'pipe', 'pipe'] })
    const output = Promise.all([text(child.stdout), text(child.stderr)])
    const shown = async () => readFileSync(`/proc/${child.pid}/cmdline`, 'latin1')
    const title = existsSync('/proc/self/cmdline')
      ? await until(shown, (each) => each.startsWith('backscatterd trap'), 60_000)
      : 'backscatterd trap'
    assert.match(title, /^backscatterd trap\0*$/)
    child.stdin.end(input)
    const [code] = await once(child, 'close')
    return { code, said: (await output).join('') }
  }
  assert.deepEqual(await run('Old@Shop.example\n', 'add'), {
    code: 0,
    said: 'old@shop.example is now a trap.\n',
  })
  assert.deepEqual(await run('old@shop.example', 'remove'), {
    code: 0,
    said: 'old@shop.example is no longer a trap.\n',
  })
  for (const input of ['', '\n', 'a@shop.example\nb@shop.example\n']) {
    const { code, said } = await run(input, 'add')
    assert.equal(code, 2)
    assert.match(said, /^backscatterd: standard input: expected one line/)
  }
})

test('an empty configuration has no traps, and says so', async (t) => {
  const site = new Site(t, new Site(t).configuration().replace(/\[\[trap\]\]\n.*\n/, ''))
  assert.equal(await done(site, 'trap', 'list'), 'There are no traps.\n')
})
