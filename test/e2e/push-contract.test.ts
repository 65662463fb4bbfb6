// What every transport owes that hands mail to us, with a real server that is killed: nothing is acknowledged before
// its evidence is committed, and what is sent again, since its acknowledgement was lost, counts once. The same of
// mailboxes: test/unit/traps/mailbox-contract.test.ts.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { type ClientRequest, request } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { EvidenceTable } from '../../src/store/evidence.ts'
import { type Server, Site, until } from '../support/server.ts'
import { SmtpClient } from '../unit/traps/smtp-client.ts'

const sample = readFileSync('data/samples/postfix-bounce.eml', 'latin1').replace(/\r?\n/g, '\r\n')
const host = '203.0.113.70'
const trap = 'a@trap.example.org'

/** The message is with the server; its answer may be awaited, or never be heard. */
interface Sent {
  readonly answer: Promise<string>
  /** Goes away without having heard anything. */
  hangUp(): void
}

interface Transport {
  readonly configuration?: string
  /** How an acknowledgement begins. */
  readonly accepted: RegExp
  send(t: TestContext, site: Site, server: Server, raw: string): Promise<Sent>
}

function mailTransport(hello: string, client: string): Transport['send'] {
  return async (t, _site, server, raw) => {
    const session = new SmtpClient(t, server.smtp)
    await session.hear(1)
    await session.say(`${hello} proxy.ours`, client)
    if (hello === 'EHLO') await session.say('EHLO far.example')
    const [, , data] = await session.say('MAIL FROM:<>', `RCPT TO:<${trap}>`, 'DATA')
    assert.match(data ?? '', /^354 /)
    const answer = session.finish(`${raw.replace(/^\./gm, '..')}\r\n.\r\n`)
    return { answer, hangUp: () => session.socket.destroy() }
  }
}

const transports: Record<string, Transport> = {
  SMTP: { accepted: /^250 /, send: mailTransport('EHLO', `XCLIENT ADDR=${host}`) },
  LMTP: {
    configuration: 'lmtp = true',
    accepted: /^250 /,
    send: mailTransport('LHLO', `XFORWARD ADDR=${host}`),
  },
  'POST /v1/messages': {
    accepted: /^200$/,
    async send(_t, site, _server, raw) {
      const query = new URLSearchParams({ client: host, recipient: trap })
      const sending = request({
        socketPath: join(site.folder, 'backscatterd.sock'),
        method: 'POST',
        path: `/v1/messages?${query}`,
        headers: { 'content-type': 'message/rfc822' },
      })
      const answer = statusOf(sending)
      sending.end(raw, 'latin1')
      await once(sending, 'finish')
      return { answer, hangUp: () => sending.destroy() }
    },
  },
}

/** '' when the connection ended without an answer. */
function statusOf(sending: ClientRequest): Promise<string> {
  return new Promise((resolve) => {
    sending.on('response', (response) => {
      response.resume()
      resolve(`${response.statusCode}`)
    })
    for (const end of ['error', 'close']) sending.on(end, () => resolve(''))
  })
}

function siteFor(t: TestContext, { configuration }: Transport): Site {
  const site = new Site(t)
  const more = configuration === undefined ? '' : `\n${configuration}`
  const text = site.configuration().replace('[trapSmtp]', `[trapSmtp]${more}`)
  writeFileSync(site.configFile, text)
  return site
}

function evidenceIn(site: Site): number {
  const database = new Database(join(site.folder, 'list.db'), { readonly: true })
  try {
    return new EvidenceTable(database).newestId()
  } finally {
    database.close()
  }
}

/** While the lock is held, the server can commit nothing. */
function lockDatabase(site: Site): Disposable {
  const stranger = new Database(join(site.folder, 'list.db'))
  stranger.exec('BEGIN IMMEDIATE')
  return { [Symbol.dispose]: () => stranger.close() }
}

for (const [name, transport] of Object.entries(transports)) {
  const { accepted } = transport

  test(`${name}: what could not be committed before a crash was not acknowledged, and comes again`, async (t) => {
    const site = siteFor(t, transport)
    const dying = await site.start()
    {
      using _lock = lockDatabase(site)
      const { answer, hangUp } = await transport.send(t, site, dying, sample)
      const heard = await Promise.race([answer, new Promise((next) => setTimeout(next, 100))])
      await dying.kill('SIGKILL')
      assert.doesNotMatch(`${heard ?? ''}`, accepted)
      assert.doesNotMatch(await answer, accepted)
      hangUp()
    }
    assert.equal(evidenceIn(site), 0)
    const { answer } = await transport.send(t, site, await site.start(), sample)
    assert.match(await answer, accepted)
    assert.equal(evidenceIn(site), 1)
  })

  test(`${name}: what was committed before a crash is acknowledged when it comes again, and counts once`, async (t) => {
    const site = siteFor(t, transport)
    const dying = await site.start()
    const { hangUp } = await transport.send(t, site, dying, sample)
    hangUp()
    assert.equal(
      await until(
        async () => evidenceIn(site),
        (count) => count === 1,
        60_000,
      ),
      1,
    )
    await dying.kill('SIGKILL')
    const server = await site.start()
    for (let times = 0; times < 2; times++) {
      const { answer } = await transport.send(t, site, server, sample)
      assert.match(await answer, accepted)
    }
    assert.equal(evidenceIn(site), 1)
    const shown = JSON.parse((await site.run('show', host, '--json')).stdout)
    assert.deepEqual([shown.listed, shown.evidence.length], [true, 1])
    assert.match(JSON.stringify(shown.listings), /"hits":1\b/)
  })

  test(`${name}: while the database cannot be written nothing is acknowledged, and after it it is`, async (t) => {
    const site = siteFor(t, transport)
    const server = await site.start()
    {
      using _lock = lockDatabase(site)
      const { answer } = await transport.send(t, site, server, sample)
      assert.match(await answer, /^(451 |503$)/)
    }
    assert.equal(evidenceIn(site), 0)
    const { answer } = await transport.send(t, site, server, sample)
    assert.match(await answer, accepted)
    assert.equal(evidenceIn(site), 1)
  })
}
