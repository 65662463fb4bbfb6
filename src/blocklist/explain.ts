// The whole story of one address, from the store: what DNS answers and why, what holds, what held, what was seen. For
// who has a key: what anyone may know is in finding.ts. Admin decides what of it may be shown to whom.
import type { BackscatterKind } from '../bounce/kinds.ts'
import {
  type Address,
  formatAddress,
  formatPrefix,
  hostPrefix,
  sameAddress,
  unmapped,
} from '../ip/address.ts'
import { describeSpecialRange, specialPurposeRange } from '../ip/special-purpose.ts'
import type { Store } from '../store/database.ts'
import type { EvidenceRow } from '../store/evidence.ts'
import type { ExceptionRow } from '../store/exceptions.ts'
import type { ListingRow, ListingState } from '../store/listing-rows.ts'
import { codesOf, formatCodes, kindsOf } from './kinds.ts'
import type { ListsAhead } from './lists-ahead.ts'
import { type Exception, exceptionOf, type Listing, listingOf } from './outcomes.ts'
import type { PolicyOptions } from './policy.ts'
import type { Publisher } from './publish.ts'
import { judgedPrefix } from './record.ts'
import { neverListed, testEntryAt } from './test-entries.ts'

/** Times in epoch seconds. */
export interface Explanation {
  readonly query: string
  /** What DNS answers for this address, to the letter; false in a retired zone. */
  readonly listed: boolean
  /** The kinds answered. */
  readonly kinds: BackscatterKind[]
  /** "127.0.0.2", …; empty when not listed. */
  readonly codes: string[]
  /** The prefix whose listing or exclusion decides; null: none does. */
  readonly decidedBy: string | null
  /** Since when, and until when, the answered listing holds; `until` null: permanent, or not listed. */
  readonly since: number | null
  readonly until: number | null
  /** What is the case for this address; null: it never was listed. */
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
  readonly publisher: Publisher
  readonly policy: PolicyOptions
  readonly ahead: ListsAhead | undefined
  readonly isRetired: boolean
}

const maxHistory = 20
const maxEvidence = 20

/**
 * Explains an address as it is; ask for `unmapped(address)` when an IPv4-mapped one may have been meant as IPv4. All of
 * it is as of one moment without a transaction: nobody but this thread writes, and it does nothing else meanwhile.
 */
export function explain(ground: ExplainGround, address: Address): Explanation {
  const facts = gather(ground, address)
  const { standing, ended, exemption, exclusion, evidence } = facts
  const special = specialPurposeRange(hostPrefix(address), ground.policy.allowSpecial)
  return {
    query: formatAddress(address),
    ...verdict(ground, address, facts),
    evidence,
    specialPurpose: special ? describeSpecialRange(special) : null,
    exemption: exemption ? exceptionOf(exemption) : null,
    exclusion: exclusion ? exceptionOf(exclusion) : null,
    listings: standing.map(listingOf),
    history: ended
      .slice(0, maxHistory)
      .map((row) => ({ ...listingOf(row), endedAt: row.endedAt ?? 0 })),
  }
}

/** What the store has on an address. */
interface Facts {
  /** Longest prefix first. */
  readonly standing: readonly ListingRow[]
  /** Latest end first. */
  readonly ended: readonly ListingRow[]
  readonly exemption: ExceptionRow | undefined
  readonly exclusion: ExceptionRow | undefined
  readonly evidence: EvidenceRow[]
}

function gather({ store, policy, ahead }: ExplainGround, address: Address): Facts {
  const network = judgedPrefix(unmapped(address), policy)
  const { listings: rows, hasEvidence } = store.surroundings(address, network)
  const listings = ahead?.corrected(address, rows) ?? rows
  const ended = listings.filter(hasEnded)
  return {
    standing: ended.length === 0 ? listings : listings.filter((row) => !hasEnded(row)),
    ended: ended.sort((a, b) => (b.endedAt ?? 0) - (a.endedAt ?? 0) || b.id - a.id),
    exemption: store.exemptions.covering(address),
    exclusion: store.exclusions.covering(address),
    evidence: hasEvidence ? store.evidence.newest(network, maxEvidence) : [],
  }
}

function hasEnded({ state }: ListingRow): boolean {
  return state === 'expired' || state === 'removed'
}

type Verdict = Pick<
  Explanation,
  'listed' | 'kinds' | 'codes' | 'decidedBy' | 'since' | 'until' | 'state' | 'isTestEntry'
>

const unlisted = { listed: false, kinds: [], codes: [], since: null, until: null }

/** Decides as the tree does: test entries, exemptions, then the longest listing or exclusion. */
function verdict(
  { publisher, isRetired }: ExplainGround,
  address: Address,
  { standing, ended, exemption, exclusion }: Facts,
): Verdict {
  const test = testEntryAt(address)
  if (test && !isRetired) {
    return {
      ...{ listed: true, kinds: kindsOf(test.kinds), codes: formatCodes(codesOf(test.kinds)) },
      ...{ decidedBy: formatPrefix(test.prefix), since: null, until: null, state: 'listed' },
      isTestEntry: true,
    }
  }
  const none = { ...unlisted, decidedBy: null, isTestEntry: false }
  if (exemption || neverListed.some((each) => sameAddress(each, address))) {
    return { ...none, state: 'exempt' }
  }
  const first = standing.find(({ state }) => state === 'listed')
  if (first && exclusion && exclusion.prefix.length >= first.prefix.length) {
    return { ...none, decidedBy: formatPrefix(exclusion.prefix), state: 'excluded' }
  }
  if (!first) return { ...none, state: standing[0]?.state ?? ended[0]?.state ?? null }
  const answered = standing.filter(
    ({ state, prefix }) => state === 'listed' && prefix.length === first.prefix.length,
  )
  const mask = answered.reduce((union, { kinds }) => union | kinds, 0) & publisher.publishedKinds
  const facts = {
    decidedBy: formatPrefix(first.prefix),
    since: Math.min(...answered.map(({ createdAt }) => createdAt)),
    until: latest(answered.map(({ expiresAt }) => expiresAt)),
    state: 'listed',
    isTestEntry: false,
  } as const
  if (isRetired) return { ...unlisted, ...facts, since: null, until: null }
  return { ...facts, listed: true, kinds: kindsOf(mask), codes: formatCodes(codesOf(mask)) }
}

/** null, the permanent one, is latest. */
function latest(times: readonly (number | null)[]): number | null {
  return times.includes(null) ? null : Math.max(...times.map((time) => time ?? 0))
}
