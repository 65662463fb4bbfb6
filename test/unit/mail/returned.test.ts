// What a bounce gives back, as a part or below its words: its fields, the way it came, and its octets.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Message, parseMessage } from '../../../src/mail/message.ts'
import { returnedFields } from '../../../src/mail/returned.ts'
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

function fieldsOf({ returned: found }: Message) {
  return found && returnedFields(found)
}

const words = ['From: MAILER-DAEMON@far.example', '', '<nobody@far.example>:', 'No such user.', '']
const marker = '--- Below this line is a copy of the message.'

test('a part: the fields and the host that handed it over', () => {
  assert.deepEqual(fieldsOf(parseMessage(report({ returned }))), fields)
})

test('a part: its octets as they were', () => {
  const found = parseMessage(report({ returned })).returned
  assert.equal(Buffer.from(found?.content ?? []).toString(), returned.join('\r\n'))
  assert.equal(found?.isWhole, true)
})

test('below the words of a plain text: the same, octet for octet', () => {
  const raw = octets(...words, marker, '', ...returned)
  const message = parseMessage(raw)
  assert.deepEqual(fieldsOf(message), fields)
  const found = message.returned
  assert.equal(Buffer.from(found?.content ?? []).toString(), returned.join('\r\n'))
  assert.equal(found?.isWhole, true)
})

test('with marks before each line: the fields without them, and no claim to be whole', () => {
  const raw = octets(...words, marker, '', ...returned.map((line) => `> ${line}`))
  const message = parseMessage(raw)
  assert.deepEqual(fieldsOf(message), fields)
  assert.equal(message.returned?.isWhole, false)
})

test('the header section alone', () => {
  const message = parseMessage(octets(...words, marker, '', ...returned.slice(0, 7)))
  assert.deepEqual(fieldsOf(message), { ...fields, headersOnly: true })
  assert.equal(message.returned?.isWhole, false)
})

test('what was not read to its end is not whole', () => {
  const long = [...returned, ...Array.from({ length: 20_000 }, () => 'x'.repeat(76))]
  const found = parseMessage(report({ returned: long })).returned
  assert.equal(found?.isWhole, false)
})

test('how people quote each other is no returned message', () => {
  const quoted = ['From: a@b.example', 'To: c@d.example', 'Subject: hi', 'Sent: Monday', '', 'x']
  const message = parseMessage(octets('From: a@b.example', '', 'See below.', '', ...quoted))
  assert.equal(message.returned, null)
})

test('an origin that the bouncing host did not note is unknown', () => {
  const local = returned
    .with(0, 'Received: by mx.far.example (Postfix, from userid 5) id 3')
    .toSpliced(1, 1)
  assert.equal(fieldsOf(parseMessage(report({ returned: local })))?.origin, null)
})

test('a long first line is not sought again and again in a megabyte of its like', () => {
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
  const message = parseMessage(raw)
  assert.equal(message.returned?.isWhole, false)
})
