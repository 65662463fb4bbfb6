// A query's octets → the response's octets: the whole of answering, top to bottom, without I/O, exceptions or
// allocation. nameserver/ calls it for every packet, between tree.enter() and tree.leave().
import type { TreeReader } from '../tree/reader.ts'
import { type ChaosOptions, chaosNames, findChaosName } from './chaos.ts'
import type { Cookies } from './cookies.ts'
import { extendedErrors } from './edns.ts'
import { EntryName, ipv4Labels, ipv6Labels, parseEntryName } from './entry-name.ts'
import { readUsualQuery } from './fast-path.ts'
import { equalsAt } from './name.ts'
import { parseQuery, Query } from './query.ts'
import type { QueriesAhead } from './query-batch.ts'
import { Exchange, outcomes } from './query-context.ts'
import { ResponseWriter } from './response.ts'
import {
  classes,
  flags,
  headerLength,
  maxMessageLength,
  type Octets,
  opcodes,
  rcodes,
  types,
} from './wire.ts'
import {
  type OwnName,
  prepareZone,
  type ReadyRrset,
  readyCodes,
  readyStatus,
  rrsetAt,
  type ZoneData,
} from './zone.ts'

/** What answering asks of the tree. */
export type EntryReader = Pick<
  TreeReader,
  | 'find'
  | 'matchedLength'
  | 'hasEntryUnder'
  | 'answerCodes'
  | 'serial'
  | 'generatedAt'
  | 'validUntil'
  | 'ipv4Entries'
  | 'ipv6Entries'
>

export type Transport = 'udp' | 'tcp'

export interface ResponderOptions extends ChaosOptions {
  /** Largest UDP response in octets, and the payload size that our OPT records offer; at least 512. */
  readonly udpPayload: number
  /** What a query that asks for NSID is told (RFC 5001), at most `maxNsidLength` octets; empty or none: nothing. */
  readonly nsid?: Uint8Array
}

/** Longest NSID: with the longest question and a cookie it still fits 512 octets. */
export const maxNsidLength = 128

/** What may be done with a client's query. */
export const access = { allow: 0, refuse: 1, drop: 2 } as const
export type Access = (typeof access)[keyof typeof access]

/** What a rate limit makes of a response: sent, cut so that the client asks again over TCP or with its cookie, or not sent. */
export const limits = { pass: 0, slip: 1, drop: 2 } as const
export type Limit = (typeof limits)[keyof typeof limits]

/** Responses are limited by class, so that errors provoked in a client's name leave it its answers. */
export const responseClasses = { data: 0, negative: 1, error: 2 } as const
export type ResponseClass = (typeof responseClasses)[keyof typeof responseClasses]

/** What stands around answering; each is optional and costs nothing when it is not there. */
export interface Guards {
  /** Who asks, before each call; what became of it, after it. */
  readonly exchange?: Exchange
  /** Queries that have been read already, of the same origin. */
  readonly ahead?: QueriesAhead
  /** None: COOKIE options are not known to us. */
  readonly cookies?: Cookies
  /** Before anything is read of the query. */
  accessOf?(client: Exchange): Access
  /** For UDP responses to clients that have not proved their address. */
  limit?(client: Exchange, responseClass: ResponseClass): Limit
  /** Why the zone cannot be answered from now: the extended error that goes with SERVFAIL, or `none`. */
  readonly zoneState?: { readonly fault: number }
}

/** Without a cookie or TCP no response is so many times larger than its query: what an address forged by others draws. */
export const maxAmplification = 10

/**
 * Puts the response to the first `queryLength` octets of `query` into `response` and answers its length; 0: send
 * nothing. `response` has room for 512 octets at least, and no more than it has room for is ever put; it may
 * be `query` itself, and then the question is left where it stands. Never throws.
 */
export type Responder = (
  query: Octets,
  queryLength: number,
  response: Octets,
  transport: Transport,
) => number

