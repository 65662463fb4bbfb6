// The name server as a whole: sockets, one thread for each UDP worker, one for TCP. Called by commands/serve.
import type { ZoneData } from '../dns/zone.ts'
import { type Logger, OperationalError } from '../errors.ts'
import { loadLibc } from './libc.ts'
import { formatListenAddress, parseListenAddress } from './listen-address.ts'
import { bindSockets, chooseAddresses } from './sockets.ts'
import type { WorkerData } from './worker.ts'
import { Thread } from './workers.ts'

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
  readonly log: Logger
  /** A thread died more often than it may: the process should end. */
  onFatal(error: Error): void
  /** false: sockets by Node's own means, as where koffi has no binary. */
  readonly nativeSockets?: boolean
  /** The file that threads start with; a test puts faults into it. */
  readonly threadEntry?: URL
}

export interface Nameserver {
  /** Bound addresses with their ports, as `listen` writes them. */
  readonly addresses: readonly string[]
  readonly workers: number
  /** Answers what has been received, and ends within a second. */
  close(): Promise<void>
}

const tcpSlot = 62
const maxWorkers = 62
const forceMs = 800

/** No client may hold more than this part of all TCP connections … */
const clientShare = 1 / 10
/** … but always so many, for the resolvers behind one address. */
const minPerClient = 10

/**
 * Binds every address and starts the threads; resolves when each of them answers. Throws OperationalError
 * 'address-unavailable' naming the address, or 'worker-failed'; nothing keeps running then.
 */
export async function startNameserver(options: NameserverOptions): Promise<Nameserver> {
  const addresses = options.listen.map(parseListenAddress)
  const workers = Math.min(Math.max(1, options.workers), maxWorkers)
  const stop = new Int32Array(new SharedArrayBuffer(4))
  let hasFailed = false
  const onFatal = (error: Error): void => {
    if (!hasFailed) options.onFatal(error)
    hasFailed = true
  }
  const thread = (kind: 'udp' | 'tcp', slot: number, name: string) =>
    new Thread({
      name,
      entry: options.threadEntry ?? new URL('./thread.ts', import.meta.url),
      data: workerData(options, kind, slot, stop.buffer),
      sockets: () => (kind === 'udp' ? sockets.udp(slot) : sockets.tcp()),
      log: options.log,
      onFatal,
    })
  // Threads take longest to start, so they are under way before their sockets are made.
  const threads = Array.from({ length: workers }, (_, slot) =>
    thread('udp', slot, `dns-udp-${slot}`),
  )
  threads.push(thread('tcp', tcpSlot, 'dns-tcp'))
  const abandon = () => Promise.all(threads.map((each) => each.abandon()))
  const sockets = await openSockets(options, addresses, workers).catch(async (error) => {
    await abandon()
    throw error
  })
  try {
    await Promise.all(threads.map((each) => each.listen()))
  } catch (error) {
    await abandon()
    sockets.close()
    throw error
  }
  return {
    addresses: sockets.addresses.map(formatListenAddress),
    workers,
    async close() {
      Atomics.store(stop, 0, 1)
      Atomics.notify(stop, 0)
      await Promise.all(threads.map((each) => each.close(forceMs)))
      sockets.close()
    },
  }
}

async function openSockets(
  options: NameserverOptions,
  addresses: ReturnType<typeof parseListenAddress>[],
  workers: number,
) {
  if (addresses.length === 0) {
    throw new OperationalError('address-unavailable', 'there is no address to listen on')
  }
  const libc = options.nativeSockets === false ? undefined : await loadLibc()
  if (libc !== undefined) return bindSockets(libc, addresses, workers)
  options.log.info({}, 'sockets are made by node:dgram: no native socket calls here')
  return chooseAddresses(addresses)
}

function workerData(
  options: NameserverOptions,
  kind: 'udp' | 'tcp',
  slot: number,
  stop: SharedArrayBuffer,
): WorkerData {
  const { zone, tree, udpPayload, version, tcpConnections, tcpIdleSeconds } = options
  return {
    kind,
    slot,
    tree,
    zone,
    responder: { udpPayload, version: version ?? false },
    tcp: {
      connections: tcpConnections,
      connectionsPerClient: Math.max(minPerClient, Math.ceil(tcpConnections * clientShare)),
      idleSeconds: tcpIdleSeconds,
    },
    stop,
  }
}
