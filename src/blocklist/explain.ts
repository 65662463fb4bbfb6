// The whole story of one address: what DNS answers, from the tree where there is one; and from the store why, what holds,
// what held, what was seen. For who has a key: what anyone may know is in finding.ts.
import type { BackscatterKind } from '../bounce/kinds.ts'
import {
  type Address,
  formatAddress,
  formatPrefix,
  hostPrefix,
  type Prefix,
  sameAddress,
  unmapped,
} from '../ip/address.ts'
import { describeSpecialRange, specialPurposeRange } from '../ip/special-purpose.ts'
import type { Store } from '../store/database.ts'
import type { EvidenceRow } from '../store/evidence.ts'
import type { ExceptionRow } from '../store/exceptions.ts'
import { isOver } from '../store/list-versions.ts'
import type { ListingRow, ListingState } from '../store/listing-rows.ts'
import { comparePrefixes } from '../store/packed-entries.ts'
import type { TreeReader } from '../tree/reader.ts'
import { type Answer, answeredEntries, answerOf } from './finding.ts'
import { codesOf, formatCodes, kindsOfCodes } from './kinds.ts'
import type { PolicyOptions } from './policy.ts'
import { judgedPrefix } from './record.ts'
import { neverListed, testEntryAt } from './test-entries.ts'
import { type Exception, exceptionOf, type Listing, listingOf, listingOfEntry } from './types.ts'
import { answerAt, isListing, kindsOfEntry, type ZoneRules, zoneEntryAt } from './zone-entry.ts'

/** Times in epoch seconds. */
export interface Explanation {
  readonly query: string
  /** What DNS answers for this address, to the letter; false in a retired zone. */
  readonly listed: boolean
  /** The kinds answered. */
  readonly kinds: BackscatterKind[]
  /** "127.0.0.2", …; empty when not listed. */
  readonly codes: string[]
  /**
   * The prefix whose listing or exclusion decides; null: none does. Not listed, with a listing here: it would decide, but
   * that the zone is retired.
   */
  readonly decidedBy: string | null
  /** Since when, and until when, the answered listing holds; `until` null: permanent, or not listed. */
  readonly since: number | null
  readonly until: number | null
  /**
   * What is the case for this address; null: it never was listed. For the moment that DNS takes to follow an import it may
   * be another thing than `listed` says.
   */
  readonly state: ListingState | 'exempt' | 'excluded' | null
  readonly isTestEntry: boolean
  /** The newest messages from this address, or from the IPv6 network that it would be listed with. */
  readonly evidence: EvidenceRow[]
  /** "192.168.0.0/16 (Private-Use, RFC 1918)" when it lies in a range that is never listed. */
  readonly specialPurpose: string | null
  /** The exemption that holds, the longest if several do. */
  readonly exemption: Exception | null
  /** The longest exclusion around it. */
  readonly exclusion: Exception | null
  /** What holds at this address and at prefixes around it, longest first. */
  readonly listings: Listing[]
  /** What held there, latest end first. */
  readonly history: (Listing & { readonly endedAt: number })[]
}

export interface ExplainGround {
  readonly store: Store
  readonly rules: ZoneRules
  /** None: what DNS would answer is worked out from the store. */
  readonly reader?: TreeReader | undefined
  readonly policy: PolicyOptions
  /** Epoch seconds. */
  readonly now: number
}

const maxHistory = 20
const maxEvidence = 20

/**
 * Explains an address as it is; ask for `unmapped(address)` when an IPv4-mapped one may have been meant as IPv4. All of
 * it is as of one moment without a transaction: nobody but this thread writes, and it does nothing else meanwhile.
 */
export function explain(context: ExplainGround, address: Address): Explanation {
  const facts = gather(context, address)
  const { standing, ended, exemption, exclusion, evidence } = facts
  const special = specialPurposeRange(hostPrefix(address), context.policy.allowSpecial)
  return {
    query: formatAddress(address),
    ...verdict(context, address, facts),
    evidence,
    specialPurpose: special ? describeSpecialRange(special) : null,
    exemption: exemption ? exceptionOf(exemption) : null,
    exclusion: exclusion ? exceptionOf(exclusion) : null,
    listings: standing.map(({ listing }) => listing),
    history: ended.slice(0, maxHistory).map(({ listing, endedAt }) => ({ ...listing, endedAt })),
  }
}

/** A row, or an entry of a list. */
interface Known {
  readonly prefix: Prefix
  readonly listing: Listing
  /** null while it holds. */
  readonly endedAt: number | null
}

type EndedListing = Known & { readonly endedAt: number }

/** What the store has on an address. */
interface Facts {
  /** Longest prefix first; at one prefix rows first. */
  readonly standing: readonly Known[]
  /** Latest end first. */
  readonly ended: readonly EndedListing[]
  readonly exemption: ExceptionRow | undefined
  readonly exclusion: ExceptionRow | undefined
  readonly evidence: EvidenceRow[]
}

