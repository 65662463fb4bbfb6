// The app on a TCP address: what `[admin] listen` opens. Limits on what a stranger can hold open stand here; what he
// may ask is the app's business. Called by commands/serve.
import { createServer, type Server } from 'node:http'
import { isIP } from 'node:net'
import { OperationalError } from '../errors.ts'
import type { App } from './app.ts'
import { closeServer } from './control-socket.ts'
import { answerClientError } from './problem.ts'

/** Request line and header fields together. */
const maxHeaderBytes = 16 * 1024
/** Connections at once; beyond them new ones are closed at once. */
const maxConnections = 2000
const headersTimeoutMs = 10_000
/** For a whole request, its body too: an import of millions of lines over a slow line fits. */
const requestTimeoutMs = 300_000
/** How often Node looks at the two above. */
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
  readonly requestTimeoutMs?: number
}

/** Serves the app over HTTP/1.1. Throws OperationalError `address-unavailable` naming the address. */
export async function serveOnTcp(app: App, options: HttpListenerOptions): Promise<HttpListener> {
  await app.ready()
  const limits = { maxHeaderSize: maxHeaderBytes, connectionsCheckingInterval: checkingIntervalMs }
  const server = createServer(limits, (request, response) => app.routing(request, response))
  server.maxConnections = maxConnections
  server.headersTimeout = headersTimeoutMs
  server.requestTimeout = options.requestTimeoutMs ?? requestTimeoutMs
  server.on('clientError', answerClientError)
  await bind(server, options.listen)
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('not bound to an address')
  const { address, family, port } = bound
  return {
    address: family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`,
    close: () => closeServer(server),
  }
}

async function bind(server: Server, listen: string): Promise<void> {
  const colon = listen.lastIndexOf(':')
  const host = listen.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', (cause) => reject(unavailable(listen, cause.message, cause)))
  if (isIP(host) === 0) throw unavailable(listen, 'not an address')
  server.listen({ host, port: Number(listen.slice(colon + 1)), ipv6Only: isIP(host) === 6 }, () => {
    server.removeAllListeners('error')
    resolve()
  })
  await promise
}

function unavailable(listen: string, why: string, cause?: unknown): OperationalError {
  return new OperationalError('address-unavailable', `admin.listen ${listen}: ${why}`, { cause })
}
