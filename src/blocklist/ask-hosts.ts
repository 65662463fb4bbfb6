// Which hosts of listings DNS must be asked about, and what its answers change.
import type { Evidence, HostFacts, HostQuestions } from '../classify/evidence.ts'
import { type Address, unmapped } from '../ip/address.ts'
import type { Context } from './context.ts'
import {
  areHostsUnknown,
  longestWaitSeconds,
  questionsAbout,
  questionsFor,
  questionsKey,
} from './known-hosts.ts'
import { standingAt } from './listings.ts'
import { judgedPrefix, recordOne } from './record.ts'
import { placeTrapListing } from './trap-listing.ts'
import type { Actor } from './types.ts'

/** One call looks at this many listings, and this many held ones. */
const listingsAtOnce = 100
const heldAtOnce = 500

/** See `HostList.questionsBefore`. Runs outside any transaction. */
export function questionsBefore(
  context: Context,
  evidence: readonly Evidence[],
): HostQuestions | undefined {
  const [first] = evidence
  if (!first?.client || first.kind === null || first.genuine !== undefined) return undefined
  // A listing that is held back anyway is asked about when it will show soon.
  if (context.policy.holdForSeconds > 0) return undefined
  const host = unmapped(first.client)
  const isWanted = areHostsUnknown(context, judgedPrefix(host, context.policy))
  return isWanted && wouldList(context, evidence) ? questionsAbout(host, context.policy) : undefined
}

/** Whether recording the evidence would make a new listing that may show. */
function wouldList(context: Context, evidence: readonly Evidence[]): boolean {
  return context.store.rehearse(() =>
    evidence.some((each) => {
      const { decision, listing } = recordOne(context, each)
      return decision === 'listed' && listing?.state !== 'shadow'
    }),
  )
}

/** Keeps what DNS said of a host, and shows or hides its listing by trap. Runs inside a transaction. */
export function learnHost(context: Context, asked: HostQuestions, facts: HostFacts): void {
  const { store, now, hostsKnownAfter } = context
  // What is learnt is current, even in the second in which the configuration was read again.
  const askedAt = Math.max(now, (hostsKnownAfter ?? 0) + 1)
  store.hosts.set(asked.host, { ...facts, askedAt, questions: questionsKey(asked) })
  placeHost(context, { name: 'dns' }, asked.host)
}

/** Decides again whether the listings by trap that cover a host show. Runs inside a transaction. */
export function placeHost(context: Context, actor: Actor, host: Address): void {
  for (const prefix of context.store.listings.covering(host)) {
    const row = standingAt(context, prefix).find(({ origin }) => origin === 'trap')
    if (row !== undefined) placeTrapListing(context, actor, row)
  }
}

/** Goes round all listings by trap. */
export class HostRounds {
  /** The last listing of the round. */
  #last = 0
  /** Which of the held listings comes first. It moves on, so that those without an answer do not keep the others waiting. */
  #turn = 0

  /**
   * What to ask now, at most `limit`: first about listings that are held and will show soon, then about the next ones of the
   * round. A listing is left out while only its kinds keep it from showing.
   */
  next(context: Context, limit: number): HostQuestions[] {
    if (context.hostsKnownAfter === null) return []
    const { listings } = context.store
    const due: HostQuestions[] = []
    const held = listings.due(context.now + longestWaitSeconds, heldAtOnce)
    for (const _ of held) {
      if (due.length === limit) return due
      this.#turn = (this.#turn + 1) % held.length
      const row = held[this.#turn]
      const questions = row && questionsFor(context, row)
      if (questions) due.push(questions)
    }
    const rows = listings.askedAfter(this.#last, listingsAtOnce)
    for (const row of rows) {
      if (due.length === limit) return due
      const questions = questionsFor(context, row)
      if (questions) due.push(questions)
      this.#last = row.id
    }
    if (rows.length < listingsAtOnce) this.#last = 0
    return due
  }
}
