// POST /v1/evidence: what a command of ours has read out of mail files, recorded and judged like a message that came by
// itself. For the operator alone: whoever may call it decides who is listed.
import Type, { type Static } from 'typebox'
import type { Decision } from '../../blocklist/types.ts'
import { maxAddresses } from '../../bounce/address-list.ts'
import type { Evidence, EvidenceDetails } from '../../bounce/evidence.ts'
import { parseAddress } from '../../ip/address.ts'
import type { App, AppOptions } from '../app.ts'
import { type Answer, sendAnswer } from '../idempotency.ts'
import { isProblem, type Problem, problem, sendProblem } from '../problem.ts'
import {
  itemsOf,
  Kind,
  Listing,
  listingBody,
  NullableText,
  problems,
  Timestamp,
} from '../schemas.ts'

/** Most pieces in one request: they are judged in one transaction. */
export const maxEvidence = 250

const strict = { additionalProperties: false }
const Digest = Type.String({ pattern: '^[0-9a-f]{64}$' })
const ShortText = Type.String({ minLength: 1, maxLength: 512 })
const Addresses = Type.Array(ShortText, { maxItems: maxAddresses })

const NewEvidence = Type.Object(
  {
    client: NullableText,
    recipient: ShortText,
    kind: Type.Union([Kind, Type.Null()]),
    rule: ShortText,
    content: Digest,
    returned: Digest,
    seenAt: Timestamp,
    source: ShortText,
    details: Type.Record(
      Type.String({ pattern: '^[a-zA-Z]{1,40}$' }),
      Type.String({ maxLength: 1000 }),
    ),
    genuine: Type.Optional(ShortText),
    addressed: Type.Optional(Type.Object({ to: Addresses, returnedAuthors: Addresses }, strict)),
    reportsSuccess: Type.Optional(Type.Literal(true)),
  },
  strict,
)
export type NewEvidence = Static<typeof NewEvidence>

const Recorded = Type.Object({
  decision: Type.String(),
  why: Type.String(),
  listing: Type.Optional(Listing),
})
export type Recorded = Static<typeof Recorded>

export function evidenceIntakeRoutes(app: App, { blocklist }: AppOptions): void {
  app.post(
    '/v1/evidence',
    {
      config: { scope: 'admin' },
      schema: {
        body: Type.Object(
          { items: Type.Array(NewEvidence, { minItems: 1, maxItems: maxEvidence }) },
          strict,
        ),
        response: { 200: itemsOf(Recorded), ...problems(400, 401, 403, 409, 413, 415, 503) },
      },
    },
    async (request, reply) => {
      const evidence: Evidence[] = []
      for (const item of request.body.items) {
        const read = readEvidence(item)
        if (isProblem(read)) return sendProblem(reply, read)
        evidence.push(read)
      }
      const answerOf = (decisions: readonly Decision[]): Answer => ({
        status: 200,
        body: {
          items: decisions.map(({ decision, why, listing }) => ({
            ...{ decision, why },
            ...(listing && { listing: listingBody(listing) }),
          })),
        },
      })
      const decisions = await blocklist.record(evidence, reply.alongside(answerOf))
      return sendAnswer(reply, answerOf(decisions))
    },
  )
}

function readEvidence(item: NewEvidence): Evidence | Problem {
  const { client: text, seenAt: time, details, ...rest } = item
  const seenAt = Math.floor(Date.parse(time) / 1000)
  if (!Number.isSafeInteger(seenAt)) return problem(400, 'malformed', `${time}: not a time`)
  const known = { ...rest, seenAt, details: details as EvidenceDetails }
  if (text === null) return { ...known, client: null }
  const parsed = parseAddress(text)
  if ('why' in parsed) return problem(400, 'malformed', `${text}: ${parsed.why}`)
  return { ...known, client: parsed.value }
}
