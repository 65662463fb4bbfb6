// Answering as one thread does it: respond() with its guards (access, cookies, rate limit, freshness) before it and
// the counting after it. worker.ts makes one for each thread.
import { performance } from 'node:perf_hooks'
import { Cookies } from '../dns/cookies.ts'
import { extendedErrors } from '../dns/edns.ts'
import { QueriesAhead } from '../dns/query-batch.ts'
import { Exchange } from '../dns/query-context.ts'
import {
  access,
  createResponder,
  type Guards,
  type Responder,
  type ResponderOptions,
  type Transport,
} from '../dns/responder.ts'
import type { Octets } from '../dns/wire.ts'
import type { ZoneData } from '../dns/zone.ts'
import { maxAhead, type TreeReader } from '../tree/reader.ts'
import { type AccessTable, accessOf } from './access.ts'
import { Counters } from './counters.ts'
import { QueryLogWriter } from './query-log.ts'
import { RateLimiter, type RateLimitOptions } from './rate-limit.ts'
import { AskerSketch } from './top-clients.ts'

/** What a thread needs for it, besides zone and tree; all of it can be cloned into the thread. */
export interface AnsweringData {
  readonly responder: ResponderOptions
  readonly staleServfail: boolean
  /** See NameserverOptions. */
  readonly clockCorrection: SharedArrayBuffer
  /** None: everybody is answered. */
  readonly access?: AccessTable
  readonly cookieSecrets: SharedArrayBuffer
  readonly rateLimit?: RateLimitOptions & { readonly table: SharedArrayBuffer }
  /** This thread's own blocks. */
  readonly counters: SharedArrayBuffer
  readonly askers: SharedArrayBuffer
  /** One query in `oneIn` is logged. */
  readonly queryLog?: { readonly ring: SharedArrayBuffer; readonly oneIn: number }
}

export interface Answering {
  /** The transport puts the client's address here before it calls `answer`. */
  readonly exchange: Exchange
  answer(query: Octets, queryLength: number, response: Octets, place?: number): number
  /** Before a batch: pins the newest tree and reads the clock. */
  enter(): void
  /** See UdpTransportOptions. */
  preview(query: Octets, queryLength: number, place: number): void
  readAhead(count: number): void
  /** After it: lets the tree go. */
  leave(): void
  onUnsent(count: number): void
  /** Whether the client in `exchange` is not to be heard at all. */
  isBarred(): boolean
}

/** Askers and answering times are taken of one query in so many, on average. */
const sampledOneIn = 32

/** Puts one thread's answering together. `wrap` lets tests put faults around respond(). */
export function createAnswering(
  data: AnsweringData,
  zone: ZoneData,
  reader: TreeReader,
  transport: Transport,
  wrap: (respond: Responder) => Responder,
): Answering {
  const { staleServfail, access: table, rateLimit, queryLog } = data
  const exchange = new Exchange()
  const correction = new Float64Array(data.clockCorrection)
  const zoneState = { fault: extendedErrors.none as number }
  const cookies = new Cookies(data.cookieSecrets)
  const limiter = rateLimit && new RateLimiter(rateLimit.table, rateLimit)
  const ahead = new QueriesAhead(maxAhead, zone.origin)
  const guards: Guards = {
    exchange,
    ahead,
    cookies,
    zoneState,
    ...(table && { accessOf: (client) => accessOf(table, client) }),
    ...(limiter && { limit: (client, responseClass) => limiter.limit(client, responseClass) }),
  }
  const respond = wrap(createResponder(zone, reader, data.responder, guards))
  const counters = new Counters(data.counters)
  const askers = new AskerSketch(data.askers)
  const log = queryLog && new QueryLogWriter(queryLog.ring)
  let untilSample = gap(sampledOneIn)
  let untilLog = queryLog === undefined ? 0 : gap(queryLog.oneIn)

  return {
    exchange,
    answer(query, queryLength, response, place = -1) {
      ahead.place = place
      reader.place = place
      const isSampled = --untilSample === 0
      const startedAt = isSampled ? performance.now() : 0
      const length = respond(query, queryLength, response, transport)
      counters.count(exchange)
      if (isSampled) {
        counters.countLatency(performance.now() - startedAt)
        askers.count(exchange, sampledOneIn)
        untilSample = gap(sampledOneIn)
      }
      if (log !== undefined && queryLog !== undefined && --untilLog === 0) {
        log.write(exchange, query, queryLength)
        untilLog = gap(queryLog.oneIn)
      }
      return length
    },
    enter() {
      reader.enter()
      const now = Date.now()
      const seconds = Math.floor(now / 1000)
      // Cookies go by the wall clock: servers of one anycast address share theirs.
      cookies.now = seconds
      if (limiter !== undefined) limiter.now = now
      zoneState.fault = faultOf(reader, staleServfail, seconds + (correction[0] ?? 0))
    },
    preview: (query, queryLength, place) => ahead.read(query, queryLength, place),
    readAhead: (count) => reader.readAhead(ahead.words, ahead.families, count),
    leave: () => reader.leave(),
    onUnsent: (count) => counters.countUnsent(count),
    isBarred: () => table !== undefined && accessOf(table, exchange) === access.drop,
  }
}

/** Nothing was published yet; or what was is past its time, and stale data are not to be answered. */
function faultOf(reader: TreeReader, staleServfail: boolean, now: number): number {
  if (reader.serial === 0) return extendedErrors.notReady
  return staleServfail && now > reader.validUntil ? extendedErrors.invalidData : extendedErrors.none
}

/** How many queries to the next sample: evenly random around the mean, so that no rhythm of asking slips through. */
function gap(mean: number): number {
  return mean === 1 ? 1 : 1 + Math.floor(Math.random() * (2 * mean - 1))
}
