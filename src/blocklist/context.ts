// What every change stands on: the store, the policy, the time. Handed by the door to the files that do one kind of
// change each, inside a transaction.
import type { Prefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import type { CurrentListing } from '../store/listing-rows.ts'
import type { PolicyOptions } from './policy.ts'
import type { Publisher } from './publish.ts'
import { type Listing, listingOf, listingOfEntry } from './types.ts'
import type { StandingEntry } from './zone-entry.ts'

export interface Context {
  readonly store: Store
  /** Says which kinds are answered, now and as last published. */
  readonly publisher: Pick<Publisher, 'publishedKinds' | 'last' | 'rules'>
  readonly policy: PolicyOptions
  /** The trap pattern that an address falls under, or undefined. */
  readonly trapOf: (address: string) => string | undefined
  /** Epoch seconds. */
  readonly now: number
}

/** Enters a change into the audit; states as the interface shows them. */
export function audit(
  { store, now }: Context,
  actor: string,
  action: string,
  target: string,
  change: { readonly before: unknown; readonly after: unknown },
): void {
  store.audit.insert({ at: now, actor, action, target, ...change })
}

/** Ends a row by hand or by the configuration: evidence up to now no longer counts. */
export function remove({ store, now }: Context, row: CurrentListing): void {
  store.listings.end(row, 'removed', now, store.evidence.newestId())
}

/** Hides an entry until its list is imported again; as `remove` otherwise. Says what it is now. */
export function removeEntry({ store, now }: Context, { list, entry }: StandingEntry): Listing {
  if (list.version === null) throw new Error(`list ${list.name} has no entries`)
  const { prefix, attributes, listedAt } = entry
  store.listings.insertRemoved(
    { prefix, ...attributes, createdAt: listedAt, listId: list.id, version: list.version },
    now,
    store.evidence.newestId(),
  )
  return listingOfEntry(list.name, entry, 'removed')
}

/** The rows that hold at exactly this prefix now. One whose time is over, but which expire() has not come to, is ended. */
export function standingAt({ store, now }: Context, prefix: Prefix): CurrentListing[] {
  return store.listings.currentAt(prefix).filter((row) => {
    if (row.expiresAt === null || row.expiresAt > now) return true
    store.listings.end(row, 'expired', row.expiresAt, null)
    return false
  })
}

/** The row as the interface shows it, read back after a change. */
export function shown({ store }: Context, id: number) {
  const row = store.listings.byId(id)
  if (!row) throw new Error(`listing ${id} is gone`)
  return listingOf(row)
}
