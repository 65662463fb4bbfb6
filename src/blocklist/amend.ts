// One listing changed or ended by its id, as it was when the caller last looked. Called by the door, inside a
// transaction.

import { formatPrefix } from '../ip/address.ts'
import type { CurrentListing, ListingRow } from '../store/listing-rows.ts'
import { audit, type Context, remove, removeEntry, shown, standingAt } from './context.ts'
import {
  type Actor,
  type AmendOutcome,
  type Expectation,
  kindsMask,
  type ListingChange,
  listingOf,
  listingOfEntry,
  type Refusal,
  readEntryId,
} from './types.ts'
import { entriesAt, type StandingEntry } from './zone-entry.ts'

/** Changes one listing. 'changed' when it is not as expected; 'conflict' when it has ended or an import owns it. */
export function amendListing(
  context: Context,
  id: number | string,
  change: ListingChange,
  expected: Expectation,
  actor: Actor,
): AmendOutcome {
  if (typeof id === 'string') {
    const standing = standingEntry(context, id, () => true)
    if ('refused' in standing) return standing
    return conflict(`is an entry of list ${standing.list.name}: change it there, and import that`)
  }
  const row = standingRow(context, id, expected)
  if ('refused' in row) return row
  if (change.kinds !== undefined && row.origin !== 'manual') {
    return conflict('was listed on evidence, which says its kinds')
  }
  const { expiresAt = row.expiresAt, reason = row.reason } = change
  if (expiresAt !== null && expiresAt <= context.now) {
    return { refused: 'invalid', why: 'would have expired already: remove it instead' }
  }
  const kinds = change.kinds === undefined ? row.kinds : kindsMask(change.kinds)
  context.store.listings.change(row, { ...row, kinds, expiresAt, reason: reason || null })
  const listing = shown(context, id)
  audit(context, actor.name, 'amend', listing.prefix, { before: listingOf(row), after: listing })
  return { outcome: 'amended', listing }
}

/**
 * Ends one listing and leaves others of the same prefix alone. Its evidence no longer counts. An entry of a list comes
 * back when the list is imported again.
 */
export function removeListing(
  context: Context,
  id: number | string,
  expected: Expectation,
  actor: Actor,
): AmendOutcome {
  if (typeof id === 'string') {
    const standing = standingEntry(context, id, expected)
    if ('refused' in standing) return standing
    const before = listingOfEntry(standing.list.name, standing.entry, 'listed')
    const listing = removeEntry(context, standing)
    audit(context, actor.name, 'delist', listing.prefix, { before, after: listing })
    return { outcome: 'removed', listing }
  }
  const row = standingRow(context, id, expected)
  if ('refused' in row) return row
  remove(context, row)
  const listing = shown(context, id)
  const change = { before: listingOf(row), after: listing }
  audit(context, actor.name, 'delist', formatPrefix(row.prefix), change)
  return { outcome: 'removed', listing }
}

function standingRow(
  context: Context,
  id: number,
  expected: Expectation,
): CurrentListing | Refusal {
  const known: ListingRow | undefined = context.store.listings.byId(id)
  if (known === undefined) return noSuch(id)
  const row = standingAt(context, known.prefix).find((each) => each.id === id)
  if (row === undefined) return conflict('has ended already')
  return expected(listingOf(row)) ? row : changedSince
}

function standingEntry(
  context: Context,
  id: string,
  expected: Expectation,
): StandingEntry | Refusal {
  const named = readEntryId(id)
  const list = named && context.store.lists.named(named.list)
  if (!named || !list || !context.store.lists.find(list.version, named.prefix)) return noSuch(id)
  const standing = entriesAt(context.store, context.now, named.prefix).find(
    (each) => each.list.id === list.id,
  )
  if (standing === undefined) return conflict('has ended already')
  return expected(listingOfEntry(list.name, standing.entry, 'listed')) ? standing : changedSince
}

const changedSince: Refusal = {
  refused: 'changed',
  why: 'has been changed since: read it again',
}

function noSuch(id: number | string): Refusal {
  return { refused: 'not-listed', why: `there is no listing ${id}` }
}

function conflict(why: string): Refusal {
  return { refused: 'conflict', why }
}
