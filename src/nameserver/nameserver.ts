// The name server as a whole: sockets, one thread for each UDP worker, one for TCP. Called by commands/serve.
import type { ZoneData } from '../dns/zone.ts'
import { type Logger, OperationalError } from '../errors.ts'
import { adviseHugePages } from '../libc/huge-pages.ts'
import { type AccessRule, compileAccess } from './access.ts'
import { CookieKeeper } from './cookie-secrets.ts'
import { type CountedAnswers, counterBytes, sumCounters } from './counters.ts'
import { formatListenAddress, parseListenAddress } from './listen-address.ts'
import { presentName, QueryLogDrain, queryLogBytes } from './query-log.ts'
import { createRateLimitTable, type RateLimitOptions } from './rate-limit.ts'
import { loadSocketCalls, type SocketCalls, wantedBufferBytes } from './socket-calls.ts'
import { bindSockets, chooseAddresses } from './sockets.ts'
import { Thread } from './supervisor.ts'
import { type Asker, askersBytes, topAskers } from './top-clients.ts'
import type { WorkerData } from './worker.ts'

export interface NameserverOptions {
  /** `host:port` or `[v6]:port`, each for UDP and TCP; port 0: the same free port for both. */
  readonly listen: readonly string[]
  /** UDP workers, 1 to 62: the tree's reader slots above belong to TCP and to tests. */
  readonly workers: number
  /** Largest UDP response in octets; at least 512. */
  readonly udpPayload: number
  readonly tcpConnections: number
  readonly tcpIdleSeconds: number
  readonly zone: ZoneData
  /** The shared tree's buffer. */
  readonly tree: SharedArrayBuffer
  /** The answer to version.bind; none: REFUSED. */
  readonly version?: string | false
  /** What NSID and id.server are told, at most 128 octets; none: nothing, and REFUSED. */
  readonly nsid?: string
  /** SERVFAIL instead of data past their time. */
  readonly staleServfail?: boolean
  /** A 64-bit float: seconds that the list's clock is ahead of the wall clock. None: the two are one. */
  readonly clockCorrection?: SharedArrayBuffer
  /** Who is answered; nobody named: everybody is. */
  readonly access?: readonly AccessRule[]
  /** None: responses are not limited. */
  readonly rateLimit?: RateLimitOptions
  /** Of server cookies, 16 octets each, the newest first; none: random ones, rolled over. */
  readonly cookieSecrets?: readonly Uint8Array[]
  /** One query in so many is logged; 0 or none: no query is. */
  readonly queryLog?: number
  readonly log: Logger
  /** A thread died more often than it may: the process should end. */
  onFatal(error: Error): void
  /** Many datagrams at a system call, where the platform has that; the default. */
  readonly batch?: boolean
  /** false: sockets by Node's own means, as where koffi has no binary. */
  readonly nativeSockets?: boolean
  /** The file that threads start with; a test puts faults into it. */
  readonly threadEntry?: URL
}

export interface Nameserver {
  /** Bound addresses with their ports, as `listen` writes them. */
  readonly addresses: readonly string[]
  readonly workers: number
  /** How datagrams are moved now, and what became of them. */
  udp(): UdpStatus
  /** What was answered since the start, and the networks that asked most; summed up at each call. */
  counters(): NameserverCounters
  /** As the option; in force at once. */
  replaceCookieSecrets(secrets: readonly Uint8Array[] | undefined): void
  /** Answers what has been received, and ends within a second. */
  close(): Promise<void>
}

export interface NameserverCounters extends CountedAnswers {
  readonly askers: Asker[]
}

export interface UdpStatus {
  readonly transport: 'batch' | 'events'
  /** Of each socket, in octets as the kernel counts them; 0 where that is not known. */
  readonly receiveBufferBytes: number
  readonly sendBufferBytes: number
  /** Datagrams that the kernel dropped before we could take them, for want of room mostly. */
  readonly dropped: number
}

/** Networks that counters() names. */
const namedAskers = 20

const tcpSlot = 62
const maxWorkers = 62
const forceMs = 800

/** No client may hold more than this part of all TCP connections … */
const clientShare = 1 / 10
/** … but always so many, for the resolvers behind one address. */
const minPerClient = 10

/** Threads under way, which bind and answer nothing yet. */
export interface PreparedNameserver {
  /**
   * Binds every address; resolves when each thread answers. Throws OperationalError 'address-unavailable' naming the
   * address, or 'worker-failed'; nothing keeps running then.
   */
  listen(): Promise<Nameserver>
  /** Ends the threads at once, those that have not ended yet. */
  abandon(): Promise<void>
}