/** Prepares the zone and answers the function that answers. One for each thread: it has scratch space of its own. */
export function createResponder(
  zone: ZoneData,
  tree: EntryReader,
  options: ResponderOptions,
  guards: Guards = {},
): Responder {
  const { udpPayload, nsid = new Uint8Array() } = options
  const { exchange = new Exchange(), ahead, cookies, accessOf, limit: limitOf } = guards
  const { zoneState = sound } = guards
  const prepared = prepareZone(zone)
  const chaos = chaosNames(options)
  const codeSets = new Map<number, ReadyRrset>()
  const askedNow = new Query()
  const entryNow = new EntryName()
  let asked = askedNow
  let entry = entryNow
  const reply = new ResponseWriter(nsid, cookies?.reply ?? new Uint8Array())
  let originAt = 0
  let shownVersion = -1
  let lastCodes = 0
  let lastSet = readyCodes(0, zone.ttl)

  return function respond(query, queryLength, response, transport) {
    exchange.type = 0
    exchange.rcode = 0
    exchange.codes = 0
    exchange.outcome = outcomes.dropped
    // A response is no query; without a header there is nobody to answer (RFC 1035 §4.1.1).
    if (queryLength < headerLength || (query[2]! & flags.QR) !== 0) return 0
    const permission = accessOf === undefined ? access.allow : accessOf(exchange)
    if (permission === access.drop) return 0
    let family: number
    if (ahead !== undefined && ahead.place >= 0) {
      asked = ahead.queries[ahead.place]!
      entry = ahead.entries[ahead.place]!
      family = ahead.families[ahead.place]!
    } else {
      asked = askedNow
      entry = entryNow
      family = readUsualQuery(query, queryLength, prepared.origin, asked, entry)
    }
    const isWellFormed = family !== 0 || parseQuery(query, queryLength, asked)
    let isProven = transport === 'tcp'
    if (asked.cookieLength > 0) {
      if (cookies === undefined) asked.cookieLength = 0
      else if (cookies.check(query, asked.cookieAt, asked.cookieLength, exchange)) isProven = true
    }
    let limit = maxMessageLength
    if (transport === 'udp') {
      limit = Math.min(asked.udpPayload, udpPayload)
      if (!isProven) limit = Math.min(limit, queryLength * maxAmplification)
    }
    reply.start(response, asked, Math.min(limit, response.length))
    const opcode = (query[2]! & flags.opcode) >>> 3
    let rcode: number
    exchange.type = asked.questionEnd > headerLength ? asked.type : 0
    exchange.outcome = outcomes.refused
    if (permission === access.refuse) {
      reply.setExtendedError(extendedErrors.prohibited)
      rcode = rcodes.REFUSED
    }
    // Nobody may notify or update us (RFC 1996 §3.10, RFC 2136 §3.3); other opcodes we do not know.
    else if (opcode === opcodes.NOTIFY || opcode === opcodes.UPDATE) rcode = rcodes.REFUSED
    else if (opcode !== opcodes.QUERY) rcode = rcodes.NOTIMP
    else if (!isWellFormed) rcode = rcodes.FORMERR
    // RFC 6891 §6.1.3: a version above ours comes before anything that is asked.
    else if (asked.ednsVersion > 0) rcode = rcodes.BADVERS
    else if (family !== 0) rcode = answerInZone(query, family, 0)
    else if (asked.questionEnd === headerLength) rcode = answerCookieOnly()
    else if (asked.class === classes.IN || asked.class === classes.ANY) rcode = answer(query)
    else if (asked.class === classes.CH) rcode = answerChaos(query)
    else rcode = rcodes.REFUSED
    exchange.rcode = rcode
    if (isFault(rcode)) exchange.outcome = outcomes.malformed
    if (limitOf !== undefined && !isProven) {
      const verdict = limitOf(exchange, classOf(rcode))
      if (verdict !== limits.pass) {
        exchange.outcome = outcomes.limited
        if (verdict === limits.drop) return 0
        exchange.outcome = outcomes.slipped
        // RFC 7873 §5.2.3: who speaks cookies can prove itself with the one it gets; others come back over TCP.
        const isCookieBad = asked.cookieLength > 0
        if (isCookieBad) rcode = rcodes.BADCOOKIE
        exchange.rcode = rcode
        reply.clear(asked, !isCookieBad)
      }
    }
    return reply.finish(query, asked, udpPayload, rcode)
  }

  /** No question, but a cookie: the client fetches one (RFC 7873 §5.4). */
  function answerCookieOnly(): number {
    exchange.outcome = outcomes.own
    return cookies === undefined ? rcodes.FORMERR : rcodes.NOERROR
  }

  /** A well-formed question of class IN or ANY (RFC 1034 §4.3.2). Answers the rcode, as all below do. */
  function answer(query: Octets): number {
    const { labels, labelCount } = asked
    const below = labelCount - prepared.originLabels
    const originAt = asked.questionEnd - 4 - prepared.origin.name.length
    if (below < 0 || labels[below] !== originAt || !equalsAt(query, originAt, prepared.origin)) {
      reply.setExtendedError(extendedErrors.notAuthoritative)
      return rcodes.REFUSED
    }
    return answerInZone(query, 0, below)
  }

  /**
   * A question of class IN or ANY for a name with `below` labels under the origin; or for the address in `entry`, when
   * it is known to be of a `family`.
   */
  function answerInZone(query: Octets, family: number, below: number): number {
    originAt = asked.questionEnd - 4 - prepared.origin.name.length
    // Transfers are not offered (RFC 5936 §2.2.1).
    if (asked.type === types.AXFR || asked.type === types.IXFR) {
      reply.setExtendedError(extendedErrors.prohibited)
      return rcodes.REFUSED
    }
    if (zoneState.fault !== extendedErrors.none) {
      exchange.outcome = outcomes.failed
      reply.setExtendedError(zoneState.fault)
      return rcodes.SERVFAIL
    }
    // A response to class ANY cannot vouch for every class (RFC 1035 §6.2).
    if (asked.class === classes.IN) reply.setAuthoritative()
    if (family === 4) return answerIPv4()
    if (family === 6) return answerIPv6()
    if (below > 0) {
      parseEntryName(query, asked.labels, below, entry)
      if (entry.isIPv4 && below === ipv4Labels) return answerIPv4()
      if (entry.isIPv6 && below === ipv6Labels) return answerIPv6()
    }
    const name = findOwnName(query)
    return name === undefined ? answerAbsent(below) : answerOwnName(name)
  }

  function answerIPv4(): number {
    const found = zone.retired ? -1 : tree.find(4, entry.ipv4, 0, 0, 0)
    if (found < 0) return answerAbsent(ipv4Labels)
    if (asked.type !== types.TXT) return answerListed(found)
    tellListed(found)
    reply.putReason(prepared.reason, zone.ttl, tree.matchedLength, 4, entry.ipv4, 0, 0, 0)
    return rcodes.NOERROR
  }

  function answerIPv6(): number {
    const { ipv6 } = entry
    const w0 = ipv6[0]!
    const w1 = ipv6[1]!
    const w2 = ipv6[2]!
    const w3 = ipv6[3]!
    const found = zone.retired ? -1 : tree.find(6, w0, w1, w2, w3)
    if (found < 0) return putNegative(rcodes.NXDOMAIN)
    if (asked.type !== types.TXT) return answerListed(found)
    tellListed(found)
    reply.putReason(prepared.reason, zone.ttl, tree.matchedLength, 6, w0, w1, w2, w3)
    return rcodes.NOERROR
  }

  /** A listed name and any type but TXT: its A records (RFC 5782 §2.1), or NODATA. */
  function answerListed(found: number): number {
    // RFC 8482 §4.1: one RRset is answer enough to ANY.
    if (asked.type !== types.A && asked.type !== types.ANY) return putNegative(rcodes.NOERROR)
    reply.putRrset(setOf(tellListed(found)), 0)
    return rcodes.NOERROR
  }

  /** Few different sets of codes are ever in use, and mostly the same one: each is rendered once. */
  function setOf(codes: number): ReadyRrset {
    if (codes === lastCodes) return lastSet
    lastCodes = codes
    lastSet = codeSets.get(codes) ?? readyCodes(codes, zone.ttl)
    codeSets.set(codes, lastSet)
    return lastSet
  }

  function tellListed(found: number): number {
    exchange.outcome = outcomes.listed
    exchange.codes = tree.answerCodes(found)
    return exchange.codes
  }

  /**
   * A name without records. When it spells the leading part of an address, of either family, and something is
   * listed under it, it is an empty non-terminal: NXDOMAIN would deny all that is below (RFC 8020 §2).
   */
  function answerAbsent(below: number): number {
    const { ipv4, ipv6 } = entry
    const hasBelow =
      !zone.retired &&
      ((entry.isIPv4 && below < ipv4Labels && tree.hasEntryUnder(4, ipv4, 0, 0, 0, below * 8)) ||
        (entry.isIPv6 && tree.hasEntryUnder(6, ipv6[0]!, ipv6[1]!, ipv6[2]!, ipv6[3]!, below * 4)))
    return putNegative(hasBelow ? rcodes.NOERROR : rcodes.NXDOMAIN)
  }

  function findOwnName(query: Octets): OwnName | undefined {
    const names = prepared.namesByLength[asked.questionEnd - 4 - headerLength]
    if (names === undefined) return undefined
    for (let index = 0; index < names.length; index++) {
      if (equalsAt(query, headerLength, names[index]!.folded)) return names[index]
    }
    return undefined
  }

  /** A name the configuration gave records to, or an empty non-terminal above one (RFC 4592 §2.2.2). */
  function answerOwnName(name: OwnName): number {
    const rrset = rrsetAt(name, asked.type)
    if (rrset === undefined) return putNegative(rcodes.NOERROR)
    if (rrset === prepared.status && shownVersion !== tree.serial) {
      const { words, length } = readyStatus(tree, zone.ttl)
      prepared.status.words = words
      prepared.status.length = length
      shownVersion = tree.serial
    }
    exchange.outcome = outcomes.own
    reply.putRrset(rrset, tree.serial)
    return rcodes.NOERROR
  }

  function putNegative(rcode: number): number {
    exchange.outcome = rcode === rcodes.NXDOMAIN ? outcomes.notListed : outcomes.noData
    reply.putNegativeSoa(prepared, originAt, tree.serial)
    return rcode
  }

  function answerChaos(query: Octets): number {
    const rrset =
      asked.type === types.TXT || asked.type === types.ANY
        ? findChaosName(chaos, query, asked.questionEnd - 4 - headerLength)
        : undefined
    if (rrset === undefined) return rcodes.REFUSED
    exchange.outcome = outcomes.own
    reply.setAuthoritative()
    reply.putRrset(rrset, 0)
    return rcodes.NOERROR
  }

  function classOf(rcode: number): ResponseClass {
    if (rcode !== rcodes.NOERROR && rcode !== rcodes.NXDOMAIN) return responseClasses.error
    const { outcome } = exchange
    return outcome === outcomes.notListed || outcome === outcomes.noData
      ? responseClasses.negative
      : responseClasses.data
  }
}

/** The query's own fault. */
function isFault(rcode: number): boolean {
  return rcode === rcodes.FORMERR || rcode === rcodes.NOTIMP || rcode === rcodes.BADVERS
}

const sound = { fault: extendedErrors.none }
