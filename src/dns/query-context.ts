// One exchange as it looks from outside: the transport says who asks, respond() what became of it. Access rules,
// cookies, rate limits and counters read it. One object a thread, used again for each query.

/** What became of a query. The order is that of the counters. */
export const outcomes = {
  /** A or TXT of an address that is listed. */
  listed: 0,
  /** The name of an address, or of anything else, that does not exist. */
  notListed: 1,
  /** No data of that type, an empty non-terminal among them. */
  noData: 2,
  /** The zone's own records, class CH, and queries that only fetch a cookie. */
  own: 3,
  refused: 4,
  /** SERVFAIL: the zone cannot be answered from now. */
  failed: 5,
  /** FORMERR, NOTIMP or BADVERS. */
  malformed: 6,
  /** No answer was sent: no query, or a client that an access rule drops. */
  dropped: 7,
  /** The rate limit took the answer. */
  limited: 8,
  /** The rate limit let a cut answer through, or BADCOOKIE. */
  slipped: 9,
} as const

export type Outcome = (typeof outcomes)[keyof typeof outcomes]

export class Exchange {
  /** The client's address in 32-bit words, signed or not; IPv4: all of it in `w0`, the others 0. */
  family: 4 | 6 = 4
  w0 = 0
  w1 = 0
  w2 = 0
  w3 = 0
  /** Question and response; `type` and `rcode` are 0 where nothing was answered. */
  type = 0
  rcode = 0
  outcome: Outcome = outcomes.dropped
  /** Of a listed answer: bit n stands for 127.0.0.n; else 0. */
  codes = 0
}
