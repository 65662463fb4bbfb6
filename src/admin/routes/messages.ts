// /v1/messages: a message that a remote collector's trap heard, recorded as if it had come here; /v1/classify: what
// it is, and nothing recorded. Both take the message itself, message/rfc822. A trap's address is never repeated.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import type { Classification } from '../../bounce/classify.ts'
import { type Address, formatAddress } from '../../ip/address.ts'
import type { App, AppOptions } from '../app.ts'
import { readAddress } from '../parse-params.ts'
import { problem, sendProblem } from '../problem.ts'
import { NullableText, nullableKind, problems } from '../schemas.ts'
import type { MailboxState } from './stats.ts'

/** Largest message, in octets. */
const maxMessageBytes = 10 * 1024 * 1024
const maxRecipients = 100

/** What serve hands in: mail is not this room's business. */
export interface MailFunctions {
  mailboxes(): readonly MailboxState[]
  /** Reads that mailbox now; false when there is none of that name. */
  poll(name: string): Promise<boolean>
  /** Whether an address is a spam trap. */
  isTrap(address: string): boolean
  /** Classifies and records; one decision for each recipient, after the commit. `client` null: by its Received fields. */
  collect(message: SubmittedMessage): Promise<readonly SubmittedDecision[]>
  /** The verdict on a message, and the host that handed it to our own as its Received fields say. */
  classify(raw: Uint8Array): Promise<Verdict>
}

export interface SubmittedMessage {
  readonly raw: Uint8Array
  readonly client: Address | null
  readonly recipients: readonly string[]
  /** Which collector heard it. */
  readonly source: string
}

export interface SubmittedDecision {
  readonly decision: string
  /** For the operator alone. */
  readonly why?: string
  /** What a collector is told in place of `why`. */
  readonly told?: string
}

export interface Verdict extends Classification {
  readonly client: Address | null
}

const MessageQuery = Type.Object(
  {
    client: Type.Optional(
      Type.String({
        maxLength: 64,
        description: 'The host that handed the message over. Absent: as its Received fields say.',
      }),
    ),
    recipient: Type.Array(Type.String({ minLength: 1, maxLength: 320 }), {
      ...{ minItems: 1, maxItems: maxRecipients },
      description: 'The trap address; repeat it for several.',
    }),
  },
  { additionalProperties: false },
)

const Collected = Type.Object({
  items: Type.Array(Type.Object({ decision: Type.String(), why: NullableText }), {
    description: 'What became of it, for each recipient in the order given.',
  }),
})

const texts = (...names: string[]) => Object.fromEntries(names.map((name) => [name, NullableText]))

const VerdictBody = Type.Object({
  backscatter: Type.Boolean(),
  kind: nullableKind,
  notBackscatter: NullableText,
  rule: Type.String(),
  client: NullableText,
  generator: NullableText,
  dsn: Type.Union([
    Type.Object({
      ...texts('reportingMta', 'finalRecipient', 'originalRecipient', 'action', 'status'),
      ...texts('remoteMta', 'diagnosticCode', 'receivedFromMta', 'arrivalDate'),
      recipients: Type.Integer(),
    }),
    Type.Null(),
  ]),
  returned: Type.Unknown({ description: 'Fields of the message that was returned, or null.' }),
})

export function messageRoutes(app: App, { mail }: AppOptions): void {
  app.register(async (scope) => {
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
        config: { scope: 'collect', takes: 'message/rfc822' },
        bodyLimit: maxMessageBytes,
        schema: {
          querystring: MessageQuery,
          response: { 200: Collected, ...problems(400, 401, 403, 409, 413, 415, 422, 503) },
        },
      },
      async (request, reply) => {
        const { client: text, recipient: recipients } = request.query
        const raw = messageOf(request.body)
        if (raw === undefined) return sendProblem(reply, noMessage)
        const client = text === undefined ? { value: null } : readAddress(text)
        if ('why' in client) {
          return sendProblem(reply, problem(400, 'malformed', `client: ${client.why}`))
        }
        const functions = mail?.()
        if (functions === undefined) return sendProblem(reply, unavailableMail)
        const stranger = recipients.findIndex((each) => !functions.isTrap(each))
        if (stranger >= 0) {
          const detail = `recipient ${stranger + 1} is no spam trap here`
          return sendProblem(reply, problem(422, 'not-a-trap', detail))
        }
        const decisions = await functions.collect({
          ...{ raw, client: client.value, recipients },
          source: `collector:${request.caller.name}`,
        })
        return {
          items: decisions.map(({ decision, why, told }) => ({
            decision,
            why: told ?? why ?? null,
          })),
        }
      },
    )

    routes.post(
      '/v1/classify',
      {
        config: { scope: 'read', takes: 'message/rfc822' },
        bodyLimit: maxMessageBytes,
        schema: {
          querystring: Type.Object({}, { additionalProperties: false }),
          response: { 200: VerdictBody, ...problems(400, 401, 403, 413, 415, 503) },
        },
      },
      async (request, reply) => {
        const raw = messageOf(request.body)
        if (raw === undefined) return sendProblem(reply, noMessage)
        const functions = mail?.()
        if (functions === undefined) return sendProblem(reply, unavailableMail)
        const { client, ...verdict } = await functions.classify(raw)
        return { ...verdict, client: client && formatAddress(client) }
      },
    )
  })
}

export const unavailableMail = problem(
  503,
  'not-ready',
  'traps and mailboxes are not running in this process, or not yet',
)

const noMessage = problem(400, 'malformed', 'the body must be a message, as message/rfc822')

function messageOf(body: unknown): Uint8Array | undefined {
  return Buffer.isBuffer(body) && body.length > 0 ? body : undefined
}
