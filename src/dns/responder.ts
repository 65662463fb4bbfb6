// A query's octets → the response's octets, without I/O, exceptions or allocation. The methods stand in the order in which a
// query passes them. Written by hand: DNS libraries build an object for each message.
import { maxBatch } from '../tree/prefetch.ts'
import type { TreeReader } from '../tree/reader.ts'
import { Cookies } from './cookies.ts'
import { extendedErrors } from './edns.ts'
import { EntryName, ipv4Labels, ipv6Labels, parseEntryName } from './entry-name.ts'
import { readUsualQuery } from './fast-path.ts'
import { equalsAt } from './name.ts'
import { isTransfer, parseQuery, Query } from './query.ts'
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
  /** Largest UDP response in octets, also offered in our OPT records; at least 512. */
  readonly udpPayload: number
  /** The NSID that is sent if a query asks for it (RFC 5001), at most 128 octets; none if empty or missing. */
  readonly nsid?: Uint8Array
  /** Shared memory that replaceCookieSecrets fills. */
  readonly cookieSecrets: SharedArrayBuffer
  /** Whether to answer SERVFAIL when the list's data are stale. */
  readonly staleServfail?: boolean
  /** A small zone that only those see who may transfer it (RFC 9432 §7). */
  readonly catalog?: ZoneData
}

/** What may be done with a client's query. */
export const access = { allow: 0, refuse: 1, drop: 2 } as const
export type Access = (typeof access)[keyof typeof access]

/**
 * What the rate limit does with a response: send it, truncate it (or send BADCOOKIE) so that the client asks again, or drop it.
 */
export type Limit = 'pass' | 'slip' | 'drop'

/**
 * The classes that the rate limit counts separately. So errors that a forger provokes in a client's name do not use up that
 * client's answers.
 */
export const responseClasses = { data: 0, negative: 1, error: 2 } as const
export type ResponseClass = (typeof responseClasses)[keyof typeof responseClasses]

/** Signed queries (TSIG, RFC 8945), and who may transfer the zone. Both are rare, so these may allocate. */
export interface SignedQueries {
  /** Octets that a signature takes in a response. */
  readonly room: number
  /** Checks the signature of a query. Returns the rcode: NOERROR if it is right, else NOTAUTH, or FORMERR (RFC 8945 §5.2). */
  verify(query: Uint8Array): number
  /** Signs the response to the query that was verified last, in place. Returns its new length. */
  sign(response: Uint8Array, length: number): number
  /** Whether the client of a query may transfer the zone. `isSigned`: the query was verified. */
  mayTransfer(client: ClientAddress, isSigned: boolean): boolean
  /** Takes a NOTIFY for the zone, which says that it has changed. Returns false if the client may not send it. */
  takeNotify(client: ClientAddress, isSigned: boolean): boolean
}

/** Optional checks before and after a query is answered. */
export interface Guards {
  /** Called before anything of the query is read. */
  accessOf?(client: ClientAddress): Access
  /** Called for UDP responses to clients that have not proved their address. */
  limit?(client: ClientAddress, responseClass: ResponseClass): Limit
  /** Missing if nobody may transfer the zone, and it is no mirror: then signatures are ignored. */
  readonly signed?: SignedQueries
}

/**
 * Without a valid cookie or TCP, a response is at most this many times as large as its query: the query may be forged to send the
 * response to a victim.
 */
const maxAmplification = 10

/** Answers the queries of one thread. */
export class Responder {
  /** The caller sets the client here before it calls `respond`, which adds what became of the query. */
  readonly context = new QueryContext()
  readonly #zone: ZoneData
  readonly #prepared: PreparedZone
  readonly #chaos: readonly OwnName[]
  readonly #catalog: readonly OwnName[]
  readonly #tree: TreeReader
  readonly #guards: Guards
  readonly #cookies: Cookies
  readonly #udpPayload: number
  readonly #staleServfail: boolean
  readonly #batch: QueryBatch
  /** For a query that does not belong to a batch. */
  readonly #single: ReadQuery = { query: new Query(), entry: new EntryName() }
  /** The current query. */
  #query = this.#single.query
  #entry = this.#single.entry
  #batchIndex = -1
  #isSigned = false
  readonly #reply: ResponseWriter
  /** The A RRset for each set of codes. Few sets are ever in use, so each is rendered once and kept. */
  readonly #codeSets = new Map<number, ReadyRrset>()
  /** If the zone cannot be answered from now, the extended error that says why; else `none`. */
  #fault: number = extendedErrors.none
  /** Serial and end of the tree version that the `_status` record describes; -1 if it describes none yet. */
  #statusSerial = -1
  #statusUntil = -1

