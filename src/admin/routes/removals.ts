// /v1/removals: anyone may request to be removed from the list. The operator sees the requests, and decides on those that the
// policy does not allow.
import { pageById } from '../../blocklist/pages.ts'
import { removalOf } from '../../blocklist/removals.ts'
import { isRefusal, type Refusal, type Removal as RemovalRow } from '../../blocklist/types.ts'
import { formatAddress, formatPrefix } from '../../ip/address.ts'
import type { Store } from '../../store/database.ts'
import type { App, AppOptions } from '../options.ts'
import { pageBody, pageRequest } from '../parse-params.ts'
import { isProblem, notFound, refusalProblem } from '../problem.ts'
import type { RemovalRequests } from '../removal-requests.ts'
import { IdParams, nullableTimestamp, pageOf, problems, withTimes } from '../schemas/basics.ts'
import {
  Removal,
  RemovalAnswer,
  RemovalDecision,
  RemovalQuery,
  RemovalRequest,
} from '../schemas/removals.ts'

const decisions = [
  {
    action: 'approve',
    state: 'removed',
    told: {
      operationId: 'approveRemoval',
      summary: 'Remove a listing as requested',
      description:
        'The listing by trap ends at once. The body may be left out; a reason in it is kept, and is not told to the host.',
    },
  },
  {
    action: 'refuse',
    state: 'refused',
    told: {
      operationId: 'refuseRemoval',
      summary: 'Refuse a request for removal',
      description:
        'The listing stays, and the host is answered 409 until the rules allow its removal. The body may be left out; a ' +
        'reason in it is kept, and is not told to the host.',
    },
  },
] as const

interface RemovalRouteOptions extends Pick<AppOptions, 'blocklist' | 'store'> {
  readonly requests: RemovalRequests
}

export function removalRoutes(app: App, { blocklist, store, requests }: RemovalRouteOptions): void {
  app.post(
    '/v1/removals',
    {
      config: { scope: 'public' },
      schema: {
        operationId: 'requestRemoval',
        summary: 'Ask to be removed',
        description:
          'For the host that is listed. If the rules of `[removal]` allow it, its listing by trap ends at once: 200. Else ' +
          'the request waits for the operator: 202, and the answer says why and when to ask again. 409 after a refusal, ' +
          'until the rules allow it. Without a key a client may ask ten times an hour, and strangers may name one prefix ' +
          'five times an hour.',
        body: RemovalRequest,
        response: {
          200: RemovalAnswer,
          202: RemovalAnswer,
          ...problems(403, 404, 409, 422),
        },
      },
    },
    async (request, reply) => {
      const { address: text } = request.body
      const taken = await requests.take(text, request, reply)
      if (isProblem(taken)) return taken
      const { asked, answer } = taken
      if (isRefusal(answer)) {
        return refusalProblem(
          answer,
          text.includes('/') ? formatPrefix(asked) : formatAddress(asked),
        )
      }
      // RFC 9110 §15.3.3: 202 for a request that is accepted but not acted on yet.
      if (answer.state === 'queued') reply.code(202)
      return { ...answer, askAgainAt: nullableTimestamp(answer.askAgainAt) }
    },
  )

  app.get(
    '/v1/removals',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'listRemovals',
        summary: 'Show the requests for removal',
        description:
          'Newest first: those that wait, and those that are decided. They do not say who asked.',
        querystring: RemovalQuery,
        response: { 200: pageOf(Removal), ...problems() },
      },
    },
    async ({ query }) => removalsBody(store, query),
  )

  for (const { action, state, told } of decisions) {
    app.post(
      `/v1/removals/:id/${action}`,
      {
        config: { scope: 'write', bodyIsOptional: true },
        preValidation: async (request) => {
          request.body ??= {}
        },
        schema: {
          ...told,
          params: IdParams,
          body: RemovalDecision,
          response: { 200: Removal, ...problems(400, 404, 409, 422) },
        },
      },
      async ({ params: { id }, body: { why }, caller }, reply) =>
        reply.answerChange<RemovalRow | Refusal | undefined>(
          (alongside) => blocklist.decideRemoval(id, state, why, caller, alongside),
          (outcome) => {
            if (outcome === undefined) return notFound(`there is no request for removal ${id}`)
            if (isRefusal(outcome)) return refusalProblem(outcome, `request ${id}`)
            return { status: 200, body: withTimes(outcome) }
          },
        ),
    )
  }
}

/** The page of requests that a query asks for. */
export function removalsBody(store: Store, query: RemovalQuery) {
  const page = pageById(pageRequest(query), (limit, before) =>
    store.removals.page(limit, before, query.state),
  )
  return pageBody(page, (row) => withTimes(removalOf(row)))
}
