// Makes an OpenAPI 3.1 document from the routes' schemas, and serves it at /openapi.json. /docs shows it as web pages, which
// load nothing from other sites.
import { STATUS_CODES } from 'node:http'
import { fastifySwagger } from '@fastify/swagger'
import { fastifySwaggerUi } from '@fastify/swagger-ui'
import type { FastifySchema, RouteOptions } from 'fastify'
import Type from 'typebox'
import type { App, AppOptions } from './options.ts'
import { Problem, problems } from './schemas/basics.ts'
import type { Scope } from './scopes.ts'

/** The scripts and styles of /docs come from the package; its logo is a `data:` URL. */
const docsPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"

interface Operation {
  responses?: Record<string, object>
  requestBody?: { required: boolean }
  [optionalBody]?: boolean
}

/** Marks an operation on its way through the plugin, which has no place for this. */
const optionalBody = 'x-optional-body'

/** Adds the document and /docs. Call it before adding routes: the document has only those that are added after it. */
export function describeApi(app: App, { version, publicUrl }: AppOptions): void {
  app.addHook('onRoute', ({ schema, ...route }) => {
    if (!schema?.response || route.config?.isProbe) return
    Object.assign(schema.response, problems(...commonProblems(route, schema)))
  })
  app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'backscatterd',
        version,
        description:
          'The list of hosts that send misdirected bounces. Errors are RFC 9457 problem documents; times are RFC 3339; ' +
          'lists are read a page at a time with `limit` and `cursor`, and the answer is `{items, nextCursor}`. If a ' +
          'POST that needs a key has an `Idempotency-Key` and is repeated within a day, it gets the first answer again. ' +
          'A key has one scope: admin includes all, write includes read, and collect is for remote collectors alone.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      ...(publicUrl && { servers: [{ url: publicUrl }] }),
      components: {
        securitySchemes: { key: { type: 'http', scheme: 'bearer', bearerFormat: 'bsd_…' } },
      },
    },
    transform: ({ schema, url, route }) => {
      const scope = route.config?.scope ?? 'admin'
      const security = scope === 'public' ? [] : [{ key: [] }]
      const tags = [/^\/v1\/([a-z]+)/.exec(url)?.[1] ?? 'server']
      const { takes, example, bodyIsOptional } = route.config ?? {}
      const body = { type: 'string', format: 'binary', examples: [example] }
      const operation = {
        ...schema,
        description: `${schema?.description} ${scopeText(scope)}`,
        ...(takes && { body, consumes: [takes] }),
        ...(bodyIsOptional && { [optionalBody]: true }),
        tags,
        security,
        'x-scope': scope,
      }
      return { schema: operation, url }
    },
    transformObject: (documents) => {
      if (!('openapiObject' in documents)) throw new Error('not an OpenAPI document')
      const document = structuredClone(documents.openapiObject)
      for (const operations of Object.values(document.paths ?? {})) {
        for (const operation of Object.values(operations ?? {})) {
          nameResponses(operation as Operation)
          markOptionalBody(operation as Operation)
        }
      }
      document.components = {
        ...document.components,
        schemas: { ...document.components?.schemas, Problem: { ...Problem } },
        responses: { Problem: problemResponse },
      }
      return document
    },
  })
  app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    staticCSP: docsPolicy,
    uiConfig: { url: '/openapi.json', docExpansion: 'list', validatorUrl: null },
  })
}

function scopeText(scope: Scope): string {
  return scope === 'public' ? 'Scope: none, it needs no key.' : `Scope: ${scope}.`
}

function markOptionalBody(operation: Operation): void {
  if (operation[optionalBody] && operation.requestBody) operation.requestBody.required = false
  delete operation[optionalBody]
}

/** The problem statuses that a route can answer because it needs a key, takes a body or parameters, or makes a change. */
function commonProblems(
  { method, url, config }: Pick<RouteOptions, 'method' | 'url' | 'config'>,
  { querystring }: FastifySchema,
): number[] {
  const statuses: number[] = []
  const isChange = ['POST', 'PATCH', 'DELETE'].includes(String(method))
  if (config?.scope !== 'public') statuses.push(401, 403)
  if (method === 'POST' || method === 'PATCH') statuses.push(400, 413, 415)
  if (querystring !== undefined) statuses.push(400)
  if (url.includes('/:')) statuses.push(414)
  if (isChange) statuses.push(503)
  // 409: the first request with the same Idempotency-Key is still in progress.
  if (method === 'POST' && !['public', 'read'].includes(config?.scope ?? '')) statuses.push(409)
  return statuses
}

/** Adds the route of the document itself. Call it with the other routes, so that the document describes it too. */
export function documentRoute(app: App): void {
  app.get(
    '/openapi.json',
    {
      config: { scope: 'public' },
      schema: {
        operationId: 'getDescription',
        summary: 'Describe this interface',
        description: 'Every operation, as OpenAPI 3.1. /docs shows it in a browser.',
        response: {
          200: Type.Unknown({ description: 'OpenAPI 3.1', examples: [{ openapi: '3.1.0' }] }),
          ...problems(),
        },
      },
    },
    async () => app.swagger(),
  )
}

const problemResponse = {
  description: 'RFC 9457 problem details',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}

/** Describes each status by its phrase. Error statuses refer to the one problem schema. */
function nameResponses({ responses = {} }: Operation): void {
  for (const [status, response] of Object.entries(responses)) {
    const description = STATUS_CODES[status] ?? 'Answer'
    responses[status] =
      Number(status) >= 400
        ? { $ref: '#/components/responses/Problem', description }
        : { ...response, description }
  }
}
