// /v1/traps: the spam-trap addresses, only for scope admin. Traps of the configuration cannot be changed here.
import { isRefusal, type Refusal, type TrapOutcome, type TrapRow } from '../../blocklist/types.ts'
import type { Store } from '../../store/database.ts'
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
        operationId: 'listTraps',
        summary: 'Show the traps',
        description: 'Those of the configuration too.',
        querystring: PageQuery,
        response: { 200: pageOf(Trap), ...problems() },
      },
    },
    async ({ query }) => trapsBody(store, query),
  )

  app.post(
    '/v1/traps',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'addTrap',
        summary: 'Add a trap',
        description:
          'One address, a whole domain (`@example.org`) or its subdomains (`@*.example.org`). 200: it was a trap before.',
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
        operationId: 'removeTrapByPattern',
        summary: 'Remove a trap by its pattern',
        description:
          'Write the pattern as it was added. A proxy in front of the server writes this query into its log; DELETE ' +
          '/v1/traps/{id} names no trap.',
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
        operationId: 'getTrap',
        summary: 'Show a trap',
        description: 'By its id.',
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
        operationId: 'removeTrap',
        summary: 'Remove a trap',
        description:
          'By its id. Evidence that it received stays, and still counts. It is a 409 if the configuration names the trap.',
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

/** The page of traps that a query asks for. */
export function trapsBody(store: Store, query: PageQuery) {
  const page = pageOfAll(pageRequest(query), store.traps.all(), ({ id }) => String(id))
  return pageBody(page, withTimes)
}

function trapProblem(refusal: Refusal, pattern: string): Problem {
  return refusalProblem(refusal, refusal.refused === 'invalid' ? `${pattern}:` : pattern)
}

function noSuch(id: number): Problem {
  return notFound(`there is no trap ${id}`)
}
