// A server whose wall clock cannot be believed: at the start it is more than a day past the last publication.
import assert from 'node:assert/strict'
import { copyFileSync, existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { submit } from '../../scripts/submit.ts'
import { ask, reversed } from '../support/ask.ts'
import { origin, type Server, Site, until } from '../support/server.ts'

const daySeconds = 86_400
const sample = 'data/samples/postfix-bounce.eml'

function deliver(server: Server): Promise<string> {
  const message = readFileSync(sample, 'latin1')
  const to = ['orders@trap.example.org']
  return submit({ server: server.smtp, from: '', to, client: '198.51.100.10', message })
}

test('a server that was off for days puts off what has a date until its clock is confirmed', async (t) => {
  const site = new Site(t)
  const first = await site.start()
  assert.equal((await site.run('add', '203.0.113.1', '--for', '1h')).code, 0)
  await first.kill('SIGTERM')
  const database = new Database(join(site.folder, 'list.db'))
  database.exec(`UPDATE publications SET generated_at = generated_at - ${3 * daySeconds}`)
  database.exec(`UPDATE listings SET expires_at = expires_at - ${daySeconds}`)
  database.close()

  const server = await site.start()
  const isListed = async (address: string): Promise<boolean> =>
    (await ask(server.dns, reversed(address, origin))).a.length > 0
  const { serial = 0 } = await ask(server.dns, origin, 'SOA')
  const told = /the wall clock has jumped/
  const log = await until(
    async () => server.stderr(),
    (text) => told.test(text),
    60_000,
  )
  assert.match(log, told)
  assert.match((await site.run('status')).stdout, /^wrong {2}the clock has been held since /)
  const stats = JSON.parse((await site.run('status', '--json')).stdout)
  assert.ok(
    Date.parse(stats.clockHeld.wallClock) - Date.parse(stats.clockHeld.since) > 2 * daySeconds,
  )

  // Over by the wall clock, not by the held time.
  assert.ok(await isListed('203.0.113.1'))
  await assert.rejects(deliver(server), /^Error: 452 /)
  const stored = join(site.folder, 'maildir', 'new', '1.stored')
  const coming = join(site.folder, 'maildir', 'tmp', '1.stored')
  copyFileSync(sample, coming)
  renameSync(coming, stored)
  const refused = await site.run('add', '203.0.113.2', '--for', '1d')
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /wall clock/)
  assert.equal((await site.run('add', '203.0.113.3', '--permanent')).code, 0)
  assert.ok(await isListed('203.0.113.3'))
  assert.equal((await ask(server.dns, origin, 'SOA')).serial, serial + 1)
  const failing = await until(
    async () => (await site.run('status')).stdout,
    (text) => text.includes('clock-held'),
    60_000,
  )
  assert.match(failing, /clock-held/)
  assert.ok(existsSync(stored), 'the mailbox keeps its message')

  process.kill(server.pid, 'SIGHUP')
  const status = await until(
    async () => (await site.run('status')).stdout,
    (text) => !text.includes('wrong'),
    // The mailbox is read again after as long as it has been failing.
    300_000,
  )
  assert.doesNotMatch(status, /wrong/)
  assert.match(await deliver(server), /^250 /)
  await until(
    () => isListed('203.0.113.1'),
    (each) => !each,
    60_000,
  )
  assert.ok(!(await isListed('203.0.113.1')))
  assert.equal((await site.run('add', '203.0.113.2', '--for', '1d')).code, 0)
})
