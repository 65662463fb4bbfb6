// /v1/traps: the spam-trap addresses, only for scope admin. Traps of the configuration cannot be changed here.
import { isRefusal, type Refusal, type TrapOutcome, type TrapRow } from '../../blocklist/types.ts'
import type { App, AppOptions } from '../options.ts'
import { pageBody, pageOfAll, pageRequest } from '../parse-params.ts'
import { notFound, type Problem, refusalProblem } from '../problem.ts'
import { IdParams, PageQuery, pageOf, problems, withTimes } from '../schemas/basics.ts'
import { Pattern, Trap } from '../schemas/traps.ts'
import type { Caller } from '../scopes.ts'

export function trapRoutes(app: App, { blocklist, store }: AppOptions): void {
  const find = (id: number): TrapRow | undefined => store.traps.all().find((trap) => trap.id === id)
  const remove = async (pattern: string, caller: Caller): Promise<Trap | Problem> => {
    const outcome = await blocklist.removeTrap(pattern, caller)
    return isRefusal(outcome) ? trapProblem(outcome, pattern) : withTimes(outcome.trap)
  }

  app.get(
    '/v1/traps',
    {
      config: { scope: 'admin' },
      schema: {
        querystring: PageQuery,
        response: { 200: pageOf(Trap), ...problems() },
      },
    },
    async ({ query }) => {
      const page = pageOfAll(pageRequest(query), store.traps.all(), ({ id }) => String(id))
      return pageBody(page, withTimes)
    },
  )

  app.post(
    '/v1/traps',
    {
      config: { scope: 'admin' },
      schema: {
        body: Pattern,
        response: { 200: Trap, 201: Trap, ...problems(422) },
      },
    },
    async ({ body: { pattern }, caller }, reply) =>
      reply.answerChange<TrapOutcome>(
        (alongside) => blocklist.addTrap(pattern, caller, alongside),
        (outcome) => {
          if (isRefusal(outcome)) return trapProblem(outcome, pattern)
          const { trap } = outcome
          const status = outcome.outcome === 'added' ? 201 : 200
          return { status, body: withTimes(trap), location: `/v1/traps/${trap.id}` }
        },
      ),
  )

  app.delete(
    '/v1/traps',
    {
      config: { scope: 'admin' },
      schema: {
        querystring: Pattern,
        response: { 200: Trap, ...problems(404, 409) },
      },
    },
    ({ query, caller }) => remove(query.pattern, caller),
  )

  app.get(
    '/v1/traps/:id',
    {
      config: { scope: 'admin' },
      schema: {
        params: IdParams,
        response: { 200: Trap, ...problems(400, 404) },
      },
    },
    async ({ params }) => {
      const trap = find(params.id)
      return trap ? withTimes(trap) : noSuch(params.id)
    },
  )

  app.delete(
    '/v1/traps/:id',
    {
      config: { scope: 'admin' },
      schema: {
        params: IdParams,
        response: { 200: Trap, ...problems(400, 404, 409) },
      },
    },
    async ({ params, caller }) => {
      const trap = find(params.id)
      return trap ? remove(trap.pattern, caller) : noSuch(params.id)
    },
  )
}

function trapProblem(refusal: Refusal, pattern: string): Problem {
  return refusalProblem(refusal, refusal.refused === 'invalid' ? `${pattern}:` : pattern)
}

function noSuch(id: number): Problem {
  return notFound(`there is no trap ${id}`)
}
