// Messages that reach a trap and prove nothing against the host that handed them over: what was forwarded there, and
// reports of success. Read as the traps read them, recorded by the door.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { parseTrustedRelays } from '../../../src/mail/trace.ts'
import { Collector } from '../../../src/traps/collect.ts'
import { storedDelivery } from '../../../src/traps/delivery.ts'
import { readMessage } from '../../../src/traps/message-thread.ts'
import {
  address,
  cli,
  type Door,
  openDoor,
  silentLog,
  start,
  testPolicy,
} from '../../support/door.ts'
import { octets, type ReportParts, report } from '../../support/messages.ts'
import { reading } from '../../support/reading.ts'
import { readSample } from '../../support/samples.ts'

const trap = 'trap@trap.example.org'
const returned = (author: string) => [
  ...['Message-ID: <1@spam.example>', `From: ${author}`, 'To: nobody@example.net', 'Subject: hi'],
  ...['', 'x'],
]

function open(t: TestContext): Door {
  const threshold = { messages: 1, traps: 1, windowSeconds: 86_400 }
  const every = ['dsn', 'auto-reply', 'challenge-response', 'content-notice', 'callout'] as const
  const policy = testPolicy({
    traps: ['@trap.example.org'],
    likely: 'list',
    threshold: Object.fromEntries(every.map((kind) => [kind, threshold])) as Record<
      (typeof every)[number],
      typeof threshold
    >,
  })
  return openDoor(t, { policy })
}

/** What is decided on a message that 20.0.0.1 handed over for the trap. */
async function decide(door: Door, raw: Uint8Array) {
  const { decisions } = await collector(door).submit({
    ...{ raw, client: address('20.0.0.1'), recipients: [trap], source: 'smtp' },
  })
  assert.ok(decisions[0])
  return decisions[0]
}

test('a collector’s reverse-path is kept as one of our own listener’s is', async (t) => {
  const door = openDoor(t)
  const raw = octets('From: a@b.example', '', 'x')
  for (const [client, reversePath] of [
    ['20.0.0.1', ''],
    ['20.0.0.2', 'a@b.example'],
    ['20.0.0.3', undefined],
  ] as const) {
    await collector(door).submit({
      ...{ raw, client: address(client), recipients: [trap], source: 'collector:a' },
      ...(reversePath !== undefined && { reversePath }),
    })
    const [kept] = door.blocklist.explain(address(client)).evidence
    assert.equal(kept?.details.reversePath, reversePath)
  }
})

function collector({ blocklist }: Door, relays: readonly string[] = []): Collector {
  return new Collector({
    relays: parseTrustedRelays(relays),
    list: blocklist,
    now: () => start,
    log: silentLog,
    ...reading(),
  })
}

function bounce(to: string | null, author: string | null, more: ReportParts = {}): Uint8Array {
  return report({
    header: ['From: MAILER-DAEMON@example.net', ...(to === null ? [] : [`To: ${to}`])],
    returned: author === null ? [''] : returned(author),
    ...more,
  })
}

test('a bounce that somebody forwarded to a trap does not list the host that forwarded it', async (t) => {
  const door = open(t)
  const { decision, why, told } = await decide(
    door,
    bounce('Somebody <somebody@people.example>', 'somebody@people.example'),
  )
  assert.equal(decision, 'ignored')
  assert.match(why ?? '', /somebody@people\.example$/)
  assert.doesNotMatch(told ?? '', /@/)
  assert.deepEqual(door.codes('20.0.0.1'), [])
  const [kept] = door.blocklist.explain(address('20.0.0.1')).evidence
  assert.equal(kept?.why, why, 'the message is stored, and says why')
  assert.doesNotMatch(JSON.stringify(kept?.details), /people\.example/)
  await door.blocklist.addTrap('somebody@people.example', cli)
  const again = bounce('Somebody <somebody@people.example>', 'x@people.example')
  assert.equal((await decide(door, again)).decision, 'listed', 'once its alias is a trap')
})

