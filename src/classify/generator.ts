// Finds the software that wrote a bounce or an automatic reply, by the marks that it leaves. For information only: no verdict
// depends on it.
import type { DeliveryStatus } from '../mail/delivery-status.ts'
import { allValues, firstValue } from '../mail/header.ts'
import type { Message } from '../mail/message.ts'

interface Mark {
  readonly generator: string
  readonly isMadeBy: (message: Message, status: DeliveryStatus | null) => boolean
}

/** Marks in the report itself come first; marks that a relay may have added come after them. */
const marks: readonly Mark[] = [
  { generator: 'postfix', isMadeBy: (_, status) => hasField(status, 'x-postfix-queue-id') },
  { generator: 'exim', isMadeBy: (message) => boundary(message).includes('-eximdsn-') },
  { generator: 'exim', isMadeBy: (message) => has(message, 'x-failed-recipients') },
  { generator: 'dovecot', isMadeBy: (message) => /^<dovecot-/.test(value(message, 'message-id')) },
  {
    generator: 'dovecot',
    isMadeBy: (message) => /\bpigeonhole\b/i.test(value(message, 'x-sieve')),
  },
  {
    generator: 'gmail',
    isMadeBy: (message) => /@(googlemail|google)\.com>?$/i.test(value(message, 'from')),
  },
  { generator: 'exchange', isMadeBy: (message) => has(message, 'x-ms-exchange-message-is-ndr') },
  { generator: 'exchange', isMadeBy: (_, status) => hasField(status, 'x-display-name') },
  {
    generator: 'exchange',
    isMadeBy: (message) => /Microsoft SMTPSVC/i.test(value(message, 'received')),
  },
  {
    generator: 'qmail',
    isMadeBy: (message) => /^hi\. this is the qmail-send program/i.test(message.text.trimStart()),
  },
  { generator: 'opensmtpd', isMadeBy: (message) => isOrigin(message, /\(OpenSMTPD\)/) },
  {
    generator: 'sendmail',
    isMadeBy: (message) => isOrigin(message, /\bby \S+ \(8\.\d{1,3}\.\d/),
  },
  { generator: 'exim', isMadeBy: (message) => isOrigin(message, /\bwith local \(Exim/) },
  { generator: 'postfix', isMadeBy: (message) => isOrigin(message, /^by \S+ \(Postfix/) },
  { generator: 'courier', isMadeBy: (message) => isOrigin(message, /\bwith courierlocal\b/i) },
  {
    generator: 'domino',
    isMadeBy: (message) => /^lotus (domino|notes)/i.test(value(message, 'x-mailer')),
  },
]

/** 'postfix', 'exim', 'sendmail' … or null if unknown. */
export function generatorOf(message: Message, status: DeliveryStatus | null): string | null {
  return marks.find(({ isMadeBy }) => isMadeBy(message, status))?.generator ?? null
}

/** Whether the lowest Received field matches: the first host on the message's way wrote it. */
function isOrigin(message: Message, pattern: RegExp): boolean {
  return pattern.test(allValues(message.header, 'received').at(-1) ?? '')
}

function hasField(status: DeliveryStatus | null, name: string): boolean {
  return status?.fieldNames.has(name) ?? false
}

function has(message: Message, name: string): boolean {
  return firstValue(message.header, name) !== undefined
}

function value(message: Message, name: string): string {
  return firstValue(message.header, name) ?? ''
}

function boundary(message: Message): string {
  return message.contentType.parameters.get('boundary') ?? ''
}
