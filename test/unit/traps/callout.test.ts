// Sender callouts among real mail, over real sockets: transactions that the client gives up are certain, those in which it is lost are
// likely, others do not count.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { calloutEvidence, type Probe } from '../../../src/traps/callout.ts'
import { until } from '../../support/server.ts'
import { smtpSite } from './smtp-site.ts'

const bounce = readFileSync('test/bounces/dsn/pf-unknown-user.eml', 'latin1').replace(/^\./gm, '..')
const trap = 'RCPT TO:<a@trap.example>'
const settled = () => new Promise((next) => setTimeout(next, 150))

for (const [end, rule, lines] of [
  ['QUIT', 'callout-null-sender', ['MAIL FROM:<>', trap, 'QUIT']],
  ['RSET and QUIT', 'callout-null-sender', ['MAIL FROM:<>', trap, 'RSET', 'QUIT']],
  ['another EHLO', 'callout-null-sender', ['MAIL FROM:<>', trap, 'EHLO h.example', 'QUIT']],
  [
    'a new MAIL',
    'callout-null-sender',
    ['MAIL FROM:<>', trap, 'EHLO h.example', 'MAIL FROM:<a@far.example>', 'QUIT'],
  ],
  [
    'Exim’s random address',
    'callout-random-recipient',
    ['MAIL FROM:<>', 'RCPT TO:<mail.ex.example-1795528800-testing@trap.example>', 'QUIT'],
  ],
] as const) {
  test(`a callout that ends by ${end}`, async (t) => {
    const { connect, recorded, log } = await smtpSite(t)
    const client = connect()
    await client.hear(1)
    await client.say('EHLO h.example', ...lines)
    await client.ended
    await until(
      async () => recorded.length,
      (count) => count > 0,
      30_000,
    )
    assert.deepEqual(
      recorded.map((each) => [each.kind, each.certainty, each.rule, each.details.helo]),
      [['callout', 'certain', rule, 'h.example']],
    )
    assert.doesNotMatch(log.join(), /@trap\.example/)
  })
}

for (const end of ['resets', 'half-closes', 'says EHLO and resets', 'is cut off in a command']) {
  test(`a likely callout: a client that names traps and ${end}`, async (t) => {
    const { connect, recorded } = await smtpSite(t)
    const client = connect()
    await client.hear(1)
    await client.say('EHLO h.example', 'MAIL FROM:<>', trap)
    if (end.includes('EHLO')) await client.say('EHLO h.example')
    if (end.includes('command')) client.send('QUI')
    if (end === 'half-closes') {
      client.socket.end()
      await client.ended
    } else {
      client.socket.resetAndDestroy()
    }
    await until(
      async () => recorded.length,
      (count) => count > 0,
      30_000,
    )
    await settled()
    assert.deepEqual(
      recorded.map(({ kind, certainty }) => [kind, certainty]),
      [['callout', 'likely']],
    )
  })
}

test('callouts and a bounce in one connection are both seen', async (t) => {
  const { connect, recorded } = await smtpSite(t)
  const client = connect()
  await client.hear(1)
  await client.say('EHLO h.example', 'MAIL FROM:<>', 'RCPT TO:<one@trap.example>', 'RSET')
  await client.say('MAIL FROM:<>', trap, 'DATA')
  await client.finish(`${bounce}.\r\n`)
  await client.say('MAIL FROM:<>', 'RCPT TO:<two@trap.example>', 'QUIT')
  await until(
    async () => recorded.length,
    (count) => count > 2,
    30_000,
  )
  assert.deepEqual(
    recorded.map(({ kind, recipient }) => [kind, recipient]),
    [
      ['callout', 'one@trap.example'],
      ['dsn', 'a@trap.example'],
      ['callout', 'two@trap.example'],
    ],
  )
})

