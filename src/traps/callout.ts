// A mail transaction that its client gives up before the message → evidence of a sender callout: a host that asks whether
// an address exists, since somebody forged it. Judged by transaction, since one connection may carry callouts and
// bounces. Pure.
//
// Postfix asks from double-bounce@ whether a sender exists (reject_unverified_sender), and whether a recipient does
// (reject_unverified_recipient). Nothing tells the two apart: such a probe proves nothing.
import { createHash } from 'node:crypto'
import type { Evidence, EvidenceDetails } from '../bounce/evidence.ts'
import { trapMailbox } from '../bounce/recipient.ts'
import { type Address, formatAddress } from '../ip/address.ts'

/** MAIL and RCPT, then RSET, QUIT or another MAIL. A message that is begun is no callout, whatever becomes of it. */
export interface Probe {
  /** Known for certain, and no host of ours. */
  readonly client: Address
  /** '' is the null sender. */
  readonly reversePath: string
  /** Trap addresses that were accepted, and others that were not. */
  readonly accepted: readonly string[]
  readonly refused: readonly string[]
  /** Epoch seconds. */
  readonly at: number
  readonly details: EvidenceDetails
}

/** Who tries more addresses at once gathers them, and checks no sender. */
const maxRecipients = 3
const daySeconds = 86_400
/** Exim's callout_random_local_part: `$primary_hostname-$tod_epoch-testing`. */
const eximRandom = /^(.+)-\d{9,11}-testing@/

/** One piece of evidence for each trap that was probed; none when the transaction is no callout. Never throws. */
export function calloutEvidence(probe: Probe): Evidence[] {
  const { client, accepted, refused, at, details } = probe
  const rule = calloutRule(probe)
  if (rule === null || accepted.length + refused.length > maxRecipients) return []
  return [...new Set(accepted.map(probedAddress))].map((recipient) => {
    // The same host asks again for the same address all day long; that is one callout, in every count.
    const day = Math.floor(at / daySeconds)
    const content = createHash('sha256')
      .update(JSON.stringify(['callout', formatAddress(client), recipient, day]))
      .digest('hex')
    return {
      client,
      recipient,
      kind: 'callout',
      rule,
      content,
      returned: content,
      seenAt: at,
      source: 'smtp',
      details,
    }
  })
}

/** The rules, surest first. */
function calloutRule({ reversePath, accepted, refused }: Probe): string | null {
  if ([...accepted, ...refused].some((recipient) => eximRandom.test(recipient))) {
    return 'callout-random-recipient'
  }
  return reversePath === '' ? 'callout-null-sender' : null
}

/**
 * The mailbox that is probed, however it is spelled. Exim's random address differs each second, though what it probes is the
 * same: the address without its clock.
 */
function probedAddress(recipient: string): string {
  return trapMailbox(recipient).replace(eximRandom, '$1-testing@')
}
