// The routes' own schemas as one OpenAPI 3.1 document, at /openapi.json, with a browser at /docs that loads nothing
// from elsewhere. Called by app.ts before any route is added.
import { STATUS_CODES } from 'node:http'
import { fastifySwagger } from '@fastify/swagger'
import { fastifySwaggerUi } from '@fastify/swagger-ui'
import Type from 'typebox'
import type { App, AppOptions } from './options.ts'
import { Problem, problems } from './schemas/basics.ts'

/** The browser's scripts and styles come from the package; `data:` is its own logo. */
const docsPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"

interface Operation {
  responses?: Record<string, object>
}

/** Registers the document and its browser. Routes added before this, or hidden, are not in it. */
export function describeApi(app: App, { version, publicUrl }: AppOptions): void {
  app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'backscatterd',
        version,
        description:
          'The list of hosts that send misdirected bounces. Problems are RFC 9457 documents; times are RFC 3339; ' +
          'lists page with `limit` and `cursor` and answer `{items, nextCursor}`. A POST with an `Idempotency-Key` ' +
          'that is repeated within a day gets the first answer again.',
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
      const takes = route.config?.takes
      const operation = {
        ...schema,
        ...(takes && { body: { type: 'string', format: 'binary' }, consumes: [takes] }),
        ...{ tags, security, 'x-scope': scope },
      }
      return { schema: operation, url }
    },
    transformObject: (documents) => {
      if (!('openapiObject' in documents)) throw new Error('not an OpenAPI document')
      const document = structuredClone(documents.openapiObject)
      for (const operations of Object.values(document.paths ?? {})) {
        for (const operation of Object.values(operations ?? {})) {
          nameResponses(operation as Operation)
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

/** The document itself; added among the routes, so that it is in there too. */
export function documentRoute(app: App): void {
  app.get(
    '/openapi.json',
    {
      config: { scope: 'public' },
      schema: { response: { 200: Type.Unknown({ description: 'OpenAPI 3.1' }), ...problems() } },
    },
    async () => app.swagger(),
  )
}

const problemResponse = {
  description: 'RFC 9457 problem details',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}

/** Each status by its phrase; what went wrong is one schema, written once. */
function nameResponses({ responses = {} }: Operation): void {
  for (const [status, response] of Object.entries(responses)) {
    const description = STATUS_CODES[status] ?? 'Answer'
    responses[status] =
      Number(status) >= 400
        ? { $ref: '#/components/responses/Problem', description }
        : { ...response, description }
  }
}
