// Addresses to listen on → bound sockets, which the main thread keeps for as long as the server runs: a thread gets a
// copy, and the next one takes over the same socket when it dies. An orphaned SO_REUSEPORT socket would swallow
// its share of the queries. Called by nameserver.ts.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { OperationalError } from '../errors.ts'
import { type Descriptor, SystemCallError } from '../libc/library.ts'
import { formatListenAddress, type ListenAddress } from './listen-address.ts'
import type { SocketCalls, SocketMemory } from './socket-calls.ts'

/** What a thread serves: a descriptor that it owns from then on, or an address to bind by Node's own means. */
export type ThreadSocket =
  | {
      readonly family: 4 | 6
      readonly fd: Descriptor
      /** Bound to 0.0.0.0 or [::]: which address was asked differs by datagram. */
      readonly isWildcard: boolean
    }
  | { readonly family: 4 | 6; readonly host: string; readonly port: number }

export interface BoundSockets {
  /** With the ports that were taken. */
  readonly addresses: readonly ListenAddress[]
  /** A fresh set for UDP worker `worker`, or for the TCP thread. */
  udp(worker: number): ThreadSocket[]
  tcp(): ThreadSocket[]
  /** Buffers and losses of each UDP socket; none where threads bind for themselves. */
  memory(): SocketMemory[]
  /**
   * From now on no new query reaches the UDP sockets: their senders hear that nobody listens (ICMP port unreachable),
   * while what was received can still be read and answered. Does nothing where threads bind for themselves.
   */
  deafen(): void
  close(): void
}

/** With port 0, UDP takes a free port and TCP may find it taken; another one is tried so often. */
const portTries = 20

/**
 * Binds every address, for UDP once for each worker. Throws OperationalError 'address-unavailable' naming the
 * address; nothing stays bound then.
 */
export function bindSockets(
  calls: SocketCalls,
  addresses: readonly ListenAddress[],
  workers: number,
): BoundSockets {
  const open: Descriptor[] = []
  try {
    const bound = addresses.map((address) => bindAddress(calls, address, workers, open))
    return {
      addresses: bound.map(({ address }) => address),
      udp: (worker) =>
        bound.map(({ address, udp }) => ({
          family: address.family,
          fd: calls.duplicate(udp[worker] ?? -1),
          isWildcard: isWildcard(address),
        })),
      tcp: () =>
        bound.map(({ address, tcp }) => ({
          family: address.family,
          fd: calls.duplicate(tcp),
          isWildcard: isWildcard(address),
        })),
      memory: () => bound.flatMap(({ udp }) => udp.map(calls.memoryOf)),
      deafen() {
        if (open.length === 0) return
        for (const { udp } of bound) for (const socket of udp) calls.connectToItself(socket)
      },
      close: () => open.splice(0).forEach(calls.close),
    }
  } catch (error) {
    open.splice(0).forEach(calls.close)
    throw error
  }
}

/** Where the C library cannot be called, threads bind for themselves; only ports 0 are settled here, by a moment's binding. */
export async function chooseAddresses(addresses: readonly ListenAddress[]): Promise<BoundSockets> {
  const chosen: ListenAddress[] = []
  for (const address of addresses) {
    chosen.push(address.port === 0 ? { ...address, port: await freePort(address) } : address)
  }
  return {
    addresses: chosen,
    udp: () => [...chosen],
    tcp: () => [...chosen],
    memory: () => [],
    deafen: () => undefined,
    close: () => undefined,
  }
}

function isWildcard({ host }: ListenAddress): boolean {
  return /^[0.:]+$/.test(host)
}

interface BoundAddress {
  readonly address: ListenAddress
  readonly udp: readonly Descriptor[]
  readonly tcp: Descriptor
}

function bindAddress(
  calls: SocketCalls,
  address: ListenAddress,
  workers: number,
  open: Descriptor[],
): BoundAddress {
  for (let tries = 1; ; tries++) {
    const mine: Descriptor[] = []
    try {
      const first = calls.bindUdp(address)
      mine.push(first)
      const settled = { ...address, port: calls.portOf(first) }
      const tcp = calls.listenTcp(settled)
      mine.push(tcp)
      const udp = [first]
      while (udp.length < workers) {
        const next = calls.bindUdp(settled)
        mine.push(next)
        udp.push(next)
      }
      open.push(...mine)
      return { address: settled, udp, tcp }
    } catch (error) {
      mine.forEach(calls.close)
      const isTaken = error instanceof SystemCallError && error.code === 'EADDRINUSE'
      if (address.port === 0 && isTaken && tries < portTries) continue
      throw addressUnavailable(address, error)
    }
  }
}

/** The error that names the address and what the system said. */
export function addressUnavailable(address: ListenAddress, cause: unknown): OperationalError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new OperationalError(
    'address-unavailable',
    `cannot listen on ${formatListenAddress(address)}: ${why}`,
    { cause },
  )
}

async function freePort(address: ListenAddress): Promise<number> {
  for (let tries = 1; ; tries++) {
    const server = createServer()
    const socket = createSocket(address.family === 4 ? 'udp4' : 'udp6')
    try {
      server.listen({ host: address.host, port: 0, ipv6Only: true })
      await once(server, 'listening')
      const bound = server.address()
      const port = bound !== null && typeof bound === 'object' ? bound.port : 0
      socket.bind({ address: address.host, port, exclusive: true })
      await once(socket, 'listening')
      return port
    } catch (error) {
      if (tries === portTries) throw addressUnavailable(address, error)
    } finally {
      server.close()
      socket.close()
    }
  }
}
