// What `show` says of an address, in each case that there is.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { serveOnSocket } from '../../../src/admin/listeners.ts'
import type { Evidence } from '../../../src/classify/evidence.ts'
import { type Address, parseAddress } from '../../../src/ip/address.ts'
import { evidence, openAdmin } from '../../support/admin.ts'
import { Site } from '../../support/server.ts'

const now = Math.floor(Date.now() / 1000)

/** A site whose control socket this process serves, over a blocklist that has had these messages. */
async function served(t: TestContext, messages: readonly Evidence[] = []): Promise<Site> {
  const site = new Site(t)
  const admin = openAdmin(t)
  admin.now = now
  await admin.blocklist.record(messages)
  const control = await serveOnSocket(admin.app, join(site.folder, 'backscatterd.sock'))
  t.after(() => control.close())
  return site
}

test('a shadow listing says why it is only counted, and the host its verified name', async (t) => {
  const site = new Site(t)
  const admin = openAdmin(t)
  admin.now = now
  const pooled = { name: 'out1.pool.example', pool: 'Pool', whitelist: null }
  const { value: host } = parseAddress('203.0.113.9') as { value: Address }
  await admin.blocklist.learnHost({ host, pools: true, whitelists: [] }, pooled)
  await admin.blocklist.record([evidence('203.0.113.9', 'dsn', { seenAt: now })])
  const control = await serveOnSocket(admin.app, join(site.folder, 'backscatterd.sock'))
  t.after(() => control.close())
  const text = await show(site, '203.0.113.9')
  const why = 'a shared outbound server of Pool (policy.pools)'
  assert.equal(
    text.slice(0, text.indexOf('\n')),
    `203.0.113.9 is not listed: its listing is only counted, since it is ${why}.`,
  )
  assert.ok(text.includes('\nIts verified name in DNS: out1.pool.example.\n'))
  assert.ok(text.includes(`203.0.113.9/32  only counted: ${why}`))
})

async function show(site: Site, address: string): Promise<string> {
  const { code, stdout, stderr } = await site.run('show', address)
  assert.deepEqual([code, stderr], [0, ''])
  return stdout
}

