// A thread of the name server: opens its tree reader, waits for its sockets, and answers until it is told to stop. It adds access
// rules, rate limit, counters and query log to the responder. Each thread starts with this file.
import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import { access, type Guards, Responder, type ResponderOptions } from '../dns/responder.ts'
import type { Octets } from '../dns/wire.ts'
import type { ZoneData } from '../dns/zone.ts'
import { QuerySignatures, type SignatureOptions } from '../transfer/signed-queries.ts'
import type { TransferOptions } from '../transfer/transfer.ts'
import { openReader } from '../tree/open-reader.ts'
import { type AccessTable, accessOf } from './access.ts'
import { Counters } from './counters.ts'
import { QueryLogWriter } from './query-log.ts'
import { RateLimiter, type RateLimitOptions } from './rate-limit.ts'
import { TopClients } from './top-clients.ts'
import type { Answering, UdpTransport } from './transport.ts'

/** The workerData of a thread. Its sockets follow as the first message. */
export interface WorkerData {
  readonly kind: 'udp' | 'tcp'
  /** The thread's reader slot in the tree. */
  readonly slot: number
  readonly tree: SharedArrayBuffer
  readonly zone: ZoneData
  readonly responder: ResponderOptions
  /** One 64-bit float: how many seconds the list's clock is ahead of the wall clock; negative if it is behind. */
  readonly clockCorrection: SharedArrayBuffer
  /** If missing, all clients are answered. */
  readonly access?: AccessTable
  readonly rateLimit?: RateLimitOptions & { readonly table: SharedArrayBuffer }
  /** Shared memory that only this thread writes: its counts, and its sketch of the top clients. */
  readonly counters: SharedArrayBuffer
  readonly topClients: SharedArrayBuffer
  /** One query in `oneIn` is logged. */
  readonly queryLog?: { readonly ring: SharedArrayBuffer; readonly oneIn: number }
  /** Use udp-batch.ts, which needs descriptors; else udp-dgram.ts. */
  readonly isBatched: boolean
  readonly tcp: {
    readonly connections: number
    readonly connectionsPerClient: number
    readonly idleSeconds: number
  }
  /** Missing if nobody may have a zone transfer. */
  readonly transfer?: TransferOptions
  /** Of a mirror: its keys, and whose NOTIFY it takes. */
  readonly notify?: SignatureOptions
  /** One 32-bit element, which is not 0 when threads must end. */
  readonly stop: SharedArrayBuffer
}

/** On average, one query in this many is counted for the top clients and has its answering time measured. */
const sampledOneIn = 32

class QueryAnswering implements Answering {
  readonly client
  readonly #transport: 'udp' | 'tcp'
  readonly #access: AccessTable | undefined
  readonly #limiter: RateLimiter | undefined
  readonly #responder: Responder
  readonly #clockCorrection: Float64Array
  readonly #counters: Counters
  readonly #topClients: TopClients
  readonly #queryLog: QueryLogWriter | undefined
  readonly #loggedOneIn: number
  #untilSample = randomGap(sampledOneIn)
  #untilLog: number

  constructor(data: WorkerData) {
    const { access: table, rateLimit, queryLog, transfer, notify } = data
    const signed = transfer ?? notify
    const limiter = rateLimit && new RateLimiter(rateLimit.table, rateLimit)
    const guards: Guards = {
      ...(table && { accessOf: (client) => accessOf(table, client) }),
      ...(limiter && { limit: (client, responseClass) => limiter.limit(client, responseClass) }),
      ...(signed && { signed: new QuerySignatures(signed) }),
    }
    const reader = openReader(data.tree, data.slot)
    this.#responder = new Responder(data.zone, reader, data.responder, guards)
    this.client = this.#responder.context
    this.#transport = data.kind
    this.#access = table
    this.#limiter = limiter
    this.#clockCorrection = new Float64Array(data.clockCorrection)
    this.#counters = new Counters(data.counters)
    this.#topClients = new TopClients(data.topClients)
    this.#queryLog = queryLog && new QueryLogWriter(queryLog.ring)
    this.#loggedOneIn = queryLog?.oneIn ?? 1
    this.#untilLog = randomGap(this.#loggedOneIn)
  }

  enter(): void {
    const now = Date.now()
    const seconds = Math.floor(now / 1000)
    if (this.#limiter !== undefined) this.#limiter.now = now
    this.#responder.enter(seconds, seconds + (this.#clockCorrection[0] ?? 0))
  }

  preview(query: Octets, queryLength: number, batchIndex: number): void {
    this.#responder.preview(query, queryLength, batchIndex)
  }

  prefetch(count: number): void {
    this.#responder.prefetch(count)
  }

  answer(query: Octets, queryLength: number, response: Octets, batchIndex = -1): number {
    const responder = this.#responder
    const { context } = responder
    const isSampled = --this.#untilSample === 0
    const startedAt = isSampled ? performance.now() : 0
    const length = responder.respond(query, queryLength, response, this.#transport, batchIndex)
    this.#counters.count(context)
    if (isSampled) {
      this.#counters.countLatency(performance.now() - startedAt)
      this.#topClients.count(context, sampledOneIn)
      this.#untilSample = randomGap(sampledOneIn)
    }
    if (this.#queryLog !== undefined && --this.#untilLog === 0) {
      this.#queryLog.write(context, query, queryLength)
      this.#untilLog = randomGap(this.#loggedOneIn)
    }
    return length
  }

  leave(): void {
    this.#responder.leave()
  }

  countUnsent(count: number): void {
    this.#counters.countUnsent(count)
  }

  /** Whether an access rule drops all queries of `client`. */
  isBarred(): boolean {
    return this.#access !== undefined && accessOf(this.#access, this.client) === access.drop
  }
}

/**
 * The number of queries until the next sample. It varies at random around the mean, so that queries in a regular pattern are
 * sampled fairly.
 */
function randomGap(mean: number): number {
  return mean === 1 ? 1 : 1 + Math.floor(Math.random() * (2 * mean - 1))
}

/** Resolves when the thread was told to stop. A rejection or an exception ends the thread. */
async function run(data: WorkerData, port: NonNullable<typeof parentPort>): Promise<void> {
  const message = once(port, 'message')
  const answering = new QueryAnswering(data)
  const [sockets] = await message
  const stop = new Int32Array(data.stop)
  const onListening = (): void => port.postMessage('listening')
  // Load only the transport that is needed, so that threads start quickly.
  if (data.kind === 'tcp') {
    const { serveTcp } = await import('./tcp.ts')
    const isBarred = (): boolean => answering.isBarred()
    const { Transfers } = await import('../transfer/transfers.ts')
    const transfers = data.transfer && new Transfers(data.transfer)
    await serveTcp({ answering, sockets, stop, onListening, isBarred, transfers, ...data.tcp })
    await transfers?.close()
    return
  }
  const serve: UdpTransport = data.isBatched
    ? (await import('./udp-batch.ts')).serveByBatches
    : (await import('./udp-dgram.ts')).serveByEvents
  const maxResponse = data.responder.udpPayload
  await serve({ answering, sockets, stop, onListening, maxResponse })
}

if (parentPort !== null) await run(workerData, parentPort)
