// Bounces in the words of servers, gateways and providers, without a delivery status: one for each format, written here
// after what its vendor or its parsers document. Each is a mail system's own, and none is a letter that quotes it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Classification, classify } from '../../../src/classify/classify.ts'
import { parseMessage } from '../../../src/mail/message.ts'
import { octets } from '../../support/messages.ts'

interface Bounce {
  readonly from?: string
  readonly subject: string
  readonly text: readonly string[]
  readonly generator?: string
  readonly recipient?: string | null
  readonly status?: string | null
  readonly action?: string
}

const failed = 'nobody@far.example'

const bounces: Readonly<Record<string, Bounce>> = {
  qmail: {
    subject: 'failure notice',
    text: [
      'Hi. This is the qmail-send program at far.example.',
      "I'm afraid I wasn't able to deliver your message to the following addresses.",
      "This is a permanent error; I've given up. Sorry it didn't work out.",
      '',
      `<${failed}>:`,
      'Sorry, no mailbox here by that name. (#5.1.1)',
      '',
      '--- Below this line is a copy of the message.',
    ],
    status: '5.1.1',
  },
  exim: {
    subject: 'Mail delivery failed: returning message to sender',
    text: [
      'This message was created automatically by mail delivery software.',
      '',
      'A message that you sent could not be delivered to one or more of its',
      'recipients. This is a permanent error. The following address(es) failed:',
      '',
      `  ${failed}`,
      '    SMTP error from remote mail server after RCPT TO:<nobody@far.example>:',
      '    host mx.far.example [192.0.2.7]: 550 5.1.1 User unknown',
    ],
    status: '5.1.1',
  },
  sendmail: {
    subject: 'Returned mail: see transcript for details',
    text: [
      'The original message was received at Tue, 24 Nov 2026 12:00:00 GMT',
      'from pc.far.example [192.0.2.7]',
      '',
      '   ----- The following addresses had permanent fatal errors -----',
      `<${failed}>`,
      '',
      '   ----- Transcript of session follows -----',
      `550 5.1.1 <${failed}>... User unknown`,
    ],
    status: '5.1.1',
  },
  postfix: {
    subject: 'Undelivered Mail Returned to Sender',
    text: [
      'This is the Postfix program at host far.example.',
      '',
      "I'm sorry to have to inform you that the message returned",
      'below could not be delivered to one or more destinations.',
      '',
      `<${failed}>: unknown user: "nobody"`,
    ],
    status: null,
  },
  courier: {
    subject: 'NOTICE: mail delivery status.',
    text: [
      'This is a delivery status notification from far.example,',
      'running the Courier mail server, version 1.0.',
      '',
      '                           UNDELIVERABLE MAIL',
      '',
      'Your message to the following recipients cannot be delivered:',
      '',
      `<${failed}>:`,
      '    mx.far.example [192.0.2.7]:',
      '<<< 550 User unknown.',
    ],
    status: '5.0.0',
  },
  smail: {
    subject: 'mail failed, returning to sender',
    text: [
      '|------------------------- Message log follows: -------------------------|',
      ' no valid recipients were found for this message',
      '|------------------------- Failed addresses follow: ---------------------|',
      ` <${failed}> ... unknown host`,
      '|------------------------- Message text follows: ------------------------|',
    ],
    status: null,
  },
  exchange: {
    from: 'System Administrator <postmaster@far.example>',
    subject: 'Undeliverable: your order',
    text: [
      'Your message',
      '',
      '  To:      nobody',
      '  Subject: your order',
      '',
      'did not reach the following recipient(s):',
      '',
      `${failed} on Tue, 24 Nov 2026 12:00:00 -0000`,
      '    The recipient name is not recognized',
    ],
    status: null,
  },
  domino: {
    from: 'Postmaster@far.example',
    subject: `DELIVERY FAILURE: User nobody (${failed}) not listed in Domino Directory`,
    text: [
      'Your message',
      '',
      '  Subject: your order',
      '',
      'was not delivered to:',
      '',
      `  ${failed}`,
      '',
      'because:',
      '',
      `  User nobody (${failed}) not listed in Domino Directory`,
    ],
    status: null,
  },
  imail: {
    from: '"Postmaster" <postmaster@far.example>',
    subject: 'Undeliverable Mail',
    text: [`undeliverable to ${failed}`, '', 'Original message follows.', ''],
    status: null,
  },
  mdaemon: {
    from: 'MDaemon@far.example',
    subject: 'Permanent Delivery Failure',
    text: [
      'The attached message had PERMANENT fatal delivery errors!',
      '',
      'The following addresses did NOT receive a copy of your message:',
      '',
      `> ${failed}`,
    ],
    status: null,
  },
  yahoo: {
    subject: 'Delivery failure',
    text: [
      'Message from yahoo.com.',
      'Unable to deliver message to the following address(es).',
      '',
      `<${failed}>:`,
      'This user doesn’t have a yahoo.com account [0]',
      '',
      '--- Original message follows.',
    ],
    status: null,
  },
  gmail: {
    subject: 'Delivery Status Notification (Failure)',
    text: [
      'Delivery to the following recipient failed permanently:',
      '',
      `     ${failed}`,
      '',
      'Technical details of permanent failure:',
      'The error that the other server returned was: 550 5.1.1 No such user',
    ],
    status: '5.1.1',
  },
  mailmarshal: {
    subject: 'Undeliverable Mail: "your order"',
    text: [
      'Your message:',
      '   From:    made@trap.example',
      '   Subject: your order',
      'Could not be delivered because of',
      '',
      '550 5.1.1 User unknown',
      '',
      'The following recipients were affected:',
      `    ${failed}`,
    ],
    status: null,
  },
  surfcontrol: {
    subject: 'Message non-deliverable',
    text: [
      'Your message could not be sent.',
      'A transcript of the attempts to send the message follows.',
      'The number of attempts made: 1',
      `Addressed To: ${failed}`,
      '',
      `${failed}: [192.0.2.7], 550 No such user`,
    ],
    status: '5.0.0',
  },
  kddi: {
    from: 'no-reply@app.far.example',
    subject: 'Mail delivery failed',
    text: [
      'Your mail sent on: Thu, 29 Apr 2010 11:04:47 +0900',
      `    Could not be delivered to: <${failed}>`,
      '    As their mailbox is full.',
    ],
    status: null,
  },
  mailenable: {
    from: '"Delivery Subsystem" <POSTMASTER@far.example>',
    subject: 'Message Delivery Failure',
    text: [
      'MailEnable: Message could not be delivered to some recipients.',
      'The following recipient(s) could not be reached:',
      '',
      `\tRecipient: [SMTP:${failed}]`,
      '\tReason: Remote SMTP Server Returned: 550 mailbox unavailable',
    ],
    status: '5.0.0',
  },
}

