// A query's octets → the response's octets: the whole of answering, top to bottom, without I/O, exceptions or
// allocation. nameserver/ calls it for every packet, between tree.enter() and tree.leave().
import type { TreeReader } from '../tree/reader.ts'
import { type ChaosOptions, chaosNames, findChaosName } from './chaos.ts'
import { extendedErrors } from './edns.ts'
import { EntryName, ipv4Labels, ipv6Labels, parseEntryName } from './entry-name.ts'
import { equalsAt } from './name.ts'
import { parseQuery, Query } from './query.ts'
import { ResponseWriter } from './response.ts'
import { classes, flags, headerLength, maxMessageLength, opcodes, rcodes, types } from './wire.ts'
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
}

/**
 * Puts the response to the first `queryLength` octets of `query` into `response` and answers its length; 0: send
 * nothing. `response` has room for 512 octets at least, and no more than it has room for is ever put; it may
 * be `query` itself, and then the question is left where it stands. Never throws.
 */
export type Responder = (
  query: Uint8Array,
  queryLength: number,
  response: Uint8Array,
  transport: Transport,
) => number

/** Prepares the zone and answers the function that answers. One for each thread: it has scratch space of its own. */
export function createResponder(
  zone: ZoneData,
  tree: EntryReader,
  options: ResponderOptions,
): Responder {
  const { udpPayload } = options
  const prepared = prepareZone(zone)
  const chaos = chaosNames(options)
  const codeSets = new Map<number, ReadyRrset>()
  const asked = new Query()
  const entry = new EntryName()
  const reply = new ResponseWriter()
  let originAt = 0
  let shownVersion = -1

  return function respond(query, queryLength, response, transport) {
    // A response is no query; without a header there is nobody to answer (RFC 1035 §4.1.1).
    if (queryLength < headerLength || (query[2]! & flags.QR) !== 0) return 0
    const isWellFormed = parseQuery(query, queryLength, asked)
    const limit = transport === 'udp' ? Math.min(asked.udpPayload, udpPayload) : maxMessageLength
    reply.start(response, asked, Math.min(limit, response.length))
    const opcode = (query[2]! & flags.opcode) >>> 3
    let rcode: number
    // Nobody may notify or update us (RFC 1996 §3.10, RFC 2136 §3.3); other opcodes we do not know.
    if (opcode === opcodes.NOTIFY || opcode === opcodes.UPDATE) rcode = rcodes.REFUSED
    else if (opcode !== opcodes.QUERY) rcode = rcodes.NOTIMP
    else if (!isWellFormed) rcode = rcodes.FORMERR
    // RFC 6891 §6.1.3: a version above ours comes before anything that is asked.
    else if (asked.ednsVersion > 0) rcode = rcodes.BADVERS
    else if (asked.class === classes.IN || asked.class === classes.ANY) rcode = answer(query)
    else if (asked.class === classes.CH) rcode = answerChaos(query)
    else rcode = rcodes.REFUSED
    return reply.finish(query, asked, udpPayload, rcode)
  }

  /** A well-formed question of class IN or ANY (RFC 1034 §4.3.2). Answers the rcode, as all below do. */
  function answer(query: Uint8Array): number {
    const { labels, labelCount } = asked
    const below = labelCount - prepared.originLabels
    originAt = asked.questionEnd - 4 - prepared.origin.name.length
    if (below < 0 || labels[below] !== originAt || !equalsAt(query, originAt, prepared.origin)) {
      reply.setExtendedError(extendedErrors.notAuthoritative)
      return rcodes.REFUSED
    }
    // Transfers are not offered (RFC 5936 §2.2.1).
    if (asked.type === types.AXFR || asked.type === types.IXFR) return rcodes.REFUSED
    // A response to class ANY cannot vouch for every class (RFC 1035 §6.2).
    if (asked.class === classes.IN) reply.setAuthoritative()
    if (below > 0) {
      parseEntryName(query, labels, below, entry)
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
    reply.putReason(prepared.reason, zone.ttl, tree.matchedLength, 6, w0, w1, w2, w3)
    return rcodes.NOERROR
  }

  /** A listed name and any type but TXT: its A records (RFC 5782 §2.1), or NODATA. */
  function answerListed(found: number): number {
    // RFC 8482 §4.1: one RRset is answer enough to ANY.
    if (asked.type !== types.A && asked.type !== types.ANY) return putNegative(rcodes.NOERROR)
    const codes = tree.answerCodes(found)
    let set = codeSets.get(codes)
    if (set === undefined) {
      // Few different sets of codes are ever in use, so that each is rendered once.
      set = readyCodes(codes, zone.ttl)
      codeSets.set(codes, set)
    }
    reply.putRrset(set, 0)
    return rcodes.NOERROR
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

  function findOwnName(query: Uint8Array): OwnName | undefined {
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
      prepared.status.bytes = readyStatus(tree, zone.ttl)
      shownVersion = tree.serial
    }
    reply.putRrset(rrset, tree.serial)
    return rcodes.NOERROR
  }

  function putNegative(rcode: number): number {
    reply.putNegativeSoa(prepared, originAt, tree.serial)
    return rcode
  }

  function answerChaos(query: Uint8Array): number {
    const rrset =
      asked.type === types.TXT || asked.type === types.ANY
        ? findChaosName(chaos, query, asked.questionEnd - 4 - headerLength)
        : undefined
    if (rrset === undefined) return rcodes.REFUSED
    reply.setAuthoritative()
    reply.putRrset(rrset, 0)
    return rcodes.NOERROR
  }
}
