// The row of a listing by trap. Only this file writes its state: listed, held back for a while, or only counted (shadow).
// Runs inside a transaction.
import type { BackscatterKind } from '../classify/kinds.ts'
import type { Prefix } from '../ip/address.ts'
import type { CurrentListing, ListingRowChange, NewListingRow } from '../store/listings.ts'
import type { Offender } from '../store/offenders.ts'
import { auditRow, type Context } from './context.ts'
import type { Step } from './fold.ts'
import { areHostsUnknown, longestWaitSeconds, whyHostShadow } from './known-hosts.ts'
import { heldUntil, termOf } from './policy.ts'
import { makeFirstSnapshot, startEvidence } from './public-evidence.ts'
import type { Actor } from './types.ts'

/** What is newly known of a network. */
export interface Folded {
  readonly before: Offender
  readonly offender: Offender
  /** The steps by which the last listing began and got its kinds. Undefined if they are as before. */
  readonly basis: readonly Step[] | undefined
  /** The step by which a kind joined the listing as it was. */
  readonly joined?: Step | undefined
}

/** Why a listing began, or got a kind: so many messages to so many traps, seen in this time. */
export interface BasisEntry {
  readonly rule: 'lists' | 'joins'
  readonly kind: BackscatterKind
  readonly messages: number
  readonly traps: number
  /** Epoch seconds. */
  readonly from: number
  readonly to: number
}

/** What the evidence decides of a listing by trap. */
type TrapListing = Pick<
  NewListingRow,
  'kinds' | 'episode' | 'termSeconds' | 'lastHitAt' | 'expiresAt' | 'hits' | 'basis'
>

/** The columns that say whether DNS answers a listing by trap, and why not. */
type Placement = Pick<NewListingRow, 'state' | 'shadow' | 'heldUntil'>

/** The columns that it depends on. */
type Placed = Pick<NewListingRow, 'prefix' | 'kinds'>

/**
 * Makes the row of a network follow the fold: begins, changes or ends the listing. `row`: the present listing by trap. Returns the
 * id of the row that stands afterwards. What the operator changed of its end holds, unless the fold says later. `endState`: the
 * state of a row that ends now.
 */
export function followFold(
  context: Context,
  prefix: Prefix,
  row: CurrentListing | undefined,
  folded: Folded,
  endState: 'expired' | 'removed' = 'expired',
): number | undefined {
  const { before, offender, basis } = folded
  const { now, store } = context
  if (!row) {
    if (offender.endsAt <= now || offender.endsAt === before.endsAt) return undefined
    const id = insertTrapListing(context, prefix, {
      ...listingOfOffender(context, offender),
      basis: JSON.stringify((basis ?? []).map(basisEntry)),
    })
    auditRow(context, { name: 'trap' }, 'list', id, null)
    return id
  }
  const expiresAt = endOfListing(row, folded)
  if (expiresAt !== null && expiresAt <= now) {
    store.listings.end(row, endState, now, null)
    return undefined
  }
  // If the fold ended before, the row stands by the operator's will alone.
  if (offender.endsAt <= now) return row.id
  changeTrapListing(context, row, {
    ...listingOfOffender(context, offender),
    expiresAt,
    basis: basisOfRow(row, folded),
  })
  return row.id
}

/** When the row will end, by what is newly known. null: never. */
export function endOfListing({ expiresAt }: CurrentListing, { before, offender }: Folded) {
  const { endsAt } = offender
  if (endsAt === before.endsAt || expiresAt === null) return expiresAt
  return expiresAt === before.endsAt ? endsAt : Math.max(expiresAt, endsAt)
}

function listingOfOffender(
  { policy }: Context,
  { kinds, episode, provenAt, endsAt, hits }: Offender,
): Omit<TrapListing, 'basis'> {
  const termSeconds = termOf(episode, policy)
  return { kinds, episode, termSeconds, lastHitAt: provenAt, expiresAt: endsAt, hits }
}

