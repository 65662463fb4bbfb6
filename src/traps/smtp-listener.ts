// The sockets of the SMTP server. Listens, finds out the client of each connection, limits connections and time, and keeps a
// half-closed connection open until its replies are sent. The only SMTP that this file speaks is the 421 that ends a connection.
import { createServer, type Server, type Socket } from 'node:net'
import { bindFault, codeOf, type Logger, OperationalError } from '../errors.ts'
import { type Address, contains, type Prefix, parseAddress, unmapped } from '../ip/address.ts'
import { OncePerMinute } from '../log-rarely.ts'
import { type ClientLimits, type CountedClient, countedClient } from './client-limits.ts'
import { readProxyHeader } from './proxy-header.ts'

export interface ListenerOptions {
  /** `host:port` or `[v6]:port`; port 0 takes a free port. */
  readonly listen: readonly string[]
  /** The host name in the greeting. */
  readonly hostname: string
  /**
   * Hosts that may name another client by XCLIENT or XFORWARD. Their own connections are not counted, since they carry the mail
   * of many clients.
   */
  readonly proxies: readonly Prefix[]
  /** Connections from these must begin with a PROXY header. */
  readonly proxyProtocol: readonly Prefix[]
  /** The most connections at the same time, of all clients. */
  readonly maxConnections: number
  readonly limits: ClientLimits
  /** A connection is closed if for this long no command has been completed, or no content has come. */
  readonly commandSeconds: number
  /** A connection is closed if its message takes longer than this. */
  readonly dataSeconds: number
  /** After close(), messages that are being received or recorded have this long to finish. */
  readonly drainSeconds: number
  readonly log: Logger
  /** Called when a listening socket has failed for good. */
  onFatal(error: Error): void
  onConnection(connection: AcceptedConnection): void
}

/** What happens on a connection now. In 'pause' and 'recording' the client waits for us. */
type ConnectionPhase = 'command' | 'pause' | 'data' | 'recording'

export interface AcceptedConnection {
  readonly id: string
  /** After STARTTLS, the TLS socket. */
  readonly socket: Socket
  /** The peer of the socket or, behind a balancer, the client in the PROXY header; null if that names none. */
  readonly peer: Address | null
  readonly isProxy: boolean
  /** The client that this connection's commands count for. */
  readonly counted: CountedClient
  /**
   * 'command': we wait for a command. 'pause': we delay a reply. 'data': we receive a message. 'recording': we record it. smtp.ts
   * and smtp-protocol.ts set it. A slow client is cut off only in 'command' and 'data'; a shutdown cuts off 'command' and 'pause'
   * at once.
   */
  phase: ConnectionPhase
  /** Octets of message content so far. With the socket's own counts, they show whether a connection moves, also with TLS. */
  dataBytes: number
  /** We ended the connection with 421, because of a limit, a timeout or a shutdown. smtp-protocol.ts sets it, too. */
  wasCut: boolean
  /** To be called when a proxy has named the client. Returns why that client is refused, or null. */
  name(client: Address | null): string | null
  /** To be called after STARTTLS, with the TLS socket. */
  secure(socket: Socket): void
  /** To be called when the connection has ended. */
  release(): void
}

/** A connection, and when it last made progress. */
interface Tracked extends Mutable<AcceptedConnection> {
  /** Octets of replies and of message content at the last look. */
  progress: number
  /** When `progress` last changed, in milliseconds of the monotonic clock. */
  progressAt: number
  phaseSince: { phase: AcceptedConnection['phase']; at: number }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** How long to wait for a PROXY header; a balancer sends it at once. */
const headerMs = 5000
/** How often to look for slow connections. */
const sweepMs = 1000
/**
 * While the maximum number of connections is open, slow ones are closed after this share of the usual time. It is what Postfix
 * does under stress (STRESS_README).
 */
const crowdedShare = 1 / 6
/** How long a refused client has to read why it was refused. */
const refusalMs = 2000
/** The most refused connections that we wait for; further ones are closed at once. */
const maxLeaving = 200
/** A half-closed connection is ended when nothing has happened on it for this long. */
const quietMs = 300
const quietCheckMs = 50
/** After close(), the peers have this long to end their side. */
const goodbyeMs = 250

/** Resolves once every address is bound. Throws OperationalError `address-unavailable` naming an address that cannot be bound. */
export async function startListener(options: ListenerOptions): Promise<Listener> {
  const listener = new Listener(options)
  try {
    for (const address of options.listen) await listener.listen(address)
  } catch (error) {
    await listener.close()
    throw error
  }
  return listener
}

class Listener {
  /** Bound addresses, as `host:port` or `[v6]:port`. */
  readonly addresses: string[] = []
  readonly #options: ListenerOptions
  readonly #servers: Server[] = []
  readonly #connections = new Map<string, Tracked>()
  /** Connections whose PROXY header has not come yet. */
  readonly #unnamed = new Set<Socket>()
  /** Refused connections that are not closed yet. */
  #leaving = 0
  readonly #fullLog = new OncePerMinute()
  readonly #sweeper: NodeJS.Timeout
  #nextId = 1
  #isClosing = false

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#sweeper = setInterval(() => this.#sweep(), sweepMs)
    this.#sweeper.unref()
  }

