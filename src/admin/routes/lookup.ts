// /v1/lookup/{address}: whether an address is listed, and why. Without a key it shows what DNS answers, and of the reason only
// what helps no sender to find the traps. Scope read also sees the listings and the times of messages. Scope admin
// sees everything, including the traps.
import type { Blocklist } from '../../blocklist/blocklist.ts'
import type { Explanation, Finding } from '../../blocklist/types.ts'
import { type Address, formatAddress, parseGivenAddress } from '../../ip/address.ts'
import { formatTimestamp } from '../../quantity.ts'
import { adviceFor, type Written } from '../advice.ts'
import type { App, AppOptions } from '../options.ts'

import { malformed, shown } from '../problem.ts'
import { AddressParams, nullableTimestamp, problems, withTimes } from '../schemas/basics.ts'
import { Lookup, type LookupBody, type PublicLookup } from '../schemas/lookup.ts'
import { type Scope, scopeIncludes } from '../scopes.ts'

export function lookupRoutes(app: App, { blocklist }: AppOptions): void {
  app.get(
    '/v1/lookup/:address',
    {
      config: { scope: 'public' },
      schema: {
        operationId: 'lookUpAddress',
        summary: 'Look up an address',
        description:
          'Says whether it is listed, and why. Without a key it shows what DNS answers, what the host’s postmaster should ' +
          'change, and of the messages only what betrays no trap. An address that is not listed looks like one that never ' +
          'sent anything. Scope read also sees the listings and the times of messages, and scope admin everything.',
        params: AddressParams,
        response: { 200: Lookup, ...problems(400) },
      },
    },
    async ({ params, caller }) => {
      const address = parseGivenAddress(params.address)
      if ('why' in address) {
        return malformed(`${shown(params.address)}: ${address.why}`)
      }
      return scopeIncludes(caller.scope, 'read')
        ? explainedBody(blocklist, address.value, caller.scope)
        : findingBody(blocklist.find(address.value))
    },
  )
}

/** Everything about an address that a key of this scope, which includes read, may see. */
export function explainedBody(blocklist: Blocklist, address: Address, scope: Scope): LookupBody {
  const explanation = blocklist.explain(address)
  return scopeIncludes(scope, 'admin')
    ? explanationBody(explanation, true, softwareIn(explanation))
    : explanationBody(explanation, false, blocklist.find(address).evidence)
}

/** The operator's advice may stand on what a single trap has heard. */
function softwareIn({ evidence }: Explanation): Written[] {
  return evidence.map(({ kind, details: { generator } }) => ({ kind, generator }))
}

/** The body for a key. `written`: the software that the advice may name. */
function explanationBody(
  explanation: Explanation,
  isOperator: boolean,
  written: readonly Written[],
): LookupBody {
  const { kinds, since, until, evidence, exemption, exclusion, listings, history } = explanation
  return {
    ...explanation,
    since: nullableTimestamp(since),
    until: nullableTimestamp(until),
    evidence: evidence.map(({ seenAt, client, kind, certainty, rule, ...row }) => ({
      seenAt: formatTimestamp(seenAt),
      client: client && formatAddress(client),
      kind,
      certainty,
      rule,
      ...(isOperator && {
        ...row.details,
        trap: row.recipient,
        source: row.source,
        decision: row.decision,
        why: row.why,
      }),
    })),
    advice: explanation.isByTrap ? adviceFor(kinds, written) : [],
    exemption: exemption && withTimes(exemption),
    exclusion: exclusion && withTimes(exclusion),
    listings: listings.map(withTimes),
    history: history.map(withTimes),
  }
}

/** The body without a key. It is the same for all addresses that are not listed, except for `query`. */
function findingBody({ query, listed, kinds, codes, ...reason }: Finding): PublicLookup {
  return {
    ...{ query, listed, kinds, codes },
    prefix: reason.prefix,
    origin: reason.origin,
    since: nullableTimestamp(reason.since),
    until: nullableTimestamp(reason.until),
    state: listed ? 'listed' : null,
    evidence: reason.evidence.map(({ hours, ...each }) => ({
      ...each,
      hours: hours.map(formatTimestamp),
    })),
    advice: reason.origin === 'trap' ? adviceFor(kinds, reason.evidence) : [],
  }
}
