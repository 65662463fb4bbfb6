// Explains what the fold makes of one network's messages: what of them counts now, why others do not, how it was listed before,
// and what would list it. Pure: it uses no store and no clock.
import { type BackscatterKind, backscatterKinds } from '../classify/kinds.ts'
import { formatDuration, formatTimestamp } from '../quantity.ts'
import type { Hit } from '../store/evidence.ts'
import type { Offender } from '../store/offenders.ts'
import {
  fold,
  type History,
  isCut,
  isNewRemoval,
  nextEpisode,
  proves,
  type Rule,
  type Step,
  step,
  Windows,
} from './fold.ts'
import { whyOf } from './judge.ts'
import { type PolicyOptions, termOf } from './policy.ts'
import { kindsMask, kindsOf } from './types.ts'

/** What counts of one kind in the window that ends now. Times are epoch seconds. */
export interface KindCount {
  readonly kind: BackscatterKind
  readonly windowSeconds: number
  /** Different returned messages. */
  readonly messages: number
  readonly messagesNeeded: number
  readonly traps: number
  readonly trapsNeeded: number
  /** When the newest message was seen that can list; null if there is none. */
  readonly provenAt: number | null
  /** When the oldest message leaves the window; null if the window is empty. */
  readonly leavesAt: number | null
  /** Whether messages and traps reach the threshold. */
  readonly isReached: boolean
  /** Whether the present listing has this kind. */
  readonly isListed: boolean
  readonly next: NextStep
}

/** The fewest further messages of a kind that would list the network, or extend its listing. */
export interface NextStep {
  readonly effect: 'lists' | 'joins' | 'extends'
  readonly messages: number
  /** How many of them must return messages that are not among those that count already. */
  readonly otherReturned: number
  /** How many further traps they must go to. */
  readonly otherTraps: number
  /** Whether one of them must be certain. */
  readonly needsCertain: boolean
  /** From then on more or other messages are needed. null: the same are needed at any time. */
  readonly before: number | null
  /** What follows if they come now. */
  readonly offender: Offender
}

/** A listing as the fold sees it. */
interface PastListing {
  /** null: its first messages were deleted for their age. */
  readonly listedAt: number | null
  readonly endsAt: number
  readonly kinds: BackscatterKind[]
  /** The last one: an episode that begins while the listing stands is part of it. */
  readonly episode: number
  readonly isRemoved: boolean
}

/** Whether a message counts in the window that ends now, and why, or why not. */
interface Verdict {
  readonly counts: boolean
  readonly why: string
  /** What it did when it was folded; null if the evidence before it is deleted. */
  readonly did: string | null
}

export interface FoldExplanation {
  readonly kinds: KindCount[]
  /** The newest first. */
  readonly past: PastListing[]
  /** The listing that would follow the last one, and when its episode would be one lower. */
  readonly next: {
    readonly episode: number
    readonly termSeconds: number
    readonly lowerAt: number | null
  }
  /** By the ids of the hits. */
  readonly verdicts: ReadonlyMap<number, Verdict>
}

/** `offender`: what is known of the network, as the next message will find it. */
export function explainFold(
  history: History,
  offender: Offender,
  policy: PolicyOptions,
  now: number,
): FoldExplanation {
  const steps: Step[] = []
  const stepsOfHits = new Map<number, Step>()
  fold(history, policy, (sent, done) => {
    steps.push(done)
    if ('id' in sent) stepsOfHits.set(sent.id, done)
  })
  const { removals } = history
  const isCounted = (hit: Hit) => !removals.some((each) => isCut(hit, each))
  const hits = history.hits.filter(isCounted).sort((a, b) => a.seenAt - b.seenAt)
  const verdicts = history.hits.map((hit): [number, Verdict] => {
    const done = stepsOfHits.get(hit.id)
    const verdict = isCounted(hit) ? verdictOn(hit, offender, policy, now) : removed
    return [hit.id, { ...verdict, did: done ? didWords(done, policy) : null }]
  })
  return {
    kinds: backscatterKinds.map((kind) => countKind(kind, hits, offender, policy, now)),
    past: pastListings(history, steps).reverse(),
    next: nextListing(offender, policy, now),
    verdicts: new Map(verdicts),
  }
}

function didWords(done: Step, policy: PolicyOptions): string {
  return `${done.rule === 'lists' ? 'listed it for ' : ''}${whyOf(done, policy)}`
}

const removed = { counts: false, why: 'from before the listing was removed' }

function verdictOn(
  hit: Hit,
  { endsAt, provenAt }: Offender,
  policy: PolicyOptions,
  now: number,
): Omit<Verdict, 'did'> {
  const { windowSeconds } = policy.threshold[hit.kind]
  const leavesAt = hit.seenAt + windowSeconds
  if (leavesAt <= now) {
    return { counts: false, why: `outside of the window of ${formatDuration(windowSeconds)}` }
  }
  const until = `counts until ${formatTimestamp(leavesAt)}`
  if (!proves(hit, policy)) {
    return { counts: true, why: `${until}, but is only likely: it lists and extends nothing` }
  }
  return endsAt <= now && hit.seenAt <= provenAt
    ? { counts: true, why: `${until}, but lists no more: it is part of a listing that ended` }
    : { counts: true, why: until }
}

