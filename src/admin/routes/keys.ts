// /v1/keys: API keys, only for scope admin. A secret is shown once, in the answer that creates its key.
import type { KeyRing, MadeKey } from '../key-ring.ts'
import type { App, AppOptions } from '../options.ts'
import { pageBody, pageOfAll, pageRequest, readExpiry } from '../parse-params.ts'
import { isProblem, malformed, notFound, type Problem, problem } from '../problem.ts'
import { IdParams, PageQuery, pageOf, problems, withTimes } from '../schemas/basics.ts'
import { CreatedKey, Key, NewKey } from '../schemas/server.ts'

export function keyRoutes(app: App, { now, requireClock }: AppOptions, keys: KeyRing): void {
  app.get(
    '/v1/keys',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'listKeys',
        summary: 'Show the keys',
        description: 'Also those that are revoked or have expired. It never shows a secret.',
        querystring: PageQuery,
        response: { 200: pageOf(Key), ...problems() },
      },
    },
    async ({ query }) => keysBody(keys, query),
  )

  app.post(
    '/v1/keys',
    {
      config: { scope: 'admin', answersOnce: true },
      schema: {
        operationId: 'createKey',
        summary: 'Make a key',
        description:
          'The secret is in this answer only, and it is kept as a hash. Without expiresAt and duration the key never expires.',
        body: NewKey,
        response: { 201: CreatedKey, ...problems(422) },
      },
    },
    async ({ body, caller }, reply) => {
      const { name, scope } = body
      const term = readExpiry(body, now())
      if (isProblem(term)) return term
      const { expiresAt = null } = term
      if (expiresAt !== null) {
        requireClock?.()
        if (expiresAt <= now()) {
          return malformed('the expiry time of the key is in the past')
        }
      }
      return reply.answerChange<MadeKey | 'taken'>(
        (alongside) => keys.create({ name, scope, expiresAt }, caller.name, undefined, alongside),
        (created) => {
          if (created === 'taken') {
            const detail = `the name ${name} is taken: revoke that key first, or choose another name`
            return problem(409, 'conflict', detail)
          }
          const { key, secret } = created
          const location = `/v1/keys/${key.id}`
          return { status: 201, body: { ...withTimes(key), key: secret }, location }
        },
      )
    },
  )

  app.get(
    '/v1/keys/:id',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'getKey',
        summary: 'Show a key',
        description: 'By its id. It never shows the secret.',
        params: IdParams,
        response: { 200: Key, ...problems(400, 404) },
      },
    },
    async ({ params }) => {
      const key = keys.byId(params.id)
      return key ? withTimes(key) : noSuch(params.id)
    },
  )

  app.delete(
    '/v1/keys/:id',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'revokeKey',
        summary: 'Revoke a key',
        description: 'It stops working at once. Its name can then be given to another key.',
        params: IdParams,
        response: { 200: Key, ...problems(400, 404, 409) },
      },
    },
    async ({ params: { id }, caller }) => {
      const revoked = keys.revoke(id, caller.name)
      if (revoked === undefined) return noSuch(id)
      if (revoked === 'revoked') return problem(409, 'conflict', `key ${id} was revoked before`)
      return withTimes(revoked)
    },
  )
}

/** The page of keys that a query asks for. */
export function keysBody(keys: KeyRing, query: PageQuery) {
  const page = pageOfAll(pageRequest(query), keys.all(), ({ id }) => String(id))
  return pageBody(page, withTimes)
}

function noSuch(id: number): Problem {
  return notFound(`there is no key ${id}`)
}
