// What a bounce gives back, as a part or below its words: its fields, the way it came, and its octets.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMessage } from '../../../src/mail/message.ts'
import { readReturned, returnedContent } from '../../../src/mail/returned.ts'
import { octets, report } from '../../support/messages.ts'

const returned = [
  'Received: from pc.bot.example (pc.bot.example [192.0.2.9]) by mx.far.example (Postfix) with ESMTP id 1',
  'Received: from x ([203.0.113.4]) by pc.bot.example with SMTP id 2',
  'Message-ID: <1@bot.example>',
  'From: made@trap.example',
  'To: nobody@far.example',
  'Date: Tue, 24 Nov 2026 12:00:00 +0000',
  'Subject: your order',
  '',
  'Buy now.  \t',
  '',
]

const fields = {
  messageId: '<1@bot.example>',
  from: 'made@trap.example',
  to: 'nobody@far.example',
  date: 'Tue, 24 Nov 2026 12:00:00 +0000',
  subject: 'your order',
  headersOnly: false,
  received: returned.slice(0, 2).map((line) => line.slice('Received: '.length)),
  origin: '192.0.2.9',
}

const words = ['From: MAILER-DAEMON@far.example', '', '<nobody@far.example>:', 'No such user.', '']
const marker = '--- Below this line is a copy of the message.'

test('a part: the fields and the host that handed it over', async () => {
  assert.deepEqual(readReturned(await parseMessage(report({ returned }))), fields)
})

test('a part: its octets as they were', async () => {
  const found = returnedContent(await parseMessage(report({ returned })))
  assert.equal(Buffer.from(found?.content ?? []).toString(), returned.join('\r\n'))
  assert.equal(found?.isWhole, true)
})

test('below the words of a plain text: the same, octet for octet', async () => {
  const raw = octets(...words, marker, '', ...returned)
  const message = await parseMessage(raw)
  assert.deepEqual(readReturned(message), fields)
  const found = returnedContent(message)
  assert.equal(Buffer.from(found?.content ?? []).toString(), returned.join('\r\n'))
  assert.equal(found?.isWhole, true)
})

test('with marks before each line: the fields without them, and no claim to be whole', async () => {
  const raw = octets(...words, marker, '', ...returned.map((line) => `> ${line}`))
  const message = await parseMessage(raw)
  assert.deepEqual(readReturned(message), fields)
  assert.equal(returnedContent(message)?.isWhole, false)
})

test('the header section alone', async () => {
  const message = await parseMessage(octets(...words, marker, '', ...returned.slice(0, 7)))
  assert.deepEqual(readReturned(message), { ...fields, headersOnly: true })
  assert.equal(returnedContent(message)?.isWhole, false)
})

test('what was not read to its end is not whole', async () => {
  const long = [...returned, ...Array.from({ length: 20_000 }, () => 'x'.repeat(76))]
  const found = returnedContent(await parseMessage(report({ returned: long })))
  assert.equal(found?.isWhole, false)
})

test('how people quote each other is no returned message', async () => {
  const quoted = ['From: a@b.example', 'To: c@d.example', 'Subject: hi', 'Sent: Monday', '', 'x']
  const message = await parseMessage(octets('From: a@b.example', '', 'See below.', '', ...quoted))
  assert.equal(returnedContent(message), null)
})

test('an origin that the bouncing host did not note is unknown', async () => {
  const local = returned
    .with(0, 'Received: by mx.far.example (Postfix, from userid 5) id 3')
    .toSpliced(1, 1)
  assert.equal(readReturned(await parseMessage(report({ returned: local })))?.origin, null)
})

test('a long first line is not sought again and again in a megabyte of its like', async () => {
  const raw = octets(
    'Return-Path: <>',
    'From: MAILER-DAEMON@far.example',
    'Subject: Undelivered Mail Returned to Sender',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    'Not delivered.',
    `Received: ${'a'.repeat(50)}=`,
    'a'.repeat(50_000),
    'Message-ID: <a@b.example>',
    'From: trap@trap.example',
    '',
    `Received: ${'a'.repeat(50_040)}b`.repeat(20),
  )
  const message = await parseMessage(raw)
  assert.equal(returnedContent(message)?.isWhole, false)
})
