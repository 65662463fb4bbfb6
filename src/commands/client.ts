// One way to ask and change the list, whether a server runs or not: through its control socket if somebody listens there,
// else by the same HTTP application in this process, over the database and under its lock.
import { once } from 'node:events'
import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { type Config, loadConfig } from '../config/load.ts'
import { type Logger, messageOf, OperationalError, silent } from '../errors.ts'
import { type CommandContext, type Json, print, version } from './command.ts'

/** How long a server may stay silent before we give up, in milliseconds. */
const answerTimeoutMs = 30_000
/** The same for a whole list: the server answers only once all of it is in DNS. */
const listTimeoutMs = 3_600_000
/** Another command may hold the database for a moment, and a starting server has a socket soon. */
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
  /** Sends a whole list, as fast as the server takes it. */
  upload(path: string, list: Readable): Promise<Reply>
  /** The body of a success as it arrives, or the reply if it is none. */
  download(path: string): Promise<Readable | Reply>
  close(): Promise<void>
}

/** Works with the running server if there is one, else with the database; closes whatever was opened. */
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

/** One request, its answer printed: as JSON with `--json`, else in words. Throws as `expectDone` does. */
export async function askAndPrint<Body>(
  context: CommandContext,
  options: Json,
  [method, path, body]: readonly [method: Method, path: string, body?: object],
  inWords: (body: Body, status: number) => string,
): Promise<number> {
  const reply = await withClient(loadConfig(context), (client) =>
    client.request(method, path, body),
  )
  return print(context, options, expectDone<Body>(reply), (each) => inWords(each, reply.status))
}

/** All items of a list that is answered in pages. Throws as `expectDone` does. */
export async function allItems<Item>(client: Client, path: string): Promise<Item[]> {
  const items: Item[] = []
  let after = ''
  for (;;) {
    const reply = await client.request('GET', `${path}?limit=1000${after}`)
    const page = expectDone<{ items: Item[]; nextCursor: string | null }>(reply)
    items.push(...page.items)
    if (page.nextCursor === null) return items
    after = `&cursor=${encodeURIComponent(page.nextCursor)}`
  }
}

/**
 * The body of a successful reply, whose shape the caller knows from admin/schemas. Throws a refusal as
 * OperationalError with the problem's own sentence: `usage-invalid` for malformed requests (400), else `request-refused`.
 */
export function expectDone<Body>(reply: Reply): Body {
  if (reply.status < 400) return reply.body as Body
  const { detail } = reply.body as { detail?: string }
  const code = reply.status === 400 ? 'usage-invalid' : 'request-refused'
  throw new OperationalError(code, detail ?? `the server answered ${reply.status}`)
}

async function openClient(config: Config): Promise<Client> {
  const deadline = Date.now() + lockPatienceMs
  for (;;) {
    const server = await serverClient(config)
    if (server !== undefined) return server
    try {
      return await openLocalApp(config)
    } catch (error) {
      const isLocked = error instanceof OperationalError && error.code === 'database-locked'
      if (!isLocked || Date.now() >= deadline) throw error
      await setTimeout(lockRetryMs)
    }
  }
}

/** The running server's client, or undefined if nobody listens on the control socket. */
export async function serverClient(config: Config): Promise<Client | undefined> {
  const client = new SocketClient(config.control.socket)
  try {
    await client.request('GET', '/healthz')
    return client
  } catch (error) {
    await client.close()
    const cause = error instanceof Error ? error.cause : undefined
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR') return undefined
    throw error
  }
}

