// Serves the app on a TCP address (`[admin] listen`) and on a Unix socket that only its owner can open; the command line
// reaches a running server through that socket. Also limits how many connections strangers can open, and for how long.
import { lstatSync, unlinkSync } from 'node:fs'
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { connect, isIP, type ListenOptions, type Socket } from 'node:net'
import { bindFault, messageOf, OperationalError } from '../errors.ts'
import type { Prefix } from '../ip/address.ts'
import {
  ClientConnections,
  isLocal,
  isTrustedProxy,
  limitKey,
  type RefusalLog,
  readClient,
} from './client-limits.ts'
import type { App } from './options.ts'
import { answerClientError } from './problem.ts'

/** Most octets of the request line and header fields together. */
const maxHeaderBytes = 16 * 1024
/** The same on the control socket, where a URL may hold all prefixes of a command line. */
const maxControlHeaderBytes = 1024 * 1024
/** Most open connections; further ones are closed at once. */
const maxConnections = 2000
/** Most open connections of one client. Loopback and trusted proxies have no such limit. */
const maxClientConnections = maxConnections / 10
const headersTimeoutMs = 10_000
const deadlines = {
  /** For a whole request with its body. It leaves time for an import of millions of lines over a slow connection. */
  requestMs: 300_000,
  /** The connection is closed if no data moves for this long, while the body is read or the answer is sent. */
  idleMs: 60_000,
  /** For request and answer together. An export keeps old database pages until its client has read it all. */
  exchangeMs: 3_600_000,
  /** If a request is answered before its body is complete, the rest of the body must arrive within this. */
  unwantedBodyMs: 5000,
}
/** A connection without a request is closed after this. */
const keepAliveMs = 5000
/** How often Node checks the deadlines for headers and requests. */
const checkingIntervalMs = 1000
/** A socket path has at most 108 octets with the final zero (unix(7)). */
const maxPathBytes = 107
/** Gives the socket mode 0600. Whoever can open it is treated as the operator. */
const socketUmask = 0o177
/** When a listener closes, requests in progress may go on for this long. */
const drainMs = 2000

export interface Listener {
  /** The bound host:port or [v6]:port, or the path of the socket. */
  readonly address: string
  /** Accepts no more connections, gives requests in progress 2 s to end, and removes the socket file. */
  close(): Promise<void>
}

export interface TcpOptions {
  /** IPV4:PORT or [IPV6]:PORT; port 0 chooses a free port. */
  readonly listen: string
  /** Proxies may open any number of connections, since they speak for many clients. Called for each connection. */
  trustedProxies?(): readonly Prefix[]
  readonly refusals: RefusalLog
  /** Shorter deadlines, for tests. */
  readonly deadlines?: Partial<typeof deadlines>
}

