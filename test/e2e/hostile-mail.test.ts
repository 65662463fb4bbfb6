// Messages made to break a parser, sent to a running server: each is taken or refused, lists nobody
// without proof, and the server answers on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { submit } from '../../scripts/submit.ts'
import { ask, reversed } from '../support/ask.ts'
import { origin, Site } from '../support/server.ts'

const report =
  'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\nMIME-Version: 1.0\r\n'
const nested = Array.from(
  { length: 500 },
  (_, depth) => `--b${depth}\r\nContent-Type: multipart/mixed; boundary="b${depth + 1}"\r\n\r\n`,
)

const messages: Readonly<Record<string, { message: string; isRefused?: boolean }>> = {
  'over the size limit': {
    message: `Subject: big\r\n\r\n${`${'x'.repeat(76)}\r\n`.repeat(150_000)}`,
    isRefused: true,
  },
  'with 10,000 MIME parts': {
    message: `${report}\r\n${'--b\r\nContent-Type: text/plain\r\n\r\nx\r\n'.repeat(10_000)}--b--\r\n`,
  },
  'with a header line of 1 MB': {
    message: `Subject: ${'x'.repeat(1_000_000)}\r\n${report}\r\n--b--\r\n`,
  },
  'with 20,000 header lines': {
    message: `${'X-Filler: y\r\n'.repeat(20_000)}${report}\r\n--b--\r\n`,
  },
  'nested 500 deep': {
    message: `Content-Type: multipart/mixed; boundary="b0"\r\n\r\n${nested.join('')}`,
  },
  'with broken encodings': {
    message: `Subject: =?utf-8?B?////?= =?x?Q?=ZZ?=\r\n${report}\r\n--b\r\nContent-Type: message/delivery-status; charset=utf-7\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!\xff\xfe\r\n--b--\r\n`,
  },
  'with zero octets': { message: `Sub\0ject: x\0\r\n${report}\r\n--b\r\n\0\0\0\r\n--b--\r\n` },
  'that is empty': { message: '' },
  'without a header': { message: '\r\nonly a body\r\n' },
  'that only claims to be a report': {
    message: `${report}\r\n--b\r\n\r\nbuy now\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nnothing here\r\n--b--\r\n`,
  },
}

test('messages that no mail system writes', async (t) => {
  const site = new Site(t)
  const server = await site.start()
  let host = 100
  for (const [what, { message, isRefused = false }] of Object.entries(messages)) {
    const client = `203.0.113.${host++}`
    await t.test(what, { timeout: 60_000 }, async () => {
      const sent = submit({
        server: server.smtp,
        from: '',
        to: ['orders@trap.example.org'],
        client,
        message,
      })
      const reply = await sent.catch((error: Error) => error.message)
      assert.match(reply, isRefused ? /^552 / : /^250 /)
      assert.deepEqual((await ask(server.dns, reversed(client, origin))).a, [])
    })
  }
  assert.equal((await server.kill('SIGTERM')).code, 0)
})
