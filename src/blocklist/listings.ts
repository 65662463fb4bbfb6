// Changes to listings: listing, delisting and amending by hand, and listings that expire or become due. Each function runs
// inside a transaction.
import { contains, formatPrefix, type Prefix } from '../ip/address.ts'
import { describeSpecialRange, specialPurposeRange } from '../ip/special-purpose.ts'
import type { CurrentListing, ListingRow } from '../store/listings.ts'
import { audit, auditRow, type Context } from './context.ts'
import { releaseTrapListing } from './trap-listing.ts'
import {
  type Actor,
  type AmendOutcome,
  type Expectation,
  kindsMask,
  type Listing,
  type ListingChange,
  type ListOutcome,
  type ListRequest,
  listingOf,
  listingOfEntry,
  type Refusal,
  type RequestRefusal,
  readEntryId,
} from './types.ts'
import { entriesAt, type StandingEntry } from './zone-entry.ts'

/** One transaction ends or publishes at most this many rows. */
const expiryBatch = 500

const changedSince: Refusal = {
  refused: 'changed',
  why: 'has changed meanwhile: read it again',
}

/** Ends a row and returns its new state. */
export function removeRow(context: Context, actor: Actor, row: ListingRow): Listing {
  const { store, now } = context
  store.listings.end(row, 'removed', now, evidenceMark(context, row))
  return auditRow(context, actor, 'delist', row.id, row)
}

/** Hides an entry until its list is imported again, and returns its new state. */
export function hideEntry(context: Context, { list, entry }: StandingEntry): Listing {
  if (list.version === null) throw new Error(`list ${list.name} has no entries`)
  const { prefix, attributes, listedAt } = entry
  context.store.listings.insertRemoved(
    { prefix, ...attributes, createdAt: listedAt, listId: list.id, version: list.version },
    context.now,
    evidenceMark(context, { prefix, origin: 'import' }),
  )
  return listingOfEntry(list.name, entry, 'removed')
}

/**
 * The id of the newest evidence: up to now, evidence of a removed prefix no longer counts. null if a listing by trap stays: it
 * keeps its evidence.
 */
function evidenceMark(
  context: Context,
  { prefix, origin }: Pick<ListingRow, 'prefix' | 'origin'>,
): number | null {
  const isLast =
    origin === 'trap' || standingAt(context, prefix).every((row) => row.origin !== 'trap')
  return isLast ? context.store.evidence.newestId() : null
}

/** Returns the present rows of exactly this prefix, after ending those that have expired. */
export function standingAt({ store, now }: Context, prefix: Prefix): CurrentListing[] {
  return store.listings.currentAt(prefix).filter((row) => {
    if (row.expiresAt === null || row.expiresAt > now) return true
    store.listings.end(row, 'expired', row.expiresAt, null)
    return false
  })
}

/** Lists each prefix by hand, or extends the listing by hand that it has already. Changes nothing if one prefix is refused. */
export function listAll(
  context: Context,
  requests: readonly ListRequest[],
  actor: Actor,
): ListOutcome[] | RequestRefusal {
  const refusals = requests.flatMap((request) => {
    const refusal = refusalOf(context, request)
    return refusal ? [{ ...refusal, prefix: request.prefix }] : []
  })
  if (refusals.length > 0) return { refusals }
  return requests.map((request) => list(context, request, actor))
}

/** Removes all listings of exactly these prefixes and returns them. Changes nothing if one prefix is refused. */
export function delistAll(
  context: Context,
  prefixes: readonly Prefix[],
  actor: Actor,
): Listing[] | RequestRefusal {
  const refusals = prefixes.flatMap((prefix) =>
    isListedAt(context, prefix) ? [] : [{ ...nothingToRemove(context, prefix), prefix }],
  )
  if (refusals.length > 0) return { refusals }
  return prefixes.flatMap((prefix) => [
    ...standingAt(context, prefix).map((row) => removeRow(context, actor, row)),
    ...entriesAt(context.store, context.now, prefix).map((each) =>
      removeEntry(context, actor, each),
    ),
  ])
}

/** Why the prefix may not be listed by hand or import. Undefined if it may. */
export function refusalOf(
  { store, policy, now }: Pick<Context, 'store' | 'policy' | 'now'>,
  { prefix, expiresAt }: Pick<ListRequest, 'prefix' | 'expiresAt'>,
): Refusal | undefined {
  const special = specialPurposeRange(prefix, policy.allowSpecial)
  if (special) {
    const relation = contains(special.prefix, prefix) ? 'is in' : 'contains'
    return {
      refused: 'special-purpose',
      why: `${relation} ${describeSpecialRange(special)}, which is listed only if policy.allowSpecial names it`,
    }
  }
  const exemption = store.exemptions.covering(prefix)
  if (exemption) {
    const note = exemption.note ? ` (${exemption.note})` : ''
    const why = `is exempt: ${formatPrefix(exemption.prefix)}${note}; end that exemption first`
    return { refused: 'exempt', why }
  }
  const shortest = prefix.family === 4 ? policy.shortest4 : policy.shortest6
  if (prefix.length < shortest) {
    return {
      refused: 'too-short',
      why: `is shorter than policy.shortest${prefix.family} (${shortest}): list longer prefixes in it, or lower that key`,
    }
  }
  if (store.exclusions.has(prefix)) {
    return { refused: 'excluded', why: 'is excluded: include it first' }
  }
  if (typeof expiresAt === 'number' && expiresAt <= now) {
    return { refused: 'invalid', why: 'has an expiry time in the past' }
  }
  return undefined
}

