// What a network has sent, and when it was removed → its listing, by what the interface says of thresholds, terms and episodes.
// Slow and simple: each window is counted anew.
import type { PolicyOptions } from '../../../src/blocklist/policy.ts'
import type { Evidence } from '../../../src/classify/evidence.ts'
import { type BackscatterKind, backscatterKinds } from '../../../src/classify/kinds.ts'
import type { Row } from './naive-zone.ts'

export type NaiveHit = Evidence & { readonly kind: BackscatterKind }

/** A removal: what was kept before (a number of hits) or seen before no longer counts. */
export interface NaiveRemoval {
  readonly at: number
  readonly kept: number
}

/** What is known of a network: its last listing. */
export interface NaiveState {
  seenAt: number
  kinds: number
  episode: number
  hitAt: number
  provenAt: number
  /** Up to then, what is certain has led to an earlier listing. */
  spentAt: number
  until: number
}

const day = 86_400

export function unknownNetwork(): NaiveState {
  return { seenAt: 0, kinds: 0, episode: 0, hitAt: 0, provenAt: 0, spentAt: 0, until: 0 }
}

export function removed(state: NaiveState, at: number): void {
  state.until = Math.min(state.until, at)
  state.seenAt = Math.max(state.seenAt, at)
  state.provenAt = 0
}

/** Everything from the beginning. `hits` in the order in which they were kept. */
export function foldedAnew(
  hits: readonly NaiveHit[],
  removals: readonly NaiveRemoval[],
  policy: PolicyOptions,
): NaiveState {
  const state = unknownNetwork()
  const numbered = hits.map((hit, index) => ({ hit, index }))
  const cutBy = ({ at, kept }: NaiveRemoval, { hit, index }: (typeof numbered)[number]) =>
    hit.seenAt < at || index < kept
  let rest = numbered
  const until = (part: typeof numbered) => {
    const known = part.map(({ hit }) => hit)
    const sorted = known.toSorted((a, b) => a.seenAt - b.seenAt)
    for (const [index, hit] of sorted.entries()) take(state, hit, sorted.slice(0, index), policy)
  }
  for (const removal of removals) {
    until(rest.filter((each) => cutBy(removal, each)))
    rest = rest.filter((each) => !cutBy(removal, each))
    removed(state, removal.at)
  }
  until(rest)
  return state
}

/** One hit more, not older than the others, which all count. Says whether it began, widened or prolonged the listing. */
export function take(
  state: NaiveState,
  hit: NaiveHit,
  others: readonly NaiveHit[],
  policy: PolicyOptions,
): boolean {
  const { kind, seenAt } = hit
  state.seenAt = seenAt
  const proves = (each: Evidence) => each.certainty === 'certain' || policy.likely === 'list'
  const stands = state.until > seenAt
  if (stands && state.kinds & maskOf([kind])) {
    if (!proves(hit)) return false
    prolong(state, seenAt, seenAt, policy)
    return true
  }
  const { messages, traps, windowSeconds } = policy.threshold[kind]
  const inside = [...others, hit].filter(
    (each) => each.kind === kind && each.seenAt > seenAt - windowSeconds,
  )
  if (new Set(inside.map(({ returned }) => returned)).size < messages) return false
  if (new Set(inside.map(({ recipient }) => recipient)).size < traps) return false
  const proofs = inside.filter(proves)
  if (proofs.length === 0) return false
  const provenAt = Math.max(...proofs.map((each) => each.seenAt))
  if (stands) {
    if (provenAt <= state.spentAt) return false
    const longer = { ...state }
    prolong(longer, seenAt, provenAt, policy)
    if (rounded(provenAt + term(longer.episode, policy), policy) <= seenAt) return false
    Object.assign(state, longer, { kinds: state.kinds | maskOf([kind]) })
    return true
  }
  if (provenAt <= state.provenAt) return false
  let episode = state.episode
  for (let quiet = seenAt - state.until; quiet >= policy.longestListingSeconds && episode > 0; ) {
    episode -= 1
    quiet -= policy.longestListingSeconds
  }
  episode = Math.min(episode + 1, highest(policy))
  const until = rounded(provenAt + term(episode, policy), policy)
  if (until <= seenAt) return false
  const spentAt = state.provenAt
  Object.assign(state, { kinds: maskOf([kind]), episode, hitAt: seenAt, provenAt, spentAt, until })
  return true
}

/** A row by trap begins to show, is held back before it does, or only counts. */
export function begin(row: Row, now: number, policy: PolicyOptions): void {
  row.state = shows(row.kinds, policy)
  if (row.state === 'listed' && policy.holdForSeconds > 0) {
    row.state = 'held'
    row.heldUntil = rounded(now + policy.holdForSeconds, policy)
  }
}

export function shows(kinds: number, { publish }: PolicyOptions): 'listed' | 'shadow' {
  return kinds & maskOf(publish) ? 'listed' : 'shadow'
}

export function maskOf(kinds: readonly BackscatterKind[]): number {
  return kinds.reduce((mask, kind) => mask | (1 << backscatterKinds.indexOf(kind)), 0)
}

function prolong(state: NaiveState, seenAt: number, provenAt: number, policy: PolicyOptions): void {
  if (seenAt - state.hitAt >= day) state.episode = Math.min(state.episode + 1, highest(policy))
  state.hitAt = seenAt
  state.provenAt = Math.max(state.provenAt, provenAt)
  state.until = Math.max(state.until, rounded(provenAt + term(state.episode, policy), policy))
}

/** Held listings begin and end at whole multiples of the time that they are held. */
function rounded(time: number, { holdForSeconds }: PolicyOptions): number {
  const beyond = holdForSeconds === 0 ? 0 : time % holdForSeconds
  return beyond === 0 ? time : time - beyond + holdForSeconds
}

function term(episode: number, policy: PolicyOptions): number {
  let seconds = policy.firstListingSeconds
  for (let each = 1; each < episode; each++) seconds *= 2
  return Math.min(seconds, policy.longestListingSeconds)
}

function highest(policy: PolicyOptions): number {
  let episode = 1
  while (term(episode, policy) < policy.longestListingSeconds) episode += 1
  return episode
}
