// Access control: finds out who sent a request (`Authorization: Bearer bsd_…`), checks the scope, and limits clients without
// a valid key. A valid key is never refused because of its client's address, whatever that address did before.
import { fastifyRateLimit } from '@fastify/rate-limit'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ClientCounts, isLoopback, limitKey, type RefusalLog, readClient } from './client-limits.ts'
import type { KeyRing } from './key-ring.ts'
import type { AdminLimits, App, AppOptions } from './options.ts'
import { problem, sendProblem } from './problem.ts'
import { type Caller, type Scope, scopeIncludes } from './scopes.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The scope that a caller needs; `public`: no key is needed. Every route must set it. */
    scope?: Scope
    /** A health check must always get an answer: it has no limits, and its key is ignored. */
    isProbe?: boolean
  }
  interface FastifyRequest {
    /** Set in the first hook, before anything else uses the request. */
    caller: Caller
  }
}

/** After this many wrong keys within a minute a client is answered 429. */
const maxWrongKeys = 20

const nobody: Caller = { name: 'public', id: 'public', scope: 'public' }

interface AccessOptions {
  readonly keys: KeyRing
  readonly callerOf: AppOptions['callerOf']
  readonly limits: () => AdminLimits
  readonly refusals: RefusalLog
  /** Answers a request that has no route. Called after the limits are checked. */
  answerNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply
}

/**
 * Adds the hook that sets `request.caller`. The hook answers 401 to a wrong key, 429 to a client that has reached its limit
 * for this minute, and 401 or 403 to a caller whose scope is not enough.
 */
export function addAccessControl(app: App, options: AccessOptions): void {
  const { keys, callerOf, limits, refusals, answerNotFound } = options
  const keyGenerator = (request: FastifyRequest) => limitKey(readClient(request.ip))
  app.register(fastifyRateLimit, { global: false, store: ClientCounts, keyGenerator })
  app.decorateRequest('caller')
  app.after(() => {
    const countRequest = app.createRateLimit({ max: () => limits().requestsPerMinute })
    const countWrongKey = app.createRateLimit({ max: maxWrongKeys })

    const refuseWrongKey = async (request: FastifyRequest, reply: FastifyReply) => {
      const count = await countWrongKey(request)
      if (count.isAllowed || !count.isExceeded) {
        reply.header('www-authenticate', 'Bearer realm="backscatterd", error="invalid_token"')
        const detail = 'the Authorization field has no valid key'
        return sendProblem(reply, problem(401, 'wrong-key', detail))
      }
      refusals.note(count.key, 'too many wrong keys')
      reply.header('retry-after', count.ttlInSeconds)
      const detail = `too many wrong keys from this address: try again in ${count.ttlInSeconds} s`
      return sendProblem(reply, problem(429, 'too-many-wrong-keys', detail))
    }

    app.addHook('onRequest', async (request, reply) => {
      const { isProbe, scope: needed = 'admin' } = request.routeOptions.config
      const caller =
        callerOf(request.raw) ?? (isProbe ? nobody : keyHolder(keys, request.headers.authorization))
      if (caller === undefined) return refuseWrongKey(request, reply)
      request.caller = caller
      const isPublic = caller.scope === 'public'
      if (isPublic && !isProbe && !isLoopback(readClient(request.ip))) {
        const count = await countRequest(request)
        if (!count.isAllowed && count.isExceeded) {
          refusals.note(count.key, 'too many requests')
          reply.header('retry-after', count.ttlInSeconds)
          const detail = `more than ${count.max} requests a minute from this address`
          return sendProblem(reply, problem(429, 'too-many-requests', detail))
        }
      }
      if (request.is404) return answerNotFound(request, reply)
      if (scopeIncludes(caller.scope, needed)) return undefined
      if (!isPublic)
        return sendProblem(reply, problem(403, 'forbidden', `this needs scope ${needed}`))
      reply.header('www-authenticate', 'Bearer realm="backscatterd"')
      return sendProblem(reply, problem(401, 'unauthorized', `this needs a key of scope ${needed}`))
    })
  })
}

/** Finds the caller by the Authorization field: `nobody` without the field, undefined if it has no valid key. */
function keyHolder(keys: KeyRing, authorization: string | undefined): Caller | undefined {
  if (authorization === undefined) return nobody
  // RFC 6750 §2.1. The scheme's name is case-insensitive (RFC 9110 §11.1).
  const secret = /^bearer +([\w.~+/-]+=*)$/i.exec(authorization)?.[1]
  const key = secret === undefined ? undefined : keys.find(secret)
  return key && { name: key.name, id: `key:${key.id}`, scope: key.scope }
}
