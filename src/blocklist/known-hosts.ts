// What DNS has said of the hosts of a network, and what that means for its listing by trap. Reads only.
import type { HostQuestions } from '../classify/evidence.ts'
import { type Address, addressBits, type Prefix } from '../ip/address.ts'
import type { CurrentListing } from '../store/listings.ts'
import type { Context } from './context.ts'
import type { PolicyOptions } from './policy.ts'

/** Answers are current for this long. Then DNS is asked again. */
const answerSeconds = 86_400
/** A new listing waits this long for the answers about its hosts. */
export const longestWaitSeconds = 60

/**
 * Answers that came after this are current: those of the last day, but none from before the configuration was read again. null if
 * the policy wants to know nothing of hosts.
 */
export function hostsKnownAfter(
  { pools, whitelists }: PolicyOptions,
  reconfiguredAt: number,
  now: number,
): number | null {
  const isWanted = pools || whitelists.length > 0
  return isWanted ? Math.max(now - answerSeconds, reconfiguredAt) : null
}

/** Names what the policy asks about a host. Answers to other questions are not current. */
export function questionsKey({ pools, whitelists }: Pick<HostQuestions, 'pools' | 'whitelists'>) {
  return JSON.stringify([pools, ...whitelists])
}

/** Why the hosts of a network keep its listing from showing: 'whitelist ZONE' or 'pool NAME'. null if none does. */
export function whyHostShadow({ store, policy }: Context, network: Prefix): string | null {
  const member = store.hosts.memberIn(network, policy)
  if (member === undefined) return null
  const { pool, whitelist } = member
  return whitelist !== null && policy.whitelists.includes(whitelist)
    ? `whitelist ${whitelist}`
    : `pool ${pool}`
}

/** Whether DNS is asked about hosts, but nothing current is known of any host of the network. */
export function areHostsUnknown(
  { store, policy, hostsKnownAfter }: Context,
  network: Prefix,
): boolean {
  if (hostsKnownAfter === null) return false
  return !store.hosts.hasCurrent(network, hostsKnownAfter, questionsKey(policy))
}

/**
 * What to ask about a listing: undefined if that is known, or if DNS is not asked. Of a network DNS is asked about one host, the one
 * whose message listed it. Questions about others would tell the owner of their reverse zone which of them have hit a trap.
 */
export function questionsFor(
  context: Context,
  { prefix, createdAt }: Pick<CurrentListing, 'prefix' | 'createdAt'>,
): HostQuestions | undefined {
  if (!areHostsUnknown(context, prefix)) return undefined
  const isHost = prefix.length === addressBits(prefix.family)
  const host = isHost ? prefix : context.store.evidence.newestClient(prefix, createdAt)
  return host && questionsAbout(host, context.policy)
}

export function questionsAbout(host: Address, policy: PolicyOptions): HostQuestions {
  const { pools, whitelists } = policy
  return { host, pools, whitelists }
}
