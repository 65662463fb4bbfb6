// /v1/exemptions (never listed, at any length) and /v1/exclusions (holes in a covering listing): the same resource
// over two methods of the blocklist.

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
import type { App, AppOptions } from '../app.ts'
import { type Answer, sendAnswer } from '../idempotency.ts'
import { readPrefix } from '../parse-params.ts'
import { isProblem, type Problem, problem, refusalProblem, sendProblem } from '../problem.ts'
import {
  defaultPageSize,
  Exception,
  exceptionBody,
  IdParams,
  NewException,
  OnePrefixQuery,
  PageQuery,
  pageOf,
  problems,
} from '../schemas.ts'
import type { Caller } from '../scopes.ts'

interface Resource {
  readonly path: string
  /** What taking one back can be answered: one of the configuration is in the way (409). */
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
    add: (prefix, note, caller, alongside) => blocklist.exempt(prefix, note, caller, alongside),
    remove: (prefix, caller) => blocklist.unexempt(prefix, caller),
  })
  addRoutes(app, {
    path: '/v1/exclusions',
    conflicts: [],
    page: (page) => blocklist.exclusions(page),
    byId: (id) => blocklist.exclusion(id),
    add: (prefix, note, caller, alongside) => blocklist.exclude(prefix, note, caller, alongside),
    remove: (prefix, caller) => blocklist.include(prefix, caller),
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
        response: { 200: pageOf(Exception), ...problems(400, 401, 403) },
      },
    },
    async (request, reply) => {
      const { limit = defaultPageSize, cursor } = request.query
      const page = resource.page({ limit, ...(cursor !== undefined && { cursor }) })
      if (isRefusal(page)) return sendProblem(reply, refusalProblem(page))
      return { items: page.items.map(exceptionBody), nextCursor: page.nextCursor }
    },
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
          ...problems(400, 401, 403, 409, 413, 415, 422, 503),
        },
      },
    },
    async (request, reply) => {
      const prefix = readPrefix(request.body.prefix)
      if (isProblem(prefix)) return sendProblem(reply, prefix)
      const answerOf = (outcome: ExceptionOutcome): Answer | Problem => {
        if (isRefusal(outcome)) return refusalProblem(outcome, formatPrefix(prefix))
        const { exception } = outcome
        const status = outcome.outcome === 'added' ? 201 : 200
        return { status, body: exceptionBody(exception), location: `${path}/${exception.id}` }
      }
      const note = request.body.note ?? null
      const outcome = await resource.add(prefix, note, request.caller, reply.alongside(answerOf))
      return sendAnswer(reply, answerOf(outcome))
    },
  )

  app.delete(
    path,
    {
      config: { scope: 'write' },
      schema: {
        querystring: OnePrefixQuery,
        response: { 200: Exception, ...problems(400, 401, 403, 404, ...conflicts, 503) },
      },
    },
    async (request, reply) => {
      const removed = await remove(request.query.prefix, request.caller)
      return isProblem(removed) ? sendProblem(reply, removed) : removed
    },
  )

  app.get(
    `${path}/:id`,
    {
      config: { scope: 'read' },
      schema: {
        params: IdParams,
        response: { 200: Exception, ...problems(400, 401, 403, 404, 414) },
      },
    },
    async (request, reply) => {
      const exception = resource.byId(request.params.id)
      return exception ? exceptionBody(exception) : sendProblem(reply, noSuch(request.params.id))
    },
  )

  app.delete(
    `${path}/:id`,
    {
      config: { scope: 'write' },
      schema: {
        params: IdParams,
        response: { 200: Exception, ...problems(400, 401, 403, 404, ...conflicts, 414, 503) },
      },
    },
    async (request, reply) => {
      const exception = resource.byId(request.params.id)
      if (exception === undefined) return sendProblem(reply, noSuch(request.params.id))
      const removed = await remove(exception.prefix, request.caller)
      return isProblem(removed) ? sendProblem(reply, removed) : removed
    },
  )
}

function noSuch(id: number) {
  return problem(404, 'not-found', `there is no entry ${id}`)
}
