// Look-up of one address. The public learns what DNS answers, and what it may see of the reason. The operator also learns why,
// and sees the present and past listings and the messages.
import {
  type Address,
  formatAddress,
  formatPrefix,
  hostPrefix,
  networkOf,
  type Prefix,
  sameAddress,
  unmapped,
} from '../ip/address.ts'
import { describeSpecialRange, specialPurposeRange } from '../ip/special-purpose.ts'
import type { Store } from '../store/database.ts'
import type { EvidenceRow } from '../store/evidence.ts'
import type { ExceptionRow } from '../store/exceptions.ts'
import { isOver } from '../store/list-versions.ts'
import type { ListingRow } from '../store/listings.ts'
import { comparePrefixes, type ListEntry } from '../store/packed-entries.ts'
import type { TreeReader } from '../tree/reader.ts'
import type { Context } from './context.ts'
import { publicEvidenceOf } from './public-evidence.ts'
import { judgedPrefix } from './record.ts'
import { roundDown } from './shown-evidence.ts'
import {
  type Answered,
  type Explanation,
  exceptionOf,
  type Finding,
  isPurged,
  kindsOf,
  type Listing,
  listingOf,
  listingOfEntry,
} from './types.ts'
import {
  type Answer,
  answerAt,
  codeNumbers,
  kindsOfCodes,
  neverListed,
  testEntryAt,
} from './zone-entry.ts'

const maxHistory = 20
const maxEvidence = 20
const hourSeconds = 3600
const daySeconds = 86_400

/**
 * What the public may know about an address. It asks the tree, as DNS does. It reads the database only if the address is
 * answered as listed, and it never reads evidence.
 */
export function find(context: Context, reader: TreeReader, address: Address): Finding {
  const answer = answerOf(reader, address)
  return {
    query: formatAddress(address),
    ...shownAnswer(answer),
    ...(answer && !testEntryAt(address)
      ? reasonFor(context, answer)
      : { prefix: null, origin: null, since: null, until: null, evidence: [] }),
  }
}

/** What the public may know of the listings that DNS answers. Of a listing by trap only its snapshot counts. */
function reasonFor(context: Context, { prefix, kinds }: Answer): Omit<Finding, keyof Answered> {
  const { store, now } = context
  const rows = store.listings.currentAt(prefix).filter(({ state }) => state === 'listed')
  const entries = answeredEntries(store, prefix, now, rows.length > 0)
  const byTrap = rows.find(({ origin }) => origin === 'trap')
  const snapshot = byTrap && publicEvidenceOf(context, byTrap.id)
  const evidence = (snapshot?.evidence ?? []).filter(({ kind }) => kindsOf(kinds).includes(kind))
  const began = Math.min(
    now,
    ...rows.map(({ origin, createdAt }) =>
      origin === 'trap' ? (snapshot?.shownAt ?? now) : createdAt,
    ),
    ...entries.map(({ listedAt }) => listedAt),
  )
  const isShown = evidence.length > 0
  // What the snapshot says of the end does not hold beside other listings, or if the operator has set another end.
  const isEndOfFold = byTrap?.expiresAt === store.offenders.at(prefix)?.offender.endsAt
  const until = rows.length + entries.length === 1 && isEndOfFold ? (snapshot?.until ?? 0) : 0
  return {
    prefix: formatPrefix(prefix),
    origin: byTrap ? 'trap' : (rows[0]?.origin ?? 'import'),
    since: roundDown(began, isShown ? hourSeconds : daySeconds),
    until: isShown && until > now ? until : null,
    evidence,
  }
}

/**
 * Everything known about an address. The result is consistent: only this thread writes, and this function does not pause.
 * Without a reader the store tells what DNS would answer. An IPv4-mapped address is explained as IPv6, but with the evidence of
 * its IPv4 address.
 */
export function explain(
  context: Context,
  reader: TreeReader | undefined,
  address: Address,
): Explanation {
  const facts = gather(context, address)
  const { standing, ended, exemption, exclusion, evidence } = facts
  const answer = reader
    ? answerOf(reader, address)
    : answerAt(context.store, context.publisher.rules(context.now), address)
  const isTestEntry = answer !== undefined && testEntryAt(address) !== undefined
  const state = isTestEntry ? 'listed' : stateOf(address, facts)
  const term =
    answer && !isTestEntry ? termAt(context, answer.prefix, facts) : { since: null, until: null }
  const special = specialPurposeRange(hostPrefix(address), context.policy.allowSpecial)
  return {
    query: formatAddress(address),
    ...shownAnswer(answer),
    decidedBy: answer ? formatPrefix(answer.prefix) : preventingPrefix(context, state, facts),
    since: term.since,
    until: term.until,
    isByTrap: answer !== undefined && !isTestEntry && hasTrapListing(context, answer.prefix),
    state,
    isTestEntry,
    evidence,
    verifiedName: context.store.hosts.get(unmapped(address))?.name ?? null,
    specialPurpose: special ? describeSpecialRange(special) : null,
    exemption: exemption ? exceptionOf(exemption) : null,
    exclusion: exclusion ? exceptionOf(exclusion) : null,
    listings: standing.map(({ listing }) => listing),
    history: ended.slice(0, maxHistory).map(({ listing, endedAt, isPurged }) => ({
      ...listing,
      endedAt,
      isPurged,
    })),
  }
}

