// Rules for bounces, delay notices and reports of success, and for mail that only looks like one.
import type { Rule } from '../rule.ts'

/** A mail system's exact sentence and a failed recipient. */
const exactFormat = {
  all: ['systemSends', 'bounceFormat', 'namesFailedRecipient'],
  none: ['reportsSuccess'],
} as const

/** The report did not come back to who wrote the message. */
const contradictions = ['trapFailed', 'returnedToTrap', 'addressedToOthers'] as const

/** A failure in the form of RFC 3464 with the header of the message that failed, or in a system's exact words. */
export const certainReport = [
  { all: ['systemSends', 'failedGroup', 'returnsFields'], none: contradictions },
  { ...exactFormat, none: ['reportsSuccess', ...contradictions] },
] as const

const pretences = ['lacksReturnedMessage', 'readerFailed', 'emptyPretence'] as const

export const statusRules: readonly Rule[] = [
  {
    name: 'rfc3464-report',
    verdict: 'dsn',
    all: ['statusReport'],
    none: pretences,
    certain: certainReport,
  },
  {
    name: 'rfc3464-status-in-other-multipart',
    verdict: 'dsn',
    all: ['statusInMultipart'],
    none: pretences,
    certain: certainReport,
  },
]

/** Bounces that a mail system signs. A list may have passed them on. */
export const signedBounceRules: readonly Rule[] = [
  {
    name: 'false-report',
    verdict: 'spam',
    any: ['statusReport', 'statusInMultipart', 'emptyPretence'],
  },
  {
    name: 'format',
    named: 'bounceFormat',
    verdict: 'dsn',
    all: ['mailSystem', 'bounceFormat', 'showsMail'],
    none: ['byHand', 'bait'],
    certain: exactFormat,
  },
  {
    name: 'format',
    named: 'bounceFormat',
    verdict: 'dsn',
    all: ['mailSystem', 'bounceFormat', 'bounceTitle'],
    none: ['byHand', 'link', 'attachedFile'],
  },
  {
    name: 'mail-system-returns-message',
    verdict: 'dsn',
    all: ['mailSystem', 'returnsMessage'],
    any: ['fromMailSystem', 'bounceTitle', 'labelledReport'],
    none: ['byHand'],
  },
  {
    name: 'exim-failed-recipients',
    verdict: 'dsn',
    all: ['failedRecipientsField'],
    none: ['byHand', 'bait'],
  },
  {
    name: 'mail-system-report',
    verdict: 'dsn',
    all: ['fromMailSystem', 'bounceTitle', 'deliveryReport'],
    none: ['byHand', 'bait'],
  },
  {
    name: 'mail-system-names-recipient',
    verdict: 'dsn',
    all: ['fromMailSystem', 'namesFailedRecipient'],
    none: ['bait', 'asksReader', 'personal'],
  },
  {
    name: 'mail-system-words',
    verdict: 'dsn',
    all: ['fromMailSystem', 'saysTrouble'],
    any: ['bounceTitle', 'namesAddress'],
    none: ['hasSender', 'link', 'attachedFile', 'asksReader', 'personal'],
  },
  {
    name: 'format',
    named: 'bounceFormat',
    verdict: 'dsn',
    all: ['bounceFormat', 'clearBounceTitle', 'returnsPart'],
    none: ['answerTitle', 'returnsBounce'],
  },
]

/** What a person or a service has who tells of a bounce. */
const retold = [
  'introducesFormat',
  'returnsBounce',
  'bait',
  'remark',
  'numberedTitle',
  'service',
] as const

/** Bounces whose author is not clearly a mail system: a gateway under its own name, or a bounce that lost its reverse-path. */
export const unsignedBounceRules: readonly Rule[] = [
  {
    name: 'titled-failure-returns-message',
    verdict: 'dsn',
    all: ['clearBounceTitle', 'saysTrouble', 'returnsMessage'],
    none: retold,
  },
  {
    name: 'titled-failure-names-recipient',
    verdict: 'dsn',
    all: ['clearBounceTitle', 'saysTrouble', 'listsFailedRecipient'],
    none: ['bounceFormat', ...retold],
  },
]

/** Mail with the sender and title of a bounce, but with something to open or click. */
export const lureRules: readonly Rule[] = [
  { name: 'bounce-with-lure', verdict: 'spam', all: ['fromMailSystem', 'bounceTitle', 'bait'] },
]
