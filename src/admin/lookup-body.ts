// What is told of an address, by who asks. Anyone learns whether it is listed, since when, until when, and which kinds
// of message it sent when: an allow-list of fields without free text, so that no trap is betrayed. Scope read sees the
// rows behind it; the operator sees the messages.
import Type, { type Static } from 'typebox'
import type { Blocklist, Finding } from '../blocklist/blocklist.ts'
import { type Address, formatAddress } from '../ip/address.ts'
import {
  Exception,
  exceptionBody,
  Kind,
  Listing,
  listingBody,
  NullableText,
  NullableTimestamp,
  nullableTimestamp,
  Timestamp,
  timestamp,
} from './schemas.ts'
import { type Scope, scopeIncludes } from './scopes.ts'

const text = Type.Optional(Type.String())

/** One message. Everything but the first four fields is for scope admin. */
const EvidenceItem = Type.Object({
  seenAt: Timestamp,
  client: NullableText,
  kind: Type.Union([Kind, Type.Null()]),
  rule: Type.String(),
  trap: text,
  source: text,
  decision: text,
  why: text,
  ...{ helo: text, reversePath: text, subject: text, messageId: text, generator: text },
  ...{ reportingMta: text, finalRecipient: text, action: text, status: text },
  ...{ diagnosticCode: text, returnedMessageId: text },
  ...{ spf: text, dkim: text, dmarcPolicy: text, returnedOrigin: text },
  ...{ tls: text, recipientsTried: text, notes: text },
})

const PastListing = Type.Object({ ...Listing.properties, endedAt: Timestamp })
const NullableException = Type.Union([Exception, Type.Null()])

/** The body of /v1/lookup; from `decidedBy` on for scope read. */
export const LookupBody = Type.Object({
  query: Type.String(),
  listed: Type.Boolean(),
  kinds: Type.Array(Kind),
  codes: Type.Array(Type.String()),
  since: NullableTimestamp,
  until: NullableTimestamp,
  state: NullableText,
  evidence: Type.Array(EvidenceItem),
  decidedBy: Type.Optional(NullableText),
  isTestEntry: Type.Optional(Type.Boolean()),
  specialPurpose: Type.Optional(NullableText),
  exemption: Type.Optional(NullableException),
  exclusion: Type.Optional(NullableException),
  listings: Type.Optional(Type.Array(Listing)),
  history: Type.Optional(Type.Array(PastListing)),
})
export type LookupBody = Static<typeof LookupBody>

/** What the scope may see of an address. */
export function lookupBody(blocklist: Blocklist, address: Address, scope: Scope): LookupBody {
  if (!scopeIncludes(scope, 'read')) return findingBody(blocklist.find(address), scope)
  const explanation = blocklist.explain(address)
  const { decidedBy, isTestEntry, specialPurpose, exemption, exclusion } = explanation
  return {
    ...findingBody(explanation, scope),
    ...{ decidedBy, isTestEntry, specialPurpose },
    exemption: exemption && exceptionBody(exemption),
    exclusion: exclusion && exceptionBody(exclusion),
    listings: explanation.listings.map(listingBody),
    history: explanation.history.map((past) => ({
      ...listingBody(past),
      endedAt: timestamp(past.endedAt),
    })),
  }
}

function findingBody(finding: Finding, scope: Scope): LookupBody {
  const isOperator = scopeIncludes(scope, 'admin')
  const { query, listed, kinds, codes, since, until, state, evidence } = finding
  return {
    ...{ query, listed, kinds, codes, state },
    since: nullableTimestamp(since),
    until: nullableTimestamp(until),
    evidence: evidence.map((row) => ({
      seenAt: timestamp(row.seenAt),
      client: row.client && formatAddress(row.client),
      kind: row.kind,
      rule: row.rule,
      ...(isOperator && operatorFields(row)),
    })),
  }
}

function operatorFields(row: Finding['evidence'][number]) {
  const { recipient, source, decision, why, details } = row
  return { ...details, trap: recipient, source, decision, why }
}
