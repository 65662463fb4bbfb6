// /v1/audit: who changed what, newest first, with the state before and after. Only for scope admin, since it names traps.
import { pageById } from '../../blocklist/pages.ts'
import { formatTimestamp } from '../../quantity.ts'
import type { Store } from '../../store/database.ts'
import type { App, AppOptions } from '../options.ts'
import { pageBody, pageRequest } from '../parse-params.ts'
import { pageOf, problems, withTimes } from '../schemas/basics.ts'
import { AuditQuery, Change } from '../schemas/server.ts'

export function auditRoutes(app: App, { store }: AppOptions): void {
  app.get(
    '/v1/audit',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'listChanges',
        summary: 'Show who changed what',
        description: 'Newest first, with the state before and after each change. It names traps.',
        querystring: AuditQuery,
        response: { 200: pageOf(Change), ...problems() },
      },
    },
    async ({ query }) => auditBody(store, query),
  )
}

/** The page of changes that a query asks for. */
export function auditBody(store: Store, query: AuditQuery) {
  const page = pageById(pageRequest(query), (limit, before) =>
    store.audit.page(limit, before, query),
  )
  return pageBody(page, ({ at, before, after, ...row }) => ({
    ...row,
    at: formatTimestamp(at),
    before: before && withTimes(before),
    after: after && withTimes(after),
  }))
}
