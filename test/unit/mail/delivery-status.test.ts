import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPlausible, parseDeliveryStatus } from '../../../src/mail/delivery-status.ts'
import { octets, statusLines } from '../../support/messages.ts'

test('the fields of the message and of each recipient', () => {
  const status = parseDeliveryStatus(
    octets(
      'Reporting-MTA: dns; mail.example.net',
      'Received-From-MTA: DNS; relay.example',
      'Original-Envelope-Id: QQ314159',
      'Arrival-Date: Tue, 24 Nov 2026 12:23:50 +0000 (UTC)',
      '',
      'Original-Recipient: rfc822;alias@example.net',
      'Final-Recipient: RFC822; <nobody@example.net>',
      'Action: Failed (gave up)',
      'Status: 5.1.1 (bad destination)',
      'Remote-MTA: dns; mx.example.org',
      'Diagnostic-Code: smtp; 550 5.1.1',
      ' no such user',
      '',
      'Final-Recipient: rfc822; other@example.net',
      'Action: delayed',
      'Status: 4.4.7',
    ),
  )
  assert.equal(status.reportingMta, 'mail.example.net')
  assert.equal(status.receivedFromMta, 'relay.example')
  assert.equal(status.arrivalDate, 'Tue, 24 Nov 2026 12:23:50 +0000 (UTC)')
  assert.deepEqual(status.recipients, [
    {
      finalRecipient: 'nobody@example.net',
      originalRecipient: 'alias@example.net',
      action: 'failed',
      status: '5.1.1',
      remoteMta: 'mx.example.org',
      diagnosticCode: 'smtp; 550 5.1.1 no such user',
    },
    {
      finalRecipient: 'other@example.net',
      originalRecipient: null,
      action: 'delayed',
      status: '4.4.7',
      remoteMta: null,
      diagnosticCode: null,
    },
  ])
  assert.ok(isPlausible(status))
})

test('RFC 6533: a global recipient, its characters also spelt out', () => {
  const { recipients } = parseDeliveryStatus(
    octets(
      'Final-Recipient: utf-8; nosuch\\x{FC}ser@\\x{65E5}.example',
      'Action: failed',
      '',
      'Final-Recipient: utf-8; größe@example.net',
      '',
      'Final-Recipient: utf-8; a\\x{D800}\\x{110000}\\x{0}@example.net',
    ),
  )
  assert.deepEqual(
    recipients.map(({ finalRecipient }) => finalRecipient),
    ['nosuchüser@日.example', 'größe@example.net', 'a\\x{D800}\\x{110000}\\x{0}@example.net'],
  )
})

test('groups that are not divided, or divided twice, are read all the same', () => {
  const together = parseDeliveryStatus(octets(...statusLines.filter((line) => line !== '')))
  const apart = parseDeliveryStatus(
    octets('', '', ...statusLines.flatMap((line) => line || ['', ''])),
  )
  for (const status of [together, apart]) {
    assert.equal(status.reportingMta, 'mail.example.net')
    assert.equal(status.recipients.length, 1)
    assert.ok(isPlausible(status))
  }
})

test('words that are no action and numbers that are no status are left out', () => {
  const { recipients } = parseDeliveryStatus(
    octets('Final-Recipient: rfc822; a@b.example', 'Action: exploded', 'Status: 550 5.1.1'),
  )
  assert.equal(recipients[0]?.action, null)
  assert.equal(recipients[0]?.status, null)
})

for (const [missing, lines] of Object.entries({
  'who reports': statusLines.filter((line) => !line.startsWith('Reporting')),
  'about whom': statusLines.filter((line) => !line.startsWith('Final')),
  'what became of it': statusLines.filter((line) => !/^(Action|Status)/.test(line)),
  anything: ['buy now', '', 'cheap'],
  everything: [],
})) {
  test(`implausible without ${missing}`, () => {
    assert.equal(isPlausible(parseDeliveryStatus(octets(...lines))), false)
  })
}

test('a status of 20,000 recipients is cut', () => {
  const content = octets(
    'Reporting-MTA: dns; a',
    '\r\nFinal-Recipient: rfc822; a@b\r\nAction: failed\r\n'.repeat(20_000),
  )
  assert.equal(parseDeliveryStatus(content).recipients.length, 100)
})

// A reader that went over them again for each line would not come to its end.
for (const [what, between] of Object.entries({
  '450,000 empty lines that end in CRLF': '\r\n'.repeat(450_000),
  'a million empty lines that end in LF': '\n'.repeat(1_000_000),
  'a million CR': `\n${'\r'.repeat(1_000_000)}\n`,
  'empty lines of both kinds': '\r\n\n'.repeat(300_000),
  'groups without a field': ': x\r\n\r\n'.repeat(100_000),
})) {
  test(`${what} between two groups are read once`, () => {
    const [first = '', ...others] = statusLines
    const content = Buffer.concat([octets(first, ''), Buffer.from(between), octets(...others)])
    const status = parseDeliveryStatus(content)
    assert.equal(status.reportingMta, 'mail.example.net')
    assert.equal(status.recipients.length, 1)
  })
}
