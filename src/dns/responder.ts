// A query's octets → the response's octets, without I/O, exceptions or allocation. The methods are in the order in which an
// answer passes them. Hand-written since DNS libraries build an object for each message.
import { maxBatch } from '../tree/prefetch.ts'
import type { TreeReader } from '../tree/reader.ts'
import { Cookies } from './cookies.ts'
import { extendedErrors } from './edns.ts'
import { EntryName, ipv4Labels, ipv6Labels, parseEntryName } from './entry-name.ts'
import { readUsualQuery } from './fast-path.ts'
import { equalsAt } from './name.ts'
import { parseQuery, Query } from './query.ts'
import { QueryBatch, type ReadQuery } from './query-batch.ts'
import { type ClientAddress, outcomes, QueryContext } from './query-context.ts'
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
  type ChaosOptions,
  chaosNames,
  findName,
  type OwnName,
  type PreparedZone,
  prepareZone,
  type ReadyRrset,
  readyCodes,
  readyStatus,
  rrsetAt,
  type ZoneData,
} from './zone.ts'

export type Transport = 'udp' | 'tcp'

export interface ResponderOptions extends ChaosOptions {
  /** Largest UDP response in octets, and the payload size that our OPT records offer; at least 512. */
  readonly udpPayload: number
  /** The answer to a query that asks for NSID (RFC 5001), at most 128 octets; empty or missing: none. */
  readonly nsid?: Uint8Array
  /** See replaceCookieSecrets. */
  readonly cookieSecrets: SharedArrayBuffer
  /** SERVFAIL instead of data that are past their time. */
  readonly staleServfail?: boolean
}

/** What may be done with a client's query. */
export const access = { allow: 0, refuse: 1, drop: 2 } as const
export type Access = (typeof access)[keyof typeof access]

/** What the rate limit makes of a response: sent, truncated (or BADCOOKIE) so that the client asks again, or not sent. */
export type Limit = 'pass' | 'slip' | 'drop'

/** Each class has a limit of its own, so that errors provoked in a client's name do not use up its answers. */
export const responseClasses = { data: 0, negative: 1, error: 2 } as const
export type ResponseClass = (typeof responseClasses)[keyof typeof responseClasses]

/** Checks around answering; each is optional and costs nothing when it is missing. */
export interface Guards {
  /** Asked before anything of the query is read. */
  accessOf?(client: ClientAddress): Access
  /** Asked for UDP responses to clients that have not proved their address. */
  limit?(client: ClientAddress, responseClass: ResponseClass): Limit
}

/**
 * Without a cookie or TCP, a response is at most this many times as large as its query: somebody may have forged the
 * query to have the response sent to another.
 */
const maxAmplification = 10

/** Answers the queries of one thread. */
export class Responder {
  /** The caller puts the client here before it calls `respond`, which then adds what became of the query. */
  readonly context = new QueryContext()
  readonly #zone: ZoneData
  readonly #prepared: PreparedZone
  readonly #chaos: readonly OwnName[]
  readonly #tree: TreeReader
  readonly #guards: Guards
  readonly #cookies: Cookies
  readonly #udpPayload: number
  readonly #staleServfail: boolean
  readonly #batch: QueryBatch
  /** A query that is not of a batch. */
  readonly #single: ReadQuery = { query: new Query(), entry: new EntryName() }
  /** The query that is being answered. */
  #query = this.#single.query
  #entry = this.#single.entry
  #batchIndex = -1
  readonly #reply: ResponseWriter
  /** Few sets of codes are ever in use; each is rendered once. */
  readonly #codeSets = new Map<number, ReadyRrset>()
  /** Why the zone cannot be answered from now: an extended error, or `none`. */
  #fault: number = extendedErrors.none
  /** Serial of the version that the `_status` record shows. */
  #statusSerial = -1

  constructor(zone: ZoneData, tree: TreeReader, options: ResponderOptions, guards: Guards = {}) {
    this.#zone = zone
    this.#prepared = prepareZone(zone)
    this.#batch = new QueryBatch(maxBatch, this.#prepared.origin)
    this.#chaos = chaosNames(options)
    this.#tree = tree
    this.#guards = guards
    this.#cookies = new Cookies(options.cookieSecrets)
    this.#udpPayload = options.udpPayload
    this.#staleServfail = options.staleServfail ?? false
    this.#reply = new ResponseWriter(options.nsid ?? new Uint8Array(), this.#cookies.reply)
  }

