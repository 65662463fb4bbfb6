// Messages as faulty software writes them. Each case is named for its fault; what a reader could see must be read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMessage } from '../../../src/mail/message.ts'
import { octets, report, statusLines } from '../../support/messages.ts'

/** A multipart of one part, or of more if `body` has more delimiters. */
function multipart(header: readonly string[], ...body: readonly string[]): Uint8Array {
  return octets(
    'From: MAILER-DAEMON@far.example',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    ...header,
    '',
    ...body,
    '--b--',
  )
}

const said = 'Grüße: it could not be delivered.'

/** Each message says the same. */
const texts: Readonly<Record<string, Uint8Array>> = {
  'a field of a part goes on in column 0': multipart(
    ['Content-Type: text/plain;', 'charset="utf-8"', 'Content-Transfer-Encoding: 8bit'],
    said,
  ),
  'the boundary stands in column 0': octets(
    'Content-Type: multipart/report; report-type=delivery-status;',
    'boundary="a:b"',
    '',
    '--a:b',
    'Content-Type: text/plain; charset=utf-8',
    '',
    said,
    '--a:b--',
  ),
  'no semicolon behind the media type': multipart(['Content-Type: text/plain charset=utf-8'], said),
  'a media type without a subtype': multipart(['Content-Type: text'], said),
  'a part without a header': multipart([], said),
  'no empty line between the header of a part and its text': octets(
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain; charset=utf-8',
    said.replace(':', ''),
    '--b--',
  ),
  'no empty line before the first delimiter': octets(
    'Content-Type: multipart/mixed; boundary=b',
    '--b',
    'Content-Type: text/plain; charset=utf-8',
    '',
    said,
    '--b',
    'Content-Type: image/png',
    '',
    'x',
    '--b--',
  ),
  'no boundary': octets(
    'Content-Type: multipart/report; report-type=delivery-status',
    '',
    'This is a MIME-encapsulated message',
    '',
    '--x.1/far.example',
    'Content-Type: text/plain',
    '',
    said,
    '--x.1/far.example--',
  ),
  'another boundary than the one that is named': octets(
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--c  ',
    'Content-Description: Notification',
    '',
    said,
    '--c--',
  ),
  'no boundary and no parts': octets('Content-Type: multipart/report', '', said),
  'a boundary that is never closed': octets(
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    '',
    said,
  ),
  'an inner multipart that is never closed': multipart(
    ['Content-Type: multipart/alternative; boundary=c'],
    '--c',
    '',
    said,
  ),
  'an inner multipart with the boundary of the outer one': multipart(
    ['Content-Type: multipart/alternative; boundary=b'],
    '--b',
    '',
    said,
  ),
  'a part behind the last delimiter': octets(
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b--',
    '--b',
    '',
    said,
  ),
  'a charset that nobody knows': multipart(['Content-Type: text/plain; charset=x-none'], said),
  'a misspelt charset': multipart(['Content-Type: text/plain; charset=uft-8'], said),
  'UTF-8 that is called ASCII': multipart(['Content-Type: text/plain; charset=us-ascii'], said),
  'UTF-8 that is called Latin-1': multipart(['Content-Type: text/plain; charset=iso-8859-1'], said),
  'base64 in padded pieces, with rubbish between': multipart(
    ['Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: base64'],
    Buffer.from(said.slice(0, 9)).toString('base64'),
    '\u00a0 !',
    `\t${Buffer.from(said.slice(9)).toString('base64')}`,
  ),
  'plain text that is called base64': multipart(['Content-Transfer-Encoding: base64'], said),
  'a transfer encoding with words behind it': multipart(
    ['Content-Transfer-Encoding: Quoted-Printable; x', 'Content-Type: text/plain; charset=utf-8'],
    'Gr=C3=BC=C3=9Fe: it could=',
    ' not be delivered.',
  ),
  'a disposition without its semicolon': multipart(
    ['Content-Disposition: inline filename=report.txt', 'Content-Type: text/plain'],
    said,
  ),
  'HTML alone': multipart(
    ['Content-Type: text/html; charset=utf-8'],
    '<style>p { color: red }</style><p>Gr&#252;&szlig;e: it could not<br>be delivered.',
  ),
}

