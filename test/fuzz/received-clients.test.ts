// A client puts its own words into every place of every Received form that a client can fill, above forged fields.
// The trace names the true client or nobody, whatever the words. FUZZ_RUNS sets how many fields of each form are
// tried (500); FUZZ_SEED repeats a run.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../src/ip/address.ts'
import { readHeaderSection } from '../../src/mail/header.ts'
import { parseTrustedRelays, traceStored } from '../../src/mail/trace.ts'
import { seeded } from '../support/seeded.ts'

const { FUZZ_RUNS: runs = '500', FUZZ_SEED: seed = '1' } = process.env

const truth = ['192.0.2.1', '2001:db8::1'] as const
/** Strangers, and hosts whose field would make the next one believed. */
const lies = [
  '203.0.113.9',
  '2001:db8::9',
  '127.0.0.1',
  '10.0.0.9',
  '198.51.100.25',
  '::1',
  '192.0.2.10',
]
/** One of the lies is a trusted address: a client that passes for it hides behind it. */
const relays = parseTrustedRelays(['mx.ours', 'store.ours', '198.51.100.25'])
const date = 'Tue, 24 Nov 2026 12:00:01 +0000'

interface Slots {
  readonly ip: string
  helo(): string
  /** A verified name, or none. */
  name(): string
  ident(): string
  /** A common name in a certificate. */
  certificate(): string
  sender(): string
  recipient(): string
}

type Form = (slots: Slots) => string

/** `[IPv6:…]` as RFC 5321 §4.1.3 asks for. */
const literal = (ip: string): string => (ip.includes(':') ? `[IPv6:${ip}]` : `[${ip}]`)

/**
 * The forms in which servers write what they heard and saw, as `mx.ours` writes them. Forms of servers that remove
 * blanks and parentheses from HELO (see `filtered`) are also tried with them, since other servers write the same
 * form.
 */
