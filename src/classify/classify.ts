// A parsed message → a verdict: which kind of backscatter it is, or what else it is, and by which rule. Pure; every message gets
// a verdict.
import type { DsnAction } from '../mail/delivery-status.ts'
import { firstValue } from '../mail/header.ts'
import type { Message } from '../mail/message.ts'
import { type Returned, returnedFields } from '../mail/returned.ts'
import { formatSystems } from './bounce-formats.ts'
import { handedOnBy } from './facts/innocent.ts'
import type { FailedRecipient } from './failed-recipients.ts'
import type { BackscatterKind } from './kinds.ts'
import { generatorOf, markedSystems } from './known-systems.ts'
import { firstVerdict, type Rule, type Verdict } from './rule.ts'
import { replyRules, titledReplyRules, wordedReceiptRules } from './rules/auto-reply.ts'
import { challengeSystemRules, challengeWordRules } from './rules/challenge.ts'
import { noticeWordRules, scannerRules, signedNoticeRules } from './rules/content-notice.ts'
import { lureRules, signedBounceRules, statusRules, unsignedBounceRules } from './rules/dsn.ts'
import { listRules, operatorRules, signUpRules, ticketFieldRules } from './rules/not-backscatter.ts'
import { requestedRules } from './rules/requested.ts'
import { Seen } from './seen.ts'

/** What a DSN says about the first recipient that did not get the message (RFC 3464); null where it says nothing. */
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
  /** How many recipients the DSN reports on, at most 100. */
  readonly recipients: number
}

/**
 * If `backscatter` is true, `kind` and `certainty` are set and `notBackscatter` is null; otherwise `kind` and `certainty` are null
 * and `notBackscatter` is set.
 */
export interface Classification extends Verdict {
  readonly backscatter: boolean
  readonly generator: string | null
  readonly dsn: Dsn | null
  readonly returned: Returned | null
  /** A mailing list passed the message on. So the host that delivered it is the list's and did not bounce anything. */
  readonly viaList: boolean
}

/** Every name that `generator` can have. */
export const generators: ReadonlySet<string> = new Set([...markedSystems, ...formatSystems])

/** How the message was delivered. Without a reverse-path here, the topmost Return-Path is used. */
export interface Envelope {
  /** '' is the null sender. */
  readonly reversePath?: string
  /** Recipients of the message, besides those in its own fields. */
  readonly recipients?: readonly string[]
}

/** The rules in order; the first that matches decides. Each group says why it stands where it does. */
const rules: readonly Rule[] = [
  // Complaints and TLS reports are multipart/report too, and read receipts say auto-replied.
  ...requestedRules,
  ...wordedReceiptRules,
  // Boxbe and amavisd send theirs as complete delivery reports.
  ...challengeSystemRules,
  ...scannerRules,
  // Reports to operators and tickets quote whole bounces.
  ...operatorRules,
  ...statusRules,
  ...ticketFieldRules,
  // Such a notice also says who did not get the mail, as a bounce does.
  ...signedNoticeRules,
  // A bounce, or an automatic reply with a program's title, stays one when a list passes it on. See `viaList`.
  ...signedBounceRules,
  ...titledReplyRules,
  // Mail of lists and sign-ups says auto-generated and auto-replied too.
  ...listRules,
  // Challenges have the links of sign-ups.
  ...challengeWordRules,
  ...signUpRules,
  ...noticeWordRules,
  // What is left needs more marks: a bounce under another name, then automatic replies.
  ...unsignedBounceRules,
  ...replyRules,
  ...lureRules,
]

const notRecognised: Verdict = {
  rule: 'not-recognised',
  kind: null,
  notBackscatter: 'other',
  certainty: null,
  facts: [],
}

/** Classifies a message. Never throws. */
export function classify(message: Message, envelope: Envelope = {}): Classification {
  const { returned } = message
  const seen = new Seen(message, reversePath(message, envelope), envelope.recipients)
  const verdict = firstVerdict(rules, seen) ?? notRecognised
  const { kind } = verdict
  return {
    ...verdict,
    backscatter: kind !== null,
    generator: generatorOf(seen) ?? (kind === 'dsn' ? (seen.format?.system ?? null) : null),
    dsn: dsnOf(seen, kind),
    returned:
      returned === null || (kind === null && !seen.hasReturnedPart)
        ? null
        : returnedFields(returned),
    viaList: kind !== null && handedOnBy(message) !== null,
  }
}

function reversePath(message: Message, envelope: Envelope): string | null {
  if (envelope.reversePath !== undefined) return envelope.reversePath
  const field = firstValue(message.header, 'return-path')
  return field === undefined ? null : field.replace(/^<|>$/g, '').trim()
}

/** The DSN fields from the delivery status. If that names no recipient, a bounce's words stand for it. */
function dsnOf(seen: Seen, kind: BackscatterKind | null): Dsn | null {
  const { status } = seen
  if (status === null && kind !== 'dsn') return null
  const group =
    status?.recipients.find(({ action }) => action === 'failed') ?? status?.recipients[0]
  const isWorded = kind === 'dsn' && (group?.finalRecipient ?? null) === null
  const worded = isWorded ? recipientsInWords(seen) : []
  return {
    reportingMta: status?.reportingMta ?? null,
    finalRecipient: group?.finalRecipient ?? worded[0]?.address ?? null,
    originalRecipient: group?.originalRecipient ?? null,
    action: group?.action ?? (isWorded ? actionInWords(seen) : null),
    status: group?.status ?? worded[0]?.status ?? null,
    remoteMta: group?.remoteMta ?? null,
    diagnosticCode: group?.diagnosticCode ?? worded[0]?.diagnostic ?? null,
    receivedFromMta: status?.receivedFromMta ?? null,
    arrivalDate: status?.arrivalDate ?? null,
    recipients: isWorded ? worded.length : (status?.recipients.length ?? 0),
  }
}

/** The recipients in Exim's field and in the words; those that are not marked as failed count only if no other is. */
function recipientsInWords({ message, recipients }: Seen): readonly Partial<FailedRecipient>[] {
  const marked = recipients.filter(({ isMarked }) => isMarked)
  const [first, ...rest] = marked.length > 0 ? marked : recipients.slice(0, 1)
  const address = firstValue(message.header, 'x-failed-recipients')?.split(',', 1)[0]?.trim()
  if (first === undefined && !address) return []
  return [{ ...first, ...(address && { address }) }, ...rest]
}

function actionInWords(seen: Seen): DsnAction {
  const isFailure = seen.subject.folded.includes('fail')
  if (seen.saysDelay && !isFailure) return 'delayed'
  return seen.saysSuccess && !isFailure ? 'delivered' : 'failed'
}