test('a listed address: verdict, codes, listing and messages', async (t) => {
  const site = await served(t, [
    evidence('203.0.113.9', 'dsn', { seenAt: now }),
    evidence('203.0.113.9', 'callout', { seenAt: now - 60, details: {} }),
  ])
  const text = await show(site, '203.0.113.9')
  assert.match(text, /^203\.0\.113\.9 is listed, since \d{4}-.* UTC, until .* \(7d left\)\.\n/)
  assert.match(
    text,
    /\n {2}127\.0\.0\.2 {2}sends backscatter\n {2}127\.0\.0\.3 {2}bounces \(dsn\)\n/,
  )
  assert.match(text, /\nPresent listings:\n {2}203\.0\.113\.9\/32 {2}listed .* by trap \(2 hits/)
  assert.match(
    text,
    /\nMessages to traps, the newest first:\n {2}time .* kind .* reporting MTA {2}/,
  )
  assert.match(
    text,
    /dsn .*secret-trap@trap\.example\.org {2}mx\.example\.net {2}<1@mx\.example\.net>\n/,
  )
  assert.match(text, /callout .*secret-trap@trap\.example\.org {2}– {15}–\n/)
  assert.match(text, /\nThe newest one: .*\.\n/)
  for (const line of text.split('\n')) assert.equal(line, line.trimEnd())
})

test('a message that is only likely is said to be so, and why', async (t) => {
  const site = await served(t, [
    evidence('203.0.113.9', 'dsn', { seenAt: now }),
    evidence('203.0.113.10', 'dsn', { seenAt: now, certainty: 'likely' }),
  ])
  const means = /\nA message is only likely if its words alone say what it is,/
  assert.doesNotMatch(await show(site, '203.0.113.9'), means)
  assert.match(await show(site, '203.0.113.10'), means)
})

test('SPF, DKIM and DMARC policy of the returned messages, where somebody looked', async (t) => {
  const details = { spf: 'fail', dkim: 'none', dmarcPolicy: 'reject', returnedOrigin: '192.0.2.7' }
  const site = await served(t, [
    evidence('203.0.113.9', 'dsn', { seenAt: now, details }),
    evidence('203.0.113.9', 'dsn', { seenAt: now - 60, details: { dkim: 'unknown' } }),
    evidence('203.0.113.9', 'callout', { seenAt: now - 90, details: {} }),
  ])
  const text = await show(site, '203.0.113.9')
  const [, rest = ''] = text.split('\nWhether the returned messages were forged:\n')
  const [table = ''] = rest.split(/(?<=\n)\n/)
  assert.match(table, /^ {2}time {2,}SPF {2,}DKIM {2,}DMARC policy {2,}handed over by\n/)
  assert.match(table, /\n {2}\S+ \S+ UTC {2,}fail {2,}none {2,}reject {2,}192\.0\.2\.7\n/)
  assert.match(table, /\n {2}\S+ \S+ UTC {2,}– {2,}unknown {2,}– {2,}–\n$/)
  assert.equal(table.split('\n').length, 4)
})

test('advice: in full for the software that is known, in a line for the others if it is not', async (t) => {
  const site = await served(t, [
    evidence('203.0.113.9', 'dsn', { seenAt: now, details: { generator: 'exim' } }),
    evidence('203.0.113.10', 'dsn', { seenAt: now }),
  ])
  const known = await show(site, '203.0.113.9')
  const [, advice = ''] = known.split('\nWhat its postmaster should change:\n\n')
  assert.match(
    advice,
    /^Exim: .*\n {2}Put these lines into .*\n(.*\n)* {6}require verify = recipient\n/,
  )
  assert.match(advice, /\n {2}In the log: .* <= <> .*\n(.*\n)? {6}grep '<= <> R=' \S+\n {2}https:/)
  assert.match(advice, /\n\nDecide while the sending host is connected\n/)
  assert.doesNotMatch(advice, /Postfix:|If the host runs/)
  const unknown = await show(site, '203.0.113.10')
  assert.match(unknown, /\nWhat its postmaster should change:\n\nDecide while /)
  assert.match(unknown, /\n\nIf the host runs one of these:\n {2}Postfix: .*: https:.*\n {2}Exim: /)
  assert.doesNotMatch(unknown, /require verify/)
  for (const line of advice.split('\n')) assert.ok(line.length <= 80 || !line.includes('. '), line)
})

test('what a sender wrote cannot act on the terminal', async (t) => {
  const details = { messageId: '<\u001b]0;pwned\u0007\u202ex@y>\n203.0.113.9 is not listed' }
  const site = await served(t, [evidence('203.0.113.9', 'dsn', { seenAt: now, details })])
  const text = await show(site, '203.0.113.9')
  // Control characters are blanks by the time they are stored; what turns the text round is left to `show`.
  assert.match(text, /< \]0;pwned \?x@y> 203\.0\.113\.9 is not listed\n/)
  assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u)
})

