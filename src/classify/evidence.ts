// What one message to a trap proves: which host sent it, to which trap, and what kind of backscatter it is.
import { createHash, type Hash } from 'node:crypto'
import type { Address } from '../ip/address.ts'
import { addressesNamed } from '../mail/addresses.ts'
import { allValues, firstValue, type HeaderField } from '../mail/header.ts'
import type { Message } from '../mail/message.ts'
import { parseReceivedField } from '../mail/received-field.ts'
import type { Classification, Dsn } from './classify.ts'
import { boundedDetails, type EvidenceDetails } from './evidence-details.ts'
import type { BackscatterKind, Certainty } from './kinds.ts'
import { canonicalRecipient } from './recipient.ts'
import { deliveryFields } from './seen.ts'

export type { EvidenceDetails } from './evidence-details.ts'

export interface Evidence {
  /** The host that sent the message to us; null if unknown. Then the evidence is kept, but nobody is listed. */
  readonly client: Address | null
  /** The trap address that it was sent to, with its domain in lower case. */
  readonly recipient: string
  /** null if the message is not backscatter. */
  readonly kind: BackscatterKind | null
  /** null if and only if `kind` is. */
  readonly certainty: Certainty | null
  /** Name of the classifier's rule that decided. */
  readonly rule: string
  /** SHA-256 in hex of the message without the fields that its delivery added. */
  readonly content: string
  /** Digest in hex that identifies the returned message; equal to `content` if none is returned. */
  readonly returned: string
  /** Epoch seconds. */
  readonly seenAt: number
  /** 'smtp', 'ingest', `collector:NAME`, or the name of the mailbox. */
  readonly source: string
  readonly details: EvidenceDetails
  /** Why the returned message really came from the trap's domain, so that the bounce was justified. */
  readonly genuine?: string
  /**
   * The addresses that the message itself names, which must fit the trap. Used while the message is recorded; not stored. Absent
   * where that is not checked: for a callout, and for a mailbox in which every message is for a trap.
   */
  readonly addressed?: Addressed
  /** The delivery report says that no recipient failed or is delayed. Anyone can order such a report. */
  readonly reportsSuccess?: true
}

/** What the rooms that receive mail need of the blocklist. */
export interface TrapList {
  /** Whether an address is a spam trap now; its domain must be in lower case. */
  isTrap(address: string): boolean
  /** Judges evidence and stores it. Resolves after the commit, with one decision for each piece, in order. */
  record(evidence: readonly Evidence[]): Promise<readonly Recorded[]>
}

/** What the room that asks DNS needs of the blocklist. */
export interface HostList {
  /**
   * What to ask before this evidence of one message is recorded: it would list the host that sent it, and nothing current is
   * known of the host. Else undefined. A message that lists nobody leads to no question, since the questions would tell the
   * owner of the host's reverse zone that the recipient is a trap.
   */
  questionsBefore(evidence: readonly Evidence[]): HostQuestions | undefined
  /** What to ask now about hosts of listings, the most urgent first: at most `limit`. A later call goes on behind them. */
  questionsDue(limit: number): HostQuestions[]
  /** Keeps the answers, and shows or hides the host's listing accordingly. Resolves after the commit. */
  learnHost(asked: HostQuestions, facts: HostFacts): Promise<void>
}

/** What to ask DNS about a host. */
export interface HostQuestions {
  readonly host: Address
  /** Whether to ask for its name and the pool that the name belongs to. */
  readonly pools: boolean
  /** Zones of DNS whitelists. */
  readonly whitelists: readonly string[]
}

/** What DNS says of a host. */
export interface HostFacts {
  /** Its verified name; null if it has none or the name was not asked for. */
  readonly name: string | null
  /** The provider to whose shared outbound pool that name belongs. */
  readonly pool: string | null
  /** The first of the whitelists that has it. */
  readonly whitelist: string | null
}

export interface Recorded {
  readonly decision: string
  /** The reason. If `told` is there, this is only for the operator, since it repeats an address of the message. */
  readonly why?: string
  /** The reason for others. If it is missing, `why` is for them too. */
  readonly told?: string
}

/** Addresses as they are written, at most `maxAddresses` (mail/addresses.ts) in each list. */
interface Addressed {
  /** In the message's To fields. */
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
  /** The message was found in a mailbox in which every message counts as sent to a trap. */
  readonly allTraps?: boolean
}

/**
 * Returns one piece of evidence for each delivery of a message. `believed` are the Received fields that our own hosts wrote.
 * Reads the message once; never throws.
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
    returnedAuthors:
      classification.returned === null || message.returned === null
        ? []
        : addressesNamed(message.returned.header, 'from', 'sender', 'return-path'),
  }
  const isSuccess = reportsSuccess(message, classification)
  return deliveries.map((delivery) => ({
    // If a list passed the message on, the client is the list's host, which did not bounce anything.
    client: classification.viaList ? null : delivery.client,
    recipient: canonicalRecipient(delivery.recipient),
    kind: classification.kind,
    certainty: classification.certainty,
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
  return !message.deliveryStatus?.recipients.some(isTrouble)
}

function isTrouble({ action, status }: Pick<Dsn, 'action' | 'status'>): boolean {
  return action === null ? !status?.startsWith('2.') : action === 'failed' || action === 'delayed'
}

/** Fields that a delivery adds. The same message may have them or not, depending on where it was read. */
const addedFields = new Set(['return-path', ...deliveryFields])

/** SHA-256 in hex of the message with CRLF line ends and without the fields that its delivery added. */
export function contentDigest(message: Message, believed: readonly HeaderField[]): string {
  const { raw, header } = message
  const dropped = new Set(believed.map(({ start }) => start))
  const hash = createHash('sha256')
  let position = header.start
  for (const { name, start, end } of header.fields) {
    if (!addedFields.has(name) && !dropped.has(start)) continue
    updateWithCrlf(hash, raw.subarray(position, start))
    position = end
  }
  updateWithCrlf(hash, raw.subarray(position))
  return hash.digest('hex')
}

/**
 * SHA-256 in hex that identifies a returned message; null if none is returned. It covers the fields that the sender wrote or, if
 * those are too few, everything that was returned.
 */
function returnedDigest(message: Message, { returned }: Classification): string | null {
  if (returned === null) return null
  const { messageId, from, to, date, subject } = returned
  const hash = createHash('sha256').update(JSON.stringify([messageId, from, to, date, subject]))
  if (messageId === null && date === null) {
    updateWithCrlf(hash, message.returned?.content ?? new Uint8Array())
  }
  return hash.digest('hex')
}

function detailsOf(
  message: Message,
  { dsn, facts, generator, returned }: Classification,
  delivery: Delivery,
): EvidenceDetails {
  return boundedDetails({
    ...delivery,
    ...dsn,
    subject: message.subject || null,
    messageId: firstValue(message.header, 'message-id'),
    queueId: queueIdOf(message),
    facts: facts.join(' ') || null,
    generator,
    returnedMessageId: returned?.messageId,
  })
}

/** Each host puts its Received field on top (RFC 5321 §4.4), so the sending host's own is the last one. */
function queueIdOf({ header }: Message): string | null {
  const first = allValues(header, 'received').at(-1)
  return first === undefined ? null : parseReceivedField(first).id
}

const CR = 0x0d

/** Hashes a message in pieces of this size, so that it is not copied as a whole. */
const pieceBytes = 64 * 1024

/** Adds octets to the hash, with each lone LF as CRLF. */
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
