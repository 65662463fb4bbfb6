// The live listener over real sockets: whom it takes mail for, whom it believes, and what it does to clients that are
// slow, greedy, cut off, or not quite speaking SMTP.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { OperationalError } from '../../../src/errors.ts'
import { formatAddress } from '../../../src/ip/address.ts'
import { freePort } from '../../support/ports.ts'
import { until } from '../../support/server.ts'
import { smtpSite } from './smtp-site.ts'

const bounce = readFileSync('test/bounces/dsn/pf-unknown-user.eml', 'latin1').replace(/^\./gm, '..')

test('a bounce for a trap is recorded, then acknowledged', async (t) => {
  const { promise: committed, resolve: commit } = Promise.withResolvers<void>()
  const { connect, recorded, log } = await smtpSite(t, {
    record: async (evidence) => {
      await committed
      return evidence.map(() => ({ decision: 'listed' }))
    },
  })
  const client = connect()
  await client.begin('Orders@TRAP.example')
  const reply = client.finish(`${bounce}.\r\n`)
  await new Promise((next) => setTimeout(next, 200))
  assert.match(client.replies().at(-1) ?? '', /^354 /)
  commit()
  assert.equal(await reply, '250 2.6.0 Recorded')
  assert.equal(recorded.length, 1)
  const [evidence] = recorded
  assert.equal(evidence?.client && formatAddress(evidence.client), '127.0.0.1')
  assert.equal(evidence?.recipient, 'Orders@trap.example')
  assert.equal(evidence?.kind, 'dsn')
  assert.equal(evidence?.source, 'smtp')
  assert.equal(evidence?.details.helo, 'h.example')
  assert.equal(evidence?.details.reversePath, '')
  assert.equal(evidence?.seenAt, 1_800_000_000)
  assert.doesNotMatch(log.join(), /trap\.example/i)
})

test('each recipient of one message is one piece of evidence', async (t) => {
  const { connect, recorded } = await smtpSite(t)
  const client = connect()
  await client.hear(1)
  const replies = await client.say(
    'EHLO h.example',
    'MAIL FROM:<>',
    'RCPT TO:<a@trap.example>',
    'RCPT TO:<nobody@elsewhere.example>',
    'RCPT TO:<b@Trap.Example>',
    'RCPT TO:<b@trap.example>',
    'DATA',
  )
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 3)),
    ['250', '250', '250', '550', '250', '250', '354'],
  )
  assert.match(await client.finish(`${bounce}.\r\n`), /^250 /)
  assert.deepEqual(
    recorded.map(({ recipient }) => recipient),
    ['a@trap.example', 'b@trap.example'],
  )
  assert.equal(new Set(recorded.map(({ content }) => content)).size, 1)
})

test('whoever is no trap is refused during SMTP', async (t) => {
  const { connect, recorded } = await smtpSite(t)
  const client = connect()
  await client.hear(1)
  await client.say('EHLO h.example', 'MAIL FROM:<>')
  for (const [recipient, reply] of Object.entries({
    '<nobody@elsewhere.example>': /^550 5\.1\.1 /,
    '<a@sub.trap.example>': /^550 5\.1\.1 /,
    '<postmaster>': /^550 5\.1\.1 /,
    '<a@trap%2eexample>': /^550 5\.1\.1 /,
    '<a%trap.example@elsewhere.example>': /^550 5\.1\.1 /,
    '<>': /^501 5\.1\.3 /,
    '<a@trap.example@elsewhere.example>': /^501 5\.1\.3 /,
    'a@trap.example': /^501 5\.1\.3 /,
    '<"a b"@elsewhere.example>': /^550 5\.1\.1 /,
    '<"a b@trap.example>': /^501 5\.1\.3 /,
    '<"a\u200b b"@trap.example>': /^501 5\.1\.3 /,
    '<"a b"c@trap.example>': /^501 5\.1\.3 /,
    '<a\x01@trap.example>': /^501 5\.1\.3 /,
  })) {
    assert.match((await client.say(`RCPT TO:${recipient}`))[0] ?? '', reply, recipient)
  }
  assert.match((await client.say('DATA'))[0] ?? '', /^503 /)
  assert.deepEqual(recorded, [])
})

