// Idempotency-Key on POST (draft-ietf-httpapi-idempotency-key-header-07): the answer to a request is kept for a day. If the
// request is repeated, it gets that answer and is not done again. The answer to a change is stored in the same transaction
// as the change, so that a crash cannot separate the two.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Alongside } from '../blocklist/types.ts'
import type { StoredReply } from '../store/idempotency.ts'
import type { App, AppOptions } from './options.ts'
import { isProblem, malformed, type Problem, problem, sendProblem } from './problem.ts'

const keepSeconds = 86_400
/** An Idempotency-Key must be visible ASCII, so that it can be logged and compared. */
const keyPattern = /^[\x21-\x7e]{1,255}$/
/** Answers from this status on are not kept: the server failed, and a repetition may succeed. */
const leastServerError = 500

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The answer contains a secret. It is not kept: a repetition only learns that the request was done. */
    answersOnce?: boolean
  }
  interface FastifyReply {
    /**
     * Makes a change and sends the answer. `change` must call `alongside` within its transaction, to store the answer with the
     * change. `alongside` is undefined if the request has no Idempotency-Key.
     */
    answerChange<T>(
      change: (alongside: Alongside<T> | undefined) => T | Promise<T>,
      answerOf: (outcome: T) => Answer | Problem,
    ): Promise<FastifyReply>
  }
}

/** The answer to a change. It depends on nothing but the outcome of the change. */
interface Answer {
  readonly status: number
  readonly body: { [key: string]: unknown }
  readonly location?: string
}

/** A request with an Idempotency-Key that is being handled now. */
interface Running {
  readonly caller: string
  readonly key: string
  readonly fingerprint: Uint8Array
  /** Whether its answer was already stored with the change. */
  isKept: boolean
}

/**
 * Supports Idempotency-Key on every POST with a key that changes something. A POST of scope read changes nothing. Answers to
 * anyone are not kept: strangers must not share them, nor fill the database with them.
 */
export function addIdempotency(app: App, options: AppOptions): void {
  const idempotency = new Idempotency(options)
  app.decorateReply('answerChange', async function (change, answerOf) {
    const outcome = await change(idempotency.alongside(this, answerOf))
    const answer = answerOf(outcome)
    if (isProblem(answer)) return sendProblem(this, answer)
    if (answer.location !== undefined) this.header('location', answer.location)
    return this.code(answer.status).send(answer.body)
  })
  app.addHook('onRoute', (route) => {
    if (route.method !== 'POST' || ['public', 'read'].includes(route.config?.scope ?? '')) return
    route.preHandler = async (request, reply) => idempotency.begin(request, reply)
    route.onSend = async (request, reply, payload) => idempotency.end(request, reply, payload)
  })
}

class Idempotency {
  readonly #options: Pick<AppOptions, 'store' | 'now' | 'log'>
  /** "CALLER KEY" of each request that is being handled now. */
  readonly #running = new Set<string>()
  readonly #ofRequest = new WeakMap<FastifyRequest, Running>()

  constructor(options: Pick<AppOptions, 'store' | 'now' | 'log'>) {
    this.#options = options
  }

  /** Runs before the handler: sends the kept answer if there is one, else remembers that the request is being handled. */
  begin(request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
    const key = request.headers['idempotency-key']
    if (key === undefined) return undefined
    if (typeof key !== 'string' || !keyPattern.test(key)) {
      const detail = 'Idempotency-Key: expected 1 to 255 visible ASCII characters'
      return sendProblem(reply, malformed(detail))
    }
    // A streamed body can be read only once, so two such requests cannot be compared.
    if (request.body instanceof Readable) return sendProblem(reply, notHere)
    const { store, now } = this.#options
    const caller = request.caller.id
    const fingerprint = fingerprintOf(request)
    const stored = store.idempotency.find(caller, key, now() - keepSeconds)
    if (stored !== undefined) {
      if (!fingerprint.equals(stored.fingerprint)) return sendProblem(reply, reusedKey)
      if (stored.body === null) return sendProblem(reply, toldOnce)
      if (stored.location !== null) reply.header('location', stored.location)
      const type =
        stored.status < 400 ? 'application/json; charset=utf-8' : 'application/problem+json'
      reply.code(stored.status).header('idempotency-replayed', 'true').type(type)
      return reply.serializer((text: string) => text).send(stored.body)
    }
    const id = `${caller} ${key}`
    if (this.#running.has(id)) return sendProblem(reply, inProgress)
    this.#running.add(id)
    this.#ofRequest.set(request, { caller, key, fingerprint, isKept: false })
    return undefined
  }

  /**
   * Returns a function that stores the answer within the change's transaction, or undefined if the request has no key. A
   * refusal is stored by `end`, not here.
   */
  alongside<T>(
    reply: FastifyReply,
    answerOf: (outcome: T) => Answer | Problem,
  ): Alongside<T> | undefined {
    const running = this.#ofRequest.get(reply.request)
    if (running === undefined) return undefined
    return (outcome) => {
      const answer = answerOf(outcome)
      if (isProblem(answer)) return
      const { status, body, location = null } = answer
      const isSecret = reply.request.routeOptions.config.answersOnce === true
      const text = isSecret ? null : String(reply.serializeInput(body, String(status)))
      this.#keep(running, { status, body: text, location })
      running.isKept = true
    }
  }

  /** Runs before the answer is sent: stores it, unless it is stored already. A failure to store does not stop the answer. */
  end(request: FastifyRequest, reply: FastifyReply, payload: unknown): unknown {
    const running = this.#ofRequest.get(request)
    if (running === undefined) return payload
    const { caller, key, isKept } = running
    this.#ofRequest.delete(request)
    this.#running.delete(`${caller} ${key}`)
    const status = reply.statusCode
    if (isKept || status >= leastServerError || typeof payload !== 'string') return payload
    const isSecret = request.routeOptions.config.answersOnce === true && status < 400
    const location = reply.getHeader('location')
    try {
      this.#keep(running, {
        status,
        body: isSecret ? null : payload,
        location: typeof location === 'string' ? location : null,
      })
    } catch (error) {
      const fields = { err: error, requestId: request.id }
      this.#options.log.error(fields, 'an idempotent answer was not kept')
    }
    return payload
  }

  #keep({ caller, key, fingerprint }: Running, reply: Omit<StoredReply, 'fingerprint'>): void {
    const { store, now } = this.#options
    store.idempotency.insert(caller, key, { fingerprint, ...reply }, now())
    store.idempotency.purge(now() - keepSeconds)
  }
}

const reusedKey = problem(
  422,
  'idempotency-key-reused',
  'this Idempotency-Key was used for another request before',
)
const notHere = problem(
  400,
  'idempotency-key-refused',
  'no Idempotency-Key is accepted here; a list can safely be sent again',
)
const inProgress = problem(
  409,
  'in-progress',
  'the first request with this Idempotency-Key is still in progress',
)
const toldOnce = problem(
  409,
  'told-once',
  'this request was done before; its answer contained a secret, which is sent only once',
)

/** SHA-256 of method, path with query, and body. A JSON body is hashed as parsed, any other as received. */
function fingerprintOf({ method, url, body }: FastifyRequest): Buffer {
  const octets = Buffer.isBuffer(body) ? body : (JSON.stringify(body) ?? '')
  return createHash('sha256').update(`${method} ${url}\n`).update(octets).digest()
}
