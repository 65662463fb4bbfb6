// Decides what one trapped message leads to, given the earlier messages and the policy: list, extend, count or ignore, and
// until when. Pure: it uses no store and no clock.
import type { BackscatterKind, Certainty } from '../classify/kinds.ts'
import type { Prefix } from '../ip/address.ts'
import { formatDuration } from '../quantity.ts'
import type { Hit } from '../store/evidence.ts'
import { kindsMask } from './types.ts'

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

/** A host may remove its own listing if it sent nothing for `quietSeconds` and was removed less than `times` times within a period. */
interface RemovalRules {
  readonly quietSeconds: number
  readonly times: number
  readonly periodSeconds: number
}

/** A present listing by trap, which a message may extend. Times in epoch seconds. */
interface Standing {
  readonly kinds: number
  readonly episode: number
  readonly lastHitAt: number
  readonly expiresAt: number
}

/** One recognised message from a client that may be listed. */
export interface Case {
  readonly kind: BackscatterKind
  readonly hit: Hit
  /** The other hits that count. They are of the same kind and within one window before or after this one. */
  readonly others: readonly Hit[]
  /** The present listing of the client, if there is one. */
  readonly standing: Standing | undefined
  /** The episode (see `judge`) of the client's last listing by trap; 0 if there was none. */
  readonly lastEpisode: number
  /** When the newest hit of the client's listings by trap was seen; 0 if there was none. */
  readonly lastHitAt: number
  readonly now: number
}

/** The result: why nothing is listed, or how the listing will look. */
export type Judgement =
  | { readonly decision: 'counted' | 'ignored'; readonly why: string }
  | {
      readonly decision: 'listed' | 'extended'
      readonly why: string
      readonly kinds: number
      readonly episode: number
      readonly termSeconds: number
      readonly lastHitAt: number
      readonly expiresAt: number
      /** The number of messages that led to this, including the judged one. */
      readonly newHits: number
    }

/** A hit after a gap of this length begins a new episode. */
const episodeGapSeconds = 86_400

/**
 * Judges one message. The rules:
 *
 * - Evidence that is older than the longest listing is ignored.
 * - Nothing listed: the kind's threshold must be reached within a window that contains this hit. (Mailboxes are read in any
 *   order, so newer hits may be known already.) The listing lasts one term from the newest hit of that window. If that term
 *   is over already, the evidence only counts.
 * - Listed for this kind: every hit extends the listing. Listed for other kinds only: the hit only counts until this kind
 *   reaches its own threshold. Then the kind joins the listing, and the window's newest hit extends it.
 * - The term is `firstListing` in the first episode and doubles with each episode, up to `longestListing`. A listing after
 *   one that expired or was removed is a new episode, and so is a hit after 24 h without one.
 * - A listing ends one term after its newest hit, but never earlier than it did before. If listings are held back, it ends
 *   at the next multiple of `holdFor`. Otherwise the exact time of its end would reveal which message was the hit.
 * - While the policy says that likely evidence only counts: a window without a certain hit in it reaches no threshold, a
 *   likely hit extends nothing, and "newest hit" above means the newest certain hit. A likely hit lists again only if its
 *   window has a certain hit newer than the last hit of every ended listing: older ones have led to a listing already. A
 *   certain hit itself lists again however old it is, since mailboxes are read in any order.
 */
export function judge(
  { kind, hit, others, standing, lastEpisode, lastHitAt, now }: Case,
  policy: PolicyOptions,
): Judgement {
  if (hit.seenAt < now - policy.longestListingSeconds) {
    return {
      decision: 'ignored',
      why: `history: older than ${formatDuration(policy.longestListingSeconds)}`,
    }
  }
  const bit = kindsMask([kind])
  if (standing && (standing.kinds & bit) !== 0) {
    const why = `listed for ${kind} already`
    if (!proves(hit, policy)) {
      return {
        decision: 'counted',
        why: `${why}, and a message that is only likely extends nothing`,
      }
    }
    return extended(standing, standing.kinds, { provenAt: hit.seenAt, hits: 1 }, why, policy)
  }
  const threshold = policy.threshold[kind]
  const best = bestWindow(hit, others, threshold, policy)
  const counts = `${best.messages} of ${threshold.messages} messages, ${best.traps} of ${threshold.traps} traps within ${formatDuration(threshold.windowSeconds)}`
  if (!isReached(best, threshold)) {
    const lacks = best.provenAt === null ? ', none of them certain' : ''
    return { decision: 'counted', why: `${kind}: ${counts}${lacks}` }
  }
  if (standing) {
    return extended(standing, standing.kinds | bit, best, `${kind} too: ${counts}`, policy)
  }
  if (!proves(hit, policy) && best.provenAt <= lastHitAt) {
    const lacks = 'none of them certain and newer than the last hit of an ended listing'
    return { decision: 'counted', why: `${kind}: ${counts}, ${lacks}` }
  }
  const episode = lastEpisode + 1
  const termSeconds = termOf(episode, policy)
  const expiresAt = endOf(best.provenAt, termSeconds, policy)
  if (expiresAt <= now) {
    return {
      decision: 'counted',
      why: `${kind}: ${counts}, but the term of ${formatDuration(termSeconds)} from then is over`,
    }
  }
  return {
    decision: 'listed',
    why: `${kind}: ${counts}`,
    kinds: bit,
    episode,
    termSeconds,
    lastHitAt: best.provenAt,
    expiresAt,
    newHits: best.hits,
  }
}

