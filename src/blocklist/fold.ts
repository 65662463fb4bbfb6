// Folds the messages of one network into its listing by trap. Pure: it uses no store and no clock. The result depends on when
// the messages were seen, not on the order in which they arrived.
import type { BackscatterKind, Certainty } from '../classify/kinds.ts'
import type { CountedMessages } from '../store/day-counters.ts'
import type { Hit } from '../store/evidence.ts'
import type { Removal } from '../store/listings.ts'
import type { Offender } from '../store/offenders.ts'
import { endOf, highestEpisode, type PolicyOptions, termOf } from './policy.ts'
import { kindsMask } from './types.ts'

/** Everything that is known of one network. The lists need not be sorted. */
export interface History {
  /** What the evidence that was deleted for its age has come to. Hits up to its `seenAt` are part of it. */
  readonly base: Offender
  readonly hits: readonly Hit[]
  /** Messages that were not stored, since there were too many on one day. They extend a listing and reach no threshold. */
  readonly sums: readonly CountedMessages[]
  readonly removals: readonly Removal[]
}

/** What a message did: the rule that decided. */
export type Rule =
  /** The threshold is reached: a listing begins. */
  | 'lists'
  /** The threshold is reached by one more kind of a listed network. */
  | 'joins'
  | 'extends'
  /** Listed for this kind, but the message is only likely to be backscatter. */
  | 'likely extends nothing'
  | 'below the threshold'
  /** The threshold would be reached, but no message in the window proves anything. */
  | 'none is certain'
  /** The same, but the only certain messages have led to a listing that ended. */
  | 'none is certain and new'
  /** The threshold is reached by messages that are too old to list anybody now. */
  | 'the term is over'
  /** A message that is not stored reaches no threshold. */
  | 'too many that day'
  /** Older evidence of this network is deleted for its age already. */
  | 'too old'

/** The fullest count that a message belongs to: the hits of its kind in one window that ends with it. */
export interface Window {
  readonly messages: number
  readonly traps: number
  readonly hits: number
  /** When the oldest of these hits was seen. */
  readonly from: number
  /** When the newest hit that `proves` was seen; null if there is no such hit. */
  readonly provenAt: number | null
}

export interface Step {
  readonly rule: Rule
  readonly kind: BackscatterKind
  readonly seenAt: number
  /** Whether the message began a new episode of a standing listing. */
  readonly isNewEpisode: boolean
  /** Absent if the threshold did not matter. */
  readonly window?: Window
  /** What is known of the network after this message. */
  readonly offender: Offender
}

/** A network that has sent nothing. */
export const noOffence: Offender = {
  seenAt: 0,
  kinds: 0,
  episode: 0,
  hitAt: 0,
  provenAt: 0,
  spentAt: 0,
  endsAt: 0,
  hits: 0,
  cutAt: 0,
  cutMark: 0,
}

/** A hit after a gap of this length begins a new episode. */
const episodeGapSeconds = 86_400

/** A message to fold: one that is stored, or the number of those that are not. */
export type Sent = Hit | CountedMessages

/**
 * Folds one message that is not older than those folded before. `windowAt` gives the window that ends with it. The rules:
 *
 * - Nothing listed: a listing begins when the kind's threshold is reached within a window. It lasts one term from the window's
 *   newest certain hit, and that hit must be newer than those of the listing before.
 * - Listed for this kind: each hit counts, and each certain one extends the listing. Listed for other kinds only: the kind joins
 *   the listing when it reaches its own threshold, by hits that could begin one.
 * - The term is `firstListing` in the first episode and doubles with each episode, up to `longestListing`. A listing after one
 *   that ended is a new episode, and so is a hit that extends after 24 h without one. Each whole `longestListing` between the end
 *   of a listing and the next one lowers the episode by one.
 * - A listing ends one term after its newest certain hit, but never earlier than it did before. If listings are held back, it
 *   ends at the next multiple of `holdFor`. Otherwise the exact time of its end would reveal which message was the hit.
 * - While the policy says `likely = "list"`, likely hits count as certain.
 */