test('quoted local parts with blanks are accepted, and quoted only where they must be', async (t) => {
  const { connect, recorded } = await smtpSite(t)
  const client = connect()
  await client.hear(1)
  const recipients = {
    '"a b"': '"a b"',
    '"c@d:e> "': '"c@d:e> "',
    '"f\\"\\\\g"': '"f\\"\\\\g"',
    '"joe.x"': 'joe.x',
    '"j\\im"': 'jim',
    '""': '""',
  }
  const lines = Object.keys(recipients).map((each) => `RCPT TO:<${each}@TRAP.example>`)
  lines.push('RCPT TO: <@relay.example:"h i"@trap.example>', 'RCPT TO:<"h i"@trap.example> X=y')
  const replies = await client.say('EHLO h.example', 'MAIL FROM:<"m n"@far.example>', ...lines)
  assert.deepEqual(
    replies.slice(1).map((reply) => reply.slice(0, 3)),
    [...Array(8).fill('250'), '555'],
  )
  await client.say('DATA')
  assert.match(await client.finish(`${bounce}.\r\n`), /^250 /)
  assert.deepEqual(
    recorded.map(({ recipient }) => recipient),
    [...Object.values(recipients), '"h i"'].map((each) => `${each}@trap.example`),
  )
  assert.equal(recorded[0]?.details.reversePath, '"m n"@far.example')
})

test('what is not for a trap listener is not offered and not taken', async (t) => {
  const { connect } = await smtpSite(t)
  const client = connect()
  await client.hear(1)
  await client.say('EHLO h.example')
  assert.doesNotMatch(client.said, /AUTH|STARTTLS|XCLIENT|XFORWARD|DSN/)
  assert.match(client.said, /250[ -]SIZE 10485760\r\n/)
  const replies = await client.say(
    'AUTH PLAIN AAAA',
    'STARTTLS',
    'VRFY a@trap.example',
    'EXPN a',
    'NOOP',
  )
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 3)),
    ['500', '500', '252', '500', '250'],
  )
})

test('a parameter of an extension that is not offered is refused, and the session goes on', async (t) => {
  const { connect, recorded } = await smtpSite(t)
  const client = connect()
  await client.hear(1)
  await client.say('EHLO h.example')
  for (const parameter of ['AUTH=<>', 'RET=HDRS', 'ENVID=x', 'MT-PRIORITY=3', 'X', 'SIZE=9 X=y']) {
    const [mail] = await client.say(`MAIL FROM:<> ${parameter}`)
    assert.match(
      mail ?? '',
      /^555 5\.5\.4 (AUTH|RET|ENVID|MT-PRIORITY|X) is not offered/,
      parameter,
    )
  }
  assert.match((await client.say('MAIL FROM:<> \x7f=1'))[0] ?? '', /^555 5\.5\.4 That parameter /)
  assert.match((await client.say('MAIL FROM:<> BODY=BINARYMIME'))[0] ?? '', /^501 5\.5\.4 /)
  const rest = ['RCPT TO:<a@trap.example> NOTIFY=NEVER', 'RCPT TO:<b@trap.example>', 'DATA']
  const [mail, ...replies] = await client.say(
    'MAIL FROM:<> SIZE=9000 BODY=8BITMIME SMTPUTF8',
    ...rest,
  )
  assert.match(mail ?? '', /^250 /)
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 9)),
    ['555 5.5.4', '250 2.1.5', '354 End d'],
  )
  assert.match(await client.finish(`${bounce}.\r\n`), /^250 /)
  assert.deepEqual(
    recorded.map(({ recipient }) => recipient),
    ['b@trap.example'],
  )
})

