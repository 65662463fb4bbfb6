// What each change of the blocklist reads and writes, and the audit of changes. Runs inside a transaction.
import type { AuditAction } from '../store/audit.ts'
import type { Store } from '../store/database.ts'
import type { ListingRow } from '../store/listings.ts'
import type { PolicyOptions } from './policy.ts'
import type { Publisher } from './publish.ts'
import { type Actor, type Listing, listingOf } from './types.ts'

/** The objects that a change reads and writes. */
export interface Context {
  readonly store: Store
  /** Tells which kinds are answered, now and in the last publication. */
  readonly publisher: Pick<Publisher, 'publishedKinds' | 'last' | 'rules'>
  readonly policy: PolicyOptions
  /** Finds the trap pattern that an address matches, or undefined. */
  readonly trapOf: (address: string) => string | undefined
  /** Answers of DNS about hosts are current if they came after this (epoch seconds). null: DNS is not asked about hosts. */
  readonly hostsKnownAfter: number | null
  /** Epoch seconds. */
  readonly now: number
}

/** Adds a line to the audit. `before` and `after`: the target as the HTTP interface shows it; null if there was or is none. */
export function audit(
  { store, now }: Context,
  actor: Actor,
  action: AuditAction,
  target: string,
  before: object | null,
  after: object | null,
): void {
  store.audit.insert({ at: now, actor: actor.name, action, target, before, after })
}

/** Adds the change of a row to the audit and returns its new state. `before`: the row as it was, or null if it is new. */
export function auditRow(
  context: Context,
  actor: Actor,
  action: AuditAction,
  id: number,
  before: ListingRow | null,
): Listing {
  const listing = currentListing(context, id)
  audit(context, actor, action, listing.prefix, before && listingOf(before), listing)
  return listing
}

/** Reads a row again after a change. */
export function currentListing({ store }: Context, id: number): Listing {
  const row = store.listings.byId(id)
  if (!row) throw new Error(`listing ${id} is gone`)
  return listingOf(row)
}
