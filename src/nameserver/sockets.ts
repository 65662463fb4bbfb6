// Addresses to listen on → bound sockets, which the main thread keeps as long as the server runs. A thread gets copies; when
// it dies, the next one takes over the same sockets. Without a thread, an SO_REUSEPORT socket would swallow its share of the
// queries.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { OperationalError } from '../errors.ts'
import { type Descriptor, SystemCallError } from '../libc.ts'
import { formatListenAddress, type ListenAddress } from './addresses.ts'
import type { NativeSockets, SocketMemory } from './native.ts'

/** What a thread serves: a descriptor that it then owns, or an address that it binds by Node's own means. */
export type ThreadSocket =
  | {
      readonly family: 4 | 6
      readonly fd: Descriptor
      /** Bound to 0.0.0.0 or [::], so each datagram may be for another address. */
      readonly isWildcard: boolean
    }
  | { readonly family: 4 | 6; readonly host: string; readonly port: number }

export interface BoundSockets {
  /** With the real ports in place of 0. */
  readonly addresses: readonly ListenAddress[]
  /** A new set of copies for UDP worker `worker`, or for the TCP thread. */
  udp(worker: number): ThreadSocket[]
  tcp(): ThreadSocket[]
  /** Buffers and losses of each UDP socket; empty where threads bind for themselves. */
  memory(): SocketMemory[]
  /**
   * No new query reaches the UDP sockets any more: its sender is told that nobody listens (ICMP port unreachable). What
   * was received before can still be read and answered. Does nothing where threads bind for themselves.
   */
  stopReceiving(): void
  close(): void
}

/** With port 0, UDP takes a free port, which may be taken for TCP. Then others are tried, this many in all. */
const portTries = 20

/**
 * Binds every address, for UDP once for each worker. If one cannot be bound, throws OperationalError 'address-unavailable'
 * naming it, and leaves nothing bound.
 */
export function bindSockets(
  native: NativeSockets,
  addresses: readonly ListenAddress[],
  workers: number,
): BoundSockets {
  const open: Descriptor[] = []
  const close = (): void => {
    for (const fd of open.splice(0)) native.close(fd)
  }
  try {
    const bound = addresses.map((address) => bindAddress(native, address, workers, open))
    return {
      addresses: bound.map(({ address }) => address),
      udp: (worker) =>
        bound.map(({ address, udp }) => ({
          family: address.family,
          fd: native.duplicate(udp[worker] ?? -1),
          isWildcard: isWildcard(address),
        })),
      tcp: () =>
        bound.map(({ address, tcp }) => ({
          family: address.family,
          fd: native.duplicate(tcp),
          isWildcard: isWildcard(address),
        })),
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

/** Where the C library cannot be called, threads bind for themselves. Here a port 0 is replaced by one that is free now. */
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

function isWildcard({ host }: ListenAddress): boolean {
  return /^[0.:]+$/.test(host)
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
