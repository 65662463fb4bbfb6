// A parsed message → one verdict with the rule that decided: backscatter of a kind, or what else it is. Called by
// traps/collect, by the classify command and the API. Pure and total: any message gets a verdict.
import { autoReplyRule } from './auto-reply.ts'
import { challengeRule, knownChallengeRule } from './challenge.ts'
import { signedNoticeRule, titledNoticeRule, wordedNoticeRule } from './content-notice.ts'
import { falseReportRule, statusRule } from './delivery-report.ts'
import { type DeliveryStatus, type DsnAction, isPlausible, parseDeliveryStatus } from './dsn.ts'
import { generatorOf } from './generator.ts'
import { firstValue } from './header-section.ts'
import type { BackscatterKind } from './kinds.ts'
import {
  confirmationRule,
  dispositionNotificationRule,
  dmarcReportRule,
  feedbackReportRule,
  handedOnRule,
  listAnswerRule,
  listMailRule,
  listNoticeRule,
  rejectingDispositionRule,
  ticketRule,
  ticketWordsRule,
  tlsReportRule,
} from './lookalikes.ts'
import type { Message } from './message.ts'
import { listedGatewayRule, lureRule, mailSystemRule, unnamedSystemRule } from './non-delivery.ts'
import { Observation } from './observation.ts'
import { wordedReceiptRule } from './read-receipts.ts'
import { hasProgramTitle, isMarkedAway, replyWordsRule } from './reply-words.ts'
import { type Returned, readReturned } from './returned.ts'
import {
  calendarRule,
  feedRule,
  freightRule,
  journalRule,
  mailNotificationRule,
  postmasterNoticeRule,
  scheduledJobRule,
  telephonyRule,
} from './system-notices.ts'

export type NotBackscatter =
  | 'arf'
  | 'dmarc-report'
  | 'tls-report'
  | 'mdn'
  | 'list'
  | 'confirmation'
  | 'ticket'
  | 'spam'
  | 'other'

/** What a DSN says of its first recipient that did not get the message (RFC 3464); null where it does not say. */
export interface Dsn {
  readonly reportingMta: string | null
  readonly finalRecipient: string | null
  readonly originalRecipient: string | null
  readonly action: string | null
  readonly status: string | null
  readonly remoteMta: string | null
  readonly diagnosticCode: string | null
  readonly receivedFromMta: string | null
  readonly arrivalDate: string | null
  /** How many recipients it reports on, up to 100. */
  readonly recipients: number
}

/** `kind` is null exactly when `backscatter` is false; `notBackscatter` is null exactly when it is true. */
export interface Classification {
  readonly backscatter: boolean
  readonly kind: BackscatterKind | null
  readonly notBackscatter: NotBackscatter | null
  /** Names the rule that decided. */
  readonly rule: string
  readonly generator: string | null
  readonly dsn: Dsn | null
  readonly returned: Returned | null
  /** A list handed it on: whoever delivered it to us is the list's host, and not the one who bounced. */
  readonly viaList: boolean
}

/** What the receiving side knows beside the message; without it the topmost Return-Path is taken. */
export interface Envelope {
  /** '' is the null sender. */
  readonly reversePath?: string
  /** Whom it was delivered to; beside the addresses in its own fields. */
  readonly recipients?: readonly string[]
}

type Verdict =
  | { readonly kind: BackscatterKind; readonly rule: string }
  | { readonly not: NotBackscatter; readonly rule: string }

/**
 * In this order, and the first that answers decides.
 *  1. A message that cannot be read whole proves nothing against anybody.
 *  2. Reports for which somebody asked. Before everything that can list, since all of them also satisfy some rule
 *     below: complaints and TLS reports are multipart/report, read receipts say auto-replied. A refusal that Sieve
 *     dresses up as a receipt is none of them, and is taken out first.
 *  3. Scanners' notices by their own titles, and challenges by their system's address: amavisd and Boxbe write theirs as
 *     complete delivery reports.
 *  4. List software, and Postfix to its postmaster, about their own affairs: they quote what they speak of.
 *  5. A complete delivery status, and mail with the fields of ticket and forge software: it quotes bounces in full.
 *     Then scanners' notices that bear the scanner's name, what only has the form of a report, and bounces that a mail
 *     system signs. Before the list's own mail: a bounce stays one when a list hands it on, though its host then proves
 *     nothing (see `viaList`). Before automatic replies, since most of them say auto-replied as well. So do
 *     out-of-office replies that a program titled, behind a list.
 *  6. Mail of lists and sign-ups: they say auto-generated and auto-replied too.
 *  7. Challenges, and notices by their words: they are automatic replies that ask or tell something particular.
 *  8. Bounces whose author does not give himself away as a mail system; the rules ask for more.
 *  9. Automatic replies, by their marks and then by their words. What still plays the mail system is spam.
 */
