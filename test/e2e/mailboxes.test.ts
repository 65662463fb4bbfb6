// mbox, IMAP and POP3 in a server of their own: killed at any moment they lose nothing and double nothing, and one that
// cannot be reached shows in the status and stops no other.
import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ask, reversed } from '../support/ask.ts'
import { needs } from '../support/debian.ts'
import { Dovecot } from '../support/dovecot.ts'
import { origin, Site, until } from '../support/server.ts'

const sample = readFileSync('data/samples/postfix-bounce.eml', 'utf8').replaceAll('\r\n', '\n')

/** The sample as our own MX would have stored it just now. */
function stored(client: string): string {
  const date = new Date().toUTCString().replace('GMT', '+0000')
  return `Return-Path: <>\nDelivered-To: orders@trap.example.org\nReceived: from mail.pf.example (mail.pf.example [${client}])\n\tby mx.trap.example.org (Postfix) with ESMTP id 4Y1;\n\t${date}\n${sample}`
}

function mailboxes(dovecot: Dovecot | null): string {
  const table = (name: string, type: string, rest: string): string =>
    `[[mailbox]]\nname = "${name}"\ntype = "${type}"\nschedule = "* * * * * *"\n${rest}\n`
  if (dovecot === null) return table('file', 'mbox', 'path = "mbox"')
  const account = `passwordFile = "${dovecot.passwordFile}"\ncaFile = "${dovecot.caFile}"`
  return table('imap', 'imap', `url = "${dovecot.url('imaps')}"\n${account}`)
}

async function evidenceOf(site: Site, client: string): Promise<unknown[]> {
  return JSON.parse((await site.run('show', client, '--json')).stdout).evidence
}

async function states(site: Site): Promise<Record<string, string>> {
  const { mailboxes: all } = JSON.parse((await site.run('status', '--json')).stdout)
  return Object.fromEntries(
    all.map((each: { name: string; state: string }) => [each.name, each.state]),
  )
}

async function survivesKills(site: Site, deliver: (raw: string) => void): Promise<void> {
  const clients = Array.from({ length: 4 }, (_, index) => `203.0.113.${60 + index}`)
  for (const [round, client] of clients.entries()) {
    const server = await site.start()
    deliver(stored(client))
    await new Promise((resolve) => setTimeout(resolve, 1000 - (Date.now() % 1000) + round * 25))
    await server.kill('SIGKILL')
  }
  const server = await site.start()
  for (const client of clients) {
    const listed = () => ask(server.dns, reversed(client, origin))
    const { a } = await until(listed, (answer) => answer.a.length > 0, 30_000)
    assert.equal(a.length, 2, client)
  }
  // Another reading or two, of what might have been left.
  await new Promise((resolve) => setTimeout(resolve, 1500))
  for (const client of clients) assert.equal((await evidenceOf(site, client)).length, 1, client)
}

function siteWith(
  t: Parameters<typeof Dovecot.start>[0],
  dovecot: Dovecot | null,
  more = '',
): Site {
  const site = new Site(t)
  writeFileSync(site.configFile, site.configuration(mailboxes(dovecot) + more))
  writeFileSync(join(site.folder, 'mbox'), '')
  return site
}

test('mbox: SIGKILL at any moment loses nothing and doubles nothing', async (t) => {
  const site = siteWith(t, null)
  await survivesKills(site, (raw) =>
    appendFileSync(
      join(site.folder, 'mbox'),
      `From MAILER-DAEMON Tue Nov 24 11:24:44 2026\n${raw}\n`,
    ),
  )
})

test(
  'IMAP: SIGKILL at any moment loses nothing and doubles nothing',
  needs('dovecot', 'dovecot-imapd'),
  async (t) => {
    const dovecot = await Dovecot.start(t)
    await survivesKills(siteWith(t, dovecot), (raw) => dovecot.deliver(raw))
  },
)

test('a mailbox that cannot be reached is failing, and the others are read', async (t) => {
  const unreachable = `[[mailbox]]\nname = "gone"\ntype = "pop3"\nurl = "pop3://trap@127.0.0.1:1"\npasswordFile = "password"\n`
  const site = siteWith(t, null, unreachable)
  writeFileSync(join(site.folder, 'password'), 'secret\n')
  await site.start()
  const told = await until(
    () => states(site),
    ({ gone, file, box }) => gone === 'failing' && file === 'ok' && box === 'ok',
    60_000,
  )
  assert.deepEqual(told, { box: 'ok', file: 'ok', gone: 'failing' })
})

test('mbox: who waits for its lock stops when told to, and leaves the lock to its holder', async (t) => {
  const site = siteWith(t, null)
  writeFileSync(
    join(site.folder, 'mbox'),
    `From MAILER-DAEMON Tue Nov 24 11:24:44 2026\n${sample}\n`,
  )
  const lock = join(site.folder, 'mbox.lock')
  writeFileSync(lock, '4711\n')
  const server = await site.start()
  const told = await until(
    () => states(site),
    ({ box }) => box === 'ok',
    30_000,
  )
  assert.notEqual(told['file'], 'ok')
  assert.deepEqual(await server.kill('SIGTERM'), { code: 0, signal: null })
  assert.equal(readFileSync(lock, 'utf8'), '4711\n')
})

test('check-config names what a mailbox lacks', async (t) => {
  const site = siteWith(t, null, '[[mailbox]]\nname = "bare"\ntype = "imap"\n')
  const { code, stderr } = await site.run('check-config')
  assert.equal(code, 2)
  assert.match(stderr, /mailbox\[3\]\.url: required for type "imap"/)
  assert.match(stderr, /mailbox\[3\]\.passwordFile: required for type "imap"/)
})
