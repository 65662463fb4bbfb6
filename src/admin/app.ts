// The HTTP application: every route, what may call it, and a problem document for everything that goes wrong.
// Built by commands/ and served over TCP and on the control socket, or asked in the same process when no server runs.
// It never listens: transports belong to whoever composes it.
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { fastifyRateLimit } from '@fastify/rate-limit'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import type { Blocklist } from '../blocklist/blocklist.ts'
import { isOutOfFiles, type Logger } from '../errors.ts'
import type { Prefix } from '../ip/address.ts'
import { databaseFailure, isDatabaseError, type Store } from '../store/database.ts'
import { Authenticator, nobody } from './authenticate.ts'
import { clientAddress, isLoopback, limitKey } from './client-address.ts'
import { Idempotency } from './idempotency.ts'
import { KeyRing } from './key-ring.ts'
import { nameMediaTypes, refuseCoding } from './media-type.ts'
import { describeApi, documentRoute } from './openapi.ts'
import { PathTable } from './path-table.ts'
import { answerClientError, problem, problemOf, sendProblem } from './problem.ts'
import { RefusalLog } from './refusal-log.ts'
import { RequestCounts } from './request-counts.ts'
import { auditRoutes } from './routes/audit.ts'
import { evidenceIntakeRoutes } from './routes/evidence-intake.ts'
import { exceptionRoutes } from './routes/exceptions.ts'
import { exportRoutes } from './routes/export.ts'
import { healthRoutes } from './routes/health.ts'
import { importRoutes } from './routes/import.ts'
import { keyRoutes } from './routes/keys.ts'
import { listingRoutes } from './routes/listings.ts'
import { lookupRoutes } from './routes/lookup.ts'
import { mailboxRoutes } from './routes/mailboxes.ts'
import { type MailFunctions, messageRoutes } from './routes/messages.ts'
import { type ServerState, statsRoutes } from './routes/stats.ts'
import { trapRoutes } from './routes/traps.ts'
import { type Caller, scopeIncludes } from './scopes.ts'
import { type SecurityHeaders, securityHeaders } from './security-headers.ts'
import { compileValidator } from './validation.ts'

/** Largest JSON body, in octets: some ten thousand prefixes. A route that takes mail or lists sets its own. */
const maxBodyBytes = 1024 * 1024
/** Longest variable part of a path, in characters. An address takes up to 45, a domain name 253. */
const maxParamLength = 512
/** A request's own id is taken over when it is of this form; else it gets one. */
const requestIdPattern = /^[A-Za-z0-9._-]{1,64}$/

export interface AppOptions {
  readonly blocklist: Blocklist
  /** For keys, audit and repeated requests; the list is changed through `blocklist` alone. */
  readonly store: Store
  readonly version: string
  /** Where the interface is reached from outside; '' where it is not. */
  readonly publicUrl?: string
  /** Whether /openapi.json and /docs are there: they take a moment to make, which one command need not wait. */
  readonly isDescribed?: boolean
  /** The state of the process around the app, for /v1/stats. */
  status(): ServerState
  /** Whether the list is loaded and every listener bound, for /readyz. */
  isReady(): boolean
  /** Who sent a request, where the transport says it; undefined: its key does, if it has one. */
  callerOf(request: IncomingMessage): Caller | undefined
  /** What came to be from `[admin]`; asked for each request, since it may be read anew. */
  limits?(): AdminLimits
  /** Traps and mailboxes; undefined where there are none, or not yet. */
  mail?(): MailFunctions | undefined
  /** Epoch seconds, whole: the blocklist's clock. */
  now(): number
  /** Throws OperationalError 'clock-held' while that is not to be trusted; none: it always is. */
  requireClock?(): void
  readonly log: Logger
  /** Shared with the listener, so that a client has one line; none: one of its own. */
  readonly refusals?: RefusalLog
}

export interface AdminLimits {
  /** Whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly Prefix[]
  /** Requests a minute that one address may send without a key. */
  readonly requestsPerMinute: number
}

const noLimits: AdminLimits = { trustedProxies: [], requestsPerMinute: Number.MAX_SAFE_INTEGER }

