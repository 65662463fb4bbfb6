// Messages of one structure that grows: a piece of header or MIME syntax, repeated, nested, folded or paired, in each
// place where a reader has a loop. For the fuzz that looks for time.
import fc from './properties.ts'

export const trap = 'trap@trap.example'

export interface Growth {
  readonly place: string
  readonly shape: string
  readonly pieces: readonly [string, string]
  /** Octets of what grows, before its transfer encoding. */
  readonly size: number
}

const bounceFields = [
  'Return-Path: <>',
  `To: <${trap}>`,
  'Auto-Submitted: auto-replied',
  'Subject: Undelivered Mail Returned to Sender',
  'From: MAILER-DAEMON@relay.example',
]

/** Of the trap's domain, so that a resolver is asked for its key. */
const signature =
  'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=trap.example; s=s; h=from:x-any; bh=YQ==; b=YQ=='

/** Latin-1 where every character is one octet, UTF-8 else. */
function octets(text: string): Buffer {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is the range of Latin-1.
  return Buffer.from(text, /^[\x00-\xff]*$/.test(text) ? 'latin1' : 'utf8')
}

function simple(fields: readonly string[], body: string): readonly Uint8Array[] {
  return [octets([...bounceFields, ...fields, '', ''].join('\r\n')), octets(body)]
}

function multipart(type: string, grown: string): readonly Uint8Array[] {
  return simple([`Content-Type: multipart/${type}; boundary="b"`], grown)
}

type Places = Record<string, (grown: string) => readonly Uint8Array[]>

/** At the top and in a part. */
function parameter(name: string, before: string): Places {
  return {
    [`parameter ${name}`]: (grown) => simple([before + grown], 'a\r\n--b\r\n\r\na\r\n--b--\r\n'),
    [`parameter ${name} of a part`]: (grown) =>
      multipart('mixed', `--b\r\n${before}${grown}\r\n\r\na\r\n--b--\r\n`),
  }
}

function texts(type: string): Places {
  return encoded(type, type, '', (part) => [octets(`${bounceFields.join('\r\n')}\r\n`), ...part])
}

const inReport = (part: readonly Uint8Array[]): readonly Uint8Array[] => [
  octets(`${bounceFields.join('\r\n')}\r\nContent-Type: multipart/report; boundary="b"\r\n\r\n`),
  octets('--b\r\n\r\nNot delivered.\r\n--b\r\n'),
  ...part,
  octets('\r\n--b--\r\n'),
]

/** As it is, in base64 and in quoted-printable. */
function encoded(name: string, type: string, before: string, around = inReport): Places {
  const field = `Content-Type: ${type}\r\nContent-Transfer-Encoding: `
  return {
    [name]: (grown) => around([octets(`${field}8bit\r\n\r\n`), octets(before + grown)]),
    [`${name} in base64`]: (grown) =>
      around([
        octets(`${field}base64\r\n\r\n`),
        octets(
          octets(before + grown)
            .toString('base64')
            .replaceAll(/.{76}/g, '$&\r\n'),
        ),
      ]),
    [`${name} in quoted-printable`]: (grown) =>
      around([
        octets(`${field}quoted-printable\r\n\r\n`),
        octets(
          octets(before + grown)
            .toString('latin1')
            .replaceAll(/(.{1,70})/g, '$1=\r\n'),
        ),
      ]),
  }
}

