// Bounce formats of servers that come from Unix and VMS.
import { type BounceFormat, format, openingFormat } from './format.ts'

export const unixFormats: readonly BounceFormat[] = [
  // QSBMF (cr.yp.to/proto/qsbmf.txt) begins with "Hi. This is the". Many sites reword the rest.
  format('qmail', [
    'this is the qmail-send program',
    "i'm afraid i wasn't able to deliver your message to the following addresses",
    'hi. this is the … deliver your message',
    'hi. the mta program at',
    '--- below this line is a copy of',
  ]),
  openingFormat('exim', [
    'this message was created automatically by mail delivery software',
    'this message was created automatically by the smtp relay',
    'a message that you sent could not be delivered to',
    'a message that you sent has not yet been delivered to',
    'a message that you sent was rejected by the local scanning code',
    'a message that you sent using the -t command line option contained no addresses',
    'a message that you sent contained one or more recipient addresses that were incorrectly constructed',
    'a message that you sent contained no recipient addresses',
    'a message that you sent was longer than the maximum size allowed',
    'a message that you sent could not be delivered to all of its recipients',
  ]),
  format('postfix', [
    "i'm sorry to have to inform you that … could not be delivered",
    'this is the postfix program at host',
    'this is the mail system at host',
    'program at host … delivered',
  ]),
  format('sendmail', [
    '----- the following addresses had permanent fatal errors',
    '----- the following addresses had transient non-fatal errors',
    '----- the following addresses have delivery notifications',
    '----- the following addresses had delivery problems',
    '----- the following addresses had delivery errors',
    '----- the following addresses had … -----',
    '---the following addresses had delivery errors---',
    'transcript of session follows',
    'transcript of the session follows',
    '----- errors occurred in processing -----',
    'the original message was received at … from … could not',
    '**      this is a warning message only',
  ]),
  format('courier', [
    'undeliverable mail … cannot be delivered',
    'delayed mail … has not yet been delivered',
    'this is a delivery status notification from',
    'if your message was also sent to additional recipients, their delivery status is not included in this report',
  ]),
  format('opensmtpd', [
    'this is the mailer-daemon, please do not reply',
    'an error has occurred while attempting to deliver a message for',
    'a message is delayed for more than',
  ]),
  format('smail', ['message log follows … failed addresses follow', 'failed addresses follow:']),
  format('phquery', ['error detail (phquery', 'nameserver error report']),
  format('mmdf', ["your message could not be delivered to '", 'failed mail (msg.']),
  format('pmdf', [
    'this report relates to a message you sent with the following header fields',
    'the message below has been undelivered for',
  ]),
  format('x400', [
    'this report relates to your message:',
    'the message was not delivered … mts identifier',
    'x.400 … could not be delivered',
    'mts-id of the original message',
    'original mts identifier',
  ]),
  format('listserv', [
    'a list of the affected recipient follows',
    'an error was detected while processing the enclosed message',
    'error-for: … error-code:',
  ]),
  format('netscape', [
    'this message was undeliverable due to the following reason',
    'each of the following recipients was rejected by a remote mail server',
    'the following destination addresses were unknown',
  ]),
  format('haraka', [
    'your email was not delivered … haraka',
    'intended recipients: … failure reason:',
  ]),
]
