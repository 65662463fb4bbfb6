// Where the next page begins, as opaque text. It carries what the page is sorted by, not what it ended with: that may be
// gone by then, or the list may have been imported again.
import { contains, formatPrefix, type Prefix, parsePrefix } from '../ip/address.ts'
import type { RowPosition } from '../store/listing-rows.ts'
import { entryId, readEntryId } from './types.ts'

/** Behind a prefix in a named list, whether it has an entry there or not. */
export interface EntryPosition {
  readonly list: string
  readonly prefix: Prefix
}

export type ListingPosition = RowPosition | EntryPosition

export function listingCursor(position: ListingPosition): string {
  const { prefix } = position
  const text =
    'list' in position ? entryId(position.list, prefix) : `${position.id} ${formatPrefix(prefix)}`
  return Buffer.from(text).toString('base64url')
}

/** undefined: not one of ours, or not of a page of what is at or inside `within`. */
export function readListingCursor(
  cursor: string,
  within: Prefix | undefined,
): ListingPosition | undefined {
  const text = Buffer.from(cursor, 'base64url').toString()
  const position = readRowPosition(text) ?? readEntryId(text)
  if (position === undefined || listingCursor(position) !== cursor) return undefined
  return within && !contains(within, position.prefix) ? undefined : position
}

function readRowPosition(text: string): RowPosition | undefined {
  const [idText = '', prefixText = ''] = text.split(' ')
  const id = readIdCursor(idText)
  const parsed = parsePrefix(prefixText)
  return id === undefined || 'why' in parsed ? undefined : { id, prefix: parsed.value }
}

/** A cursor of what is sorted by id alone. */
export function readIdCursor(cursor: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(cursor) ? Number(cursor) : undefined
}