test('record() that fails is answered 451, and the sender may try again at once', async (t) => {
  let isBroken = true
  const { connect, recorded, log } = await smtpSite(t, {
    record: async (evidence) => {
      if (isBroken) throw new Error('disk full')
      return evidence.map(() => ({ decision: 'counted' }))
    },
  })
  const client = connect()
  await client.begin()
  assert.match(await client.finish(`${bounce}.\r\n`), /^451 4\.3\.0 /)
  assert.equal(recorded.length, 0)
  assert.match(log.join(), /disk full|not recorded/)
  isBroken = false
  await client.say('MAIL FROM:<>', 'RCPT TO:<a@trap.example>', 'DATA')
  assert.match(await client.finish(`${bounce}.\r\n`), /^250 /)
  assert.equal(recorded.length, 1)
})

for (const [code, reply] of [
  ['disk-low', /^452 4\.\d\.\d /],
  ['clock-held', /^452 4\.\d\.\d /],
  ['database-failed', /^451 4\.\d\.\d /],
] as const) {
  test(`record() that fails for long (${code}) puts mail off without a log line for each message`, async (t) => {
    const { connect, log } = await smtpSite(t, {
      record: async () => {
        throw new OperationalError(code, 'not now')
      },
    })
    const client = connect()
    await client.begin()
    assert.match(await client.finish(`${bounce}.\r\n`), reply)
    assert.doesNotMatch(log.join(), /not recorded/)
  })
}

test('a client whose message stops the reading gets its 250, and 421 from then on; others go on', async (t) => {
  const entry = new URL('../../support/faulty-reader-thread.ts', import.meta.url)
  const { connect, recorded } = await smtpSite(t, { proxies: ['127.0.0.1'], reader: { entry } })
  const from = async (address: string) => {
    const client = connect()
    await client.hear(1)
    await client.say('EHLO proxy.ours')
    return { client, reply: (await client.say(`XCLIENT ADDR=${address}`))[0] ?? '' }
  }
  const send = async (address: string, text: string) => {
    const { client } = await from(address)
    await client.say('EHLO far.example', 'MAIL FROM:<>', 'RCPT TO:<a@trap.example>', 'DATA')
    return await client.finish(`${text}\r\n.\r\n`)
  }
  const [bad, good] = await Promise.all([send('192.0.2.1', 'exit'), send('192.0.2.2', 'sound')])
  assert.deepEqual([bad, good], ['250 2.6.0 Recorded', '250 2.6.0 Recorded'])
  assert.deepEqual(
    recorded.map(({ client, rule }) => [client && formatAddress(client), rule]),
    [['192.0.2.1', 'unreadable-message']],
  )
  assert.match((await from('192.0.2.1')).reply, /^421 4\.7\.0 /)
  assert.match((await from('192.0.2.2')).reply, /^220 /)
})

test('a client that half-closes right after QUIT gets its reply (Exim)', async (t) => {
  const { connect, recorded } = await smtpSite(t, {
    record: async (evidence) => {
      await new Promise((next) => setTimeout(next, 600))
      return evidence.map(() => ({ decision: 'listed' }))
    },
  })
  const client = connect()
  await client.begin()
  client.socket.end(Buffer.from(`${bounce}.\r\nQUIT\r\n`, 'latin1'))
  await client.ended
  assert.match(client.said, /250 2\.6\.0 Recorded\r\n221 [^\n]*\n$/)
  assert.equal(recorded.length, 1)
})

test('a client that half-closes without QUIT gets its reply, and the connection ends', async (t) => {
  const { connect, recorded } = await smtpSite(t)
  const client = connect()
  await client.begin()
  client.socket.end(Buffer.from(`${bounce}.\r\n`, 'latin1'))
  await client.ended
  assert.match(client.said, /250 2\.6\.0 Recorded\r\n$/)
  assert.equal(recorded.length, 1)
})

test('a client that half-closes in the middle of a message gets no reply, and nothing is recorded', async (t) => {
  const { connect, recorded } = await smtpSite(t)
  const client = connect()
  await client.begin()
  client.socket.end(Buffer.from(bounce.slice(0, 500), 'latin1'))
  await client.ended
  assert.match(client.said, /354 [^\n]*\n$/)
  assert.deepEqual(recorded, [])
})

