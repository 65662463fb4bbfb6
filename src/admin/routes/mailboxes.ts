// /v1/mailboxes: shows the trap mailboxes of the configuration, and reads one at once on request.
import type { App, AppOptions } from '../options.ts'
import { pageBody, pageOfAll, pageRequest } from '../parse-params.ts'
import { notFound } from '../problem.ts'
import { PageQuery, pageOf, problems } from '../schemas/basics.ts'
import { Mailbox, mailboxBody, NameParams } from '../schemas/traps.ts'
import type { Scope } from '../scopes.ts'
import { unavailableMail } from './messages.ts'

export function mailboxRoutes(app: App, { mail }: AppOptions): void {
  const mailboxes = () => mail?.()?.mailboxes() ?? []
  const find = (name: string, scope: Scope) => {
    const mailbox = mailboxes().find((each) => each.name === name)
    return mailbox ? mailboxBody(mailbox, scope) : noSuch
  }

  app.get(
    '/v1/mailboxes',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'listMailboxes',
        summary: 'Show the trap mailboxes',
        description: 'Those of the configuration, with their state and their last error.',
        querystring: PageQuery,
        response: { 200: pageOf(Mailbox), ...problems() },
      },
    },
    async ({ query, caller }) => {
      const page = pageOfAll(pageRequest(query), mailboxes(), ({ name }) => name)
      return pageBody(page, (mailbox) => mailboxBody(mailbox, caller.scope))
    },
  )

  app.get(
    '/v1/mailboxes/:name',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'getMailbox',
        summary: 'Show a trap mailbox',
        description: 'By its name.',
        params: NameParams,
        response: { 200: Mailbox, ...problems(404) },
      },
    },
    async ({ params, caller }) => find(params.name, caller.scope),
  )

  app.post(
    '/v1/mailboxes/:name/poll',
    {
      config: { scope: 'write' },
      schema: {
        operationId: 'pollMailbox',
        summary: 'Read a mailbox now',
        description: 'Reads it without waiting for its schedule, and answers when it is read.',
        params: NameParams,
        response: { 200: Mailbox, ...problems(404, 422) },
      },
    },
    async ({ params: { name }, caller }) => {
      const traps = mail?.()
      if (traps === undefined) return unavailableMail
      return (await traps.poll(name)) ? find(name, caller.scope) : noSuch
    },
  )
}

const noSuch = notFound('there is no mailbox of this name')
