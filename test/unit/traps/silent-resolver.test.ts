// A resolver that never answers holds no client of the live listener: its 250 comes in time, and the evidence says what
// nobody knows.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { bounceOf } from './bounce-of.ts'
import { smtpSite } from './smtp-site.ts'

const body = 'Hello.\r\n'
/** Of the right body: what is left to find out is the key. */
const signature = `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=trap.example; s=s1; h=from; bh=${createHash(
  'sha256',
)
  .update(body)
  .digest('base64')}; b=AAAA`
const bounce = bounceOf(
  [
    'Received: from out.example ([203.0.113.77])',
    '\tby mail.bouncer.example with ESMTP; Tue, 24 Nov 2026 12:00:00 +0000',
    signature,
    'From: a@trap.example',
    '',
    body,
  ].join('\r\n'),
)

/** host:port of a socket that takes every question and answers none. */
async function silentServer(t: TestContext): Promise<{ address: string; heard(): number }> {
  let count = 0
  const socket = createSocket('udp4', () => count++)
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  return { address: `127.0.0.1:${socket.address().port}`, heard: () => count }
}

test('250 for several clients at once though no look-up is answered', async (t) => {
  const silent = await silentServer(t)
  // One after the other they would take longer than any client should wait.
  const authenticity = { servers: new Array<string>(4).fill(silent.address) }
  const { connect, recorded } = await smtpSite(t, { authenticity })
  await Promise.all(
    Array.from({ length: 5 }, async () => {
      const client = connect()
      await client.begin()
      assert.equal(await client.finish(`${bounce}.\r\n`), '250 2.6.0 Recorded')
    }),
  )
  assert.ok(silent.heard() > 0)
  assert.equal(recorded.length, 5)
  for (const { kind, genuine, details } of recorded) {
    const { spf, dkim, dmarcPolicy } = details
    assert.deepEqual([kind, genuine], ['dsn', undefined])
    assert.deepEqual([spf, dkim, dmarcPolicy], ['unknown', 'unknown', 'unknown'])
  }
})