const text = ['MIME-Version: 1.0', 'Content-Type: text/plain; charset=utf-8']
const encoded = [...text, 'Content-Transfer-Encoding: 8bit']

async function verdictOn(bounce: Bounce, header: readonly string[] = []): Promise<Classification> {
  const { from = 'MAILER-DAEMON@far.example', subject } = bounce
  const fields = [`From: ${from}`, 'To: made@trap.example', `Subject: ${subject}`]
  const raw = octets(...header, ...fields, ...encoded, '', ...bounce.text, '')
  return classify(await parseMessage(raw))
}

for (const [name, bounce] of Object.entries(bounces)) {
  test(`${name}: a bounce, with whom it did not reach`, async () => {
    const verdict = await verdictOn(bounce)
    assert.equal(verdict.kind, 'dsn')
    assert.equal(verdict.rule, `format-${name}`)
    assert.equal(verdict.generator, name)
    assert.equal(verdict.dsn?.finalRecipient, failed)
    assert.equal(verdict.dsn?.status, bounce.status)
    assert.equal(verdict.dsn?.action, 'failed')
  })

  test(`${name}: quoted in a letter it is none`, async () => {
    const letter = {
      ...bounce,
      from: 'Somebody <somebody@far.example>',
      subject: `Re: ${bounce.subject}`,
      text: ['What does this mean?', '', ...bounce.text.map((line) => `> ${line}`)],
    }
    const verdict = await verdictOn(letter, ['Return-Path: <somebody@far.example>'])
    assert.deepEqual([verdict.backscatter, verdict.rule], [false, 'not-recognised'])
  })
}

/** Exchange speaks the language of its site; so do those who word their gateway's notices themselves. */
const languages: Readonly<Record<string, readonly [subject: string, text: string]>> = {
  de: ['Unzustellbar: your order', 'Ihre Nachricht hat einige oder alle Empfänger nicht erreicht.'],
  fr: ['Non remis : your order', 'Échec de la remise pour ces destinataires ou groupes :'],
  es: ['No se puede entregar: your order', 'Error de entrega a estos destinatarios o grupos:'],
  it: [
    'Non recapitabile: your order',
    'Recapito non riuscito per i seguenti destinatari o gruppi:',
  ],
  pt: ['Não é possível entregar: your order', 'Falha na entrega a estes destinatários ou grupos:'],
  nl: ['Onbestelbaar: your order', 'Het bericht kon niet worden bezorgd aan:'],
  pl: ['Niedostarczalne: your order', 'Wiadomość nie została dostarczona do:'],
  ru: ['Не удается доставить: your order', 'Не удалось доставить сообщение следующим получателям:'],
  ja: ['配信不能: your order', '次の受信者またはグループへの配信に失敗しました:'],
  zh: ['无法送达: your order', '未能传递到这些收件人或组:'],
  sv: ['Går inte att leverera: your order', 'Meddelandet kunde inte levereras till:'],
  da: ['Kan ikke leveres: your order', 'Meddelelsen kunne ikke leveres til:'],
}

for (const [language, [subject, opening]] of Object.entries(languages)) {
  test(`a bounce in ${language}`, async () => {
    const from = 'postmaster@far.example'
    const verdict = await verdictOn({ from, subject, text: [opening, '', failed, '', 'x'] })
    assert.equal(verdict.kind, 'dsn')
    assert.equal(verdict.dsn?.finalRecipient, failed)
  })
}

test('a delay is a dsn of action delayed', async () => {
  const verdict = await verdictOn({
    subject: 'Warning: message 1xVpYz delayed 24 hours',
    text: [
      'This message was created automatically by mail delivery software.',
      'A message that you sent has not yet been delivered to one or more of its',
      'recipients after more than 24 hours on the queue on far.example.',
      '',
      'The address to which the message has not yet been delivered is:',
      '',
      `  ${failed}`,
    ],
  })
  assert.deepEqual([verdict.kind, verdict.dsn?.action], ['dsn', 'delayed'])
  assert.equal(verdict.dsn?.finalRecipient, failed)
})

test('an address that its words name has no control characters, and neither has the reason beside it', async () => {
  const message = await parseMessage(
    octets(
      'Return-Path: <>',
      'From: MAILER-DAEMON@far.example',
      'Subject: failure notice',
      '',
      `\0${failed}: 550\x07 user unknown`,
    ),
  )
  const { dsn } = classify(message)
  assert.deepEqual(
    [dsn?.finalRecipient, dsn?.diagnosticCode],
    [failed, `${failed}: 550 user unknown`],
  )
})
