// The app on a TCP address: what `[admin] listen` opens. Limits on what a stranger can hold open stand here; what he
// may ask is the app's business. Called by commands/serve.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIP, type Socket } from 'node:net'
import { OperationalError } from '../errors.ts'
import type { Prefix } from '../ip/address.ts'
import type { App } from './app.ts'
import { isFree, limitKey, peerOf } from './client-address.ts'
import { ClientConnections } from './client-connections.ts'
import { closeServer } from './control-socket.ts'
import { answerClientError } from './problem.ts'
import type { RefusalLog } from './refusal-log.ts'

/** Request line and header fields together. */
const maxHeaderBytes = 16 * 1024
/** Connections at once; beyond them new ones are closed at once. */
const maxConnections = 2000
/** Of them one client's share. Loopback and trusted proxies have no share of their own. */
const maxClientConnections = maxConnections / 10
const headersTimeoutMs = 10_000
/** For a whole request, its body too: an import of millions of lines over a slow line fits. */
const requestTimeoutMs = 300_000
/** A body that brings nothing for so long is given up, and a reader that takes nothing. */
const idleTimeoutMs = 60_000
/** For a whole exchange. An export holds the database's old pages, and one of few places, until its reader is done. */
const exchangeTimeoutMs = 3_600_000
/** The rest of a body that was answered already, since nobody wanted it, must come within this. */
const unwantedBodyMs = 5000
/** A connection without a request is kept so long. */
const keepAliveMs = 5000
/** How often Node looks at the limits for header and request. */
const checkingIntervalMs = 1000

export interface HttpListener {
  /** host:port or [v6]:port, as bound. */
  readonly address: string
  /** Takes no more connections, lets requests in progress end (2 s at most). */
  close(): Promise<void>
}

export interface HttpListenerOptions {
  /** IPV4:PORT or [IPV6]:PORT; port 0 takes a free one. */
  readonly listen: string
  /** Whose connections carry many clients' requests; asked for each connection. */
  trustedProxies?(): readonly Prefix[]
  readonly refusals: RefusalLog
  /** Shorter deadlines, for tests. */
  readonly requestTimeoutMs?: number
  readonly idleTimeoutMs?: number
  readonly exchangeTimeoutMs?: number
  readonly unwantedBodyMs?: number
}

/** Serves the app over HTTP/1.1. Throws OperationalError `address-unavailable` naming the address. */
export async function serveOnTcp(app: App, options: HttpListenerOptions): Promise<HttpListener> {
  await app.ready()
  const limits = { maxHeaderSize: maxHeaderBytes, connectionsCheckingInterval: checkingIntervalMs }
  const server = createServer(limits, (request, response) => {
    endSlowExchange(request, response, options)
    app.routing(request, response)
  })
  server.maxConnections = maxConnections
  server.requestTimeout = options.requestTimeoutMs ?? requestTimeoutMs
  // Node would take the longer of the two for the whole request.
  server.headersTimeout = Math.min(headersTimeoutMs, server.requestTimeout)
  server.timeout = options.idleTimeoutMs ?? idleTimeoutMs
  server.keepAliveTimeout = keepAliveMs
  server.on('clientError', answerClientError)
  limitClients(server, options)
  await bind(server, options.listen)
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('not bound to an address')
  const { address, family, port } = bound
  return {
    address: family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`,
    close: () => closeServer(server),
  }
}

/** Closes a connection at once whose client has its share of them open. */
function limitClients(server: Server, { refusals, trustedProxies }: HttpListenerOptions): void {
  const connections = new ClientConnections(maxClientConnections)
  server.on('connection', (socket: Socket) => {
    if (isFree(socket, trustedProxies?.() ?? [])) return
    const client = limitKey(peerOf(socket))
    if (connections.admit(client, socket)) return
    refusals.note(client, 'too many connections')
    socket.destroy()
  })
}

/**
 * While a request is worked on its connection may be silent for as long as that takes, within the time for all of it; not
 * while its body is awaited or its answer is to be read.
 */
function endSlowExchange(
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpListenerOptions,
): void {
  const { socket } = request
  const end = (): unknown => socket.destroy()
  response.on('timeout', () => {
    if (!request.complete || response.writableLength > 0) end()
  })
  const whole = setTimeout(end, options.exchangeTimeoutMs ?? exchangeTimeoutMs).unref()
  response.once('close', () => clearTimeout(whole))
  response.once('finish', () => {
    if (request.complete) return
    const patience = setTimeout(end, options.unwantedBodyMs ?? unwantedBodyMs).unref()
    request.once('close', () => clearTimeout(patience))
  })
}

async function bind(server: Server, listen: string): Promise<void> {
  const colon = listen.lastIndexOf(':')
  const host = listen.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', (cause) => reject(unavailable(listen, cause.message, cause)))
  if (isIP(host) === 0) throw unavailable(listen, 'not an address')
  server.listen({ host, port: Number(listen.slice(colon + 1)), ipv6Only: isIP(host) === 6 }, () => {
    server.removeAllListeners('error')
    // A connection that could not be taken: the next one may be.
    server.on('error', () => undefined)
    resolve()
  })
  await promise
}

function unavailable(listen: string, why: string, cause?: unknown): OperationalError {
  return new OperationalError('address-unavailable', `admin.listen ${listen}: ${why}`, { cause })
}
