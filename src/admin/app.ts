// Builds the HTTP application: the checks that each request passes, the routes, and a problem document for every error. It
// does not listen itself; listeners.ts serves it over TCP and on the control socket.
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { fastifyHelmet } from '@fastify/helmet'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { isOutOfFiles } from '../errors.ts'
import { OncePerMinute } from '../log-rarely.ts'
import { databaseFailure, isDatabaseError } from '../store/database.ts'
import { addAccessControl } from './auth.ts'
import { isTrustedProxy, RefusalLog, readClient } from './client-limits.ts'
import { addIdempotency } from './idempotency.ts'
import { KeyRing } from './key-ring.ts'
import { describeApi, documentRoute } from './openapi.ts'
import type { AdminLimits, App, AppOptions } from './options.ts'
import { preparePage } from './pages/headers.ts'
import { addPages } from './pages/pages.ts'
import { compileValidator } from './parse-params.ts'
import {
  answerClientError,
  asProblem,
  isProblem,
  notFound,
  type Problem,
  problem,
  problemOf,
  sendProblem,
} from './problem.ts'
import { RemovalRequests } from './removal-requests.ts'
import { auditRoutes } from './routes/audit.ts'
import { evidenceRoutes } from './routes/evidence.ts'
import { exceptionRoutes } from './routes/exceptions.ts'
import { healthRoutes } from './routes/health.ts'
import { keyRoutes } from './routes/keys.ts'
import { listingRoutes } from './routes/listings.ts'
import { listRoutes } from './routes/lists.ts'
import { lookupRoutes } from './routes/lookup.ts'
import { mailboxRoutes } from './routes/mailboxes.ts'
import { messageRoutes } from './routes/messages.ts'
import { policyRoutes } from './routes/policy.ts'
import { purgeRoutes } from './routes/purges.ts'
import { reloadRoutes } from './routes/reload.ts'
import { removalRoutes } from './routes/removals.ts'
import { statsRoutes } from './routes/stats.ts'
import { trapRoutes } from './routes/traps.ts'
import { Sessions } from './sessions.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The media type of the body, if it is not JSON. */
    takes?: string
    /** Further media types that the route accepts. */
    takesToo?: readonly string[]
    /** The example of such a body. */
    example?: string
    /** Whether the body may be left out. */
    bodyIsOptional?: boolean
  }
}

/** Octets of the largest JSON body: room for about ten thousand prefixes. Routes that take mail or lists set their own. */
const maxBodyBytes = 1024 * 1024
/** Characters of the longest parameter in a path. An address takes up to 45, a domain name up to 253. */
const maxParamLength = 512
/** A request id from the client is kept if it has this form; else the request gets a new one. */
const requestIdPattern = /^[A-Za-z0-9._-]{1,64}$/

const noLimits: AdminLimits = {
  trustedProxies: [],
  requestsPerMinute: Number.MAX_SAFE_INTEGER,
  takesRemovals: true,
}

/** Headers that only web pages need (OWASP, REST Security Cheat Sheet: security headers). Other answers leave them out. */
const forPages = {
  crossOriginOpenerPolicy: false,
  originAgentCluster: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
} as const

/** The requests whose path cannot be read, and what is wrong with it. */
const unroutables = new WeakMap<IncomingMessage, Problem>()

