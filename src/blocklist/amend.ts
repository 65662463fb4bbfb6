// One listing changed or ended by its id, as it was when the caller last looked. Called by the door, inside a
// transaction.
import type { BackscatterKind } from '../bounce/kinds.ts'
import { formatPrefix } from '../ip/address.ts'
import type { CurrentListing, ListingRow } from '../store/listing-rows.ts'
import { audit, type Ground, remove, shown, standingAt } from './ground.ts'
import { kindsMask } from './kinds.ts'
import { type Actor, type Listing, listingOf, type Refusal } from './outcomes.ts'

/** What is given is set; what is absent stays. */
export interface ListingChange {
  /** For a listing by hand alone: what a trap heard is not a matter of opinion. */
  readonly kinds?: readonly BackscatterKind[]
  /** null: none. */
  readonly reason?: string | null
  /** Epoch seconds, shorter or longer; null: permanent. */
  readonly expiresAt?: number | null
}

export type AmendOutcome =
  | { readonly outcome: 'amended' | 'removed'; readonly listing: Listing }
  | Refusal

/** Whether the listing is still what the caller takes it for. */
export type Expectation = (listing: Listing) => boolean

/** Changes one listing. 'changed' when it is not as expected; 'conflict' when it has ended or an import owns it. */
export function amendListing(
  ground: Ground,
  id: number,
  change: ListingChange,
  expected: Expectation,
  actor: Actor,
): AmendOutcome {
  const row = standingRow(ground, id, expected)
  if ('refused' in row) return row
  if (row.origin === 'import') {
    return conflict('comes from a named list: change it there, and import that')
  }
  if (change.kinds !== undefined && row.origin !== 'manual') {
    return conflict('was listed on evidence, which says its kinds')
  }
  const { expiresAt = row.expiresAt, reason = row.reason } = change
  if (expiresAt !== null && expiresAt <= ground.now) {
    return { refused: 'invalid', why: 'would have expired already: remove it instead' }
  }
  const kinds = change.kinds === undefined ? row.kinds : kindsMask(change.kinds)
  ground.store.listings.change(id, { ...row, kinds, expiresAt, reason: reason || null })
  const listing = shown(ground, id)
  audit(ground, actor.name, 'amend', listing.prefix, { before: listingOf(row), after: listing })
  return { outcome: 'amended', listing }
}

/** Ends one listing and leaves others of the same prefix alone. Its evidence no longer counts. */
export function removeListing(
  ground: Ground,
  id: number,
  expected: Expectation,
  actor: Actor,
): AmendOutcome {
  const row = standingRow(ground, id, expected)
  if ('refused' in row) return row
  remove(ground, row)
  const listing = shown(ground, id)
  const change = { before: listingOf(row), after: listing }
  audit(ground, actor.name, 'delist', formatPrefix(row.prefix), change)
  return { outcome: 'removed', listing }
}

function standingRow(ground: Ground, id: number, expected: Expectation): CurrentListing | Refusal {
  const known: ListingRow | undefined = ground.store.listings.byId(id)
  if (known === undefined) return { refused: 'not-listed', why: `there is no listing ${id}` }
  ground.publisher.touch(known.prefix)
  const row = standingAt(ground, known.prefix).find((each) => each.id === id)
  if (row === undefined) return conflict('has ended already')
  if (!expected(listingOf(row))) {
    return { refused: 'changed', why: 'has been changed since: read it again' }
  }
  return row
}

function conflict(why: string): Refusal {
  return { refused: 'conflict', why }
}
