// What the store has, a page at a time: listings and exceptions, with the cursor that leads to the next page. Called by
// the door.
import { setImmediate } from 'node:timers/promises'
import type { BackscatterKind } from '../bounce/kinds.ts'
import type { Store } from '../store/database.ts'
import type { ListingFilter } from '../store/listing-pages.ts'
import type { ListingRow } from '../store/listing-rows.ts'
import { listingCursor, readIdCursor, readListingCursor } from './cursor.ts'
import { type ExceptionKind, tableOf } from './exceptions.ts'
import { kindsMask } from './kinds.ts'
import {
  type Exception,
  exceptionOf,
  type Listing,
  listingOf,
  type Page,
  type Refusal,
} from './outcomes.ts'

export interface PageRequest {
  readonly limit: number
  /** `nextCursor` of the page before. */
  readonly cursor?: string
}

export type ListingsFilter = Omit<ListingFilter, 'kinds'> & { readonly kind?: BackscatterKind }

const unknownCursor: Refusal = { refused: 'invalid', why: 'the cursor is not one of ours' }

/**
 * Listings of every state: newest first, or by length and address at or inside `filter.prefix`. Leaves the event loop to
 * others between steps: in a large list what passes the filter may be rare.
 */
export async function listingsPage(
  store: Store,
  filter: ListingsFilter,
  page: PageRequest,
): Promise<Page<Listing> | Refusal> {
  const { kind, ...rest } = filter
  const { cursor, limit } = page
  const after = cursor === undefined ? undefined : readListingCursor(cursor, filter.prefix)
  if (cursor !== undefined && !after) return unknownCursor
  const mask = kind === undefined ? {} : { kinds: kindsMask([kind]) }
  const rows: ListingRow[] = []
  for (const step of store.listings.page({ ...rest, ...mask }, limit + 1, after)) {
    rows.push(...step)
    await setImmediate()
  }
  return pageOf(rows, limit, listingOf, listingCursor)
}

/** Newest first. */
export function exceptionsPage(
  store: Store,
  kind: ExceptionKind,
  page: PageRequest,
): Page<Exception> | Refusal {
  const before = page.cursor === undefined ? undefined : readIdCursor(page.cursor)
  if (page.cursor !== undefined && before === undefined) return unknownCursor
  const rows = tableOf({ store }, kind).page(page.limit + 1, before)
  return pageOf(rows, page.limit, exceptionOf, ({ id }) => String(id))
}

/** Of `limit` rows and one more, if there is one. */
function pageOf<Row, T>(
  rows: readonly Row[],
  limit: number,
  shown: (row: Row) => T,
  cursorOf: (row: Row) => string,
): Page<T> {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    items: page.map(shown),
    nextCursor: rows.length > limit && last ? cursorOf(last) : null,
  }
}
