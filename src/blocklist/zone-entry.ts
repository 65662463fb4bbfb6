// What the zone holds: at one prefix, by all that the store has there; and for one address, by what its prefixes hold.
// Whatever answers or shows the zone asks here, or asks the tree, which was filled from here.
import { backscatterKinds } from '../bounce/kinds.ts'
import { type Address, addressBits, networkOf, type Prefix, sameAddress } from '../ip/address.ts'
import type { ExceptionTable } from '../store/exceptions.ts'
import { isOver, type ListTable, type NamedList } from '../store/list-versions.ts'
import type { ListingTable, ShownRow } from '../store/listings.ts'
import type { ListEntry } from '../store/packed-entries.ts'
import { type EntryKind, entryKinds } from '../tree/layout.ts'
import { exemptByParent, holdsTestEntry, neverListed, testEntryAt } from './test-entries.ts'

/** 0: nothing; else the tree's entry kind in two bits, and above them the mask of a listing's kinds that are answered. */
export type ZoneEntry = number

export const noEntry: ZoneEntry = 0
export const exclusionEntry: ZoneEntry = entryKinds.exclusion
export const exemptionEntry: ZoneEntry = entryKinds.exemption

/** A listing that is answered with these kinds; an empty mask is answered with the general code. */
export function listingEntry(kinds: number): ZoneEntry {
  return entryKinds.listing | (kinds << 2)
}

/** Not for `noEntry`. */
export function kindOfEntry(entry: ZoneEntry): EntryKind {
  return (entry & 3) as EntryKind
}

export function kindsOfEntry(entry: ZoneEntry): number {
  return entry >>> 2
}

/** A mask of kinds as the A set that answers it, as the tree takes it: bit n is 127.0.0.n, and .2 is always set. */
export function codesOf(kinds: number): number {
  return (1 << 2) | (kinds << 3)
}

/** The mask of the kinds that an A set stands for: the reverse of `codesOf`. */
export function kindsOfCodes(codes: number): number {
  return codes >>> 3
}

/** The mask of the kind that 127.0.0.`code` stands for; 0 for the general code and for all others. */
export function kindOfCode(code: number): number {
  return code >= 3 && code < 3 + backscatterKinds.length ? 1 << (code - 3) : 0
}

/** The last octets of the A set for a mask of kinds, ascending: 2, then 3 + i for each kind. */
export function codeNumbers(kinds: number): number[] {
  return [2, ...backscatterKinds.flatMap((_, index) => (kinds & (1 << index) ? [3 + index] : []))]
}

export function isListing(entry: ZoneEntry): boolean {
  return (entry & 3) === entryKinds.listing
}

/** The tables that the zone is made of: the store's, or those of a snapshot of it. */
export interface ZoneTables {
  readonly listings: Pick<ListingTable, 'shownAt'>
  readonly lists: Pick<ListTable, 'all' | 'find'>
  readonly exemptions: Pick<ExceptionTable, 'has' | 'covering'>
  readonly exclusions: Pick<ExceptionTable, 'has'>
}

export interface ZoneRules {
  /** Mask of the kinds that are answered. */
  readonly publishedKinds: number
  /** Nothing is answered, test entries neither. */
  readonly isRetired: boolean
  /** Epoch seconds: entries of lists whose time is over by then are none. */
  readonly now: number
}

/**
 * What DNS has at exactly this prefix. Test entries are answered whatever is exempt around them (RFC 5782 §5), so an
 * exemption of such a prefix stands in the zone as the pieces of it that hold none.
 */
export function zoneEntryAt(tables: ZoneTables, rules: ZoneRules, prefix: Prefix): ZoneEntry {
  if (rules.isRetired) return noEntry
  if (prefix.length === addressBits(prefix.family)) {
    const test = testEntryAt(prefix)
    if (test) return listingEntry(test.kinds)
    if (neverListed.some((each) => sameAddress(each, prefix))) return exemptionEntry
  }
  const { exemptions, exclusions } = tables
  if (exemptions.has(prefix) && !holdsTestEntry(prefix)) return exemptionEntry
  const parent = exemptByParent(prefix)
  if (parent && exemptions.covering(parent)) return exemptionEntry
  if (exclusions.has(prefix)) return exclusionEntry
  const kinds = listedKinds(tables, rules.now, prefix)
  return kinds === undefined ? noEntry : listingEntry(kinds & rules.publishedKinds)
}

/** The kinds of all that is listed at exactly this prefix, exceptions aside; undefined: nothing is. */
function listedKinds(tables: ZoneTables, now: number, prefix: Prefix): number | undefined {
  const rows = tables.listings.shownAt(prefix)
  let kinds: number | undefined
  for (const row of rows) if (row.hiddenIn === null) kinds = (kinds ?? 0) | row.kinds
  for (const { entry } of entriesAt(tables, now, prefix, rows)) {
    kinds = (kinds ?? 0) | entry.attributes.kinds
  }
  return kinds
}

/** An entry of a list's current version, which is not hidden and whose time is not over. */
export interface StandingEntry {
  readonly list: NamedList
  readonly entry: ListEntry
}

/** The entries of lists that hold at exactly this prefix, by the names of their lists. `rows`: what `shownAt` says there. */
export function entriesAt(
  { listings, lists }: Pick<ZoneTables, 'listings' | 'lists'>,
  now: number,
  prefix: Prefix,
  rows: readonly ShownRow[] = listings.shownAt(prefix),
): StandingEntry[] {
  const standing: StandingEntry[] = []
  for (const list of lists.all()) {
    const entry = lists.find(list.version, prefix)
    if (!entry || isOver(entry, now)) continue
    if (!rows.some(({ hiddenIn }) => hiddenIn === list.version)) standing.push({ list, entry })
  }
  return standing
}

/** What decides for an address: an exemption at any length, else the longest listing or exclusion; undefined: nothing. */
export function answerAt(
  entryAt: (prefix: Prefix) => ZoneEntry,
  address: Address,
): { readonly prefix: Prefix; readonly entry: ZoneEntry } | undefined {
  let deciding: { readonly prefix: Prefix; readonly entry: ZoneEntry } | undefined
  for (let length = addressBits(address.family); length >= 0; length--) {
    const prefix = networkOf(address, length)
    const entry = entryAt(prefix)
    if (entry === exemptionEntry) return { prefix, entry }
    if (entry !== noEntry) deciding ??= { prefix, entry }
  }
  return deciding
}