for (const [what, lines] of Object.entries({
  'Postfix’s double-bounce probe, which verifies recipients too': [
    ...['MAIL FROM:<double-bounce@h.example> SIZE=231', trap, 'RSET'],
    ...['MAIL FROM:<double-bounce1q7x@h.example>', trap, 'QUIT'],
  ],
  'a sender of its own': ['MAIL FROM:<a@far.example>', trap, 'QUIT'],
  'somebody who is no trap': ['MAIL FROM:<>', 'RCPT TO:<x@elsewhere.example>', 'QUIT'],
  'many addresses, which are gathered': [
    'MAIL FROM:<>',
    ...['a', 'b', 'c', 'd'].map((name) => `RCPT TO:<${name}@trap.example>`),
    'QUIT',
  ],
  'no recipient': ['MAIL FROM:<>', 'QUIT'],
  'too large a message': ['MAIL FROM:<> SIZE=99999999', trap, 'QUIT'],
})) {
  test(`no callout: ${what}`, async (t) => {
    const { connect, recorded } = await smtpSite(t)
    const client = connect()
    await client.hear(1)
    await client.say('EHLO h.example', ...lines)
    await client.ended
    await settled()
    assert.deepEqual(recorded, [])
  })
}

test('no callout: a message that was begun, whatever became of it', async (t) => {
  const { connect, recorded } = await smtpSite(t, { maxBytes: 70_000 })
  const cutOff = connect()
  await cutOff.begin()
  cutOff.socket.resetAndDestroy()
  const tooLarge = connect()
  await tooLarge.begin()
  const big = `Subject: x\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(2000)}`
  assert.match(await tooLarge.finish(`${big}.\r\n`), /^552 /)
  await tooLarge.say('QUIT')
  await tooLarge.ended
  await settled()
  assert.deepEqual(recorded, [])
})

test('no callout: a client that we sent away', async (t) => {
  const { connect, recorded, traps } = await smtpSite(t, { commandSeconds: 1 })
  const slow = connect()
  await slow.hear(1)
  await slow.say('EHLO h.example', 'MAIL FROM:<>', trap)
  await slow.ended
  assert.match(slow.said, /421 /)
  const late = connect()
  await late.hear(1)
  await late.say('EHLO h.example', 'MAIL FROM:<>', trap)
  await traps.close()
  await late.ended
  await settled()
  assert.deepEqual(recorded, [])
})

test('one callout a day for each client and trap, however often it is tried', () => {
  const probe: Probe = {
    client: { family: 4, w0: 0xc0000201, w1: 0, w2: 0, w3: 0 },
    ...{ reversePath: '', accepted: ['a@trap.example'], refused: [], isLost: false, details: {} },
    at: 1_800_000_000,
  }
  const contents = (...changes: Partial<Probe>[]): number =>
    new Set(
      changes.flatMap((change) => calloutEvidence({ ...probe, ...change }).map((e) => e.content)),
    ).size
  assert.equal(contents({}, { at: probe.at + 3600 }), 1)
  assert.equal(contents({}, { at: probe.at + 86_400 }), 2)
  assert.equal(contents({}, { accepted: ['b@trap.example'] }), 2)
  assert.equal(contents({}, { client: { ...probe.client, w0: 1 } }), 2)
  const random = (epoch: number) => ({ accepted: [`h.example-${epoch}-testing@trap.example`] })
  assert.equal(contents(random(1_800_000_000), random(1_800_000_777)), 1)
  const spelled = ['A@Trap.Example', 'prvs=1234abcdef=a@trap.example'].map((each) => {
    return { accepted: [each] }
  })
  assert.equal(contents({}, ...spelled), 1, 'whichever way the trap is spelled')
  const [evidence] = calloutEvidence(probe)
  assert.equal(evidence?.returned, evidence?.content)
  const [lost] = calloutEvidence({ ...probe, isLost: true })
  assert.notEqual(lost?.content, evidence?.content, 'a lost one does not keep out the other')
  assert.equal(lost?.returned, evidence?.returned)
})
