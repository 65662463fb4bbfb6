// /v1/mailboxes: the trap mailboxes of the configuration, and reading one now.
import Type from 'typebox'
import type { App, AppOptions } from '../app.ts'
import { problem, sendProblem } from '../problem.ts'
import {
  defaultPageSize,
  Mailbox,
  mailboxBody,
  PageQuery,
  pageOf,
  problems,
  unknownCursor,
} from '../schemas.ts'
import { unavailableMail } from './messages.ts'

const NameParams = Type.Object({ name: Type.String() })

export function mailboxRoutes(app: App, { mail }: AppOptions): void {
  const find = (name: string) =>
    mail?.()
      ?.mailboxes()
      .find((each) => each.name === name)

  app.get(
    '/v1/mailboxes',
    {
      config: { scope: 'read' },
      schema: {
        querystring: PageQuery,
        response: { 200: pageOf(Mailbox), ...problems(400, 401, 403) },
      },
    },
    async (request, reply) => {
      const { limit = defaultPageSize, cursor } = request.query
      const mailboxes = mail?.()?.mailboxes() ?? []
      const last = mailboxes.findIndex(({ name }) => name === cursor)
      if (cursor !== undefined && last < 0) return sendProblem(reply, unknownCursor)
      const items = mailboxes.slice(last + 1, last + 1 + limit)
      const isLast = last + 1 + limit >= mailboxes.length
      return {
        items: items.map((mailbox) => mailboxBody(mailbox, request.caller.scope)),
        nextCursor: isLast ? null : (items.at(-1)?.name ?? null),
      }
    },
  )

  app.get(
    '/v1/mailboxes/:name',
    {
      config: { scope: 'read' },
      schema: {
        params: NameParams,
        response: { 200: Mailbox, ...problems(401, 403, 404, 414) },
      },
    },
    async (request, reply) => {
      const mailbox = find(request.params.name)
      if (mailbox === undefined) return sendProblem(reply, noSuch)
      return mailboxBody(mailbox, request.caller.scope)
    },
  )

  app.post(
    '/v1/mailboxes/:name/poll',
    {
      config: { scope: 'write' },
      schema: {
        params: NameParams,
        response: { 200: Mailbox, ...problems(400, 401, 403, 404, 409, 413, 414, 415, 422, 503) },
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const functions = mail?.()
      if (functions === undefined) return sendProblem(reply, unavailableMail)
      const isThere = await functions.poll(name)
      const mailbox = find(name)
      if (!isThere || mailbox === undefined) return sendProblem(reply, noSuch)
      return mailboxBody(mailbox, request.caller.scope)
    },
  )
}

const noSuch = problem(404, 'not-found', 'there is no mailbox of this name')
