// A parsed message → one verdict with the rule that decided: backscatter of a kind, or what else it is. Called by
// traps/collect, by the classify command and the API. Pure and total: any message gets a verdict.
import { autoReplyRule, autoSubmitted } from './auto-reply.ts'
import { type DeliveryStatus, isPlausible, parseDeliveryStatus } from './dsn.ts'
import type { BackscatterKind } from './evidence.ts'
import { generatorOf } from './generator.ts'
import { firstValue } from './header-section.ts'
import {
  dispositionNotificationRule,
  dmarcReportRule,
  feedbackReportRule,
  isFromMailSystem,
  listMailRule,
  ticketRule,
  tlsReportRule,
} from './lookalikes.ts'
import type { Message } from './message.ts'
import { type Returned, readReturned } from './returned.ts'

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
}

/** What the receiving side knows beside the message; without it the topmost Return-Path is taken. */
export interface Envelope {
  /** '' is the null sender. */
  readonly reversePath?: string
}

interface Subject {
  readonly message: Message
  readonly status: DeliveryStatus | null
  readonly hasNullSender: boolean
}

type Verdict =
  | { readonly kind: BackscatterKind; readonly rule: string }
  | { readonly not: NotBackscatter; readonly rule: string }

/**
 * In this order, and the first that answers decides:
 *  1. A message that cannot be read whole proves nothing against anybody.
 *  2. What wears a report's or a reply's clothes without being backscatter. These stand before everything that can
 *     list, since all of them also satisfy some rule below: complaints and TLS reports are multipart/report, read
 *     receipts say auto-replied, list software relays other people's bounces from its own host.
 *  3. Delivery status notifications. Before automatic replies, since most of them say auto-replied as well.
 *  4. Automatic replies.
 */
const recognisers: readonly ((subject: Subject) => Verdict | null)[] = [
  ({ message }) => not('other', message.unreadable === null ? null : 'unreadable-message'),
  ({ message }) => not('arf', feedbackReportRule(message)),
  ({ message }) => not('tls-report', tlsReportRule(message)),
  ({ message }) => not('dmarc-report', dmarcReportRule(message)),
  ({ message }) => not('mdn', dispositionNotificationRule(message)),
  ({ message }) => not('list', listMailRule(message)),
  ({ message }) => not('ticket', ticketRule(message)),
  (subject) => is('dsn', dsnRule(subject)),
  (subject) => is('auto-reply', replyRule(subject)),
]

/** The verdict on a message. Never throws. */
export function classify(message: Message, envelope: Envelope = {}): Classification {
  const status = deliveryStatusOf(message)
  const subject = { message, status, hasNullSender: reversePath(message, envelope) === '' }
  let verdict: Verdict = { not: 'other', rule: 'not-recognised' }
  for (const recognise of recognisers) {
    const found = recognise(subject)
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
    generator: generatorOf(message, status),
    dsn: status === null ? null : summary(status),
    returned: readReturned(message),
  }
}

/** RFC 3464 §2.1, RFC 6533 §5. */
const statusTypes = ['message/delivery-status', 'message/global-delivery-status']
const maxStatusParts = 5

/** The first part of those types that says what it must, else the first at all; null when there is none. */
function deliveryStatusOf(message: Message): DeliveryStatus | null {
  const all = message.parts
    .filter(({ type }) => statusTypes.includes(type))
    .slice(0, maxStatusParts)
    .map(({ content }) => parseDeliveryStatus(content))
  return all.find(isPlausible) ?? all[0] ?? null
}

/**
 * A delivery status that says what it must is the proof. Outside a multipart/report (RFC 6522) it must also come from
 * a mail system: people attach reports to their own mail when they ask what went wrong.
 */
function dsnRule({ message, status, hasNullSender }: Subject): string | null {
  if (status === null || !isPlausible(status)) return null
  if (message.contentType.value === 'multipart/report') return 'rfc3464-report'
  const isAutomatic =
    hasNullSender ||
    isFromMailSystem(message.header) ||
    autoSubmitted(message.header).startsWith('auto-')
  return message.contentType.value.startsWith('multipart/') && isAutomatic
    ? 'rfc3464-status-in-other-multipart'
    : null
}

/**
 * What a mail system says of itself is a bounce in a form that no rule above knows, or a notice to its own postmaster:
 * neither is the reply of a mailbox.
 */
function replyRule({ message, hasNullSender }: Subject): string | null {
  return isFromMailSystem(message.header) ? null : autoReplyRule(message.header, hasNullSender)
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
