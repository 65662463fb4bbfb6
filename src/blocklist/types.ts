// What the door answers, in the shapes that admin and commands show: listings, refusals, decisions. Rows of the
// store are turned into them here.
import type { BackscatterKind } from '../bounce/kinds.ts'
import { formatAddress, formatPrefix, type Prefix, parsePrefix } from '../ip/address.ts'
import type { ExceptionRow, Source } from '../store/exceptions.ts'
import type { ListingOrigin, ListingRow, ListingState } from '../store/listing-rows.ts'
import type { ListEntry } from '../store/packed-entries.ts'
import { kindsOf } from './kinds.ts'

/** Who makes a change, for the audit: 'cli', 'trap', 'config', a key's name. */
export interface Actor {
  readonly name: string
}

/** Times in epoch seconds. */
export interface Listing {
  /** Of an entry of a named list its list and prefix: see `entryId`. */
  readonly id: number | string
  readonly prefix: string
  readonly kinds: BackscatterKind[]
  readonly state: ListingState
  readonly origin: ListingOrigin
  readonly list: string | null
  readonly reason: string | null
  readonly createdAt: number
  readonly lastHitAt: number | null
  /** null: permanent. */
  readonly expiresAt: number | null
  readonly hits: number
}

/** An exemption or an exclusion. */
export interface Exception {
  readonly id: number
  readonly prefix: string
  readonly source: Source
  readonly note: string | null
  readonly createdAt: number
}

/** Why something asked for was not done. `why` fits on a line after what was asked for. */
export interface Refusal {
  readonly refused:
    | 'special-purpose'
    | 'exempt'
    | 'too-short'
    | 'not-listed'
    | 'covered'
    | 'excluded'
    | 'conflict'
    | 'invalid'
    /** An import would take away what it must be forced to. */
    | 'loss'
    /** It is not any more what the caller takes it for. */
    | 'changed'
    /** Nothing is wrong with it, but another one of the same request was refused. */
    | 'withheld'
  readonly why: string
}

export interface ListRequest {
  readonly prefix: Prefix
  readonly kinds: readonly BackscatterKind[]
  readonly reason?: string
  /** null: permanent; absent: the longest listing from now. */
  readonly expiresAt?: number | null
}

export type ListOutcome =
  | { readonly outcome: 'listed' | 'extended'; readonly listing: Listing }
  | Refusal
/** `listings`: all that was listed at exactly this prefix, of every origin, now removed. */
export type DelistOutcome = { readonly outcome: 'removed'; readonly listings: Listing[] } | Refusal
export type ExceptionOutcome =
  | { readonly outcome: 'added' | 'unchanged' | 'removed'; readonly exception: Exception }
  | Refusal

export interface Decision {
  readonly decision: 'listed' | 'extended' | 'counted' | 'ignored' | 'duplicate'
  /** For the operator: it may repeat an address of the message. */
  readonly why: string
  /** What anybody else may be told in place of `why`. */
  readonly told?: string
  /** The listing by trap that the client now has, if it has one. */
  readonly listing?: Listing
}

/** One page and where the next one begins; null: there is none. */
export interface Page<T> {
  readonly items: T[]
  readonly nextCursor: string | null
}

export function isRefusal(outcome: object): outcome is Refusal {
  return 'refused' in outcome
}

/** All or none: refusals as they are, and the rest withheld because of them. Undefined: nothing was refused. */
export function refusals<T extends object>(
  outcomes: readonly (T | Refusal)[],
): Refusal[] | undefined {
  if (!outcomes.some(isRefusal)) return undefined
  return outcomes.map((outcome) =>
    isRefusal(outcome)
      ? outcome
      : { refused: 'withheld', why: 'nothing was changed, since another one was refused' },
  )
}

export function listingOf(row: ListingRow): Listing {
  const { id, state, origin, list, reason, createdAt, lastHitAt, expiresAt, hits } = row
  const kinds = kindsOf(row.kinds)
  const prefix = formatPrefix(row.prefix)
  return { id, prefix, kinds, state, origin, list, reason, createdAt, lastHitAt, expiresAt, hits }
}

/** An entry of a named list in the form of a listing. */
export function listingOfEntry(
  list: string,
  { prefix, attributes, listedAt }: ListEntry,
  state: 'listed' | 'expired' | 'removed',
): Listing {
  const { kinds, reason, expiresAt } = attributes
  return {
    ...{ id: entryId(list, prefix), prefix: formatPrefix(prefix), kinds: kindsOf(kinds), state },
    ...{ origin: 'import', list, reason, createdAt: listedAt, lastHitAt: null, expiresAt, hits: 0 },
  }
}

/** "drop:192.0.2.0-24": no name of a list has a colon, and no id a slash. */
export function entryId(list: string, prefix: Prefix): string {
  return `${list}:${formatAddress(prefix)}-${prefix.length}`
}

/** The list and prefix of an id that `entryId` made; undefined for any other text. */
export function readEntryId(
  id: string,
): { readonly list: string; readonly prefix: Prefix } | undefined {
  const [, list, address, length] = /^([^:]+):(.+)-(\d{1,3})$/.exec(id) ?? []
  const parsed = parsePrefix(`${address}/${length}`)
  if (list === undefined || 'why' in parsed) return undefined
  return entryId(list, parsed.value) === id ? { list, prefix: parsed.value } : undefined
}

export function exceptionOf(row: ExceptionRow): Exception {
  const { id, source, note, createdAt } = row
  return { id, prefix: formatPrefix(row.prefix), source, note, createdAt }
}
