// A server whose mailboxes lie with hostile IMAP and POP3 servers of each kind, beside sound ones: the sound ones' mail
// and SMTP's are judged as without them, the server answers, and its memory stays within bounds.
import assert from 'node:assert/strict'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { submit } from '../../scripts/submit.ts'
import { ask, reversed } from '../support/ask.ts'
import { hostileImap, hostilePop3 } from '../support/hostile-mail-servers.ts'
import { oddImap, oddPop3 } from '../support/odd-mail-servers.ts'
import { origin, Site, until } from '../support/server.ts'

const sample = readFileSync('data/samples/postfix-bounce.eml', 'latin1').replace(/\r?\n/g, '\r\n')
/** Usually 350 to 400. The rest is for the first start after a change, when Node strips the types of every file. */
const mostMegabytes = 450

/** What the systemd unit sets for malloc: without it malloc keeps what large messages took. */
function mallocVariables(): Record<string, string> {
  const unit = readFileSync('data/backscatterd.service', 'utf8')
  const variables = [...unit.matchAll(/\b(MALLOC_\w+)=(\d+)/g)]
  assert.equal(variables.length, 3)
  return Object.fromEntries(variables.map(([, name, value]) => [name, value]))
}

/** The sample as our own MX would have stored it just now. */
function stored(client: string): string {
  const date = new Date().toUTCString().replace('GMT', '+0000')
  return `Return-Path: <>\r\nDelivered-To: orders@trap.example.org\r\nReceived: from mail.pf.example (mail.pf.example [${client}])\r\n\tby mx.trap.example.org (Postfix) with ESMTP id 4Y1;\r\n\t${date}\r\n${sample}`
}

test('hostile mailboxes beside sound ones', { timeout: 900_000 }, async (t) => {
  const site = new Site(t)
  const passwordFile = join(site.folder, 'password')
  writeFileSync(passwordFile, 'secret\n')
  const table = (name: string, type: 'imap' | 'pop3', port: number): string =>
    `[[mailbox]]\nname = "${name}"\ntype = "${type}"\nschedule = "* * * * * *"\n` +
    `url = "${type}://trap@127.0.0.1:${port}"\npasswordFile = "${passwordFile}"\n`
  const tables: string[] = []
  const hostile: string[] = []
  for (const [type, kinds, open] of [
    ['imap', hostileImap, oddImap],
    ['pop3', hostilePop3, oddPop3],
  ] as const) {
    for (const [at, { server }] of Object.values(kinds).entries()) {
      const name = `${type}-${at}`
      hostile.push(name)
      tables.push(table(name, type, await open(t, server)))
    }
  }
  const clients = Array.from({ length: 16 }, (_, at) => `203.0.113.${100 + at}`)
  const of = (from: number): string[] => clients.slice(from, from + 4)
  const imap = { messages: of(0).map(stored) }
  const pop3 = { messages: of(4).map(stored) }
  tables.push(table('imap-sound', 'imap', await oddImap(t, imap)))
  tables.push(table('pop3-sound', 'pop3', await oddPop3(t, pop3)))
  const more = `[admin]\nlisten = "127.0.0.1:0"\n${tables.join('')}`
  writeFileSync(site.configFile, site.configuration(more))
  const server = await site.start(mallocVariables())

  const drop = (client: string): void => {
    const file = join(site.folder, 'maildir', 'tmp', client)
    writeFileSync(file, stored(client), 'latin1')
    renameSync(file, join(site.folder, 'maildir', 'new', client))
  }
  of(8).forEach(drop)
  for (const client of of(12)) {
    const sent = { server: server.smtp, from: '', to: ['orders@trap.example.org'], client }
    assert.match(await submit({ ...sent, message: sample }), /^250 /)
  }
  const isHealthy = async (): Promise<boolean> =>
    (await fetch(`http://${server.admin}/healthz`)).status === 200
  for (const client of clients) {
    const listed = () => ask(server.dns, reversed(client, origin))
    const { a } = await until(listed, (answer) => answer.a.length > 0, 120_000)
    assert.deepEqual(a.sort(), ['127.0.0.2', '127.0.0.3'], client)
    assert.ok(await isHealthy())
  }
  // Until each hostile one has been tried again and again, but those that dawdle: they take their minute.
  const states = async (): Promise<
    Record<string, { state: string; readingSince: string | null }>
  > => {
    const { mailboxes } = JSON.parse((await site.run('status', '--json')).stdout)
    return Object.fromEntries(mailboxes.map((each: { name: string }) => [each.name, each]))
  }
  const wereTried = (all: Awaited<ReturnType<typeof states>>): boolean =>
    hostile.every((name) => all[name]?.state !== 'waiting' || all[name]?.readingSince !== null)
  assert.ok(wereTried(await until(states, wereTried, 120_000)))
  for (let second = 0; second < 15; second++) {
    assert.ok(await isHealthy())
    await new Promise((next) => setTimeout(next, 1000))
  }
  const [, kibibytes = ''] =
    /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8')) ?? []
  const megabytes = (Number(kibibytes) * 1024) / 1e6
  t.diagnostic(`${Math.round(megabytes)} MB at most`)
  assert.ok(megabytes < mostMegabytes, `${megabytes} MB`)
  assert.doesNotMatch(server.stderr(), /the thread that reads mailboxes died/)
  // Its messages are listed before its first reading is over.
  const isSound = (all: Awaited<ReturnType<typeof states>>): boolean =>
    all['imap-sound']?.state === 'ok'
  assert.ok(isSound(await until(states, isSound, 120_000)))
  assert.deepEqual(await server.kill('SIGTERM'), { code: 0, signal: null })
})