/** Each stands in something's grammar: fields, addresses, parameters, parts, encodings, trace fields, HTML, words. */
const pieces: readonly string[] = [
  'a!b!1!',
  '1!',
  '1.',
  '.1.',
  '.xml',
  '.zip ',
  '4.1',
  'http://',
  'https://a.b/c ',
  'a.zip',
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  '  ',
  ' \t',
  'a',
  'ab ',
  '0',
  'é',
  '\u0301',
  '\u00a0',
  '\x85',
  '\u2028',
  '不',
  '😀',
  'İ',
  'ß',
  '\xff',
  '\x1b$B',
  '\x1b(B',
  '+AGE-',
  '~{',
  '(',
  ')',
  '<',
  '>',
  '[',
  ']',
  '{',
  '}',
  '"',
  "'",
  '\\',
  ',',
  ';',
  ':',
  '=',
  '@',
  '.',
  '-',
  '--',
  '_',
  '*',
  '/',
  '%',
  '&',
  '#',
  '?',
  '!',
  '|',
  '`',
  '$',
  '^',
  '~',
  '+',
  'a:',
  'a: b\r\n',
  ': b\r\n',
  'a\r\n',
  ' a\r\n',
  '\r\n ',
  '\r\n\t',
  '\r\n\r\n',
  '\n\n',
  'a\n',
  'a@b',
  '<a@b>',
  '<a@b>, ',
  'a@b,',
  '"a" <a@b>',
  'g: a@b;',
  '(a) ',
  '((a))',
  'a,',
  '@a',
  'a@',
  'a=b;',
  'a=b; ',
  ';a="b"',
  '; a*0=b',
  '; a*0*=utf-8',
  "; a*0*=utf-8''%41",
  '; a*9=b',
  '%41',
  '; charset=utf-8',
  '; boundary=b',
  '; name="a',
  '=?',
  '?=',
  '=?utf-8?q?',
  '=?utf-8?b?',
  '=?utf-8?q?a?=',
  '=?utf-8?q?a?= ',
  '=?utf-8?b?YQ==?= ',
  '=?iso-2022-jp?b?GyRC?= ',
  '=?x?q?a?=',
  '=?utf-8?q?=C3?= =?utf-8?q?=A9?= ',
  '=C3',
  '=\r\n',
  '=41',
  '=',
  'YQ==',
  'YQ',
  'YWJj\r\n',
  '--b\r\n',
  '--b',
  '--b--\r\n',
  '--b\r\n\r\n',
  '--b\r\n\r\na\r\n',
  '\r\n--',
  '--b \r\n',
  '--b\r\nContent-Type: text/plain\r\n\r\na\r\n',
  '--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n',
  '--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n',
  '--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n',
  'begin 644 a\r\n',
  'end\r\n',
  'Content-Type: text/plain\r\n',
  'Content-Type: message/rfc822\r\n\r\n',
  'Content-Transfer-Encoding: base64\r\n',
  'Content-Disposition: attachment; filename=a\r\n',
  'From ',
  'From: a@b\r\n',
  'To: a@b\r\n',
  'Subject: a\r\n',
  'Message-ID: <a@b>\r\n',
  'Received: from a ([192.0.2.1]) by b with SMTP\r\n',
  'from ',
  'by ',
  'with ',
  'id ',
  'for ',
  '(a [192.0.2.1])',
  '[192.0.2.1]',
  '(HELO a)',
  'helo=',
  'ident=',
  ' by (',
  '192.0.2.1',
  '::',
  'DKIM-Signature: v=1; a=rsa-sha256; d=trap.example; s=s; h=from; bh=YQ==; b=YQ==\r\n',
  'from:',
  'h=from:',
  'Delivered-To: trap@trap.example\r\n',
  'ARC-Seal: i=1; cv=none\r\n',
  'Reporting-MTA: dns; a\r\n',
  'Final-Recipient: rfc822; a@b\r\nAction: failed\r\n\r\n',
  '\\x{41}',
  '<',
  '<a',
  '<a>',
  '<p>',
  '</p>',
  '<br',
  '<!--',
  '-->',
  '<!',
  '<![CDATA[',
  '<style>',
  '<script>',
  '<style></style>',
  '<title>',
  '<head>',
  '</',
  '&',
  '&#',
  '&#65;',
  '&amp',
  '&amp;',
  '<a href="',
  '<a href="http://a">',
  'href = ',
  'href',
  'http',
  'https://a ',
  'http://a.zip',
  '<table><tr><td>',
  'a\u00a0',
  'ẞ',
  '> ',
  '>',
  '>> a\n',
  '- ',
  '-- ',
  '----- ',
  '*** ',
  '== ',
  '| ',
  '. ',
  '! ',
  '? ',
  'your mail ',
  'your message ',
  'on a ',
  'wrote: ',
  'from: a sent: ',
  'recipient ',
  '550 ',
  '5.1.1 ',
  '<a@b>: 550 5.1.1 ',
  'copy of the message ',
  'below this line',
  'original message ',
  'message ',
  'could not be delivered ',
  'can you ',
  'virus ',
  'scanned ',
  'confirm your ',
  'out of office',
  're: ',
  're[1]: ',
  '[a] ',
  '(a) ',
  '"a" ',
  '“a” ',
  '«a» ',
  '#1',
  '[1',
  '(was: ',
  'new ',
  'a | ',
]

