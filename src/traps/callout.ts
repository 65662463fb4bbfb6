// A mail transaction that its client gives up before DATA → evidence of a sender callout, or none. A host makes a
// callout when it gets mail with a forged sender: it asks us whether that sender's address exists. Each transaction is judged
// alone, since one connection may carry callouts and bounces. Pure.
//
// Postfix uses double-bounce@ both to check a sender (reject_unverified_sender) and to check a recipient
// (reject_unverified_recipient). We cannot tell the two apart, so such a transaction proves nothing.
import { createHash } from 'node:crypto'
import type { Evidence, EvidenceDetails } from '../classify/evidence.ts'
import { trapMailbox } from '../classify/recipient.ts'
import { type Address, formatAddress } from '../ip/address.ts'

/**
 * A transaction: MAIL and RCPT, then RSET, QUIT or another MAIL, or the client's connection is lost. Once DATA has begun it is no
 * callout, however it ends.
 */
export interface Probe {
  /** The host that asks. It is known for certain and is not one of ours. */
  readonly client: Address
  /** '' is the null sender. */
  readonly reversePath: string
  /** Trap addresses, whose RCPT was accepted. `refused` are the other addresses. */
  readonly accepted: readonly string[]
  readonly refused: readonly string[]
  /** The connection was lost before the client ended the transaction. So it may have been the beginning of a message. */
  readonly isLost: boolean
  /** Epoch seconds. */
  readonly at: number
  readonly details: EvidenceDetails
}

/** A client that tries more addresses in one transaction collects addresses; it does not check a sender. */
const maxRecipients = 3
const daySeconds = 86_400
/** Exim's callout_random_local_part: `$primary_hostname-$tod_epoch-testing`. */
const eximRandom = /^(.+)-\d{9,11}-testing@/

/** Returns one piece of evidence for each trap that was asked about; none if the transaction is no callout. Never throws. */
export function calloutEvidence(probe: Probe): Evidence[] {
  const { client, accepted, refused, isLost, at, details } = probe
  const rule = calloutRule(probe)
  if (rule === null || accepted.length + refused.length > maxRecipients) return []
  return [...new Set(accepted.map(probedAddress))].map((recipient) => {
    // A host may ask for the same address all day. All its callouts of one day count as one.
    const day = Math.floor(at / daySeconds)
    const named = ['callout', formatAddress(client), recipient, day]
    const returned = digestOf(named)
    return {
      client,
      recipient,
      kind: 'callout',
      certainty: isLost ? 'likely' : 'certain',
      rule,
      // A transaction whose connection was lost must not take the place of one that the client ended.
      content: isLost ? digestOf([...named, 'lost']) : returned,
      returned,
      seenAt: at,
      source: 'smtp',
      details,
    }
  })
}

function digestOf(values: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('hex')
}

/** The name of the first rule that fits, surest rule first; null if none does. */
function calloutRule({ reversePath, accepted, refused }: Probe): string | null {
  if ([...accepted, ...refused].some((recipient) => eximRandom.test(recipient))) {
    return 'callout-random-recipient'
  }
  return reversePath === '' ? 'callout-null-sender' : null
}

/** The trap's mailbox, without BATV tag and in lower case. The time in Exim's random address is taken out. */
function probedAddress(recipient: string): string {
  return trapMailbox(recipient).replace(eximRandom, '$1-testing@')
}
