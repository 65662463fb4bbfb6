// The row of a listing by trap. Only this file writes its state: listed, held back for a while, or only counted (shadow).
// Runs inside a transaction.
import type { Prefix } from '../ip/address.ts'
import type { CurrentListing, NewListingRow } from '../store/listings.ts'
import type { Context } from './context.ts'
import { heldUntil } from './policy.ts'

/** What the evidence decides of a listing by trap. */
export type TrapListing = Pick<
  NewListingRow,
  'kinds' | 'episode' | 'termSeconds' | 'lastHitAt' | 'expiresAt' | 'hits' | 'basis'
>

/** The columns that say whether DNS answers a listing by trap, and why not. */
type Placement = Pick<NewListingRow, 'state' | 'shadow' | 'heldUntil'>

/** Inserts the row of a new listing by trap. Returns its id. */
export function insertTrapListing(context: Context, prefix: Prefix, listing: TrapListing): number {
  const { store, now } = context
  return store.listings.insert({
    prefix,
    ...listing,
    ...placeNew(context, prefix, listing.kinds),
    origin: 'trap',
    reason: null,
    createdAt: now,
  })
}

/**
 * Changes a present listing by trap, and places it anew. Without `becomes` only its place may change. A listing that shows
 * already is not held back.
 */
export function changeTrapListing(
  context: Context,
  row: CurrentListing,
  becomes: Partial<TrapListing> = {},
): void {
  const next = { ...row, ...becomes }
  context.store.listings.change(row, { ...next, ...placeAgain(context, next) })
}

/** Places a held listing whose time to show has come. */
export function releaseTrapListing(context: Context, row: CurrentListing): void {
  const shadow = whyShadow(context, row.prefix, row.kinds)
  const state = shadow === null ? 'listed' : 'shadow'
  context.store.listings.change(row, { ...row, state, shadow, heldUntil: null })
}

/** A new listing is held back first if the policy says so. */
function placeNew(context: Context, prefix: Prefix, kinds: number): Placement {
  const { policy, now } = context
  const shadow = whyShadow(context, prefix, kinds)
  if (shadow !== null) return { state: 'shadow', shadow, heldUntil: null }
  return policy.holdForSeconds > 0
    ? { state: 'held', shadow: null, heldUntil: heldUntil(now, policy) }
    : { state: 'listed', shadow: null, heldUntil: null }
}

/** A shadow listing that may show now starts like a new one. */
function placeAgain(context: Context, row: CurrentListing): Placement {
  if (row.state === 'shadow') return placeNew(context, row.prefix, row.kinds)
  const shadow = whyShadow(context, row.prefix, row.kinds)
  return shadow === null ? row : { state: 'shadow', shadow, heldUntil: null }
}

/** Why a listing of these kinds is only counted. null if DNS may answer it. */
function whyShadow({ publisher }: Context, _prefix: Prefix, kinds: number): string | null {
  return (kinds & publisher.publishedKinds) === 0 ? 'kind' : null
}