function basisOfRow({ basis: stored }: CurrentListing, { basis, joined }: Folded): string | null {
  if (basis) return JSON.stringify(basis.map(basisEntry))
  if (!joined) return stored
  return JSON.stringify([...readBasis(stored), basisEntry(joined)])
}

/** The column `basis` of a row. */
export function readBasis(stored: string | null): BasisEntry[] {
  return stored === null ? [] : (JSON.parse(stored) as BasisEntry[])
}

function basisEntry({ rule, kind, seenAt, window }: Step): BasisEntry {
  const { messages = 0, traps = 0, from = seenAt } = window ?? {}
  return { rule: rule === 'joins' ? 'joins' : 'lists', kind, messages, traps, from, to: seenAt }
}

/** Inserts the row of a new listing by trap. Returns its id. */
function insertTrapListing(context: Context, prefix: Prefix, listing: TrapListing): number {
  const { store, now } = context
  const placement = placeNew(context, { prefix, kinds: listing.kinds })
  const rest = { origin: 'trap', reason: null, createdAt: now } as const
  const id = store.listings.insert({ prefix, ...listing, ...placement, ...rest })
  if (placement.state === 'listed') startEvidence(context, id)
  return id
}

/** Changes a present listing by trap, and decides its state again. A listing that shows already is not held back. */
function changeTrapListing(context: Context, row: CurrentListing, becomes: TrapListing): void {
  const next = { ...row, ...becomes }
  change(context, row, { ...next, ...placeAgain(context, next) })
}

/**
 * Decides the state of a present listing by trap again. Call it when the policy or an answer of DNS has changed. A change of the
 * state goes into the audit.
 */
export function placeTrapListing(context: Context, actor: Actor, row: CurrentListing): void {
  const { state, shadow, heldUntil } = placeAgain(context, row)
  if (state === row.state && shadow === row.shadow && heldUntil === row.heldUntil) return
  change(context, row, { ...row, state, shadow, heldUntil })
  makeFirstSnapshot(context, row.id)
  auditRow(context, actor, 'publish', row.id, row)
}

/** Places a held listing whose time to show has come. */
export function releaseTrapListing(context: Context, row: CurrentListing): void {
  const shadow = whyShadow(context, row)
  const state = shadow === null ? 'listed' : 'shadow'
  change(context, row, { ...row, state, shadow, heldUntil: null })
  makeFirstSnapshot(context, row.id)
}

function change(context: Context, row: CurrentListing, becomes: ListingRowChange): void {
  context.store.listings.change(row, becomes)
  if (row.state !== 'listed' && becomes.state === 'listed') startEvidence(context, row.id)
}

/** A new listing is held back first if the policy says so, or until it is known what DNS says of its hosts. */
function placeNew(context: Context, listing: Placed): Placement {
  const { policy, now } = context
  const shadow = whyShadow(context, listing)
  if (shadow !== null) return { state: 'shadow', shadow, heldUntil: null }
  const showsAt = policy.holdForSeconds > 0 ? heldUntil(now, policy) : now
  const knownAt = areHostsUnknown(context, listing.prefix) ? now + longestWaitSeconds : now
  const until = Math.max(showsAt, knownAt)
  return until > now
    ? { state: 'held', shadow: null, heldUntil: until }
    : { state: 'listed', shadow: null, heldUntil: null }
}

/**
 * A shadow listing that may show now starts like a new one. A listing that is held for its hosts alone shows once they are known.
 */
function placeAgain(context: Context, row: CurrentListing): Placement {
  if (row.state === 'shadow') return placeNew(context, row)
  const shadow = whyShadow(context, row)
  if (shadow !== null) return { state: 'shadow', shadow, heldUntil: null }
  const isKnown = context.policy.holdForSeconds === 0 && !areHostsUnknown(context, row.prefix)
  return row.state === 'held' && isKnown ? { state: 'listed', shadow, heldUntil: null } : row
}

/** Why a listing of these kinds is only counted. null if DNS may answer it. */
export function whyShadow(context: Context, { prefix, kinds }: Placed): string | null {
  return (kinds & context.publisher.publishedKinds) === 0 ? 'kind' : whyHostShadow(context, prefix)
}
