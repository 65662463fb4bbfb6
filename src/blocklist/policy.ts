// The policy: its options, and how long it lists, holds back and counts.
import type { BackscatterKind } from '../classify/kinds.ts'
import type { Prefix } from '../ip/address.ts'

/** A kind is listed after this many different returned messages and this many different traps within the window. */
interface Threshold {
  readonly messages: number
  readonly traps: number
  readonly windowSeconds: number
}

/**
 * How evidence rated `likely` is used. `count`: it adds to the counts, but lists and extends nothing without evidence rated
 * `certain`. `list`: it is used like evidence rated `certain`.
 */
export const likelyUses = ['count', 'list'] as const

/** The [policy] and [evidence] sections of the configuration, its exemptions and its traps. */
export interface PolicyOptions {
  readonly firstListingSeconds: number
  readonly longestListingSeconds: number
  /** The prefix length of the network that is listed for an IPv6 client. */
  readonly ipv6Prefix: number
  /** 0: listings show in DNS at once. Else they begin to show, and end, at multiples of this. */
  readonly holdForSeconds: number
  /** Kinds that DNS answers. */
  readonly publish: readonly BackscatterKind[]
  /** DNS whitelists whose members are only counted. */
  readonly whitelists: readonly string[]
  /** Whether shared outbound pools are only counted. */
  readonly pools: boolean
  readonly likely: (typeof likelyUses)[number]
  readonly shortest4: number
  readonly shortest6: number
  readonly allowSpecial: readonly Prefix[]
  readonly threshold: Readonly<Record<BackscatterKind, Threshold>>
  readonly exempt: readonly { readonly prefix: Prefix; readonly note: string }[]
  /** Trap patterns of the configuration. */
  readonly traps: readonly string[]
  /** This many messages of one kind and certainty from one network are stored in a day. For further ones see `hasRoom`. */
  readonly evidencePerDay: number
  /** How long evidence is kept. Must be longer than the longest listing. */
  readonly evidenceKeepSeconds: number
  /** Evidence from fewer traps is not public. */
  readonly evidenceMinTraps: number
  /** When a listed host may take itself off the list: `RemovalRules`. */
  readonly removal: RemovalRules
}

/**
 * A host may remove its own listing if it sent nothing for `quietSeconds` and was removed less than `times` times within a
 * period.
 */
interface RemovalRules {
  /** Whether requests are taken at all. */
  readonly isOpen: boolean
  readonly quietSeconds: number
  readonly times: number
  readonly periodSeconds: number
}

/** How many seconds one hit lists for in the given episode. The first episode is 1. */
export function termOf(episode: number, policy: PolicyOptions): number {
  return Math.min(policy.firstListingSeconds * 2 ** (episode - 1), policy.longestListingSeconds)
}

/** The first episode with the longest term. Episodes are not counted further, so that they decay in a known time. */
export function highestEpisode({
  firstListingSeconds,
  longestListingSeconds,
}: Pick<PolicyOptions, 'firstListingSeconds' | 'longestListingSeconds'>): number {
  return 1 + Math.ceil(Math.log2(longestListingSeconds / firstListingSeconds))
}

/**
 * When a listing that is held back from now on will show: at a multiple of `holdFor`, and at least `holdFor` from now. If each
 * listing waited equally long, the time at which it shows would reveal which message was the hit.
 */
export function heldUntil(now: number, { holdForSeconds }: PolicyOptions): number {
  return nextMultiple(now + holdForSeconds, holdForSeconds)
}

/** When a listing ends whose newest hit was seen at `newestAt`. */
export function endOf(
  newestAt: number,
  termSeconds: number,
  { holdForSeconds }: Pick<PolicyOptions, 'holdForSeconds'>,
): number {
  return nextMultiple(newestAt + termSeconds, holdForSeconds)
}

/** Rounds a time up to a multiple of `span` seconds; 0 leaves it as it is. */
export function nextMultiple(time: number, span: number): number {
  return span === 0 ? time : Math.ceil(time / span) * span
}

/** How many of the newest hits of each certainty are compared with the threshold. */
export function hitsToWeigh(kind: BackscatterKind, policy: PolicyOptions): number {
  const { messages, traps } = policy.threshold[kind]
  return 1000 + messages + traps
}