const forms: Readonly<Record<string, Form>> = {
  Postfix: ({ ip, helo, name, recipient }) =>
    `from ${helo()} (${name()} ${literal(ip)}) by mx.ours (Postfix) with ESMTP id 1 for <${recipient()}>; ${date} (UTC)`,
  'Postfix with a certificate': ({ ip, helo, name, certificate, recipient }) =>
    `from ${helo()} (${name()} ${literal(ip)}) (using TLSv1.3 with cipher TLS_AES_256 (256/256 bits) key-exchange X25519) (Client CN "${certificate()}", Issuer "${certificate()}" (not verified)) by mx.ours (Postfix) with ESMTPS id 1 for <${recipient()}>; ${date} (UTC)`,
  'Postfix that lost the peer': ({ helo }) =>
    `from ${helo()} (unknown [unknown]) by mx.ours (Postfix) with SMTP id 1; ${date}`,
  Exim: ({ ip, helo, name, ident, sender, recipient }) =>
    `from ${name()} ([${ip}] helo=${helo()} ident=${ident()}) by mx.ours with esmtps (TLS1.3) tls TLS_AES_256 (Exim 4.98) (envelope-from <${sender()}>) id 1 for ${recipient()}; ${date}`,
  'Exim with a port': ({ ip, helo, name, sender, recipient }) =>
    `from ${name()} ([${ip}]:4711 helo=${helo()}) by mx.ours with esmtp (Exim 4.98) (envelope-from <${sender()}>) id 1 for ${recipient()}; ${date}`,
  'Exim without HELO': ({ ip, name, ident, sender }) =>
    `from ${name()} ([${ip}] ident=${ident()}) by mx.ours with esmtp (Exim 4.98) (envelope-from <${sender()}>) id 1; ${date}`,
  'Exim without a name': ({ ip, helo, ident, sender, recipient }) =>
    `from [${ip}] (port=4711 helo=${helo()} ident=${ident()}) by mx.ours with esmtp (Exim 4.98) (envelope-from <${sender()}>) id 1 for ${recipient()}; ${date}`,
  'Exim without a name, HELO alone': ({ ip, helo, sender }) =>
    `from [${ip}] (helo=${helo()}) by mx.ours with esmtp (Exim 4.98) (envelope-from <${sender()}>) id 1; ${date}`,
  'Exim without a name, ident alone': ({ ip, ident, sender }) =>
    `from [${ip}] (ident=${ident()}) by mx.ours with esmtp (Exim 4.98) (envelope-from <${sender()}>) id 1; ${date}`,
  Sendmail: ({ ip, helo, ident, name, recipient }) =>
    `from ${helo()} (IDENT:${safe(ident())}@${name()} ${literal(ip)} (may be forged)) by mx.ours (8.18.1/8.18.1) with ESMTPS id 1 (version=TLSv1.3 cipher=TLS_AES_256 bits=256 verify=NO) for <${recipient()}>; ${date}`,
  'Sendmail without a name': ({ ip, helo, recipient }) =>
    `from ${helo()} (${literal(ip)}) by mx.ours (8.18.1/8.18.1) with SMTP id 1 for <${recipient()}>; ${date}`,
  qmail: ({ ip, helo, name, ident }) =>
    `from ${name()} (HELO ${helo()}) (${safe(ident())}@${ip}) by mx.ours with SMTP; ${date}`,
  'qmail without ident': ({ ip, helo, name }) =>
    `from ${name()} (HELO ${helo()}) (${ip}) by mx.ours with ESMTPS; ${date}`,
  'qmail-ldap': ({ ip, helo, name, sender, recipient }) =>
    `from ${name()} (HELO ${helo()}) ([${ip}]) (envelope-sender <${sender()}>) by mx.ours (qmail-ldap-1.03) with SMTP for <${recipient()}>; ${date}`,
  'Yahoo until 2019': ({ ip, helo, name }) =>
    `from ${name()} (EHLO ${helo()}) (${ip}) by mx.ours with SMTP; ${date}`,
  Yahoo: ({ ip, helo }) =>
    `from ${ip} (EHLO ${helo()}) by mx.ours with SMTPs (version=TLS1_2); ${date}`,
  James: ({ ip, helo, name, recipient }) =>
    `from ${name()} (EHLO ${helo()}) ([${ip}]) by mx.ours (JAMES SMTP Server ) with ESMTP ID 1 for <${recipient()}>; ${date}`,
  CommuniGate: ({ ip, helo, recipient }) =>
    `from [${ip}] (HELO ${helo()}) by mx.ours (CommuniGate Pro SMTP 6.3) with ESMTP id 1 for ${recipient()}; ${date}`,
  'CommuniGate, verified': ({ ip, helo }) =>
    `from ${helo()} ([${ip}] verified) by mx.ours (CommuniGate Pro SMTP 6.3) with ESMTP id 1; ${date}`,
  'CommuniGate with an account': ({ ip, helo }) =>
    `from [${ip}] (account joe@trap.example HELO ${helo()}) by mx.ours (CommuniGate Pro SMTP 6.3) with ESMTPA id 1; ${date}`,
  Exchange: ({ ip, helo }) =>
    `from ${helo()} (${ip}) by mx.ours (10.0.0.5) with Microsoft SMTP Server (version=TLS1_2, cipher=X) id 15.2.1 via Frontend Transport; ${date}`,
  IIS: ({ ip, helo }) =>
    `from ${helo()} ([${ip}]) by mx.ours with Microsoft SMTPSVC(6.0.3790.4675); ${date}`,
  IMail: ({ ip, helo }) =>
    `from ${helo()} [${ip}] by mx.ours with ESMTP (SMTPD32-7.07) id 1; ${date}`,
  Mercury: ({ ip, helo }) =>
    `from ${helo()} (${ip}) by mx.ours (Mercury/32 v4.80) with ESMTP ID MG1; ${date}`,
  PowerMTA: ({ ip, helo, sender, recipient }) =>
    `from ${helo()} (${ip}) by mx.ours (PowerMTA(TM) v3.5r15) id hfo for <${recipient()}>; ${date} (envelope-from <${sender()}>)`,
  Momentum: ({ ip, helo, sender }) =>
    `from [${ip}] ([${ip}${ip.includes(':') ? ']:41234' : ':41234]'} helo=${helo()}) by mx.ours (envelope-from <${sender()}>) (ecelerity 4.2) with ESMTP id 1; ${date}`,
  XMail: ({ ip, helo, sender, recipient }) =>
    `from ${helo()} (${ip.includes(':') ? ip : `${ip}:41234`}) by mx.ours with [XMail 1.27 ESMTP Server] id <S1> for <${recipient()}> from <${sender()}>; ${date}`,
  Courier: ({ ip, helo, name, ident }) =>
    `from ${helo()} (${name()} [${ip}]) (IDENT: ${ident()}) by mx.ours with esmtp; ${date}`,
  OpenSMTPD: ({ ip, helo, name, recipient }) =>
    `from ${helo()} (${name()} [${ip}]) by mx.ours (OpenSMTPD) with ESMTPS id 1 (TLSv1.3:X:256:NO) for <${recipient()}>; ${date}`,
  Gmail: ({ ip, helo, name, recipient }) =>
    `from ${helo()} (${name()}. [${ip}]) by mx.ours with ESMTPS id b1si.0.2026 for <${recipient()}> (version=TLS1_3 cipher=X bits=256/256); ${date}`,
  Haraka: ({ ip, helo, name, sender }) =>
    `from ${helo()} (${name()} [${ip}]) by mx.ours (Haraka) with ESMTPS id 1.1 envelope-from <${sender()}> (cipher=X); ${date}`,
  MailMarshal: ({ ip, helo }) =>
    `from ${helo()} (Not Verified[${ip}]) by mx.ours with Trustwave SEG (v8,2,6,11305) id <B1>; ${date}`,
  mailru: ({ ip, helo, name, sender, recipient }) =>
    `from ${name()} [${ip}] (port=41234 helo=${helo()}) by mx.ours with esmtp (envelope-from <${sender()}>) id 1 for ${recipient()}; ${date}`,
  mox: ({ ip, helo, name, recipient }) =>
    `from ${helo()} (${name()} [${ip}]) by mx.ours ([192.0.2.25]) via tcp with ESMTPS id 1 (TLS1.3 X) for <${recipient()}>; ${date}`,
  Stalwart: ({ ip, helo, name }) =>
    `from ${helo()} (${name()} [${ip}] (AS64500, DE)) (using TLSv1.3 with cipher X) by mx.ours (Stalwart SMTP) with ESMTPS id 1; ${date}`,
  maddy: ({ ip, helo, name, sender }) =>
    `from ${helo()} (${name()} [${ip}]) by mx.ours (envelope-sender <${sender()}>) with UTF8ESMTPS id 1; ${date}`,
}

