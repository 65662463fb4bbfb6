// The facts about a message that evidence keeps, and the greatest length of each.

/** Facts about the message that an operator may want to see. `longest` has the greatest length of each. */
export interface EvidenceDetails {
  readonly helo?: string
  readonly reversePath?: string
  /** Protocol and cipher of the SMTP session. */
  readonly tls?: string
  /** All recipients of the same transaction, if there were several. */
  readonly recipientsTried?: string
  readonly notes?: string
  readonly subject?: string
  readonly messageId?: string
  /** The names of the facts that decided, with blanks between them. */
  readonly facts?: string
  readonly generator?: string
  readonly reportingMta?: string
  readonly finalRecipient?: string
  readonly action?: string
  readonly status?: string
  readonly diagnosticCode?: string
  readonly returnedMessageId?: string
  /** SPF result for the returned message: a result name of RFC 8601, or 'unknown'. `dkim` may also be 'other'. */
  readonly spf?: string
  readonly dkim?: string
  /** DMARC policy: 'none', 'quarantine', 'reject', or 'absent' if the forged domain publishes none. */
  readonly dmarcPolicy?: string
  /** Address of the host that sent the returned message to the bouncing host, using the trap's domain. */
  readonly returnedOrigin?: string
}

/** In characters. A domain name has at most 253 octets, an address 320 (RFC 5321 §4.5.3.1). */
const longest: Readonly<Record<keyof EvidenceDetails, number>> = {
  helo: 255,
  reversePath: 320,
  tls: 100,
  recipientsTried: 1000,
  notes: 200,
  subject: 200,
  messageId: 250,
  facts: 500,
  generator: 50,
  reportingMta: 255,
  finalRecipient: 320,
  action: 20,
  status: 20,
  diagnosticCode: 500,
  returnedMessageId: 250,
  spf: 20,
  dkim: 20,
  dmarcPolicy: 20,
  returnedOrigin: 45,
}
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
