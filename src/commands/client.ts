// One way to ask and change the list, whether a server runs or not: its control socket when somebody listens there,
// else the same HTTP application in this process, over the database and under its lock.
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import type { Config } from '../config/load.ts'
import { OperationalError } from '../errors.ts'

/** How long a server may keep silent before we give up, in milliseconds. */
const answerTimeoutMs = 30_000
/** A whole list takes as long as it takes: the server answers once it is in DNS. */
const listTimeoutMs = 3_600_000
/** Another command may hold the database for a moment, and a starting server soon has a socket. */
const lockPatienceMs = 5000
const lockRetryMs = 50

export interface Reply {
  readonly status: number
  /** Parsed JSON; null for an empty body. */
  readonly body: unknown
}

export type Method = 'GET' | 'POST' | 'DELETE'

export interface Client {
  request(method: Method, path: string, body?: object): Promise<Reply>
  /** Sends a whole list as fast as it is taken. */
  upload(path: string, list: Readable): Promise<Reply>
  /** The body of a success as it comes in, or the reply that is none. */
  download(path: string): Promise<Readable | Reply>
  close(): Promise<void>
}

/** Asks with the server if there is one, else with the database; closes whatever was opened for it. */
export async function withClient<T>(
  config: Config,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await openClient(config)
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

/** The running server's client, or undefined when nobody listens on the control socket. */
export async function serverClient(config: Config): Promise<Client | undefined> {
  const path = config.control.socket
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    await askSocket(agent, path, 'GET', '/healthz')
  } catch (error) {
    agent.destroy()
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR') return undefined
    throw unreachable(path, error)
  }
  return {
    request: (method, url, body) =>
      askSocket(agent, path, method, url, body).catch((error: unknown) => {
        throw unreachable(path, error)
      }),
    upload: (url, list) =>
      sendList(agent, path, url, list).catch((error: unknown) => {
        throw unreachable(path, error)
      }),
    download: (url) =>
      fetchList(agent, path, url).catch((error: unknown) => {
        throw unreachable(path, error)
      }),
    close: async () => agent.destroy(),
  }
}

async function openClient(config: Config): Promise<Client> {
  const deadline = Date.now() + lockPatienceMs
  for (;;) {
    const server = await serverClient(config)
    if (server !== undefined) return server
    try {
      const { openLocalApp } = await import('./local-app.ts')
      return await openLocalApp(config)
    } catch (error) {
      const isLocked = error instanceof OperationalError && error.code === 'database-locked'
      if (!isLocked || Date.now() >= deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, lockRetryMs))
    }
  }
}

/**
 * The body of a successful reply. A refusal is thrown as OperationalError with the problem's own sentence:
 * `usage-invalid` for what is malformed (400), `request-refused` for the rest.
 */
export function expectDone(reply: Reply): unknown {
  if (reply.status < 400) return reply.body
  const { detail } = reply.body as { detail?: string }
  const code = reply.status === 400 ? 'usage-invalid' : 'request-refused'
  throw new OperationalError(code, detail ?? `the server answered ${reply.status}`)
}

function askSocket(
  agent: Agent,
  socketPath: string,
  method: Method,
  path: string,
  body?: object,
): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()
  const payload = body === undefined ? undefined : JSON.stringify(body)
  const request = httpRequest({
    agent,
    socketPath,
    method,
    path,
    headers:
      payload === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) },
    timeout: answerTimeoutMs,
  })
  request.on('timeout', () =>
    request.destroy(new Error(`no answer in ${answerTimeoutMs / 1000} s`)),
  )
  request.on('error', reject)
  request.on('response', async (response) => {
    try {
      resolve(await replyOf(response))
    } catch (error) {
      reject(error)
    }
  })
  request.end(payload)
  return promise
}

async function sendList(
  agent: Agent,
  socketPath: string,
  path: string,
  list: Readable,
): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const request = httpRequest({ agent, socketPath, method: 'POST', path, timeout: listTimeoutMs })
  request.setHeader('content-type', 'application/octet-stream')
  request.on('timeout', () => request.destroy(new Error('no answer in an hour')))
  request.on('response', resolve)
  request.on('error', reject)
  list.on('error', (error) => {
    request.destroy()
    reject(error)
  })
  list.pipe(request)
  const response = await promise
  const reply = await replyOf(response)
  // An early refusal: the server reads no more of it.
  list.unpipe(request)
  list.destroy()
  request.destroy()
  return reply
}

async function fetchList(
  agent: Agent,
  socketPath: string,
  path: string,
): Promise<Readable | Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const request = httpRequest({ agent, socketPath, method: 'GET', path })
  request.on('response', resolve)
  request.on('error', reject)
  request.end()
  const response = await promise
  return response.statusCode === 200 ? response : await replyOf(response)
}

async function replyOf(response: IncomingMessage): Promise<Reply> {
  const text = Buffer.concat(await response.toArray()).toString('utf8')
  return { status: response.statusCode ?? 0, body: text === '' ? null : JSON.parse(text) }
}

function unreachable(path: string, cause: unknown): OperationalError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new OperationalError('server-unreachable', `control socket ${path}: ${why}`, { cause })
}
