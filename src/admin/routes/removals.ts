// /v1/removals: anyone may request to be removed from the list. The operator sees the requests, and decides on those that the
// policy does not allow.
import { pageById } from '../../blocklist/pages.ts'
import { removalOf } from '../../blocklist/removals.ts'
import { isRefusal, type Refusal, type Removal as RemovalRow } from '../../blocklist/types.ts'
import {
  type Address,
  contains,
  formatAddress,
  formatPrefix,
  hostPrefix,
  type Prefix,
  parseGivenAddress,
} from '../../ip/address.ts'
import {
  ClientCounts,
  isLoopback,
  limitKey,
  type RefusalLog,
  readClient,
} from '../client-limits.ts'
import type { AdminLimits, App, AppOptions } from '../options.ts'
import { pageBody, pageRequest, readPrefix } from '../parse-params.ts'
import {
  isProblem,
  malformed,
  notFound,
  type Problem,
  problem,
  refusalProblem,
  shown,
} from '../problem.ts'
import { IdParams, nullableTimestamp, pageOf, problems, withTimes } from '../schemas/basics.ts'
import {
  Removal,
  RemovalAnswer,
  RemovalDecision,
  RemovalQuery,
  RemovalRequest,
} from '../schemas/removals.ts'

const hourMs = 3_600_000
/** Requests an hour that one client may send without a key. */
const maxOfClient = 10
/** Requests an hour for one prefix without a key. Strangers who use them up can delay a removal only until the hour ends. */
const maxForPrefix = 5

const closed = problem(
  403,
  'forbidden',
  'this server takes no requests for removal: ask the operator of the list',
)

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
  readonly limits: () => AdminLimits
  readonly refusals: RefusalLog
}

export function removalRoutes(app: App, options: RemovalRouteOptions): void {
  const { blocklist, store, limits, refusals } = options
  const ofClient = new ClientCounts()
  const forPrefix = new ClientCounts()
  /**
   * Counts a request and returns when the client may send the next one, or undefined if this one is within the limits. What
   * others ask for a prefix does not keep its own hosts waiting.
   */
  const secondsToWait = (client: Address | undefined, prefix: Prefix): number | undefined => {
    const own = ofClient.count(limitKey(client), hourMs)
    if (own.current > maxOfClient) return Math.ceil(own.ttl / 1000)
    if (client && contains(prefix, hostPrefix(client))) return undefined
    const all = forPrefix.count(formatPrefix(prefix), hourMs)
    return all.current > maxForPrefix ? Math.ceil(all.ttl / 1000) : undefined
  }

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
    async ({ body: { address: text }, caller, ip }, reply) => {
      if (!limits().takesRemovals) return closed
      const asked = readAsked(text)
      if (isProblem(asked)) return asked
      const prefix = blocklist.removablePrefix(asked)
      if (prefix === undefined) {
        return malformed(`${shown(text)}: expected an address, or an IPv6 network that is listed`)
      }
      const client = readClient(ip)
      if (caller.scope === 'public' && !isLoopback(client)) {
        const seconds = secondsToWait(client, prefix)
        if (seconds !== undefined) {
          refusals.note(limitKey(client), 'too many requests')
          reply.header('retry-after', seconds)
          const detail = `too many requests for removal: try again in ${seconds} s`
          return problem(429, 'too-many-requests', detail)
        }
      }
      const answer = await blocklist.requestRemoval(asked, prefix)
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
    async ({ query }) => {
      const page = pageById(pageRequest(query), (limit, before) =>
        store.removals.page(limit, before, query.state),
      )
      return pageBody(page, (row) => withTimes(removalOf(row)))
    },
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

/** Reads an address, which becomes a prefix of full length, or a network. */
function readAsked(text: string): Prefix | Problem {
  if (text.includes('/')) return readPrefix(text)
  const address = parseGivenAddress(text)
  return 'why' in address ? malformed(`${shown(text)}: ${address.why}`) : hostPrefix(address.value)
}