function countKind(
  kind: BackscatterKind,
  hits: readonly Hit[],
  offender: Offender,
  policy: PolicyOptions,
  now: number,
): KindCount {
  const { messages, traps, windowSeconds } = policy.threshold[kind]
  const windows = new Windows(policy)
  const ofKind = hits.filter((hit) => hit.kind === kind)
  for (const hit of ofKind) windows.add(hit)
  const window = windows.at({ kind, seenAt: now })
  const isListed = isListedFor(kind, offender, now)
  const needed = neededAt(kind, windows, offender, policy, now)
  const changes = ofKind.map(({ seenAt }) => seenAt + windowSeconds)
  const before = [...changes, offender.endsAt]
    .filter((time) => time > now)
    .sort((a, b) => a - b)
    .find((time) => !isSame(needed, neededAt(kind, windows, offender, policy, time)))
  return {
    kind,
    windowSeconds,
    messages: window.messages,
    messagesNeeded: messages,
    traps: window.traps,
    trapsNeeded: traps,
    provenAt: window.provenAt,
    leavesAt: window.hits === 0 ? null : window.from + windowSeconds,
    isReached: window.messages >= messages && window.traps >= traps,
    isListed,
    next: { ...needed, before: before ?? null },
  }
}

function isListedFor(kind: BackscatterKind, { kinds, endsAt }: Offender, time: number): boolean {
  return endsAt > time && (kinds & kindsMask([kind])) !== 0
}

type Needed = Omit<NextStep, 'before'>

/** Asks the fold: if further messages come at this time, are likely ones enough, or must one be certain? */
function neededAt(
  kind: BackscatterKind,
  windows: Windows,
  offender: Offender,
  policy: PolicyOptions,
  time: number,
): Needed {
  const window = windows.at({ kind, seenAt: time })
  const isListed = isListedFor(kind, offender, time)
  const threshold = policy.threshold[kind]
  const otherReturned = isListed ? 0 : Math.max(0, threshold.messages - window.messages)
  const otherTraps = isListed ? 0 : Math.max(0, threshold.traps - window.traps)
  const messages = Math.max(1, otherReturned, otherTraps)
  const tried = (['likely', 'certain'] as const).map((certainty) => {
    const sent = { id: 0, kind, certainty, seenAt: time, returned: '', recipient: '' }
    const full = {
      ...window,
      messages: window.messages + otherReturned,
      traps: window.traps + otherTraps,
      hits: window.hits + messages,
      provenAt: proves(sent, policy) ? time : window.provenAt,
    }
    return step(offender, sent, () => full, policy)
  })
  const done = tried.find(({ rule }) => isEffect(rule))
  if (!done || !isEffect(done.rule)) throw new Error(`a certain ${kind} does not list`)
  const needsCertain = done !== tried[0]
  const { rule: effect, offender: after } = done
  return { effect, messages, otherReturned, otherTraps, needsCertain, offender: after }
}

function isEffect(rule: Rule): rule is NextStep['effect'] {
  return rule === 'lists' || rule === 'joins' || rule === 'extends'
}

function isSame(a: Needed, b: Needed): boolean {
  return (
    a.effect === b.effect &&
    a.otherReturned === b.otherReturned &&
    a.otherTraps === b.otherTraps &&
    a.needsCertain === b.needsCertain
  )
}

/** The listings of the fold, oldest first. */
function pastListings({ base, removals }: History, steps: readonly Step[]): PastListing[] {
  const listings: { listedAt: number | null; last: Offender }[] = []
  if (base.episode > 0) listings.push({ listedAt: null, last: base })
  for (const { rule, seenAt, offender } of steps) {
    if (rule === 'lists') listings.push({ listedAt: seenAt, last: offender })
    const listing = listings.at(-1)
    if (listing && (rule === 'joins' || rule === 'extends')) listing.last = offender
  }
  const cuts = removals.toSorted((a, b) => a.at - b.at)
  return listings.map(({ listedAt, last }) => {
    const removal = cuts.find((each) => isNewRemoval(last, each))
    const isRemoved = removal !== undefined && removal.at < last.endsAt
    const { kinds, episode } = last
    const endsAt = isRemoved ? removal.at : last.endsAt
    return { listedAt, endsAt, kinds: kindsOf(kinds), episode, isRemoved }
  })
}

function nextListing(
  offender: Offender,
  policy: PolicyOptions,
  now: number,
): FoldExplanation['next'] {
  const time = Math.max(now, offender.endsAt)
  const episode = nextEpisode(offender, time, policy)
  return {
    episode,
    termSeconds: termOf(episode, policy),
    lowerAt: episode > 1 ? lowerAfter(offender, time, policy) : null,
  }
}

/** When the next episode will first be lower than at this time. Only the end of a whole `longestListing` lowers it. */
function lowerAfter(offender: Offender, time: number, policy: PolicyOptions): number {
  const longest = policy.longestListingSeconds
  const episode = nextEpisode(offender, time, policy)
  let at = offender.endsAt
  while (nextEpisode(offender, at, policy) >= episode) at += longest
  return at
}