const recognisers: readonly ((seen: Observation) => Verdict | null)[] = [
  ({ message }) => not('other', message.unreadable === null ? null : 'unreadable-message'),
  ({ message }) => not('arf', feedbackReportRule(message)),
  ({ message }) => not('tls-report', tlsReportRule(message)),
  ({ message }) => not('dmarc-report', dmarcReportRule(message)),
  ({ message }) => not('other', journalRule(message)),
  (seen) => is('dsn', rejectingDispositionRule(seen)),
  ({ message }) => not('mdn', dispositionNotificationRule(message)),
  (seen) => not('mdn', wordedReceiptRule(seen)),
  (seen) => is('content-notice', titledNoticeRule(seen)),
  (seen) => is('challenge-response', knownChallengeRule(seen)),
  (seen) => not('list', listNoticeRule(seen)),
  (seen) => not('other', postmasterNoticeRule(seen)),
  (seen) => not('other', scheduledJobRule(seen)),
  (seen) => not('other', mailNotificationRule(seen)),
  (seen) => not('other', freightRule(seen)),
  (seen) => not('other', telephonyRule(seen)),
  ({ message }) => not('other', feedRule(message)),
  (seen) => is('dsn', statusRule(seen)),
  ({ message }) => not('ticket', ticketRule(message)),
  (seen) => is('content-notice', signedNoticeRule(seen)),
  (seen) => not('spam', falseReportRule(seen)),
  (seen) => is('dsn', mailSystemRule(seen)),
  (seen) => is('dsn', listedGatewayRule(seen)),
  (seen) => not('other', calendarRule(seen)),
  (seen) => is('auto-reply', listedReplyRule(seen)),
  ({ message }) => not('list', listMailRule(message)),
  (seen) => not('list', listAnswerRule(seen)),
  (seen) => not('confirmation', confirmationRule(seen)),
  (seen) => is('challenge-response', challengeRule(seen)),
  (seen) => is('content-notice', wordedNoticeRule(seen)),
  (seen) => is('dsn', unnamedSystemRule(seen)),
  (seen) => not('ticket', ticketWordsRule(seen)),
  (seen) => is('auto-reply', markedReplyRule(seen)),
  (seen) => is('auto-reply', seen.isFromMailSystem ? null : replyWordsRule(seen)),
  (seen) => not('spam', lureRule(seen)),
]

/** The verdict on a message. Never throws. */
export function classify(message: Message, envelope: Envelope = {}): Classification {
  const status = deliveryStatusOf(message)
  const seen = new Observation(message, status, reversePath(message, envelope), envelope.recipients)
  let verdict: Verdict = { not: 'other', rule: 'not-recognised' }
  for (const recognise of recognisers) {
    const found = recognise(seen)
    if (found === null) continue
    verdict = found
    break
  }
  const kind = 'kind' in verdict ? verdict.kind : null
  return {
    backscatter: kind !== null,
    kind,
    notBackscatter: 'not' in verdict ? verdict.not : null,
    rule: verdict.rule,
    generator: generatorOf(message, status) ?? formatIn(verdict.rule),
    dsn: dsnOf(seen, kind),
    returned: kind === null && !seen.hasReturnedPart ? null : readReturned(message),
    viaList: kind !== null && handedOnRule(message) !== null,
  }
}

/** RFC 3464 §2.1, RFC 6533 §5. */
const statusTypes = ['message/delivery-status', 'message/global-delivery-status']
const maxStatusParts = 5

