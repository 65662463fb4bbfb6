// Mutated samples, and messages made of mail's own words, through parser, classifier, trace and evidence. Each gets a
// verdict within bounded processor time, and none is backscatter without the marks that its rule requires. A verdict
// names known facts, and a certain one at least one.
// FUZZ_SECONDS sets how long each test runs (default 3); FUZZ_SEED repeats a run.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classify } from '../../src/classify/classify.ts'
import { evidenceOf } from '../../src/classify/evidence.ts'
import { facts } from '../../src/classify/facts.ts'
import { backscatterKinds } from '../../src/classify/kinds.ts'
import { formatAddress } from '../../src/ip/address.ts'
import { allValues } from '../../src/mail/header.ts'
import { type Message, parseMessage } from '../../src/mail/message.ts'
import { parseReceivedField } from '../../src/mail/received-field.ts'
import { parseTrustedRelays, traceStored } from '../../src/mail/trace.ts'
import { deliveredTo } from '../../src/traps/delivery.ts'
import fc from '../support/properties.ts'
import { readSample, samplePaths } from '../support/samples.ts'

const seconds = Number(process.env['FUZZ_SECONDS'] ?? 3)
const seed = process.env['FUZZ_SEED']
const limits = {
  interruptAfterTimeLimit: seconds * 1000,
  numRuns: Number.MAX_SAFE_INTEGER,
  endOnFailure: true,
  ...(seed !== undefined && { seed: Number(seed) }),
}

const samples = samplePaths.map(readSample)

/** Milliseconds of this thread's processor time, so that other work on the machine does not count. */
const longestMs = 2000

const text = (values: readonly string[]) => fc.constantFrom(...values)
const octets = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  text([
    '\r\n',
    '\n',
    '\r',
    '\0',
    '\r\n\r\n',
    '\r\n.\r\n',
    '--',
    '"',
    '(',
    ')',
    ';',
    '=?utf-8?B?',
    '\xff',
    'é'.repeat(50),
    'Content-Type: multipart/report; boundary="x"\r\n',
    'Content-Type: message/delivery-status\r\n\r\n',
    'Content-Transfer-Encoding: base64\r\n',
    'Auto-Submitted: auto-replied\r\n',
    'List-Id: x\r\n',
    'Received: from a ([192.0.2.9]) by b with SMTP; Tue, 24 Nov 2026 12:00:00 +0000\r\n',
    'Reporting-MTA: dns; x\r\n',
    'Final-Recipient: rfc822; x\r\n',
    'Action: failed\r\n',
    'Return-Path: <>\r\n',
    'From: MAILER-DAEMON@x.example\r\n',
    'Subject: Undelivered Mail Returned to Sender\r\n',
    'Subject: Automatic reply: x\r\n',
    'Content-Type: text/html\r\n',
    '<p>',
    '<!--',
    '&#65;',
    '<someone@far.example>: 550 5.1.1 User unknown\r\n',
    '--- Below this line is a copy of the message.\r\n\r\n',
    'This is the Postfix program at host x.\r\n',
    'I am out of the office.\r\n',
    'Please confirm your message, it is held because of spam.\r\n',
    'A virus was found in your message; it was deleted.\r\n',
    '> ',
    ' folded\r\n',
  ]).map((words) => Buffer.from(words, 'latin1')),
)

interface Mutation {
  readonly at: number
  readonly cut: number
  readonly insert: Buffer
  readonly times: number
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.oneof(fc.constant(0), fc.nat(20), fc.nat(2000)),
  insert: octets,
  times: fc.oneof(
    { weight: 20, arbitrary: fc.constant(1) },
    { weight: 1, arbitrary: fc.nat(3000) },
  ),
})

function mutated(sample: Buffer, mutations: readonly Mutation[]): Buffer {
  return mutations.reduce((message, { at, cut, insert, times }) => {
    const position = Math.floor(at * message.length)
    const filler = Buffer.concat(Array.from({ length: times }, () => insert))
    return Buffer.concat([message.subarray(0, position), filler, message.subarray(position + cut)])
  }, sample)
}

