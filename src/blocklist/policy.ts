// Pure judgement: one trapped message, what came before it, and the policy → list, extend, count or ignore, and until
// when. Knows neither store nor clock; blocklist/record asks it about each message.
import type { BackscatterKind } from '../bounce/kinds.ts'
import type { Prefix } from '../ip/address.ts'
import { formatDuration } from '../quantity.ts'
import type { Hit } from '../store/evidence.ts'
import { kindsMask } from './types.ts'

/** What it takes to list for a kind: so many distinct returned messages and distinct traps within the window. */
export interface Threshold {
  readonly messages: number
  readonly traps: number
  readonly windowSeconds: number
}

/** The [policy] and [evidence] sections of the configuration, its exemptions and its traps. */
export interface PolicyOptions {
  readonly firstListingSeconds: number
  readonly longestListingSeconds: number
  /** Length of the network that an IPv6 client stands for. */
  readonly ipv6Prefix: number
  /** 0: listings are shown at once. Else they begin to show and end at whole multiples of it. */
  readonly holdForSeconds: number
  /** Kinds that are answered. */
  readonly publish: readonly BackscatterKind[]
  readonly shortest4: number
  readonly shortest6: number
  readonly allowSpecial: readonly Prefix[]
  readonly threshold: Readonly<Record<BackscatterKind, Threshold>>
  readonly exempt: readonly { readonly prefix: Prefix; readonly note: string }[]
  /** Trap patterns of the configuration. */
  readonly traps: readonly string[]
  /** Messages of one kind that are stored of a network in a day. */
  readonly evidencePerDay: number
  /** How long evidence is kept: longer than the longest listing. */
  readonly evidenceKeepSeconds: number
}

/** The listing by trap that a message may extend; times in epoch seconds. */
export interface Standing {
  readonly kinds: number
  readonly episode: number
  readonly lastHitAt: number
  readonly expiresAt: number
}

/** One recognised message from a client that may be listed. */
export interface Case {
  readonly kind: BackscatterKind
  readonly hit: Hit
  /** Hits of the same kind within a window of this one, either side, that count; this one is not among them. */
  readonly others: readonly Hit[]
  /** The listing that holds, if one does. */
  readonly standing: Standing | undefined
  /** Episode of the last listing by trap, 0 if there never was one. */
  readonly lastEpisode: number
  readonly now: number
}

/** Counted, and why; or what the listing becomes. */
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
      /** Messages that brought this about, the judged one among them. */
      readonly newHits: number
    }

/** Silence after which the next hit begins a new episode. */
export const episodeGapSeconds = 86_400

/**
 * Judges one message. The rules:
 *
 * - Evidence older than the longest listing is history: ignored.
 * - Nothing listed: the kind's threshold must be reached within a window that holds this hit. (Mailboxes are read in any
 *   order, so the window may end after it.) The listing lasts one term from the newest hit of that window; where
 *   that is over already, the evidence only counts.
 * - Listed for this kind: every hit extends. Listed for other kinds alone: the hit only counts, until this kind reaches
 *   its own threshold; then its code joins the listing and the hit extends.
 * - The term is `firstListing` in the first episode and doubles with each one, up to `longestListing`. A listing after
 *   one that expired or was removed is a new episode, and so is a hit after 24 h without one.
 * - A listing ends one term after its newest hit, and never earlier than it did before. Where listings are held back, it
 *   ends at the next multiple of that time: the second at which it goes would tell which of many messages was the hit.
 */
