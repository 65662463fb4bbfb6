// Received fields in which a client's HELO, certificate or recipient plays the server's own words → the address that the
// server saw, or nobody where the two cannot be told apart; and what their relays and walks make of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../../src/ip/address.ts'
import { readHeaderSection } from '../../../src/mail/header.ts'
import { parseReceivedField } from '../../../src/mail/received-field.ts'
import { parseTrustedRelays, traceStored } from '../../../src/mail/trace.ts'
import { octets } from '../../support/messages.ts'

/** The address, `internal`, or `null`; the value. 192.0.2.1 is the client, 203.0.113.9 whom it would have named. */
const fields = String.raw`
null | from x ([203.0.113.9]) by trusted.example (unknown [192.0.2.1]) by mx.ours (Postfix) with ESMTP id 1
null | from x ([203.0.113.9]) by mx.ours with ESMTP id 9 (unknown [192.0.2.1]) by mx.ours (Postfix) with ESMTP id 1
null | from x (y [203.0.113.9]) by mx.ours; Tue, 24 Nov 2026 12:00:00 +0000 (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1; Tue, 24 Nov 2026 12:00:01 +0000
192.0.2.1 | from [203.0.113.9] (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from [203.0.113.9]:25 (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from [IPv6:2001:db8::9] (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from ::ffff:203.0.113.9 (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from 203.0.113.9 (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from 203.0.113.9 (unknown [::ffff:192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
2002:c000:201::1 | from x.example (unknown [IPv6:2002:c000:201::1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from (x) (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
null | from ([203.0.113.9]) (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from (HELO [203.0.113.9]) (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
null | from ([203.0.113.9] (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from x([203.0.113.9]) (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from [[203.0.113.9]] (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from x)([203.0.113.9] (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from ) (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from \( (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from x\ (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from with (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from with LMTP (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from LMTP (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from id (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from for (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from from (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from via LMTP (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
null | from x id 1 (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
null | from x for <a@b.example> (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1 for <c@d.example>
null | from x via LMTP (y [203.0.113.9]) (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from x (localhost) (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from (localhost) (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from x (y [local]) (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from localhost (localhost) (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
null | from Spooler by x (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from mail pickup service (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from userid 0 (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from x=?utf-8?q?=28y_=5B203.0.113.9=5D=29?= (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
null | from x\t(y [203.0.113.9]) (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
null | from "x\" (y [203.0.113.9]) " (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
null | from "x (unknown [192.0.2.1]) by mx.ours (Postfix) with SMTP id 1
192.0.2.1 | from mail.example ([192.0.2.1] helo=x) (ident=[203.0.113.9]) by mx.ours with esmtp (Exim 4.98) id 1
null | from mail.example ([192.0.2.1] helo=([203.0.113.9])) by mx.ours with esmtp (Exim 4.98) id 1
null | from mail.example ([192.0.2.1] helo=x) by y ([203.0.113.9]) by mx.ours with esmtp (Exim 4.98) id 1
null | from [192.0.2.1] (helo=x) ([203.0.113.9]) by mx.ours with esmtp (Exim 4.98) id 1
null | from [192.0.2.1] (helo=x ([203.0.113.9])) by mx.ours with esmtp (Exim 4.98) id 1
192.0.2.1 | from [192.0.2.1] (helo=x [203.0.113.9]) by mx.ours with esmtp (Exim 4.98) id 1
192.0.2.1 | from [192.0.2.1] (port=25 helo=x ident=y [203.0.113.9]) by mx.ours with esmtp (Exim 4.98) id 1
192.0.2.1 | from mail.example ([192.0.2.1] ident=a@[203.0.113.9]) by mx.ours with esmtp (Exim 4.98) id 1
null | from mail.example ([192.0.2.1]) by mx.ours with esmtp (Exim 4.98) (envelope-from <"x ([203.0.113.9]) by y"@z.example>) id 1
192.0.2.1 | from mail.example ([192.0.2.1]) by mx.ours with esmtp (Exim 4.98) (envelope-from <"x by y with LMTP"@z.example>) id 1
192.0.2.1 | from mail.example (HELO [203.0.113.9]) (192.0.2.1) by mx.ours with SMTP
null | from mail.example (HELO x) (203.0.113.9) (192.0.2.1) by mx.ours with SMTP
null | from mail.example (HELO x ) (203.0.113.9)) (192.0.2.1) by mx.ours with SMTP
null | from mail.example (HELO x (203.0.113.9)) (192.0.2.1) by mx.ours with SMTP
null | from mail.example (HELO x) by y (203.0.113.9) (192.0.2.1) by mx.ours with SMTP
null | from unknown (HELO x) (203.0.113.9) by y) (192.0.2.1) by mx.ours with SMTP
null | from unknown (HELO x) (a@203.0.113.9) (192.0.2.1) by mx.ours with SMTP
192.0.2.1 | from unknown (HELO x) (203.0.113.9@192.0.2.1) by mx.ours with SMTP
null | from unknown (HELO x) (a b@203.0.113.9 c@192.0.2.1) by mx.ours with SMTP
192.0.2.1 | from x (192.0.2.1) by EX1 (10.0.0.5) with Microsoft SMTP Server id 15
null | from x (203.0.113.9) (192.0.2.1) by EX1 (10.0.0.5) with Microsoft SMTP Server id 15
null | from x (203.0.113.9) by y (192.0.2.1) by EX1 (10.0.0.5) with Microsoft SMTP Server id 15
null | from x (203.0.113.9) by y (1.2.3.4) with SMTP (192.0.2.1) by EX1 (10.0.0.5) with Microsoft SMTP Server id 15
null | from [192.0.2.1] (HELO x) ([203.0.113.9]) by mx.ours (CommuniGate Pro SMTP 6) with ESMTP
192.0.2.1 | from [192.0.2.1] (HELO [203.0.113.9]) by mx.ours (CommuniGate Pro SMTP 6) with ESMTP
null | from [192.0.2.1] (account a ([203.0.113.9]) HELO x) by mx.ours (CommuniGate Pro SMTP 6) with ESMTP
null | from x [203.0.113.9] (unknown [192.0.2.1]) by mx.ours (Postfix) with ESMTP
null | from x [203.0.113.9] [192.0.2.1] by mx.ours with ESMTP (IMail)
null | from x [203.0.113.9] ([192.0.2.1]) by mx.ours with ESMTP
192.0.2.1 | from x ([192.0.2.1]:25) by mx.ours with ESMTP
2001:db8::1 | from x ([IPv6:2001:db8::1]) by mx.ours with ESMTP
2001:db8::1 | from x ([2001:db8::1]:25) by mx.ours with ESMTP
2001:db8::1 | from x ([2001:DB8:0:0::1]) by mx.ours with ESMTP
null | from x ([192.0.2.1%25eth0]) by mx.ours with ESMTP
null | from x ([0300.0.2.1]) by mx.ours with ESMTP
null | from x ([192.0.2.999]) by mx.ours with ESMTP
null | from x ([192.0.2]) by mx.ours with ESMTP
null | from x ([3221225985]) by mx.ours with ESMTP
null | from x ([192.0.2.1) by mx.ours with ESMTP
null | from x (192.0.2.1]) by mx.ours with ESMTP
null | from x (unknown) by mx.ours with ESMTP
null | from unknown by mx.ours with ESMTP
null | from unknown (unknown [unknown]) by mx.ours (Postfix) with ESMTP
null | from x.example (unknown [unknown]) by [203.0.113.9] (Postfix) with ESMTP
192.0.2.1 | from xn--bcher-kva.example (xn--bcher-kva.example [192.0.2.1]) by mx.ours with ESMTP
192.0.2.1 | from bücher.example (bücher.example [192.0.2.1]) by mx.ours with UTF8SMTP
192.0.2.1 | FROM x (y [192.0.2.1]) BY mx.ours WITH ESMTP
null | from x (y [192.0.2.1]) by mx.ours (Postfix) with ESMTP for <"by evil with LMTP"@trap.example>
null | from x (y [192.0.2.1]) by mx.ours (Postfix) with ESMTP for <"x (203.0.113.9) by y"@trap.example>
null | from x (y [192.0.2.1]) (using TLSv1.3) (Client CN "a [203.0.113.9]) (", Issuer "b" (verified OK)) by mx (Postfix) with ESMTPS id 1
null | from x (y [192.0.2.1]) (using TLSv1.3) (Client CN "a) by evil with LMTP (", Issuer "b" (verified OK)) by mx (Postfix) with ESMTPS id 1
192.0.2.1 | from x (y [192.0.2.1]) (using TLSv1.3) (Client CN "a\")", Issuer "b") by mx (Postfix) with ESMTPS id 1
null | from x ([203.0.113.9]) by trusted.example; Tue (unknown [192.0.2.1]) by mx.ours (Postfix) with ESMTP id 1; Tue, 24 Nov 2026 12:00:01 +0000
null | ; Tue, 24 Nov 2026 12:00:01 +0000 from x ([203.0.113.9]) by y (unknown [192.0.2.1]) by mx.ours with ESMTP
internal | (from root@localhost) by mail.far.example (8.14.4/8.14.4/Submit) id x; Tue, 24 Nov 2026 12:00:01 +0000
internal | (from userid@localhost) by mail.far.example (8.8.8/8.8.8) id x
internal | from userid by mail.far.example with local (Exim 4) id x
internal | (qmail 123 invoked by uid 89); 24 Nov 2026 12:00:00 -0000
internal | (qmail 123 invoked by alias); 24 Nov 2026 12:00:00 -0000
internal | (nullmailer pid 123 invoked by uid 1); Tue
internal | from root by mail.far.example with local-esmtp (Exim 4) id x
internal | from mail.far.example (localhost) by mail.far.example (OpenSMTPD) with ESMTP
internal | from mx.ours ([unix socket]) by store.ours (Cyrus v2.4) with LMTPA; Tue
10.0.0.5 | from mx.ours (mx.ours [10.0.0.5]) by store.ours (Postfix) with ESMTP
10.1.2.3 | from mail.internal (10.1.2.3) by EX2.internal (10.1.2.4) with Microsoft SMTP Server id 15.1
null | from x (localhost) (unknown [unknown]) by mx.ours (Postfix) with SMTP id 1
null | from Spooler by mx.ours with ESMTP
internal | from Spooler by mx.example (Mercury/32 v4.62) ID MO0001;
null | from [203.0.113.9](Exim (unknown [unknown]) by mx.ours (Postfix) with SMTP
null | from [203.0.113.9] (Exim) (unknown [unknown]) by mx.ours (Postfix) with SMTP
null | from x (y [203.0.113.9]) (HELO (unknown [192.0.2.1]) (using TLSv1.3) (Client CN "a)", Issuer "b" (not verified)) by mx (Postfix) with ESMTPS id 1
null | from x ( (unknown [192.0.2.1]) (using TLSv1.3) (Client CN "a) [203.0.113.9]", Issuer "b" (not verified)) by mx (Postfix) with ESMTPS id 1
null | from x (y (unknown [192.0.2.1]) (Client CN "a) [203.0.113.9]", Issuer "b" (not verified)) by mx (Postfix) with ESMTPS id 1
192.0.2.1 | from x (y [192.0.2.1] (may be forged)) by mx (8.9.3/8.9.3) with ESMTP id 1
192.0.2.1 | from a (b [192.0.2.1]) (using TLSv1.3 with cipher TLS_AES_256 (256/256 bits)) (Client CN "x [203.0.113.9]", Issuer "y" (not verified)) by mx (Postfix) with ESMTPS id 1
null | from a (b [192.0.2.1]) (using TLSv1.3 with cipher TLS_AES_256 (256/256 bits)) (Client CN "x (z [203.0.113.9])", Issuer "y" (not verified)) by mx (Postfix) with ESMTPS id 1
null | from x (y [203.0.113.9]) (HELO z) (unknown [192.0.2.1]) by mx (Postfix) with ESMTPS id 1
null | from unknown (HELO x) (y [203.0.113.9]@192.0.2.1) by mx.ours with SMTP
null | from unknown (HELO x) (y)(z)[203.0.113.9] (HELO @192.0.2.1) by mx.ours with SMTP
null | from x (y [203.0.113.9]) (unknown [unknown]) by mx.ours with SMTP id 1
192.0.2.1 | from mail pickup service by-x (unknown [192.0.2.1]) by mx.ours (Postfix) with ESMTP id 1; Tue, 24 Nov 2026 12:00:01 +0000
null | from mail pickup service by x (unknown [192.0.2.1]) by mx.ours (Postfix) with ESMTP id 1
192.0.2.1 | from Spooler (unknown [192.0.2.1]) by mx.ours (Mercury/32 v4.62) with SMTP ID 1
null | from x ([203.0.113.9]) [192.0.2.1] by mx.ours with ESMTP (IMail)
null | from [203.0.113.9] (HELO x) [192.0.2.1] by mx.ours with ESMTP (IMail)
192.0.2.1 | from [192.0.2.1] (ident=[203.0.113.9]) by mx.ours with esmtp (Exim 4.98) id 1
192.0.2.1 | from x (" [203.0.113.9]") (unknown [192.0.2.1]) by mx.ours with ESMTP id 1
null | from x (y [203.0.113.9] helo=z@mail.example [192.0.2.1]) by mx.ours with SMTP id 1
null | from mail.example [192.0.2.1] (port=25 helo=x) ([203.0.113.9]) by mx.ours with esmtp id 1
null | from x (192.0.2.1) by mx.ours (PowerMTA(TM) v5) id 1 for <"x with LMTP "@trap.example>; Tue, 24 Nov 2026 12:00:01 +0000
null | by mx.ours with ESMTP id 1 for <"x from y ([203.0.113.9]) "@trap.example>
null | from x (y [203.0.113.9]) by mx.ours ; (unknown [192.0.2.1]) by mx.ours with ESMTP id 1
`
  .trim()
  .split('\n')
  .map((line) => line.split(' | '))

