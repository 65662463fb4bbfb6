import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classify } from '../../../src/classify/classify.ts'
import { firstValue } from '../../../src/mail/header.ts'
import { parseMessage } from '../../../src/mail/message.ts'
import { octets, report } from '../../support/messages.ts'

test('a report is taken apart into its text, its status and what it returns', () => {
  const message = parseMessage(report())
  assert.equal(message.contentType.value, 'multipart/report')
  assert.equal(message.text.trim(), 'It could not be delivered.')
  assert.deepEqual(
    message.parts.map(({ type }) => type),
    ['message/delivery-status', 'message/rfc822'],
  )
  assert.equal(message.unreadable, null)
})

test('a status in base64 is decoded, and so is the subject', () => {
  const status = Buffer.from('Reporting-MTA: dns; a.example\r\n').toString('base64')
  const raw = octets(
    'Subject: =?utf-8?B?w7xiZXI=?=',
    'Content-Type: multipart/report; boundary=b',
    '',
    '--b',
    'Content-Type: message/delivery-status',
    'Content-Transfer-Encoding: base64',
    '',
    status,
    '--b--',
  )
  const message = parseMessage(raw)
  assert.equal(message.subject, 'über')
  assert.equal(
    Buffer.from(message.parts[0]?.content ?? []).toString(),
    'Reporting-MTA: dns; a.example\r\n',
  )
})

test('the inside of a returned message is not the message', () => {
  const returned = [
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; inner.example',
  ]
  const message = parseMessage(report({ returned, status: ['nothing'] }))
  assert.equal(classify(message).dsn?.reportingMta, null)
  assert.equal(classify(message).dsn?.finalRecipient, null)
})

test('what a report returns may be large; its first octets are enough', () => {
  const returned = ['Message-ID: <big@spam.example>', '', `${'x'.repeat(76)}\r\n`.repeat(50_000)]
  const message = parseMessage(report({ returned }))
  const verdict = classify(message)
  assert.equal(verdict.rule, 'rfc3464-report')
  assert.equal(verdict.returned?.messageId, '<big@spam.example>')
  assert.ok((message.parts[1]?.content.length ?? 0) <= 1024 * 1024)
})

test('a part that nobody reads is counted and not kept', () => {
  const raw = octets(
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: image/png',
    'Content-Disposition: attachment; filename="a.png"',
    '',
    'x'.repeat(100_000),
    '--b--',
  )
  const { parts } = parseMessage(raw)
  assert.deepEqual(parts, [{ type: 'image/png', filename: 'a.png', content: Buffer.alloc(0) }])
})

/** What a parser may choke on; each must come back in bounded time with its headers, and list nobody. */
const hostile: Readonly<Record<string, { raw: Uint8Array; unreadable: RegExp | null }>> = {
  '10,000 parts': {
    raw: octets(
      'From: a@b.example',
      'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
      '',
      '--b\r\nContent-Type: text/plain\r\n\r\nx\r\n'.repeat(10_000),
    ),
    unreadable: /more than 500 parts/,
  },
  'a header line of 1 MB': {
    raw: octets('From: a@b.example', `Subject: ${'x'.repeat(1_000_000)}`, '', 'x'),
    unreadable: /header section is longer/,
  },
  'a part header of 1 MB': {
    raw: octets(
      'From: a@b.example',
      'Content-Type: multipart/report; boundary=b',
      '',
      '--b',
      `X-Long: ${'x'.repeat(1_000_000)}`,
      '',
      'x',
    ),
    unreadable: /header section is longer/,
  },
  '20,000 header lines': {
    raw: octets('From: a@b.example', 'X: y\r\n'.repeat(20_000), '', 'x'),
    unreadable: /fields/,
  },
  'parts nested 400 deep': {
    raw: octets(
      'From: a@b.example',
      'Content-Type: multipart/mixed; boundary=b0',
      '',
      ...Array.from({ length: 400 }, (_, depth) =>
        [`--b${depth}`, `Content-Type: multipart/mixed; boundary=b${depth + 1}`, ''].join('\r\n'),
      ),
    ),
    unreadable: null,
  },
  'lines that may all be boundaries': {
    raw: octets(
      'From: a@b.example',
      'Content-Type: multipart/mixed; boundary=b0',
      '',
      ...Array.from({ length: 400 }, (_, depth) =>
        [`--b${depth}`, `Content-Type: multipart/mixed; boundary=b${depth + 1}`, ''].join('\r\n'),
      ),
      '--b\r\n'.repeat(200_000),
    ),
    unreadable: null,
  },
  'encodings that are none': {
    raw: octets(
      'From: a@b.example',
      'Subject: =?utf-7?Q?+ADw-?= =?x-none?B?!!!!?= =?utf-8?B?',
      'Content-Type: multipart/report; boundary=b',
      '',
      '--b',
      'Content-Type: message/delivery-status; charset=utf-7',
      'Content-Transfer-Encoding: base64',
      '',
      '!!!!\u00ff====',
      '--b',
      'Content-Type: text/plain; charset=x-nonesuch',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      '=ZZ=0=',
    ),
    unreadable: null,
  },
  'a header full of encoded words': {
    raw: octets('From: a@b.example', `Subject: ${'=?utf-8?Q?=3D?= '.repeat(12_000)}`, '', 'x'),
    unreadable: null,
  },
  'a million comments': {
    raw: octets('From: a@b.example', `Content-Type: text/plain ${'('.repeat(200_000)}`, '', 'x'),
    unreadable: null,
  },
  'a file name like a DMARC report’s with 200,000 digits': {
    raw: octets(
      'From: a@b.example',
      'Content-Type: application/gzip',
      `Content-Disposition: attachment; filename="a!b!1!${'1'.repeat(200_000)}"`,
      '',
      'x',
    ),
    unreadable: null,
  },
  'a boundary of nothing': {
    raw: octets(
      'From: a@b.example',
      'Content-Type: multipart/report; boundary=""',
      '',
      '--',
      'x',
      '----',
    ),
    unreadable: null,
  },
  'ten megabytes in one line': {
    raw: octets('From: a@b.example', '', 'x'.repeat(10_000_000)),
    unreadable: null,
  },
  'ten megabytes of empty lines': {
    raw: octets('From: a@b.example', '', '\n'.repeat(10_000_000)),
    unreadable: null,
  },
}

for (const [what, { raw, unreadable }] of Object.entries(hostile)) {
  test(`bounded: ${what}`, () => {
    const message = parseMessage(raw)
    const verdict = classify(message)
    assert.equal(firstValue(message.header, 'from'), 'a@b.example')
    assert.equal(verdict.backscatter, false)
    if (unreadable !== null) {
      assert.match(message.unreadable ?? '', unreadable)
      assert.equal(verdict.rule, 'unreadable-message')
    }
  })
}

test('a part whose Content-Type names no type', () => {
  const message = parseMessage(
    octets(
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: ; name=""',
      'Content-Disposition: attachment',
      '',
      'x',
      '--b--',
      '',
    ),
  )
  assert.deepEqual(
    message.parts.map(({ type }) => type),
    ['text/plain'],
  )
})

test('nothing at all is a message too', () => {
  for (const raw of [new Uint8Array(), octets(''), octets('', ''), Buffer.from([0, 0, 0])]) {
    const message = parseMessage(raw)
    assert.deepEqual(message.parts, [])
    assert.equal(classify(message).rule, 'not-recognised')
  }
})
