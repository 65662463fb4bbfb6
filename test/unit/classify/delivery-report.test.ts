// Mail in the form of a delivery report (RFC 3464) that no mail system wrote, and beside it the reports that are like it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classify } from '../../../src/classify/classify.ts'
import { parseMessage } from '../../../src/mail/message.ts'
import { octets } from '../../support/messages.ts'

interface Parts {
  /** null: not known. */
  readonly reversePath?: string | null
  readonly recipients?: readonly string[]
  readonly from?: string
  readonly subject?: string
  readonly text?: string
  readonly recipient?: string
  readonly action?: string
  /** null: the delivery status does not name it. */
  readonly mta?: string | null
  readonly type?: string
  /** null: no such part. */
  readonly returned?: readonly string[] | null
  readonly returnedType?: string
}

const wholeMessage = [
  'Received: from a.example (a.example [192.0.2.7]) by far.example; Tue, 24 Nov 2026 12:00:00 +0000',
  'Message-ID: <1@a.example>',
  'From: made@trap.example',
  'To: u@q.example',
  'Subject: hello',
  '',
  'x',
]
const casino = ['Subject: Casino', '', 'http://casino.example/']

/** By default a lure that is dressed up as a report. */
async function verdictOn(parts: Parts): Promise<string> {
  const {
    from = 'Winner <promo@spam.example>',
    subject = 'Your prize',
    text = 'Casino bonus 500 EUR: http://casino.example/',
    recipient = 'u@q.example',
    action = 'failed',
    mta = 'mail.far.example',
    type = 'multipart/report; report-type=delivery-status',
    returned = casino,
    returnedType = 'message/rfc822',
    reversePath = 'x@spam.example',
    recipients = [],
  } = parts
  const message = octets(
    `From: ${from}`,
    'To: made@trap.example',
    `Subject: ${subject}`,
    'MIME-Version: 1.0',
    `Content-Type: ${type}; boundary=b`,
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    text,
    '--b',
    'Content-Type: message/delivery-status',
    '',
    ...(mta === null ? [] : [`Reporting-MTA: dns; ${mta}`, '']),
    `Final-Recipient: rfc822; ${recipient}`,
    `Action: ${action}`,
    'Status: 5.0.0',
    ...(returned === null ? [] : ['', '--b', `Content-Type: ${returnedType}`, '', ...returned]),
    '',
    '--b--',
    '',
  )
  const { kind, notBackscatter, rule } = classify(await parseMessage(message), {
    recipients,
    ...(reversePath !== null && { reversePath }),
  })
  return `${kind ?? notBackscatter} ${rule}`
}

const system = 'Mail Delivery Subsystem <MAILER-DAEMON@far.example>'
const failure = { text: 'It could not be delivered to u@q.example.' }
const toTrap = ['From: promo@spam.example', 'To: made@trap.example', 'Date: now', '', 'x']
const written = wholeMessage.map((line) => line.replace('u@q', 'made@trap'))

const falseReports: Readonly<Record<string, Parts>> = {
  'that returns a subject and a link': {},
  'that returns HTML': { returned: ['<html>buy</html>'] },
  'that returns an empty part': { returned: [''] },
  'that returns nothing': { returned: null },
  'that returns an empty header section': { returned: [''], returnedType: 'text/rfc822-headers' },
  'on its reader': { recipient: 'made@trap.example' },
  'on its reader, with a message': { recipient: 'MADE@trap.example', returned: wholeMessage },
  'on a success': { action: 'delivered' },
  'that returns what was written to its reader': { returned: written },
  'that returns what was written to the trap it was delivered to': {
    returned: wholeMessage,
    recipients: ['u@q.example'],
  },
  'in the words of one': { subject: 'Delivery failure', ...failure },
  'without its reverse-path': { reversePath: null },
  'from the null sender, on its reader': {
    reversePath: '',
    recipient: 'made@trap.example',
    ...failure,
  },
  'from the null sender, a lure that returns nothing': { reversePath: '', returned: null },
  'from the null sender, a lure that returns an empty part': { reversePath: '', returned: [''] },
  'from the null sender, a link in what it returns alone': { reversePath: '', text: 'Look!' },
  'from the null sender, a lure that returns what was written to its reader': {
    reversePath: '',
    returned: toTrap,
  },
  'from the null sender, on its reader, with what was written to him': {
    reversePath: '',
    recipient: 'made@trap.example',
    returned: toTrap,
    ...failure,
  },
  'from the null sender, on its reader with a BATV tag, with what was written to him': {
    reversePath: '',
    recipient: 'prvs=1234abcdef=made@trap.example',
    returned: toTrap,
    ...failure,
  },
  'a lure under the name of a mail system': { from: system },
}

