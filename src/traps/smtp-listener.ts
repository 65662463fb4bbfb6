// The sockets of the SMTP server: listens, finds out the client of each connection, limits connections and time, and keeps a
// half-closed connection open until its replies are sent. The only SMTP it speaks is the 421 that ends a connection.
import { createServer, type Server, type Socket } from 'node:net'
import { type Logger, OperationalError } from '../errors.ts'
import { type Address, contains, type Prefix, parseAddress, unmapped } from '../ip/address.ts'
import { OncePerMinute } from '../log-rarely.ts'
import { type ClientLimits, type CountedClient, countedClient } from './client-limits.ts'
import { readProxyHeader } from './proxy-header.ts'

interface FrontOptions {
  /** `host:port` or `[v6]:port`; port 0 takes a free one. */
  readonly listen: readonly string[]
  readonly hostname: string
  /** Connections from these are not counted: they carry many clients' mail. */
  readonly proxies: readonly Prefix[]
  /** Connections from these must begin with a PROXY header. */
  readonly proxyProtocol: readonly Prefix[]
  /** In all. */
  readonly maxConnections: number
  readonly limits: ClientLimits
  /** A connection is closed if no command has been completed for this long. */
  readonly commandSeconds: number
  /** A connection is closed if its message takes longer than this. */
  readonly dataSeconds: number
  /** After close(), messages being received or recorded may take this long to finish. */
  readonly drainSeconds: number
  readonly log: Logger
  /** Called when a listening socket has broken for good. */
  onFatal(error: Error): void
  onConnection(connection: FrontConnection): void
}

/** What a connection waits for. In a pause and while recording, the client waits for us. */
type ConnectionPhase = 'command' | 'pause' | 'data' | 'recording'

export interface FrontConnection {
  readonly id: string
  /** The TLS socket once the connection is secure. */
  readonly socket: Socket
  /** The client: the peer of the socket or, behind a balancer, the address in the PROXY header; null if that names none. */
  readonly peer: Address | null
  readonly isProxy: boolean
  /** The client that its commands are counted for. */
  readonly counted: CountedClient
  /**
   * What it waits for: a command, the end of a pause, the rest of a message, or our reply to it. Kept by those who speak
   * SMTP. It is cut for being slow in 'command' and 'data' alone. A shutdown ends it at once in 'command' and 'pause'.
   */
  phase: ConnectionPhase
  /** Octets of message content so far; a sign of life beside the socket's own counts. */
  dataBytes: number
  /** It was ended by us before the client was done: a limit, a timeout, a shutdown. */
  readonly wasCut: boolean
  /** A proxy has named the client. The answer is why that one is refused, or null. */
  name(client: Address | null): string | null
  /** After STARTTLS: from now on this socket is the connection. */
  secure(socket: Socket): void
  /** The connection is over. */
  release(): void
}

interface Front {
  /** Bound addresses, as `host:port` or `[v6]:port`. */
  readonly addresses: readonly string[]
  /** Takes no more connections, lets what is under way finish for `drainSeconds`, and ends everything with 421. */
  close(): Promise<void>
}

interface Tracked {
  readonly connection: Mutable<FrontConnection>
  progress: number
  /** Milliseconds of the monotonic clock. */
  progressAt: number
  phaseSince: { phase: FrontConnection['phase']; at: number }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** A balancer sends its header at once. */
const headerMs = 5000
/** How often slow connections are looked for, and how long a refused one may take to read why. */
const sweepMs = 1000
const refusalMs = 2000
/** More refused ones than this are not waited for. */
const maxLeaving = 200
/** A half-closed connection is ended after this long without anything happening on it. */
const quietMs = 300
const quietCheckMs = 50
/** After close() the peers have this long to end their side. */
const goodbyeMs = 250

/** Resolves once every address is bound; throws OperationalError `address-unavailable` naming the one that is not. */
export async function startFront(options: FrontOptions): Promise<Front> {
  const front = new ListeningFront(options)
  try {
    for (const address of options.listen) await front.listen(address)
  } catch (error) {
    await front.close()
    throw error
  }
  return front
}

class ListeningFront implements Front {
  readonly addresses: string[] = []
  readonly #options: FrontOptions
  readonly #servers: Server[] = []
  readonly #connections = new Map<string, Tracked>()
  /** Those whose PROXY header is still to come. */
  readonly #unnamed = new Set<Socket>()
  /** Refused connections that are not closed yet. */
  #leaving = 0
  readonly #fullLog = new OncePerMinute()
  readonly #sweeper: NodeJS.Timeout
  #nextId = 1
  #isClosing = false

  constructor(options: FrontOptions) {
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
      const why = `trap SMTP cannot listen on ${address}: ${cause.message}`
      reject(new OperationalError('address-unavailable', why, { cause }))
    })
    // An address without a host would be bound on every interface.
    server.listen({ host: host ?? '127.0.0.1', port: Number(port) }, resolve)
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