/** How many seconds one hit lists for in the given episode. The first episode is 1. */
export function termOf(episode: number, policy: PolicyOptions): number {
  return Math.min(policy.firstListingSeconds * 2 ** (episode - 1), policy.longestListingSeconds)
}

/**
 * When a listing that is held back from now on will show: at a multiple of `holdFor`, and at least `holdFor` from now. If each
 * listing waited equally long, the time at which it shows would reveal which message was the hit.
 */
export function heldUntil(now: number, { holdForSeconds }: PolicyOptions): number {
  return nextMultiple(now + holdForSeconds, holdForSeconds)
}

function endOf(
  newestAt: number,
  termSeconds: number,
  { holdForSeconds }: Pick<PolicyOptions, 'holdForSeconds'>,
): number {
  return nextMultiple(newestAt + termSeconds, holdForSeconds)
}

function nextMultiple(time: number, span: number): number {
  return span === 0 ? time : Math.ceil(time / span) * span
}

/** How many of the newest hits of each certainty are compared with the threshold. */
export function hitsToWeigh(kind: BackscatterKind, policy: PolicyOptions): number {
  const { messages, traps } = policy.threshold[kind]
  return 1000 + messages + traps
}

function extended(
  standing: Standing,
  kinds: number,
  { provenAt, hits }: { readonly provenAt: number; readonly hits: number },
  why: string,
  policy: PolicyOptions,
): Judgement {
  const isNewEpisode = provenAt - standing.lastHitAt >= episodeGapSeconds
  const episode = standing.episode + (isNewEpisode ? 1 : 0)
  const termSeconds = termOf(episode, policy)
  return {
    decision: 'extended',
    why: isNewEpisode ? `${why}, new episode` : why,
    kinds,
    episode,
    termSeconds,
    lastHitAt: Math.max(standing.lastHitAt, provenAt),
    expiresAt: Math.max(standing.expiresAt, endOf(provenAt, termSeconds, policy)),
    newHits: hits,
  }
}

/** Whether this hit can cause a listing or extend one. Other hits only add to the counts. */
function proves({ certainty }: { readonly certainty: Certainty }, policy: PolicyOptions): boolean {
  return certainty === 'certain' || policy.likely === 'list'
}

interface Window {
  readonly messages: number
  readonly traps: number
  readonly hits: number
  /** When the newest hit that `proves` was seen; null if there is no such hit. */
  readonly provenAt: number | null
}

function isReached(window: Window, { messages, traps }: Threshold): window is ReachedWindow {
  return window.messages >= messages && window.traps >= traps && window.provenAt !== null
}

type ReachedWindow = Window & { readonly provenAt: number }

/**
 * Finds the last window that contains `hit` and reaches the threshold, since no earlier one has a newer hit that `proves`. If
 * none reaches it, finds the fullest window that contains `hit`. A window is the time (end − length, end]. Only windows that
 * end with a hit need to be tried.
 */
function bestWindow(
  hit: Hit,
  others: readonly Hit[],
  threshold: Threshold,
  policy: PolicyOptions,
): Window {
  const hits = [hit, ...others].sort((a, b) => a.seenAt - b.seenAt)
  const messages = new Map<string, number>()
  const traps = new Map<string, number>()
  let best: Window = { messages: 0, traps: 0, hits: 0, provenAt: null }
  let provenAt = Number.NEGATIVE_INFINITY
  let start = 0
  for (const [index, last] of hits.entries()) {
    const { seenAt: end } = last
    tally(messages, last.returned, 1)
    tally(traps, last.recipient, 1)
    if (proves(last, policy)) provenAt = end
    for (
      let first = hits[start];
      first && first.seenAt <= end - threshold.windowSeconds;
      first = hits[++start]
    ) {
      tally(messages, first.returned, -1)
      tally(traps, first.recipient, -1)
    }
    if (end < hit.seenAt || hits[index + 1]?.seenAt === end) continue
    if (end >= hit.seenAt + threshold.windowSeconds) break
    const window = {
      messages: messages.size,
      traps: traps.size,
      hits: index + 1 - start,
      provenAt: provenAt > end - threshold.windowSeconds ? provenAt : null,
    }
    const isFuller = window.messages + window.traps > best.messages + best.traps
    if (isReached(window, threshold) || (isFuller && !isReached(best, threshold))) best = window
  }
  return best
}

function tally(counts: Map<string, number>, key: string, change: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + change
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
}