/** A field above the MX's own, written by a store or filter that got the message from it. */
const hops: Readonly<Record<string, Form>> = {
  'Dovecot LMTP': ({ sender, recipient }) =>
    `from mx.ours by store.ours with LMTP id 1 (envelope-from <${sender()}>) for <${recipient()}>; ${date}`,
  'Cyrus LMTP': () => `from mx.ours ([unix socket]) by store.ours (Cyrus v2.4) with LMTPA; ${date}`,
  'LMTP over TCP': ({ sender }) =>
    `from mx.ours ([198.51.100.25]) by store.ours with LMTP id 1 (envelope-from <${sender()}>); ${date}`,
  'a local program': ({ recipient }) =>
    `by store.ours (Postfix, from userid 1001) id 1 for <${recipient()}>; ${date}`,
  'Exchange, pickup': () =>
    `from mail pickup service by store.ours with Microsoft SMTPSVC; ${date}`,
  'qmail, own queue': () => `(qmail 4711 invoked from network); ${date}`,
  'Haraka, sending on': () => `(Haraka outbound); ${date}`,
  'a relay': ({ recipient }) =>
    `from mx.ours (mx.ours [198.51.100.25]) by store.ours (Postfix) with ESMTP id 1 for <${recipient()}>; ${date}`,
}

const syntax = [
  ' ',
  ' ',
  ' ',
  '(',
  ')',
  '[',
  ']',
  '"',
  '\\',
  ';',
  '<',
  '>',
  '@',
  '=',
  ':',
  ',',
  '.',
  '-',
  '?',
  '\x85',
  '\x9f',
  '\u00a0',
  '\u2028',
  '\t',
  '\0',
  '\x1b',
  'é',
  '\ufffd',
]
const words = [
  'x',
  'mx.ours',
  'from',
  'by',
  'with',
  'for',
  'id',
  'via',
  'by mx.ours',
  'with LMTP',
  'with local',
  'FROM',
  'mail pickup service',
  'mail pickup service by-x',
  'Spooler',
  'Spooler by x (Mercury/32',
  'localhost',
  '(localhost)',
  '(x [local])',
  'userid',
  'invoked by uid',
  '(qmail 1 invoked by uid 1)',
  '(Haraka outbound)',
  '(Exim 4.98)',
  '(Postfix)',
  '(HELO x)',
  '(HELO ',
  '(EHLO x)',
  '(helo=x)',
  '(port=1 helo=x)',
  '(ident=x)',
  ' helo=',
  ' ident=',
  'port=1',
  '(account x HELO y)',
  '[unknown]',
  '(unknown [unknown])',
  'verified',
  'ESMTP',
  'LMTP',
  'local',
  'with ESMTP id 9',
  date,
  `; ${date}`,
  '(envelope-from <x@y>)',
  'tls',
  '(using TLS)',
  'x (y',
  'x)',
  '(x)',
  '"x"',
  '" ',
  ' "',
  '\\"',
  '\\)',
  '\\(',
  '()',
  '((',
  '))',
  'a@b.example',
]