type Shape = (first: string, second: string, count: number) => string

/** What is made of two pieces; the count is of pieces of the first. */
export const shapes: Readonly<Record<string, Shape>> = {
  repeat: (first, _, count) => first.repeat(count),
  alternate: (first, second, count) => (first + second).repeat(Math.ceil(count / 2)),
  nest: (first, second, count) =>
    first.repeat(Math.ceil(count / 2)) + second.repeat(Math.ceil(count / 2)),
  fold: (first, second, count) => `${first}\r\n ${second}`.repeat(Math.ceil(count / 2)),
  'end with': (first, second, count) => first.repeat(count) + second,
  'begin with': (first, second, count) => second + first.repeat(count),
  lines: (first, second, count) => `${first.repeat(40)}${second}\r\n`.repeat(Math.ceil(count / 40)),
}

/** Where it stands: the whole message around what has grown. */
export const places: Readonly<Record<string, (grown: string) => readonly Uint8Array[]>> = {
  ...Object.fromEntries(
    [
      'Subject',
      'From',
      'To',
      'Cc',
      'Reply-To',
      'Sender',
      'Date',
      'Message-ID',
      'References',
      'In-Reply-To',
      'Received',
      'Return-Path',
      'Delivered-To',
      'Content-Type',
      'List-Post',
      'Content-Disposition',
      'Content-Transfer-Encoding',
      'Content-ID',
      'DKIM-Signature',
      'Auto-Submitted',
      'X-Failed-Recipients',
      'Priority',
      'X-Any',
      'User-Agent',
      'X-Loop',
    ].map((name) => [`field ${name}`, (grown: string) => simple([`${name}: ${grown}`], 'a')]),
  ),
  'header section': (grown) => simple([grown], 'a'),
  'before the header section': (grown) => [octets(grown), ...simple([], 'a')],
  'mbox line': (grown) => [octets(`From ${grown}\r\n`), ...simple([], 'a')],
  'no header section': (grown) => [octets(grown)],
  ...parameter('content-type', 'Content-Type: text/plain; '),
  ...parameter('boundary', 'Content-Type: multipart/mixed; boundary='),
  ...parameter('quoted boundary', 'Content-Type: multipart/mixed; boundary="b'),
  ...parameter('charset', 'Content-Type: text/plain; charset='),
  ...parameter('filename', 'Content-Disposition: attachment; filename='),
  ...parameter('continued filename', "Content-Disposition: attachment; filename*0*=utf-8''"),
  ...texts('text/plain'),
  ...texts('text/plain; charset=utf-8'),
  ...texts('text/plain; charset=iso-2022-jp'),
  ...texts('text/plain; charset=utf-16'),
  ...texts('text/plain; charset=utf-7'),
  ...texts('text/plain; charset=gb18030'),
  ...texts('text/plain; charset=utf-8; format=flowed; delsp=yes'),
  ...texts('text/html; charset=utf-8'),
  ...texts('text/enriched'),
  ...texts('message/rfc822'),
  ...texts('application/ms-tnef'),
  'below a bounce’s words': (grown) =>
    simple(bounceFields, `Your message could not be delivered.\r\n\r\n<a@b.example>:\r\n${grown}`),
  'returned in the text': (grown) =>
    simple(
      bounceFields,
      `Not delivered.\r\n--- Below this line is a copy of the message.\r\n\r\nReceived: a\r\nMessage-ID: <a@b>\r\nFrom: ${trap}\r\n${grown}`,
    ),
  multipart: (grown) => multipart('mixed', grown),
  'multipart/alternative': (grown) => multipart('alternative', grown),
  'multipart/related': (grown) => multipart('related', grown),
  digest: (grown) => multipart('digest', grown),
  'nested parts': (grown) => {
    const depth = Math.min(450, Math.ceil(grown.length / 100))
    const levels = Array.from(
      { length: depth },
      (_, level) =>
        `--b${level}\r\nContent-Type: multipart/mixed; boundary="b${level + 1}"\r\n\r\n`,
    )
    return [
      octets(
        `${bounceFields.join('\r\n')}\r\nContent-Type: multipart/mixed; boundary="b0"\r\n\r\n`,
      ),
      octets(`${levels.join('')}--b${depth}\r\n\r\n${grown}\r\n`),
    ]
  },
  ...encoded('status', 'message/delivery-status', 'Reporting-MTA: dns; a\r\n\r\n'),
  ...encoded('status field', 'message/delivery-status', 'Final-Recipient: '),
  ...encoded('global status', 'message/global-delivery-status', 'Final-Recipient: utf-8; '),
  ...encoded('disposition', 'message/disposition-notification', 'Disposition: '),
  ...encoded('returned fields', 'message/rfc822', `${signature}\r\n`),
  ...encoded('returned From', 'message/rfc822', `${signature}\r\nFrom: `),
  ...encoded('returned Content-Type', 'message/rfc822', `${signature}\r\nContent-Type: `),
  ...encoded('returned Return-Path', 'message/rfc822', `${signature}\r\nReturn-Path: `),
  ...encoded('returned Received', 'message/rfc822', `${signature}\r\nReceived: from `),
  ...encoded('returned ARC', 'message/rfc822', `${signature}\r\nARC-Seal: i=1; `),
  ...encoded('returned X-Any', 'message/rfc822', `${signature}\r\nX-Any: `),
  ...encoded('signature', 'message/rfc822', 'DKIM-Signature: d=trap.example; '),
  ...encoded(
    'signed fields',
    'message/rfc822',
    'DKIM-Signature: v=1; a=rsa-sha256; d=trap.example; s=s; bh=YQ==; b=YQ==; h=from:',
  ),
  ...encoded('returned body', 'message/rfc822', `${signature}\r\nFrom: ${trap}\r\n\r\n`),
  ...encoded(
    'simply signed body',
    'message/rfc822',
    `${signature.replace('relaxed/relaxed', 'simple/simple')}\r\nFrom: ${trap}\r\n\r\n`,
  ),
  ...encoded('returned header section', 'text/rfc822-headers', 'From: '),
}

const maxBytes = 10 * 1024 * 1024

/** The message; never longer than 10 MiB. */
export function grow({ place, shape, pieces: [first, second], size }: Growth): Buffer {
  const make = shapes[shape] ?? shapes['repeat']
  const grown = make?.(first, second, Math.ceil(size / first.length)).slice(0, size) ?? ''
  return Buffer.concat(places[place]?.(grown) ?? []).subarray(0, maxBytes)
}

/** `sizes` are the octets that may grow. */
export function growths(sizes: fc.Arbitrary<number>): fc.Arbitrary<Growth> {
  const piece = fc.constantFrom(...pieces)
  return fc.record({
    place: fc.constantFrom(...Object.keys(places)),
    shape: fc.constantFrom(...Object.keys(shapes)),
    pieces: fc.tuple(piece, piece),
    size: sizes,
  })
}
