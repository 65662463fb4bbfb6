// /v1/policy/explain/{address}: what counts of an address's messages, what would list it, and what would free it.
import type { PolicyExplanation as Explained } from '../../blocklist/explain-policy.ts'
import { parseGivenAddress } from '../../ip/address.ts'
import { formatTimestamp } from '../../quantity.ts'
import type { App, AppOptions } from '../options.ts'

import { malformed, shown } from '../problem.ts'
import { AddressParams, nullableTimestamp, problems, withTimes } from '../schemas/basics.ts'
import { PolicyExplanation } from '../schemas/policy.ts'

export function policyRoutes(app: App, { blocklist }: AppOptions): void {
  app.get(
    '/v1/policy/explain/:address',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'explainPolicy',
        summary: 'Explain what the policy makes of an address',
        description:
          'What counts of its messages, what does not and why, what would list it or extend its listing, and what would ' +
          'free it. It names no trap.',
        params: AddressParams,
        response: { 200: PolicyExplanation, ...problems(400) },
      },
    },
    async ({ params }) => {
      const address = parseGivenAddress(params.address)
      return 'why' in address
        ? malformed(`${shown(params.address)}: ${address.why}`)
        : explainedPolicyBody(blocklist.explainPolicy(address.value))
    },
  )
}

export function explainedPolicyBody(explained: Explained): PolicyExplanation {
  const { listing, kinds, past, next, messages, counted, exits } = explained
  return {
    ...explained,
    listing: listing && {
      ...withTimes(listing),
      heldUntil: nullableTimestamp(listing.heldUntil),
      basis: listing.basis.map(({ from, to, ...entry }) => ({
        ...entry,
        from: formatTimestamp(from),
        to: formatTimestamp(to),
      })),
    },
    kinds: kinds.map((each) => ({
      ...withTimes(each),
      next: each.sentence === null ? null : nextBody(each.next),
    })),
    past: past.map(withTimes),
    next: withTimes(next),
    messages: messages.map(withTimes),
    counted: counted.map(withTimes),
    exits: exits.map(({ at, ...exit }) => ({ ...exit, at: nullableTimestamp(at) })),
  }
}

function nextBody({ before, offender, ...next }: Explained['kinds'][number]['next']) {
  const { endsAt, episode } = offender
  const follows = { expiresAt: formatTimestamp(endsAt), episode }
  return { ...next, before: nullableTimestamp(before), ...follows }
}
