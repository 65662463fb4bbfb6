// Which hosts of listings DNS must be asked about, and what its answers change.
import type { HostFacts, HostQuestions } from '../classify/evidence.ts'
import type { Address } from '../ip/address.ts'
import type { Context } from './context.ts'
import { longestWaitSeconds, questionsFor, questionsKey } from './known-hosts.ts'
import { standingAt } from './listings.ts'
import { replaceTrapListing } from './trap-listing.ts'
import type { Actor } from './types.ts'

/** One call looks at this many listings. */
const listingsAtOnce = 100

/** Keeps what DNS said of a host, and shows or hides its listing by trap. Runs inside a transaction. */
export function learnHost(context: Context, asked: HostQuestions, facts: HostFacts): void {
  const { store, now, hostsKnownAfter } = context
  // What is learnt is current, even in the second in which the configuration was read again.
  const askedAt = Math.max(now, (hostsKnownAfter ?? 0) + 1)
  store.hosts.set(asked.host, { ...facts, askedAt, questions: questionsKey(asked) })
  placeHost(context, { name: 'dns' }, asked.host)
}

/** Places the present listings by trap that cover a host anew. Runs inside a transaction. */
export function placeHost(context: Context, actor: Actor, host: Address): void {
  for (const prefix of context.store.listings.covering(host)) {
    const row = standingAt(context, prefix).find(({ origin }) => origin === 'trap')
    if (row !== undefined) replaceTrapListing(context, actor, row)
  }
}

/** Goes round all listings by trap. */
export class HostRounds {
  /** The last listing that was looked at. */
  #last = 0

  /**
   * What to ask now, at most `limit`: first about listings that are held and will show soon, then about the next ones of the
   * round. A listing is left out while only its kinds keep it from showing.
   */
  next(context: Context, limit: number): HostQuestions[] {
    const { listings } = context.store
    const due: HostQuestions[] = []
    for (const row of listings.due(context.now + longestWaitSeconds, limit)) {
      if (due.length < limit) due.push(...questionsFor(context, row))
    }
    const rows = listings.askedAfter(this.#last, listingsAtOnce)
    for (const row of rows) {
      if (due.length >= limit) return due.slice(0, limit)
      due.push(...questionsFor(context, row))
      this.#last = row.id
    }
    if (rows.length < listingsAtOnce) this.#last = 0
    return due.slice(0, limit)
  }
}
