// Listing and delisting by hand or from a list, all of a request or none of it. Called by the door, inside a
// transaction.
import { addressBits, contains, formatPrefix, type Prefix, sameAddress } from '../ip/address.ts'
import { describeSpecialRange, specialPurposeRange } from '../ip/special-purpose.ts'
import { audit, type Ground, remove, shown, standingAt } from './ground.ts'
import { kindsMask } from './kinds.ts'
import {
  type Actor,
  type DelistOutcome,
  type ListOutcome,
  type ListRequest,
  listingOf,
  type Refusal,
  refusals,
} from './outcomes.ts'

/** Lists each, or extends what its origin and list already have there; refused as a whole if one of them is. */
export function listAll(
  ground: Ground,
  requests: readonly ListRequest[],
  actor: Actor,
): ListOutcome[] {
  return (
    refusals(requests.map((request) => refusalOf(ground, request) ?? request)) ??
    requests.map((request) => list(ground, request, actor))
  )
}

/** Removes exactly these prefixes, of every origin; refused as a whole if one of them is. */
export function delistAll(
  ground: Ground,
  prefixes: readonly Prefix[],
  actor: Actor,
): DelistOutcome[] {
  const isListed = (prefix: Prefix): boolean => {
    ground.publisher.touch(prefix)
    return standingAt(ground, prefix).length > 0
  }
  return (
    refusals(prefixes.map((each) => (isListed(each) ? each : nothingToRemove(ground, each)))) ??
    prefixes.map((prefix) => delist(ground, prefix, actor))
  )
}

/** Why the prefix may not be listed by hand or import, if so. */
export function refusalOf(
  { store, policy, now }: Pick<Ground, 'store' | 'policy' | 'now'>,
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

function list(ground: Ground, request: ListRequest, actor: Actor): ListOutcome {
  const { store, publisher, policy, now } = ground
  const { prefix, origin } = request
  const listName = request.list ?? null
  const reason = request.reason || null
  const kinds = kindsMask(request.kinds)
  const expiresAt =
    request.expiresAt === undefined ? now + policy.longestListingSeconds : request.expiresAt
  publisher.touch(prefix)
  const row = standingAt(ground, prefix).find(
    (each) => each.origin === origin && each.list === listName,
  )
  const id =
    row?.id ??
    store.listings.insert({
      ...{ prefix, kinds, state: 'listed', origin, list: listName, reason, createdAt: now },
      ...{ lastHitAt: null, expiresAt, heldUntil: null, hits: 0, episode: 1, termSeconds: null },
    })
  if (row) {
    store.listings.change(row.id, {
      ...row,
      state: 'listed',
      kinds: row.kinds | kinds,
      reason: reason ?? row.reason,
      expiresAt: later(row.expiresAt, expiresAt),
    })
  }
  const listing = shown(ground, id)
  audit(ground, actor.name, 'list', listing.prefix, {
    before: row ? listingOf(row) : null,
    after: listing,
  })
  return { outcome: row ? 'extended' : 'listed', listing }
}

function delist(ground: Ground, prefix: Prefix, actor: Actor): DelistOutcome {
  const listings = standingAt(ground, prefix).map((row) => {
    remove(ground, row)
    const listing = shown(ground, row.id)
    audit(ground, actor.name, 'delist', formatPrefix(prefix), {
      before: listingOf(row),
      after: listing,
    })
    return listing
  })
  return { outcome: 'removed', listings }
}

function nothingToRemove({ store, publisher, now }: Ground, prefix: Prefix): Refusal {
  for (const wider of store.listings.covering(prefix)) {
    if (wider.length === prefix.length && sameAddress(wider, prefix)) continue
    publisher.touch(wider)
    const holds = store.listings
      .currentAt(wider)
      .some((row) => row.expiresAt === null || row.expiresAt > now)
    if (holds) {
      return {
        refused: 'covered',
        why: `is not an entry of its own but covered by ${formatPrefix(wider)}: remove that, or exclude this`,
      }
    }
  }
  return { refused: 'not-listed', why: 'is not listed' }
}

/** null is for ever. */
function later(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.max(a, b)
}
