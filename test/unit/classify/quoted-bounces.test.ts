// Mail that speaks of bounces or plays one lists nobody; beside it stand the bounces, challenges and notices from which it
// must be told.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classify } from '../../../src/classify/classify.ts'
import { parseMessage } from '../../../src/mail/message.ts'
import { octets } from '../../support/messages.ts'

interface Case {
  readonly path?: string
  readonly from: string
  readonly subject: string
  readonly fields?: readonly string[]
  readonly html?: boolean
  readonly body: readonly string[]
  readonly is: string
  readonly by: string
}

const system = 'Mail Delivery System <mailer-daemon@far.example>'
const refusal = '<carol@far.example>: host mx.far.example said: 550 5.1.1 User unknown'
const link = '<a href="https://login.example/x">Release</a>'

const cases: Readonly<Record<string, Case>> = {
  'waiting mail behind a link, from somebody': {
    path: 'offers@login.example',
    from: system,
    subject: 'Undelivered Mail: (3) messages pending',
    html: true,
    body: ['Your mail could not be delivered: 3 incoming messages are being held.<br>', link],
    is: 'spam',
    by: 'bounce-with-lure',
  },
  "the same from the null sender, in Exim's words": {
    from: system,
    subject: 'Mail delivery failed: returning message to sender',
    html: true,
    body: [
      'This message was created automatically by mail delivery software.<p>',
      'To trap@trap.example: 550 quota exceeded. <a href="https://login.example/">Click here</a>',
    ],
    is: 'spam',
    by: 'bounce-with-lure',
  },
  'a full mailbox with a quoted reply and a link': {
    from: 'Mail Administrator <admin@login.example>',
    subject: 'Mail delivery failed',
    body: [
      'We could not deliver 4 messages to your mailbox. Error 550 5.2.2 mailbox full.',
      'Retrieve your messages: https://login.example/',
    ],
    is: 'spam',
    by: 'bounce-with-lure',
  },
  'a password about to expire, and somebody else named': {
    path: 'offers@login.example',
    from: system,
    subject: 'Mail delivery failed',
    body: [refusal, 'Your password expires today: https://login.example/'],
    is: 'spam',
    by: 'bounce-with-lure',
  },
  'a mail system without an address, and no link': {
    from: system,
    subject: 'Mail Delivery Problem',
    body: ['Your mail to the following recipients could not be delivered:', '', '  carol'],
    is: 'dsn',
    by: 'mail-system-words',
  },
  'the same under a reverse-path of its own': {
    path: 'offers@login.example',
    from: system,
    subject: 'Mail Delivery Problem',
    body: ['Your mail to the following recipients could not be delivered:', '', '  carol'],
    is: 'other',
    by: 'not-recognised',
  },
  'a bounce that links to its explanation': {
    from: system,
    subject: 'Undelivered Mail Returned to Sender',
    body: [refusal, 'See https://far.example/help?NoSuchUser for what you can do.'],
    is: 'dsn',
    by: 'mail-system-names-recipient',
  },
  'a forum that quotes a bounce': {
    from: 'Forum <noreply@forum.example>',
    subject: 'New reply: "Undelivered Mail Returned to Sender" problem',
    body: ['Bob replied:', `"I got: ${refusal}"`],
    is: 'other',
    by: 'not-recognised',
  },
  'a forum with a tag and a topic without quotation marks': {
    from: 'Forum <noreply@forum.example>',
    subject: '[Forum] Undelivered Mail Returned to Sender',
    body: ['Bob replied:', refusal],
    is: 'other',
    by: 'not-recognised',
  },
  'a digest that quotes Exim': {
    from: 'Answers <noreply@forum.example>',
    subject: 'Undeliverable mail: an answer to your question',
    body: [
      'He got: "A message that you sent could not be delivered to one of its recipients.',
      '  carol@far.example Unrouteable address" View: https://forum.example/1',
    ],
    is: 'other',
    by: 'not-recognised',
  },
  'Exim under the name of a host': {
    from: 'mail@far.example',
    subject: 'Mail delivery failed: returning message to sender',
    body: [
      'A message that you sent could not be delivered to one or more of its recipients.',
      '',
      '  carol@far.example',
      '    Unrouteable address',
    ],
    is: 'dsn',
    by: 'format-exim',
  },
  'an issue about bounces': {
    from: 'Bob (JIRA) <jira@forge.example>',
    subject: 'Undelivered mail',
    fields: ['X-JIRA-FingerPrint: 1'],
    body: [refusal],
    is: 'ticket',
    by: 'ticket-field-x-jira-fingerprint',
  },
  'a report of a campaign': {
    from: 'Campaigns <reports@news.example>',
    subject: 'Your campaign: 12 bounces',
    body: ['12 recipients bounced:', refusal, 'Your message could not be delivered to them.'],
    is: 'other',
    by: 'not-recognised',
  },
  'a digest of a log': {
    from: 'logwatch@far.example',
    subject: 'Logwatch: undelivered mail',
    body: ['  3   Undeliverable', '  2   550 5.1.1 User unknown <carol@far.example>'],
    is: 'other',
    by: 'not-recognised',
  },
  'a bounce under a name of its own': {
    from: 'gateway@far.example',
    subject: 'Undelivered mail',
    body: ['Your message was not delivered:', refusal],
    is: 'dsn',
    by: 'mail-system-names-recipient',
  },
  'news about a virus': {
    from: 'News <news@press.example>',
    subject: 'Virus found in your favourite app',
    body: ['A virus was found in attachments this week. Your messages may be blocked.'],
    is: 'other',
    by: 'not-recognised',
  },
  "a scanner's notice under the same title": {
    from: 'scanner@far.example',
    subject: 'Virus intercepted',
    body: ['A virus was found in your message. It has not been delivered.'],
    is: 'content-notice',
    by: 'content-notice-clamav',
  },
  'Spam Arrest, whose words speak of no message': {
    path: 'carol@far.example',
    from: 'carol@far.example',
    subject: 'Re: hi (Verification)',
    body: [
      'I protect myself from junk mail. Please click the link below to complete the verification.',
      'http://www.spamarrest.com/a2?X',
    ],
    is: 'challenge-response',
    by: 'challenge-spamarrest',
  },
  'a letter with a link to Spam Arrest': {
    path: 'carol@far.example',
    from: 'carol@far.example',
    subject: 'Re: which filter?',
    body: ['Against junk mail? Click the link below: http://www.spamarrest.com/'],
    is: 'other',
    by: 'not-recognised',
  },
  'a German challenge': {
    from: 'carol@far.example',
    subject: 'Ihre Nachricht wartet auf Freigabe',
    body: [
      'Ihre Nachricht wird zurückgehalten, da Ihre Adresse noch nicht bekannt ist.',
      'Bitte klicken Sie: https://far.example/c/1',
    ],
    is: 'challenge-response',
    by: 'challenge-held',
  },
  'a French challenge': {
    path: 'noreply@mailinblack.com',
    from: 'Mailinblack <noreply@mailinblack.com>',
    subject: 'Carol vous demande de vous authentifier',
    body: ['Votre message est en attente. Merci de vous authentifier : https://far.example/c/1'],
    is: 'challenge-response',
    by: 'challenge-mailinblack',
  },
  'a violation': {
    from: 'Symantec_Mail_Security@far.example',
    subject: 'Symantec Mail Security detected a violation in a message you sent',
    body: ['The violation: virus W32.X. The attachment was deleted.'],
    is: 'content-notice',
    by: 'content-notice-symantec',
  },
  'a Russian notice': {
    from: 'postmaster@far.example',
    subject: 'Обнаружен вирус в вашем сообщении',
    body: ['В отправленном вами сообщении обнаружен вирус. Сообщение было удалено.'],
    is: 'content-notice',
    by: 'content-notice-scanner',
  },
}

for (const [what, { path = '', from, subject, fields = [], html, body, is, by }] of Object.entries(
  cases,
)) {
  test(`${what}: ${is}`, async () => {
    const raw = octets(
      `From: ${from}`,
      'To: trap@trap.example',
      `Subject: ${subject}`,
      `Content-Type: text/${html ? 'html' : 'plain'}; charset=utf-8`,
      ...fields,
      '',
      ...body,
      '',
    )
    const verdict = classify(await parseMessage(raw), { reversePath: path })
    assert.equal(verdict.rule, by)
    assert.equal(verdict.kind ?? verdict.notBackscatter, is)
  })
}
