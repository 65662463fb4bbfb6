// Listing and delisting by hand, all of a request or none of it. Runs inside a
// transaction.

import { addressBits, contains, formatPrefix, type Prefix } from '../ip/address.ts'
import { describeSpecialRange, specialPurposeRange } from '../ip/special-purpose.ts'
import { audit, type Context, remove, removeEntry, shown, standingAt } from './context.ts'
import {
  type Actor,
  kindsMask,
  type Listing,
  type ListOutcome,
  type ListRequest,
  listingOf,
  listingOfEntry,
  type Refusal,
  type RequestRefusal,
} from './types.ts'
import { entriesAt } from './zone-entry.ts'

/** Lists each prefix, or extends what is listed there by hand; nothing when one of them is refused. */
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

/** Removes all that is listed at exactly these prefixes and answers it; nothing when one of them is refused. */
export function delistAll(
  context: Context,
  prefixes: readonly Prefix[],
  actor: Actor,
): Listing[] | RequestRefusal {
  const refusals = prefixes.flatMap((prefix) =>
    isListedAt(context, prefix) ? [] : [{ ...nothingToRemove(context, prefix), prefix }],
  )
  if (refusals.length > 0) return { refusals }
  return prefixes.flatMap((prefix) => delist(context, prefix, actor))
}

/** Why the prefix may not be listed by hand or import, if so. */
export function refusalOf(
  { store, policy, now }: Pick<Context, 'store' | 'policy' | 'now'>,
  { prefix, expiresAt }: Pick<ListRequest, 'prefix' | 'expiresAt'>,
): Refusal | undefined {
  const special = specialPurposeRange(prefix, policy.allowSpecial)
  if (special) {
    const relation = contains(special.prefix, prefix) ? 'is in' : 'contains'
    return {
      refused: 'special-purpose',
      why: `${relation} ${describeSpecialRange(special)}, which is never listed`,
    }
  }
  const exemption = store.exemptions.covering(prefix)
  if (exemption) {
    const note = exemption.note ? ` (${exemption.note})` : ''
    return { refused: 'exempt', why: `is exempt: ${formatPrefix(exemption.prefix)}${note}` }
  }
  const shortest = prefix.family === 4 ? policy.shortest4 : policy.shortest6
  if (prefix.length < shortest) {
    return {
      refused: 'too-short',
      why: `is too short: at least /${shortest} of ${addressBits(prefix.family)} bits may be listed`,
    }
  }
  if (store.exclusions.has(prefix)) {
    return { refused: 'excluded', why: 'is excluded: include it first' }
  }
  if (typeof expiresAt === 'number' && expiresAt <= now) {
    return { refused: 'invalid', why: 'would have expired already' }
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
  const id =
    row?.id ??
    store.listings.insert({
      ...{ prefix, kinds, state: 'listed', origin: 'manual', reason, createdAt: now },
      ...{ lastHitAt: null, expiresAt, heldUntil: null, hits: 0, episode: 1, termSeconds: null },
    })
  if (row) {
    store.listings.change(row, {
      ...row,
      state: 'listed',
      kinds: row.kinds | kinds,
      reason: reason ?? row.reason,
      expiresAt: later(row.expiresAt, expiresAt),
    })
  }
  const listing = shown(context, id)
  audit(context, actor.name, 'list', listing.prefix, {
    before: row ? listingOf(row) : null,
    after: listing,
  })
  return { outcome: row ? 'extended' : 'listed', listing }
}

function delist(context: Context, prefix: Prefix, actor: Actor): Listing[] {
  const rows = standingAt(context, prefix).map((row) => {
    remove(context, row)
    const listing = shown(context, row.id)
    audit(context, actor.name, 'delist', formatPrefix(prefix), {
      before: listingOf(row),
      after: listing,
    })
    return listing
  })
  const entries = entriesAt(context.store, context.now, prefix).map((standing) => {
    const before = listingOfEntry(standing.list.name, standing.entry, 'listed')
    const after = removeEntry(context, standing)
    audit(context, actor.name, 'delist', formatPrefix(prefix), { before, after })
    return after
  })
  return [...rows, ...entries]
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
    why: `is not an entry of its own but covered by ${formatPrefix(wider)}: remove that, or exclude this`,
  }
}

/** null is for ever. */
function later(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.max(a, b)
}
