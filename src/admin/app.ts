// The HTTP application: every route, what may call it, and a problem document for everything that goes wrong.
// Built by commands/ and served on the control socket, or asked in the same process when no server runs. It never
// listens: transports belong to whoever composes it.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import fastify, { type FastifyRequest } from 'fastify'
import type { Blocklist } from '../blocklist/blocklist.ts'
import type { Logger } from '../errors.ts'
import { PathTable } from './path-table.ts'
import { answerClientError, problem, problemOf, sendProblem } from './problem.ts'
import { exceptionRoutes } from './routes/exceptions.ts'
import { healthRoutes } from './routes/health.ts'
import { listingRoutes } from './routes/listings.ts'
import { lookupRoutes } from './routes/lookup.ts'
import { type ServerState, statsRoutes } from './routes/stats.ts'
import { trapRoutes } from './routes/traps.ts'

import { type Caller, scopeIncludes } from './scopes.ts'
import { compileValidator } from './validation.ts'

/** Largest JSON body, in octets: some ten thousand prefixes. A route that takes mail or lists sets its own. */
const maxBodyBytes = 1024 * 1024
/** Longest variable part of a path, in characters. An address takes up to 45, a domain name 253. */
const maxParamLength = 512

export interface AppOptions {
  readonly blocklist: Blocklist
  /** The state of the process around the app, for /v1/stats. */
  status(): ServerState
  /** Whether the list is loaded and every listener bound, for /readyz. */
  isReady(): boolean
  /** Who sent a request, by the transport it came over. */
  callerOf(request: FastifyRequest): Caller
  /** Epoch seconds, whole: the blocklist's clock. */
  now(): number
  readonly log: Logger
}

export type App = ReturnType<typeof emptyApp>

/** Builds the app; `ready()` it before use. Never listens, holds nothing that needs closing but itself. */
export function buildApp(options: AppOptions): App {
  const app = emptyApp()
  app.setValidatorCompiler(compileValidator)
  app.removeContentTypeParser('text/plain')
  app.setErrorHandler((error: Error, request, reply) => {
    const answer = problemOf(error)
    if (answer.status >= 500) {
      const { method, routeOptions } = request
      options.log.error({ err: error, method, route: routeOptions.url }, 'a request failed')
    }
    return sendProblem(reply, answer)
  })

  const paths = new PathTable()
  app.addHook('onRoute', ({ url, method, config }) => {
    if (config?.scope === undefined) throw new Error(`${url} does not say who may call it`)
    paths.add(url, method)
  })
  app.decorateRequest('caller')
  app.addHook('onRequest', async (request, reply) => {
    if (request.is404) {
      const allowed = paths.methodsOf(request.url.split('?')[0] ?? '')
      if (allowed === undefined) {
        return sendProblem(reply, problem(404, 'not-found', 'there is nothing at this path'))
      }
      reply.header('allow', allowed)
      const detail = `this resource takes ${allowed}, not ${request.method}`
      return sendProblem(reply, problem(405, 'method-not-allowed', detail))
    }
    const needed = request.routeOptions.config.scope ?? 'admin'
    request.caller = options.callerOf(request)
    if (scopeIncludes(request.caller.scope, needed)) return
    if (request.caller.scope !== 'public') {
      return sendProblem(reply, problem(403, 'forbidden', `this needs scope ${needed}`))
    }
    reply.header('www-authenticate', 'Bearer realm="backscatterd"')
    return sendProblem(reply, problem(401, 'unauthorized', `this needs a key of scope ${needed}`))
  })

  listingRoutes(app, options)
  exceptionRoutes(app, options)
  trapRoutes(app, options)
  lookupRoutes(app, options)
  statsRoutes(app, options)
  healthRoutes(app, options)
  return app
}

/** What routes are added to: the type that carries the schemas' types into the handlers. */
function emptyApp() {
  return fastify({
    bodyLimit: maxBodyBytes,
    routerOptions: { maxParamLength },
    frameworkErrors: (error, _request, reply) => {
      sendProblem(reply, problemOf(error))
    },
    clientErrorHandler: answerClientError,
  }).withTypeProvider<TypeBoxTypeProvider>()
}