  async listen(address: string): Promise<void> {
    const [, v6, v4, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(address) ?? []
    const host = v6 ?? v4
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#accept(socket)
    })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', (cause) => {
      const why = `trapSmtp.listen: cannot listen on ${address}: ${bindFault(cause)}`
      reject(new OperationalError('address-unavailable', why, { cause }))
    })
    // Without a host, the port would be bound on every interface. Without ipv6Only, [::] would take the port of 0.0.0.0 too.
    server.listen(
      { host: host ?? '127.0.0.1', port: Number(port), ipv6Only: v6 !== undefined },
      resolve,
    )
    await promise
    server.removeAllListeners('error')
    server.on('error', (error) => this.#onListenerError(error, address))
    this.#servers.push(server)
    const bound = server.address()
    if (bound !== null && typeof bound === 'object') {
      const { address: ip, port: boundPort, family } = bound
      this.addresses.push(family === 'IPv6' ? `[${ip}]:${boundPort}` : `${ip}:${boundPort}`)
    }
  }

  /** Accepts no more connections, lets current messages finish for `drainSeconds`, and ends every connection with 421. */
  async close(): Promise<void> {
    this.#isClosing = true
    for (const server of this.#servers) server.close()
    for (const socket of this.#unnamed) socket.destroy()
    const open = (): Tracked[] => [...this.#connections.values()]
    const isAnswering = ({ socket }: AcceptedConnection): boolean => !socket.writableEnded
    await waitUntil(this.#options.drainSeconds * 1000, () => {
      for (const connection of open()) {
        const { phase } = connection
        if (phase === 'command' || phase === 'pause') this.#cut(connection, shuttingDown)
      }
      return !open().some(isAnswering)
    })
    for (const connection of open()) this.#cut(connection, shuttingDown)
    // Destroying a socket that has unread octets resets the connection, and the peer may lose our last reply.
    await waitUntil(goodbyeMs, () => open().length === 0)
    for (const { socket } of open()) socket.destroy()
    clearInterval(this.#sweeper)
    this.#options.limits.close()
  }

  /** If only resources for a new connection were lacking, logs that and goes on. Any other error has ended the listener. */
  #onListenerError(error: Error, address: string): void {
    const { log, onFatal } = this.#options
    if (passingErrors.has(codeOf(error))) {
      log.warn({ err: error, address }, 'trap SMTP could not accept a connection')
    } else {
      onFatal(error)
    }
  }

  #accept(socket: Socket): void {
    const { proxyProtocol } = this.#options
    socket.on('error', () => socket.destroy())
    const sender = peerOf(socket)
    const isBalancer = sender !== null && proxyProtocol.some((prefix) => contains(prefix, sender))
    if (!isBalancer) this.#admit(socket, sender)
    else if (this.#isFull()) this.#refuse(socket, tooMany)
    else this.#readHeader(socket)
  }

  /** Waits for the PROXY header before anything is sent. A balancer that sends no valid header is disconnected. */
  #readHeader(socket: Socket): void {
    let arrived = Buffer.alloc(0)
    const timer = setTimeout(() => socket.destroy(), headerMs)
    const done = (): void => {
      clearTimeout(timer)
      this.#unnamed.delete(socket)
    }
    const onReadable = (): void => {
      for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) {
        arrived = Buffer.concat([arrived, chunk])
      }
      const header = readProxyHeader(arrived)
      if (header.kind === 'incomplete') return
      done()
      socket.off('readable', onReadable)
      if (header.kind === 'refused') {
        this.#options.log.warn({ why: header.why }, 'connection refused: no valid PROXY header')
        socket.destroy()
        return
      }
      if (header.length < arrived.length) socket.unshift(arrived.subarray(header.length))
      // Stop the 'readable' mode that the listener leaves behind; smtp-server reads by pipe.
      socket.pause()
      this.#admit(socket, header.client)
    }
    this.#unnamed.add(socket)
    socket.once('close', done)
    socket.once('end', () => {
      if (this.#unnamed.has(socket)) socket.destroy()
    })
    socket.on('readable', onReadable)
  }

  #admit(socket: Socket, peer: Address | null): void {
    const { proxies, limits, onConnection } = this.#options
    const isProxy = peer !== null && proxies.some((prefix) => contains(prefix, peer))
    const counted = isProxy ? null : countedClient(peer)
    const refusal = this.#refusal() ?? limits.enter(counted)
    if (refusal !== null) {
      this.#refuse(socket, refusal)
      return
    }
    const now = performance.now()
    const id = String(this.#nextId++)
    const connection: Tracked = {
      id,
      socket,
      peer,
      isProxy,
      counted,
      phase: 'command',
      dataBytes: 0,
      wasCut: false,
      progress: 0,
      progressAt: now,
      phaseSince: { phase: 'command', at: now },
      name: (client) => {
        limits.leave(connection.counted)
        connection.counted = null
        const named = countedClient(client)
        const refused = limits.enter(named)
        if (refused === null) connection.counted = named
        return refused
      },
      secure: (secured) => {
        connection.socket = secured
        this.#watchEnd(connection)
      },
      release: () => {
        if (this.#connections.delete(id)) limits.leave(connection.counted)
      },
    }
    this.#connections.set(id, connection)
    this.#watchEnd(connection)
    onConnection(connection)
  }

  /** Watches for the end of the connection. If the client has shut down its sending side, its replies are sent first. */
  #watchEnd(connection: AcceptedConnection): void {
    const { socket } = connection
    socket.once('end', () => endWhenQuiet(connection))
    socket.once('close', connection.release)
  }

  #refusal(): string | null {
    if (this.#isClosing) return shuttingDown
    return this.#isFull() ? tooMany : null
  }

  #isFull(): boolean {
    return this.#connections.size + this.#unnamed.size >= this.#options.maxConnections
  }

  /** Refuses a connection before its session begins. */
  #refuse(socket: Socket, why: string): void {
    if (why === tooMany) this.#logFull()
    if (socket.destroyed) return
    if (this.#leaving >= maxLeaving) {
      socket.destroy()
      return
    }
    this.#leaving++
    socket.once('close', () => this.#leaving--)
    this.#endWith421(socket, why)
  }

  #logFull(): void {
    const { log, maxConnections } = this.#options
    this.#fullLog.run(() =>
      log.warn(
        { connections: maxConnections },
        'SMTP connections refused: the maximum number is open',
      ),
    )
  }

  #cut(connection: Tracked, why: string): void {
    connection.wasCut = true
    this.#endWith421(connection.socket, why)
  }

  /** Sends 421 (RFC 5321 §3.8) and ends our side; closes the socket soon after, whatever the peer does. */
  #endWith421(socket: Socket, why: string): void {
    if (socket.destroyed || socket.writableEnded) return
    const [code = '', ...words] = why.split(' ')
    socket.end(`421 ${code} ${this.#options.hostname} ${words.join(' ')}\r\n`)
    socket.resume()
    setTimeout(() => socket.destroy(), refusalMs).unref()
  }

  #sweep(): void {
    const { commandSeconds, dataSeconds, limits } = this.#options
    limits.sweep()
    const now = performance.now()
    const idleMs = commandSeconds * 1000 * (this.#isFull() ? crowdedShare : 1)
    for (const connection of this.#connections.values()) {
      const { socket, phase } = connection
      const progress = socket.bytesWritten + connection.dataBytes
      if (progress !== connection.progress) {
        connection.progress = progress
        connection.progressAt = now
      }
      if (phase !== connection.phaseSince.phase) {
        connection.phaseSince = { phase, at: now }
        connection.progressAt = now
      }
      const isWaiting = phase === 'command' || phase === 'data'
      const isIdle = isWaiting && now - connection.progressAt > idleMs
      const isTooLong = phase === 'data' && now - connection.phaseSince.at > dataSeconds * 1000
      if (isIdle || isTooLong) this.#cut(connection, '4.4.2 Timeout, closing connection')
    }
  }
}