/**
 * The only rules that can be certain. `challenge-` and `content-notice-` need the name of a known system, or the form of a delivery
 * report under a scanner's title.
 */
const certainRules =
  /^(rfc3464-|format-|rfc3834-auto-replied$|challenge-(?!words)|content-notice-(?!signed|threat|words))/

async function holds(raw: Uint8Array): Promise<void> {
  const before = process.threadCpuUsage()
  const message = await parseMessage(raw)
  const verdict = classify(message)
  const trace = traceStored(message.header, parseTrustedRelays([]))
  const recipients = deliveredTo(message.header, trace).flat()
  const delivery = {
    client: trace.client,
    recipient: recipients[0] ?? 'a@b',
    seenAt: 1,
    source: 'x',
  }
  const [evidence] = evidenceOf(message, verdict, [delivery], trace.believed)
  const { user, system } = process.threadCpuUsage(before)
  const milliseconds = (user + system) / 1000
  assert.ok(milliseconds < longestMs, `${milliseconds} ms for ${raw.length} octets`)

  assert.equal(verdict.backscatter, verdict.kind !== null)
  assert.equal(verdict.backscatter, verdict.notBackscatter === null)
  assert.ok(verdict.rule.length > 0)
  assert.equal(verdict.certainty === null, verdict.kind === null)
  if (verdict.certainty === 'certain') {
    assert.match(verdict.rule, certainRules)
    assert.ok(verdict.rule !== 'content-notice-title' || message.deliveryStatus !== null)
    assert.ok(verdict.facts.length > 0)
  }
  for (const fact of verdict.facts) assert.ok(Object.hasOwn(facts, fact), fact)
  if (verdict.kind !== null) {
    assert.ok(backscatterKinds.includes(verdict.kind))
    assert.equal(message.unreadable, null)
    assert.ok(isEarned(message, verdict.rule), `${verdict.rule} without its mark`)
  }
  assert.match(evidence?.content ?? '', /^[0-9a-f]{64}$/)
  assert.match(evidence?.returned ?? '', /^[0-9a-f]{64}$/)
  for (const value of Object.values(evidence?.details ?? {})) {
    assert.ok(value.length <= 1000 && value.isWellFormed() && !/\p{Cc}/u.test(value))
  }
  assert.equal(JSON.stringify(verdict).includes('\\u0000'), false)
}

/** What a message must contain for a rule to match, searched in the simplest way. */
function isEarned(message: Message, rule: string): boolean {
  const raw = Buffer.from(message.raw).toString('latin1').toLowerCase()
  if (rule.startsWith('rfc3464-')) return raw.includes('delivery-status')
  if (rule.startsWith('rfc3834-')) return allValues(message.header, 'auto-submitted').length > 0
  if (rule === 'exim-failed-recipients')
    return allValues(message.header, 'x-failed-recipients').length > 0
  if (rule === 'reply-formail') return allValues(message.header, 'precedence').length > 0
  // An answer from the null sender may be empty.
  if (rule === 'reply-null-sender') return allValues(message.header, 'return-path').length > 0
  if (rule.startsWith('mdn-')) return raw.includes('disposition-notification')
  const vendor = /^vendor-field-(.+)$/.exec(rule)?.[1]
  if (vendor !== undefined) return allValues(message.header, vendor).length > 0
  // A challenge system may be recognised by its address alone. All other rules need words, a title or returned mail.
  if (rule.startsWith('challenge-')) return true
  return message.text.trim() !== '' || message.subject !== '' || message.parts.length > 0
}

test('samples with anything done to them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(samples.length - 1),
      fc.array(mutation, { minLength: 1, maxLength: 6 }),
      async (index, mutations) => holds(mutated(samples[index] ?? Buffer.alloc(0), mutations)),
    ),
    limits,
  )
})