/** HTTP over a Unix socket, by node:http since fetch cannot reach one. What fails is `server-unreachable`. */
class SocketClient implements Client {
  readonly #socketPath: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  async request(method: Method, path: string, body?: object): Promise<Reply> {
    return await this.#reach(async () => {
      const request = this.#begin(method, path, answerTimeoutMs)
      if (body !== undefined) request.setHeader('content-type', 'application/json')
      request.end(body && JSON.stringify(body))
      return await replyOf(await responseTo(request))
    })
  }

  async upload(path: string, list: Readable): Promise<Reply> {
    return await this.#reach(async () => {
      const request = this.#begin('POST', path, listTimeoutMs)
      request.setHeader('content-type', 'application/octet-stream')
      list.on('error', (error) => request.destroy(error))
      list.pipe(request)
      const reply = await replyOf(await responseTo(request))
      // A server that refuses early does not read the rest.
      list.unpipe(request)
      list.destroy()
      request.destroy()
      return reply
    })
  }

  async download(path: string): Promise<Readable | Reply> {
    return await this.#reach(async () => {
      const response = await responseTo(this.#begin('GET', path).end())
      return response.statusCode === 200 ? response : await replyOf(response)
    })
  }

  async close(): Promise<void> {
    this.#agent.destroy()
  }

  #begin(method: Method, path: string, timeout?: number): ClientRequest {
    const place = { agent: this.#agent, socketPath: this.#socketPath }
    const request = httpRequest({ ...place, method, path, ...(timeout && { timeout }) })
    request.on('timeout', () => request.destroy(new Error(`no answer in ${timeout} ms`)))
    // An error after the beginning of the response is thrown where the response is read.
    return request.on('error', () => undefined)
  }

  async #reach<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      const message = `control socket ${this.#socketPath}: ${messageOf(cause)}`
      throw new OperationalError('server-unreachable', message, { cause })
    }
  }
}

async function responseTo(request: ClientRequest): Promise<IncomingMessage> {
  const [response] = await once(request, 'response')
  return response
}

async function replyOf(response: IncomingMessage): Promise<Reply> {
  return { status: response.statusCode ?? 0, body: parsed(await text(response)) }
}

function parsed(body: string): unknown {
  return body === '' ? null : JSON.parse(body)
}

/**
 * The HTTP application in this process, over the database and without a tree, since nobody answers DNS from here. Throws
 * OperationalError `database-locked` while another process has the database, `database-failed` if it cannot be read.
 * Its packages are loaded only here: a command that finds a server does without them.
 */
export async function openLocalApp(config: Config, { isDescribed = false } = {}): Promise<Client> {
  const [{ buildApp }, { operator }, { Blocklist }, { openStore }, { policyOptions }] =
    await Promise.all([
      import('../admin/app.ts'),
      import('../admin/scopes.ts'),
      import('../blocklist/blocklist.ts'),
      import('../store/database.ts'),
      import('./options.ts'),
    ])
  const store = openStore(config.store.path)
  const now = (): number => Math.floor(Date.now() / 1000)
  let failure: unknown
  // The application logs its failures and does not tell them to clients; a command prints them itself.
  const log: Logger = {
    ...silent,
    error: (fields) => {
      failure = 'err' in fields ? fields.err : undefined
    },
  }
  const replyTo = ({ statusCode, body }: { statusCode: number; body: string }): Reply => {
    if (statusCode >= 500 && failure !== undefined) throw failure
    return { status: statusCode, body: parsed(body) }
  }
  try {
    const blocklist = new Blocklist({
      store,
      policy: policyOptions(config),
      now,
      log,
      validForSeconds: config.zone.validFor,
      retired: config.zone.retired,
      minFreeBytes: config.store.minFree,
    })
    const app = buildApp({
      blocklist,
      store,
      version,
      isDescribed,
      status: () => ({
        version,
        ...blocklist.status(),
        workers: 0,
        uptimeSeconds: 0,
        mailboxes: [],
      }),
      isReady: () => false,
      callerOf: () => operator,
      now,
      log,
    })
    return {
      request: async (method, url, body) =>
        replyTo(await app.inject({ method, url, ...(body && { payload: body }) })),
      async upload(url, list) {
        const headers = { 'content-type': 'application/octet-stream' }
        return replyTo(await app.inject({ method: 'POST', url, headers, payload: list }))
      },
      async download(url) {
        const reply = await app.inject({ method: 'GET', url, payloadAsStream: true })
        if (reply.statusCode === 200) return reply.stream()
        return replyTo({ statusCode: reply.statusCode, body: await text(reply.stream()) })
      },
      async close() {
        await app.close()
        blocklist.close()
        store.close()
      },
    }
  } catch (error) {
    store.close()
    throw error
  }
}