  /**
   * Pins the newest version of the tree, before one or more queries. Both times are epoch seconds: `wallSeconds` is for
   * cookies, `listSeconds` for the freshness of the list.
   */
  enter(wallSeconds: number, listSeconds: number): void {
    const tree = this.#tree
    tree.enter()
    this.#cookies.now = wallSeconds
    if (tree.serial === 0) this.#fault = extendedErrors.notReady
    else if (this.#staleServfail && listSeconds > tree.validUntil) {
      this.#fault = extendedErrors.invalidData
    } else this.#fault = extendedErrors.none
  }

  /** Lets the tree go: before waiting for queries. */
  leave(): void {
    this.#tree.leave()
  }

  /** Reads a query of a batch for `prefetch`; see QueryBatch. Between `enter` and the batch's first answer. */
  preview(query: Octets, queryLength: number, batchIndex: number): void {
    this.#batch.read(query, queryLength, batchIndex)
  }

  /** Brings what the answers to the first `count` queries of the batch need into the processor's cache. */
  prefetch(count: number): void {
    this.#tree.prefetch(this.#batch.words, this.#batch.families, count)
  }

  /**
   * Puts the response to the first `queryLength` octets of `query` into `response` and answers its length; 0: send
   * nothing. `response` has room for at least 512 octets and is never overrun. It may be `query` itself. Never throws.
   * @param batchIndex the query's index in the batch that was prefetched; -1: none
   */
  respond(
    query: Octets,
    queryLength: number,
    response: Octets,
    transport: Transport,
    batchIndex: number = -1,
  ): number {
    const { context } = this
    const read = batchIndex < 0 ? this.#single : this.#batch.queries[batchIndex]!
    const asked = read.query
    this.#query = asked
    this.#entry = read.entry
    const reply = this.#reply
    const { accessOf } = this.#guards
    context.type = 0
    context.rcode = 0
    context.codes = 0
    context.outcome = outcomes.dropped
    // A response is no query; without a header there is nothing to answer (RFC 1035 §4.1.1).
    if (queryLength < headerLength || (query[2]! & flags.QR) !== 0) return 0
    const permission = accessOf === undefined ? access.allow : accessOf(context)
    if (permission === access.drop) return 0
    const family =
      batchIndex < 0
        ? readUsualQuery(query, queryLength, this.#prepared.origin, asked, read.entry)
        : this.#batch.families[batchIndex]!
    this.#batchIndex = family === 0 ? -1 : batchIndex
    const isWellFormed = family !== 0 || parseQuery(query, queryLength, asked)
    const { cookieAt, cookieLength } = asked.edns
    const hasProvenCookie =
      cookieLength > 0 && this.#cookies.check(query, cookieAt, cookieLength, context)
    const isProven = hasProvenCookie || transport === 'tcp'
    let limit = maxMessageLength
    if (transport === 'udp') {
      limit = Math.min(asked.edns.udpPayload, this.#udpPayload)
      if (!isProven) limit = Math.min(limit, queryLength * maxAmplification)
    }
    reply.start(response, asked, Math.min(limit, response.length))
    context.type = asked.questionEnd > headerLength ? asked.type : 0
    context.outcome = outcomes.refused
    context.rcode = this.#answer(query, permission, isWellFormed, family)
    if (isFault(context.rcode)) context.outcome = outcomes.malformed
    if (!isProven && !this.#passesLimit()) return 0
    return reply.finish(query, asked, this.#udpPayload, context.rcode)
  }

  /** Chooses the answer by opcode, form and class, and puts it. Answers the rcode, as all methods named answer… do. */
  #answer(query: Octets, permission: Access, isWellFormed: boolean, family: number): number {
    const asked = this.#query
    if (permission === access.refuse) return this.#refuse(extendedErrors.prohibited)
    const opcode = (query[2]! & flags.opcode) >>> 3
    if (opcode !== opcodes.QUERY) {
      // Nobody may notify or update us (RFC 1996 §3.10, RFC 2136 §3.3).
      const isKnown = opcode === opcodes.NOTIFY || opcode === opcodes.UPDATE
      return isKnown ? rcodes.REFUSED : rcodes.NOTIMP
    }
    if (!isWellFormed) return rcodes.FORMERR
    // RFC 6891 §6.1.3: a version above ours comes before anything that is asked.
    if (asked.edns.version > 0) return rcodes.BADVERS
    if (family !== 0) return this.#answerInZone(query, family, 0)
    if (asked.questionEnd === headerLength) {
      // No question, but a cookie: the client fetches one (RFC 7873 §5.4).
      this.context.outcome = outcomes.own
      return rcodes.NOERROR
    }
    if (asked.class === classes.IN || asked.class === classes.ANY) return this.#answerName(query)
    if (asked.class === classes.CH) return this.#answerChaos(query)
    return rcodes.REFUSED
  }

  /** A well-formed question of class IN or ANY, for any name (RFC 1034 §4.3.2). */
  #answerName(query: Octets): number {
    const { labels, labelCount } = this.#query
    const { origin, originLabels } = this.#prepared
    const below = labelCount - originLabels
    const originAt = this.#originAt()
    if (below < 0 || labels[below] !== originAt || !equalsAt(query, originAt, origin)) {
      return this.#refuse(extendedErrors.notAuthoritative)
    }
    return this.#answerInZone(query, 0, below)
  }

  /**
   * A question of class IN or ANY for a name in the zone. If `family` is 4 or 6, the name is known to be the address in
   * `#entry`; if it is 0, the name has `below` labels under the origin.
   */
  #answerInZone(query: Octets, family: number, below: number): number {
    const asked = this.#query
    const entry = this.#entry
    // Transfers are not offered (RFC 5936 §2.2.1).
    if (asked.type === types.AXFR || asked.type === types.IXFR) {
      return this.#refuse(extendedErrors.prohibited)
    }
    if (this.#fault !== extendedErrors.none) {
      this.context.outcome = outcomes.failed
      this.#reply.setExtendedError(this.#fault)
      return rcodes.SERVFAIL
    }
    // A response to class ANY cannot vouch for every class (RFC 1035 §6.2).
    if (asked.class === classes.IN) this.#reply.setAuthoritative()
    if (family === 4) return this.#answerIPv4()
    if (family === 6) return this.#answerIPv6()
    if (below > 0) {
      parseEntryName(query, asked.labels, below, entry)
      if (entry.isIPv4 && below === ipv4Labels) return this.#answerIPv4()
      if (entry.isIPv6 && below === ipv6Labels) return this.#answerIPv6()
    }
    const name = findName(this.#prepared.names, query, this.#nameLength())
    return name === undefined ? this.#answerAbsent(below) : this.#answerOwnName(name)
  }

  #answerIPv4(): number {
    const { ipv4 } = this.#entry
    const found = this.#zone.retired ? -1 : this.#tree.find(4, ipv4, 0, 0, 0, this.#batchIndex)
    // Four single digits may also be the leading part of an IPv6 address.
    if (found < 0) return this.#answerAbsent(ipv4Labels)
    return this.#answerListed(found, 4, ipv4, 0, 0, 0)
  }

  #answerIPv6(): number {
    const { ipv6 } = this.#entry
    const w0 = ipv6[0]!
    const w1 = ipv6[1]!
    const w2 = ipv6[2]!
    const w3 = ipv6[3]!
    const found = this.#zone.retired ? -1 : this.#tree.find(6, w0, w1, w2, w3, this.#batchIndex)
    if (found < 0) return this.#answerNegative(rcodes.NXDOMAIN)
    return this.#answerListed(found, 6, w0, w1, w2, w3)
  }

