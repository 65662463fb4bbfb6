// One message's evidence, what was kept before it and the policy → the decision on it, and the row that comes of it, by
// what the interface says of thresholds, terms and episodes.
import type { PolicyOptions } from '../../../src/blocklist/policy.ts'
import type { Evidence } from '../../../src/classify/evidence.ts'
import { type BackscatterKind, backscatterKinds } from '../../../src/classify/kinds.ts'
import type { Prefix } from '../../../src/ip/address.ts'
import type { Row } from './naive-zone.ts'

/** What is known of the network that a message came from. */
export interface NaiveCase {
  readonly evidence: Evidence & { readonly kind: BackscatterKind }
  readonly network: Prefix
  /** Since when evidence counts: the last removal. */
  readonly removedAt: number
  /** What was kept since then of this network and counts, all kinds. */
  readonly others: readonly Evidence[]
  /** The row by trap that holds. */
  readonly row: Row | undefined
  readonly lastEpisode: number
  /** Of all rows by trap of this network; 0: there was none. */
  readonly lastHitAt: number
  readonly now: number
}

const day = 86_400

/** Changes the row, or says which one is to be added. */
export function judged(
  { evidence, network, removedAt, others, row, lastEpisode, lastHitAt, now }: NaiveCase,
  policy: PolicyOptions,
): { readonly decision: string; readonly fresh?: Row } {
  const { kind, seenAt } = evidence
  if (seenAt < removedAt || seenAt < now - policy.longestListingSeconds) {
    return { decision: 'ignored' }
  }
  const proves = (each: Evidence) => each.certainty === 'certain' || policy.likely === 'list'
  if (row && row.kinds & maskOf([kind])) {
    if (!proves(evidence)) return { decision: 'counted' }
    hit(row, seenAt, policy)
    return { decision: 'extended' }
  }
  const { messages, traps, windowSeconds } = policy.threshold[kind]
  const hits = others
    .filter((each) => each.kind === kind && each.seenAt >= removedAt)
    .concat(evidence)
  let provenAt = -1
  /** Whether anything there shows more than what was listed for before. */
  let isNews = proves(evidence)
  for (const { seenAt: end } of hits) {
    if (end < seenAt || end >= seenAt + windowSeconds) continue
    const inside = hits.filter((each) => each.seenAt > end - windowSeconds && each.seenAt <= end)
    const isReached =
      new Set(inside.map(({ returned }) => returned)).size >= messages &&
      new Set(inside.map(({ recipient }) => recipient)).size >= traps
    if (isReached) {
      for (const each of inside.filter(proves)) {
        provenAt = Math.max(provenAt, each.seenAt)
        if (each.seenAt > lastHitAt) isNews = true
      }
    }
  }
  if (provenAt < 0) return { decision: 'counted' }
  if (row) {
    row.kinds |= maskOf([kind])
    if (row.state === 'shadow') begin(row, now, policy)
    hit(row, provenAt, policy)
    return { decision: 'extended' }
  }
  if (!isNews) return { decision: 'counted' }
  const fresh: Row = {
    ...{ prefix: network, origin: 'trap', createdAt: now, kinds: maskOf([kind]), reason: null },
    ...{ state: 'listed', expiresAt: 0, heldUntil: 0, lastHitAt: provenAt },
    episode: lastEpisode + 1,
  }
  fresh.expiresAt = rounded(provenAt + term(fresh.episode, policy), policy)
  if (fresh.expiresAt <= now) return { decision: 'counted' }
  begin(fresh, now, policy)
  return { decision: 'listed', fresh }
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

function hit(row: Row, seenAt: number, policy: PolicyOptions): void {
  if (seenAt - row.lastHitAt >= day) row.episode += 1
  row.lastHitAt = Math.max(row.lastHitAt, seenAt)
  row.expiresAt = Math.max(row.expiresAt, rounded(seenAt + term(row.episode, policy), policy))
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
