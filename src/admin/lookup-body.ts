// What is told of an address, by who asks. Anyone learns what DNS says too, and since which day: who sends bounces to find
// the traps must not see which of them was counted. A key of scope read sees the rows behind it and when messages came,
// without a trap; the operator sees the messages.

import Type, { type Static } from 'typebox'
import type { Blocklist } from '../blocklist/blocklist.ts'
import type { Explanation, Finding } from '../blocklist/types.ts'
import { type Address, formatAddress } from '../ip/address.ts'
import {
  Exception,
  exceptionBody,
  Kind,
  Listing,
  listingBody,
  NullableText,
  nullable,
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
  since: nullable(Timestamp, 'Without a key midnight (UTC) of the day.'),
  until: nullable(Timestamp, 'null: permanent, not listed, or asked without a key.'),
  state: NullableText,
  evidence: Type.Array(EvidenceItem, { description: 'Empty without a key.' }),
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
  if (!scopeIncludes(scope, 'read')) return publicBody(blocklist.find(address))
  const explanation = blocklist.explain(address)
  const { query, listed, kinds, codes, since, until, state, evidence } = explanation
  const { decidedBy, isTestEntry, specialPurpose, exemption, exclusion } = explanation
  const isOperator = scopeIncludes(scope, 'admin')
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

/** Of what is not answered every field but `query` is always the same. */
function publicBody({ query, listed, kinds, codes, since }: Finding): LookupBody {
  return {
    ...{ query, listed, kinds, codes },
    since: nullableTimestamp(since),
    until: null,
    state: listed ? 'listed' : null,
    evidence: [],
  }
}

function operatorFields(row: Explanation['evidence'][number]) {
  const { recipient, source, decision, why, details } = row
  return { ...details, trap: recipient, source, decision, why }
}
