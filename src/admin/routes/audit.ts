// /v1/audit: who changed what, newest first, with the state before and after. Only for scope admin, since it names traps.
import { pageById } from '../../blocklist/pages.ts'
import { formatTimestamp } from '../../quantity.ts'
import type { App, AppOptions } from '../options.ts'
import { pageBody, pageRequest } from '../parse-params.ts'
import { pageOf, problems } from '../schemas/basics.ts'
import { AuditQuery, Change } from '../schemas/server.ts'

export function auditRoutes(app: App, { store }: AppOptions): void {
  app.get(
    '/v1/audit',
    {
      config: { scope: 'admin' },
      schema: {
        querystring: AuditQuery,
        response: { 200: pageOf(Change), ...problems() },
      },
    },
    async ({ query }) => {
      const page = pageById(pageRequest(query), (limit, before) =>
        store.audit.page(limit, before, query),
      )
      return pageBody(page, ({ at, before, after, ...row }) => ({
        ...row,
        at: formatTimestamp(at),
        before: withTimes(before),
        after: withTimes(after),
      }))
    },
  )
}

/** Converts the times in a stored state, epoch seconds in members named …At, to RFC 3339. */
function withTimes(state: unknown): unknown {
  if (typeof state !== 'object' || state === null || Array.isArray(state)) return state
  return Object.fromEntries(
    Object.entries(state).map(([name, value]) => [
      name,
      name.endsWith('At') && typeof value === 'number' ? formatTimestamp(value) : value,
    ]),
  )
}