function list(context: Context, request: ListRequest, actor: Actor): ListOutcome {
  const { store, policy, now } = context
  const { prefix } = request
  const reason = request.reason || null
  const kinds = kindsMask(request.kinds)
  const expiresAt =
    request.expiresAt === undefined ? now + policy.longestListingSeconds : request.expiresAt
  const row = standingAt(context, prefix).find(({ origin }) => origin === 'manual')
  if (row) {
    const isPermanent = row.expiresAt === null || expiresAt === null
    const after = {
      kinds: row.kinds | kinds,
      reason: reason ?? row.reason,
      expiresAt: isPermanent ? null : Math.max(row.expiresAt, expiresAt),
    }
    store.listings.change(row, { ...row, state: 'listed', ...after })
    const listing = auditRow(context, actor, 'list', row.id, row)
    if (after.expiresAt !== row.expiresAt) return { outcome: 'extended', listing }
    const isSame = after.kinds === row.kinds && after.reason === row.reason
    return { outcome: isSame ? 'unchanged' : 'amended', listing }
  }
  const id = store.listings.insert({
    prefix,
    kinds,
    state: 'listed',
    origin: 'manual',
    reason,
    createdAt: now,
    lastHitAt: null,
    expiresAt,
    heldUntil: null,
    hits: 0,
    episode: 1,
    termSeconds: null,
    shadow: null,
    basis: null,
  })
  return { outcome: 'listed', listing: auditRow(context, actor, 'list', id, null) }
}

/** Whether anything is listed at exactly this prefix: a row, or an entry of a list. */
function isListedAt({ store, now }: Context, prefix: Prefix): boolean {
  return (
    store.listings
      .currentAt(prefix)
      .some(({ expiresAt }) => expiresAt === null || expiresAt > now) ||
    entriesAt(store, now, prefix).length > 0
  )
}

function nothingToRemove(context: Context, prefix: Prefix): Refusal {
  const { lists, listings } = context.store
  const around = [...listings.covering(prefix)]
  for (const { version } of lists.all()) {
    for (const entry of lists.covering(version, prefix)) around.push(entry.prefix)
  }
  const wider = around
    .filter(({ length }) => length < prefix.length)
    .sort((a, b) => b.length - a.length)
    .find((each) => isListedAt(context, each))
  if (!wider) return { refused: 'not-listed', why: 'is not listed' }
  return {
    refused: 'covered',
    why: `is not an entry of its own but is covered by ${formatPrefix(wider)}: remove that, or exclude this`,
  }
}

function removeEntry(context: Context, actor: Actor, standing: StandingEntry): Listing {
  const before = listingOfEntry(standing.list.name, standing.entry, 'listed')
  const listing = hideEntry(context, standing)
  audit(context, actor, 'delist', listing.prefix, before, listing)
  return listing
}

/**
 * Changes one listing. Refuses with 'not-listed' if there is none with that id, 'changed' if the caller expected another state,
 * 'invalid' if it would end in the past, and 'conflict' if it has ended, comes from an imported list, or would get other kinds
 * than its evidence has.
 */
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
    return conflict(
      `is an entry of list ${standing.list.name}: change the list and import it again`,
    )
  }
  const row = standingRow(context, id, expected)
  if ('refused' in row) return row
  if (change.kinds !== undefined && row.origin !== 'manual') {
    return conflict('was listed because of evidence, which decides its kinds')
  }
  const { expiresAt = row.expiresAt, reason = row.reason } = change
  if (expiresAt !== null && expiresAt <= context.now) {
    return { refused: 'invalid', why: 'cannot expire in the past: remove it instead' }
  }
  const kinds = change.kinds === undefined ? row.kinds : kindsMask(change.kinds)
  context.store.listings.change(row, { ...row, kinds, expiresAt, reason: reason || null })
  return { outcome: 'amended', listing: auditRow(context, actor, 'amend', id, row) }
}

/**
 * Ends one listing; others of the same prefix stay. Its evidence no longer counts. An entry of a list comes back when the
 * list is imported again. Refuses with 'not-listed', 'changed', or 'conflict' if the listing has ended.
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
    return { outcome: 'removed', listing: removeEntry(context, actor, standing) }
  }
  const row = standingRow(context, id, expected)
  if ('refused' in row) return row
  return { outcome: 'removed', listing: removeRow(context, actor, row) }
}

function standingRow(
  context: Context,
  id: number,
  expected: Expectation,
): CurrentListing | Refusal {
  const known = context.store.listings.byId(id)
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

function noSuch(id: number | string): Refusal {
  return { refused: 'not-listed', why: `there is no listing ${id}` }
}

function conflict(why: string): Refusal {
  return { refused: 'conflict', why }
}

/**
 * Ends expired listings and publishes held ones whose time has come, one batch for each call; after the last row, handles
 * expired entries of lists. Returns how many there were; 0 if nothing is left to do.
 */
export function expireSome(context: Context): number {
  const { store, now } = context
  const { listings } = store
  const expired = listings.expired(now, expiryBatch)
  for (const row of expired) standingAt(context, row.prefix)
  const due = listings.due(now, expiryBatch - expired.length)
  for (const row of due) releaseTrapListing(context, row)
  const rows = expired.length + due.length
  return rows > 0 ? rows : store.lists.expireSome(now)
}