test('a client that vanishes in the middle of a message leaves nothing behind', async (t) => {
  const { connect, recorded } = await smtpSite(t, { maxHeldBytes: 40_000 })
  for (let round = 0; round < 5; round++) {
    const client = connect()
    await client.begin()
    client.send(bounce.slice(0, 500))
    await new Promise((next) => setTimeout(next, 20))
    client.socket.resetAndDestroy()
  }
  await new Promise((next) => setTimeout(next, 100))
  const client = connect()
  await client.begin()
  assert.match(await client.finish(`${bounce}.\r\n`), /^250 /)
  assert.equal(recorded.length, 1)
})

test('everything in one write: pipelining, two messages, QUIT', async (t) => {
  const { connect, recorded } = await smtpSite(t)
  const client = connect()
  await client.hear(1)
  const one = `MAIL FROM:<>\r\nRCPT TO:<a@trap.example>\r\nDATA\r\n${bounce}.\r\n`
  client.send(`EHLO h.example\r\n${one}${one}QUIT\r\n`)
  await client.ended
  assert.deepEqual(
    client.replies().map((reply) => reply.slice(0, 3)),
    ['220', '250', '250', '250', '354', '250', '250', '250', '354', '250', '221'],
  )
  assert.equal(recorded.length, 2)
})

for (const size of [Number.POSITIVE_INFINITY, 37]) {
  test(`many messages without waiting for 354, in pieces of ${size} octets, are all answered`, async (t) => {
    const { connect, recorded } = await smtpSite(t)
    for (const [count, pause] of [
      [2, 0],
      [3, 0],
      [20, 0],
      [3, 2],
    ] as const) {
      recorded.length = 0
      const client = connect()
      await client.hear(1)
      const one = 'MAIL FROM:<>\r\nRCPT TO:<a@trap.example>\r\nDATA\r\nSubject: x\r\n\r\ny\r\n.\r\n'
      const all = `EHLO h.example\r\n${one.repeat(count)}QUIT\r\n`
      for (let start = 0; start < all.length; start += Math.min(size, all.length)) {
        client.send(all.slice(start, start + size))
        if (pause > 0) await new Promise((next) => setTimeout(next, pause))
      }
      await client.ended
      assert.match(client.said, /\r\n221 [^\n]*\n$/)
      assert.equal(client.said.match(/^250 2\.6\.0 Recorded/gm)?.length, count)
      assert.equal(recorded.length, count)
    }
  })
}

for (const [what, end] of Object.entries({
  'LF . CRLF': '\n.\r\n',
  'LF . LF': '\n.\n',
  'CRLF . LF': '\r\n.\n',
  'CR . CR': '\r.\r',
  'CRLF . CR': '\r\n.\r',
  'CRLF NUL . CRLF': '\r\n\0.\r\n',
})) {
  test(`${what} does not end a message, so nothing can be smuggled behind it`, async (t) => {
    const { connect, recorded } = await smtpSite(t)
    const client = connect()
    await client.begin('a@trap.example', 'x@far.example')
    const smuggled = 'MAIL FROM:<>\r\nRCPT TO:<b@trap.example>\r\nDATA\r\nSubject: two\r\n\r\nx'
    assert.match(await client.finish(`Subject: one\r\n\r\nx${end}${smuggled}\r\n.\r\n`), /^250 /)
    assert.deepEqual(
      recorded.map(({ recipient, details }) => [recipient, details.subject, details.reversePath]),
      [['a@trap.example', 'one', 'x@far.example']],
    )
  })
}

test('dots are unstuffed, zero octets and 8-bit octets come through', async (t) => {
  const { connect, recorded } = await smtpSite(t)
  const client = connect()
  await client.begin()
  const { createHash } = await import('node:crypto')
  const content = Buffer.from('Subject: x\r\n\r\n.\0\xff\r\n..y\r\n', 'latin1')
  const stuffed = content.toString('latin1').replace(/^\./gm, '..')
  assert.match(await client.finish(`${stuffed}.\r\n`), /^250 /)
  assert.equal(recorded[0]?.content, createHash('sha256').update(content).digest('hex'))
})

