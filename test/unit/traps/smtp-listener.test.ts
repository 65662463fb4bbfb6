// What may stand in front of the listener, over real sockets: a load balancer with PROXY headers, our own mail server
// with LMTP and XFORWARD, and TLS.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { formatAddress } from '../../../src/ip/address.ts'
import { makeCertificate } from '../../support/certificate.ts'
import { needs } from '../../support/debian.ts'
import { until } from '../../support/server.ts'
import type { SmtpClient } from './smtp-client.ts'
import { smtpSite } from './smtp-site.ts'

const bounce = readFileSync('test/bounces/dsn/pf-unknown-user.eml', 'latin1').replace(/^\./gm, '..')

function clients(recorded: { client: Parameters<typeof formatAddress>[0] | null }[]) {
  return recorded.map(({ client }) => client && formatAddress(client))
}

const versionTwo = Buffer.from(
  '0d0a0d0a000d0a515549540a2121002420010db800000000000000000000000720010db800000000000000000000002512340019',
  'hex',
)

test('a balancer’s PROXY header names the client, in one piece or octet by octet', async (t) => {
  const { connect, recorded } = await smtpSite(t, { proxyProtocol: ['127.0.0.0/8'] })
  for (const header of ['PROXY TCP4 192.0.2.7 198.51.100.1 4660 25\r\n', versionTwo]) {
    const whole = connect()
    whole.send(header)
    await whole.begin()
    assert.match(await whole.finish(`${bounce}.\r\n`), /^250 /)
    const pieces = connect()
    for (const octet of Buffer.from(header as string, 'latin1')) {
      pieces.send(Buffer.of(octet))
      await new Promise((next) => setTimeout(next, 1))
    }
    await pieces.begin()
    assert.match(await pieces.finish(`${bounce}.\r\n`), /^250 /)
  }
  const [four, six] = ['192.0.2.7', '2001:db8::7']
  assert.deepEqual(clients(recorded), [four, four, six, six])
})

test('a header and the whole session in one write', async (t) => {
  const { connect, recorded } = await smtpSite(t, { proxyProtocol: ['127.0.0.1'] })
  const client = connect()
  client.send(
    `PROXY TCP4 192.0.2.7 198.51.100.1 1 25\r\nEHLO h\r\nMAIL FROM:<>\r\nRCPT TO:<a@trap.example>\r\nDATA\r\n${bounce}.\r\nQUIT\r\n`,
  )
  client.socket.end()
  await client.ended
  assert.match(client.said, /250 2\.6\.0 Recorded\r\n221 /)
  assert.deepEqual(clients(recorded), ['192.0.2.7'])
})

test('a balancer that does not know its client leaves it unknown; without a header it is cut off', async (t) => {
  const { connect, recorded, log } = await smtpSite(t, { proxyProtocol: ['127.0.0.1'] })
  const unknown = connect()
  unknown.send('PROXY UNKNOWN\r\n')
  await unknown.begin()
  assert.match(await unknown.finish(`${bounce}.\r\n`), /^250 /)
  assert.deepEqual(clients(recorded), [null])
  const none = connect()
  none.send('EHLO h.example\r\n')
  await none.ended
  assert.equal(none.said, '')
  assert.match(log.join(), /no valid PROXY header/)
})

test('a PROXY header from anybody else is no command', async (t) => {
  const { connect, recorded } = await smtpSite(t, { proxyProtocol: ['192.0.2.0/24'] })
  const client = connect()
  await client.hear(1)
  const [reply] = await client.say('PROXY TCP4 192.0.2.7 198.51.100.1 1 25')
  assert.match(reply ?? '', /^500 /)
  await client.begin()
  await client.finish(`${bounce}.\r\n`)
  assert.deepEqual(clients(recorded), ['127.0.0.1'])
})

test('the limit for each client counts whom the header names', async (t) => {
  const options = { proxyProtocol: ['127.0.0.1'], maxClientConnections: 1 }
  const { connect } = await smtpSite(t, options)
  const from = async (address: string): Promise<string> => {
    const client = connect()
    client.send(`PROXY TCP4 ${address} 198.51.100.1 1 25\r\n`)
    return (await client.hear(1))[0] ?? ''
  }
  assert.match(await from('192.0.2.1'), /^220 /)
  assert.match(await from('192.0.2.2'), /^220 /)
  assert.match(await from('192.0.2.1'), /^421 4\.7\.0 /)
})

