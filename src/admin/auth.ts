// Access control: finds out who sent a request (`Authorization: Bearer bsd_…`, or the cookie of a session), checks the scope, and
// limits clients without a valid key. A valid key is never refused because of its client's address, whatever that did before.
import { fastifyCookie } from '@fastify/cookie'
import { fastifyRateLimit } from '@fastify/rate-limit'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ClientCounts, isLocal, limitKey, type RefusalLog, readClient } from './client-limits.ts'
import type { KeyRing } from './key-ring.ts'
import type { AdminLimits, App, AppOptions } from './options.ts'
import { problem, sendProblem } from './problem.ts'
import { type Caller, type Scope, scopeIncludes } from './scopes.ts'
import { callerOfKey, isCrossOrigin, type Sessions, sessionToken, signInPath } from './sessions.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The scope that a caller needs; `public`: no key is needed. Every route must set it. */
    scope?: Scope
    /** A health check must always get an answer: it has no limits, and its key is ignored. */
    isProbe?: boolean
    /** A page sends such requests by itself: they do not keep a session from being idle. */
    isBackground?: boolean
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
  readonly sessions: Sessions
  readonly callerOf: AppOptions['callerOf']
  readonly limits: () => AdminLimits
  readonly refusals: RefusalLog
  /** Answers a request that has no route. Called after the limits are checked. */
  answerNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply
}

export interface AccessControl {
  /** Counts a wrong key of a client. Resolves with the seconds that the client has to wait after too many of them; else 0. */
  noteWrongKey(request: FastifyRequest): Promise<number>
}

/**
 * Adds the hook that sets `request.caller`. The hook answers 401 to a wrong key, 429 to a client that has reached its limit
 * for this minute, 401 or 403 to a caller whose scope is not enough, and 403 to a page of another site.
 */
export function addAccessControl(app: App, options: AccessOptions): AccessControl {
  const { keys, sessions, callerOf, limits, refusals, answerNotFound } = options
  const keyGenerator = (request: FastifyRequest) => limitKey(readClient(request.ip))
  app.register(fastifyRateLimit, { global: false, store: ClientCounts, keyGenerator })
  app.decorateRequest('caller')
  app.register(fastifyCookie)
  let countWrongKey: ReturnType<App['createRateLimit']> | undefined

  const noteWrongKey = async (request: FastifyRequest): Promise<number> => {
    const count = await countWrongKey?.(request)
    if (count === undefined || count.isAllowed || !count.isExceeded) return 0
    refusals.note(count.key, 'too many wrong keys')
    return count.ttlInSeconds
  }
  const refuseWrongKey = async (request: FastifyRequest, reply: FastifyReply) => {
    const seconds = await noteWrongKey(request)
    if (seconds === 0) {
      reply.header('www-authenticate', 'Bearer realm="backscatterd", error="invalid_token"')
      const detail = 'the Authorization field has no valid key'
      return sendProblem(reply, problem(401, 'wrong-key', detail))
    }
    reply.header('retry-after', seconds)
    const detail = `too many wrong keys from this address: try again in ${seconds} s`
    return sendProblem(reply, problem(429, 'too-many-wrong-keys', detail))
  }
  /** The holder of the session, if nothing else tells who the caller is. */
  const sessionHolder = (request: FastifyRequest): Caller | undefined => {
    const { isProbe = false, isBackground = false } = request.routeOptions.config
    if (isProbe || request.headers.authorization !== undefined) return undefined
    return sessions.holder(sessionToken(request), !isBackground)
  }

  app.after(() => {
    const countRequest = app.createRateLimit({ max: () => limits().requestsPerMinute })
    countWrongKey = app.createRateLimit({ max: maxWrongKeys })

    app.addHook('onRequest', async (request, reply) => {
      const { isProbe, scope: needed = 'admin' } = request.routeOptions.config
      const known = callerOf(request.raw)
      const signedIn = known ? undefined : sessionHolder(request)
      if (signedIn && isCrossOrigin(request)) {
        const detail = 'a page of another site sent this request: it was refused'
        return sendProblem(reply, problem(403, 'cross-origin', detail))
      }
      const caller =
        known ?? signedIn ?? (isProbe ? nobody : keyHolder(keys, request.headers.authorization))
      if (caller === undefined) return refuseWrongKey(request, reply)
      request.caller = caller
      const isPublic = caller.scope === 'public'
      if (isPublic && !isProbe && !isLocal(readClient(request.ip))) {
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
      return refuseScope(request, reply)
    })
  })
  return { noteWrongKey }
}

/** Refuses a caller whose scope is not enough. */
function refuseScope({ caller, url, routeOptions }: FastifyRequest, reply: FastifyReply) {
  const { scope = 'admin', isPage } = routeOptions.config
  if (caller.scope !== 'public')
    return sendProblem(reply, problem(403, 'forbidden', `this needs scope ${scope}`))
  // A browser that is not signed in is sent there, and comes back to the page.
  if (isPage) return reply.redirect(signInPath(url), 303)
  reply.header('www-authenticate', 'Bearer realm="backscatterd"')
  return sendProblem(reply, problem(401, 'unauthorized', `this needs a key of scope ${scope}`))
}

/** Finds the caller by the Authorization field: `nobody` without the field, undefined if it has no valid key. */
function keyHolder(keys: KeyRing, authorization: string | undefined): Caller | undefined {
  if (authorization === undefined) return nobody
  // RFC 6750 §2.1. The scheme's name is case-insensitive (RFC 9110 §11.1).
  const secret = /^bearer +([\w.~+/-]+=*)$/i.exec(authorization)?.[1]
  const key = secret === undefined ? undefined : keys.find(secret)
  return key && callerOfKey(key)
}
