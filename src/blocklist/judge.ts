// Folds one more message into what is known of its network, and makes the network's listing follow. Runs inside a transaction.
import type { Prefix } from '../ip/address.ts'
import { formatDuration, plural } from '../quantity.ts'
import type { Hit } from '../store/evidence.ts'
import type { CurrentListing } from '../store/listings.ts'
import type { Offender } from '../store/offenders.ts'
import { type Context, currentListing } from './context.ts'
import {
  cut,
  fold,
  type History,
  isNewRemoval,
  noOffence,
  type Rule,
  type Sent,
  type Step,
  step,
  type Window,
  Windows,
} from './fold.ts'
import { hitsToWeigh, type PolicyOptions, termOf } from './policy.ts'
import { type Folded, followFold } from './trap-listing.ts'
import type { Decision } from './types.ts'

type Judged = Decision & { readonly decision: 'listed' | 'extended' | 'counted' }

/** What is known of a network, its removals included. */
export function offenderAt({ store }: Context, prefix: Prefix): Offender {
  let offender = store.offenders.at(prefix)?.offender ?? noOffence
  for (const each of store.listings.removals(prefix)) {
    if (isNewRemoval(offender, each)) offender = cut(offender, each)
  }
  return offender
}

/**
 * Judges a message that is about to be stored or counted. `before`: what is known of the network. `row`: its present listing by
 * trap, if there is one.
 */
export function judge(
  context: Context,
  prefix: Prefix,
  before: Offender,
  sent: Sent,
  row: CurrentListing | undefined,
): Judged {
  const { store, policy, now } = context
  const isNewest = sent.seenAt >= before.seenAt
  const { folded, done } = isNewest
    ? foldNewest(context, prefix, before, sent, row)
    : foldAgain(context, prefix, before, sent)
  store.offenders.save(prefix, folded.offender)
  const id = followFold(context, prefix, row, folded)
  const listing = id === undefined ? {} : { listing: currentListing(context, id) }
  if (id !== undefined && !row) {
    // A message that comes late may be what a later one needed to reach the threshold.
    const began = folded.basis?.[0] ?? done
    return { decision: 'listed', why: whyOf(began, policy), ...listing }
  }
  const isOver = done.rule === 'lists' && folded.offender.endsAt <= now
  const why = whyOf(isOver ? { ...done, rule: 'the term is over' } : done, policy)
  const hasGrown = isNewest ? growing.has(done.rule) : isLonger(before, folded.offender)
  const isExtended = row !== undefined && id !== undefined && hasGrown
  return { decision: isExtended ? 'extended' : 'counted', why, ...listing }
}

const growing: ReadonlySet<Rule> = new Set(['lists', 'joins', 'extends'])

/** Whether a message that came late made the listing longer, or gave it other kinds. */
function isLonger(before: Offender, after: Offender): boolean {
  return after.endsAt > before.endsAt || after.kinds !== before.kinds
}

interface Outcome {
  readonly folded: Folded
  /** What the message itself did. */
  readonly done: Step
}

function foldNewest(
  context: Context,
  prefix: Prefix,
  before: Offender,
  sent: Sent,
  row: CurrentListing | undefined,
): Outcome {
  const windowAt = () => windowOf(context, prefix, before, sent)
  const done = step(before, sent, windowAt, context.policy)
  const { offender, rule } = done
  if (rule === 'lists') return { folded: { before, offender, basis: [done] }, done }
  const joined = rule === 'joins' ? done : undefined
  // A listing without a row began by messages that came late. Only everything folded tells how.
  const isBegun = row !== undefined || offender.endsAt <= context.now
  const basis = isBegun ? undefined : foldAgain(context, prefix, before, sent).folded.basis
  return { folded: { before, offender, basis, joined }, done }
}

/** Folds everything that is kept, since the message is older than others. */
function foldAgain(context: Context, prefix: Prefix, before: Offender, sent: Sent): Outcome {
  const { hits, sums, ...rest } = historyOf(context, prefix)
  const isStored = 'id' in sent
  const history = {
    ...rest,
    hits: isStored ? [...hits, sent] : hits,
    sums: isStored ? sums : [...sums, sent],
  }
  const { offender, basis, steps } = foldWhole(history, context.policy)
  const done = steps.get(sent) ?? { ...alreadyCounted, ...sent, offender }
  return { folded: { before, offender, basis }, done }
}

/** A message that is as old as the evidence that was deleted for its age changes nothing. */
const alreadyCounted = { rule: 'too old', isNewEpisode: false } as const

/** Everything that is kept of a network. */
export function historyOf({ store }: Context, prefix: Prefix): History {
  return {
    base: store.offenders.at(prefix)?.base ?? noOffence,
    hits: store.evidence.history(prefix),
    sums: store.evidenceCounters.of(prefix),
    removals: store.listings.removals(prefix),
  }
}

/** Folds everything. `basis`: the steps by which the last listing began and got its kinds. */
export function foldWhole(history: History, policy: PolicyOptions) {
  const steps = new Map<Sent, Step>()
  let basis: Step[] = []
  const offender = fold(history, policy, (sent, done) => {
    steps.set(sent, done)
    if (done.rule === 'lists') basis = [done]
    if (done.rule === 'joins') basis.push(done)
  })
  return { offender, basis, steps }
}

/**
 * The window that ends with the newest message. Each certainty has a limit of its own, so that no number of likely messages
 * hides a certain one.
 */
function windowOf(
  { store, policy }: Context,
  prefix: Prefix,
  { cutAt, cutMark }: Offender,
  sent: Sent,
): Window {
  const { kind, seenAt } = sent
  const windows = new Windows(policy)
  const from = Math.max(seenAt - policy.threshold[kind].windowSeconds + 1, cutAt)
  const seen = { from, to: seenAt, mark: cutMark }
  const hits = (['certain', 'likely'] as const).flatMap((certainty) =>
    store.evidence.hits(prefix, { kind, certainty }, seen, hitsToWeigh(kind, policy)),
  )
  const all: Hit[] = 'id' in sent ? [...hits, sent] : hits
  for (const each of all.sort((a, b) => a.seenAt - b.seenAt)) windows.add(each)
  return windows.at(sent)
}

/** Why the message did what it did, in words for the operator. */
export function whyOf(
  { rule, kind, window, isNewEpisode, offender }: Step,
  policy: PolicyOptions,
): string {
  const { messages, traps, windowSeconds } = policy.threshold[kind]
  const counts =
    window &&
    `${window.messages} of ${plural(messages, 'message')}, ${window.traps} of ${plural(traps, 'trap')} within ${formatDuration(windowSeconds)}`
  switch (rule) {
    case 'lists':
      return `${kind}: ${counts}`
    case 'joins':
      return `${kind} too: ${counts}${isNewEpisode ? ', new episode' : ''}`
    case 'extends':
      return `listed for ${kind} already${isNewEpisode ? ', new episode' : ''}`
    case 'likely extends nothing':
      return `listed for ${kind} already, and a message that is only likely extends nothing`
    case 'below the threshold':
    case 'none is certain':
      return `${kind}: ${counts}${window?.provenAt === null ? ', none of them certain' : ''}`
    case 'none is certain and new':
      return `${kind}: ${counts}, none of them certain and newer than the last hit of an ended listing`
    case 'the term is over': {
      const term = formatDuration(termOf(offender.episode, policy))
      return `${kind}: ${counts}, but the term of ${term} from then is over`
    }
    case 'too many that day':
      return `${kind}: more than ${policy.evidencePerDay} that day, so it is only counted`
    case 'too old':
      return `${kind}: as old as evidence that is deleted`
  }
}
