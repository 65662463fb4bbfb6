// The name server as a whole: its sockets, one thread for each UDP worker, and one for TCP.
import type { ZoneData } from '../dns/zone.ts'
import { type Logger, OperationalError } from '../errors.ts'
import { adviseHugePages } from '../libc.ts'
import type { SignatureOptions } from '../transfer/signed-queries.ts'
import type { TransferOptions } from '../transfer/transfer.ts'
import { type AccessRule, compileAccess } from './access.ts'
import { formatListenAddress, type ListenAddress, parseListenAddress } from './addresses.ts'
import { CookieKeeper } from './cookie-secrets.ts'
import { type CountedAnswers, counterBytes, sumCounters, sumOutcomes } from './counters.ts'
import { loadNativeSockets, type NativeSockets, wantedBufferBytes } from './native.ts'
import { presentName, QueryLogDrain, queryLogBytes } from './query-log.ts'
import { createRateLimitTable, type RateLimitOptions } from './rate-limit.ts'
import { type BoundSockets, bindSockets, chooseAddresses } from './sockets.ts'
import { Thread, type ThreadStatus } from './supervisor.ts'
import { mergeTopClients, type TopClient, topClientsBytes } from './top-clients.ts'
import type { WorkerData } from './worker.ts'

export interface NameserverOptions {
  /** `host:port` or `[v6]:port`, each for UDP and TCP. Port 0 takes a free port, the same for both. */
  readonly listen: readonly string[]
  /** UDP workers, 1 to 62. The tree's other two reader slots are for TCP and for look-ups. */
  readonly workers: number
  /** Largest UDP response in octets; at least 512. */
  readonly udpPayload: number
  readonly tcpConnections: number
  readonly tcpIdleSeconds: number
  readonly zone: ZoneData
  /** The buffer of the shared tree. */
  readonly tree: SharedArrayBuffer
  /** The answer to version.bind; if false, REFUSED. */
  readonly version: string | false
  /** The answer to NSID and to id.server, at most 128 octets. If empty, no NSID is sent, and id.server is REFUSED. */
  readonly nsid: string
  /** Whether to answer SERVFAIL when the list's data are stale. */
  readonly staleServfail: boolean
  /** One 64-bit float: how many seconds the list's clock is ahead of the wall clock; negative if it is behind. */
  readonly clockCorrection: SharedArrayBuffer
  /** Which clients are answered; all if there are no rules. */
  readonly access: readonly AccessRule[]
  /** With 0 responses a second, responses are not limited. */
  readonly rateLimit: RateLimitOptions
  /** Secrets of server cookies, 16 octets each, newest first. If missing, random ones are made and replaced daily. */
  readonly cookieSecrets?: readonly Uint8Array[]
  /** Log one query in this many; 0 logs none. */
  readonly queryLog: number
  /** Who may transfer the zone, from which database; missing: nobody. */
  readonly transfer?: Omit<TransferOptions, 'zone'>
  /** Of a mirror: its keys, and whose NOTIFY it takes. */
  readonly notify?: SignatureOptions
  readonly log: Logger
  /** Called once if a thread died too often. The process should then end. */
  onFatal(error: Error): void
  /** false: use node:dgram, one datagram at a time, even where batches are possible. */
  readonly batch: boolean
  /** false: make no native socket calls, as on a platform that koffi does not support. */
  readonly nativeSockets?: boolean
}

export interface NameserverCounters extends CountedAnswers {
  /** The networks that ask most. */
  readonly askers: TopClient[]
}

export interface UdpStatus {
  readonly transport: 'batch' | 'events'
  /** Of one UDP socket, in octets as the kernel counts them; 0 if not known. */
  readonly receiveBufferBytes: number
  readonly sendBufferBytes: number
  /** Datagrams that the kernel dropped before we received them, mostly because the buffer was full. */
  readonly dropped: number
}

/** How many networks `askers` has at most. */
const namedClients = 20

const tcpSlot = 62
const maxWorkers = 62
/** A thread that hangs is terminated after this. One that waits for a processor has to answer what has come. */
const forceMs = 5000

/** The share of all TCP connections that one client may hold; at least `minPerClient`, since resolvers may share an address. */
const clientShare = 1 / 10
const minPerClient = 10

