// The app on a Unix socket that only its owner can open: how the command line reaches a running server. Whoever
// calls this holds the database's lock, so a socket left behind by a killed server may be taken away.
import { lstatSync, unlinkSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { connect } from 'node:net'
import { OperationalError } from '../errors.ts'
import type { App } from './app.ts'
import { answerClientError } from './problem.ts'

/** sun_path holds 108 octets with the closing zero (unix(7)). */
const maxPathBytes = 107
/** Socket mode 0600: whoever can open it is the operator. */
const socketUmask = 0o177
/** A command line's worth of prefixes in one query (ARG_MAX is usually 2 MiB); only the operator can send it. */
const maxHeaderBytes = 1024 * 1024
/** A request in progress gets this long to end when the server closes. */
const drainMs = 2000

const fromSocket = new WeakSet<IncomingMessage>()

/** Whether a request came over a control socket. A peer without an address is no proof: one that has gone has none. */
export function isFromControlSocket(request: IncomingMessage): boolean {
  return fromSocket.has(request)
}

export interface ControlSocket {
  readonly path: string
  /** Takes no more connections, lets requests in progress end (2 s at most), and removes the socket. */
  close(): Promise<void>
}

/**
 * Serves the app on a Unix socket of mode 0600. A socket that nobody listens on any more is replaced; a live one, or
 * a file that is no socket, is left alone: OperationalError `address-unavailable` naming the path. The folder must
 * exist. Changes the umask for the moment of binding.
 */
export async function serveOnSocket(app: App, path: string): Promise<ControlSocket> {
  if (Buffer.byteLength(path) > maxPathBytes) {
    throw unavailable(path, `longer than ${maxPathBytes} octets`)
  }
  await app.ready()
  const server = createServer({ maxHeaderSize: maxHeaderBytes }, (request, response) => {
    fromSocket.add(request)
    app.routing(request, response)
  })
  server.headersTimeout = 10_000
  // Only the operator gets here, and a whole list is read no faster than it is taken in.
  server.requestTimeout = 3_600_000
  server.on('clientError', answerClientError)
  try {
    await bind(server, path)
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw unavailable(path, describe(error), error)
    await removeStale(path)
    await bind(server, path).catch((cause) => {
      throw unavailable(path, describe(cause), cause)
    })
  }
  return { path, close: () => closeServer(server) }
}

/** Binding a path happens within listen(), so the umask is ours alone although it belongs to the process. */
function bind(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  const umask = process.umask(socketUmask)
  try {
    server.listen(path, () => {
      server.off('error', reject)
      // A connection that could not be taken: the next one may be.
      server.on('error', () => undefined)
      resolve()
    })
  } finally {
    process.umask(umask)
  }
  return promise
}

async function removeStale(path: string): Promise<void> {
  if (!lstatSync(path).isSocket()) throw unavailable(path, 'there is a file that is no socket')
  if (await answers(path)) throw unavailable(path, 'another backscatterd is listening there')
  unlinkSync(path)
}

/** Whether somebody listens. Only a refused connection proves that nobody does. */
function answers(path: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  const socket = connect(path)
  socket.once('connect', () => {
    socket.destroy()
    resolve(true)
  })
  socket.once('error', (error) => {
    if (codeOf(error) === 'ECONNREFUSED') resolve(false)
    else reject(unavailable(path, describe(error), error))
  })
  return promise
}

/** Ends a server: no more connections, and requests in progress get 2 s. */
export async function closeServer(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  const impatience = setTimeout(() => server.closeAllConnections(), drainMs)
  await promise
  clearTimeout(impatience)
}

function unavailable(path: string, why: string, cause?: unknown): OperationalError {
  return new OperationalError('address-unavailable', `control socket ${path}: ${why}`, { cause })
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