test('an oversize message is refused by SIZE, and after DATA', async (t) => {
  const { connect, recorded } = await smtpSite(t, { maxBytes: 70_000 })
  const client = connect()
  await client.hear(1)
  const [, mail] = await client.say('EHLO h.example', 'MAIL FROM:<> SIZE=70001')
  assert.match(mail ?? '', /^552 5\.3\.4 /)
  await client.say('MAIL FROM:<>', 'RCPT TO:<a@trap.example>', 'DATA')
  const big = `Subject: x\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(20_000)}`
  assert.match(await client.finish(`${big}.\r\n`), /^552 5\.3\.4 /)
  assert.deepEqual(recorded, [])
  await client.say('MAIL FROM:<>', 'RCPT TO:<a@trap.example>', 'DATA')
  assert.match(await client.finish(`${bounce}.\r\n`), /^250 /)
})

test('too much mail at once is put off, not lost', async (t) => {
  const { promise: committed, resolve: commit } = Promise.withResolvers<void>()
  const { connect } = await smtpSite(t, {
    maxHeldBytes: 20_000,
    record: async (evidence) => {
      await committed
      return evidence.map(() => ({ decision: 'listed' }))
    },
  })
  const first = connect()
  await first.begin()
  const reply = first.finish(`${bounce}.\r\n`)
  const second = connect()
  await second.begin()
  assert.match(await second.finish(`${bounce}.\r\n`), /^452 4\.2\.2 /)
  commit()
  assert.match(await reply, /^250 /)
})

test('too many recipients are refused, those before them stand', async (t) => {
  const { connect, recorded } = await smtpSite(t)
  const client = connect()
  await client.hear(1)
  const recipients = Array.from({ length: 101 }, (_, at) => `RCPT TO:<${at}@trap.example>`)
  const replies = await client.say('EHLO h.example', 'MAIL FROM:<>', ...recipients, 'DATA')
  assert.match(replies[102] ?? '', /^452 4\.5\.3 /)
  assert.match(await client.finish(`${bounce}.\r\n`), /^250 /)
  assert.equal(recorded.length, 100)
})

test('a command line of a megabyte ends the connection', async (t) => {
  const { connect } = await smtpSite(t)
  const client = connect()
  await client.hear(1)
  client.send(`EHLO ${'x'.repeat(1_000_000)}\r\n`)
  await client.ended
  assert.match(client.said, /\r\n421 4\.4\.2 /)
})

test('too many commands that are none end the connection', async (t) => {
  const { connect } = await smtpSite(t)
  const client = connect()
  await client.hear(1)
  client.send('FOO\r\n'.repeat(50))
  await client.ended
  assert.ok(client.replies().length <= 11)
  assert.match(client.said, /421 4\.4\.2 [^\n]*\n$/)
})

test('who talks before the greeting is served, and it is noted', async (t) => {
  const { connect, recorded } = await smtpSite(t, { greetingDelaySeconds: 1 })
  const client = connect()
  client.send(
    `EHLO h.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@trap.example>\r\nDATA\r\n${bounce}.\r\nQUIT\r\n`,
  )
  await client.ended
  assert.match(client.said, /^220 [\s\S]*250 2\.6\.0 Recorded\r\n221 /)
  assert.equal(recorded[0]?.details.notes, 'talked before the greeting')
  const patient = connect()
  await patient.begin()
  await patient.finish(`${bounce}.\r\n`)
  assert.equal(recorded[1]?.details.notes, undefined)
})

test('a client that trickles a command is timed out', { timeout: 60_000 }, async (t) => {
  const { connect } = await smtpSite(t, { commandSeconds: 1 })
  const client = connect()
  await client.hear(1)
  const trickle = setInterval(() => client.send('x'), 100)
  t.after(() => clearInterval(trickle))
  await client.ended
  assert.match(client.said, /421 4\.4\.2 [^\n]*Timeout/)
})

