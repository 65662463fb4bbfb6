// Mail that tells of a delivery, an absence or a virus and is no backscatter, and beside it the backscatter that has the
// same words.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classify } from '../../../src/classify/classify.ts'
import { parseMessage } from '../../../src/mail/message.ts'

/** What | the verdict and its rule | the reverse-path; then the message. */
const messages = `
== a receipt by Notes | mdn mdn-words | <>
From: Jane Doe/Sales/Far <jane@far.example>
Subject: Return Receipt (displayed) - Invoice
In-Reply-To: <1@trap.example>

Your document: Invoice
was received by: Jane Doe/Sales/Far
at: 11/24/2026 10:10:10 AM
== a German receipt in plain words | mdn mdn-words | <>
From: Hans <hans@far.example>
Subject: Gelesen: Angebot
In-Reply-To: <1@trap.example>

Ihre Nachricht
  Betreff: Angebot
wurde am Dienstag, 24. November 2026 gelesen.
== a French receipt of what was not read, which says auto-generated | mdn mdn-words | <>
From: Paul <paul@far.example>
Subject: Non lu : Réunion
Auto-Submitted: auto-generated
In-Reply-To: <1@trap.example>

Votre message a été supprimé sans avoir été lu le 24/11/2026.
== an automatic reply that begins like a receipt | auto-reply rfc3834-auto-replied | <>
From: Paul <paul@far.example>
Subject: Accusé de réception de votre message
Auto-Submitted: auto-replied

Nous vous répondrons dans les meilleurs délais.
== a ticket in German without fields of its own | ticket ticket-title | <>
From: Support <support@far.example>
Subject: [Ticket#2026112410000017] RE: Mail delivery failed
Auto-Submitted: auto-replied
In-Reply-To: <1@trap.example>

Vielen Dank für Ihre Anfrage. Diese wurde unter der Ticketnummer 2026112410000017 erfasst.
== a scheduled job that prints a bounce | other scheduled-job | <>
From: Cron Daemon <root@far.example>
Subject: Cron <root@far> /usr/local/sbin/undeliverable
Auto-Submitted: auto-generated

Delivery to the following recipients failed permanently:

  carol@far.example
    550 5.1.1 User unknown
== a frozen message | other postmaster-notice | <>
From: Mail Delivery System <Mailer-Daemon@far.example>
Subject: Message 1abcDE-0001Ab-00 has been frozen (delivery error message)
Auto-Submitted: auto-generated

The following address(es) have yet to be delivered:

  carol@far.example: SMTP error from remote mail server after RCPT TO:<carol@far.example>: 550 User unknown
== a parcel that comes back | other freight | <>
From: Delivery Service <notice@far.example>
Subject: Delivery Notification: parcel returned to sender

Your shipment was not delivered: address unknown.
Consignee: carol@far.example
== a bounce of mail on a parcel | dsn mail-system-names-recipient | <>
From: mailer-daemon@far.example
Subject: Undelivered mail: your parcel

The message was not delivered.
<carol@far.example>: 550 5.1.1 User unknown
== a reminder of somebody's leave | other calendar | <>
From: Calendar <calendar@far.example>
Subject: Notification: Pat on leave
Auto-Submitted: auto-generated
Content-Type: multipart/mixed; boundary=b

--b

Pat will be out of the office until 30 November.
--b
Content-Type: text/calendar; method=REQUEST

BEGIN:VCALENDAR
--b--
== a notice of somebody's leave from an address at which nobody reads | other not-recognised | <>
From: Staff <noreply@far.example>
Subject: Pat on leave
Auto-Submitted: auto-generated

Pat is on annual leave until 30 November.
== a notice of one's own leave | auto-reply reply-titled-automatic | <>
From: Pat <pat@far.example>
Subject: On leave
Auto-Submitted: auto-generated

I am on annual leave until 30 November.
== an archive's copy of a bounce | other journal-report | <>
From: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@far.example>
Subject: Undeliverable: hello
X-MS-Journal-Report:
Content-Type: multipart/mixed; boundary=b

--b

Sender: bob@far.example
--b
Content-Type: message/rfc822

From: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@far.example>
To: bob@far.example
Subject: Undeliverable: hello

Your message did not reach some or all of the intended recipients.
--b--
== a postmaster who asks | other not-recognised | <postmaster@far.example>
From: Postmaster <postmaster@far.example>
Subject: your users get undeliverable mail from us

We see 550 5.1.1 errors for carol@far.example. The message could not be delivered to the mailbox.
Can you check your aliases?
== a newsletter of a scanner's maker | other not-recognised | <news@far.example>
From: McAfee Security News <news@far.example>
Subject: VIRUS ALERT: new worm

The worm was found in messages. Your message may have been infected. The attachment was removed by most scanners.
Read more: https://far.example/
== waiting mail, a link with the reader's address in it | spam bounce-with-lure | <x@far.example>
From: Mail Delivery System <mailer-daemon@far.example>
Subject: Undelivered Mail Returned to Sender

You have (5) undelivered mails. Click below to release them
http://far.example/login?e=trap@trap.example
== waiting mail from the null sender, somebody else named as not reached | spam bounce-with-lure | <>
From: Mail Delivery System <mailer-daemon@far.example>
Subject: Delivery failure

Message to <billing@partner.example> failed: 550 5.2.2 mailbox full. You have 4 undelivered messages.
Verify your account to release them: http://far.example/
== a sign-up that asks for a human | other not-recognised | <>
From: Club <no-reply@far.example>
Subject: Confirm you are human
Auto-Submitted: auto-generated

Please confirm that you are a human. Click the link below to complete your registration.
Your message to the group is held until you confirm: https://far.example/
== addresses that a program counts | other not-recognised | <>
From: Bounce Processor <bounces@far.example>
Subject: Undeliverable email summary
Auto-Submitted: auto-generated

The following addresses were undeliverable and have been suspended:

carol@far.example: 550 5.1.1 User unknown
== a ticket in Spanish | ticket ticket-title | <>
From: Soporte <soporte@far.example>
Subject: Hemos recibido su solicitud [Caso: 00123456]
Auto-Submitted: auto-replied

Su solicitud ha sido registrada con el número 00123456.
== an order in Japanese | other not-recognised | <>
From: ショップ <shop@far.example>
Subject: ご注文ありがとうございます（自動返信メール）
Auto-Submitted: auto-generated

このメールは自動返信です。ご注文番号 4711 を承りました。
== a scanner that tells the recipient | other not-recognised | <>
From: "Content-filter at far.example" <postmaster@far.example>
Subject: VIRUS IN MAIL TO YOU from <x@y.example>

Our content checker found virus: Eicar in an email to you from <x@y.example>.
The message has been quarantined.
== a bounce's words above a file to open | spam bounce-with-lure | <>
From: Mail Delivery Subsystem <mailer-daemon@far.example>
Subject: Delivery Status Notification (Failure)
Content-Type: multipart/mixed; boundary=b

--b

Delivery to the following recipient failed permanently: see the attached report.
--b
Content-Type: application/pdf; name="report.pdf"

JVBERi0=
--b--
== a sale that plays an answer | other not-recognised | <>
From: Club <x@far.example>
Subject: Re: your application
In-Reply-To: <abc@trap.example>

Claim your prize: http://far.example/
== an article of a news group | list list-field-newsgroups | <news@far.example>
From: Bob <bob@far.example>
Newsgroups: comp.mail.sendmail
Subject: Returned mail: User unknown - help!

   ----- The following addresses had permanent fatal errors -----
<carol@far.example>
== an article of a feed | other feed | <rss@far.example>
From: Feed <rss@far.example>
Subject: Undelivered mail returned to sender: why it happens
User-Agent: rss2email/3.13

<carol@far.example>: 550 User unknown
== a short message that did not arrive | other telephony | <>
From: Gateway <gateway@far.example>
Subject: SMS delivery failed

Your message to +491701234567 could not be delivered: subscriber absent.
== a comment of somebody who is away | other not-recognised | <>
From: Blog <blog@far.example>
Subject: [Blog] Please moderate: "Out of office"

A new comment is waiting: I am out of the office until Monday.
== a colleague who tells and asks | other not-recognised | <hans@far.example>
From: Hans <hans@far.example>
Subject: Abwesenheit
In-Reply-To: <1@trap.example>

Ich bin vom 1.12. bis 5.12. abwesend. Kannst du mich vertreten?
== a friend who tells of a virus | other not-recognised | <eve@far.example>
From: Eve <eve@far.example>
Subject: Virus in your mail!

Hi, my scanner says there was a virus in the message you sent me. The attachment was deleted.
== the maker of a challenge system | other not-recognised | <offers@far.example>
From: SpamArrest <offers@far.example>
Subject: Stop spam forever

With Spam Arrest strangers must answer. Please verify that you are interested: messages you sent are welcome.
Click the link below: http://far.example/
== a person who pastes a bounce below a question | other not-recognised | <bob@far.example>
From: Bob <bob@far.example>
Subject: failure notice

hey, got this when mailing carol. what gives?

Hi. This is the qmail-send program at x.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
<carol@x.example>:
Sorry, no mailbox here by that name.
== the same bounce alone, under somebody's name and reverse-path | other not-recognised | <bob@far.example>
From: Bob <bob@far.example>
Subject: failure notice

Hi. This is the qmail-send program at x.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
<carol@x.example>:
Sorry, no mailbox here by that name.
== a list's post that begins with qmail's sentence | other not-recognised | <users-bounces@lists.example>
From: Carol <carol@foreign.example>
Subject: [users] failure notice from qmail

Hi. This is the qmail-send program at foreign.example.
That is what I get each time. Does anyone know how to stop it?
== the same, with the bounce's paragraphs | other not-recognised | <users-bounces@lists.example>
From: Carol <carol@foreign.example>
Subject: [users] failure notice from qmail

Hi. This is the qmail-send program at foreign.example.
I'm afraid I wasn't able to deliver your message to the following addresses.

<dave@foreign.example>:
Sorry, no mailbox here by that name. (#5.1.1)

That is what I get each time. Does anyone know how to stop it?
== qmail's sentence from a mail system that names nobody | other not-recognised | <postmaster@far.example>
From: Postmaster <postmaster@far.example>
Subject: qmail

Hi. This is the qmail-send program at far.example. It was replaced by another one.
== qmail's bounce by its author alone | dsn format-qmail | <x@far.example>
From: MAILER-DAEMON@far.example
Subject: failure notice

Hi. This is the qmail-send program at far.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<carol@far.example>:
Sorry, no mailbox here by that name. (#5.1.1)
== the same bounce from the null sender | dsn format-qmail | <>
From: Bob <bob@far.example>
Subject: failure notice

Hi. This is the qmail-send program at x.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
<carol@x.example>:
Sorry, no mailbox here by that name.
== a bounce that Outlook forwards | other not-recognised | <bob@far.example>
From: Bob <bob@far.example>
Subject: Undeliverable: Budget

________________________________
From: Microsoft Outlook
Sent: Tuesday, 24 November 2026
To: Bob
Subject: Undeliverable: Budget

Delivery has failed to these recipients or groups:
eve@far.example
== a tracker's number above a quoted bounce | other not-recognised | <tracker@far.example>
From: Tracker <tracker@far.example>
Subject: [mail 0001234]: Mail delivery failed: returning message to sender
Auto-Submitted: auto-generated

A NOTE has been added to this issue. A message that you sent could not be delivered to one or more of its recipients.
  carol@far.example
    Unrouteable address
== a school on a pupil | other not-recognised | <>
From: School <attendance@far.example>
Subject: Absence notification
Auto-Submitted: auto-generated

Your child was absent from school on 24 November 2026.
== a booking | other not-recognised | <>
From: Hotel <hotel@far.example>
Subject: Thank you for contacting us: your vacation in Rome
Auto-Submitted: auto-generated

Your booking is confirmed. Enjoy your vacation!
== a code for a new device | other not-recognised | <>
From: Bank <bank@far.example>
Subject: Verify your identity

Enter the code 123456 to verify your identity. Do not reply to this message. You sent a request from a new device.
== a club that waits for an address | other not-recognised | <>
From: Club <no-reply@far.example>
Subject: Action required: confirm your email
Auto-Submitted: auto-generated

Confirm your email so that you can reach others. Messages are on hold until you verify your address.
== a contact form that asks back | other not-recognised | <>
From: Stadt <kontakt@far.example>
Subject: Bitte bestätigen Sie Ihre Nachricht
Auto-Submitted: auto-generated

Sie haben über unser Kontaktformular eine Nachricht gesendet. Bitte bestätigen Sie Ihre E-Mail-Adresse, damit Ihre
Nachricht weitergeleitet wird (Schutz vor Spam): https://far.example/
== an infected computer | other not-recognised | <>
From: Abuse <abuse@far.example>
Subject: Your computer is infected with a virus

We detected a virus on a computer at your line. Please run a scanner. Your mail was blocked.
== leave that was asked for | other not-recognised | <>
From: Zeit <zeit@far.example>
Subject: Urlaubsantrag genehmigt
Auto-Submitted: auto-generated

Ihr Urlaub vom 24.11. bis 30.11. wurde genehmigt. Diese Nachricht wurde automatisch erstellt.
== a voice message in writing | other not-recognised | <>
From: Box <box@far.example>
Subject: New voicemail from Pat

"Hi, I'm out of the office until Monday. Call me when I return."
== a service that could not reach an address of one's own | other not-recognised | <noreply@far.example>
From: Forge <noreply@far.example>
Subject: [Forge] Emails to you are being undelivered

<bob@far.example>: could not be delivered: 550 5.1.1 User unknown. Settings: https://far.example/
== a filter that tells its user of a bounce | other mail-notification | <>
From: bob@far.example
Subject: You've got mail: Undeliverable: hello
Auto-Submitted: auto-notified; owner-email="bob@far.example"

You received mail from MAILER-DAEMON: your message could not be delivered to carol@far.example
== a reminder of what carol did not pay | other not-recognised | <>
From: Pay <service@far.example>
Subject: Undelivered invoice reminder

Your invoice to carol@far.example was not paid.
== a scanner to its own operator | other not-recognised | <>
From: Filter <virusalert@far.example>
To: virusalert@far.example
Subject: VIRUS (Eicar-Test-Signature) FROM [198.51.100.8]:41234 <x@y.example>

A virus was found: Eicar-Test-Signature
The message WAS NOT relayed to: <bob@far.example>: 250 2.7.0 Ok, discarded
== a French scanner to the recipient | other not-recognised | <>
From: Antivirus <antivirus@far.example>
Subject: Virus détecté dans un message reçu

Un message qui vous était destiné, envoyé par bob@x.example, contenait un virus et a été supprimé.
== a picture under a bounce's title | other not-recognised | <>
From: mailer-daemon@far.example
Subject: Delivery failure
Content-Type: multipart/related; boundary=b

--b
Content-Type: text/html

<img src="cid:1">
--b
Content-Type: image/gif

x
--b--
== a sentence that begins like a program's title | other not-recognised | <joe@far.example>
From: Joe <joe@far.example>
Subject: automatic response of the thermostat

It is too slow. Please look at it as soon as possible. Thank you for your mail.
== a car | other not-recognised | <joe@far.example>
From: Joe <joe@far.example>
Subject: Auto: Toyota for sale

Thank you for contacting me about the car.
== the same title by a program, unmarked | auto-reply reply-program-title | <joe@far.example>
From: Joe <joe@far.example>
Subject: Automatic response from Joe

Thank you for your mail. I will reply as soon as possible.
== Exchange's words and a link, under a reverse-path of its own | spam bounce-with-lure | <x@far.example>
From: Microsoft Outlook <x@far.example>
Subject: Undeliverable: Your email
Content-Type: text/html

<p>Your message to carol@x.example couldn't be delivered.</p><a href="http://far.example/">Send again</a>
== a report on its reader, with a link | spam false-report | <>
From: Mailer-Daemon <mailer-daemon@far.example>
Subject: Failure Notice
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/html

Your mailbox is full. <a href="http://far.example/">Upgrade</a>
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; far.example

Final-Recipient: rfc822; trap@trap.example
Action: failed
Status: 5.2.2
--b--
== a report on somebody else, with a link | dsn rfc3464-report | <>
From: Mailer-Daemon <mailer-daemon@far.example>
Subject: Failure Notice
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/html

No such user. <a href="http://far.example/">Help</a>
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; far.example

Final-Recipient: rfc822; carol@far.example
Action: failed
Status: 5.1.1
--b--
== a notice of a virus with a program to fetch | other not-recognised | <>
From: Antivirus <av@far.example>
Subject: Virus alert: message blocked

Your message was blocked because a virus was found. Download the cleaner: http://far.example/clean.exe
== an alert of a queue | other not-recognised | <>
From: Monitor <ops@far.example>
Subject: Alert: Undeliverable queue length exceeds threshold

Message to carol@far.example. Last error: 451 4.4.0 DNS query failed.
== a contact form in which somebody tells of a bounce | other not-recognised | <>
From: Blog <blog@far.example>
Subject: Contact form: undelivered mail

Message: carol@far.example does not work, my message bounced: 550 User unknown
== a roster | other not-recognised | <>
From: Roster <roster@far.example>
Subject: On leave next week
Auto-Submitted: auto-generated

Dr. Smith: on leave 24.11-30.11
Dr. Jones: on duty
== a journey | other not-recognised | <>
From: Rooms <automated@far.example>
Subject: Your vacation starts tomorrow
Auto-Submitted: auto-generated

The keys are in the box. This is an automatic message.
== one's own vacation, in the same form | auto-reply reply-titled-automatic | <>
From: Joe <joe@far.example>
Subject: On vacation
Auto-Submitted: auto-generated

I am on vacation until Monday.
== a firewall on a worm | other not-recognised | <>
From: Firewall <fw@far.example>
Subject: Intrusion report: worm blocked

Worm.Blaster blocked on port 135. Mail alert.
== a list's post that names the list as its sender alone | list list-sender | <joe@far.example>
From: Joe <joe@far.example>
Sender: exim-users-bounces@lists.example
Subject: [exim] mail delivery failed

A message that you sent could not be delivered to one or more of its recipients.
  carol@far.example
    Unrouteable address
== a postmaster who answers | other not-recognised | <postmaster@far.example>
From: Postmaster <postmaster@far.example>
Subject: Re: problem with mail to carol@far.example
In-Reply-To: <1@trap.example>

Her mailbox was over quota (552), we raised it. Your message was not delivered, please resend.
`

for (const text of messages.split(/^== /m).slice(1)) {
  const [title = '', expected = '', path = ''] = text.slice(0, text.indexOf('\n')).split(' | ')
  test(`${title}: ${expected}`, async () => {
    const raw = Buffer.from(
      `${text.includes('\nTo: ') ? '' : 'To: trap@trap.example\n'}${text.slice(text.indexOf('\n') + 1)}`,
    )
    const verdict = classify(await parseMessage(raw), { reversePath: path.slice(1, -1) })
    assert.equal(`${verdict.kind ?? verdict.notBackscatter} ${verdict.rule}`, expected)
  })
}
