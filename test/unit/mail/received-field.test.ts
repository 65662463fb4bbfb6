import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../../src/ip/address.ts'
import { parseDate, parseReceivedField } from '../../../src/mail/received-field.ts'

/** Field values as the software writes them → the address that it saw, 'internal', or null when none can be read. */
const forms: Readonly<Record<string, readonly [value: string, address: string | null]>> = {
  Postfix: [
    'from helo.example (mail.example [192.0.2.1]) by mx.example (Postfix) with ESMTP id 1 for <a@b.example>; Tue, 24 Nov 2026 12:23:50 +0000 (UTC)',
    '192.0.2.1',
  ],
  'Postfix without a name': [
    'from helo.example (unknown [192.0.2.1]) by mx.example (Postfix) with SMTP id 1',
    '192.0.2.1',
  ],
  'Postfix over IPv6': [
    'from helo.example (unknown [IPv6:2001:db8::1]) by mx.example (Postfix) with ESMTPS id 1',
    '2001:db8::1',
  ],
  'Postfix with TLS': [
    'from a (b [192.0.2.1]) (using TLSv1.3 with cipher TLS_AES_256 (256/256 bits)) (Client CN "x [203.0.113.9]", Issuer "y" (not verified)) by mx (Postfix) with ESMTPS id 1',
    '192.0.2.1',
  ],
  'Postfix, HELO an address': [
    'from [203.0.113.9] (mail.example [192.0.2.1]) by mx.example (Postfix) with ESMTP id 1',
    '192.0.2.1',
  ],
  'Postfix that lost the peer': ['from a (unknown [unknown]) by mx (Postfix) with SMTP id 1', null],
  'Postfix, local program': ['by mail.example (Postfix, from userid 1001) id 1', 'internal'],
  'Postfix, own bounce': ['by mail.example (Postfix) id 1', 'internal'],
  Exim: [
    'from mail.example ([192.0.2.1] helo=other.example) by mx.example with esmtps (TLS1.3) tls X (Exim 4.98) (envelope-from <>) id 1 for a@b.example',
    '192.0.2.1',
  ],
  'Exim without a name': [
    'from [192.0.2.1] (helo=mail.example) by mx.example with esmtp (Exim 4.98)',
    '192.0.2.1',
  ],
  'Exim over IPv6': [
    'from [2001:db8::1] (helo=mail.example) by mx.example with esmtp (Exim 4.98)',
    '2001:db8::1',
  ],
  'Exim with port and ident': [
    'from [192.0.2.1] (port=4711 helo=[203.0.113.9] ident=[203.0.113.8]) by mx with smtp (Exim 4.9)',
    '192.0.2.1',
  ],
  'Exim with the port in the address': [
    'from mail.example ([192.0.2.1]:25111) by mx.example with esmtp (Exim 4.60)',
    '192.0.2.1',
  ],
  'Exim, HELO an address': [
    'from mail.example ([192.0.2.1] helo=[203.0.113.9]) by mx.example with esmtp (Exim 4.98)',
    '192.0.2.1',
  ],
  'Exim, nothing but the address': [
    'from [192.0.2.1] by mx.example with esmtp (Exim 4.98) id 1',
    '192.0.2.1',
  ],
  'Exim, local': ['from Debian-exim by mail.example with local (Exim 4.98) id 1', 'internal'],
  Sendmail: [
    'from helo.example (mail.example [192.0.2.1]) by mx.example (8.18.1/8.18.1) with ESMTP id 1',
    '192.0.2.1',
  ],
  'Sendmail, forged name': [
    'from helo.example (mail.example [192.0.2.1] (may be forged)) by mx (8.18.1/8.18.1) with ESMTP id 1',
    '192.0.2.1',
  ],
  'Sendmail with ident': [
    'from helo.example (IDENT:[203.0.113.9]@mail.example [192.0.2.1]) by mx (8.9.3/8.9.3) with SMTP id 1',
    '192.0.2.1',
  ],
  'Sendmail, local': [
    'from localhost (localhost) by mail.example (8.18.1/8.18.1) id 1',
    'internal',
  ],
  qmail: ['from unknown (HELO mail.example) (192.0.2.1) by mx.example with SMTP', '192.0.2.1'],
  'qmail, HELO an address': [
    'from mail.example (HELO 203.0.113.9) (192.0.2.1) by mx.example with SMTP',
    '192.0.2.1',
  ],
  'qmail with a user': [
    'from mail.example (HELO x) (joe@192.0.2.1) by mx.example with SMTP',
    '192.0.2.1',
  ],
  'qmail without HELO': ['from mail.example (192.0.2.1) by mx.example with SMTP', '192.0.2.1'],
  'qmail, mapped': [
    'from unknown (HELO x) (::ffff:192.0.2.1) by mx.example with SMTP',
    '192.0.2.1',
  ],
  'qmail, own queue': ['(qmail 4711 invoked from network); 24 Nov 2026 12:23:50 -0000', 'internal'],
  'qmail, own bounce': ['(qmail 4711 invoked for bounce); 24 Nov 2026 12:23:50 -0000', 'internal'],
  OpenSMTPD: [
    'from mail.example (mail.example [192.0.2.1]) by mx.example (OpenSMTPD) with ESMTP id 1 for <a@b.example>',
    '192.0.2.1',
  ],
  'OpenSMTPD, local': [
    'from mail.example (mail.example [local]) by mail.example (OpenSMTPD) with ESMTPA id 1',
    'internal',
  ],
  'Dovecot LMTP': [
    'from mail.example by mail.example with LMTP id 1 (envelope-from <>) for <a@b.example>',
    'internal',
  ],
  'Dovecot LMTP over TCP': [
    'from mx.example ([192.0.2.25]) by store.example with LMTP id 1',
    'internal',
  ],
  'Cyrus LMTP': [
    'from mx.example ([unix socket]) by store.example (Cyrus v2) with LMTPA',
    'internal',
  ],
  Courier: [
    'from mail.example (mail.example [::ffff:192.0.2.1]) by mx with esmtp; Tue, 24 Nov 2026',
    '192.0.2.1',
  ],
  'Courier, bare': ['from mail.example ([::ffff:192.0.2.1]) by mx.example with esmtp', '192.0.2.1'],
  Gmail: [
    'from mail.example (mail.example. [192.0.2.1]) by mx.google.com with ESMTPS id 1 for <a@b.example> (version=TLS1_3)',
    '192.0.2.1',
  ],
  'Gmail, inside': ['by 2002:a05:6a10:1:: with SMTP id 1', 'internal'],
  Exchange: [
    'from mail.example (192.0.2.1) by EX1.example (10.0.0.5) with Microsoft SMTP Server (TLS) id 15.2',
    '192.0.2.1',
  ],
  'Exchange over IPv6': [
    'from A.outlook.com (2001:db8::1) by B.outlook.com (2001:db8::2) with Microsoft SMTP Server id 15.20',
    '2001:db8::1',
  ],
  'Exchange, IIS': [
    'from mail.example ([192.0.2.1]) by EX with Microsoft SMTPSVC(6.0.3790.4675)',
    '192.0.2.1',
  ],
  'Exchange, pickup': ['from mail pickup service by EX with Microsoft SMTPSVC', 'internal'],
  'Exchange, MAPI': ['from EX1 ([fe80::1%2]) by EX2 ([fe80::2%3]) with mapi id 14.03', 'internal'],
  CommuniGate: [
    'from [192.0.2.1] (HELO mail.example) by mx.example (CommuniGate Pro SMTP 6.2) with ESMTP id 1',
    '192.0.2.1',
  ],
  'CommuniGate, verified': [
    'from mail.example ([192.0.2.1] verified) by mx (CommuniGate Pro SMTP 6)',
    '192.0.2.1',
  ],
  IMail: [
    'from mail.example [192.0.2.1] by mx.example with ESMTP (SMTPD32-7.07) id 1',
    '192.0.2.1',
  ],
  Domino: [
    'from mail.example ([192.0.2.1]) by mx.example (Lotus Domino Release 8.5) with ESMTP id 1',
    '192.0.2.1',
  ],
  Haraka: [
    'from mail.example (mail.example [192.0.2.1]) by mx.example (Haraka/3.0) with ESMTPS id 1',
    '192.0.2.1',
  ],
  Yahoo: [
    'from mail.example (EHLO mail.example) (192.0.2.1) by mta1.mail.example with SMTP',
    '192.0.2.1',
  ],
  fetchmail: ['from pop.example [192.0.2.1] by localhost with POP3 (fetchmail-6.4)', 'internal'],
  'HELO that looks like a comment': [
    'from x(a [203.0.113.9]) (b [192.0.2.1]) by mx (Postfix) with SMTP',
    null,
  ],
  'HELO that is a keyword': [
    'from by (b [192.0.2.1]) by mx.example (Postfix) with SMTP',
    '192.0.2.1',
  ],
  'UUCP, which crosses sites without an address': [
    'from far.example by mx.example with UUCP id 1',
    null,
  ],
  'only HELO': ['from 192.0.2.1 by mx.example with ESMTP', null],
  'only HELO, bracketed': ['from [192.0.2.1] by mx.example with ESMTP', null],
  'a redacted address': ['from mail.example (mail.example [192.XXX.XXX.1]) by mx with ESMTP', null],
  'the unspecified address': ['from mail.example ([0.0.0.0]) by mx.example with esmtp', null],
  'an address with a zone': ['from mail.example ([fe80::1%eth0]) by mx.example with esmtp', null],
  'parentheses that never close': [
    'from mail.example (mail.example [192.0.2.1] by mx.example',
    null,
  ],
  'HELO that brings a comment of its own': [
    'from x (y.example [203.0.113.9]) (unknown [192.0.2.1]) by mx.example (Postfix) with SMTP id 1',
    null,
  ],
  'HELO that brings a comment in quotes': [
    'from "x (y [203.0.113.9])" (unknown [192.0.2.1]) by mx.example (Postfix) with SMTP id 1',
    null,
  ],
  'HELO in quotes': ['from "x y" (unknown [192.0.2.1]) by mx (Postfix) with SMTP', '192.0.2.1'],
  'HELO in quotes, and no other address': ['from "x (y [203.0.113.9])" by mx with SMTP', null],
  'HELO that opens a quoted string': [
    'from x (y [203.0.113.9]) " (unknown [192.0.2.1]) (Client CN "z", Issuer "z") by mx (Postfix)',
    null,
  ],
  'HELO that opens a comment': [
    'from x (y [203.0.113.9]) ( (unknown [192.0.2.1]) by mx.example (Postfix) with SMTP id 1',
    null,
  ],
  'HELO that opens a HELO comment': [
    'from x (y [203.0.113.9]) (HELO (unknown [192.0.2.1]) by mx.example (Postfix) with SMTP id 1',
    null,
  ],
  'HELO that opens a comment, which the recipient closes': [
    'from x (y [203.0.113.9]) by mx ( (unknown [192.0.2.1]) by mx (Postfix) with SMTP id 1 for <a)@b.example>',
    null,
  ],
  'HELO that brings a by clause': [
    'from x (y [203.0.113.9]) by mx (unknown [192.0.2.1]) by mx.example (Postfix) with SMTP id 1',
    null,
  ],
  'HELO that plays a protocol': [
    'from x with LMTP (unknown [192.0.2.1]) by mx.example (Postfix) with SMTP id 1',
    null,
  ],
  'HELO that plays a local program': [
    'from x invoked by uid (Postfix, from userid 1) (localhost) (unknown [192.0.2.1]) by mx (Postfix) with SMTP',
    null,
  ],
  nothing: ['', 'internal'],
  junk: ['(((((]][[;;; from by with', null],
}

