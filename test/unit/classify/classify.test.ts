import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Classification, classify, type Envelope } from '../../../src/classify/classify.ts'
import { parseMessage } from '../../../src/mail/message.ts'
import { octets, report } from '../../support/messages.ts'

async function verdictOn(raw: Uint8Array, envelope?: Envelope): Promise<Classification> {
  return classify(await parseMessage(raw), envelope)
}

const reply = ['From: someone@example.net', 'To: trap@trap.example', 'Subject: Away']
const answers = 'In-Reply-To: <1@spam.example>'

test('a delivery report is a dsn, with its fields and what it returns', async () => {
  assert.deepEqual(await verdictOn(report()), {
    backscatter: true,
    kind: 'dsn',
    notBackscatter: null,
    certainty: 'certain',
    facts: ['statusReport', 'systemSends', 'failedGroup', 'returnsFields'],
    rule: 'rfc3464-report',
    generator: null,
    dsn: {
      reportingMta: 'mail.example.net',
      finalRecipient: 'nobody@example.net',
      originalRecipient: null,
      action: 'failed',
      status: '5.1.1',
      remoteMta: null,
      diagnosticCode: null,
      receivedFromMta: null,
      arrivalDate: null,
      recipients: 1,
    },
    returned: {
      messageId: '<1@spam.example>',
      from: 'trap@trap.example',
      to: null,
      date: null,
      subject: 'hi',
      headersOnly: false,
      received: [],
      origin: null,
    },
    viaList: false,
  })
})

test('anything else is not recognised, and not backscatter', async () => {
  const verdict = await verdictOn(octets(...reply, '', 'Hello'))
  assert.deepEqual(
    [verdict.backscatter, verdict.kind, verdict.notBackscatter, verdict.rule],
    [false, null, 'other', 'not-recognised'],
  )
})

test('a message that cannot be read whole proves nothing', async () => {
  const header = ['Auto-Submitted: auto-replied', `X: ${'x'.repeat(300_000)}`]
  const verdict = await verdictOn(report({ header }))
  assert.deepEqual([verdict.notBackscatter, verdict.rule], ['other', 'unreadable-message'])
})

test('the reverse-path of the envelope counts more than a Return-Path field', async () => {
  const lines = [...reply, 'Auto-Submitted: auto-generated', answers, '', '']
  const told = octets('Return-Path: <>', ...lines)
  assert.equal((await verdictOn(told)).kind, 'auto-reply')
  assert.equal((await verdictOn(told, { reversePath: 'tickets@example.net' })).kind, null)
  assert.equal((await verdictOn(octets(...lines), { reversePath: '' })).kind, 'auto-reply')
})