export function step(
  before: Offender,
  sent: Sent,
  windowAt: () => Window,
  policy: PolicyOptions,
): Step {
  const { kind, seenAt } = sent
  const count = 'messages' in sent ? sent.messages : 1
  const after = { ...before, seenAt }
  const did = (rule: Rule, offender: Offender, window?: Window): Step => {
    const isNewEpisode = isStanding && offender.episode > before.episode
    return { rule, kind, seenAt, isNewEpisode, offender, ...(window && { window }) }
  }
  const bit = kindsMask([kind])
  const isStanding = before.endsAt > seenAt
  if (isStanding && (before.kinds & bit) !== 0) {
    const counted = { ...after, hits: before.hits + count }
    return proves(sent, policy)
      ? did('extends', extended(counted, seenAt, seenAt, policy))
      : did('likely extends nothing', counted)
  }
  if ('messages' in sent) return did('too many that day', after)
  const window = windowAt()
  const { provenAt } = window
  const { messages, traps } = policy.threshold[kind]
  if (window.messages < messages || window.traps < traps) {
    return did('below the threshold', after, window)
  }
  if (provenAt === null) return did('none is certain', after, window)
  const { hits } = window
  if (isStanding) {
    if (provenAt <= before.spentAt) return did('none is certain and new', after, window)
    const joined = { ...after, kinds: before.kinds | bit, hits: before.hits + hits }
    const longer = extended(joined, seenAt, provenAt, policy)
    return endsBy(provenAt, longer.episode, policy) > seenAt
      ? did('joins', longer, window)
      : did('the term is over', after, window)
  }
  if (provenAt <= before.provenAt) return did('none is certain and new', after, window)
  const episode = nextEpisode(before, seenAt, policy)
  const endsAt = endsBy(provenAt, episode, policy)
  if (endsAt <= seenAt) return did('the term is over', after, window)
  const spentAt = before.provenAt
  const began = { kinds: bit, episode, hitAt: seenAt, provenAt, spentAt, endsAt, hits }
  return did('lists', { ...after, ...began }, window)
}

/** When a listing of this episode ends whose newest certain hit was seen at `provenAt`. */
function endsBy(provenAt: number, episode: number, policy: PolicyOptions): number {
  return endOf(provenAt, termOf(episode, policy), policy)
}

/** Ends the listing, if one stands. Earlier messages no longer count. */
export function cut(before: Offender, { at, mark }: Removal): Offender {
  const endsAt = Math.min(before.endsAt, at)
  const seenAt = Math.max(before.seenAt, at)
  return { ...before, seenAt, provenAt: 0, endsAt, cutAt: at, cutMark: mark }
}

/** Whether the removal is one that the fold does not know yet. */
export function isNewRemoval({ cutAt, cutMark }: Offender, { at, mark }: Removal): boolean {
  return at > cutAt || mark > cutMark
}

/** Whether a message came before the removal, so that it no longer counts. */
export function isCut(sent: Sent, { at, mark }: Removal): boolean {
  return sent.seenAt < at || ('id' in sent && sent.id <= mark)
}

/** Folds everything, from the oldest message to the newest. `onStep` is called with each message and what it did. */
export function fold(
  { base, hits, sums, removals }: History,
  policy: PolicyOptions,
  onStep: (sent: Sent, step: Step) => void = () => undefined,
): Offender {
  const cuts = removals.toSorted((a, b) => a.at - b.at || a.mark - b.mark)
  const sentBefore: Sent[][] = Array.from({ length: cuts.length + 1 }, () => [])
  for (const sent of [...hits, ...sums]) {
    const next = cuts.findIndex((removal) => isCut(sent, removal))
    sentBefore[next < 0 ? cuts.length : next]?.push(sent)
  }
  let offender = base
  for (const [index, all] of sentBefore.entries()) {
    const windows = new Windows(policy)
    for (const sent of all.sort((a, b) => a.seenAt - b.seenAt || idOf(a) - idOf(b))) {
      if ('id' in sent) windows.add(sent)
      if (sent.seenAt <= base.seenAt) continue
      const done = step(offender, sent, () => windows.at(sent), policy)
      offender = done.offender
      onStep(sent, done)
    }
    const removal = cuts[index]
    if (removal && isNewRemoval(offender, removal)) offender = cut(offender, removal)
  }
  return offender
}

