// What one trapped message proves: who handed it over, to which trap, and what kind of backscatter it was.
// Made by bounce/, kept by store/, judged by blocklist/policy.
import type { Address } from '../ip/address.ts'

/** The kinds of backscatter, in the order of their DNS codes: kind i answers 127.0.0.(3 + i) and is bit i of a mask. */
export const backscatterKinds = [
  'dsn',
  'auto-reply',
  'challenge-response',
  'content-notice',
  'callout',
] as const

export type BackscatterKind = (typeof backscatterKinds)[number]

/** Facts about the message worth showing as evidence; each at most 1,000 characters. */
export interface EvidenceDetails {
  readonly helo?: string
  readonly reversePath?: string
  readonly subject?: string
  readonly messageId?: string
  readonly generator?: string
  readonly reportingMta?: string
  readonly finalRecipient?: string
  readonly action?: string
  readonly status?: string
  readonly diagnosticCode?: string
  readonly returnedMessageId?: string
}

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
}
