// What is told of a message as evidence: its fields, how long each may be, and the cut to that length.

/** Facts about the message worth showing as evidence; how long each may be says `longest`. */
export interface EvidenceDetails {
  readonly helo?: string
  readonly reversePath?: string
  /** Protocol and cipher of the SMTP session. */
  readonly tls?: string
  /** Other recipients of the same transaction too. */
  readonly recipientsTried?: string
  readonly notes?: string
  readonly subject?: string
  readonly messageId?: string
  readonly generator?: string
  readonly reportingMta?: string
  readonly finalRecipient?: string
  readonly action?: string
  readonly status?: string
  readonly diagnosticCode?: string
  readonly returnedMessageId?: string
  /** What authentication says of the returned message: words of RFC 8601, 'other', 'unknown'. */
  readonly spf?: string
  readonly dkim?: string
  /** 'none', 'quarantine', 'reject'; 'absent': the forged domain publishes none. */
  readonly dmarcPolicy?: string
  /** The address that handed the returned message to the host that bounced it: it forges the trap's domain. */
  readonly returnedOrigin?: string
}

/** Characters. A domain name has 253 octets, an address 320 (RFC 5321 §4.5.3.1). */
const longest: Readonly<Record<keyof EvidenceDetails, number>> = {
  helo: 255,
  reversePath: 320,
  tls: 100,
  recipientsTried: 1000,
  notes: 200,
  subject: 200,
  messageId: 250,
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

/** The fields that are there, each fit for one line of a log or a page: no control characters, and cut to its length. */
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

/** Without half surrogates, which the cut may have left. */
function printable(text: string, length: number): string {
  return text
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .slice(0, length)
    .toWellFormed()
}
