// What one trapped message proves: who handed it over, to which trap, and what kind of backscatter it was.
// Made by bounce/, kept by store/, judged by blocklist/policy.
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
  /** The host that handed the message over; null when that cannot be known: kept, but nobody is listed. */
  readonly client: Address | null
  /** The trap address it was sent to, its domain in lower case. */
  readonly recipient: string
  /** null: not recognised as backscatter. */
  readonly kind: BackscatterKind | null
  /** The recogniser's rule that decided. */
  readonly rule: string
  /** Hex SHA-256 of the message without what the delivery added. */
  readonly content: string
  /** Hex digest that tells returned messages apart; equal to `content` where nothing is returned. */
  readonly returned: string
  /** Epoch seconds. */
  readonly seenAt: number
  /** 'smtp', or the name of the mailbox. */
  readonly source: string
  readonly details: EvidenceDetails
  /** Why the returned message really came from the trap's domain: then the bounce is rightly ours. */
  readonly genuine?: string
  /**
   * Whom the message itself names. It is looked at when the message is recorded, and not kept. Absent where the way to
   * the trap needs no such proof: a callout, and a mailbox whose every message was for a trap.
   */
  readonly addressed?: Addressed
  /** A delivery report that says of nobody that he was not reached, or not yet: anyone can order one. */
  readonly reportsSuccess?: true
}

/** Addresses as they are written, at most `maxAddresses` (address-list.ts) each. */
export interface Addressed {
  /** In its To fields. */
  readonly to: readonly string[]
  /** In From, Sender and Return-Path of what it returns. */
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
  /** It was in a mailbox whose every message was for a trap. */
  readonly allTraps?: boolean
}

/**
 * One piece of evidence for each delivery of a message. `believed` are the Received fields that our own hosts wrote.
 * Never throws; costs one pass over the message.
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
    // What a list handed on came from the list's host, who bounced nothing.
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

/** Whether a delivery report has recipients, and none of them failed or is delayed (RFC 3464 §2.3.3, RFC 3463 §2). */
function reportsSuccess(message: Message, { kind, dsn }: Classification): boolean {
  if (kind !== 'dsn' || dsn === null || isTrouble(dsn)) return false
  return !deliveryStatusOf(message)?.recipients.some(isTrouble)
}

function isTrouble({ action, status }: Pick<Dsn, 'action' | 'status'>): boolean {
  return action === null ? !status?.startsWith('2.') : action === 'failed' || action === 'delayed'
}

/** What a delivery adds to the header; the same message has it or not, depending on where it was read. */
const deliveryFields = new Set(['return-path', 'delivered-to', 'x-original-to', 'envelope-to'])

/** Hex SHA-256 over the message with CRLF line ends, without what its delivery added. */
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
 * Hex SHA-256 that tells returned messages apart: by the fields their sender wrote, and by all that came back where
 * those are too few to tell. null when nothing is returned.
 */
export function returnedDigest(message: Message, { returned }: Classification): string | null {
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

/** So that no copy of a whole message waits to be collected. */
const pieceBytes = 64 * 1024

/** Each LF without a CR before it counts as CRLF. */
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