export type App = ReturnType<typeof emptyApp>

/** Builds the app; `ready()` it before use, `close()` it before the store. Never listens. */
export function buildApp(options: AppOptions): App {
  const { log } = options
  const app = emptyApp()
  app.setValidatorCompiler(compileValidator)
  app.removeContentTypeParser('text/plain')
  let filesToldAt = Number.NEGATIVE_INFINITY
  app.setErrorHandler((thrown: Error, request, reply) => {
    const error = isSystemFailure(thrown) ? databaseFailure(thrown, 'a request failed') : thrown
    const answer = problemOf(error)
    if (answer.code === 'media-type') nameMediaTypes(request, reply)
    const isTold = answer.code === 'files-exhausted' && performance.now() - filesToldAt < 60_000
    // That mail is put off is logged where it is decided, once a minute.
    if (answer.status >= 500 && answer.code !== 'disk-low' && !isTold) {
      if (answer.code === 'files-exhausted') filesToldAt = performance.now()
      const { id: requestId, method, routeOptions } = request
      log.error({ err: error, requestId, method, route: routeOptions.url }, 'a request failed')
    }
    return sendProblem(reply, answer)
  })
  app.addHook('preParsing', (request, reply, _payload, done) => {
    if (refuseCoding(request, reply) === undefined) done()
  })
  const paths = new PathTable()
  const idempotency = new Idempotency(options)
  app.decorateReply('alongside', function (answerOf) {
    return idempotency.alongside(this, answerOf)
  })
  app.addHook('onRoute', (route) => {
    // The browser of the interface brings its own routes.
    if (/^\/docs(\/|$)/.test(route.url)) {
      route.config = { ...route.config, scope: 'public', isPage: true }
    }
    if (route.config?.scope === undefined)
      throw new Error(`${route.url} does not say who may call it`)
    paths.add(route.url, route.method)
    // What needs no more than scope read changes nothing: it is done again, and writes nothing.
    if (route.method === 'POST' && route.config.scope !== 'read') {
      route.preHandler = (request, reply, done) => {
        if (idempotency.begin(request, reply) === undefined) done()
      }
      route.onSend = (request, reply, payload, done) => {
        idempotency.end(request, reply, payload)
        done(null, payload)
      }
    }
  })

  // What a route gives up on, such as a file of /docs that is not there.
  app.setNotFoundHandler((request, reply) => notHere(request, reply, paths))
  const keys = new KeyRing(options)
  admit(app, options, keys, paths)
  app.addHook('onClose', async () => keys.flush())
  if (options.isDescribed ?? true) describeApi(app, options)
  // In a plugin of their own, since what describes routes must be loaded before them.
  app.register((scope, _options, done) => {
    const routes = scope.withTypeProvider<TypeBoxTypeProvider>()
    listingRoutes(routes, options)
    exceptionRoutes(routes, options)
    importRoutes(routes, options)
    exportRoutes(routes, options)
    trapRoutes(routes, options)
    mailboxRoutes(routes, options)
    messageRoutes(routes, options)
    evidenceIntakeRoutes(routes, options)
    lookupRoutes(routes, options)
    keyRoutes(routes, options, keys)
    auditRoutes(routes, options)
    statsRoutes(routes, options)
    healthRoutes(routes, options)
    if (options.isDescribed ?? true) documentRoute(routes)
    done()
  })
  return app
}

/** What SQLite failed at, and what could not be opened, is the surroundings' fault; all else is a bug. */
function isSystemFailure(error: Error): boolean {
  return isDatabaseError(error) || isOutOfFiles(error)
}

/**
 * Before anything else looks at a request: it gets its id, then 404 or 405 where nothing is there, then its caller
 * is found out, held to the rate of those without a key, and let in or not.
 */