/** A client's words: nothing, one word, or up to ten pieces, with lies in every notation. */
function hostile(random: () => number): string {
  const one = <T>(from: readonly T[]): T => from[random() % from.length] as T
  const lie = (): string => {
    const ip = one(lies)
    return one([
      ip,
      `[${ip}]`,
      `[IPv6:${ip}]`,
      `(${ip})`,
      `([${ip}])`,
      `(y [${ip}])`,
      `(x@${ip})`,
      `"[${ip}]"`,
      `([${ip}]:25)`,
      `([${ip}] helo=z)`,
      `(HELO [${ip}])`,
      `[${ip}] (HELO x)`,
      `${ip} (EHLO x)`,
      `x (y [${ip}]) by mx.ours`,
      `(" [${ip}]")`,
      `[${ip}](x)`,
      `x@${ip}`,
      `x([${ip}])`,
      `[${ip}:25]`,
    ])
  }
  const count = random() % 11
  let text = ''
  for (let i = 0; i < count; i++) {
    const kind = random() % 8
    text += kind < 3 ? one(syntax) : kind < 6 ? one(words) : lie()
  }
  return text
}

/** Postfix (smtpd.c, NEUTER_CHARACTERS) removes all syntax; qmail and Sendmail do nearly the same. */
function filtered(text: string): string {
  return text.replace(/[\p{Cc} <>()\\";@]/gu, (each) => (each > '~' ? each : '?'))
}

/** What qmail (received.c, safeput) keeps of an ident server's word. Sendmail's cleanstrcpy() keeps no more. */
function safe(text: string): string {
  return text.replace(/[^\w.@%+/=:-]/g, '?')
}

function slotsOf(random: () => number, ip: string): Slots {
  const isFiltering = random() % 4 === 0
  const said = () => hostile(random)
  return {
    ip,
    helo: () => (isFiltering ? filtered(said()) : said()),
    name: () =>
      ['unknown', 'mail.example', 'by', 'with', '203.0.113.9', 'from'][random() % 6] ?? '',
    ident: said,
    certificate: said,
    sender: () => `"${said().replace(/[\\"]/g, '\\$&')}"@far.example`,
    recipient: () => `"${said().replace(/[\\"]/g, '\\$&')}"@trap.example`,
  }
}

/** The field below is forged by the sender, and holds the lie that he wants believed. */
const forged = `Received: from v (v [203.0.113.9]) by mx.ours (Postfix) with ESMTP id 8; ${date}`

function client(fields: readonly string[]): string | null {
  const header = readHeaderSection(Buffer.from(`${fields.join('\r\n')}\r\n\r\n`))
  const { client: found } = traceStored(header, relays)
  return found === null ? null : formatAddress(found)
}

/** One line, as a server writes it: a client cannot pass line ends. */
const field = (value: string): string => `Received: ${value.replaceAll(/[\r\n]/g, '?')}`

for (const [form, write] of Object.entries(forms)) {
  test(`${form}: the true client, or nobody`, () => {
    const random = seeded(Number(seed) + 1)
    const plain = {
      helo: 'mail.example',
      name: 'mail.example',
      ident: 'x',
      certificate: 'x',
      sender: 'a@far.example',
    }
    const asked = (text: string) => () => text
    for (const ip of truth) {
      const value = write({
        ip,
        helo: asked(plain.helo),
        name: asked(plain.name),
        ident: asked(plain.ident),
        certificate: asked(plain.certificate),
        sender: asked(plain.sender),
        recipient: asked('a@trap.example'),
      })
      const known = form.includes('lost') ? null : ip
      assert.equal(client([field(value), forged]), known, 'the form itself is not read')
    }
    for (let run = 0; run < Number(runs); run++) {
      const ip = truth[random() % 2] ?? truth[0]
      const slots = slotsOf(random, ip)
      const hop = Object.values(hops)[random() % 16]
      const above = hop === undefined ? [] : [field(hop(slots))]
      const value = write(slots)
      const found = client([...above, field(value), forged])
      assert.ok(found === null || found === ip, `${found} for ${JSON.stringify([...above, value])}`)
    }
  })
}