export function judge(
  { kind, hit, others, standing, lastEpisode, now }: Case,
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
    const latest = { newestAt: hit.seenAt, hits: 1 }
    return extended(standing, standing.kinds, latest, `listed for ${kind} already`, policy)
  }
  const threshold = policy.threshold[kind]
  const best = bestWindow(hit, others, threshold)
  const reached = `${best.messages} of ${threshold.messages} messages, ${best.traps} of ${threshold.traps} traps within ${formatDuration(threshold.windowSeconds)}`
  if (best.messages < threshold.messages || best.traps < threshold.traps) {
    return { decision: 'counted', why: `${kind}: ${reached}` }
  }
  if (standing) {
    return extended(standing, standing.kinds | bit, best, `${kind} too: ${reached}`, policy)
  }
  const episode = lastEpisode + 1
  const termSeconds = termOf(episode, policy)
  const expiresAt = endOf(best.newestAt, termSeconds, policy)
  if (expiresAt <= now) {
    return {
      decision: 'counted',
      why: `${kind}: ${reached}, but ${formatDuration(termSeconds)} from then are over`,
    }
  }
  return {
    decision: 'listed',
    why: `${kind}: ${reached}`,
    ...{ kinds: bit, episode, termSeconds, lastHitAt: best.newestAt, expiresAt },
    newHits: best.hits,
  }
}

/** Seconds that one hit lists for in the given episode, 1 being the first. */
export function termOf(episode: number, policy: PolicyOptions): number {
  return Math.min(policy.firstListingSeconds * 2 ** (episode - 1), policy.longestListingSeconds)
}

/** Where a listing by trap with these kinds begins: answered, held back for a while, or only counted. */
export function initialState(
  kinds: number,
  publishedKinds: number,
  policy: PolicyOptions,
): 'listed' | 'held' | 'shadow' {
  if ((kinds & publishedKinds) === 0) return 'shadow'
  return policy.holdForSeconds > 0 ? 'held' : 'listed'
}

/**
 * When a listing that is held back from now on begins to show: together with all others of the same span, at least
 * `holdFor` from now. A wait of the same length for each would tell which of many messages brought it about.
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

/** How many hits of a kind a threshold can need to see. */
export function hitsToWeigh(kind: BackscatterKind, policy: PolicyOptions): number {
  const { messages, traps } = policy.threshold[kind]
  return 1000 + messages + traps
}

function extended(
  standing: Standing,
  kinds: number,
  { newestAt: seenAt, hits }: { readonly newestAt: number; readonly hits: number },
  why: string,
  policy: PolicyOptions,
): Judgement {
  const isNewEpisode = seenAt - standing.lastHitAt >= episodeGapSeconds
  const episode = standing.episode + (isNewEpisode ? 1 : 0)
  const termSeconds = termOf(episode, policy)
  return {
    decision: 'extended',
    why: isNewEpisode ? `${why}, new episode` : why,
    ...{ kinds, episode, termSeconds },
    lastHitAt: Math.max(standing.lastHitAt, seenAt),
    expiresAt: Math.max(standing.expiresAt, endOf(seenAt, termSeconds, policy)),
    newHits: hits,
  }
}

/**
 * The window that holds `hit` and comes nearest to the threshold: the last that reaches it, else the fullest. Windows
 * are (end − length, end], and need only be tried where they end with a hit.
 */
function bestWindow(
  hit: Hit,
  others: readonly Hit[],
  threshold: Threshold,
): { messages: number; traps: number; hits: number; newestAt: number } {
  const hits = [hit, ...others].sort((a, b) => a.seenAt - b.seenAt)
  const messages = new Map<string, number>()
  const traps = new Map<string, number>()
  let best = { messages: 0, traps: 0, hits: 0, newestAt: hit.seenAt }
  let start = 0
  for (const [index, last] of hits.entries()) {
    tally(messages, last.returned, 1)
    tally(traps, last.recipient, 1)
    for (
      let first = hits[start];
      first && first.seenAt <= last.seenAt - threshold.windowSeconds;
      first = hits[++start]
    ) {
      tally(messages, first.returned, -1)
      tally(traps, first.recipient, -1)
    }
    if (last.seenAt < hit.seenAt || hits[index + 1]?.seenAt === last.seenAt) continue
    if (last.seenAt >= hit.seenAt + threshold.windowSeconds) break
    const isReached = messages.size >= threshold.messages && traps.size >= threshold.traps
    if (isReached || messages.size + traps.size > best.messages + best.traps) {
      best = {
        ...{ messages: messages.size, traps: traps.size },
        ...{ hits: index + 1 - start, newestAt: last.seenAt },
      }
    }
  }
  return best
}

function tally(counts: Map<string, number>, key: string, change: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + change
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
}