const passingErrors = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'ECONNABORTED', 'EAGAIN'])
const shuttingDown = '4.3.2 Server shutting down'
const tooMany = '4.3.2 Too many connections, try again later'

function peerOf(socket: Socket): Address | null {
  const parsed = parseAddress(socket.remoteAddress ?? '')
  return 'value' in parsed ? unmapped(parsed.value) : null
}

/** Resolves once `isDone` returns true, or after `withinMs`. */
async function waitUntil(withinMs: number, isDone: () => boolean): Promise<void> {
  const end = performance.now() + withinMs
  while (!isDone() && performance.now() < end) await new Promise((next) => setTimeout(next, 20))
}

/**
 * For a client that has closed its sending side. What it sent before is still read and answered. The connection ends at QUIT,
 * or once it has been idle for `quietMs` and no reply is due. A message that breaks off in the middle gets no reply.
 */
function endWhenQuiet(connection: AcceptedConnection): void {
  const { socket } = connection
  let seen = -1
  let quietSince = performance.now()
  const check = setInterval(() => {
    const moved = socket.bytesWritten + socket.bytesRead + connection.dataBytes
    const { phase } = connection
    if (moved !== seen || phase === 'recording' || phase === 'pause') {
      seen = moved
      quietSince = performance.now()
    }
    if (socket.destroyed || socket.writableEnded) {
      clearInterval(check)
    } else if (performance.now() - quietSince >= quietMs) {
      clearInterval(check)
      if (phase === 'command') socket.end()
      else socket.destroy()
    }
  }, quietCheckMs)
  check.unref()
}