for (const [what, parts] of Object.entries(falseReports)) {
  test(`a false report ${what} is no backscatter`, async () => {
    assert.equal(await verdictOn(parts), 'spam false-report')
  })
}

const reports: Readonly<Record<string, Parts>> = {
  'from the null sender, with a message': { reversePath: '', returned: wholeMessage, ...failure },
  'from the null sender, with a message, in no known words': {
    reversePath: '',
    returned: wholeMessage,
  },
  'from the null sender, without a message': { reversePath: '', returned: null, ...failure },
  'from the null sender, without a message, with a link to its help': {
    reversePath: '',
    returned: null,
    text: '550 5.1.1 User unknown. Help: http://far.example/help',
  },
  "under a mail system's name, with an emptied message": {
    from: system,
    returned: ['Message removed'],
    ...failure,
  },
  'on its reader, with a message, from the null sender': {
    reversePath: '',
    recipient: 'made@trap.example',
    returned: wholeMessage,
    ...failure,
  },
  'on its reader, by a mail system, with a message that names no recipient': {
    from: system,
    reversePath: null,
    recipient: 'made@trap.example',
    returned: ['Message-ID: <1@a.example>', 'From: a@a.example', '', 'x'],
    ...failure,
  },
  'on a message that was forged as from and to its reader': {
    reversePath: '',
    recipient: 'made@trap.example',
    returned: written,
    ...failure,
  },
  'by a gateway under a name and reverse-path of its own': {
    from: 'Gateway <gw@far.example>',
    returned: wholeMessage,
    ...failure,
  },
  'by the same, with a header section': {
    from: 'Gateway <gw@far.example>',
    returned: wholeMessage.slice(0, 5),
    returnedType: 'text/rfc822-headers',
    ...failure,
  },
  'of a success, by the same': { action: 'delivered', returned: wholeMessage, ...failure },
}

for (const [what, parts] of Object.entries(reports)) {
  test(`a report ${what} is a dsn`, async () => {
    assert.equal(await verdictOn(parts), 'dsn rfc3464-report')
  })
}

test('in another multipart only what is automatic is judged as a report', async () => {
  const type = 'multipart/mixed'
  const lure = { type, from: system }
  assert.equal(await verdictOn(lure), 'spam false-report')
  assert.equal(await verdictOn({ ...lure, reversePath: '' }), 'spam false-report')
  assert.equal(await verdictOn({ type }), 'other not-recognised')
  assert.equal(
    await verdictOn({ type, reversePath: '', returned: wholeMessage, ...failure }),
    'dsn rfc3464-status-in-other-multipart',
  )
})

test('a lure whose delivery status does not say who reports is no dsn either', async () => {
  const mta = null
  for (const reversePath of ['', 'x@spam.example'])
    assert.equal(await verdictOn({ mta, reversePath }), 'spam false-report')
  assert.equal(await verdictOn({ mta, ...failure }), 'other not-recognised')
  assert.equal(
    await verdictOn({ mta, reversePath: '', returned: wholeMessage, ...failure }),
    'dsn mail-system-returns-message',
  )
})