/**
 * Starts the threads. That takes a while, and the tree can be loaded meanwhile. The threads answer queries after `listen`.
 * Throws OperationalError 'address-unavailable' if `options.listen` has something that is not an address.
 */
export async function prepareNameserver(options: NameserverOptions): Promise<Nameserver> {
  const addresses = options.listen.map(parseListenAddress)
  await adviseHugePages(options.tree)
  const native = options.nativeSockets === false ? undefined : await loadNativeSockets()
  return new Nameserver(options, addresses, native)
}

export class Nameserver {
  readonly workers: number
  readonly #options: NameserverOptions
  readonly #listenAddresses: readonly ListenAddress[]
  readonly #native: NativeSockets | undefined
  readonly #isBatched: boolean
  readonly #cookies: CookieKeeper
  readonly #stop = new Int32Array(new SharedArrayBuffer(4))
  /** Shared memory of each thread, in the order of `#threads`. It stays when a thread is restarted. */
  readonly #blocks: readonly ThreadBlocks[]
  /** The UDP workers, then the TCP thread. */
  readonly #threads: readonly Thread[]
  #sockets: BoundSockets | undefined
  #queryLog: QueryLogDrain | undefined
  #hasFailed = false

  constructor(
    options: NameserverOptions,
    listenAddresses: readonly ListenAddress[],
    native: NativeSockets | undefined,
  ) {
    this.workers = Math.min(Math.max(1, options.workers), maxWorkers)
    this.#options = options
    this.#listenAddresses = listenAddresses
    this.#native = native
    this.#isBatched = native !== undefined && options.batch
    this.#cookies = new CookieKeeper(options.cookieSecrets)
    const shared = this.#sharedData()
    this.#blocks = Array.from({ length: this.workers + 1 }, () => threadBlocks(options))
    this.#threads = this.#blocks.map((blocks, index) =>
      index < this.workers
        ? this.#thread(`dns-udp-${index}`, { ...shared, ...blocks, kind: 'udp', slot: index })
        : this.#thread('dns-tcp', { ...shared, ...blocks, kind: 'tcp', slot: tcpSlot }),
    )
  }

  /**
   * Binds every address. Resolves when all threads answer. Throws OperationalError 'address-unavailable' naming the address, or
   * 'worker-failed'; then all threads have been ended.
   */
  async listen(): Promise<this> {
    const { log, zone } = this.#options
    try {
      this.#sockets = await this.#openSockets()
      await Promise.all(this.#threads.map((each) => each.listen()))
    } catch (error) {
      this.#sockets?.close()
      await this.abandon()
      throw error
    }
    const rings = this.#blocks.flatMap(({ queryLog }) => queryLog?.ring ?? [])
    const origin = presentName(zone.origin).replace(/\.$/, '')
    if (rings.length > 0) this.#queryLog = new QueryLogDrain(rings, origin, log)
    logBuffers(log, this.udp())
    return this
  }

  /** Bound addresses with their ports, in the form of the option `listen`; empty before `listen`. */
  get addresses(): readonly string[] {
    return (this.#sockets?.addresses ?? []).map(formatListenAddress)
  }

  /** The UDP transport in use, and the sockets' buffers and losses now. */
  udp(): UdpStatus {
    const memory = this.#sockets?.memory() ?? []
    return {
      transport: this.#isBatched ? 'batch' : 'events',
      receiveBufferBytes: memory[0]?.receiveBufferBytes ?? 0,
      sendBufferBytes: memory[0]?.sendBufferBytes ?? 0,
      dropped: memory.reduce((sum, { dropped }) => sum + dropped, 0),
    }
  }

  /** Counts since the start, and the networks that ask most. Each call adds up the counts of all threads. */
  counters(): NameserverCounters {
    const counters = this.#blocks.map((blocks) => blocks.counters)
    const topClients = this.#blocks.map((blocks) => blocks.topClients)
    return {
      ...sumCounters(counters.slice(0, this.workers), counters.slice(this.workers)),
      askers: mergeTopClients(topClients, namedClients),
    }
  }

  /** The outcomes of `counters` alone, which cost little: for a look each second. */
  outcomes(): CountedAnswers['outcomes'] {
    return sumOutcomes(this.#blocks.map((blocks) => blocks.counters))
  }

  threads(): ThreadStatus[] {
    return this.#threads.map((each) => each.status)
  }

  /** Replaces the secrets at once; see the option `cookieSecrets`. */
  replaceCookieSecrets(secrets: readonly Uint8Array[] | undefined): void {
    this.#cookies.replace(secrets)
  }

  /** Answers the queries received so far, then ends within a second. */
  async close(): Promise<void> {
    this.#sockets?.stopReceiving()
    Atomics.store(this.#stop, 0, 1)
    Atomics.notify(this.#stop, 0)
    await Promise.all(this.#threads.map((each) => each.close(forceMs)))
    this.#sockets?.close()
    this.#cookies.close()
    this.#queryLog?.close()
  }

  /** Ends all threads at once, whatever they are doing. */
  async abandon(): Promise<void> {
    await Promise.all(this.#threads.map((each) => each.abandon()))
    this.#cookies.close()
  }

  #thread(name: string, data: WorkerData): Thread {
    return new Thread({
      name,
      data,
      sockets: () =>
        (data.kind === 'udp' ? this.#sockets?.udp(data.slot) : this.#sockets?.tcp()) ?? [],
      // Called after a hung thread was ended. Node has closed that thread's own sockets, but not the descriptors of the
      // batch transport.
      release: (left) => {
        if (data.kind !== 'udp' || !this.#isBatched) return
        for (const socket of left) if ('fd' in socket) this.#native?.close(socket.fd)
      },
      log: this.#options.log,
      onFatal: (error) => {
        if (!this.#hasFailed) this.#options.onFatal(error)
        this.#hasFailed = true
      },
    })
  }

  async #openSockets(): Promise<BoundSockets> {
    if (this.#listenAddresses.length === 0) {
      throw new OperationalError('address-unavailable', 'there is no address to listen on')
    }
    if (this.#native) return bindSockets(this.#native, this.#listenAddresses, this.workers)
    const message = 'batched UDP is not available on this platform; using node:dgram'
    this.#options.log.info({}, message)
    return chooseAddresses(this.#listenAddresses)
  }

  /** The part of workerData that all threads have in common. */
  #sharedData(): Omit<WorkerData, 'kind' | 'slot' | keyof ThreadBlocks> {
    const { zone, tree, udpPayload, version, nsid, tcpConnections, tcpIdleSeconds } = this.#options
    const { access, rateLimit, staleServfail, clockCorrection, transfer, notify } = this.#options
    return {
      tree,
      zone,
      isBatched: this.#isBatched,
      responder: {
        udpPayload,
        version,
        cookieSecrets: this.#cookies.memory,
        staleServfail,
        nsid: new TextEncoder().encode(nsid),
        identity: nsid,
        ...(transfer?.catalog && { catalog: transfer.catalog }),
      },
      clockCorrection,
      ...(access.length > 0 && { access: compileAccess(access) }),
      ...(rateLimit.responsesPerSecond > 0 && {
        rateLimit: { ...rateLimit, table: createRateLimitTable() },
      }),
      ...(transfer && { transfer: { ...transfer, zone } }),
      ...(notify && { notify }),
      tcp: {
        connections: tcpConnections,
        connectionsPerClient: Math.max(minPerClient, Math.ceil(tcpConnections * clientShare)),
        idleSeconds: tcpIdleSeconds,
      },
      stop: this.#stop.buffer,
    }
  }
}

type ThreadBlocks = Pick<WorkerData, 'counters' | 'topClients' | 'queryLog'>

function threadBlocks({ queryLog }: NameserverOptions): ThreadBlocks {
  return {
    counters: new SharedArrayBuffer(counterBytes),
    topClients: new SharedArrayBuffer(topClientsBytes),
    ...(queryLog > 0 && {
      queryLog: { ring: new SharedArrayBuffer(queryLogBytes), oneIn: queryLog },
    }),
  }
}

/** Logs the buffers that the kernel granted. The kernel doubles the size asked for, to have room for its own data. */
function logBuffers(log: Logger, { transport, receiveBufferBytes, sendBufferBytes }: UdpStatus) {
  const fields = { transport, receiveBufferBytes, sendBufferBytes }
  if (receiveBufferBytes > 0 && receiveBufferBytes < wantedBufferBytes) {
    log.warn(
      fields,
      `UDP receive buffers are small: bursts may be lost; raise net.core.rmem_max to ${wantedBufferBytes}`,
    )
  } else log.info(fields, 'UDP sockets')
}