/** Builds the app. Call its `ready()` before use, and its `close()` before the store is closed. Never listens. */
export function buildApp(options: AppOptions): App {
  const { log, limits = () => noLimits, isDescribed = true } = options
  const app = newApp(limits)
  app.setValidatorCompiler(compileValidator)
  app.removeContentTypeParser('text/plain')
  const outOfFiles = new OncePerMinute()
  app.setErrorHandler((thrown: Error, request, reply) => {
    // The operator can mend a database error and a lack of file descriptors. Any other error is a bug.
    const isOperational = isDatabaseError(thrown) || isOutOfFiles(thrown)
    const error = isOperational ? databaseFailure(thrown, 'a request failed') : thrown
    const answer = problemOf(error)
    if (answer.code === 'media-type') {
      // RFC 9110 §12.5.1: a 415 names the types that are accepted.
      const { takes = 'application/json', takesToo = [] } = request.routeOptions.config
      reply.header('accept', [takes, ...takesToo].join(', '))
    }
    const { id: requestId, method, routeOptions } = request
    const fields = { err: error, requestId, method, route: routeOptions.url }
    const tell = () => log.error(fields, 'a request failed')
    if (answer.code === 'files-exhausted') outOfFiles.run(tell)
    // 'disk-low' is not logged here: whoever defers the mail logs it.
    else if (answer.status >= 500 && answer.code !== 'disk-low') tell()
    return sendProblem(reply, answer)
  })
  app.addHook('preParsing', (request, reply, _payload, done) => {
    const coding = request.headers['content-encoding']?.trim().toLowerCase() ?? ''
    if (coding === '' || coding === 'identity') {
      done()
      return
    }
    // RFC 9110 §15.5.16: a 415 for a content coding names the codings that are accepted.
    reply.header('accept-encoding', 'identity')
    const detail = 'the body has a content coding; this server accepts none'
    sendProblem(reply, problem(415, 'content-coding', detail))
  })
  app.addHook('preSerialization', (_request, reply, payload, done) =>
    done(null, isProblem(payload) ? asProblem(reply, payload) : payload),
  )
  // Fastify answers HEAD by reading the stream of GET to its end, which may be far away.
  app.addHook('onSend', ({ method }, _reply, payload, done) => {
    if (method !== 'HEAD' || !(payload instanceof Readable)) {
      done(null, payload)
      return
    }
    payload.destroy()
    done(null, Readable.from([]))
  })

  const methodsOfPaths = new Map<string, { pattern: RegExp; methods: Set<string> }>()
  app.addHook('onRoute', (route) => {
    // The pages under /docs, and the files of all pages, bring their own routes, which name no scope.
    if (/^\/assets\//.test(route.url)) route.config = { ...route.config, scope: 'public' }
    if (/^\/docs(\/|$)/.test(route.url)) {
      route.config = { ...route.config, scope: 'public' }
      route.helmet = Object.fromEntries(Object.keys(forPages).map((name) => [name, true]))
    }
    if (route.config?.isPage) preparePage(route)
    if (route.config?.scope === undefined)
      throw new Error(`${route.url} does not say who may call it`)
    const known = methodsOfPaths.get(route.url)
    const methods = known?.methods ?? new Set()
    for (const method of [route.method].flat()) methods.add(method)
    if (known) return
    const pattern = new RegExp(`^${route.url.replaceAll(/:\w+/g, '[^/]+')}$`)
    methodsOfPaths.set(route.url, { pattern, methods })
  })
  /** Fastify answers 404 to a wrong method as well; RFC 9110 §15.5.6 asks for 405 with Allow. */
  const answerNotFound = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const unroutable = unroutables.get(request.raw)
    if (unroutable !== undefined) return sendProblem(reply, unroutable)
    const [path = ''] = request.url.split('?', 1)
    const found = methodsOfPaths.values().find(({ pattern }) => pattern.test(path))
    if (found === undefined || found.methods.has(request.method)) {
      return sendProblem(reply, notFound('there is nothing at this path'))
    }
    const allowed = [...found.methods].sort().join(', ')
    reply.header('allow', allowed)
    const detail = `this resource takes ${allowed}, not ${request.method}`
    return sendProblem(reply, problem(405, 'method-not-allowed', detail))
  }
  // Fastify calls this for an unknown path, and for a route that finds nothing, such as a missing file of /docs.
  app.setNotFoundHandler(answerNotFound)

  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id).header('cache-control', 'no-store')
    done()
  })
  app.register(fastifyHelmet, {
    ...forPages,
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    // Other hosts of the domain are not ours to decide on.
    strictTransportSecurity: { includeSubDomains: false },
  })
  const keys = new KeyRing(options)
  app.addHook('onClose', async () => keys.flush())
  const { callerOf, refusals = new RefusalLog(log) } = options
  const sessions = new Sessions(keys, options.now)
  const access = addAccessControl(app, {
    keys,
    sessions,
    callerOf,
    limits,
    refusals,
    answerNotFound,
  })
  addIdempotency(app, options)
  const requests = new RemovalRequests({ blocklist: options.blocklist, limits, refusals })
  if (isDescribed) {
    describeApi(app, options)
    addPages(app, { ...options, limits, requests }, { keys, sessions, ...access })
  }
  // The routes are a plugin of their own: the plugin that describes them must be loaded first.
  app.register((scope, _options, done) => {
    const routes = scope.withTypeProvider<TypeBoxTypeProvider>()
    listingRoutes(routes, options)
    exceptionRoutes(routes, options)
    listRoutes(routes, options)
    trapRoutes(routes, options)
    mailboxRoutes(routes, options)
    messageRoutes(routes, options)
    evidenceRoutes(routes, options)
    lookupRoutes(routes, options)
    policyRoutes(routes, options)
    removalRoutes(routes, { ...options, requests })
    purgeRoutes(routes, options)
    keyRoutes(routes, options, keys)
    auditRoutes(routes, options)
    statsRoutes(routes, options)
    reloadRoutes(routes, options)
    healthRoutes(routes, options)
    if (isDescribed) documentRoute(routes)
    done()
  })
  return app
}

function newApp(limits: () => AdminLimits): App {
  const app = fastify({
    bodyLimit: maxBodyBytes,
    routerOptions: { maxParamLength },
    trustProxy: (address) => isTrustedProxy(readClient(address), limits().trustedProxies),
    genReqId: ({ headers }) => {
      const given = headers['x-request-id']
      if (typeof given === 'string' && requestIdPattern.test(given)) return given
      // A running number would tell a client how many requests others send.
      return randomUUID()
    },
    // Fastify runs no hook here. Routed to a path that has nothing, the request passes them all, and the answer has its headers.
    frameworkErrors: (error, { raw: request }, { raw: response }) => {
      unroutables.set(request, problemOf(error))
      request.url = '/unroutable'
      app.routing(request, response)
    },
    clientErrorHandler: answerClientError,
  }).withTypeProvider<TypeBoxTypeProvider>()
  return app
}