test('each reason for not being listed has its words', async (t) => {
  const site = await served(t, [
    evidence('203.0.113.70', 'callout', { seenAt: now }),
    evidence('203.0.113.90', 'auto-reply', { seenAt: now - 86_400 * 40 }),
  ])
  for (const args of [
    ['add', '203.0.113.0/26', '--reason', 'whole net'],
    ['exclude', '203.0.113.8/29', '--note', 'customer'],
    ['exempt', '203.0.113.16/29', '--note', 'ours'],
    ['add', '203.0.113.80'],
    ['remove', '203.0.113.80'],
  ]) {
    assert.equal((await site.run(...args)).code, 0)
  }
  const cases: [address: string, ...texts: RegExp[]][] = [
    [
      '203.0.113.1',
      /^203\.0\.113\.1 is listed, as part of 203\.0\.113\.0\/26, since /,
      /by hand .*whole net\n/,
    ],
    [
      '203.0.113.9',
      /^203\.0\.113\.9 is not listed: it is excluded from 203\.0\.113\.0\/26\.\n/,
      /203\.0\.113\.8\/29 is excluded by hand \(customer\), since .*\. Only a longer listing/,
    ],
    [
      '203.0.113.17',
      /^203\.0\.113\.17 is not listed: it is exempt\.\n/,
      /203\.0\.113\.16\/29 is exempt by hand \(ours\), since .*\. Nothing in it is ever listed\./,
    ],
    [
      '203.0.113.70',
      /^203\.0\.113\.70 is not listed: the kind of its messages is only counted, not published/,
      /only counted, not published/,
    ],
    [
      '203.0.113.80',
      /^203\.0\.113\.80 is not listed: it was removed at .*\n/,
      /Earlier listings.*\n.*removed/,
    ],
    ['203.0.113.99', /^203\.0\.113\.99 is not listed and nothing is known of it\.\n$/],
    [
      '203.0.113.90',
      /^203\.0\.113\.90 is not listed; its messages have not been enough to list it\.\n/,
      /ignored/,
    ],
    [
      '10.0.0.1',
      /^10\.0\.0\.1 is not listed: it lies in 10\.0\.0\.0\/8 \(Private-Use, RFC 1918\), which is never listed\.\n$/,
    ],
    [
      '127.0.0.2',
      /^127\.0\.0\.2 is listed: it is the zone's test entry \(RFC 5782\), with 127\.0\.0\.2\.\n$/,
    ],
    ['127.0.0.1', /^127\.0\.0\.1 is not listed: it is the test address that is never listed/],
    ['::ffff:203.0.113.99', /^203\.0\.113\.99 is not listed/],
    ['2001:DB8::1', /^2001:db8::1 is not listed/],
  ]
  for (const [address, ...texts] of cases) {
    const said = await show(site, address)
    for (const text of texts) assert.match(said, text, address)
  }
})

test('an entry of a named list: which list it is from, and what became of it', async (t) => {
  const site = await served(t)
  const file = join(site.folder, 'drop.csv')
  const end = new Date((now + 86_400) * 1000).toISOString()
  writeFileSync(
    file,
    `prefix,kinds,reason,expiresAt\n203.0.113.0/28,dsn,a net,\n203.0.113.1,,,${end}\n`,
  )
  for (const args of [
    ['import', file, '--list', 'drop'],
    ['remove', '203.0.113.0/28'],
  ]) {
    assert.equal((await site.run(...args)).code, 0)
  }
  const listed = await show(site, '203.0.113.1')
  assert.match(listed, /^203\.0\.113\.1 is listed, since .* \((1d|23h \d+m) left\)\.\n/)
  assert.match(listed, /203\.0\.113\.1\/32 {2}listed {2}no kind {2}import of drop {2}since /)
  const removed = await show(site, '203.0.113.2')
  assert.match(removed, /^203\.0\.113\.2 is not listed: it was removed at /)
  assert.match(removed, /203\.0\.113\.0\/28 {2}removed {2}dsn {2}import of drop {2}.* {2}a net\n/)
})

test('only one address is explained', async (t) => {
  const site = new Site(t)
  const cases: [string, RegExp][] = [
    ['203.0.113.0/24', /a prefix; ask for one address, such as 203\.0\.113\.0\n$/],
    ['example.org', /this version does not list domain names; give an address\n$/],
    ['203.0.113', /not an IP address\n$/],
  ]
  for (const [argument, why] of cases) {
    const { code, stderr } = await site.run('show', argument)
    assert.equal(code, 2)
    assert.match(stderr, why)
  }
})
