// POST /v1/evidence: records evidence that a command read from mail files, as if the message had just reached a trap. Only
// for the operator: whoever can send evidence decides who is listed.
import type { Decision } from '../../blocklist/types.ts'
import type { Evidence, EvidenceDetails } from '../../classify/evidence.ts'
import { parseAddress } from '../../ip/address.ts'
import type { App, AppOptions } from '../options.ts'
import { isProblem, malformed, type Problem } from '../problem.ts'
import { itemsOf, problems, withTimes } from '../schemas/basics.ts'
import { EvidenceItems, type NewEvidence, Recorded } from '../schemas/traps.ts'

export function evidenceRoutes(app: App, { blocklist }: AppOptions): void {
  app.post(
    '/v1/evidence',
    {
      config: { scope: 'admin' },
      schema: {
        body: EvidenceItems,
        response: { 200: itemsOf(Recorded), ...problems() },
      },
    },
    async ({ body }, reply) => {
      const evidence: Evidence[] = []
      for (const item of body.items) {
        const read = readEvidence(item)
        if (isProblem(read)) return read
        evidence.push(read)
      }
      return reply.answerChange<Decision[]>(
        (alongside) => blocklist.record(evidence, alongside),
        (decisions) => ({ status: 200, body: { items: decisions.map(recordedBody) } }),
      )
    },
  )
}

function recordedBody({ decision, why, listing }: Decision): Recorded {
  return { decision, why, ...(listing && { listing: withTimes(listing) }) }
}

function readEvidence(item: NewEvidence): Evidence | Problem {
  const seenAt = Math.floor(Date.parse(item.seenAt) / 1000)
  if (!Number.isSafeInteger(seenAt)) return malformed(`${item.seenAt}: not a time`)
  const client = item.client === null ? { value: null } : parseAddress(item.client)
  if ('why' in client) return malformed(`${item.client}: ${client.why}`)
  if ((item.kind === null) !== (item.certainty === null)) {
    return malformed('certainty: expected exactly where there is a kind')
  }
  return { ...item, seenAt, client: client.value, details: item.details as EvidenceDetails }
}
