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
/** Of a larger network, DNS is asked about this many hosts. */
const maxHosts = 20

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

/** Whether the answers about the hosts of a listing are missing, and DNS is asked for them. */
export function areHostsUnknown(context: Context, listing: Listed): boolean {
  if (context.hostsKnownAfter === null) return false
  const hosts = hostsOf(context, listing)
  return hosts.length === 0 || hosts.some((host) => questionsAbout(context, host) !== undefined)
}

/** What to ask about the hosts of a listing. */
export function questionsFor(context: Context, listing: Listed): HostQuestions[] {
  return hostsOf(context, listing).flatMap((host) => questionsAbout(context, host) ?? [])
}

/** What to ask about a host. undefined if its answers are current, or if DNS is not asked. */
export function questionsAbout(context: Context, host: Address): HostQuestions | undefined {
  const { store, policy, hostsKnownAfter } = context
  if (hostsKnownAfter === null) return undefined
  const row = store.hosts.get(host)
  const isCurrent = row !== undefined && row.askedAt > hostsKnownAfter
  if (isCurrent && row.questions === questionsKey(policy)) return undefined
  return { host, pools: policy.pools, whitelists: policy.whitelists }
}

type Listed = Pick<CurrentListing, 'prefix' | 'createdAt'>

/**
 * The hosts whose messages led to the listing. Hosts that sent messages later are left out: a question about them would tell
 * the owner of their reverse zone that they have hit a trap.
 */
function hostsOf({ store }: Context, { prefix, createdAt }: Listed): readonly Address[] {
  return prefix.length === addressBits(prefix.family)
    ? [prefix]
    : store.evidence.clients(prefix, createdAt, maxHosts)
}
