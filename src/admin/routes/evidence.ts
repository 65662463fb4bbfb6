// /v1/evidence: shows all evidence, and records evidence that a command read from mail files, as if the message had just reached
// a trap. Only for the operator: evidence names the traps, and whoever can send it decides who is listed.
import { evidencePage } from '../../blocklist/evidence-pages.ts'
import type { Decision } from '../../blocklist/types.ts'
import type { Evidence, EvidenceDetails } from '../../classify/evidence.ts'
import { formatAddress, parseGivenAddress } from '../../ip/address.ts'
import type { Store } from '../../store/database.ts'
import type { EvidenceRow } from '../../store/evidence.ts'
import type { App, AppOptions } from '../options.ts'
import { pageBody, pageRequest, readPrefix, readWindow } from '../parse-params.ts'
import { isProblem, malformed, type Problem } from '../problem.ts'
import { itemsOf, pageOf, problems, withTimes } from '../schemas/basics.ts'
import {
  EvidenceItems,
  EvidenceQuery,
  type NewEvidence,
  Recorded,
  StoredEvidence,
} from '../schemas/traps.ts'

export function evidenceRoutes(app: App, { blocklist, store }: AppOptions): void {
  app.get(
    '/v1/evidence',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'listEvidence',
        summary: 'Show the messages that reached traps',
        description:
          'Newest first, with everything that is stored of them. A page may have fewer items than its limit, or none; more ' +
          'follow unless nextCursor is null.',
        querystring: EvidenceQuery,
        response: { 200: pageOf(StoredEvidence), ...problems() },
      },
    },
    ({ query }) => evidenceBody(store, query),
  )

  app.post(
    '/v1/evidence',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'recordEvidence',
        summary: 'Record evidence',
        description:
          'Records what was found in messages, as if they had just reached a trap. `backscatterd ingest` sends this; a ' +
          'collector sends whole messages to /v1/messages instead. The answer has an item for each piece of evidence, in ' +
          'the order given.',
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

/** The page of evidence that a query asks for. */
export async function evidenceBody(store: Store, query: EvidenceQuery) {
  const { limit: _limit, cursor: _cursor, address, from, to, ...filter } = query
  const network = address === undefined ? undefined : readPrefix(address, 'querystring/address')
  if (isProblem(network)) return network
  const window = readWindow({ ...(from && { from }), ...(to && { to }) })
  if (isProblem(window)) return window
  const page = await evidencePage(store, { ...filter, ...window, network }, pageRequest(query))
  return pageBody(page, storedBody)
}

function storedBody({ client, recipient, ...row }: EvidenceRow): StoredEvidence {
  return { ...withTimes(row), client: client && formatAddress(client), trap: recipient }
}

function recordedBody({ decision, why, listing }: Decision): Recorded {
  return { decision, why, ...(listing && { listing: withTimes(listing) }) }
}

function readEvidence(item: NewEvidence): Evidence | Problem {
  const seenAt = Math.floor(Date.parse(item.seenAt) / 1000)
  if (!Number.isSafeInteger(seenAt)) return malformed(`${item.seenAt}: not a time`)
  const client = item.client === null ? { value: null } : parseGivenAddress(item.client)
  if ('why' in client) return malformed(`${item.client}: ${client.why}`)
  if ((item.kind === null) !== (item.certainty === null)) {
    return malformed('certainty: expected exactly where there is a kind')
  }
  return { ...item, seenAt, client: client.value, details: item.details as EvidenceDetails }
}
