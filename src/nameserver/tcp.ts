// DNS over TCP (RFC 7766, RFC 9210): accepts connections and limits their number.
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientAddress } from '../dns/query-context.ts'
import type { Transfers } from '../transfer/transfers.ts'
import { readClientText } from './addresses.ts'
import { connectionNetwork } from './client-network.ts'
import type { ThreadSocket } from './sockets.ts'
import { TcpConnection } from './tcp-connection.ts'
import { type TransportOptions, untilQuiet } from './transport.ts'

export interface TcpOptions extends TransportOptions {
  /** The most open connections. */
  readonly connections: number
  /** The most open connections of one client: an IPv4 address or an IPv6 /64. */
  readonly connectionsPerClient: number
  readonly idleSeconds: number
  /** Makes zone transfers; undefined if nobody may have one. */
  readonly transfers: Transfers | undefined
  /** Whether an access rule drops all queries of the client in `answering`. Such a client must not hold a connection open. */
  isBarred(): boolean
}

/**
 * After the stop, queries are answered until none has come for `quietMs`, but not longer than `drainMs`. Then peers have
 * `drainMs` to take their answers.
 */
const quietMs = 20
const drainMs = 300

/** Answers queries until it is told to stop. Rejects if a listener fails. */
export async function serveTcp(options: TcpOptions): Promise<void> {
  const connections = new Connections(options.connections, options.connectionsPerClient)
  const servers = options.sockets.map((socket) =>
    listen(socket, (accepted) => connections.accept(accepted, options)),
  )
  const failed = new Promise<never>((_, reject) => {
    for (const { server } of servers) server.on('error', reject)
  })
  await Promise.race([Promise.all(servers.map(({ listening }) => listening)), failed])
  options.onListening()
  await Promise.race([Atomics.waitAsync(options.stop, 0, 0).value, failed])
  await untilQuiet(() => connections.activity, quietMs, drainMs)
  const closed = servers.map(({ server }) => once(server.close(), 'close'))
  connections.endAll()
  await Promise.race([Promise.all(closed), sleep(drainMs, undefined, { ref: false })])
  connections.destroyAll()
  await Promise.all(closed)
}

function listen(
  socket: ThreadSocket,
  onConnection: (accepted: Socket) => void,
): { server: Server; listening: Promise<unknown> } {
  const server = createServer({ allowHalfOpen: true }, onConnection)
  const listening = once(server, 'listening')
  if ('fd' in socket) server.listen({ fd: socket.fd })
  else server.listen({ host: socket.host, port: socket.port, ipv6Only: socket.family === 6 })
  return { server, listening }
}

/**
 * The open connections; the one that was answered longest ago comes first. A new connection is never refused. At a limit, it
 * replaces the one that has been idle longest, of the same client or of all (RFC 7766 §6.2.2 and §6.2.3 allow that). So idle
 * connections keep nobody out.
 */
class Connections {
  /** How many connections this thread has accepted, and how many times it has answered on any of them. */
  activity = 0
  readonly #limit: number
  readonly #limitPerClient: number
  readonly #all = new Map<TcpConnection, Client>()
  readonly #clients = new Map<string, Client>()

  constructor(limit: number, limitPerClient: number) {
    this.#limit = limit
    this.#limitPerClient = limitPerClient
  }

  accept(socket: Socket, options: TcpOptions): void {
    this.activity++
    const { remoteAddress } = socket
    if (remoteAddress === undefined) {
      socket.destroy()
      return
    }
    const address: ClientAddress = { family: 4, w0: 0, w1: 0, w2: 0, w3: 0 }
    readClientText(remoteAddress, address)
    Object.assign(options.answering.client, address)
    if (options.isBarred()) {
      socket.destroy()
      return
    }
    const name = connectionNetwork(address)
    const client = this.#clients.get(name) ?? { name, connections: new Set() }
    if (client.connections.size >= this.#limitPerClient) this.#evict(client.connections)
    else if (this.#all.size >= this.#limit) this.#evict(this.#all.keys())
    const connection: TcpConnection = new TcpConnection(socket, {
      answering: options.answering,
      address,
      idleSeconds: options.idleSeconds,
      transfers: options.transfers,
      onActivity: () => {
        this.activity++
        if (this.#forget(connection)) this.#remember(connection, client)
      },
      onClose: () => this.#forget(connection),
    })
    this.#remember(connection, client)
  }

  endAll(): void {
    for (const connection of this.#all.keys()) connection.end()
  }

  destroyAll(): void {
    for (const connection of this.#all.keys()) connection.destroy()
  }

  #evict([idlest]: Iterable<TcpConnection>): void {
    if (idlest === undefined) return
    idlest.destroy()
    // Its 'close' event comes later, but its place is free now.
    this.#forget(idlest)
  }

  #remember(connection: TcpConnection, client: Client): void {
    this.#all.set(connection, client)
    this.#clients.set(client.name, client)
    client.connections.add(connection)
  }

  #forget(connection: TcpConnection): boolean {
    const client = this.#all.get(connection)
    if (client === undefined) return false
    this.#all.delete(connection)
    client.connections.delete(connection)
    if (client.connections.size === 0) this.#clients.delete(client.name)
    return true
  }
}

interface Client {
  readonly name: string
  readonly connections: Set<TcpConnection>
}