/** Serves the app over HTTP/1.1. Throws OperationalError `address-unavailable`, whose message names the address. */
export async function serveOnTcp(app: App, options: TcpOptions): Promise<Listener> {
  const { listen } = options
  const colon = listen.lastIndexOf(':')
  const host = listen.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  const unavailable = (why: string, cause?: unknown) =>
    new OperationalError('address-unavailable', `admin.listen ${listen}: ${why}`, { cause })
  if (isIP(host) === 0) throw unavailable('not an address')
  await app.ready()
  const limits = { ...deadlines, ...options.deadlines }
  const settings = {
    maxHeaderSize: maxHeaderBytes,
    connectionsCheckingInterval: checkingIntervalMs,
    // Node allows a request the longer of headersTimeout and requestTimeout, so headersTimeout must not exceed the other.
    headersTimeout: Math.min(headersTimeoutMs, limits.requestMs),
    requestTimeout: limits.requestMs,
    keepAliveTimeout: keepAliveMs,
  }
  const server = createServer(settings, (request, response) => {
    endSlowExchange(request, response, limits)
    app.routing(request, response)
  })
  server.on('clientError', answerClientError)
  server.maxConnections = maxConnections
  server.timeout = limits.idleMs
  limitClients(server, options)
  const where = { host, port: Number(listen.slice(colon + 1)), ipv6Only: isIP(host) === 6 }
  await bind(server, where).catch((error) => {
    throw unavailable(bindFault(error), error)
  })
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw unavailable('not bound')
  const { address, port, family } = bound
  return {
    address: family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`,
    close: () => close(server),
  }
}

/** Closes a new connection at once if its client has too many open. */
function limitClients(server: Server, { refusals, trustedProxies = () => [] }: TcpOptions): void {
  const connections = new ClientConnections(maxClientConnections)
  server.on('connection', (socket: Socket) => {
    const peer = readClient(socket.remoteAddress)
    if (isLocal(peer) || isTrustedProxy(peer, trustedProxies())) return
    const client = limitKey(peer)
    if (connections.admit(client, socket)) return
    refusals.note(client, 'too many connections')
    socket.destroy()
  })
}

/**
 * Closes connections that stand still: the client must keep sending its body and keep reading its answer. The server's own
 * work on a request is limited only by the deadline for the whole exchange.
 */
function endSlowExchange(
  request: IncomingMessage,
  response: ServerResponse,
  limits: typeof deadlines,
): void {
  const end = (): unknown => request.socket.destroy()
  response.on('timeout', () => {
    if (!request.complete || response.writableLength > 0) end()
  })
  const whole = setTimeout(end, limits.exchangeMs).unref()
  response.once('close', () => clearTimeout(whole))
  response.once('finish', () => {
    if (request.complete) return
    const patience = setTimeout(end, limits.unwantedBodyMs).unref()
    request.once('close', () => clearTimeout(patience))
  })
}

const fromSocket = new WeakSet<IncomingMessage>()

/** Whether a request came over a control socket. (A missing peer address is no proof: a disconnected peer has none.) */
export function isFromControlSocket(request: IncomingMessage): boolean {
  return fromSocket.has(request)
}

/**
 * Serves the app on a Unix socket of mode 0600. The folder must exist, and the caller must hold the database's lock. A
 * socket that a killed server left behind is replaced. Throws OperationalError `address-unavailable`, naming the path, if
 * another process listens there or the path is some other file. Changes the process's umask while binding.
 */
export async function serveOnSocket(app: App, path: string): Promise<Listener> {
  const unavailable = (why: string, cause?: unknown) =>
    new OperationalError('address-unavailable', `control socket ${path}: ${why}`, { cause })
  if (Buffer.byteLength(path) > maxPathBytes)
    throw unavailable(`longer than ${maxPathBytes} octets`)
  await app.ready()
  const settings: ServerOptions = {
    maxHeaderSize: maxControlHeaderBytes,
    headersTimeout: headersTimeoutMs,
    // Only the operator can connect here, and importing a long list may take long.
    requestTimeout: deadlines.exchangeMs,
  }
  const server = createServer(settings, (request, response) => {
    fromSocket.add(request)
    app.routing(request, response)
  })
  server.on('clientError', answerClientError)
  const bindPath = async (): Promise<void> => {
    // The umask applies to the whole process, so it is restored at once: listen() binds a path before it returns.
    const umask = process.umask(socketUmask)
    const bound = bind(server, { path })
    process.umask(umask)
    await bound
  }
  try {
    await bindPath().catch(async (error) => {
      if (error.code !== 'EADDRINUSE') throw error
      if (!lstatSync(path).isSocket()) throw new Error('the path is a file, not a socket')
      if (await isAnswered(path)) throw new Error('another backscatterd is listening there')
      unlinkSync(path)
      await bindPath()
    })
  } catch (error) {
    throw unavailable(messageOf(error), error)
  }
  return { address: path, close: () => close(server) }
}

/** Whether a process listens on the socket. Only a refused connection proves that none does. */
function isAnswered(path: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  const socket = connect(path, () => {
    socket.destroy()
    resolve(true)
  })
  socket.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNREFUSED') resolve(false)
    else reject(error)
  })
  return promise
}

/** Binds, or rejects with the system's error. Later errors are ignored: each concerns a single connection. */
function bind(server: Server, where: ListenOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(where, () => {
    server.off('error', reject)
    server.on('error', () => undefined)
    resolve()
  })
  return promise
}

async function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  const impatience = setTimeout(() => server.closeAllConnections(), drainMs)
  await promise
  clearTimeout(impatience)
}
