// What the zone holds at one prefix, worked out from everything the store has there: the one rule for what DNS answers.
// Whatever fills the tree or shows the zone asks here. Test entries (RFC 5782 §5) and DNS codes are part of the rule.
import { backscatterKinds } from '../bounce/kinds.ts'
import {
  type Address,
  addressBits,
  contains,
  hostPrefix,
  networkOf,
  type Prefix,
  sameAddress,
  subtract,
} from '../ip/address.ts'
import type { ExceptionTable } from '../store/exceptions.ts'
import { isOver, type ListTable, type NamedList } from '../store/list-versions.ts'
import type { ListingTable, ShownRow } from '../store/listings.ts'
import type { ListEntry } from '../store/packed-entries.ts'
import { type EntryKind, entryKinds } from '../tree/layout.ts'

/** 0: nothing. Else the tree's entry kind in the low two bits, and above them the mask of the kinds answered. */
export type ZoneEntry = number

export const noEntry: ZoneEntry = 0
const exclusionEntry: ZoneEntry = entryKinds.exclusion
const exemptionEntry: ZoneEntry = entryKinds.exemption

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

export function isListing(entry: ZoneEntry): boolean {
  return (entry & 3) === entryKinds.listing
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

interface TestEntry {
  readonly prefix: Prefix
  /** Mask of the kinds it is answered with; 0: the general code alone. */
  readonly kinds: number
}

/** Answered whatever is exempt around them: 127.0.0.2 and ::ffff:127.0.0.2, and 127.0.0.3 and on, one for each kind. */
export const testEntries: readonly TestEntry[] = [
  { prefix: loopback(4, 2), kinds: 0 },
  ...backscatterKinds.map((_, index) => ({ prefix: loopback(4, 3 + index), kinds: 1 << index })),
  { prefix: loopback(6, 2), kinds: 0 },
]
const testPrefixes = testEntries.map(({ prefix }) => prefix)

/** 127.0.0.1 and ::ffff:127.0.0.1, which RFC 5782 §5 says must not be listed. */
export const neverListed: readonly Prefix[] = [loopback(4, 1), loopback(6, 1)]

export function testEntryAt(address: Address): TestEntry | undefined {
  return testEntries.find(({ prefix }) => sameAddress(prefix, address))
}

/**
 * The largest prefixes that together are `prefix` without the test entries in it. An exemption stands in the tree in this
 * form: as a whole it would win over the test entries.
 */
export function withoutTestEntries(prefix: Prefix): Prefix[] {
  return subtract(prefix, testPrefixes)
}

export function holdsTestEntry(prefix: Prefix): boolean {
  return testPrefixes.some((each) => contains(prefix, each))
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
  /** Nothing is answered, not even test entries. */
  readonly isRetired: boolean
  /** Epoch seconds: an entry of a list counts until its time is over. */
  readonly now: number
}

/**
 * What DNS has at exactly this prefix. An exemption that holds test entries stands in the zone as the pieces that hold
 * none.
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
  const parent = parentWithTestEntry(prefix)
  if (parent && exemptions.covering(parent)) return exemptionEntry
  if (exclusions.has(prefix)) return exclusionEntry
  const kinds = listedKinds(tables, rules.now, prefix)
  return kinds === undefined ? noEntry : listingEntry(kinds & rules.publishedKinds)
}

/** Set if this prefix is one of the pieces in `withoutTestEntries` of every shorter prefix around it: its parent. */
function parentWithTestEntry(prefix: Prefix): Prefix | undefined {
  if (prefix.length === 0) return undefined
  const parent = networkOf(prefix, prefix.length - 1)
  return holdsTestEntry(parent) && !holdsTestEntry(prefix) ? parent : undefined
}

/** The kinds of all that is listed at exactly this prefix, ignoring exceptions; undefined: nothing is. */
function listedKinds(tables: ZoneTables, now: number, prefix: Prefix): number | undefined {
  const rows = tables.listings.shownAt(prefix)
  let kinds: number | undefined
  for (const row of rows) if (row.hiddenIn === null) kinds = (kinds ?? 0) | row.kinds
  for (const { entry } of entriesAt(tables, now, prefix, rows)) {
    kinds = (kinds ?? 0) | entry.attributes.kinds
  }
  return kinds
}

/** An entry of a list's current version that is neither hidden nor over. */
export interface StandingEntry {
  readonly list: NamedList
  readonly entry: ListEntry
}

/** The standing entries of exactly this prefix, by the names of their lists. `rows`: what `shownAt` says there. */
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

/** Says of an entry of this version whether it is listed: neither hidden nor over. */
export function listedIn(
  { listings }: { readonly listings: Pick<ListingTable, 'hiddenIn'> },
  version: number | null,
  now: number,
): (entry: ListEntry) => boolean {
  const isHidden = listings.hiddenIn(version)
  return (entry) => !isOver(entry, now) && !isHidden?.(entry.prefix)
}

/** What DNS answers for an address that is listed. */
export interface Answer {
  /** The prefix whose listing decides. */
  readonly prefix: Prefix
  /** Mask of the kinds answered. */
  readonly kinds: number
}

/**
 * What DNS answers for an address: an exemption at any length wins, else the longest listing or exclusion; undefined: it
 * is not listed. Asks the tables once for each length: for look-ups where there is no tree.
 */
export function answerAt(
  tables: ZoneTables,
  rules: ZoneRules,
  address: Address,
): Answer | undefined {
  let longest: { readonly prefix: Prefix; readonly entry: ZoneEntry } | undefined
  for (let length = addressBits(address.family); length >= 0; length--) {
    const prefix = networkOf(address, length)
    const entry = zoneEntryAt(tables, rules, prefix)
    if (entry === exemptionEntry) return undefined
    if (entry !== noEntry) longest ??= { prefix, entry }
  }
  if (!longest || !isListing(longest.entry)) return undefined
  return { prefix: longest.prefix, kinds: kindsOfEntry(longest.entry) }
}

function loopback(family: 4 | 6, last: number): Prefix {
  const word = 0x7f00_0000 + last
  return hostPrefix(
    family === 4
      ? { family, w0: word, w1: 0, w2: 0, w3: 0 }
      : { family, w0: 0, w1: 0, w2: 0xffff, w3: word },
  )
}
