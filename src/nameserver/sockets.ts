// Addresses to listen on → bound sockets. The main thread keeps them while the server runs, and each thread gets duplicates. When
// a thread dies, the next one takes over the same sockets: an SO_REUSEPORT socket without a thread would swallow its share of the
// queries.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { bindFault, OperationalError } from '../errors.ts'
import { type Descriptor, SystemCallError } from '../libc.ts'
import { formatListenAddress, type ListenAddress } from './addresses.ts'
import type { NativeSockets, SocketMemory } from './native.ts'

/** A socket for a thread: a descriptor that the thread then owns, or an address that it binds with node:dgram or node:net. */
export type ThreadSocket =
  | {
      readonly family: 4 | 6
      readonly fd: Descriptor
      /** Bound to 0.0.0.0 or [::], so datagrams may be for different addresses. */
      readonly isWildcard: boolean
    }
  | { readonly family: 4 | 6; readonly host: string; readonly port: number }

export interface BoundSockets {
  /** The addresses, with the real ports in place of 0. */
  readonly addresses: readonly ListenAddress[]
  /** Makes new duplicates for UDP worker number `worker`, or for the TCP thread. */
  udp(worker: number): ThreadSocket[]
  tcp(): ThreadSocket[]
  /** Buffers and losses of each UDP socket; empty if threads bind their own sockets. */
  memory(): SocketMemory[]
  /**
   * Makes the UDP sockets receive no more queries; senders get ICMP port unreachable. Queries received before can still be read
   * and answered. Does nothing if threads bind their own sockets.
   */
  stopReceiving(): void
  close(): void
}

/** With port 0, UDP takes a free port, which may not be free for TCP. Then another port is tried, at most this many in all. */
const portTries = 20

/**
 * Binds every address, for UDP once for each worker. If an address cannot be bound, closes all sockets and throws
 * OperationalError 'address-unavailable' naming it.
 */
export function bindSockets(
  native: NativeSockets,
  addresses: readonly ListenAddress[],
  workers: number,
): BoundSockets {
  const open: Descriptor[] = []
  const copyOf = (address: ListenAddress, fd: Descriptor): ThreadSocket => ({
    family: address.family,
    fd: native.duplicate(fd),
    isWildcard: /^[0.:]+$/.test(address.host),
  })
  const close = (): void => {
    for (const fd of open.splice(0)) native.close(fd)
  }
  try {
    const bound = addresses.map((address) => bindAddress(native, address, workers, open))
    return {
      addresses: bound.map(({ address }) => address),
      udp: (worker) => bound.map(({ address, udp }) => copyOf(address, udp[worker] ?? -1)),
      tcp: () => bound.map(({ address, tcp }) => copyOf(address, tcp)),
      memory: () => bound.flatMap(({ udp }) => udp.map((fd) => native.memoryOf(fd))),
      stopReceiving() {
        if (open.length === 0) return
        for (const { udp } of bound) for (const socket of udp) native.stopReceiving(socket)
      },
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}

/**
 * For systems on which the C library cannot be called: threads bind their own sockets. A port 0 is replaced here by a port that
 * is free now.
 */
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
    stopReceiving: () => undefined,
    close: () => undefined,
  }
}

interface BoundAddress {
  readonly address: ListenAddress
  readonly udp: readonly Descriptor[]
  readonly tcp: Descriptor
}

function bindAddress(
  native: NativeSockets,
  address: ListenAddress,
  workers: number,
  open: Descriptor[],
): BoundAddress {
  for (let tries = 1; ; tries++) {
    const mine: Descriptor[] = []
    try {
      const first = native.bindUdp(address)
      mine.push(first)
      const settled = { ...address, port: native.portOf(first) }
      const tcp = native.listenTcp(settled)
      mine.push(tcp)
      const udp = [first]
      while (udp.length < workers) {
        const next = native.bindUdp(settled)
        mine.push(next)
        udp.push(next)
      }
      open.push(...mine)
      return { address: settled, udp, tcp }
    } catch (error) {
      for (const fd of mine) native.close(fd)
      const isTaken = error instanceof SystemCallError && error.code === 'EADDRINUSE'
      if (address.port === 0 && isTaken && tries < portTries) continue
      throw addressUnavailable(address, error)
    }
  }
}

function addressUnavailable(address: ListenAddress, cause: unknown): OperationalError {
  const why = `dns.listen: cannot listen on ${formatListenAddress(address)}: ${bindFault(cause)}`
  return new OperationalError('address-unavailable', why, { cause })
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
