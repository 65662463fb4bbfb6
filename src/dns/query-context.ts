// Who sent a query and what became of it. The transport fills in the client, the responder the rest; access rules, cookies,
// rate limits, counters and the query log read it. Each thread has one object and uses it again for every query.

/** What became of a query. The order is that of the counters. */
export const outcomes = {
  /** A or TXT of an address that is listed. */
  listed: 0,
  /** The name does not exist, whether it is an address or anything else. */
  notListed: 1,
  /** No data of that type, an empty non-terminal among them. */
  noData: 2,
  /** The zone's own records, class CH, and queries that only fetch a cookie. */
  own: 3,
  refused: 4,
  /** SERVFAIL: there are no data yet, or only stale ones. */
  failed: 5,
  /** FORMERR, NOTIMP or BADVERS. */
  malformed: 6,
  /** Nothing was sent: the packet is no query, or an access rule drops its client. */
  dropped: 7,
  /** The rate limit kept the response back. */
  limited: 8,
  /** The rate limit sent a truncated response, or BADCOOKIE. */
  slipped: 9,
} as const

export type Outcome = (typeof outcomes)[keyof typeof outcomes]

export class QueryContext {
  /** The client's address in 32-bit words, signed or not. IPv4 is all in `w0`, and the other words are 0. */
  family: 4 | 6 = 4
  w0 = 0
  w1 = 0
  w2 = 0
  w3 = 0
  /** The question's type and the response's rcode; 0 where there is none. */
  type = 0
  rcode = 0
  outcome: Outcome = outcomes.dropped
  /** Of a listed answer: bit n stands for 127.0.0.n; else 0. */
  codes = 0
}

/** The part of a QueryContext that names the client. */
export type ClientAddress = Pick<QueryContext, 'family' | 'w0' | 'w1' | 'w2' | 'w3'>