/** The first part of those types that says what it must, else the first at all; null when there is none. */
export function deliveryStatusOf(message: Message): DeliveryStatus | null {
  const all = message.parts
    .filter(({ type }) => statusTypes.includes(type))
    .slice(0, maxStatusParts)
    .map(({ content }) => parseDeliveryStatus(content))
  return all.find(isPlausible) ?? all[0] ?? null
}

/** A reply that a program titled stays one when a list hands it on; anything else from a list is the list's mail. */
function listedReplyRule(seen: Observation): string | null {
  if (listMailRule(seen.message) === null || seen.subject.isAnswer || seen.isFromMailSystem)
    return null
  return hasProgramTitle(seen) || isMarkedAway(seen) ? replyWordsRule(seen) : null
}

/**
 * What a mail system says of itself is a bounce in a form that no rule above knows, or a notice to its own postmaster:
 * neither is the reply of a mailbox.
 */
function markedReplyRule({ message, hasNullSender, isFromMailSystem }: Observation): string | null {
  return isFromMailSystem ? null : autoReplyRule(message.header, hasNullSender)
}

/** The format's name in the name of its rule, unless the rule is for many. */
function formatIn(rule: string): string | null {
  return (
    /^(?:format|challenge|content-notice)-(?!(?:words|held|service|scanner|antivirus)$)(.+)$/.exec(
      rule,
    )?.[1] ?? null
  )
}

function is(kind: BackscatterKind, rule: string | null): Verdict | null {
  return rule === null ? null : { kind, rule }
}

function not(what: NotBackscatter, rule: string | null): Verdict | null {
  return rule === null ? null : { not: what, rule }
}

function reversePath(message: Message, envelope: Envelope): string | null {
  if (envelope.reversePath !== undefined) return envelope.reversePath
  const field = firstValue(message.header, 'return-path')
  return field === undefined ? null : field.replace(/^<|>$/g, '').trim()
}

/** From the delivery status; where a bounce has none that names a recipient, from its words. */
function dsnOf(seen: Observation, kind: BackscatterKind | null): Dsn | null {
  const { status } = seen
  const fromStatus = status === null ? null : summary(status)
  if (kind !== 'dsn' || fromStatus?.finalRecipient != null) return fromStatus
  const recipients = seen.recipients.some(({ isMarked }) => isMarked)
    ? seen.recipients.filter(({ isMarked }) => isMarked)
    : seen.recipients.slice(0, 1)
  const header = firstValue(seen.message.header, 'x-failed-recipients')
  const [first] = recipients
  return {
    reportingMta: fromStatus?.reportingMta ?? null,
    finalRecipient: header?.split(',', 1)[0]?.trim() || (first?.address ?? null),
    originalRecipient: null,
    action: fromStatus?.action ?? actionInWords(seen),
    status: fromStatus?.status ?? first?.status ?? null,
    remoteMta: null,
    diagnosticCode: fromStatus?.diagnosticCode ?? first?.diagnostic ?? null,
    receivedFromMta: fromStatus?.receivedFromMta ?? null,
    arrivalDate: fromStatus?.arrivalDate ?? null,
    recipients: Math.max(recipients.length, header === undefined ? 0 : 1),
  }
}

function actionInWords(seen: Observation): DsnAction {
  const isFailure = seen.subject.folded.includes('fail')
  if (seen.saysDelay && !isFailure) return 'delayed'
  return seen.saysSuccess && !isFailure ? 'delivered' : 'failed'
}

function summary(status: DeliveryStatus): Dsn {
  const { recipients } = status
  const first = recipients.find(({ action }) => action === 'failed') ?? recipients[0]
  return {
    reportingMta: status.reportingMta,
    finalRecipient: first?.finalRecipient ?? null,
    originalRecipient: first?.originalRecipient ?? null,
    action: first?.action ?? null,
    status: first?.status ?? null,
    remoteMta: first?.remoteMta ?? null,
    diagnosticCode: first?.diagnosticCode ?? null,
    receivedFromMta: status.receivedFromMta,
    arrivalDate: status.arrivalDate,
    recipients: recipients.length,
  }
}