test('LMTP with XFORWARD: one reply for each recipient, the client that the proxy names', async (t) => {
  const { connect, recorded } = await smtpSite(t, { lmtp: true, proxies: ['127.0.0.1'] })
  const postfix = connect()
  assert.match((await postfix.hear(1))[0] ?? '', /LMTP/)
  const [lhlo] = await postfix.say('LHLO mx.ours.example')
  assert.match(postfix.said, /250[ -]XFORWARD /)
  assert.match(lhlo ?? '', /^250 /)
  await postfix.say(
    'XFORWARD NAME=mail.far.example ADDR=198.51.100.10 HELO=far.example',
    'MAIL FROM:<>',
    'RCPT TO:<a@trap.example>',
    'RCPT TO:<b@trap.example>',
    'DATA',
  )
  const before = postfix.replies().length
  postfix.send(`${bounce}.\r\n`)
  const replies = (await postfix.hear(before + 2)).slice(before)
  assert.deepEqual(replies, ['250 2.6.0 Recorded', '250 2.6.0 Recorded'])
  // Each message of a cached connection has its own client.
  await postfix.say('XFORWARD ADDR=IPV6:2001:db8::7 NAME=[UNAVAILABLE]', 'MAIL FROM:<>')
  await postfix.say('RCPT TO:<a@trap.example>', 'DATA')
  await postfix.finish(`${bounce}.\r\n`)
  await postfix.say('XFORWARD ADDR=[UNAVAILABLE]', 'MAIL FROM:<>', 'RCPT TO:<a@trap.example>')
  await postfix.say('DATA')
  await postfix.finish(`${bounce}.\r\n`)
  assert.deepEqual(clients(recorded), ['198.51.100.10', '198.51.100.10', '2001:db8::7', null])
  assert.equal(recorded[0]?.details.helo, 'far.example')
})

for (const hello of ['EHLO', 'LHLO']) {
  const transport = hello === 'LHLO' ? 'LMTP' : 'SMTP'
  const options = { lmtp: hello === 'LHLO', proxies: ['127.0.0.1'] }
  const newsletter = 'From: <news@far.example>\r\nSubject: News\r\n\r\nAll is well.\r\n.\r\n'
  const ownBounce = `${bounce.slice(bounce.indexOf('Date: '))}.\r\n`
  const envelope = ['MAIL FROM:<>', 'RCPT TO:<a@trap.example>']

  test(`${transport}: what XFORWARD says holds for one message`, async (t) => {
    const { connect, recorded } = await smtpSite(t, options)
    const postfix = connect()
    await postfix.hear(1)
    await postfix.say(`${hello} mx.ours.example`, 'XFORWARD ADDR=203.0.113.150 HELO=far.example')
    await postfix.say('XFORWARD IDENT=Q1 SOURCE=REMOTE')
    await postfix.say('MAIL FROM:<news@far.example>', 'RCPT TO:<a@trap.example>', 'DATA')
    await postfix.finish(newsletter)
    const probe = ['MAIL FROM:<double-bounce@mx.ours.example>', 'RCPT TO:<a@trap.example>', 'RSET']
    await postfix.say('XFORWARD IDENT=Q2 SOURCE=LOCAL', ...probe)
    await postfix.say(...envelope, 'DATA')
    await postfix.finish(ownBounce)
    assert.deepEqual(clients(recorded), ['203.0.113.150', null])
    assert.deepEqual(
      recorded.map(({ details }) => details.helo),
      ['far.example', undefined],
    )
  })

  test(`${transport}: XFORWARD is forgotten with RSET, ${hello} or a refused MAIL`, async (t) => {
    const { connect, recorded } = await smtpSite(t, options)
    const postfix = connect()
    await postfix.hear(1)
    await postfix.say(`${hello} mx.ours.example`)
    for (const reset of [
      ['RSET'],
      [`${hello} mx.ours.example`],
      ['MAIL FROM:<> SIZE=99999999', 'RSET'],
      [...envelope, 'RSET'],
    ]) {
      await postfix.say('XFORWARD ADDR=203.0.113.150', ...reset, ...envelope, 'DATA')
      await postfix.finish(ownBounce)
    }
    const bounces = recorded.filter(({ kind }) => kind === 'dsn')
    assert.deepEqual(clients(bounces), [null, null, null, null])
  })

  test(`${transport}: a client whose HELO the proxy does not know is served`, async (t) => {
    const { connect, recorded } = await smtpSite(t, options)
    const postfix = connect()
    await postfix.hear(1)
    await postfix.say(`${hello} mx.ours.example`)
    for (const helo of ['HELO=[UNAVAILABLE]', 'HELO=']) {
      await postfix.say(`XFORWARD ADDR=203.0.113.150 ${helo}`, ...envelope, 'DATA')
      assert.match(await postfix.finish(ownBounce), /^250 /)
    }
    assert.deepEqual(clients(recorded), ['203.0.113.150', '203.0.113.150'])
  })

  test(`${transport}: a callout counts against the client of its own transaction`, async (t) => {
    const { connect, recorded } = await smtpSite(t, options)
    const postfix = connect()
    await postfix.hear(1)
    await postfix.say(`${hello} mx.ours.example`)
    await postfix.say('XFORWARD ADDR=203.0.113.151 HELO=probe.example', ...envelope, 'RSET')
    await postfix.say('XFORWARD ADDR=203.0.113.152 HELO=far.example')
    await postfix.say('MAIL FROM:<news@far.example>', 'RCPT TO:<a@trap.example>', 'DATA')
    await postfix.finish(newsletter)
    assert.deepEqual(clients(recorded), ['203.0.113.151', '203.0.113.152'])
    assert.deepEqual(
      recorded.map(({ kind, details }) => [kind === 'callout', details.helo]),
      [
        [true, 'probe.example'],
        [false, 'far.example'],
      ],
    )
  })
}