for (const [address, value = ''] of fields) {
  test(`${address}: ${value}`, () => {
    const field = parseReceivedField(value)
    const seen = field.from === null ? null : formatAddress(field.from)
    assert.equal(field.isInternal ? 'internal' : String(seen), address)
  })
}

test('a HELO so long that nothing is left of the server’s words', () => {
  const helo = `x (y [203.0.113.9]) by mx.ours with SMTP ${'a'.repeat(5000)}`
  const field = parseReceivedField(`from ${helo} (unknown [192.0.2.1]) by mx.ours with SMTP`)
  assert.equal(field.from, null)
  assert.equal(field.isInternal, false)
})

const forged = 'Received: from v (v [203.0.113.9]) by mx.ours (Postfix) with ESMTP id 8'
const direct = 'Received: from x (y [192.0.2.1]) by mx.ours (Postfix) with ESMTP id 1'
const lmtp = 'Received: from mx.ours by store.ours with LMTP id 2'
const submitted = 'Received: (from vmail@localhost) by store.ours (8.14.4/8.14.4/Submit) id 3'
const exchange =
  'Received: from EX1.corp.internal (10.1.2.3) by EX2.corp.internal (10.1.2.4) with Microsoft SMTP Server id 15.1'
const edge =
  'Received: from mail.far (192.0.2.1) by mx.ours (10.1.2.3) with Microsoft SMTP Server id 15.1 via Frontend Transport'

