import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { classify } from '../../../src/classify/classify.ts'
import { contentDigest, type Evidence, evidenceOf } from '../../../src/classify/evidence.ts'
import { parseAddress } from '../../../src/ip/address.ts'
import { parseMessage } from '../../../src/mail/message.ts'
import { parseTrustedRelays, traceStored } from '../../../src/mail/trace.ts'
import { octets, report, statusLines } from '../../support/messages.ts'

const delivery = {
  client: null,
  recipient: 'Trap@TRAP.Example',
  seenAt: 1_795_523_030,
  source: 'smtp',
}

async function evidence(raw: Uint8Array): Promise<Evidence> {
  const message = await parseMessage(raw)
  const { believed } = traceStored(message.header, parseTrustedRelays([]))
  const [only] = evidenceOf(message, classify(message), [delivery], believed)
  assert.ok(only)
  return only
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

test('content is the message with CRLF, without what its delivery added', async () => {
  const sent = 'Received: from a by b (Postfix, from userid 1) id 1\r\nSubject: x\r\n\r\nbody\r\n'
  const received = `Received: from x (y [192.0.2.1])\r\n\tby mx.ours with ESMTP; Tue, 24 Nov 2026 12:00:00 +0000\r\n`
  const stored = `Return-Path: <>\nX-Original-To: a@b\nDelivered-To: a@b\nEnvelope-To: a@b,\n c@d\n${received}${sent}`
  assert.equal((await evidence(Buffer.from(stored))).content, sha256(sent))
  assert.equal((await evidence(Buffer.from(stored.replaceAll('\r\n', '\n')))).content, sha256(sent))
  assert.equal((await evidence(Buffer.from(`From x Tue Nov 24\n${stored}`))).content, sha256(sent))
})

test('content has CRLF in long texts and at long lines too', async () => {
  for (const [body, wanted] of [
    ['x\n'.repeat(100_000), 'x\r\n'.repeat(100_000)],
    ['x'.repeat(200_000).concat('\n\r\ny'), 'x'.repeat(200_000).concat('\r\n\r\ny')],
    ['\r\n'.repeat(40_000).concat('\n', 'z'.repeat(65_535), '\n\n'), undefined],
  ] as const) {
    const head = 'Subject: x\n\n'
    const crlf = wanted ?? body.replaceAll(/(?<!\r)\n/g, '\r\n')
    const { content } = await evidence(Buffer.from(head + body))
    assert.equal(content, sha256(head.replaceAll('\n', '\r\n') + crlf))
  }
})

test('content changes with anything else', async () => {
  const one = await evidence(report())
  const other = await evidence(report({ header: ['From: postmaster@example.net'] }))
  assert.notEqual(one.content, other.content)
  assert.equal(one.returned, other.returned)
})

test('what a list handed on proves nothing against the host that delivered it', async () => {
  const client = parseAddress('192.0.2.1')
  assert.ok('value' in client)
  for (const [list, expected] of [
    ['List-Id: <a.example>', null],
    // What some give to any automatic mail.
    ['Precedence: list', client.value],
    ['X-Other: <a.example>', client.value],
  ] as const) {
    const message = await parseMessage(report({ header: ['From: MAILER-DAEMON@b.example', list] }))
    const verdict = classify(message)
    assert.equal(verdict.viaList, expected === null)
    const [only] = evidenceOf(message, verdict, [{ ...delivery, client: client.value }])
    assert.equal(only?.kind, 'dsn')
    assert.equal(only?.client, expected)
  }
})

test('a lone carriage return is no line end', async () => {
  const message = await parseMessage(Buffer.from('A: 1\n\na\rb\n'))
  assert.equal(contentDigest(message, []), sha256('A: 1\r\n\r\na\rb\r\n'))
})

test('returned tells returned messages apart by what their sender wrote', async () => {
  const fields = ['Message-ID: <1@x>', 'From: a@b', 'To: c@d', 'Date: Tue', 'Subject: s']
  const one = await evidence(report({ returned: [...fields, '', 'body'] }))
  const again = await evidence(
    report({
      returned: ['Received: from z', ...fields, '', 'cut'],
      status: [...statusLines, 'X: y'],
    }),
  )
  const other = await evidence(report({ returned: [...fields.slice(1), 'Message-ID: <2@x>', ''] }))
  assert.equal(one.returned, again.returned)
  assert.notEqual(one.returned, other.returned)
})

test('a returned message with too little header is told apart by its body', async () => {
  const one = await evidence(report({ returned: ['Subject: s', '', 'one'] }))
  const other = await evidence(report({ returned: ['Subject: s', '', 'two'] }))
  assert.notEqual(one.returned, other.returned)
})

test('where nothing is returned, the content stands for it', async () => {
  const { content, returned } = await evidence(octets('Auto-Submitted: auto-replied', '', 'away'))
  assert.equal(returned, content)
})

test('the facts are kept, short and printable', async () => {
  const raw = report({
    header: [
      'From: MAILER-DAEMON@example.net',
      'Received: from mail.example.net (mail.example.net [192.0.2.1]) by mx.trap.example with SMTP id OURS; x',
      'Received: by mail.example.net (Quillpost) id 26492AF89A8; x',
      'Message-ID: <b@example.net>',
      `Subject: a\u009b\u2028b ${'x'.repeat(2000)}`,
    ],
    status: [...statusLines, `Diagnostic-Code: smtp; 550 ${'😀'.repeat(600)}`],
  })
  const message = await parseMessage(raw)
  const [first, second] = evidenceOf(message, classify(message), [
    { ...delivery, helo: 'mail.example.net', reversePath: '' },
    { ...delivery, recipient: 'b@trap.example', seenAt: 5.9 },
  ])
  assert.ok(first && second)
  const { details } = first
  assert.equal(first.recipient, 'Trap@trap.example')
  assert.equal(first.kind, 'dsn')
  assert.equal(first.rule, 'rfc3464-report')
  assert.equal(second.seenAt, 5)
  assert.match(details.subject ?? '', /^a\ufffd b x+$/)
  assert.equal(details.subject?.length, 200)
  assert.equal(details.diagnosticCode?.length, 500)
  assert.ok(details.diagnosticCode?.isWellFormed())
  assert.deepEqual(
    { ...details, subject: '', diagnosticCode: '' },
    {
      helo: 'mail.example.net',
      reversePath: '',
      subject: '',
      facts: 'statusReport systemSends failedGroup returnsFields',
      messageId: '<b@example.net>',
      queueId: '26492AF89A8',
      reportingMta: 'mail.example.net',
      finalRecipient: 'nobody@example.net',
      action: 'failed',
      status: '5.1.1',
      diagnosticCode: '',
      returnedMessageId: '<1@spam.example>',
    },
  )
  assert.ok(!('helo' in second.details))
})