/** What DNS answers, taken from the tree. Undefined if the address is not listed. */
function answerOf(reader: TreeReader, address: Address): Answer | undefined {
  const { family, w0, w1, w2, w3 } = address
  reader.enter()
  const answer = reader.find(family, w0, w1, w2, w3)
  const codes = answer < 0 ? 0 : reader.answerCodes(answer)
  const length = reader.matchedLength
  reader.leave()
  if (answer < 0) return undefined
  return { prefix: networkOf(address, length), kinds: kindsOfCodes(codes) }
}

function shownAnswer(answer: Answer | undefined): Omit<Answered, 'query'> {
  if (!answer) return { listed: false, kinds: [], codes: [] }
  return {
    listed: true,
    kinds: kindsOf(answer.kinds),
    codes: codeNumbers(answer.kinds).map((code) => `127.0.0.${code}`),
  }
}

/** A present or past listing: a row, or an entry of a list. */
interface Known {
  readonly prefix: Prefix
  readonly listing: Listing
  /** null if it has not ended. */
  readonly endedAt: number | null
  readonly isPurged: boolean
}

type EndedListing = Known & { readonly endedAt: number }

/** Everything the store has about an address. */
interface Facts {
  /** Present listings, longest prefix first; at one prefix, rows come before entries. */
  readonly standing: readonly Known[]
  /** Past listings, latest end first. */
  readonly ended: readonly EndedListing[]
  readonly exemption: ExceptionRow | undefined
  readonly exclusion: ExceptionRow | undefined
  readonly evidence: EvidenceRow[]
}

function gather({ store, policy, now }: Context, address: Address): Facts {
  const network = judgedPrefix(unmapped(address), policy)
  const entries = entriesAround(store, address, now)
  const known = [...store.listings.around(address).map(knownRow), ...entries]
  const ended = known.filter((each): each is EndedListing => each.endedAt !== null)
  const standing = known.filter(({ endedAt }) => endedAt === null)
  if (entries.length > 0) standing.sort((a, b) => b.prefix.length - a.prefix.length)
  return {
    standing,
    ended: ended.sort((a, b) => b.endedAt - a.endedAt || rowId(b) - rowId(a)),
    exemption: store.exemptions.covering(address),
    exclusion: store.exclusions.covering(address),
    evidence: store.evidence.newest(network, maxEvidence),
  }
}

function knownRow(row: ListingRow): Known {
  const hasEnded = row.state === 'expired' || row.state === 'removed'
  const endedAt = hasEnded ? (row.endedAt ?? 0) : null
  return { prefix: row.prefix, listing: listingOf(row), endedAt, isPurged: isPurged(row) }
}

/** The id for sorting. An entry of a list gets 0, so that it comes after the rows. */
function rowId({ listing: { id } }: Known): number {
  return typeof id === 'number' ? id : 0
}

/** List entries around the address, sorted by list name. Entries removed by hand are left out: their rows are shown instead. */
function entriesAround(store: Store, address: Address, now: number): Known[] {
  const known: Known[] = []
  for (const { name, version } of store.lists.all()) {
    for (const entry of store.lists.covering(version, address)) {
      const { prefix, attributes } = entry
      if (version === null || store.listings.isHidden(prefix, version)) continue
      const state = isOver(entry, now) ? 'expired' : 'listed'
      const endedAt = state === 'expired' ? attributes.expiresAt : null
      known.push({ prefix, listing: listingOfEntry(name, entry, state), endedAt, isPurged: false })
    }
  }
  return known
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

/** For an address that is not answered: the exclusion that prevents it or, in a retired zone, the listing. */
function preventingPrefix(
  { publisher, now }: Context,
  state: Explanation['state'],
  { standing, exclusion }: Facts,
): string | null {
  if (state === 'excluded' && exclusion) return formatPrefix(exclusion.prefix)
  if (state === 'listed' && publisher.rules(now).isRetired) {
    return standing.find(isListed)?.listing.prefix ?? null
  }
  return null
}

/** When the answer at this prefix began, and when it will end. */
function termAt(
  { store, now }: Context,
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

/** The latest of the times. null means permanent, so it is the latest of all. */
function latest(times: readonly (number | null)[]): number | null {
  return times.includes(null) ? null : Math.max(...times.map((time) => time ?? 0))
}

/** Whether a listing by trap of exactly this prefix shows in DNS, exceptions aside. */
export function hasTrapListing({ store }: Context, prefix: Prefix): boolean {
  const rows = store.listings.currentAt(prefix)
  return rows.some(({ state, origin }) => state === 'listed' && origin === 'trap')
}

/**
 * The entries of lists that DNS answers at exactly this prefix. While an import is being published, entries of the old
 * version count too. If all entries have expired and no row is listed either (`hasRows` is false), DNS still answers the
 * expired entries, so these are returned.
 */
function answeredEntries(store: Store, prefix: Prefix, now: number, hasRows: boolean): ListEntry[] {
  const found: ListEntry[] = []
  for (const { version, applied } of store.lists.all()) {
    for (const each of version === applied ? [version] : [version, applied]) {
      const entry = store.lists.find(each, prefix)
      if (entry && each !== null && !store.listings.isHidden(prefix, each)) found.push(entry)
    }
  }
  const standing = found.filter((entry) => !isOver(entry, now))
  return standing.length > 0 || hasRows ? standing : found
}
