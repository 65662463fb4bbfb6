// /v1/exemptions: prefixes that are never listed. /v1/exclusions: prefixes taken out of larger
// listings. Both have the same routes.
import { tableOf } from '../../blocklist/exceptions.ts'
import { exceptionsPage } from '../../blocklist/pages.ts'
import {
  type ExceptionKind,
  type ExceptionOutcome,
  exceptionOf,
  isRefusal,
} from '../../blocklist/types.ts'
import { formatPrefix, type Prefix } from '../../ip/address.ts'
import type { Store } from '../../store/database.ts'
import type { App, AppOptions } from '../options.ts'
import { pageBody, pageRequest, readPrefix } from '../parse-params.ts'
import { isProblem, notFound, type Problem, refusalProblem } from '../problem.ts'
import { IdParams, PageQuery, pageOf, problems, withTimes } from '../schemas/basics.ts'
import { Exception, NewException, OnePrefixQuery } from '../schemas/listings.ts'
import type { Caller } from '../scopes.ts'

interface Description {
  readonly operationId: string
  readonly summary: string
  readonly description: string
}
type Described = Record<'list' | 'add' | 'get' | 'remove' | 'removeByPrefix', Description>

const described: Readonly<Record<ExceptionKind, Described>> = {
  exemption: {
    list: {
      operationId: 'listExemptions',
      summary: 'Show the exemptions',
      description:
        'Prefixes that are never listed, and nothing in them. Those of the configuration too.',
    },
    add: {
      operationId: 'addExemption',
      summary: 'Exempt a prefix',
      description:
        'The prefix is never listed, and nothing in it; what is listed there now is no longer answered. 200: it was exempt ' +
        'before.',
    },
    get: { operationId: 'getExemption', summary: 'Show an exemption', description: 'By its id.' },
    remove: {
      operationId: 'removeExemption',
      summary: 'End an exemption',
      description: 'By its id. It is a 409 if the configuration names the prefix.',
    },
    removeByPrefix: {
      operationId: 'removeExemptionByPrefix',
      summary: 'End an exemption, by its prefix',
      description:
        'Name the prefix exactly as it was exempted. It is a 409 if the configuration names it.',
    },
  },
  exclusion: {
    list: {
      operationId: 'listExclusions',
      summary: 'Show the exclusions',
      description: 'Prefixes that are holes in the listings around them.',
    },
    add: {
      operationId: 'addExclusion',
      summary: 'Leave a hole in listings',
      description:
        'The prefix is left out of every larger listing, now and later. A smaller listing inside it is still answered. ' +
        '200: it was excluded before.',
    },
    get: { operationId: 'getExclusion', summary: 'Show an exclusion', description: 'By its id.' },
    remove: {
      operationId: 'removeExclusion',
      summary: 'Close a hole',
      description: 'By its id. The listings that cover the prefix are answered there again.',
    },
    removeByPrefix: {
      operationId: 'removeExclusionByPrefix',
      summary: 'Close a hole, by its prefix',
      description:
        'Name the prefix exactly as it was excluded. The listings that cover it are answered there again.',
    },
  },
}

export function exceptionRoutes(app: App, options: AppOptions): void {
  addRoutes(app, options, 'exemption')
  addRoutes(app, options, 'exclusion')
}

function addRoutes(app: App, { blocklist, store }: AppOptions, kind: ExceptionKind): void {
  const path = `/v1/${kind}s`
  // An exemption may come from the configuration, and that one cannot be removed here.
  const conflicts = kind === 'exemption' ? [409] : []
  const table = tableOf(store, kind)
  const remove = async (prefix: Prefix, caller: Caller): Promise<Exception | Problem> => {
    const outcome = await blocklist.removeException(kind, prefix, caller)
    return isRefusal(outcome)
      ? refusalProblem(outcome, formatPrefix(prefix))
      : withTimes(outcome.exception)
  }

  app.get(
    path,
    {
      config: { scope: 'read' },
      schema: {
        ...described[kind].list,
        querystring: PageQuery,
        response: { 200: pageOf(Exception), ...problems() },
      },
    },
    async ({ query }) => exceptionsBody(store, kind, query),
  )

  app.post(
    path,
    {
      config: { scope: 'write' },
      schema: {
        ...described[kind].add,
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
        (alongside) => blocklist.addException(kind, prefix, body.note ?? null, caller, alongside),
        (outcome) => {
          if (isRefusal(outcome)) return refusalProblem(outcome, formatPrefix(prefix))
          const { exception } = outcome
          const status = outcome.outcome === 'added' ? 201 : 200
          return { status, body: withTimes(exception), location: `${path}/${exception.id}` }
        },
      )
    },
  )

  app.delete(
    path,
    {
      config: { scope: 'write' },
      schema: {
        ...described[kind].removeByPrefix,
        querystring: OnePrefixQuery,
        response: { 200: Exception, ...problems(404, ...conflicts) },
      },
    },
    async ({ query, caller }) => {
      const prefix = readPrefix(query.prefix)
      return isProblem(prefix) ? prefix : remove(prefix, caller)
    },
  )

  app.get(
    `${path}/:id`,
    {
      config: { scope: 'read' },
      schema: {
        ...described[kind].get,
        params: IdParams,
        response: { 200: Exception, ...problems(400, 404) },
      },
    },
    async ({ params }) => {
      const row = table.byId(params.id)
      return row ? withTimes(exceptionOf(row)) : noSuch(params.id)
    },
  )

  app.delete(
    `${path}/:id`,
    {
      config: { scope: 'write' },
      schema: {
        ...described[kind].remove,
        params: IdParams,
        response: { 200: Exception, ...problems(400, 404, ...conflicts) },
      },
    },
    async ({ params, caller }) => {
      const row = table.byId(params.id)
      return row ? remove(row.prefix, caller) : noSuch(params.id)
    },
  )
}

/** The page of exceptions that a query asks for. */
export function exceptionsBody(store: Store, kind: ExceptionKind, query: PageQuery) {
  return pageBody(exceptionsPage(store, kind, pageRequest(query)), withTimes)
}

function noSuch(id: number): Problem {
  return notFound(`there is no entry ${id}`)
}