/** Starts the threads, which takes long, so that the tree can be loaded meanwhile. */
export async function prepareNameserver(options: NameserverOptions): Promise<PreparedNameserver> {
  const addresses = options.listen.map(parseListenAddress)
  const workers = Math.min(Math.max(1, options.workers), maxWorkers)
  const stop = new Int32Array(new SharedArrayBuffer(4))
  let hasFailed = false
  const onFatal = (error: Error): void => {
    if (!hasFailed) options.onFatal(error)
    hasFailed = true
  }
  await adviseHugePages(options.tree)
  const calls = options.nativeSockets === false ? undefined : await loadSocketCalls()
  const isBatched = calls !== undefined && options.batch !== false
  const cookies = new CookieKeeper(options.cookieSecrets)
  const shared = sharedData(options, stop.buffer, cookies.memory)
  const blocks: ThreadBlocks[] = []
  const thread = (kind: 'udp' | 'tcp', slot: number, name: string) => {
    const own = threadBlocks(options)
    blocks.push(own)
    return new Thread({
      name,
      entry: options.threadEntry ?? new URL('./thread.ts', import.meta.url),
      data: { ...shared, ...own, isBatched, kind, slot },
      sockets: () => (kind === 'udp' ? sockets.udp(slot) : sockets.tcp()),
      // Node closes what it opened itself; the batched transport's descriptors are nobody's but the thread's.
      release(left) {
        if (kind !== 'udp' || !isBatched) return
        for (const socket of left) if ('fd' in socket) calls.close(socket.fd)
      },
      log: options.log,
      onFatal,
    })
  }
  let sockets: Awaited<ReturnType<typeof openSockets>>
  const threads = Array.from({ length: workers }, (_, slot) =>
    thread('udp', slot, `dns-udp-${slot}`),
  )
  threads.push(thread('tcp', tcpSlot, 'dns-tcp'))
  const abandon = async (): Promise<void> => {
    await Promise.all(threads.map((each) => each.abandon()))
    cookies.close()
  }
  const listen = async (): Promise<Nameserver> => {
    try {
      sockets = await openSockets(options, calls, addresses, workers)
      await Promise.all(threads.map((each) => each.listen())).catch((error) => {
        sockets.close()
        throw error
      })
    } catch (error) {
      await abandon()
      throw error
    }
    return serving()
  }
  const serving = (): Nameserver => {
    const rings = blocks.flatMap(({ queryLog }) => queryLog?.ring ?? [])
    const origin = presentName(options.zone.origin).replace(/\.$/, '')
    const queryLog = rings.length > 0 ? new QueryLogDrain(rings, origin, options.log) : undefined
    const udp = (): UdpStatus => {
      const memory = sockets.memory()
      return {
        transport: isBatched ? 'batch' : 'events',
        receiveBufferBytes: memory[0]?.receiveBufferBytes ?? 0,
        sendBufferBytes: memory[0]?.sendBufferBytes ?? 0,
        dropped: memory.reduce((sum, { dropped }) => sum + dropped, 0),
      }
    }
    logBuffers(options.log, udp())
    const counterBlocks = blocks.map(({ counters }) => counters)
    return {
      addresses: sockets.addresses.map(formatListenAddress),
      workers,
      udp,
      counters: () => ({
        ...sumCounters(counterBlocks.slice(0, workers), counterBlocks.slice(workers)),
        askers: topAskers(
          blocks.map(({ askers }) => askers),
          namedAskers,
        ),
      }),
      replaceCookieSecrets: (secrets) => cookies.replace(secrets),
      async close() {
        sockets.deafen()
        Atomics.store(stop, 0, 1)
        Atomics.notify(stop, 0)
        await Promise.all(threads.map((each) => each.close(forceMs)))
        sockets.close()
        cookies.close()
        queryLog?.close()
      },
    }
  }
  return { listen, abandon }
}

async function openSockets(
  options: NameserverOptions,
  calls: SocketCalls | undefined,
  addresses: ReturnType<typeof parseListenAddress>[],
  workers: number,
) {
  if (addresses.length === 0) {
    throw new OperationalError('address-unavailable', 'there is no address to listen on')
  }
  if (calls !== undefined) return bindSockets(calls, addresses, workers)
  options.log.info({}, 'sockets are made by node:dgram: no native socket calls here')
  return chooseAddresses(addresses)
}

/** Says what the kernel granted; it doubles what is asked for, to have room for its own book-keeping. */
function logBuffers(log: Logger, { transport, receiveBufferBytes, sendBufferBytes }: UdpStatus) {
  const fields = { transport, receiveBufferBytes, sendBufferBytes }
  if (receiveBufferBytes > 0 && receiveBufferBytes < wantedBufferBytes) {
    log.warn(
      fields,
      `UDP receive buffers are small: bursts may be lost; raise net.core.rmem_max to ${wantedBufferBytes}`,
    )
  } else log.info(fields, 'UDP sockets')
}

type ThreadBlocks = Pick<WorkerData, 'counters' | 'askers' | 'queryLog'>

/** A thread's own blocks of shared memory, which outlive it. */
function threadBlocks({ queryLog = 0 }: NameserverOptions): ThreadBlocks {
  return {
    counters: new SharedArrayBuffer(counterBytes),
    askers: new SharedArrayBuffer(askersBytes),
    ...(queryLog > 0 && {
      queryLog: { ring: new SharedArrayBuffer(queryLogBytes), oneIn: queryLog },
    }),
  }
}

/** What all threads are started with. */
function sharedData(
  options: NameserverOptions,
  stop: SharedArrayBuffer,
  cookieSecrets: SharedArrayBuffer,
): Omit<WorkerData, 'kind' | 'slot' | 'isBatched' | keyof ThreadBlocks> {
  const { zone, tree, udpPayload, version, nsid, tcpConnections, tcpIdleSeconds } = options
  const { access = [], rateLimit, staleServfail = false } = options
  return {
    tree,
    zone,
    responder: {
      udpPayload,
      version: version ?? false,
      ...(nsid && { nsid: new TextEncoder().encode(nsid), identity: nsid }),
    },
    staleServfail,
    clockCorrection: options.clockCorrection ?? new SharedArrayBuffer(8),
    cookieSecrets,
    ...(access.length > 0 && { access: compileAccess(access) }),
    ...(rateLimit &&
      rateLimit.responsesPerSecond > 0 && {
        rateLimit: { ...rateLimit, table: createRateLimitTable() },
      }),
    tcp: {
      connections: tcpConnections,
      connectionsPerClient: Math.max(minPerClient, Math.ceil(tcpConnections * clientShare)),
      idleSeconds: tcpIdleSeconds,
    },
    stop,
  }
}
