// What is wrong with a server, in words: nothing while all is well, and each fault with what mends it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultsOf } from '../../../src/admin/faults.ts'
import type { ServerStatus } from '../../../src/admin/schemas/server.ts'
import { openAdmin } from '../../support/admin.ts'

const since = '2026-07-01T10:00:00Z'
const told = { serial: 9, toldAt: since, answeredAt: since, answeredSerial: 8 }
const thread = { name: 'dns-udp-0', isAnswering: true, restarts: 3 }

/** The status of a server that is well; its list is fresh for the years to come. */
async function wellStatus(t: Parameters<typeof openAdmin>[0]): Promise<ServerStatus> {
  const admin = openAdmin(t)
  const stats = (await admin.app.inject('/v1/stats')).json<ServerStatus>()
  return { ...stats, validUntil: '2999-01-01T00:00:00Z' }
}

test('a server that is well has no fault', async (t) => {
  const well = await wellStatus(t)
  const more: Partial<ServerStatus> = {
    threads: [thread],
    disk: { freeBytes: 10, neededBytes: 10 },
    secondaries: [
      { address: '192.0.2.53:53', state: 'ok', ...told },
      { address: '192.0.2.54:53', state: 'waiting', ...told },
    ],
  }
  assert.deepEqual(faultsOf({ ...well, ...more }, String), [])
})

test('each fault is told, the gravest first', async (t) => {
  const well = await wellStatus(t)
  const [mailbox] = well.mailboxes
  assert.ok(mailbox)
  const faulty: ServerStatus = {
    ...well,
    needRestart: ['dns.workers'],
    writeFailure: { since, why: 'the disk is full' },
    disk: { freeBytes: 2 ** 20, neededBytes: 2 ** 30 },
    clockHeld: { since, wallClock: '2036-01-01T00:00:00Z' },
    validUntil: since,
    tree: { ...well.tree, nearlyFull: true },
    threads: [thread, { ...thread, name: 'dns-tcp', isAnswering: false }],
    mailboxes: [
      mailbox,
      { ...mailbox, name: 'bad', state: 'failing', lastError: 'login: refused' },
    ],
    secondaries: [
      { address: '192.0.2.53:53', state: 'silent', ...told },
      { address: '192.0.2.54:53', state: 'refused', ...told },
    ],
  }
  const sentences = faultsOf(faulty, String).map(({ what, remedy }) => `${what}; ${remedy}`)
  const expected = [
    ...[/cannot be written since .*: the disk is full/, /1 MiB free, and mail needs 1 GiB/],
    ...[/clock has been held .* reload/, /stale since/, /tree is nearly full; raise dns.capacity/],
    ...[/dns-tcp does not answer/, /mailbox bad fails: login: refused/],
    ...[
      /192\.0\.2\.53:53 does not answer NOTIFY of serial 9; it last did/,
      /192\.0\.2\.54:53 refuses NOTIFY of serial 9/,
      /dns\.workers .* restart/,
    ],
  ]
  assert.equal(sentences.length, expected.length, sentences.join('\n'))
  for (const [index, pattern] of expected.entries()) assert.match(sentences[index] ?? '', pattern)
})