for (const [fault, raw] of Object.entries(texts)) {
  test(`the text is read: ${fault}`, () => {
    const { text, unreadable } = parseMessage(raw)
    assert.equal(unreadable, null)
    assert.equal(text.trim().replace(/\s+/g, ' ').replace(':', ''), said.replace(':', ''))
  })
}

test('the text is read: UTF-16', () => {
  const littleEndian = Buffer.from(`\ufeff${said}`, 'utf16le')
  const bodies = {
    unicode: littleEndian,
    'utf-8': Buffer.from(littleEndian).swap16(),
    'utf-16': Buffer.from(said, 'utf16le').swap16(),
    'utf-16le': Buffer.from(said, 'utf16le'),
  }
  for (const [charset, body] of Object.entries(bodies)) {
    const { text } = parseMessage(
      octets(
        `Content-Type: text/plain; charset=${charset}`,
        'Content-Transfer-Encoding: base64',
        '',
        body.toString('base64'),
      ),
    )
    assert.equal(text, said, charset)
  }
})

test('the text is read: Windows-1252 without a charset', () => {
  const raw = Buffer.concat([octets('From: a@b.example', '', ''), Buffer.from(said, 'latin1')])
  assert.equal(parseMessage(raw).text, said)
})

test('HTML counts as text unless plain text is its alternative', () => {
  const parts = ['Content-Type: text/plain', '', 'plain', '--b', 'Content-Type: text/html', '']
  for (const [type, expected] of [
    ['alternative', 'plain'],
    ['mixed', 'plain\nHTML'],
  ]) {
    const header = `Content-Type: multipart/${type}; boundary=b`
    const raw = octets(header, '', '--b', ...parts, '<b>HTML</b>', '--b--')
    assert.equal(parseMessage(raw).text, expected)
  }
})

const base64 = Buffer.from(statusLines.join('\r\n')).toString('base64')
const returned = ['', '--c', 'Content-Type: message/rfc822', '', 'Message-ID: <1@spam.example>', '']

/** Each message has a delivery status and a returned message. */
const reports: Readonly<Record<string, Uint8Array>> = {
  'the status is called text': report({ statusType: 'text/plain' }),
  'the status is a text file': report({
    statusType: 'text/plain; name=details.txt\r\nContent-Disposition: attachment',
  }),
  'the status is a file without a type': report({ statusType: 'application/octet-stream' }),
  'the status is in base64': report({
    statusType: 'message/delivery-status\r\nContent-Transfer-Encoding: base64',
    status: [base64],
  }),
  'the status is a text file in base64': report({
    statusType:
      'text/plain\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64',
    status: [base64],
  }),
  'no semicolon behind the type of the status': report({
    statusType: 'message/delivery-status name="details.txt"',
  }),
  'the report is inside another multipart': multipart(
    ['Content-Type: multipart/report; boundary=c'],
    '--c',
    'Content-Type: message/delivery-status',
    '',
    ...statusLines,
    ...returned,
  ),
}

for (const [fault, raw] of Object.entries(reports)) {
  test(`status and returned message are found: ${fault}`, () => {
    const message = parseMessage(raw)
    const [status, original, ...others] = message.parts
    assert.deepEqual(
      [status?.type, original?.type, others],
      ['message/delivery-status', 'message/rfc822', []],
    )
    assert.match(Buffer.from(status?.content ?? []).toString(), /^Reporting-MTA: dns; mail/)
    assert.match(Buffer.from(original?.content ?? []).toString(), /^Message-ID: <1@spam.example>/)
  })
}