function gather({ store, policy, now }: ExplainGround, address: Address): Facts {
  const network = judgedPrefix(unmapped(address), policy)
  const { listings: rows, hasEvidence } = store.addressLookup(address, network)
  const entries = entriesAround(store, address, now)
  const known = [...rows.map(knownRow), ...entries]
  const ended = known.filter((each): each is EndedListing => each.endedAt !== null)
  const standing = known.filter(({ endedAt }) => endedAt === null)
  if (entries.length > 0) standing.sort((a, b) => b.prefix.length - a.prefix.length)
  return {
    standing,
    ended: ended.sort((a, b) => b.endedAt - a.endedAt || rowId(b) - rowId(a)),
    exemption: store.exemptions.covering(address),
    exclusion: store.exclusions.covering(address),
    evidence: hasEvidence ? store.evidence.newest(network, maxEvidence) : [],
  }
}

function knownRow(row: ListingRow): Known {
  const hasEnded = row.state === 'expired' || row.state === 'removed'
  const endedAt = hasEnded ? (row.endedAt ?? 0) : null
  return { prefix: row.prefix, listing: listingOf(row), endedAt }
}

/** Entries come after rows. */
function rowId({ listing: { id } }: Known): number {
  return typeof id === 'number' ? id : 0
}

/** Entries of lists that hold the address, by the list's name. One that was removed by hand is among the rows. */
function entriesAround(store: Store, address: Address, now: number): Known[] {
  const known: Known[] = []
  for (const { name, version } of store.lists.all()) {
    for (const entry of store.lists.covering(version, address)) {
      const { prefix, attributes } = entry
      if (version === null || store.listings.isHidden(prefix, version)) continue
      const state = isOver(entry, now) ? 'expired' : 'listed'
      const endedAt = state === 'expired' ? attributes.expiresAt : null
      known.push({ prefix, listing: listingOfEntry(name, entry, state), endedAt })
    }
  }
  return known
}

type Verdict = Pick<
  Explanation,
  'listed' | 'kinds' | 'codes' | 'decidedBy' | 'since' | 'until' | 'state' | 'isTestEntry'
>

/** What DNS answers, and what is the case. */
function verdict(context: ExplainGround, address: Address, facts: Facts): Verdict {
  const answer = context.reader
    ? answerOf(context.reader, address)
    : answerOfStore(context, address)
  const isTestEntry = answer !== undefined && testEntryAt(address) !== undefined
  const state = isTestEntry ? 'listed' : stateOf(address, facts)
  if (answer === undefined) {
    return {
      ...{ listed: false, kinds: [], codes: [], since: null, until: null, state, isTestEntry },
      decidedBy: decidingNot(context, state, facts),
    }
  }
  const { prefix, codes } = answer
  return {
    ...{ listed: true, kinds: kindsOfCodes(codes), codes: formatCodes(codes), state, isTestEntry },
    decidedBy: formatPrefix(prefix),
    ...(isTestEntry ? { since: null, until: null } : termAt(context, prefix, facts)),
  }
}

function answerOfStore({ store, rules }: ExplainGround, address: Address): Answer | undefined {
  const deciding = answerAt((prefix) => zoneEntryAt(store, rules, prefix), address)
  if (!deciding || !isListing(deciding.entry)) return undefined
  return { prefix: deciding.prefix, codes: codesOf(kindsOfEntry(deciding.entry)) }
}

function stateOf(
  address: Address,
  { standing, ended, exemption, exclusion }: Facts,
): Explanation['state'] {
  if (exemption || neverListed.some((each) => sameAddress(each, address))) return 'exempt'
  const first = standing.find(isListed)
  if (first) {
    return exclusion && exclusion.prefix.length >= first.prefix.length ? 'excluded' : 'listed'
  }
  return (standing[0] ?? ended[0])?.listing.state ?? null
}

/** The prefix for which an address is not listed. */
function decidingNot(
  { rules }: ExplainGround,
  state: Explanation['state'],
  { standing, exclusion }: Facts,
): string | null {
  if (state === 'excluded' && exclusion) return formatPrefix(exclusion.prefix)
  if (state === 'listed' && rules.isRetired) {
    return standing.find(isListed)?.listing.prefix ?? null
  }
  return null
}

/** Since when, and until when, what is answered at this prefix holds. */
function termAt(
  { store, now }: ExplainGround,
  prefix: Prefix,
  { standing }: Facts,
): Pick<Explanation, 'since' | 'until'> {
  const rows = standing.filter(
    (each) => isListed(each) && rowId(each) > 0 && comparePrefixes(each.prefix, prefix) === 0,
  )
  const entries = answeredEntries(store, prefix, now, rows.length > 0)
  const begins = [
    ...rows.map(({ listing }) => listing.createdAt),
    ...entries.map(({ listedAt }) => listedAt),
  ]
  if (begins.length === 0) return { since: null, until: null }
  const ends = [
    ...rows.map(({ listing }) => listing.expiresAt),
    ...entries.map(({ attributes }) => attributes.expiresAt),
  ]
  return { since: Math.min(...begins), until: latest(ends) }
}

function isListed({ listing }: Known): boolean {
  return listing.state === 'listed'
}

/** null, the permanent one, is latest. */
function latest(times: readonly (number | null)[]): number | null {
  return times.includes(null) ? null : Math.max(...times.map((time) => time ?? 0))
}
