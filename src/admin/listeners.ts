// The app on a TCP address, which `[admin] listen` opens, and on a Unix socket that only its owner can open, by which the
// command line reaches a running server. The limits on what a stranger can hold open stand here.
import { lstatSync, unlinkSync } from 'node:fs'
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { connect, isIP, type ListenOptions, type Socket } from 'node:net'
import { OperationalError } from '../errors.ts'
import type { Prefix } from '../ip/address.ts'
import {
  ClientConnections,
  isLoopback,
  isTrustedProxy,
  limitKey,
  type RefusalLog,
  readClient,
} from './client-limits.ts'
import type { App } from './options.ts'
import { answerClientError } from './problem.ts'

/** Octets of the request line and header fields together. */
const maxHeaderBytes = 16 * 1024
/** On the control socket one query may hold all prefixes of a command line (ARG_MAX is usually 2 MiB). */
const maxControlHeaderBytes = 1024 * 1024
/** Connections at once; further ones are closed. */
const maxConnections = 2000
/** One client's share of them. Loopback and trusted proxies may have all. */
const maxClientConnections = maxConnections / 10
const headersTimeoutMs = 10_000
const deadlines = {
  /** For a whole request with its body: an import of millions of lines over a slow line fits. */
  requestMs: 300_000,
  /** A body that brings nothing for so long is given up, and so is a reader that takes nothing. */
  idleMs: 60_000,
  /** For a whole exchange. An export holds the database's old pages, and one of few places, until its reader is done. */
  exchangeMs: 3_600_000,
  /** When a request was answered before its body had come, the rest must come within this. */
  unwantedBodyMs: 5000,
}
/** How long a connection without a request is kept. */
const keepAliveMs = 5000
/** How often Node looks at the limits for header and request. */
const checkingIntervalMs = 1000
/** sun_path holds 108 octets with the closing zero (unix(7)). */
const maxPathBytes = 107
/** Gives the socket mode 0600: whoever can open it is the operator. */
const socketUmask = 0o177
/** Requests in progress get this long to end when a listener closes. */
const drainMs = 2000

export interface Listener {
  /** host:port or [v6]:port as bound; the path of a socket. */
  readonly address: string
  /** Takes no more connections and lets requests in progress end (2 s at most); removes a socket. */
  close(): Promise<void>
}

export interface TcpOptions {
  /** IPV4:PORT or [IPV6]:PORT; port 0 takes a free one. */
  readonly listen: string
  /** Whose connections carry many clients' requests; asked for each connection. */
  trustedProxies?(): readonly Prefix[]
  readonly refusals: RefusalLog
  /** Shorter ones, for tests. */
  readonly deadlines?: Partial<typeof deadlines>
}

/** Serves the app over HTTP/1.1. Throws OperationalError `address-unavailable` naming the address. */
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
    // Node would take the longer of the two for the whole request.
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
    throw unavailable(messageOf(error), error)
  })
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw unavailable('not bound')
  const { address, port, family } = bound
  return {
    address: family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`,
    close: () => close(server),
  }
}

/** Closes a connection at once if its client has its share of them open already. */
function limitClients(server: Server, { refusals, trustedProxies = () => [] }: TcpOptions): void {
  const connections = new ClientConnections(maxClientConnections)
  server.on('connection', (socket: Socket) => {
    const peer = readClient(socket.remoteAddress)
    if (isLoopback(peer) || isTrustedProxy(peer, trustedProxies())) return
    const client = limitKey(peer)
    if (connections.admit(client, socket)) return
    refusals.note(client, 'too many connections')
    socket.destroy()
  })
}

/**
 * Ends connections that stand still. A request may be worked on in silence for as long as the whole exchange may take, but
 * its body must keep coming, and its answer must be read.
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

/** Whether a request came over a control socket. That a peer has no address proves nothing: one that has gone has none. */
export function isFromControlSocket(request: IncomingMessage): boolean {
  return fromSocket.has(request)
}

/**
 * Serves the app on a Unix socket of mode 0600. Replaces a socket that nobody listens on any more, which a killed server
 * left; the caller holds the database's lock. Throws OperationalError `address-unavailable` naming the path where somebody
 * listens, or where a file is no socket. The folder must exist. Changes the umask for the moment of binding.
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
    // Only the operator gets here, and the import of a long list may take long.
    requestTimeout: deadlines.exchangeMs,
  }
  const server = createServer(settings, (request, response) => {
    fromSocket.add(request)
    app.routing(request, response)
  })
  server.on('clientError', answerClientError)
  const bindPath = async (): Promise<void> => {
    // The umask belongs to the whole process, so it is set only for listen(), which binds a path before it returns.
    const umask = process.umask(socketUmask)
    const bound = bind(server, { path })
    process.umask(umask)
    await bound
  }
  try {
    await bindPath().catch(async (error) => {
      if (error.code !== 'EADDRINUSE') throw error
      if (!lstatSync(path).isSocket()) throw new Error('there is a file that is no socket')
      if (await isAnswered(path)) throw new Error('another backscatterd is listening there')
      unlinkSync(path)
      await bindPath()
    })
  } catch (error) {
    throw unavailable(messageOf(error), error)
  }
  return { address: path, close: () => close(server) }
}

/** Whether somebody listens. Only a refused connection proves that nobody does. */
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

/** Binds, or rejects with the system's error. Later errors are ignored: only one connection could not be taken. */
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