function admit(app: App, options: AppOptions, keys: KeyRing, paths: PathTable): void {
  const authenticator = new Authenticator(keys, options.now)
  const refusals = options.refusals ?? new RefusalLog(options.log)
  const limits = options.limits ?? (() => noLimits)
  const addressOf = (request: FastifyRequest) => clientAddress(request.raw, limits().trustedProxies)
  app.register(fastifyRateLimit, {
    ...{ global: false, timeWindow: 60_000, store: RequestCounts },
    max: () => limits().requestsPerMinute,
    keyGenerator: (request) => limitKey(addressOf(request)),
  })
  app.decorateRequest('caller')
  let headers: SecurityHeaders = { pages: {}, data: {} }
  app.addHook('onReady', async () => {
    const { pages, data } = await securityHeaders()
    const uncached = { 'cache-control': 'no-store' }
    headers = { pages: { ...pages, ...uncached }, data: { ...data, ...uncached } }
  })
  app.after(() => {
    const countRequest = app.createRateLimit()

    /** Answers 429 when the address has used up its minute. */
    const slowDown = async (request: FastifyRequest, reply: FastifyReply) => {
      const count = await countRequest(request)
      if (count.isAllowed || !count.isExceeded) return undefined
      refusals.note(limitKey(addressOf(request)), 'too many requests')
      reply.header('retry-after', Math.max(1, count.ttlInSeconds))
      const detail = `more than ${count.max} requests a minute from this address`
      return sendProblem(reply, problem(429, 'too-many-requests', detail))
    }
    /** Answers what the caller may not have; undefined: he may. */
    const refuse = (request: FastifyRequest, reply: FastifyReply) => {
      const { scope } = request.caller
      if (request.is404) return notHere(request, reply, paths)
      const needed = request.routeOptions.config.scope ?? 'admin'
      if (scopeIncludes(scope, needed)) return undefined
      if (scope !== 'public') {
        return sendProblem(reply, problem(403, 'forbidden', `this needs scope ${needed}`))
      }
      reply.header('www-authenticate', 'Bearer realm="backscatterd"')
      const detail = `this needs a key of scope ${needed}`
      return sendProblem(reply, problem(401, 'unauthorized', detail))
    }
    // By callback, since a promise for each request is felt: most are let in on the spot.
    app.addHook('onRequest', (request, reply, done) => {
      const { isPage, isProbe } = request.routeOptions.config
      reply.headers(isPage ? headers.pages : headers.data).header('x-request-id', request.id)
      const caller =
        options.callerOf(request.raw) ??
        (isProbe
          ? nobody
          : authenticator.identify(request.headers.authorization, () =>
              limitKey(addressOf(request)),
            ))
      if ('problem' in caller) {
        const { retryAfter } = caller
        if (retryAfter !== undefined) {
          refusals.note(limitKey(addressOf(request)), 'too many wrong keys')
          reply.header('retry-after', retryAfter)
        } else
          reply.header('www-authenticate', 'Bearer realm="backscatterd", error="invalid_token"')
        sendProblem(reply, caller.problem)
        return
      }
      request.caller = caller
      if (isProbe || caller.scope !== 'public' || isLoopback(addressOf(request))) {
        if (refuse(request, reply) === undefined) done()
        return
      }
      slowDown(request, reply).then((slowed) => {
        if (slowed === undefined && refuse(request, reply) === undefined) done()
      }, done)
    })
  })
}

function notHere(request: FastifyRequest, reply: FastifyReply, paths: PathTable): FastifyReply {
  const allowed = paths.methodsOf(request.url.split('?')[0] ?? '')
  if (allowed === undefined) {
    return sendProblem(reply, problem(404, 'not-found', 'there is nothing at this path'))
  }
  reply.header('allow', allowed)
  const detail = `this resource takes ${allowed}, not ${request.method}`
  return sendProblem(reply, problem(405, 'method-not-allowed', detail))
}

/** What routes are added to: the type that carries the schemas' types into the handlers. */
function emptyApp() {
  return fastify({
    bodyLimit: maxBodyBytes,
    routerOptions: { maxParamLength },
    genReqId: ({ headers }) => {
      const given = headers['x-request-id']
      if (typeof given === 'string' && requestIdPattern.test(given)) return given
      // No number: it would tell one client how many requests others send.
      return randomUUID()
    },
    frameworkErrors: (error, _request, reply) => {
      sendProblem(reply, problemOf(error))
    },
    clientErrorHandler: answerClientError,
  }).withTypeProvider<TypeBoxTypeProvider>()
}