/** Received fields top to bottom, the relays, and who is named. */
const walks: Readonly<Record<string, readonly [lines: string[], relays: string[], string | null]>> =
  {
    'forged fields below the first stranger': [[direct, forged, forged], ['mx.ours'], '192.0.2.1'],
    'LMTP and local pickup are stepped over': [[lmtp, submitted, direct, forged], [], '192.0.2.1'],
    'a hop between private names and addresses is stepped over': [
      [exchange, edge, forged],
      ['mx.ours'],
      '192.0.2.1',
    ],
    'a private hop without named relays names nobody': [[exchange, edge], [], null],
    'a private hop above a field of a name like the relay’s': [
      [exchange, edge.replace('mx.ours', 'mx.ours.far')],
      ['mx.ours'],
      null,
    ],
    'a name with the relay’s behind it': [
      [direct.replace('mx.ours', 'amx.ours')],
      ['mx.ours'],
      null,
    ],
    'a name that ends like the relays’ domain': [
      [direct.replace('mx.ours', 'mx.theirours')],
      ['*.ours'],
      null,
    ],
    'a relay in capitals, with its trailing dot': [
      [direct.replace('mx.ours', 'MX.OURS.')],
      ['mx.ours'],
      '192.0.2.1',
    ],
    'a relay in A-labels, named in U-labels': [
      [direct.replace('mx.ours', 'xn--bcher-kva.ours')],
      ['bücher.ours'],
      '192.0.2.1',
    ],
    'a relay in U-labels, named in A-labels': [
      [direct.replace('mx.ours', 'mx.bücher.ours')],
      ['*.xn--bcher-kva.ours'],
      '192.0.2.1',
    ],
    'a folded field, a blank before the colon, and capitals': [
      ['RECEIVED : from x (y', '\t[192.0.2.1])', '  by mx.ours', '\twith SMTP', forged],
      ['mx.ours'],
      '192.0.2.1',
    ],
    'a field folded into the one above': [
      [direct, ' Received: from v (v [203.0.113.9]) by mx.ours with SMTP', forged],
      ['mx.ours'],
      null,
    ],
    'a field in an encoded word': [
      ['Received: =?utf-8?q?from_v_=28v_=5B203.0.113.9=5D=29_by_mx.ours?=', forged],
      ['mx.ours'],
      null,
    ],
    'a NUL in HELO': [
      ['Received: from x\0(y [203.0.113.9])\0(unknown [192.0.2.1]) by mx.ours with SMTP', forged],
      ['mx.ours'],
      null,
    ],
    'a carriage return in HELO': [
      ['Received: from x\rReceived: from v (v [203.0.113.9]) by mx.ours with SMTP', direct],
      ['mx.ours'],
      null,
    ],
    'a HELO that plays Exchange’s pickup, with U+0085 for its blanks': [
      [
        'Received: from mail\x85pickup\x85service\x85by-x (unknown [192.0.2.1]) by mx.ours (Postfix) with ESMTP id 1',
        forged,
      ],
      ['mx.ours'],
      '192.0.2.1',
    ],
    'a HELO that brings a whole field, with U+0085 for its blanks': [
      [
        'Received: from x\x85(y\x85[203.0.113.9])\x85by\x85mx.ours (unknown [192.0.2.1]) by mx.ours (Postfix) with ESMTP id 1',
      ],
      ['mx.ours'],
      '192.0.2.1',
    ],
    'a recipient that closes what HELO opened, behind a line separator': [
      [
        'Received: from x (y [203.0.113.9]) by mx (z\u2028 (192.0.2.1) by mx.ours (PowerMTA v5) id 1 for <"a)"@trap.example>',
        forged,
      ],
      ['mx.ours'],
      null,
    ],
    'Haraka, which sends on what it got, is stepped over': [
      ['Received: (Haraka outbound); Tue, 24 Nov 2026 12:00:01 +0000', direct, forged],
      ['mx.ours'],
      '192.0.2.1',
    ],
    'a HELO that plays LMTP where the server writes no protocol': [
      ['Received: from x with LMTP (unknown [192.0.2.1]) by mx.ours id 1', forged],
      [],
      null,
    ],
  }

for (const [what, [lines, relays, client]] of Object.entries(walks)) {
  test(`${what}: ${client ?? 'nobody'}`, () => {
    const header = readHeaderSection(octets(...lines, 'Subject: x', '', ''))
    const trace = traceStored(header, parseTrustedRelays(relays))
    assert.equal(trace.client === null ? null : formatAddress(trace.client), client)
  })
}
