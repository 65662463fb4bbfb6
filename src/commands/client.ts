// How commands read and change the list, with or without a running server. If a server listens on the control socket, they
// ask it. Else this process opens the database under its lock and runs the same HTTP application itself.
import { once } from 'node:events'
import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { type Config, loadConfig } from '../config/load.ts'
import { type Logger, messageOf, OperationalError, silent } from '../errors.ts'
import { wallClockSeconds } from '../quantity.ts'
import { type CommandContext, type Json, print, version } from './command.ts'

/** After this long without an answer the server counts as unreachable, in milliseconds. */
const answerTimeoutMs = 30_000
/** The same for an import. It takes longer, since the server answers only once the whole list is in DNS. */
const listTimeoutMs = 3_600_000
/** How long to wait for a locked database: another command frees it soon, and a starting server opens its socket soon. */
const lockPatienceMs = 5000
const lockRetryMs = 50
const maxPageSize = 1000

export interface Reply {
  readonly status: number
  /** Parsed JSON; null for an empty body. */
  readonly body: unknown
}

export type Method = 'GET' | 'POST' | 'DELETE'

export interface Client {
  request(method: Method, path: string, body?: object): Promise<Reply>
  /** Sends a whole list, as fast as the server reads it. */
  upload(path: string, list: Readable): Promise<Reply>
  /** Returns the body as a stream if the server answers with success, else the whole reply. */
  download(path: string): Promise<Readable | Reply>
  close(): Promise<void>
}

/** Opens a client for the running server or, if there is none, for the database. Closes it after `work`. */
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

/**
 * Opens a client for the running server and closes it after `work`. Throws `server-unreachable` if there is none, or if the server
 * is a mirror.
 */
export async function withServer<T>(
  config: Config,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  if (config.zone.primary !== '') {
    const told = `its state is in its log and in _status.${config.zone.origin} TXT`
    throw new OperationalError('server-unreachable', `a mirror has no control socket: ${told}`)
  }
  const client = await serverClient(config)
  if (client === undefined) {
    const where = `nothing listens on ${config.control.socket}`
    throw new OperationalError('server-unreachable', `no server is running (${where})`)
  }
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

/** Sends one request and prints the answer: as JSON with `--json`, else in words. Throws as `expectDone` does. */
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

/** Reads all pages of a list. Throws as `expectDone` does. */
export async function allItems<Item>(client: Client, path: string): Promise<Item[]> {
  return (await firstItems<Item>(client, path, Number.POSITIVE_INFINITY)).items
}

/** Reads up to `limit` items of a list. `filter`: the parameters that are given. Throws as `expectDone` does. */
export async function firstItems<Item>(
  client: Client,
  path: string,
  limit: number,
  filter: Readonly<Record<string, string | undefined>> = {},
): Promise<{ readonly items: Item[]; readonly isAll: boolean }> {
  const items: Item[] = []
  const given = Object.entries(filter).filter(([, value]) => value !== undefined)
  const query = new URLSearchParams(given as [string, string][])
  for (;;) {
    query.set('limit', String(Math.min(limit - items.length, maxPageSize)))
    const reply = await client.request('GET', `${path}?${query}`)
    const page = expectDone<{ items: Item[]; nextCursor: string | null }>(reply)
    items.push(...page.items)
    if (page.nextCursor === null) return { items, isAll: true }
    if (items.length >= limit) return { items, isAll: false }
    query.set('cursor', page.nextCursor)
  }
}

/**
 * Returns the body of a successful reply; its shape is in admin/schemas. Throws a problem as an OperationalError with the
 * problem's own text: `usage-invalid` for a malformed request (400), else `request-refused`.
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

/** A client for the running server. Undefined if no server listens on the control socket. */
export async function serverClient(
  config: Config,
  answerMs = answerTimeoutMs,
): Promise<Client | undefined> {
  const client = new SocketClient(config.control.socket, answerMs)
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

/** HTTP over a Unix socket. Uses node:http, since fetch cannot do that. Failures are OperationalError `server-unreachable`. */
class SocketClient implements Client {
  readonly #socketPath: string
  readonly #answerMs: number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 2 })

  constructor(socketPath: string, answerMs: number) {
    this.#socketPath = socketPath
    this.#answerMs = answerMs
  }

  async request(method: Method, path: string, body?: object): Promise<Reply> {
    return await this.#reach(async () => {
      const request = this.#begin(method, path, this.#answerMs)
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
      // If the server refuses early, it does not read the rest of the list.
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
    // An error that comes after the response has begun is thrown where the response is read.
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

/** Throws OperationalError 'request-refused' for the configuration of a mirror, which has no database. */
export function requireList({ file, zone: { primary } }: Config): void {
  if (primary === '') return
  const why = `this is a mirror and has no list of its own: ask and change the list at its primary, ${primary}`
  throw new OperationalError('request-refused', `${file}: ${why}`)
}

/**
 * Runs the HTTP application in this process on the database. There is no tree, since this process answers no DNS. Throws
 * OperationalError `database-locked` while another process has the database open, or `database-failed` if it cannot be read.
 * The packages are imported only here, so that a command that finds a server need not load them.
 */
export async function openLocalApp(config: Config, { isDescribed = false } = {}): Promise<Client> {
  const [
    { buildApp },
    { operator },
    { Blocklist },
    { openStore },
    { policyOptions, siteOptions, zoneText },
  ] = await Promise.all([
    import('../admin/app.ts'),
    import('../admin/scopes.ts'),
    import('../blocklist/blocklist.ts'),
    import('../store/database.ts'),
    import('./options.ts'),
  ])
  requireList(config)
  const store = openStore(config.store.path)
  let failure: unknown
  // The application logs the cause of a failure but leaves it out of the answer. Keep it, so that the command can print it.
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
      now: wallClockSeconds,
      log,
      validForSeconds: config.zone.validFor,
      retired: config.zone.retired,
      minFreeBytes: config.store.minFree,
    })
    const app = buildApp({
      blocklist,
      store,
      version,
      ...siteOptions(config),
      zone: zoneText(config),
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
      now: wallClockSeconds,
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
