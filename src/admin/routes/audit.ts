// /v1/audit: who changed what, newest first, with the state before and after. For scope admin alone: it names traps.
import Type from 'typebox'
import type { App, AppOptions } from '../app.ts'
import { sendProblem } from '../problem.ts'
import {
  defaultPageSize,
  PageQuery,
  pageOf,
  problems,
  readIdCursor,
  Timestamp,
  timestamp,
  unknownCursor,
} from '../schemas.ts'

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
      const { limit = defaultPageSize, cursor, ...filter } = request.query
      const before = cursor === undefined ? undefined : readIdCursor(cursor)
      if (cursor !== undefined && before === undefined) return sendProblem(reply, unknownCursor)
      const rows = store.audit.page(limit + 1, before, filter)
      const items = rows.slice(0, limit).map((row) => ({
        ...row,
        at: timestamp(row.at),
        before: withTimes(row.before),
        after: withTimes(row.after),
      }))
      return { items, nextCursor: rows.length > limit ? String(items.at(-1)?.id) : null }
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