test('a client that trickles a message is timed out, one that waits for our reply is not', async (t) => {
  const { connect } = await smtpSite(t, {
    dataSeconds: 2,
    commandSeconds: 2,
    record: async (evidence) => {
      await new Promise((next) => setTimeout(next, 5000))
      return evidence.map(() => ({ decision: 'listed' }))
    },
  })
  const patient = connect()
  const slow = connect()
  await Promise.all([patient.begin(), slow.begin()])
  const reply = patient.finish(`${bounce}.\r\n`)
  const trickle = setInterval(() => slow.send('x'), 100)
  t.after(() => clearInterval(trickle))
  await slow.ended
  assert.match(slow.said, /421 4\.4\.2 [^\n]*Timeout/)
  assert.match(await reply, /^250 /)
})

test('connections are limited in all', async (t) => {
  const { connect } = await smtpSite(t, { maxConnections: 2 })
  const held = [connect(), connect()]
  await Promise.all(held.map((client) => client.hear(1)))
  const refused = connect()
  await refused.ended
  assert.match(refused.said, /^421 4\.3\.2 mx\.trap\.example Too many connections/)
  held[0]?.socket.destroy()
  const greeted = async () => (await connect().hear(1))[0] ?? ''
  assert.match(await until(greeted, (reply) => reply.startsWith('220'), 60_000), /^220 /)
})

test('while all connections are taken, idle ones end sooner', { timeout: 60_000 }, async (t) => {
  const [crowded, roomy] = await Promise.all([
    smtpSite(t, { maxConnections: 2, commandSeconds: 30 }),
    smtpSite(t, { commandSeconds: 30 }),
  ])
  const free = roomy.connect()
  const idle = crowded.connect()
  const stalled = crowded.connect()
  await Promise.all([free.hear(1), idle.hear(1), stalled.begin()])
  stalled.send('Subject: x')
  await Promise.all([idle.ended, stalled.ended])
  for (const { said } of [idle, stalled]) assert.match(said, /421 4\.4\.2 [^\n]*Timeout/)
  assert.doesNotMatch(free.said, /421/)
})

test('XCLIENT from a proxy names the client, over IPv4 and IPv6', async (t) => {
  const { connect, recorded } = await smtpSite(t, { proxies: ['127.0.0.1/32'] })
  for (const [address, client] of [
    ['192.0.2.1', '192.0.2.1'],
    ['IPV6:2001:db8::1', '2001:db8::1'],
    ['IPv6:::ffff:192.0.2.2', '192.0.2.2'],
  ]) {
    const proxy = connect()
    await proxy.hear(1)
    await proxy.say('EHLO proxy.ours')
    assert.match(proxy.said, /250[ -]XCLIENT /)
    const [again] = await proxy.say(`XCLIENT ADDR=${address} NAME=[UNAVAILABLE] HELO=far.example`)
    assert.match(again ?? '', /^220 /)
    await proxy.say('EHLO far.example', 'MAIL FROM:<>', 'RCPT TO:<a@trap.example>', 'DATA')
    assert.match(await proxy.finish(`${bounce}.\r\n`), /^250 /)
    const evidence = recorded.at(-1)
    assert.equal(evidence?.client && formatAddress(evidence.client), client)
    assert.equal(evidence?.details.helo, 'far.example')
  }
})

test('the client may change in the middle of a session, and not during a transaction', async (t) => {
  const { connect, recorded } = await smtpSite(t, { proxies: ['127.0.0.1'] })
  const proxy = connect()
  await proxy.begin()
  assert.match(await proxy.finish(`${bounce}.\r\n`), /^250 /)
  await proxy.say('MAIL FROM:<>')
  assert.match((await proxy.say('XCLIENT ADDR=192.0.2.1'))[0] ?? '', /^503 /)
  await proxy.say('RSET')
  await proxy.say('XCLIENT ADDR=192.0.2.1')
  await proxy.say('EHLO far.example', 'MAIL FROM:<>', 'RCPT TO:<a@trap.example>', 'DATA')
  assert.match(await proxy.finish(`${bounce}.\r\n`), /^250 /)
  assert.deepEqual(
    recorded.map(({ client }) => client && formatAddress(client)),
    [null, '192.0.2.1'],
  )
  // What comes now is the client's own word.
  assert.match((await proxy.say('XCLIENT ADDR=203.0.113.9'))[0] ?? '', /^550 /)
})

