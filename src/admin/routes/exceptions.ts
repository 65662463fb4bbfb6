// /v1/exemptions: prefixes that are never listed. /v1/exclusions: holes in covering listings. Both have the same routes.
import {
  type Alongside,
  type ExceptionOutcome,
  isRefusal,
  type Page,
  type PageRequest,
  type Refusal,
  type Exception as StoredException,
} from '../../blocklist/types.ts'
import { formatPrefix, type Prefix } from '../../ip/address.ts'
import type { App, AppOptions } from '../options.ts'
import { pageBody, pageRequest, readPrefix } from '../parse-params.ts'
import { isProblem, notFound, type Problem, refusalProblem } from '../problem.ts'
import { IdParams, PageQuery, pageOf, problems } from '../schemas/basics.ts'
import { Exception, exceptionBody, NewException, OnePrefixQuery } from '../schemas/listings.ts'
import type { Caller } from '../scopes.ts'

interface Resource {
  readonly path: string
  /** Holds 409 if an entry may come from the configuration, since that one cannot be removed here. */
  readonly conflicts: readonly number[]
  page(page: PageRequest): Page<StoredException> | Refusal
  byId(id: number): StoredException | undefined
  add(
    prefix: Prefix,
    note: string | null,
    caller: Caller,
    alongside: Alongside<ExceptionOutcome> | undefined,
  ): Promise<ExceptionOutcome>
  remove(prefix: Prefix, caller: Caller): Promise<ExceptionOutcome>
}

export function exceptionRoutes(app: App, { blocklist }: AppOptions): void {
  addRoutes(app, {
    path: '/v1/exemptions',
    conflicts: [409],
    page: (page) => blocklist.exemptions(page),
    byId: (id) => blocklist.exemption(id),
    add: (...args) => blocklist.exempt(...args),
    remove: (...args) => blocklist.unexempt(...args),
  })
  addRoutes(app, {
    path: '/v1/exclusions',
    conflicts: [],
    page: (page) => blocklist.exclusions(page),
    byId: (id) => blocklist.exclusion(id),
    add: (...args) => blocklist.exclude(...args),
    remove: (...args) => blocklist.include(...args),
  })
}

function addRoutes(app: App, resource: Resource): void {
  const { path, conflicts } = resource
  const remove = async (text: string, caller: Caller): Promise<Exception | Problem> => {
    const prefix = readPrefix(text)
    if (isProblem(prefix)) return prefix
    const outcome = await resource.remove(prefix, caller)
    return isRefusal(outcome)
      ? refusalProblem(outcome, formatPrefix(prefix))
      : exceptionBody(outcome.exception)
  }

  app.get(
    path,
    {
      config: { scope: 'read' },
      schema: {
        querystring: PageQuery,
        response: { 200: pageOf(Exception), ...problems() },
      },
    },
    async ({ query }) => pageBody(resource.page(pageRequest(query)), exceptionBody),
  )

  app.post(
    path,
    {
      config: { scope: 'write' },
      schema: {
        body: NewException,
        response: {
          200: Exception,
          201: Exception,
          ...problems(422),
        },
      },
    },
    async ({ body, caller }, reply) => {
      const prefix = readPrefix(body.prefix)
      if (isProblem(prefix)) return prefix
      return reply.answerChange<ExceptionOutcome>(
        (alongside) => resource.add(prefix, body.note ?? null, caller, alongside),
        (outcome) => {
          if (isRefusal(outcome)) return refusalProblem(outcome, formatPrefix(prefix))
          const { exception } = outcome
          const status = outcome.outcome === 'added' ? 201 : 200
          return { status, body: exceptionBody(exception), location: `${path}/${exception.id}` }
        },
      )
    },
  )

  app.delete(
    path,
    {
      config: { scope: 'write' },
      schema: {
        querystring: OnePrefixQuery,
        response: { 200: Exception, ...problems(404, ...conflicts) },
      },
    },
    ({ query, caller }) => remove(query.prefix, caller),
  )

  app.get(
    `${path}/:id`,
    {
      config: { scope: 'read' },
      schema: {
        params: IdParams,
        response: { 200: Exception, ...problems(400, 404) },
      },
    },
    async ({ params }) => {
      const exception = resource.byId(params.id)
      return exception ? exceptionBody(exception) : noSuch(params.id)
    },
  )

  app.delete(
    `${path}/:id`,
    {
      config: { scope: 'write' },
      schema: {
        params: IdParams,
        response: { 200: Exception, ...problems(400, 404, ...conflicts) },
      },
    },
    async ({ params, caller }) => {
      const exception = resource.byId(params.id)
      return exception ? remove(exception.prefix, caller) : noSuch(params.id)
    },
  )
}

function noSuch(id: number): Problem {
  return notFound(`there is no entry ${id}`)
}