for (const [who, [value, address]] of Object.entries(forms)) {
  test(who, () => {
    const field = parseReceivedField(value)
    const seen = field.from === null ? null : formatAddress(field.from)
    assert.equal(field.isInternal ? 'internal' : seen, address)
  })
}

test('by, for and the date', () => {
  const field = parseReceivedField(forms['Postfix']?.[0] ?? '')
  assert.equal(field.by, 'mx.example')
  assert.equal(field.recipient, 'a@b.example')
  assert.equal(field.time, Date.UTC(2026, 10, 24, 12, 23, 50) / 1000)
})

for (const [text, iso] of Object.entries({
  'Tue, 24 Nov 2026 12:23:50 +0000 (UTC)': '2026-11-24T12:23:50Z',
  'Tue, 24 Nov 2026 12:23:50 +1400': '2026-11-23T22:23:50Z',
  'Tue, 24 Nov 2026 12:23:50 +9999': '2026-11-24T12:23:50Z',
  'Tue, 24 Nov 2026 12:23:50 -1401': '2026-11-24T12:23:50Z',
  '24 Nov 2026 12:23:50 -0800': '2026-11-24T20:23:50Z',
  'Tuesday, 24 November 2026 12:23:50 +0530': '2026-11-24T06:53:50Z',
  ' Tue, 4 Nov 26 12:23 EST': '2026-11-04T17:23:00Z',
  'Tue, 24 Nov 1998 12:23:50 GMT': '1998-11-24T12:23:50Z',
  'Tue, 24 Nov 2026 12:23:50 XYZ': '2026-11-24T12:23:50Z',
})) {
  test(`date: ${text}`, () => {
    assert.equal(parseDate(text), Date.parse(iso) / 1000)
  })
}

for (const text of ['', 'yesterday', '24 Foo 2026 12:00:00', '2026-11-24T12:00:00Z', 'id 12345']) {
  test(`no date: "${text}"`, () => {
    assert.equal(parseDate(text), null)
  })
}
