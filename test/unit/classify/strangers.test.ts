// What a stranger can make somebody else's site send to a trap is never certain: it would list the site.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classify } from '../../../src/classify/classify.ts'
import { parseMessage } from '../../../src/mail/message.ts'
import { octets } from '../../support/messages.ts'

const cases: Record<string, readonly string[]> = {
  'a contact form that repeats a bounce of Exim': [
    'Return-Path: <>',
    'From: Shop <form@shop.example>',
    'To: trap@trap.example',
    'Subject: We received your request',
    '',
    'Thank you. You wrote:',
    '',
    'This message was created automatically by mail delivery software.',
    '',
    'A message that you sent could not be delivered to one or more of its',
    'recipients. This is a permanent error. The following address(es) failed:',
    '',
    '  nobody@mx.example',
    '    550 no such user',
  ],
  'a recommended page, with the Reply-To of a TMDA challenge': [
    'Return-Path: <web@shop.example>',
    'From: Shop <web@shop.example>',
    'Reply-To: m+confirm+1234567890.1.abcdef@evil.example',
    'To: trap@trap.example',
    'Subject: Mallory recommends a page',
    '',
    'Have a look at our shop.',
  ],
  'the answer to a form, from the null sender': [
    'Return-Path: <>',
    'From: Shop <orders@shop.example>',
    'To: trap@trap.example',
    'Subject: Re: Booking request',
    'Auto-Submitted: auto-replied',
    'Precedence: junk',
    '',
    'Thank you for your booking. We will call you.',
  ],
  'the answer to a form, from an address called postmaster': [
    'Return-Path: <postmaster@shop.example>',
    'From: Shop <orders@shop.example>',
    'To: trap@trap.example',
    'Subject: Your order',
    'In-Reply-To: <1@trap.example>',
    'Auto-Submitted: auto-replied',
    '',
    'Thank you for your order.',
  ],
}

for (const [name, lines] of Object.entries(cases)) {
  test(`${name} is not certain`, () => {
    assert.notEqual(classify(parseMessage(octets(...lines))).certainty, 'certain')
  })
}