test('a second XCLIENT is accepted from a client that is a proxy too, as by Postfix', async (t) => {
  const { connect, recorded } = await smtpSite(t, { proxies: ['127.0.0.1', '192.0.2.0/28'] })
  const proxy = connect()
  await proxy.hear(1)
  await proxy.say('EHLO front.ours', 'XCLIENT ADDR=192.0.2.1 HELO=inner.ours', 'EHLO inner.ours')
  assert.equal(proxy.said.match(/250[ -]XCLIENT /g)?.length, 2)
  const envelope = ['MAIL FROM:<>', 'RCPT TO:<a@trap.example>', 'DATA']
  await proxy.say(...envelope)
  assert.match(await proxy.finish(`${bounce}.\r\n`), /^250 /)
  assert.match((await proxy.say('XCLIENT ADDR=203.0.113.9'))[0] ?? '', /^220 /)
  await proxy.say('EHLO far.example', ...envelope)
  assert.match(await proxy.finish(`${bounce}.\r\n`), /^250 /)
  assert.deepEqual(
    recorded.map(({ client, details }) => [client && formatAddress(client), details.helo]),
    [
      [null, undefined],
      ['203.0.113.9', 'far.example'],
    ],
  )
  // What comes now is the client's own word.
  assert.match((await proxy.say('XCLIENT ADDR=203.0.113.10'))[0] ?? '', /^550 /)
  assert.match((await proxy.say('XFORWARD ADDR=203.0.113.10'))[0] ?? '', /^550 /)
})

test('a proxy that does not know the client leaves it unknown', async (t) => {
  const { connect, recorded } = await smtpSite(t, { proxies: ['127.0.0.1'] })
  for (const unknown of ['[UNAVAILABLE]', '[TEMPUNAVAIL]', '', 'fe80::1%eth0']) {
    const proxy = connect()
    await proxy.hear(1)
    await proxy.say('EHLO proxy.ours', `XCLIENT ADDR=${unknown}`)
    await proxy.say('EHLO far.example', 'MAIL FROM:<>', 'RCPT TO:<a@trap.example>', 'DATA')
    assert.match(await proxy.finish(`${bounce}.\r\n`), /^250 /)
    assert.equal(recorded.at(-1)?.client, null, unknown)
  }
})

test('XCLIENT that is not in its form changes nothing', async (t) => {
  const { connect, recorded } = await smtpSite(t, { proxies: ['127.0.0.1'] })
  const proxy = connect()
  await proxy.hear(1)
  await proxy.say('EHLO proxy.ours')
  for (const wrong of [
    'ADDR=300.1.1.1',
    'ADDR=1.2.3',
    'WHAT=1',
    '',
    'ADDR=1.2.3.4+0D+0AX',
    'NAME=a+0Ab',
  ]) {
    assert.match((await proxy.say(`XCLIENT ${wrong}`))[0] ?? '', /^501 /, wrong)
  }
  await proxy.say('MAIL FROM:<>', 'RCPT TO:<a@trap.example>', 'DATA')
  assert.match(await proxy.finish(`${bounce}.\r\n`), /^250 /)
  assert.deepEqual(
    recorded.map(({ client }) => client),
    [null],
  )
})

test('a proxy is never the sender: what it says of no client is kept and counts against nobody', async (t) => {
  const { connect, recorded } = await smtpSite(t, { proxies: ['127.0.0.1'] })
  for (const said of [[], ['XFORWARD ADDR=[UNAVAILABLE]'], ['XCLIENT NAME=[UNAVAILABLE]']]) {
    const proxy = connect()
    await proxy.hear(1)
    await proxy.say('EHLO proxy.ours', ...said, 'EHLO proxy.ours')
    await proxy.say('MAIL FROM:<>', 'RCPT TO:<a@trap.example>', 'RSET')
    await proxy.say('MAIL FROM:<>', 'RCPT TO:<a@trap.example>', 'DATA')
    assert.match(await proxy.finish(`${bounce}.\r\n`), /^250 /)
  }
  assert.deepEqual(
    recorded.map(({ client, kind, details }) => [client, kind, details.helo]),
    Array(3).fill([null, 'dsn', undefined]),
  )
})