test('a forwarded automatic reply, challenge or notice proves nothing either', async (t) => {
  const door = open(t)
  for (const [kind, name] of [
    ['auto-reply', 'ex-vacation.eml'],
    ['challenge-response', 'made-tmda.eml'],
    ['content-notice', 'made-amavis-virus.eml'],
  ] as const) {
    const text = readSample(`${kind}/${name}`).toString('latin1')
    const to = /^To:.*$/m
    assert.match(text, to, name)
    const forwarded = Buffer.from(text.replace(to, 'To: somebody@people.example'))
    // What it returns, if anything, stays as it was: none of it is of a trap here.
    const decision = await decide(door, forwarded)
    assert.equal(decision.decision, 'ignored', `${name} ${decision.why}`)
    assert.match(decision.why ?? '', /somebody@people\.example/, name)
    const direct = Buffer.from(text.replace(to, `To: ${trap}`))
    assert.equal((await decide(door, direct)).decision, 'listed', name)
    const [row] = door.blocklist.explain(address('20.0.0.1')).evidence
    assert.equal(row?.kind, kind, name)
    door.reopen()
    await door.blocklist.delist([{ ...address('20.0.0.1'), length: 32 }], cli)
  }
})

test('a trap in To, or as author of what is returned, or no address at all: it counts', async (t) => {
  const stranger = 'somebody@people.example'
  const counts: [string | null, string | null][] = [
    [trap, stranger],
    ['TRAP@Trap.Example.ORG', stranger],
    ["'trap@trap.example.org'", stranger],
    [`"Trap, the" <${trap}> (a comment)`, stranger],
    [`${stranger}, People: ${trap};`, stranger],
    ['other@trap.example.org', stranger],
    [null, null],
    ['<>', null],
    [stranger, trap],
    [stranger, 'prvs=1234abcdef=Trap@TRAP.example.org'],
  ]
  for (const [to, author] of counts) {
    const door = open(t)
    const { decision, why } = await decide(door, bounce(to, author))
    assert.equal(decision, 'listed', `${to} ${author} ${why}`)
  }
  for (const field of ['Sender', 'Return-Path']) {
    const door = open(t)
    const back = [`${field}: <${trap}>`, ...returned(stranger)]
    assert.equal((await decide(door, bounce(stranger, '', { returned: back }))).decision, 'listed')
  }
  for (const [to, author] of [
    [stranger, null],
    [stranger, stranger],
    ['undisclosed-recipients:;', stranger],
    [null, stranger],
  ] as const) {
    const door = open(t)
    const { decision } = await decide(door, bounce(to, author))
    assert.equal(decision, 'ignored', `${to} ${author}`)
  }
})

test('a trap of one user is met with a tag, in a BATV form or in quotes too', async (t) => {
  const door = open(t)
  await door.blocklist.addTrap('one@user.example', cli)
  for (const to of [
    ...['one+tag@user.example', 'One+a+b@User.Example', 'prvs=1234abcdef=one@user.example'],
    ...['prvs=1234abcdef=one+tag@user.example', '"one"@user.example', '"o\\ne"@User.example'],
  ]) {
    const { decision } = await decide(door, bounce(to, null))
    assert.match(decision, /listed|extended/, to)
  }
  for (const to of ['two@user.example', '+one@user.example', 'two+one@user.example']) {
    assert.equal((await decide(door, bounce(to, null))).decision, 'ignored', to)
  }
})

test('in a mailbox whose every message was for a trap, the rule is off', async (t) => {
  const relays = parseTrustedRelays([])
  const raw = octets(
    `X-Original-To: ${trap}`,
    'Received: from mx.example.net ([20.0.0.1]) by mx.ours.example; Fri, 15 Jan 2027 08:00:00 +0000',
    Buffer.from(bounce('somebody@people.example', null)).toString('latin1'),
  )
  for (const [allTraps, expected] of [
    [false, ['ignored']],
    [true, ['listed']],
  ] as const) {
    const door = open(t)
    const stored = { raw, source: 'box', storedAt: start, allTraps }
    const delivered = storedDelivery(stored, { relays, list: door.blocklist, now: () => start })
    const { evidence } = await readMessage(raw, delivered)
    const decisions = await door.blocklist.record(evidence)
    assert.deepEqual(
      decisions.map(({ decision }) => decision),
      expected,
    )
  }
})

