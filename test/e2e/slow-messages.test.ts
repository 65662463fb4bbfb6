// Messages that once held the server for seconds or minutes, by each way that they can come in: the server answers
// everybody else meanwhile, and ends when it is told to.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync, renameSync, writeFileSync } from 'node:fs'
import { type ClientRequest, get } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type Server, Site, until } from '../support/server.ts'
import {
  bareLineFeeds,
  emptyLinesInBase64Status,
  emptyLinesInStatus,
  foldedHeader,
} from '../support/slow-messages.ts'
import { SmtpClient } from '../unit/traps/smtp-client.ts'

const trap = 'orders@trap.example.org'
const messages = {
  'empty lines in a delivery status': emptyLinesInStatus(trap),
  'the same in base64': emptyLinesInBase64Status(trap),
  'folded lines in a returned header': foldedHeader(trap),
  'bare line feeds': bareLineFeeds(trap),
}
/** It ends a test that hangs, and says nothing of how long anything takes. */
const hanging = { timeout: 600_000 }

/** A server that asks DNS about what is returned, and gets no answer. */
async function startSite(t: TestContext): Promise<{ site: Site; server: Server; key: string }> {
  const silent = createSocket('udp4').bind(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => silent.close())
  const site = new Site(t)
  const more = `
[admin]
listen = "127.0.0.1:0"
[resolver]
servers = ["127.0.0.1:${silent.address().port}"]
`
  writeFileSync(site.configFile, site.configuration(more))
  const server = await site.start()
  const key = (await site.run('key', 'create', '--name', 'reader', '--scope', 'read')).stdout.trim()
  return { site, server, key }
}

interface Question {
  /** Resolves when the question is on its way. */
  readonly sent: Promise<unknown>
  readonly status: Promise<number | undefined>
}

/** Asks /healthz on a connection of its own. */
function askHealth(server: Server): Question {
  const request = get(`http://${server.admin}/healthz`, { agent: false })
  return { sent: once(request, 'finish'), status: statusOf(request) }
}

async function statusOf(request: ClientRequest): Promise<number | undefined> {
  const [reply] = await once(request, 'response')
  reply.resume()
  await once(reply, 'end')
  return reply.statusCode
}

/** Puts the message into new/ as a delivery agent does; resolves when it has been taken. */
async function deliver(site: Site, name: string, message: Uint8Array): Promise<void> {
  writeFileSync(join(site.folder, 'maildir/tmp', name), message)
  renameSync(join(site.folder, 'maildir/tmp', name), join(site.folder, 'maildir/new', name))
  const list = async (): Promise<string[]> => readdirSync(join(site.folder, 'maildir/cur'))
  await until(list, (names) => names.some((each) => each.startsWith(name)), hanging.timeout)
  // Answers that came before are read by the end of this turn of the event loop.
  await setImmediate()
}

for (const [what, message] of Object.entries(messages)) {
  test(`others are answered while a message with ${what} is read`, hanging, async (t) => {
    const { site, server, key } = await startSite(t)
    const ways: Record<string, () => Promise<() => Promise<void>>> = {
      SMTP: async () => {
        const client = new SmtpClient(t, server.smtp)
        await client.begin(trap)
        client.send(message)
        return async () => assert.match(await client.finish('\r\n.\r\n'), /^250 /)
      },
      Maildir: async () => async () => await deliver(site, '1.M.host', message),
      '/v1/classify': async () => async () => {
        const reply = await fetch(`http://${server.admin}/v1/classify`, {
          method: 'POST',
          body: new Uint8Array(message),
          headers: { authorization: `Bearer ${key}`, 'content-type': 'message/rfc822' },
        })
        assert.equal(reply.status, 200, await reply.text())
      },
    }
    for (const [way, begin] of Object.entries(ways)) {
      const finish = await begin()
      // The server wakes up with both before it, however slow this process is to send them. It accepts the connection in the turn
      // of its event loop that takes the end of the message, and reads the question in the next one.
      process.kill(server.pid, 'SIGSTOP')
      const order: string[] = []
      const done = finish().then(() => order.push('message'))
      const health = askHealth(server)
      await health.sent
      process.kill(server.pid, 'SIGCONT')
      assert.equal(await health.status, 200)
      order.push('/healthz')
      await done
      assert.deepEqual(order, ['/healthz', 'message'], way)
    }
    const last = new SmtpClient(t, server.smtp)
    await last.begin(trap)
    last.send(message)
    last.send('\r\n.\r\n')
    assert.deepEqual(await server.kill('SIGTERM'), { code: 0, signal: null })
  })
}
