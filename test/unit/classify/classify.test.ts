import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Classification, classify, type Envelope } from '../../../src/classify/classify.ts'
import { parseMessage } from '../../../src/mail/message.ts'
import { octets, report, statusLines } from '../../support/messages.ts'

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
    certainty: 'likely',
    facts: [],
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

const multipart = 'multipart/mixed'
const words = { header: ['From: someone@example.net'] }

const verdicts: Readonly<
  Record<string, { raw: Uint8Array; envelope?: Envelope; is: string; by: string }>
> = {
  'a report without its report-type': {
    raw: report({ type: 'multipart/report' }),
    is: 'dsn',
    by: 'rfc3464-report',
  },
  'a report in the global form (RFC 6533)': {
    raw: report({ statusType: 'message/global-delivery-status' }),
    is: 'dsn',
    by: 'rfc3464-report',
  },
  'a report that says auto-replied': {
    raw: report({ header: ['Auto-Submitted: auto-replied', 'From: someone@example.net'] }),
    is: 'dsn',
    by: 'rfc3464-report',
  },
  'a report whose first status part is words': {
    raw: octets(
      'Content-Type: multipart/report; boundary=b',
      '',
      '--b',
      'Content-Type: message/delivery-status',
      '',
      'It failed.',
      '--b',
      'Content-Type: message/delivery-status',
      '',
      ...statusLines,
      '--b--',
    ),
    is: 'dsn',
    by: 'rfc3464-report',
  },
  'a multipart/report that reports nothing and returns no message': {
    raw: report({ status: ['Click here'], returned: ['Dear customer,', '', 'x'.repeat(100)] }),
    is: 'other',
    by: 'not-recognised',
  },
  'a multipart/report that reports nothing, from somebody with a mailbox': {
    raw: report({ ...words, status: ['Click here'], returned: ['', 'x'.repeat(100)] }),
    is: 'other',
    by: 'not-recognised',
  },
  'a mail system whose report has lost its fields': {
    raw: report({ status: ['unavailable'] }),
    is: 'dsn',
    by: 'mail-system-returns-message',
  },
  'a report without a status part': {
    raw: report({ statusType: 'text/plain' }),
    is: 'dsn',
    by: 'mail-system-returns-message',
  },
  'Exim in words that nobody knows': {
    raw: octets(
      'From: mail@far.example',
      'X-Failed-Recipients: nobody@far.example',
      'Subject: Xqz',
      '',
      'Qwx zyp.',
    ),
    is: 'dsn',
    by: 'exim-failed-recipients',
  },
  'a report that has lost its parts': {
    raw: octets(
      'From: MAILER-DAEMON@far.example',
      'Subject: Returned mail: see transcript for details',
      'Content-Type: multipart/report; report-type=delivery-status',
      '',
      '',
    ),
    is: 'dsn',
    by: 'mail-system-report',
  },
  'a status in a multipart/mixed from a mail system': {
    raw: report({ type: multipart }),
    is: 'dsn',
    by: 'rfc3464-status-in-other-multipart',
  },
  'a status in a multipart/mixed from the null sender': {
    raw: report({ ...words, type: multipart }),
    envelope: { reversePath: '' },
    is: 'dsn',
    by: 'rfc3464-status-in-other-multipart',
  },
  'somebody who attaches a report to his own mail': {
    raw: report({ ...words, type: multipart }),
    envelope: { reversePath: 'someone@example.net' },
    is: 'other',
    by: 'not-recognised',
  },
  'somebody who tells of a bounce under its title': {
    raw: octets(
      'From: someone@example.net',
      'To: trap@trap.example',
      'Subject: undeliverable mail',
      '',
      'Mail to carol@far.example could not be delivered: user unknown. Have you another address?',
    ),
    is: 'other',
    by: 'not-recognised',
  },
  'a gateway with a name of its own, under the same title': {
    raw: octets(
      'From: gateway@example.net',
      'To: trap@trap.example',
      'Subject: undeliverable mail',
      '',
      'Your mail could not be delivered.',
      '  carol@far.example',
    ),
    is: 'dsn',
    by: 'titled-failure-names-recipient',
  },
  'somebody who forwards a whole bounce': {
    raw: octets(
      ...reply,
      'Content-Type: multipart/mixed; boundary=f',
      '',
      '--f',
      'Content-Type: message/rfc822',
      '',
      Buffer.from(report()).toString(),
      '--f--',
    ),
    is: 'other',
    by: 'not-recognised',
  },
  'a complaint': {
    raw: report({ type: 'multipart/report; report-type=feedback-report' }),
    is: 'arf',
    by: 'arf-report-type',
  },
  'a complaint that names no report-type': {
    raw: report({ type: 'multipart/report', statusType: 'message/feedback-report' }),
    is: 'arf',
    by: 'arf-part',
  },
  'a TLS report': {
    raw: report({ type: 'multipart/report; report-type="tlsrpt"' }),
    is: 'tls-report',
    by: 'tls-report-type',
  },
  'a TLS report by its part': {
    raw: report({ type: multipart, statusType: 'application/tlsrpt+gzip' }),
    is: 'tls-report',
    by: 'tls-report-part',
  },
  'a DMARC report by its subject': {
    raw: octets(
      'Auto-Submitted: auto-replied',
      'Subject: Report Domain: a.example Submitter: b',
      '',
      '',
    ),
    is: 'dmarc-report',
    by: 'dmarc-report-subject',
  },
  'a DMARC report by its file': {
    raw: octets(
      'Content-Type: application/gzip; name="b.example!a.example!1795523030!1795609430.xml.gz"',
      'Content-Disposition: attachment; filename="b.example!a.example!1795523030!1795609430.xml.gz"',
      '',
      'x',
    ),
    is: 'dmarc-report',
    by: 'dmarc-report-file',
  },
  'a read receipt that says auto-replied': {
    raw: report({
      header: ['Auto-Submitted: auto-replied'],
      type: 'multipart/report; report-type=disposition-notification',
    }),
    is: 'mdn',
    by: 'mdn-report-type',
  },
  'a read receipt by its part': {
    raw: report({ type: multipart, statusType: 'message/disposition-notification' }),
    is: 'mdn',
    by: 'mdn-part',
  },
  'a bounce that a mailing list hands on': {
    raw: report({ header: ['From: MAILER-DAEMON@example.net', 'List-Id: <a.example>'] }),
    is: 'dsn',
    by: 'rfc3464-report',
  },
  'an address alone on a line, from the null sender, and no word of failure': {
    raw: octets(
      'Return-Path: <>',
      'From: postmaster@example.net',
      'To: trap@trap.example',
      'Subject: Hello',
      '',
      'The new address of the office is',
      'office@example.net',
      '',
    ),
    is: 'other',
    by: 'not-recognised',
  },
  'an address alone on a line, below words of failure': {
    raw: octets(
      'Return-Path: <>',
      'From: postmaster@example.net',
      'To: trap@trap.example',
      'Subject: Hello',
      '',
      'Your message could not be delivered to',
      'office@example.net',
      '',
    ),
    is: 'dsn',
    by: 'mail-system-names-recipient',
  },
  'an automatic reply that a mailing list hands on': {
    raw: octets(...reply, 'Auto-Submitted: auto-replied', 'Precedence: list', '', ''),
    is: 'list',
    by: 'list-precedence',
  },
  'the acknowledgement of a ticket': {
    raw: octets(...reply, 'Auto-Submitted: auto-replied', 'RT-Ticket: example #1', '', ''),
    is: 'ticket',
    by: 'ticket-field-rt-ticket',
  },
  'RFC 3834 auto-replied': {
    raw: octets(...reply, 'Auto-Submitted: auto-replied (vacation)', '', ''),
    is: 'auto-reply',
    by: 'rfc3834-auto-replied',
  },
  'RFC 3834 in other letters': {
    raw: octets(...reply, 'AUTO-SUBMITTED: Auto-Replied; owner-email="a@b.example"', '', ''),
    is: 'auto-reply',
    by: 'rfc3834-auto-replied',
  },
  'auto-generated that answers from the null sender': {
    raw: octets(...reply, 'Auto-Submitted: auto-generated', answers, '', ''),
    envelope: { reversePath: '' },
    is: 'auto-reply',
    by: 'rfc3834-auto-generated-answer',
  },
  'the same by its Return-Path': {
    raw: octets('Return-Path: <>', ...reply, 'Auto-Submitted: auto-generated', answers, '', ''),
    is: 'auto-reply',
    by: 'rfc3834-auto-generated-answer',
  },
  'auto-generated that answers nothing': {
    raw: octets(...reply, 'Auto-Submitted: auto-generated', '', ''),
    envelope: { reversePath: '' },
    is: 'other',
    by: 'not-recognised',
  },
  'auto-generated that answers from an address of its own': {
    raw: octets(...reply, 'Auto-Submitted: auto-generated', answers, '', ''),
    envelope: { reversePath: 'tickets@example.net' },
    is: 'other',
    by: 'not-recognised',
  },
  'a notification by Sieve (RFC 5436)': {
    raw: octets(...reply, 'Auto-Submitted: auto-notified', answers, '', ''),
    envelope: { reversePath: '' },
    is: 'other',
    by: 'mail-notification',
  },
  'a message that says it is not automatic': {
    raw: octets(...reply, 'Auto-Submitted: no', 'X-Autoreply: yes', '', ''),
    is: 'other',
    by: 'not-recognised',
  },
  'a vendor field': {
    raw: octets(...reply, 'Precedence: auto_reply', '', ''),
    is: 'auto-reply',
    by: 'vendor-field-precedence',
  },
  'a vendor field with another value': {
    raw: octets(...reply, 'X-Autogenerated: Mirror', 'X-Auto-Response-Suppress: All', '', ''),
    is: 'other',
    by: 'not-recognised',
  },
  'a mail system that does not say what failed': {
    raw: octets(
      'From: Mail Delivery System <Mailer-Daemon@example.net>',
      'Auto-Submitted: auto-replied',
      '',
      'could not be delivered',
    ),
    is: 'other',
    by: 'not-recognised',
  },
  'a message that cannot be read whole': {
    raw: report({ header: ['Auto-Submitted: auto-replied', `X: ${'x'.repeat(300_000)}`] }),
    is: 'other',
    by: 'unreadable-message',
  },
}

for (const [what, { raw, envelope, is, by }] of Object.entries(verdicts)) {
  test(`${what}: ${is}`, async () => {
    const verdict = await verdictOn(raw, envelope)
    assert.equal(verdict.kind ?? verdict.notBackscatter, is)
    assert.equal(verdict.rule, by)
    assert.equal(verdict.backscatter, verdict.kind !== null)
    assert.equal(verdict.backscatter, verdict.notBackscatter === null)
  })
}
