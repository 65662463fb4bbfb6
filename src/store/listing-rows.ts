// A row of the table of listings, as it is written and as it is read. Called by the files that read or write that table.
import type { Prefix } from '../ip/address.ts'
import { type PrefixRow, prefixOf } from './prefix-columns.ts'

export const listingStates = ['listed', 'held', 'shadow', 'expired', 'removed'] as const
export type ListingState = (typeof listingStates)[number]
export const listingOrigins = ['trap', 'manual', 'import'] as const
export type ListingOrigin = (typeof listingOrigins)[number]

/** What is written of a listing; times in epoch seconds. */
export interface NewListing {
  readonly prefix: Prefix
  /** Mask: bit i is the i-th kind of bounce/evidence.ts. */
  readonly kinds: number
  readonly state: 'listed' | 'held' | 'shadow'
  readonly origin: ListingOrigin
  readonly reason: string | null
  readonly createdAt: number
  readonly lastHitAt: number | null
  /** null: permanent. */
  readonly expiresAt: number | null
  /** When a held listing is due. */
  readonly heldUntil: number | null
  readonly hits: number
  readonly episode: number
  /** Seconds one hit lists for; null where no hits list it. */
  readonly termSeconds: number | null
}

export interface ListingRow extends Omit<NewListing, 'state'> {
  readonly id: number
  readonly state: ListingState
  /** Name of the list whose entry it was: history alone. */
  readonly list: string | null
  readonly endedAt: number | null
}

/** A row, as far as one is needed to find it again, or the place behind it in a page. */
export type RowPosition = Pick<ListingRow, 'id' | 'prefix'>

/** A row that holds. */
export type CurrentListing = ListingRow & Pick<NewListing, 'state'>

/** What may change while a listing holds. */
export type ListingChange = Pick<
  NewListing,
  'kinds' | 'state' | 'reason' | 'lastHitAt' | 'expiresAt' | 'heldUntil' | 'hits' | 'episode'
> & { readonly termSeconds: number | null }

export type RawListing = PrefixRow & Omit<ListingRow, 'prefix'>

/** What is read of a row, in the order that `listingOfFields` takes it in. */
export const listingFields = [
  ...['id', 'family', 'length', 'w0', 'w1', 'w2', 'w3', 'kinds', 'state', 'origin'],
  '(SELECT name FROM lists WHERE lists.id = list_id) AS list',
  ...['reason', 'created_at AS createdAt', 'last_hit_at AS lastHitAt', 'expires_at AS expiresAt'],
  ...['held_until AS heldUntil', 'ended_at AS endedAt', 'hits', 'episode', 'term AS termSeconds'],
]

// SQLite plans a statement anew for each set of values when it joins, or sorts what its values select, which takes ten
// times what reading the row does: the hot statements here do neither.
export const listingColumns = listingFields.join(', ')
/** A WHERE term for rows that hold. */
export const isCurrent = `state IN ('listed', 'held', 'shadow')`

/** A row by its fields in order: as an object, SQLite's binding takes longer to make it than to read it. */
export function listingOfFields(fields: readonly unknown[]): ListingRow {
  const [id, family, length, w0, w1, w2, w3, kinds, state, origin, list, reason, ...rest] = fields
  const [createdAt, lastHitAt, expiresAt, heldUntil, endedAt, hits, episode, termSeconds] = rest
  return {
    ...{ id, prefix: { family, w0, w1, w2, w3, length }, kinds, state, origin, list, reason },
    ...{ createdAt, lastHitAt, expiresAt, heldUntil, endedAt, hits, episode, termSeconds },
  } as ListingRow
}

export function listingOf(row: RawListing): ListingRow {
  const { family, length, w0, w1, w2, w3, ...rest } = row
  return { ...rest, prefix: prefixOf({ family, length, w0, w1, w2, w3 }) }
}