  async close(): Promise<void> {
    this.#isClosing = true
    for (const server of this.#servers) server.close()
    for (const socket of this.#unnamed) socket.destroy()
    const open = (): Mutable<FrontConnection>[] =>
      [...this.#connections.values()].map(({ connection }) => connection)
    const isAnswering = ({ socket }: FrontConnection): boolean => !socket.writableEnded
    await settled(this.#options.drainSeconds * 1000, () => {
      for (const connection of open()) {
        const { phase } = connection
        if (phase === 'command' || phase === 'pause') this.#cut(connection, shuttingDown)
      }
      return !open().some(isAnswering)
    })
    for (const connection of open()) this.#cut(connection, shuttingDown)
    // Destroying a socket with unread octets resets the connection; the peer may then lose our last reply.
    await settled(goodbyeMs, () => open().length === 0)
    for (const { socket } of open()) socket.destroy()
    clearInterval(this.#sweeper)
    this.#options.limits.close()
  }

  /** A connection that could not be accepted for want of resources passes; anything else has ended the listener. */
  #onListenerError(error: Error, address: string): void {
    const { log, onFatal } = this.#options
    if ('code' in error && passingErrors.has(String(error.code))) {
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
    else if (this.#isFull()) this.#turnAway(socket, tooMany)
    else this.#readHeader(socket)
  }

  /** Nothing is said to a balancer before its header is here; one that sends no sound header is cut off. */
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
        this.#options.log.warn({ why: header.why }, 'connection without its PROXY header')
        socket.destroy()
        return
      }
      if (header.length < arrived.length) socket.unshift(arrived.subarray(header.length))
      // The listener has left the stream waiting for one; the SMTP server reads by pipe.
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
      this.#turnAway(socket, refusal)
      return
    }
    const now = performance.now()
    const id = String(this.#nextId++)
    const connection: Mutable<FrontConnection> = {
      id,
      socket,
      peer,
      isProxy,
      counted,
      phase: 'command',
      dataBytes: 0,
      wasCut: false,
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
        this.#attend(connection)
      },
      release: () => {
        if (this.#connections.delete(id)) limits.leave(connection.counted)
      },
    }
    this.#connections.set(id, {
      connection,
      progress: 0,
      progressAt: now,
      phaseSince: { phase: 'command', at: now },
    })
    this.#attend(connection)
    onConnection(connection)
  }

  /** Makes the half-closed connection last until it is answered, and sees its end. */
  #attend(connection: FrontConnection): void {
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

  /** Refuses a connection before it has begun. */
  #turnAway(socket: Socket, why: string): void {
    if (why === tooMany) this.#logFull()
    if (socket.destroyed) return
    if (this.#leaving >= maxLeaving) {
      socket.destroy()
      return
    }
    this.#leaving++
    socket.once('close', () => this.#leaving--)
    this.#dismiss(socket, why)
  }

  #logFull(): void {
    const { log, maxConnections } = this.#options
    this.#fullLog.run(() =>
      log.warn(
        { connections: maxConnections },
        'all SMTP connections are taken, others are refused',
      ),
    )
  }

  #cut(connection: Mutable<FrontConnection>, why: string): void {
    connection.wasCut = true
    this.#dismiss(connection.socket, why)
  }

  /** Says 421 (RFC 5321 §3.8), ends our side, and does not wait long for the other. */
  #dismiss(socket: Socket, why: string): void {
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
    for (const tracked of this.#connections.values()) {
      const { connection } = tracked
      const { bytesWritten } = connection.socket
      if (bytesWritten !== tracked.progress) {
        tracked.progress = bytesWritten
        tracked.progressAt = now
      }
      if (connection.phase !== tracked.phaseSince.phase) {
        tracked.phaseSince = { phase: connection.phase, at: now }
        tracked.progressAt = now
      }
      const isSlow =
        (connection.phase === 'command' && now - tracked.progressAt > commandSeconds * 1000) ||
        (connection.phase === 'data' && now - tracked.phaseSince.at > dataSeconds * 1000)
      if (isSlow) this.#cut(connection, '4.4.2 Timeout, closing connection')
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

/** Resolves once `isDone` says so, or after that many milliseconds. */
async function settled(withinMs: number, isDone: () => boolean): Promise<void> {
  const end = performance.now() + withinMs
  while (!isDone() && performance.now() < end) await new Promise((next) => setTimeout(next, 20))
}

/**
 * Ends our side of a connection whose client has shut down its sending side. What it sent before is still read and answered:
 * the end comes with QUIT, or when nothing has moved for a while and no reply is owed. A message that is cut off in the middle
 * gets no reply.
 */
function endWhenQuiet(connection: FrontConnection): void {
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