/** Of the same second, messages that are stored come in the order of their arrival, and the others after them. */
function idOf(sent: Sent): number {
  return 'id' in sent ? sent.id : Number.MAX_SAFE_INTEGER
}

/** Counts the hits of each kind in the window that ends with the newest hit. */
export class Windows {
  readonly #policy: PolicyOptions
  readonly #kinds = new Map<BackscatterKind, KindWindow>()

  constructor(policy: PolicyOptions) {
    this.#policy = policy
  }

  /** Adds a hit that is not older than those before. */
  add(hit: Hit): void {
    let window = this.#kinds.get(hit.kind)
    if (!window) {
      window = new KindWindow(this.#policy.threshold[hit.kind].windowSeconds)
      this.#kinds.set(hit.kind, window)
    }
    window.add(hit, proves(hit, this.#policy))
  }

  /** The window that ends at this time: (end − length, end]. */
  at({ kind, seenAt }: Pick<Hit, 'kind' | 'seenAt'>): Window {
    return this.#kinds.get(kind)?.at(seenAt) ?? emptyWindow
  }
}

const emptyWindow: Window = { messages: 0, traps: 0, hits: 0, from: 0, provenAt: null }

class KindWindow {
  readonly #seconds: number
  readonly #hits: Hit[] = []
  readonly #messages = new Map<string, number>()
  readonly #traps = new Map<string, number>()
  #start = 0
  #provenAt = Number.NEGATIVE_INFINITY

  constructor(seconds: number) {
    this.#seconds = seconds
  }

  add(hit: Hit, isProof: boolean): void {
    this.#hits.push(hit)
    tally(this.#messages, hit.returned, 1)
    tally(this.#traps, hit.recipient, 1)
    if (isProof) this.#provenAt = hit.seenAt
  }

  at(end: number): Window {
    const start = end - this.#seconds
    let first = this.#hits[this.#start]
    for (; first && first.seenAt <= start; first = this.#hits[++this.#start]) {
      tally(this.#messages, first.returned, -1)
      tally(this.#traps, first.recipient, -1)
    }
    return {
      messages: this.#messages.size,
      traps: this.#traps.size,
      hits: this.#hits.length - this.#start,
      from: first?.seenAt ?? end,
      provenAt: this.#provenAt > start ? this.#provenAt : null,
    }
  }
}

function tally(counts: Map<string, number>, key: string, change: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + change
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
}

/** Whether this message can begin a listing or extend one. Other messages only add to the counts. */
export function proves(
  { certainty }: { readonly certainty: Certainty },
  { likely }: Pick<PolicyOptions, 'likely'>,
): boolean {
  return certainty === 'certain' || likely === 'list'
}

function extended(
  standing: Offender,
  seenAt: number,
  provenAt: number,
  policy: PolicyOptions,
): Offender {
  const isNewEpisode = seenAt - standing.hitAt >= episodeGapSeconds
  const episode = isNewEpisode
    ? Math.min(standing.episode + 1, highestEpisode(policy))
    : standing.episode
  return {
    ...standing,
    episode,
    hitAt: seenAt,
    provenAt: Math.max(standing.provenAt, provenAt),
    endsAt: Math.max(standing.endsAt, endsBy(provenAt, episode, policy)),
  }
}

/** The episode of a listing that begins at this time, when the last one has ended. */
export function nextEpisode(
  { episode, endsAt }: Pick<Offender, 'episode' | 'endsAt'>,
  time: number,
  policy: PolicyOptions,
): number {
  const lowered = Math.floor((time - endsAt) / policy.longestListingSeconds)
  return Math.min(Math.max(0, episode - lowered) + 1, highestEpisode(policy))
}
