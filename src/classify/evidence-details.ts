// The facts about a message that evidence keeps, and the greatest length of each.

/** The greatest length of each, in characters. A domain name has at most 253 octets, an address 320 (RFC 5321 §4.5.3.1). */
const longest = {
  helo: 255,
  reversePath: 320,
  /** Protocol and cipher of the SMTP session. */
  tls: 100,
  /** All recipients of the same transaction, if there were several. */
  recipientsTried: 1000,
  notes: 200,
  subject: 200,
  messageId: 250,
  /** The message's name in the log of the host that wrote its first Received field. */
  queueId: 100,
  /** The names of the facts that decided, with blanks between them. */
  facts: 500,
  generator: 50,
  reportingMta: 255,
  finalRecipient: 320,
  action: 20,
  status: 20,
  diagnosticCode: 500,
  returnedMessageId: 250,
  /** SPF result for the returned message: a result name of RFC 8601, or 'unknown'. `dkim` may also be 'other'. */
  spf: 20,
  dkim: 20,
  /** DMARC policy: 'none', 'quarantine', 'reject', or 'absent' if the forged domain publishes none. */
  dmarcPolicy: 20,
  /** Address of the host that sent the returned message to the bouncing host, using the trap's domain. */
  returnedOrigin: 45,
}

/** Facts about the message that an operator may want to see. */
export type EvidenceDetails = { readonly [Name in keyof typeof longest]?: string }

const fields = Object.entries(longest) as [keyof EvidenceDetails, number][]

/**
 * The details that are present, each made fit for one line of a log or page: no control characters, and cut to its greatest
 * length.
 */
export function boundedDetails(
  given: Readonly<Partial<Record<keyof EvidenceDetails, string | null | undefined>>>,
): EvidenceDetails {
  const details: Partial<Record<keyof EvidenceDetails, string>> = {}
  for (const [name, length] of fields) {
    const text = given[name]
    if (typeof text === 'string') details[name] = printable(text.slice(0, 2 * length), length)
  }
  return details
}

/** Replaces control characters and cuts the text. Drops a lone surrogate that cutting may leave. */
function printable(text: string, length: number): string {
  return text
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .slice(0, length)
    .toWellFormed()
}
