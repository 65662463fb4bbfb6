// /v1/keys: API keys, for scope admin alone. A secret is told once, in the answer that makes it.
import Type, { type Static } from 'typebox'
import type { App, AppOptions } from '../app.ts'
import { type Answer, sendAnswer } from '../idempotency.ts'
import { type KeyRing, type KeyRow, type CreatedKey as NewlyMade, newSecret } from '../key-ring.ts'
import { readExpiry } from '../parse-params.ts'
import { isProblem, problem, sendProblem } from '../problem.ts'
import {
  IdParams,
  NullableTimestamp,
  nullableTimestamp,
  PageQuery,
  pageById,
  pageOf,
  problems,
  Timestamp,
  timestamp,
} from '../schemas.ts'

const KeyScope = Type.Enum(['read', 'write', 'collect', 'admin'])

const Key = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  scope: KeyScope,
  createdAt: Timestamp,
  expiresAt: NullableTimestamp,
  revokedAt: NullableTimestamp,
  lastUsedAt: NullableTimestamp,
})
export type Key = Static<typeof Key>

const CreatedKey = Type.Object({
  ...Key.properties,
  key: Type.String({ description: 'The secret: bsd_… It cannot be had again.' }),
})
export type CreatedKey = Static<typeof CreatedKey>

const NewKey = Type.Object(
  {
    name: Type.String({
      pattern: '^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$',
      description: 'Stands in the audit for whoever uses the key. Free again once it is revoked.',
    }),
    scope: KeyScope,
    expiresAt: Type.Optional(NullableTimestamp),
    duration: Type.Optional(
      Type.String({ maxLength: 32, description: '"90d". Absent: for ever.' }),
    ),
  },
  { additionalProperties: false },
)

export function keyRoutes(app: App, { now, requireClock }: AppOptions, keys: KeyRing): void {
  app.get(
    '/v1/keys',
    {
      config: { scope: 'admin' },
      schema: {
        querystring: PageQuery,
        response: { 200: pageOf(Key), ...problems(400, 401, 403) },
      },
    },
    async (request, reply) => {
      const page = pageById(request.query, (limit, after = 0) => keys.page(limit, after), keyBody)
      return isProblem(page) ? sendProblem(reply, page) : page
    },
  )

  app.post(
    '/v1/keys',
    {
      config: { scope: 'admin', answersOnce: true },
      schema: {
        body: NewKey,
        response: { 201: CreatedKey, ...problems(400, 401, 403, 409, 413, 415, 422, 503) },
      },
    },
    async (request, reply) => {
      const { name, scope } = request.body
      const term = readExpiry(request.body, now())
      if (isProblem(term)) return sendProblem(reply, term)
      const { expiresAt = null } = term
      if (expiresAt !== null) requireClock?.()
      if (expiresAt !== null && expiresAt <= now()) {
        return sendProblem(reply, problem(400, 'malformed', 'the key would have expired already'))
      }
      const answerOf = ({ key, secret }: NewlyMade): Answer => ({
        ...{ status: 201, body: { ...keyBody(key), key: secret }, location: `/v1/keys/${key.id}` },
      })
      const alongside = reply.alongside(answerOf)
      const key = { name, scope, expiresAt }
      const created = keys.create(key, request.caller.name, newSecret(), alongside)
      if (created === 'taken') {
        const detail = `the name ${name} is taken: revoke that key first, or choose another name`
        return sendProblem(reply, problem(409, 'conflict', detail))
      }
      return sendAnswer(reply, answerOf(created))
    },
  )

  app.get(
    '/v1/keys/:id',
    {
      config: { scope: 'admin' },
      schema: { params: IdParams, response: { 200: Key, ...problems(400, 401, 403, 404, 414) } },
    },
    async (request, reply) => {
      const key = keys.byId(request.params.id)
      return key ? keyBody(key) : sendProblem(reply, noSuch(request.params.id))
    },
  )

  app.delete(
    '/v1/keys/:id',
    {
      config: { scope: 'admin' },
      schema: {
        params: IdParams,
        response: { 200: Key, ...problems(400, 401, 403, 404, 409, 414, 503) },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const revoked = keys.revoke(id, request.caller.name)
      if (revoked === undefined) return sendProblem(reply, noSuch(id))
      if (revoked !== 'revoked') return keyBody(revoked)
      return sendProblem(reply, problem(409, 'conflict', `key ${id} was revoked before`))
    },
  )
}

function keyBody(row: KeyRow): Key {
  return {
    ...row,
    createdAt: timestamp(row.createdAt),
    expiresAt: nullableTimestamp(row.expiresAt),
    revokedAt: nullableTimestamp(row.revokedAt),
    lastUsedAt: nullableTimestamp(row.lastUsedAt),
  }
}

function noSuch(id: number) {
  return problem(404, 'not-found', `there is no key ${id}`)
}
