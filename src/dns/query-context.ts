// The client of a query, and what became of the query. The transport fills in the client, and the responder the rest. Each thread
// has one object and uses it again for every query.

/** What became of a query. Counters are stored in this order. */
export const outcomes = {
  /** The A or TXT record of a listed address was sent. */
  listed: 0,
  /** The name does not exist, whether it spells an address or not. */
  notListed: 1,
  /** The name has no data of that type, or is an empty non-terminal. */
  noData: 2,
  /** The zone's own records, class CH, or only a cookie was sent. */
  own: 3,
  refused: 4,
  /** SERVFAIL: there are no data yet, or they are stale. */
  failed: 5,
  /** FORMERR, NOTIMP or BADVERS. */
  malformed: 6,
  /** Nothing was sent: the packet is not a query, or an access rule drops its client. */
  dropped: 7,
  /** The rate limit suppressed the response. */
  limited: 8,
  /** The rate limit truncated the response or turned it into BADCOOKIE. */
  slipped: 9,
} as const

export type Outcome = (typeof outcomes)[keyof typeof outcomes]

/** Whether a query with this outcome was sent a response. */
export const isSent: Readonly<Record<keyof typeof outcomes, boolean>> = {
  listed: true,
  notListed: true,
  noData: true,
  own: true,
  refused: true,
  failed: true,
  malformed: true,
  dropped: false,
  limited: false,
  slipped: true,
}

export class QueryContext {
  /** The client's address in 32-bit words, signed or not. An IPv4 address is in `w0`, and the other words are 0. */
  family: 4 | 6 = 4
  w0 = 0
  w1 = 0
  w2 = 0
  w3 = 0
  /** The question's type, 0 if there is no question; and the response's rcode, 0 if there is no response. */
  type = 0
  rcode = 0
  outcome: Outcome = outcomes.dropped
  /** Codes of the listed address: bit n stands for 127.0.0.n. 0 if it is not listed. */
  codes = 0
}

/** The part of a QueryContext that holds the client's address. */
export type ClientAddress = Pick<QueryContext, 'family' | 'w0' | 'w1' | 'w2' | 'w3'>