  /** A listed address: its A records or its TXT record (RFC 5782 §2.1), else NODATA. */
  #answerListed(
    found: number,
    family: 4 | 6,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
  ): number {
    const { type } = this.#query
    // RFC 8482 §4.1: one RRset is enough of an answer to ANY.
    const wantsCodes = type === types.A || type === types.ANY
    if (!wantsCodes && type !== types.TXT) return this.#answerNegative(rcodes.NOERROR)
    const { ttl } = this.#zone
    const { template } = this.#prepared
    this.context.outcome = outcomes.listed
    this.context.codes = this.#tree.answerCodes(found)
    if (wantsCodes) this.#reply.putRrset(this.#rrsetOf(this.context.codes), 0)
    else this.#reply.putTxt(template, ttl, this.#tree.matchedLength, family, w0, w1, w2, w3)
    return rcodes.NOERROR
  }

  #rrsetOf(codes: number): ReadyRrset {
    const known = this.#codeSets.get(codes)
    if (known !== undefined) return known
    const rrset = readyCodes(codes, this.#zone.ttl)
    this.#codeSets.set(codes, rrset)
    return rrset
  }

  /**
   * A name without records. If it spells the leading part of an address of either family, and something is listed under
   * it, it is an empty non-terminal: NXDOMAIN would deny all that is below (RFC 8020 §2).
   */
  #answerAbsent(below: number): number {
    const { isIPv4, isIPv6, ipv4, ipv6 } = this.#entry
    const tree = this.#tree
    const hasBelow =
      !this.#zone.retired &&
      ((isIPv4 && below < ipv4Labels && tree.hasEntryUnder(4, ipv4, 0, 0, 0, below * 8)) ||
        (isIPv6 && tree.hasEntryUnder(6, ipv6[0]!, ipv6[1]!, ipv6[2]!, ipv6[3]!, below * 4)))
    return this.#answerNegative(hasBelow ? rcodes.NOERROR : rcodes.NXDOMAIN)
  }

  /** A name with records from the configuration, or an empty non-terminal above one (RFC 4592 §2.2.2). */
  #answerOwnName(name: OwnName): number {
    const tree = this.#tree
    const rrset = rrsetAt(name, this.#query.type)
    if (rrset === undefined) return this.#answerNegative(rcodes.NOERROR)
    if (rrset === this.#prepared.status && this.#statusSerial !== tree.serial) {
      Object.assign(rrset, readyStatus(tree, this.#zone.ttl))
      this.#statusSerial = tree.serial
    }
    this.context.outcome = outcomes.own
    this.#reply.putRrset(rrset, tree.serial)
    return rcodes.NOERROR
  }

  /** NXDOMAIN, or NODATA with NOERROR (RFC 2308 §2). */
  #answerNegative(rcode: number): number {
    this.context.outcome = rcode === rcodes.NXDOMAIN ? outcomes.notListed : outcomes.noData
    this.#reply.putNegativeSoa(this.#prepared, this.#originAt(), this.#tree.serial)
    return rcode
  }

  #answerChaos(query: Octets): number {
    const name = findName(this.#chaos, query, this.#nameLength())
    const rrset = name && rrsetAt(name, this.#query.type)
    if (rrset === undefined) return rcodes.REFUSED
    this.context.outcome = outcomes.own
    this.#reply.setAuthoritative()
    this.#reply.putRrset(rrset, 0)
    return rcodes.NOERROR
  }

  #refuse(extendedError: number): number {
    this.#reply.setExtendedError(extendedError)
    return rcodes.REFUSED
  }

  /** Asks the rate limit about the answer and truncates it if need be; false: send nothing. */
  #passesLimit(): boolean {
    const { context } = this
    const { limit } = this.#guards
    const verdict = limit === undefined ? 'pass' : limit(context, classOf(context))
    if (verdict === 'pass') return true
    context.outcome = outcomes.limited
    if (verdict === 'drop') return false
    context.outcome = outcomes.slipped
    // RFC 7873 §5.2.3: a client that speaks cookies can prove itself with the new one; others come back over TCP.
    const hasCookie = this.#query.edns.cookieLength > 0
    if (hasCookie) context.rcode = rcodes.BADCOOKIE
    this.#reply.clear(this.#query, !hasCookie)
    return true
  }

  #nameLength(): number {
    return this.#query.questionEnd - 4 - headerLength
  }

  /** Where the origin stands in a question for a name in the zone. */
  #originAt(): number {
    return this.#query.questionEnd - 4 - this.#prepared.origin.name.length
  }
}

/** Whether the query itself is at fault. */
function isFault(rcode: number): boolean {
  return rcode === rcodes.FORMERR || rcode === rcodes.NOTIMP || rcode === rcodes.BADVERS
}

function classOf({ rcode, outcome }: QueryContext): ResponseClass {
  if (rcode !== rcodes.NOERROR && rcode !== rcodes.NXDOMAIN) return responseClasses.error
  return outcome === outcomes.notListed || outcome === outcomes.noData
    ? responseClasses.negative
    : responseClasses.data
}
