// POST /v1/purges takes back evidence that should not have counted. Only for the operator, since it names traps. /v1/notices
// tells the public.
import { pageById } from '../../blocklist/pages.ts'
import {
  isRefusal,
  type PurgeRequest,
  type Refusal,
  type Purge as Result,
} from '../../blocklist/types.ts'
import type { Store } from '../../store/database.ts'
import type { App, AppOptions } from '../options.ts'
import { pageBody, pageRequest, readWindow } from '../parse-params.ts'
import { isProblem, malformed, type Problem } from '../problem.ts'
import { nullableTimestamp, PageQuery, pageOf, problems, withTimes } from '../schemas/basics.ts'
import { Notice, Purge, PurgeBody, PurgeQuery } from '../schemas/purges.ts'

export function purgeRoutes(app: App, { blocklist, store }: AppOptions): void {
  app.post(
    '/v1/purges',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'purgeEvidence',
        summary: 'Take back evidence',
        description:
          'For evidence that should not have counted. It takes back what has all of the properties in the body, and ' +
          'everything that it listed. With dryRun nothing is changed; the answer says what would change.',
        querystring: PurgeQuery,
        body: PurgeBody,
        response: { 200: Purge, ...problems() },
      },
    },
    async ({ query, body, caller }, reply) => {
      const request = readRequest(body)
      if (isProblem(request)) return request
      const isDryRun = query.dryRun === 'true'
      return reply.answerChange<Result | Refusal>(
        (alongside) => blocklist.purge(request, isDryRun, caller, alongside),
        (outcome) => {
          if (isRefusal(outcome)) return malformed(outcome.why)
          const listings = outcome.listings.map(({ listing, expiresAt }) => ({
            listing: withTimes(listing),
            expiresAt: nullableTimestamp(expiresAt),
          }))
          return { status: 200, body: { dryRun: isDryRun, ...outcome, listings } }
        },
      )
    },
  )

  app.get(
    '/v1/notices',
    {
      config: { scope: 'public' },
      schema: {
        operationId: 'listNotices',
        summary: 'Show what was purged',
        description: 'Newest first, in words for the public. It names no trap.',
        querystring: PageQuery,
        response: { 200: pageOf(Notice), ...problems() },
      },
    },
    async ({ query }) => noticesBody(store, query),
  )
}

/** The page of notices that a query asks for. */
export function noticesBody(store: Store, query: PageQuery) {
  const page = pageById(pageRequest(query), (limit, before) => store.notices.page(limit, before))
  return pageBody(page, ({ id, at, text }) => withTimes({ id, publishedAt: at, text }))
}

function readRequest({ from, to, ...rest }: PurgeBody): PurgeRequest | Problem {
  const times = readWindow({ ...(from !== undefined && { from }), ...(to !== undefined && { to }) })
  return isProblem(times) ? times : { ...rest, ...times }
}