/**
 * Parts of what the rules' patterns look for, repeated so often that a pattern which backtracks would never finish.
 */
const pieces = [
  ' ',
  '\t',
  'a',
  '-',
  '=',
  '*',
  '>',
  '<',
  '@',
  '"',
  '(',
  ')',
  '[',
  ']',
  ':',
  ';',
  ',',
  '.',
  '0',
  'a@',
  '@a',
  '<a@b>',
  '<a@b>:',
  'a ',
  'from ',
  'from:',
  'from: x\n',
  'by (',
  '[1',
  '(a ',
  ' [a',
  'on a ',
  'your mail ',
  'your message has ',
  'copy of the message ',
  'recipient ',
  'contact: ',
  '500 ',
  '5.1.1 ',
  '550-',
  'received: a\n',
  '>> ',
  '-- ',
  '=?utf-8?q?',
  '&#1',
  '&amp;',
  '<!--',
  '<style>',
  '<p',
  'http',
  'virus ',
  'banned x ',
  'é',
  'ß',
  '不在',
  'й',
  '\u0301',
  '\n',
  'a\n',
  ' \n',
]

test('no pattern goes back over what it has read, however long the line', async () => {
  const types = ['text/plain; charset=utf-8', 'text/html; charset=utf-8']
  for (const piece of pieces) {
    for (const type of types) {
      for (const [before, after] of [
        ['', ''],
        ['@', ''],
        ['', '@'],
        ['could not be delivered <', '!'],
      ] as const) {
        const flat = piece.replaceAll('\n', ' ')
        const line = flat.repeat(Math.ceil(4000 / flat.length))
        const body = piece.repeat(Math.ceil(70_000 / piece.length))
        const raw = Buffer.from(
          `Return-Path: <>\nFrom: ${before}${line}${after}\nReply-To: ${line}\nSubject: ${line}${after}\n` +
            `Received: ${line}\nContent-Type: ${type}\n\n${before}${body}${after}\n`,
        )
        const message = await parseMessage(raw)
        const { user: begun } = process.cpuUsage()
        classify(message)
        const { user: ended } = process.cpuUsage()
        // Half a second of processor time is about a hundred times what it needs. Only backtracking takes longer.
        assert.ok(ended - begun < 500_000, `${ended - begun} µs for ${JSON.stringify(piece)}`)
      }
    }
  }
})

test('octets that are no mail at all', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(octets, { maxLength: 60 }), async (pieces) =>
      holds(Buffer.concat(pieces)),
    ),
    limits,
  )
})

test('Received fields of any words: no throw, and no address that is not written there', () => {
  const word = text([
    'from',
    'by',
    'with',
    'for',
    'id',
    'via',
    ';',
    '(',
    ')',
    '[',
    ']',
    '[192.0.2.1]',
    '(192.0.2.2)',
    '([192.0.2.3])',
    '(HELO 192.0.2.4)',
    '(helo=[192.0.2.5])',
    '([192.0.2.6] helo=[192.0.2.7])',
    '(x [IPv6:2001:db8::8])',
    'mx.example',
    'LMTP',
    'ESMTP',
    '(Exim 4.98)',
    '(Postfix)',
    '\\',
    '"',
    '<a@b.example>',
    'Tue, 24 Nov 2026 12:00:00 +0000',
    '\0',
  ])
  fc.assert(
    fc.property(
      fc.array(fc.oneof(word, fc.string({ maxLength: 12 })), { maxLength: 40 }),
      (words) => {
        const value = words.join(' ')
        const field = parseReceivedField(value)
        if (field.from !== null) {
          const address = formatAddress(field.from)
          assert.ok(value.includes(address) || field.from.family === 6, `${address} in ${value}`)
          assert.notEqual(address, '192.0.2.4')
        }
        assert.ok(field.time === null || Number.isFinite(field.time))
      },
    ),
    limits,
  )
})
