// Bounce formats of mail providers, gateways and sending services.
import { type BounceFormat, format } from './format.ts'

export const providerFormats: readonly BounceFormat[] = [
  format('yahoo', [
    'unable to deliver message to the following address',
    'sorry, we were unable to deliver your message to the following address',
    'message from yahoo',
  ]),
  format('gmail', [
    'delivery to the following recipient failed permanently',
    'delivery to the following recipient has been delayed',
    'technical details of permanent failure',
    'technical details of temporary failure',
    'address not found … because the address couldn',
    "your message wasn't delivered to … because",
    'there was a problem delivering your message',
    'message blocked … your message to',
    'message not delivered … there was a problem',
    'the response from the remote server was',
    "we're writing to let you know that the group you tried to contact",
  ]),
  format('aol', [
    'could not be delivered because they are not accepting mail from',
    'the following recipients are not accepting mail',
    'aol … your mail to the following recipients could not be delivered',
  ]),
  format('kundenserver', [
    'message that you sent could not be delivered to one or more of its recipients. the following addresses failed',
    'this message was created automatically by mail delivery software … delivered',
  ]),
  format('mail.ru', ['это письмо создано автоматически сервером']),
  format('qq', [
    '您的邮件已退回',
    '您的邮件被退回',
    '抱歉,您的邮件',
    '抱歉，您的邮件',
    '邮件无法发送到您指定的地址',
  ]),
  format('amazon-ses', [
    'an error occurred while trying to deliver the mail to the following recipients',
  ]),
  format('sendgrid', ['sendgrid … could not be delivered', 'unable to deliver … sendgrid']),
  format('ironport', [
    'the following message to … was undeliverable',
    'the reason for the problem:',
  ]),
  format('messagelabs', [
    'this is the mail delivery agent at',
    'i was not able to deliver your message to the following addresses',
  ]),
  format('interscan', [
    'message from interscan',
    'sent <<< rcpt to … received >>>',
    'unable to deliver message to … in the same domain',
  ]),
  format('symantec', [
    'could not be delivered to the following recipients … please do not resend your original message',
  ]),
  format('mcafee', ['this message was created automatically by mail delivery software … mcafee']),
  format('proofpoint', [
    'proofpoint … could not be delivered',
    'could not be delivered … proofpoint',
  ]),
  format('mimecast', ['mimecast … delivery', 'delivery … mimecast']),
  format('barracuda', [
    'this is an automatically generated … barracuda',
    'barracuda … could not be delivered',
  ]),
  format('fortimail', ['fortimail … delivered']),
  format('zimbra', ['zimbra … could not be delivered']),
  format('mobile-gateway', [
    'could not be delivered to the following destination',
    'the user(s) account is temporarily over quota',
    'the user(s) account is disabled',
    'error: undeliverable mobile',
    'your message could not be delivered to the mobile',
  ]),
  format('facebook', ['this message was created automatically by facebook']),
  format('kddi', [
    'your mail sent on: … could not be delivered to:',
    'your mail attempted to be delivered on: … could not be delivered to:',
  ]),
  format('mailfoundry', [
    'unable to deliver message to: <',
    'this is a delivery failure notification message',
  ]),
  format('surfcontrol', [
    'your message could not be sent. … attempts … message non-deliverable',
    'your message could not be sent. a transcript of the attempts',
  ]),
  format('verizon', [
    'error: no valid recipients for this mm',
    'verizon … could not be delivered',
    'message could not be delivered to mobile',
  ]),
  format('m-filter', [
    '-------server message',
    '-------original message … -------original mail info',
  ]),
  format('powermta', [
    'i am sending you this message to inform you on the delivery status of a message you previously sent',
  ]),
  format('dragonfly', ['dragonfly mail agent', 'this is the dragonfly']),
  format('sad-duty', ['it is my sad duty to inform you']),
  format('trouble', ['we had trouble delivering your message']),
  format('james', ['this is the james mail server', 'error message below: … message details:']),
  format('mailman', ['the attached message has been automatically discarded … bounce']),
]
