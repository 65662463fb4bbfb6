// What every change stands on: the store, the publisher to tell before rows change, the policy, the time. Handed by
// the door to the files that do one kind of change each, inside a transaction.
import type { Prefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import type { CurrentListing } from '../store/listing-rows.ts'
import type { ListsAhead } from './lists-ahead.ts'
import { listingOf } from './outcomes.ts'
import type { PolicyOptions } from './policy.ts'
import type { Publisher } from './publish.ts'

export interface Ground {
  readonly store: Store
  readonly publisher: Publisher
  readonly ahead: ListsAhead | undefined
  readonly policy: PolicyOptions
  /** The trap pattern that an address falls under, or undefined. */
  readonly trapOf: (address: string) => string | undefined
  /** Epoch seconds. */
  readonly now: number
}

/** Enters a change into the audit; states as the interface shows them. */
export function audit(
  { store, now }: Ground,
  actor: string,
  action: string,
  target: string,
  change: { readonly before: unknown; readonly after: unknown },
): void {
  store.audit.insert({ at: now, actor, action, target, ...change })
}

/** Ends a row by hand or by the configuration, also in a list on its way in: evidence up to now no longer counts. */
export function remove({ store, now }: Ground, { id, list, prefix }: CurrentListing): void {
  store.listings.end(id, 'removed', now, store.evidence.newestId())
  if (list !== null) store.generations.withdraw(list, prefix)
}

/**
 * The rows that hold at exactly this prefix now. Rows whose time is over, but which expire() has not come to yet, are
 * ended first. The prefix must have been touched.
 */
export function standingAt({ store, now }: Ground, prefix: Prefix): CurrentListing[] {
  return store.listings.currentAt(prefix).filter((row) => {
    if (row.expiresAt === null || row.expiresAt > now) return true
    store.listings.end(row.id, 'expired', row.expiresAt, null)
    return false
  })
}

/** The row as the interface shows it, read back after a change. */
export function shown({ store }: Ground, id: number) {
  const row = store.listings.byId(id)
  if (!row) throw new Error(`listing ${id} is gone`)
  return listingOf(row)
}
