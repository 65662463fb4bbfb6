// /v1/audit: who changed what, newest first, with the state before and after. For scope admin alone: it names traps.
import Type from 'typebox'
import type { App, AppOptions } from '../app.ts'
import { isProblem, sendProblem } from '../problem.ts'
import { PageQuery, pageById, pageOf, problems, Timestamp, timestamp } from '../schemas.ts'

const Change = Type.Object({
  id: Type.Integer(),
  at: Timestamp,
  actor: Type.String({ description: 'A key’s name, cli, trap or config.' }),
  action: Type.String(),
  target: Type.String(),
  before: Type.Unknown({ description: 'null: there was nothing.' }),
  after: Type.Unknown({ description: 'null: there is nothing.' }),
})

const exactly = Type.Optional(Type.String({ maxLength: 512 }))

const AuditQuery = Type.Object(
  { ...PageQuery.properties, actor: exactly, action: exactly, target: exactly },
  { additionalProperties: false },
)

export function auditRoutes(app: App, { store }: AppOptions): void {
  app.get(
    '/v1/audit',
    {
      config: { scope: 'admin' },
      schema: {
        querystring: AuditQuery,
        response: { 200: pageOf(Change), ...problems(400, 401, 403) },
      },
    },
    async (request, reply) => {
      const { limit: _limit, cursor: _cursor, ...filter } = request.query
      const page = pageById(
        request.query,
        (limit, before) => store.audit.page(limit, before, filter),
        (row) => ({
          ...row,
          at: timestamp(row.at),
          before: withTimes(row.before),
          after: withTimes(row.after),
        }),
      )
      return isProblem(page) ? sendProblem(reply, page) : page
    },
  )
}

/** A state as it was kept, its times (epoch seconds in members named …At) as the interface writes times. */
function withTimes(state: unknown): unknown {
  if (typeof state !== 'object' || state === null || Array.isArray(state)) return state
  return Object.fromEntries(
    Object.entries(state).map(([name, value]) => [
      name,
      name.endsWith('At') && typeof value === 'number' ? timestamp(value) : value,
    ]),
  )
}
