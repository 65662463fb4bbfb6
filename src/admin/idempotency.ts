// Idempotency-Key on POST (draft-ietf-httpapi-idempotency-key-header-07): the answer to a request is kept for a day,
// and a repetition gets it without being done again. The answer to a change is written in the transaction of the change, so
// that no death falls between the two. Hooks for app.ts.

import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Alongside } from '../blocklist/types.ts'
import type { Logger } from '../errors.ts'
import type { Store } from '../store/database.ts'
import type { StoredReply } from '../store/idempotency.ts'
import { isProblem, type Problem, problem, sendProblem } from './problem.ts'

const keepSeconds = 86_400
/** What the field may hold: visible characters, so that it can be logged and compared. */
const keyPattern = /^[\x21-\x7e]{1,255}$/
/** Answers that the request had no part in; a repetition may fare better. */
const leastServerError = 500

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The answer holds a secret: a repetition is told that it was done, not the answer. */
    answersOnce?: boolean
  }
  interface FastifyReply {
    /** What a change is to write beside itself, so that a repetition is answered; undefined: it came with no key. */
    alongside<T>(answerOf: (outcome: T) => Answer | Problem): Alongside<T> | undefined
  }
}

/** What a change is answered with, made from its outcome alone. */
export interface Answer {
  readonly status: number
  readonly body: { [key: string]: unknown }
  readonly location?: string
}

export function sendAnswer(reply: FastifyReply, answer: Answer | Problem): FastifyReply {
  if (isProblem(answer)) return sendProblem(reply, answer)
  if (answer.location !== undefined) reply.header('location', answer.location)
  return reply.code(answer.status).send(answer.body)
}

interface Running {
  readonly caller: string
  readonly key: string
  readonly fingerprint: Uint8Array
  /** Its answer was written with the change. */
  isKept: boolean
}

export class Idempotency {
  readonly #store: Store
  readonly #now: () => number
  readonly #log: Logger
  /** By caller and key: requests that are being done now. */
  readonly #running = new Set<string>()
  readonly #ofRequest = new WeakMap<FastifyRequest, Running>()

  constructor(options: { readonly store: Store; now(): number; readonly log: Logger }) {
    this.#store = options.store
    this.#now = options.now
    this.#log = options.log
  }

  /** Before the handler: answers what was answered before, or notes that this request is being done. */
  begin(request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
    const key = request.headers['idempotency-key']
    if (request.method !== 'POST' || key === undefined) return undefined
    if (typeof key !== 'string' || !keyPattern.test(key)) {
      const detail = 'Idempotency-Key: expected 1 to 255 visible ASCII characters'
      return sendProblem(reply, problem(400, 'malformed', detail))
    }
    // A stream is gone once it is read, and a key that does nothing would be a promise broken.
    if (request.body instanceof Readable) return sendProblem(reply, notHere)
    const caller = request.caller.id
    const fingerprint = fingerprintOf(request)
    const stored = this.#store.idempotency.find(caller, key, this.#now() - keepSeconds)
    if (stored !== undefined) {
      if (!Buffer.from(stored.fingerprint).equals(fingerprint)) {
        return sendProblem(reply, reusedKey)
      }
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

  /** For the transaction of a change. Refusals change nothing, and are kept by `end`. */
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

  /** Before the answer leaves: keeps it, unless that is done. What was done stays done if that fails, so the answer goes out all the same. */
  end(request: FastifyRequest, reply: FastifyReply, payload: unknown): void {
    const running = this.#ofRequest.get(request)
    if (running === undefined) return
    const { caller, key, isKept } = running
    this.#ofRequest.delete(request)
    this.#running.delete(`${caller} ${key}`)
    const status = reply.statusCode
    if (isKept || status >= leastServerError || typeof payload !== 'string') return
    const isSecret = request.routeOptions.config.answersOnce === true && status < 400
    const location = reply.getHeader('location')
    try {
      this.#keep(running, {
        ...{ status, body: isSecret ? null : payload },
        location: typeof location === 'string' ? location : null,
      })
    } catch (error) {
      this.#log.error({ err: error, requestId: request.id }, 'an idempotent answer was not kept')
    }
  }

  #keep({ caller, key, fingerprint }: Running, reply: Omit<StoredReply, 'fingerprint'>): void {
    const now = this.#now()
    this.#store.idempotency.insert(caller, key, { fingerprint, ...reply }, now)
    this.#store.idempotency.purge(now - keepSeconds)
  }
}

const reusedKey = problem(
  422,
  'idempotency-key-reused',
  'this Idempotency-Key came with another request before',
)
const notHere = problem(
  400,
  'idempotency-key-refused',
  'an Idempotency-Key is not taken here: the same list sent twice is the same list',
)
const inProgress = problem(
  409,
  'in-progress',
  'the first request with this Idempotency-Key is still being done',
)
const toldOnce = problem(
  409,
  'told-once',
  'this was done before, and its answer held a secret that is told once',
)

/** SHA-256 of method, path with query, and body: octets as they came, JSON as it was read. */
function fingerprintOf({ method, url, body }: FastifyRequest): Buffer {
  const octets = Buffer.isBuffer(body) ? body : (JSON.stringify(body) ?? '')
  return createHash('sha256').update(`${method} ${url}\n`).update(octets).digest()
}
