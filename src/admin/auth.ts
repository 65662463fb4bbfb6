// Lets a request in or not: who calls (`Authorization: Bearer bsd_…`), whether his scope is enough, and the limits for
// clients without a valid key. A valid key is taken from anywhere at any time, whatever its address did before.
import { fastifyRateLimit } from '@fastify/rate-limit'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ClientCounts, isLoopback, limitKey, type RefusalLog, readClient } from './client-limits.ts'
import type { KeyRing } from './key-ring.ts'
import type { AdminLimits, App, AppOptions } from './options.ts'
import { problem, sendProblem } from './problem.ts'
import { type Caller, type Scope, scopeIncludes } from './scopes.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a caller needs; `public` needs nothing. Every route says it. */
    scope?: Scope
    /** A supervisor's probe must get an answer: it has no limits, and no key is looked at. */
    isProbe?: boolean
  }
  interface FastifyRequest {
    /** Set before anything else looks at the request. */
    caller: Caller
  }
}

/** Wrong keys that a client may try within a minute before it is answered 429. */
const maxWrongKeys = 20

const nobody: Caller = { name: 'public', id: 'public', scope: 'public' }

interface AccessOptions {
  readonly keys: KeyRing
  readonly callerOf: AppOptions['callerOf']
  readonly limits: () => AdminLimits
  readonly refusals: RefusalLog
  /** Answers a request that no route takes; called after the limits are checked. */
  answerNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply
}

/**
 * Adds the hook that sets `request.caller`. It answers 401 to a wrong key, 429 to a client that has used up its minute,
 * and 401 or 403 to a caller whose scope is not enough.
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
        const detail = 'the Authorization field holds no key that is valid now'
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

/** Whom the Authorization field names as the caller. Undefined: the field is there, but holds no valid key. */
function keyHolder(keys: KeyRing, authorization: string | undefined): Caller | undefined {
  if (authorization === undefined) return nobody
  // RFC 9110 §11.1: the scheme's name in any case; RFC 6750 §2.1.
  const secret = /^bearer +([\w.~+/-]+=*)$/i.exec(authorization)?.[1]
  const key = secret === undefined ? undefined : keys.find(secret)
  return key && { name: key.name, id: `key:${key.id}`, scope: key.scope }
}