test('LMTP without XFORWARD: our own server’s Received field tells, and it probes nobody', async (t) => {
  const { connect, recorded } = await smtpSite(t, { lmtp: true, proxies: ['127.0.0.1'] })
  const postfix = connect()
  await postfix.hear(1)
  await postfix.say('LHLO mx.ours.example', 'MAIL FROM:<>', 'RCPT TO:<a@trap.example>', 'RSET')
  await postfix.say('MAIL FROM:<>', 'RCPT TO:<a@trap.example>', 'DATA')
  const received =
    'Received: from far.example (unknown [203.0.113.9])\r\n\tby mx.ours.example (Postfix) with ESMTP id 4Y2\r\n\tfor <a@trap.example>; Tue, 24 Nov 2026 10:00:00 +0000 (UTC)\r\n'
  await postfix.finish(`${received}${bounce}.\r\n`)
  await postfix.say('QUIT')
  assert.deepEqual(clients(recorded), ['203.0.113.9'])
})

test('LMTP replies to the message once for each RCPT that it accepted, also of one recipient', async (t) => {
  const { connect, recorded } = await smtpSite(t, { lmtp: true, proxies: ['127.0.0.1'] })
  const front = connect()
  await front.hear(1)
  // Exim takes the case of a local part for a difference.
  const recipients = ['RCPT TO:<a@trap.example>', 'RCPT TO:<A@trap.example>']
  await front.say('LHLO mx.example', 'MAIL FROM:<>', ...recipients, 'DATA')
  front.send(`${bounce}.\r\nQUIT\r\n`)
  const replies = await front.hear(9)
  assert.deepEqual(replies.slice(6, -1), Array(2).fill('250 2.6.0 Recorded'))
  assert.equal(recorded.length, 1)
})

test('XFORWARD from a stranger is refused', async (t) => {
  const { connect, recorded } = await smtpSite(t, { lmtp: true, proxies: ['192.0.2.0/24'] })
  const client = connect()
  await client.hear(1)
  await client.say('LHLO h.example')
  assert.match((await client.say('XFORWARD ADDR=203.0.113.9'))[0] ?? '', /^550 5\.7\.0 /)
  await client.say('MAIL FROM:<>', 'RCPT TO:<a@trap.example>', 'DATA')
  await client.finish(`${bounce}.\r\n`)
  assert.deepEqual(clients(recorded), ['127.0.0.1'])
})

const openssl = needs('openssl', 'openssl')