test('XCLIENT from anybody else is refused', async (t) => {
  const { connect, recorded } = await smtpSite(t, { proxies: ['192.0.2.0/24', '2001:db8::/32'] })
  const client = connect()
  await client.hear(1)
  await client.say('EHLO h.example')
  assert.match((await client.say('XCLIENT ADDR=203.0.113.9'))[0] ?? '', /^550 5\.7\.0 /)
  await client.say('MAIL FROM:<>', 'RCPT TO:<a@trap.example>', 'DATA')
  assert.match(await client.finish(`${bounce}.\r\n`), /^250 /)
  assert.equal(recorded[0]?.client && formatAddress(recorded[0].client), '127.0.0.1')
})

test('a trusted relay that hands a message over is not its sender', async (t) => {
  const { connect, recorded } = await smtpSite(t, { trustedRelays: ['127.0.0.1'] })
  const client = connect()
  await client.begin()
  assert.match(await client.finish(`${bounce}.\r\n`), /^250 /)
  assert.equal(recorded[0]?.client && formatAddress(recorded[0].client), '198.51.100.10')
})

test('IPv6 is listened on, and its clients are known', async (t) => {
  const { connect, recorded, address } = await smtpSite(t, { listen: ['[::1]:0'] })
  assert.match(address, /^\[::1\]:\d+$/)
  const client = connect()
  await client.begin()
  assert.match(await client.finish(`${bounce}.\r\n`), /^250 /)
  assert.equal(recorded[0]?.client && formatAddress(recorded[0].client), '::1')
})

test('0.0.0.0 and [::] share a port', async (t) => {
  const port = await freePort()
  await smtpSite(t, { listen: [`0.0.0.0:${port}`] })
  const { address: other } = await smtpSite(t, { listen: [`[::]:${port}`] })
  assert.equal(other, `[::]:${port}`)
})

test('an address that cannot be bound is named', async (t) => {
  const { address } = await smtpSite(t)
  await assert.rejects(smtpSite(t, { listen: ['127.0.0.1:0', address] }), {
    code: 'address-unavailable',
    message: new RegExp(`${address}.*EADDRINUSE`),
  })
})

test('close() lets a message finish, sends idle clients away, and takes no new ones', {
  timeout: 60_000,
}, async (t) => {
  const { connect, recorded, traps } = await smtpSite(t, {
    drainSeconds: 600,
    record: async (evidence) => {
      await new Promise((next) => setTimeout(next, 300))
      return evidence.map(() => ({ decision: 'listed' }))
    },
  })
  const idle = connect()
  const busy = connect()
  await Promise.all([idle.hear(1), busy.begin()])
  const reply = busy.finish(`${bounce}.\r\n`)
  await new Promise((next) => setTimeout(next, 50))
  await traps.close()
  assert.match(await reply, /^250 /)
  assert.equal(recorded.length, 1)
  await idle.ended
  assert.match(idle.said, /421 4\.3\.2 mx\.trap\.example Server shutting down\r\n$/)
  await assert.rejects(async () => {
    const late = connect()
    await late.ended
    if (late.said === '') throw new Error('refused')
  })
})

test('close() cuts off what does not finish in time', { timeout: 60_000 }, async (t) => {
  const { connect, traps } = await smtpSite(t, { drainSeconds: 0.2 })
  const stuck = connect()
  await stuck.begin()
  stuck.send('Subject: x\r\n')
  await new Promise((next) => setTimeout(next, 50))
  await traps.close()
  await stuck.ended
  assert.match(stuck.said, /421 4\.3\.2 /)
})
