// The rule for what DNS answers at one prefix, given everything that the store has there. It includes test entries
// (RFC 5782 §5) and the codes 127.0.0.x. Everything that fills the tree or shows the zone uses this rule.
import { backscatterKinds } from '../classify/kinds.ts'
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

/** 0: DNS answers nothing. Else: the tree's entry kind in the low two bits, and above them the mask of answered kinds. */
export type ZoneEntry = number

export const noEntry: ZoneEntry = 0
const exclusionEntry: ZoneEntry = entryKinds.exclusion
const exemptionEntry: ZoneEntry = entryKinds.exemption

/** The zone entry of a listing with this mask of kinds. With an empty mask DNS answers only the general code, 127.0.0.2. */
export function listingEntry(kinds: number): ZoneEntry {
  return entryKinds.listing | (kinds << 2)
}

/** The tree's entry kind. `entry` must not be `noEntry`. */
export function kindOfEntry(entry: ZoneEntry): EntryKind {
  return (entry & 3) as EntryKind
}

export function kindsOfEntry(entry: ZoneEntry): number {
  return entry >>> 2
}

export function isListing(entry: ZoneEntry): boolean {
  return (entry & 3) === entryKinds.listing
}

export function isExemption(entry: ZoneEntry): boolean {
  return (entry & 3) === entryKinds.exemption
}

/** Converts a mask of kinds to the tree's mask of A records: bit n stands for 127.0.0.n. 127.0.0.2 is always set. */
export function codesOf(kinds: number): number {
  return (1 << 2) | (kinds << 3)
}

/** Converts the tree's mask of A records to a mask of kinds: the reverse of `codesOf`. */
export function kindsOfCodes(codes: number): number {
  return codes >>> 3
}

/** The mask of the kind that 127.0.0.`code` stands for. 0 for the general code and unknown codes. */
export function kindOfCode(code: number): number {
  return code >= 3 && code < 3 + backscatterKinds.length ? 1 << (code - 3) : 0
}

/** The last octets of the A records for a mask of kinds, ascending: 2, then 3 + i for each kind i. */
export function codeNumbers(kinds: number): number[] {
  return [2, ...backscatterKinds.flatMap((_, index) => (kinds & (1 << index) ? [3 + index] : []))]
}

interface TestEntry {
  readonly prefix: Prefix
  /** Mask of the answered kinds; 0 for only the general code. */
  readonly kinds: number
}

/** 127.0.0.2, an address from 127.0.0.3 on for each kind, and ::ffff:127.0.0.2. No exemption that contains them hides them. */
export const testEntries: readonly TestEntry[] = [
  { prefix: loopback(4, 2), kinds: 0 },
  ...backscatterKinds.map((_, index) => ({ prefix: loopback(4, 3 + index), kinds: 1 << index })),
  { prefix: loopback(6, 2), kinds: 0 },
]
const testPrefixes = testEntries.map(({ prefix }) => prefix)

/** 127.0.0.1 and ::ffff:127.0.0.1, which must not be listed (RFC 5782 §5). */
export const neverListed: readonly Prefix[] = [loopback(4, 1), loopback(6, 1)]

export function testEntryAt(address: Address): TestEntry | undefined {
  return testEntries.find(({ prefix }) => sameAddress(prefix, address))
}

/**
 * Splits `prefix` into the largest pieces that contain no test entry. An exemption is put in the tree in this form: as a
 * whole it would override the test entries.
 */
export function withoutTestEntries(prefix: Prefix): Prefix[] {
  return subtract(prefix, testPrefixes)
}

export function holdsTestEntry(prefix: Prefix): boolean {
  return testPrefixes.some((each) => contains(prefix, each))
}

/** The tables that decide the content of the zone: those of the store or of a snapshot. */
export interface ZoneTables {
  readonly listings: Pick<ListingTable, 'shownAt'>
  readonly lists: Pick<ListTable, 'all' | 'find'>
  readonly exemptions: Pick<ExceptionTable, 'has' | 'covering'>
  readonly exclusions: Pick<ExceptionTable, 'has'>
}

export interface ZoneRules {
  /** Mask of the kinds that are answered. */
  readonly publishedKinds: number
  /** true: the zone is empty, and not even test entries are answered. */
  readonly isRetired: boolean
  /** Epoch seconds. List entries that have expired by then do not count. */
  readonly now: number
}

/**
 * The zone's entry for exactly this prefix. If an exemption contains test entries, its own prefix has no entry: the exemption
 * is split into pieces without test entries, and each piece has the entry instead.
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

/**
 * The prefix one bit shorter, if it contains a test entry and this prefix does not. Then `withoutTestEntries` makes this
 * prefix a piece of every exemption around it.
 */
function parentWithTestEntry(prefix: Prefix): Prefix | undefined {
  if (prefix.length === 0) return undefined
  const parent = networkOf(prefix, prefix.length - 1)
  return holdsTestEntry(parent) && !holdsTestEntry(prefix) ? parent : undefined
}

/** The kinds of all listings of exactly this prefix, without regard to exceptions. Undefined if there is no listing. */
function listedKinds(tables: ZoneTables, now: number, prefix: Prefix): number | undefined {
  const rows = tables.listings.shownAt(prefix)
  let kinds: number | undefined
  for (const row of rows) if (row.hiddenIn === null) kinds = (kinds ?? 0) | row.kinds
  for (const { entry } of entriesAt(tables, now, prefix, rows)) {
    kinds = (kinds ?? 0) | entry.attributes.kinds
  }
  return kinds
}

/** An entry of a list's current version that is neither hidden (removed by hand) nor expired. */
export interface StandingEntry {
  readonly list: NamedList
  readonly entry: ListEntry
}

/** The standing entries of exactly this prefix, sorted by list name. `rows`: the result of `shownAt` for the prefix. */
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

/** Returns a function that tells whether an entry of this version is listed: neither hidden nor expired. */
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
  /** Mask of the answered kinds. */
  readonly kinds: number
}

/**
 * Works out what DNS answers for an address, for a process without a tree. An exemption of any length wins, else the longest
 * listing or exclusion. Returns undefined if the address is not listed. Reads the tables once for each prefix length.
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