test('a report of success, which anyone can order, lists nobody', async (t) => {
  const recipient = (number: number, ...lines: string[]) => [
    ...['', `Final-Recipient: rfc822; user${number}@example.net`, ...lines],
  ]
  const status = (...recipients: string[][]) => [
    ...['Reporting-MTA: dns; mail.example.net', ...recipients.flat()],
  ]
  const delivered = ['Action: delivered', 'Status: 2.0.0']
  const ignored = [
    status(recipient(1, ...delivered)),
    status(recipient(1, 'Action: relayed', 'Status: 2.0.0'), recipient(2, ...delivered)),
    status(recipient(1, 'Action: expanded', 'Status: 2.0.0')),
    status(recipient(1, 'Status: 2.1.5')),
  ]
  const counted = [
    status(recipient(1, 'Action: failed', 'Status: 5.1.1')),
    status(recipient(1, 'Action: delayed', 'Status: 4.4.1')),
    status(recipient(1, ...delivered), recipient(2, 'Action: delayed', 'Status: 4.4.1')),
    status(recipient(1, 'Action: relayed'), recipient(2, 'Action: failed')),
    status(recipient(1, 'Status: 5.1.1')),
  ]
  for (const [all, expected] of [
    [ignored, 'ignored'],
    [counted, 'listed'],
  ] as const) {
    for (const lines of all) {
      const door = open(t)
      const { decision, why } = await decide(door, bounce(trap, trap, { status: lines }))
      assert.equal(decision, expected, `${lines.join(' ')} ${why}`)
    }
  }
})

test('a receipt in words alone, which anyone can ask a server for, lists nobody; what tells of trouble does', async (t) => {
  const notice = (subject: string, ...words: string[]) =>
    octets(
      ...['From: Mail Delivery System <MAILER-DAEMON@example.net>', `To: ${trap}`],
      ...[`Subject: ${subject}`, '', ...words, ''],
      ...['------ This is a copy of the message, including all the headers. ------', ''],
      ...[`Return-Path: <${trap}>`, 'Received: from a.example by b.example', ...returned(trap)],
    )
  const delivered = 'The message was successfully delivered to <user@example.net>'
  const cases: [string, string, ...string[]][] = [
    ['ignored', 'Return Receipt: hi', 'The following message was successfully delivered:'],
    ['ignored', 'Confirmation of delivery', 'Your message was delivered to user@example.net.'],
    ['ignored', 'Delivery Status Notification (Success)', delivered],
    ['listed', 'Delivery Status Notification (Failure)', delivered],
    ['listed', 'Undeliverable: hi', delivered],
    ['listed', 'Delivery report', delivered, 'It could not be delivered to <other@example.net>'],
    ['listed', 'Delivery report', delivered, '<other@example.net>: 550 5.1.1'],
    ['listed', 'Delivery report', delivered, '<other@example.net>: no such user'],
    ['listed', 'Delivery report', delivered, 'It has not yet been delivered to other@example.net'],
    ['listed', 'Delivery report', '<other@example.net>'],
  ]
  for (const [expected, ...message] of cases) {
    const { decision, why } = await decide(open(t), notice(...message))
    assert.equal(decision, expected, `${message} ${why}`)
  }
})

test('a report of success of each server is still classified as what it is', async (t) => {
  const door = open(t)
  for (const name of ['pf-success.eml', 'ex-success.eml', 'sm-success.eml']) {
    const raw = readSample(`dsn/${name}`)
    assert.equal((await collector(door).classify(raw)).kind, 'dsn')
    const text = raw.toString('latin1').replaceAll('@trap.example>', '@trap.example.org>')
    const { decision, why } = await decide(
      door,
      Buffer.from(text.replaceAll(/@trap\.example(?![\w.])/g, '@trap.example.org'), 'latin1'),
    )
    assert.deepEqual(
      [decision, why],
      ['ignored', 'a report of success: any sender can request one'],
      name,
    )
  }
})

test('a relay of ours that a collector names in the IPv4-mapped form is still ours, and not listed', async (t) => {
  const door = open(t)
  const raw = report({
    header: [
      'Received: from h.example (h.example [20.0.0.7]) by relay.example with ESMTP',
      ...['From: MAILER-DAEMON@example.net', `To: ${trap}`],
    ],
  })
  const client = address('::ffff:1400:9')
  await collector(door, ['20.0.0.9']).submit({ raw, client, recipients: [trap], source: 'x' })
  assert.deepEqual(door.codes('20.0.0.9'), [])
  assert.deepEqual(door.codes('20.0.0.7'), [2, 3])
})
