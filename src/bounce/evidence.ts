// What one trapped message proves: which host handed it over, to which trap, and what kind of backscatter it is.
import { createHash, type Hash } from 'node:crypto'
import type { Address } from '../ip/address.ts'
import { addressesNamed } from './address-list.ts'
import { type Classification, type Dsn, deliveryStatusOf } from './classify.ts'
import { boundedDetails, type EvidenceDetails } from './evidence-details.ts'
import { firstValue, type HeaderField } from './header-section.ts'
import type { BackscatterKind } from './kinds.ts'
import type { Message } from './message.ts'
import { canonicalRecipient } from './recipient.ts'
import { returnedAuthors, returnedContent } from './returned.ts'

export type { EvidenceDetails } from './evidence-details.ts'

export interface Evidence {
  /** The host that handed the message over. null if unknown: the evidence is kept, but nobody is listed. */
  readonly client: Address | null
  /** The trap address it was sent to, its domain in lower case. */
  readonly recipient: string
  /** null if the message is no backscatter. */
  readonly kind: BackscatterKind | null
  /** The rule of the classifier that decided. */
  readonly rule: string
  /** Hex SHA-256 of the message without the fields that its delivery added. */
  readonly content: string
  /** Hex digest that identifies the returned message; equal to `content` if nothing is returned. */
  readonly returned: string
  /** Epoch seconds. */
  readonly seenAt: number
  /** 'smtp', or the name of the mailbox. */
  readonly source: string
  readonly details: EvidenceDetails
  /** Why the returned message really came from the trap's domain; the bounce is then justified. */
  readonly genuine?: string
  /**
   * The addresses that the message itself names. Used while the message is recorded, and not stored. Absent where no
   * such proof is needed: for a callout, and for a mailbox in which every message is for a trap.
   */
  readonly addressed?: Addressed
  /** A delivery report in which no recipient failed or is delayed: anyone can order such a report. */
  readonly reportsSuccess?: true
}

/** What the traps need of the list. */
export interface TrapList {
  /** Whether an address, its domain in lower case, is a spam trap now. */
  isTrap(address: string): boolean
  /** Judges evidence and keeps it: one decision for each piece, in order, once all is committed. */
  record(evidence: readonly Evidence[]): Promise<readonly Recorded[]>
}

export interface Recorded {
  readonly decision: string
  /** For the operator alone. */
  readonly why?: string
  /** What anybody else may be told in place of `why`. */
  readonly told?: string
}

/** Addresses as written, at most `maxAddresses` (address-list.ts) in each list. */
interface Addressed {
  /** In its To fields. */
  readonly to: readonly string[]
  /** In From, Sender and Return-Path of the returned message. */
  readonly returnedAuthors: readonly string[]
}

/** How one message reached one trap. */
export interface Delivery {
  readonly client: Address | null
  readonly recipient: string
  readonly seenAt: number
  readonly source: string
  readonly helo?: string
  /** '' is the null sender. */
  readonly reversePath?: string
  readonly tls?: string
  readonly recipientsTried?: string
  readonly notes?: string
  /** It was found in a mailbox in which every message is for a trap. */
  readonly allTraps?: boolean
}

/**
 * One piece of evidence for each delivery of a message. `believed` are the Received fields written by our own hosts.
 * One pass over the message; never throws.
 */
export function evidenceOf(
  message: Message,
  classification: Classification,
  deliveries: readonly Delivery[],
  believed: readonly HeaderField[] = [],
): Evidence[] {
  const content = contentDigest(message, believed)
  const returned = returnedDigest(message, classification) ?? content
  const addressed = {
    to: addressesNamed(message.header, 'to'),
    returnedAuthors: classification.returned === null ? [] : returnedAuthors(message),
  }
  const isSuccess = reportsSuccess(message, classification)
  return deliveries.map((delivery) => ({
    // The host of a list that passed it on did not bounce anything.
    client: classification.viaList ? null : delivery.client,
    recipient: canonicalRecipient(delivery.recipient),
    kind: classification.kind,
    rule: classification.rule,
    content,
    returned,
    seenAt: Math.floor(delivery.seenAt),
    source: delivery.source,
    details: detailsOf(message, classification, delivery),
    ...(delivery.allTraps !== true && { addressed }),
    ...(isSuccess && { reportsSuccess: true }),
  }))
}

/** Whether a delivery report has recipients but none that failed or is delayed (RFC 3464 §2.3.3, RFC 3463 §2). */
function reportsSuccess(message: Message, { kind, dsn }: Classification): boolean {
  if (kind !== 'dsn' || dsn === null || isTrouble(dsn)) return false
  return !deliveryStatusOf(message)?.recipients.some(isTrouble)
}

function isTrouble({ action, status }: Pick<Dsn, 'action' | 'status'>): boolean {
  return action === null ? !status?.startsWith('2.') : action === 'failed' || action === 'delayed'
}

/** Fields that a delivery adds. Whether a message has them depends on where it was read. */
const deliveryFields = new Set(['return-path', 'delivered-to', 'x-original-to', 'envelope-to'])

/** Hex SHA-256 of the message with CRLF line ends and without the fields that its delivery added. */
export function contentDigest(message: Message, believed: readonly HeaderField[]): string {
  const { raw, header } = message
  const dropped = new Set(believed.map(({ start }) => start))
  const hash = createHash('sha256')
  let position = header.start
  for (const { name, start, end } of header.fields) {
    if (!deliveryFields.has(name) && !dropped.has(start)) continue
    updateWithCrlf(hash, raw.subarray(position, start))
    position = end
  }
  updateWithCrlf(hash, raw.subarray(position))
  return hash.digest('hex')
}

/**
 * Hex SHA-256 that identifies a returned message: of the fields its sender wrote, or of everything that came back if
 * those are too few. null if nothing is returned.
 */
function returnedDigest(message: Message, { returned }: Classification): string | null {
  if (returned === null) return null
  const { messageId, from, to, date, subject } = returned
  const hash = createHash('sha256').update(JSON.stringify([messageId, from, to, date, subject]))
  if (messageId === null && date === null) {
    updateWithCrlf(hash, returnedContent(message)?.content ?? new Uint8Array())
  }
  return hash.digest('hex')
}

function detailsOf(
  message: Message,
  { dsn, generator, returned }: Classification,
  { helo, reversePath, tls, recipientsTried, notes }: Delivery,
): EvidenceDetails {
  return boundedDetails({
    helo,
    reversePath,
    tls,
    recipientsTried,
    notes,
    subject: message.subject || null,
    messageId: firstValue(message.header, 'message-id'),
    generator,
    reportingMta: dsn?.reportingMta,
    finalRecipient: dsn?.finalRecipient,
    action: dsn?.action,
    status: dsn?.status,
    diagnosticCode: dsn?.diagnosticCode,
    returnedMessageId: returned?.messageId,
  })
}

const CR = 0x0d

/** Hashes in pieces, so that no copy of a whole message is made. */
const pieceBytes = 64 * 1024

/** An LF without a CR before it counts as CRLF. */
function updateWithCrlf(hash: Hash, octets: Uint8Array): void {
  let begin = 0
  while (begin < octets.length) {
    let end = Math.min(octets.length, begin + pieceBytes)
    while (octets[end - 1] === CR && end < octets.length) end++
    const piece = Buffer.from(octets.buffer, octets.byteOffset + begin, end - begin)
    hash.update(piece.toString('latin1').replaceAll(/\r?\n/g, '\r\n'), 'latin1')
    begin = end
  }
}