  constructor(zone: ZoneData, tree: TreeReader, options: ResponderOptions, guards: Guards = {}) {
    this.#zone = zone
    this.#prepared = prepareZone(zone)
    this.#batch = new QueryBatch(maxBatch, this.#prepared.origin)
    this.#chaos = chaosNames(options)
    this.#catalog = options.catalog ? prepareZone(options.catalog).names : []
    this.#tree = tree
    this.#guards = guards
    this.#cookies = new Cookies(options.cookieSecrets)
    this.#udpPayload = options.udpPayload
    this.#staleServfail = options.staleServfail ?? false
    this.#reply = new ResponseWriter(options.nsid ?? new Uint8Array(), this.#cookies.reply)
  }

  /**
   * Pins the newest version of the tree; call it before one or more queries. Both times are epoch seconds: `wallSeconds` for
   * cookies, `listSeconds` to tell whether the list is stale.
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

  /** Releases the tree; call it before waiting for queries. */
  leave(): void {
    this.#tree.leave()
  }

  /** Reads a query of a batch for `prefetch` (see QueryBatch). Call it after `enter` and before the batch's first answer. */
  preview(query: Octets, queryLength: number, batchIndex: number): void {
    this.#batch.read(query, queryLength, batchIndex)
  }

  /** Brings the part of the tree that the first `count` queries of the batch need into the processor's cache. */
  prefetch(count: number): void {
    this.#tree.prefetch(this.#batch.words, this.#batch.families, count)
  }

