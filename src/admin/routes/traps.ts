// /v1/traps: the spam-trap addresses, for the operator alone. Those of the configuration are changed there.
import { isRefusal, type Refusal, type TrapOutcome, type TrapRow } from '../../blocklist/types.ts'
import type { App, AppOptions } from '../app.ts'
import { type Answer, sendAnswer } from '../idempotency.ts'
import { isProblem, type Problem, problem, refusalProblem, sendProblem } from '../problem.ts'
import {
  defaultPageSize,
  IdParams,
  NewTrap,
  PageQuery,
  PatternQuery,
  pageOf,
  problems,
  Trap,
  trapBody,
  unknownCursor,
} from '../schemas.ts'
import type { Caller } from '../scopes.ts'

export function trapRoutes(app: App, { blocklist }: AppOptions): void {
  const find = (id: number): TrapRow | undefined => blocklist.traps().find((trap) => trap.id === id)
  const remove = async (pattern: string, caller: Caller): Promise<Trap | Problem> => {
    const outcome = await blocklist.removeTrap(pattern, caller)
    return isRefusal(outcome) ? trapProblem(outcome, pattern) : trapBody(outcome.trap)
  }

  app.get(
    '/v1/traps',
    {
      config: { scope: 'admin' },
      schema: {
        querystring: PageQuery,
        response: { 200: pageOf(Trap), ...problems(400, 401, 403) },
      },
    },
    async (request, reply) => {
      const { limit = defaultPageSize, cursor } = request.query
      const traps = blocklist.traps()
      const last = traps.findIndex(({ id }) => String(id) === cursor)
      if (cursor !== undefined && last < 0) {
        return sendProblem(reply, unknownCursor)
      }
      const items = traps.slice(last + 1, last + 1 + limit)
      const isLast = last + 1 + limit >= traps.length
      return { items: items.map(trapBody), nextCursor: isLast ? null : String(items.at(-1)?.id) }
    },
  )

  app.post(
    '/v1/traps',
    {
      config: { scope: 'admin' },
      schema: {
        body: NewTrap,
        response: { 200: Trap, 201: Trap, ...problems(400, 401, 403, 409, 413, 415, 422, 503) },
      },
    },
    async (request, reply) => {
      const { pattern } = request.body
      const answerOf = (outcome: TrapOutcome): Answer | Problem => {
        if (isRefusal(outcome)) return trapProblem(outcome, pattern)
        const { trap } = outcome
        const status = outcome.outcome === 'added' ? 201 : 200
        return { status, body: trapBody(trap), location: `/v1/traps/${trap.id}` }
      }
      const alongside = reply.alongside(answerOf)
      return sendAnswer(
        reply,
        answerOf(await blocklist.addTrap(pattern, request.caller, alongside)),
      )
    },
  )

  app.delete(
    '/v1/traps',
    {
      config: { scope: 'admin' },
      schema: {
        querystring: PatternQuery,
        response: { 200: Trap, ...problems(400, 401, 403, 404, 409, 503) },
      },
    },
    async (request, reply) => {
      const removed = await remove(request.query.pattern, request.caller)
      return isProblem(removed) ? sendProblem(reply, removed) : removed
    },
  )

  app.get(
    '/v1/traps/:id',
    {
      config: { scope: 'admin' },
      schema: {
        params: IdParams,
        response: { 200: Trap, ...problems(400, 401, 403, 404, 414) },
      },
    },
    async (request, reply) => {
      const trap = find(request.params.id)
      return trap ? trapBody(trap) : sendProblem(reply, noSuch(request.params.id))
    },
  )

  app.delete(
    '/v1/traps/:id',
    {
      config: { scope: 'admin' },
      schema: {
        params: IdParams,
        response: { 200: Trap, ...problems(400, 401, 403, 404, 409, 414, 503) },
      },
    },
    async (request, reply) => {
      const trap = find(request.params.id)
      if (trap === undefined) return sendProblem(reply, noSuch(request.params.id))
      const removed = await remove(trap.pattern, request.caller)
      return isProblem(removed) ? sendProblem(reply, removed) : removed
    },
  )
}

function trapProblem(refusal: Refusal, pattern: string): Problem {
  return refusalProblem(refusal, refusal.refused === 'invalid' ? `${pattern}:` : pattern)
}

function noSuch(id: number): Problem {
  return problem(404, 'not-found', `there is no trap ${id}`)
}
