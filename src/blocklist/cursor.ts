// Where the next page begins, as opaque text. It carries what the page is sorted by, not the row it ended with: that
// may be gone by then. Called by the door.
import { contains, formatPrefix, type Prefix, parsePrefix } from '../ip/address.ts'

/** The last listing of a page, as far as the order goes. */
export interface ListingPosition {
  readonly id: number
  readonly prefix: Prefix
}

export function listingCursor({ id, prefix }: ListingPosition): string {
  return Buffer.from(`${id} ${formatPrefix(prefix)}`).toString('base64url')
}

/** undefined: not one of ours, or not of a page of what is at or inside `within`. */
export function readListingCursor(
  cursor: string,
  within: Prefix | undefined,
): ListingPosition | undefined {
  const [idText = '', prefixText = ''] = Buffer.from(cursor, 'base64url').toString().split(' ')
  const id = readIdCursor(idText)
  const parsed = parsePrefix(prefixText)
  if (id === undefined || 'why' in parsed) return undefined
  const position = { id, prefix: parsed.value }
  if (listingCursor(position) !== cursor) return undefined
  return within && !contains(within, position.prefix) ? undefined : position
}

/** A cursor of what is sorted by id alone. */
export function readIdCursor(cursor: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(cursor) ? Number(cursor) : undefined
}