function certificate(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'backscatterd-tls-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return { folder, ...makeCertificate(folder) }
}

/** EHLO and STARTTLS in the clear; what is said after it is said over TLS. */
async function startTls(client: SmtpClient): Promise<TLSSocket> {
  await client.hear(1)
  await client.say('EHLO h.example')
  assert.match(client.said, /250[ -]STARTTLS\r\n/)
  assert.match((await client.say('STARTTLS'))[0] ?? '', /^220 /)
  client.socket.removeAllListeners('data')
  const secured = connectTls({ socket: client.socket, rejectUnauthorized: false })
  await new Promise((resolve) => secured.once('secureConnect', resolve))
  secured.on('error', () => undefined)
  return secured
}

async function hear(secured: TLSSocket, last: RegExp): Promise<string> {
  let said = ''
  return await new Promise((resolve) => {
    const done = (): void => resolve(said)
    secured.on('data', (chunk) => {
      said += chunk.toString('latin1')
      if (last.test(said)) done()
    })
    for (const event of ['end', 'close', 'error']) secured.once(event, done)
  })
}

const session = `EHLO h.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@trap.example>\r\nDATA\r\n`

test(
  'STARTTLS: the message comes in, and the evidence names protocol and cipher',
  openssl,
  async (t) => {
    const { connect, recorded } = await smtpSite(t, certificate(t))
    const secured = await startTls(connect())
    secured.write(`${session}${bounce}.\r\nQUIT\r\n`)
    assert.match(await hear(secured, /^221 /m), /250 2\.6\.0 Recorded\r\n221 /)
    assert.match(recorded[0]?.details.tls ?? '', /^TLSv1\.[23] TLS_\w+/)
    assert.equal(recorded[0]?.details.helo, 'h.example')
  },
)

test('half-closed after STARTTLS, the client gets its reply', openssl, async (t) => {
  const { connect, recorded } = await smtpSite(t, {
    ...certificate(t),
    record: async (evidence) => {
      await new Promise((next) => setTimeout(next, 500))
      return evidence.map(() => ({ decision: 'listed' }))
    },
  })
  for (const end of ['close_notify', 'FIN alone']) {
    const client = connect()
    const secured = await startTls(client)
    const replies = hear(secured, /^221 /m)
    if (end === 'close_notify') secured.end(`${session}${bounce}.\r\nQUIT\r\n`)
    else {
      secured.write(`${session}${bounce}.\r\nQUIT\r\n`)
      setTimeout(() => client.socket.end(), 50)
    }
    assert.match(await replies, /250 2\.6\.0 Recorded\r\n221 /, end)
  }
  assert.equal(recorded.length, 2)
})

test('a TLS session that fails or stalls leaves no connection counted', openssl, async (t) => {
  const { connect } = await smtpSite(t, {
    ...{ ...certificate(t), maxClientConnections: 1, commandSeconds: 1 },
    proxyProtocol: ['127.0.0.1'],
  })
  const from = (): SmtpClient => {
    const client = connect()
    client.send('PROXY TCP4 192.0.2.1 198.51.100.1 1 25\r\n')
    return client
  }
  for (const octets of ['this is no TLS\r\n', '']) {
    const client = from()
    await client.hear(1)
    await client.say('EHLO h.example', 'STARTTLS')
    if (octets !== '') client.send(octets)
    await client.ended
  }
  const greeted = async (): Promise<string> => (await from().hear(1))[0] ?? ''
  assert.match(await until(greeted, (reply) => reply.startsWith('220'), 30_000), /^220 /)
})

test(
  'a renewed certificate is shown to the next client, and a broken one changes nothing',
  openssl,
  async (t) => {
    const { folder, ...files } = certificate(t)
    const { connect, traps } = await smtpSite(t, files)
    const shown = async (): Promise<unknown> => {
      const secured = await startTls(connect())
      return secured.getPeerCertificate().subject.CN
    }
    assert.equal(await shown(), 'mx.trap.example')
    makeCertificate(folder, 'renewed.example')
    await traps.renewCertificate()
    assert.equal(await shown(), 'renewed.example')
    writeFileSync(files.keyFile, 'broken')
    await assert.rejects(traps.renewCertificate(), { code: 'config-invalid' })
    assert.equal(await shown(), 'renewed.example')
  },
)
