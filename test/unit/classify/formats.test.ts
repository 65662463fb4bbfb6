// What servers write in bounces without a delivery status. The bounces themselves are samples (test/bounces/dsn).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classify } from '../../../src/classify/classify.ts'
import { firstValue } from '../../../src/mail/header.ts'
import { parseMessage } from '../../../src/mail/message.ts'
import { octets } from '../../support/messages.ts'
import { readExpectations, readSample } from '../../support/samples.ts'

const failed = 'nobody@far.example'

for (const [path, { rule }] of readExpectations()) {
  if (!rule.startsWith('format-')) continue
  test(`${path} quoted in a letter is no bounce`, async () => {
    const bounce = await parseMessage(readSample(path))
    const letter = octets(
      'Return-Path: <somebody@far.example>',
      'From: Somebody <somebody@far.example>',
      'To: made@trap.example',
      `Subject: Re: ${firstValue(bounce.header, 'subject')}`,
      'Content-Type: text/plain; charset=utf-8',
      '',
      'What does this mean?',
      '',
      ...bounce.text.split('\n').map((line) => `> ${line}`),
    )
    const verdict = classify(await parseMessage(letter))
    assert.deepEqual([verdict.backscatter, verdict.rule], [false, 'not-recognised'])
  })
}

test('an address that its words name has no control characters, and neither has the reason beside it', async () => {
  const message = await parseMessage(
    octets(
      'Return-Path: <>',
      'From: MAILER-DAEMON@far.example',
      'Subject: failure notice',
      '',
      `\0${failed}: 550\x07 user unknown`,
    ),
  )
  const { dsn } = classify(message)
  assert.deepEqual(
    [dsn?.finalRecipient, dsn?.diagnosticCode],
    [failed, `${failed}: 550 user unknown`],
  )
})