  /**
   * Answers the query in the first `queryLength` octets of `query`. Puts the response into `response`, which may be `query`
   * itself and has room for at least 512 octets. Returns the response's length; 0 means: send nothing. Never throws.
   *
   * @param batchIndex the query's index in the prefetched batch; -1 if it was not prefetched
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
    // Do not answer a response, or a packet without a whole header (RFC 1035 §4.1.1).
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
    const mayBeSigned = family === 0 && isWellFormed && asked.isSigned
    const signed = mayBeSigned ? this.#guards.signed : undefined
    this.#isSigned = signed !== undefined
    if (signed !== undefined) limit = Math.min(limit, response.length) - signed.room
    const signatureRcode = signed?.verify(query.subarray(0, queryLength))
    reply.start(response, asked, Math.min(limit, response.length))
    context.type = asked.questionEnd > headerLength ? asked.type : 0
    context.outcome = outcomes.refused
    context.rcode = signatureRcode || this.#answer(query, permission, isWellFormed, family)
    if (isFault(context.rcode)) context.outcome = outcomes.malformed
    if (!isProven && !this.#passesLimit()) return 0
    const length = reply.finish(query, asked, this.#udpPayload, context.rcode)
    return signed === undefined ? length : signed.sign(response, length)
  }

  /**
   * Chooses the answer by opcode, form and class, and puts it into the response. Returns the rcode, as all answer… methods do.
   */
  #answer(query: Octets, permission: Access, isWellFormed: boolean, family: number): number {
    const asked = this.#query
    if (permission === access.refuse) return this.#refuse(extendedErrors.prohibited)
    const opcode = (query[2]! & flags.opcode) >>> 3
    if (opcode !== opcodes.QUERY) {
      if (opcode === opcodes.NOTIFY && isWellFormed && this.#takesNotify(query)) {
        this.context.outcome = outcomes.own
        this.#reply.setAuthoritative()
        return rcodes.NOERROR
      }
      // From others NOTIFY and UPDATE are known but refused (RFC 1996 §3.10, RFC 2136 §3.3).
      const isKnown = opcode === opcodes.NOTIFY || opcode === opcodes.UPDATE
      return isKnown ? rcodes.REFUSED : rcodes.NOTIMP
    }
    if (!isWellFormed) return rcodes.FORMERR
    // A version above ours is refused before the question is looked at (RFC 6891 §6.1.3).
    if (asked.edns.version > 0) return rcodes.BADVERS
    if (family !== 0) return this.#answerInZone(query, family, 0)
    if (asked.questionEnd === headerLength) {
      // A query without a question only fetches a cookie (RFC 7873 §5.4).
      this.context.outcome = outcomes.own
      return rcodes.NOERROR
    }
    if (asked.class === classes.IN || asked.class === classes.ANY) return this.#answerName(query)
    if (asked.class === classes.CH) return this.#answerChaos(query)
    return rcodes.REFUSED
  }

  /** Whether a NOTIFY is for this zone and from its primary (RFC 1996 §3.10). */
  #takesNotify(query: Octets): boolean {
    const { signed } = this.#guards
    const { type, class: asked, questionEnd } = this.#query
    if (signed === undefined || type !== types.SOA || asked !== classes.IN) return false
    const { origin } = this.#prepared
    const isOurs = questionEnd - 4 - headerLength === origin.name.length
    if (!isOurs || !equalsAt(query, headerLength, origin)) return false
    return signed.takeNotify(this.context, this.#isSigned)
  }

  /** Answers a well-formed question of class IN or ANY for any name (RFC 1034 §4.3.2). */
  #answerName(query: Octets): number {
    const { labels, labelCount } = this.#query
    const { origin, originLabels } = this.#prepared
    const below = labelCount - originLabels
    const originAt = this.#originAt()
    if (below < 0 || labels[below] !== originAt || !equalsAt(query, originAt, origin)) {
      return this.#answerCatalog(query)
    }
    return this.#answerInZone(query, 0, below)
  }

  /** Answers for a name of the catalog as `#answerTransfer` does; negative answers have no SOA record. */
  #answerCatalog(query: Octets): number {
    const asked = this.#query
    const name = findName(this.#catalog, query, this.#nameLength())
    const mayTransfer = name && this.#guards.signed?.mayTransfer(this.context, this.#isSigned)
    if (!mayTransfer || asked.type === types.AXFR) return this.#denyZone()
    if (asked.class === classes.IN) this.#reply.setAuthoritative()
    const rrset = rrsetAt(name, asked.type === types.IXFR ? types.SOA : asked.type)
    if (rrset !== undefined) this.#reply.putRrset(rrset, this.#tree.serial)
    this.context.outcome = outcomes.own
    return rcodes.NOERROR
  }

  /**
   * Answers a question of class IN or ANY for a name in the zone. If `family` is 4 or 6, the name is the address in `#entry`; if
   * it is 0, the name has `below` labels under the origin.
   */
  #answerInZone(query: Octets, family: number, below: number): number {
    const asked = this.#query
    const entry = this.#entry
    if (isTransfer(asked.type)) return this.#answerTransfer(query)
    if (this.#fault !== extendedErrors.none) {
      this.context.outcome = outcomes.failed
      this.#reply.setExtendedError(this.#fault)
      return rcodes.SERVFAIL
    }
    // A response to class ANY is not authoritative: it cannot speak for every class (RFC 1035 §6.2).
    if (asked.class === classes.IN) this.#reply.setAuthoritative()
    if (family === 4) return this.#answerIPv4()
    if (family === 6) return this.#answerIPv6()
    if (below > 0) {
      parseEntryName(query, asked.labels, below, entry)
      if (entry.isIPv4 && below === ipv4Labels) return this.#answerIPv4()
      if (entry.isIPv6 && below === ipv6Labels) return this.#answerIPv6()
    }
    const name = findName(this.#prepared.names, query, this.#nameLength())
    return name === undefined ? this.#answerAbsent(below) : this.#answerOwnName(name, asked.type)
  }

  /** Transfers go over TCP alone (RFC 5936 §4.2), and are not made here. IXFR over UDP gets one SOA record (RFC 1995 §2). */
  #answerTransfer(query: Octets): number {
    const asked = this.#query
    const { origin, names } = this.#prepared
    if (this.#nameLength() > origin.name.length) return this.#denyZone()
    const isIxfr = asked.type === types.IXFR
    const mayTransfer = isIxfr && this.#guards.signed?.mayTransfer(this.context, this.#isSigned)
    const apex = mayTransfer && findName(names, query, this.#nameLength())
    if (!apex) return this.#refuse(extendedErrors.prohibited)
    if (asked.class === classes.IN) this.#reply.setAuthoritative()
    return this.#answerOwnName(apex, types.SOA)
  }

  #answerIPv4(): number {
    const { ipv4 } = this.#entry
    const found = this.#zone.retired ? -1 : this.#tree.find(4, ipv4, 0, 0, 0, this.#batchIndex)
    // Four labels of one digit may also be the leading part of an IPv6 address.
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

  /** Answers for a listed address: its A records or its TXT record (RFC 5782 §2.1), or NODATA for other types. */
  #answerListed(
    found: number,
    family: 4 | 6,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
  ): number {
    const { type } = this.#query
    // One RRset is enough for a question of type ANY (RFC 8482 §4.1).
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
   * Answers for a name without records. If the name spells the leading part of an address and something is listed under it, it is
   * an empty non-terminal. NXDOMAIN would then deny all names below it (RFC 8020 §2).
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

  /** Answers for a name with records from the configuration, or an empty non-terminal above such a name (RFC 4592 §2.2.2). */
  #answerOwnName(name: OwnName, type: number): number {
    const tree = this.#tree
    const rrset = rrsetAt(name, type)
    if (rrset === undefined) return this.#answerNegative(rcodes.NOERROR)
    const isDescribed = this.#statusSerial === tree.serial && this.#statusUntil === tree.validUntil
    if (rrset === this.#prepared.status && !isDescribed) {
      Object.assign(rrset, readyStatus(tree, this.#zone.ttl))
      this.#statusSerial = tree.serial
      this.#statusUntil = tree.validUntil
    }
    this.context.outcome = outcomes.own
    this.#reply.putRrset(rrset, tree.serial)
    return rcodes.NOERROR
  }

  /** Puts a negative answer: NXDOMAIN, or NODATA with NOERROR (RFC 2308 §2). */
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

  /** Says that we are not authoritative for the name. As a zone to transfer it does not exist (RFC 5936 §2.2.1). */
  #denyZone(): number {
    this.#reply.setExtendedError(extendedErrors.notAuthoritative)
    return isTransfer(this.#query.type) ? rcodes.NOTAUTH : rcodes.REFUSED
  }

  #refuse(extendedError: number): number {
    this.#reply.setExtendedError(extendedError)
    return rcodes.REFUSED
  }

  /** Applies the rate limit to the response, and truncates it if the limit says so. Returns false if nothing must be sent. */
  #passesLimit(): boolean {
    const { context } = this
    const { limit } = this.#guards
    const verdict = limit === undefined ? 'pass' : limit(context, classOf(context))
    if (verdict === 'pass') return true
    context.outcome = outcomes.limited
    if (verdict === 'drop') return false
    context.outcome = outcomes.slipped
    // A client that sent a cookie proves its address with the new one (RFC 7873 §5.2.3); other clients come back over TCP.
    const hasCookie = this.#query.edns.cookieLength > 0
    if (hasCookie) context.rcode = rcodes.BADCOOKIE
    this.#reply.clear(this.#query, !hasCookie)
    return true
  }

  #nameLength(): number {
    return this.#query.questionEnd - 4 - headerLength
  }

  /** Offset of the origin in a question for a name in the zone. */
  #originAt(): number {
    return this.#query.questionEnd - 4 - this.#prepared.origin.name.length
  }
}

/** Whether the rcode means that the query was wrong. */
function isFault(rcode: number): boolean {
  return rcode === rcodes.FORMERR || rcode === rcodes.NOTIMP || rcode === rcodes.BADVERS
}

function classOf({ rcode, outcome }: QueryContext): ResponseClass {
  if (rcode !== rcodes.NOERROR && rcode !== rcodes.NXDOMAIN) return responseClasses.error
  return outcome === outcomes.notListed || outcome === outcomes.noData
    ? responseClasses.negative
    : responseClasses.data
}
