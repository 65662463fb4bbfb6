// /v1/messages records a message from a remote collector as if a trap here had received it. /v1/classify judges a message
// and records nothing. The body of both is the message (message/rfc822). No answer repeats a trap address.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { formatAddress, parseGivenAddress } from '../../ip/address.ts'
import type { App, AppOptions } from '../options.ts'
import { readSender } from '../parse-params.ts'
import { malformed, problem } from '../problem.ts'
import { problems, strict } from '../schemas/basics.ts'
import { Collected, MessageQuery, Verdict } from '../schemas/traps.ts'

const maxMessageBytes = 10 * 1024 * 1024

const sample = [
  'Received: from mx.example.net (mx.example.net [198.51.100.20])',
  '\tby mx.trap.example.org; Wed, 1 Jul 2026 10:00:00 +0000',
  'From: MAILER-DAEMON@mx.example.net',
  'To: jane@trap.example.org',
  'Subject: Undelivered Mail Returned to Sender',
  '',
  'I am sorry to have to inform you that your message could not be delivered.',
  '',
].join('\r\n')

export function messageRoutes(app: App, { mail, blocklist }: AppOptions): void {
  app.register((scope, _options, done) => {
    const routes = scope.withTypeProvider<TypeBoxTypeProvider>()
    routes.removeAllContentTypeParsers()
    routes.addContentTypeParser(
      'message/rfc822',
      { parseAs: 'buffer', bodyLimit: maxMessageBytes },
      (_request, octets, done) => done(null, octets),
    )

    routes.post(
      '/v1/messages',
      {
        config: { scope: 'collect', takes: 'message/rfc822', example: sample },
        bodyLimit: maxMessageBytes,
        schema: {
          operationId: 'submitMessage',
          summary: 'Submit a message to a trap',
          description:
            'For a remote collector. The body is the message; it is classified, recorded and counted as if a trap here had ' +
            'received it. Without `sender`, and without a Return-Path field in the message, few messages are certain. It ' +
            'is a 422 if a recipient is no trap.',
          querystring: MessageQuery,
          response: { 200: Collected, ...problems(422) },
        },
      },
      async ({ query, body, caller }) => {
        const raw = messageOf(body)
        if (raw === undefined) return noMessage
        const client =
          query.client === undefined ? { value: null } : parseGivenAddress(query.client)
        if ('why' in client) return malformed(`client: ${client.why}`)
        const sender = query.sender === undefined ? undefined : readSender(query.sender)
        if (sender !== undefined && 'why' in sender) return malformed(`sender: ${sender.why}`)
        const traps = mail?.()
        if (traps === undefined) return unavailableMail
        const stranger = query.recipient.findIndex((each) => !blocklist.isTrap(each))
        if (stranger >= 0) {
          return problem(422, 'not-a-trap', `recipient ${stranger + 1} is no spam trap here`)
        }
        const { certainty, decisions } = await traps.submit({
          raw,
          client: client.value,
          recipients: query.recipient,
          ...(sender && { reversePath: sender.value }),
          source: `collector:${caller.name}`,
        })
        return {
          items: decisions.map(({ decision, why, told }) => ({
            decision,
            why: told ?? why ?? null,
            certainty,
          })),
        }
      },
    )

    routes.post(
      '/v1/classify',
      {
        config: { scope: 'read', takes: 'message/rfc822', example: sample },
        bodyLimit: maxMessageBytes,
        schema: {
          operationId: 'classifyMessage',
          summary: 'Judge a message',
          description:
            'The body is the message. The answer says whether it is backscatter, of which kind, and why. Nothing is recorded.',
          querystring: Type.Object({}, strict),
          response: { 200: Verdict, ...problems() },
        },
      },
      async ({ body }) => {
        const raw = messageOf(body)
        if (raw === undefined) return noMessage
        const traps = mail?.()
        if (traps === undefined) return unavailableMail
        const { client, ...verdict } = await traps.classify(raw)
        return { ...verdict, facts: [...verdict.facts], client: client && formatAddress(client) }
      },
    )
    done()
  })
}

export const unavailableMail = problem(
  503,
  'not-ready',
  'traps and mailboxes are not running in this process, or not yet',
)

const noMessage = malformed('the body must be a message, as message/rfc822')

function messageOf(body: unknown): Uint8Array | undefined {
  return Buffer.isBuffer(body) && body.length > 0 ? body : undefined
}
