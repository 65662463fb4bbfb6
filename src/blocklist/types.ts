// The types of the blocklist that other rooms use, and the conversion of stored rows to them. Times are epoch seconds.
import { type BackscatterKind, backscatterKinds, type Certainty } from '../classify/kinds.ts'
import { formatAddress, formatPrefix, type Prefix, parsePrefix } from '../ip/address.ts'
import type { EvidenceRow } from '../store/evidence.ts'
import type { ExceptionRow } from '../store/exceptions.ts'
import type { ListingFilter } from '../store/listing-walks.ts'
import type { ListingOrigin, ListingRow, ListingState } from '../store/listings.ts'
import type { EntryAttributes, ListEntry } from '../store/packed-entries.ts'
import type { RemovalRow } from '../store/removals.ts'
import type { TrapRow } from '../store/traps.ts'

export type { EntryAttributes, ListEntry, TrapRow }

/** Who makes a change, for the audit: 'cli', 'trap', 'config', 'policy' or the name of a key. */
export interface Actor {
  readonly name: string
}

export interface Listing {
  /** A number, or for an entry of a named list the text that `entryId` makes. */
  readonly id: number | string
  readonly prefix: string
  readonly kinds: BackscatterKind[]
  readonly state: ListingState
  /** Why a shadow listing is only counted: 'kind', 'whitelist ZONE' or 'pool NAME'. null in other states. */
  readonly shadow: string | null
  readonly origin: ListingOrigin
  readonly list: string | null
  readonly reason: string | null
  readonly createdAt: number
  readonly lastHitAt: number | null
  /** null: permanent. */
  readonly expiresAt: number | null
  readonly hits: number
}

/** An exemption: the prefix is never listed, nor is anything in it. An exclusion: a hole in the listings that cover it. */
export type ExceptionKind = 'exemption' | 'exclusion'

/** An exemption or an exclusion. */
export type Exception = Omit<ExceptionRow, 'prefix'> & { readonly prefix: string }

/** Why a request was refused. `why` mostly is a clause that follows the prefix or pattern of the request: "is not listed". */
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
    /** The listing can be removed only by the operator. */
    | 'operator-only'
    /** An import would remove so many entries that it needs force. */
    | 'loss'
    /** The listing has changed since the caller last read it. */
    | 'changed'
  readonly why: string
  /** For a removal that the operator refused: when the rules will allow it, as epoch seconds; null: never. */
  readonly askAgainAt?: number | null
}

/** A whole request was refused because of these prefixes, in order. Nothing was changed. */
export interface RequestRefusal {
  readonly refusals: readonly (Refusal & { readonly prefix: Prefix })[]
}

export interface ListRequest {
  readonly prefix: Prefix
  readonly kinds: readonly BackscatterKind[]
  readonly reason?: string | undefined
  /** null: permanent. Absent: the listing ends `longestListingSeconds` of the policy from now. */
  readonly expiresAt?: number | null
}

/** What a request did to a prefix that was listed by hand already is in this order: a longer term is `extended`. */
export const listOutcomes = ['listed', 'extended', 'amended', 'unchanged'] as const

export interface ListOutcome {
  readonly outcome: (typeof listOutcomes)[number]
  readonly listing: Listing
}

/** Members that are present are set; the others stay as they are. */
export interface ListingChange {
  /** Allowed only for a listing by hand. For a listing by trap the evidence decides the kinds. */
  readonly kinds?: readonly BackscatterKind[] | undefined
  /** null removes the reason. */
  readonly reason?: string | null | undefined
  /** May be earlier or later than before. null: permanent. */
  readonly expiresAt?: number | null
}

export type AmendOutcome =
  | { readonly outcome: 'amended' | 'removed'; readonly listing: Listing }
  | Refusal

/** Tests whether the listing is still as the caller last read it. */
export type Expectation = (listing: Listing) => boolean

/** A request to be removed, as the operator sees it. */
export type Removal = Omit<RemovalRow, 'listingId' | 'prefix'> & { readonly prefix: string }

/** A rule of `[removal]` that a request must meet. */
export type RemovalRule = 'quiet' | 'times'

/** Why a request is removed, or not yet. */
export interface RemovalDelay {
  readonly why: string
  /** The rules that it does not meet. Empty if only the operator decides, or if it is removed. */
  readonly unmet: readonly RemovalRule[]
  /** From when on the policy will allow a queued request, if it is sent again. null: never, or it is removed. */
  readonly askAgainAt: number | null
}

/** What anyone is told who requests a removal. */
export interface RemovalAnswer extends RemovalDelay {
  /** The prefix that was listed. */
  readonly prefix: string
  readonly state: 'removed' | 'queued'
  /** Whether DNS still answers the address. After a removal: because of other listings. */
  readonly listed: boolean
}

export type ExceptionOutcome =
  | { readonly outcome: 'added' | 'unchanged' | 'removed'; readonly exception: Exception }
  | Refusal

export type TrapOutcome =
  | { readonly outcome: 'added' | 'unchanged' | 'removed'; readonly trap: TrapRow }
  | Refusal

export interface Decision {
  readonly decision: 'listed' | 'extended' | 'counted' | 'ignored' | 'duplicate'
  /** The reason. If `told` is set, only the operator may read this, since it repeats an address of the message. */
  readonly why: string
  /** The reason without addresses, for everyone else. Missing if everyone may read `why`. */
  readonly told?: string
  /** The client's present listing by trap, if there is one. */
  readonly listing?: Listing
}

/** Writes more rows in the transaction of a change. It gets the outcome of the change. If it throws, the change is undone. */
export type Alongside<T> = (outcome: T) => void

export interface PageRequest {
  readonly limit: number
  /** The `nextCursor` of the page before. */
  readonly cursor?: string | undefined
}

export interface Page<T> {
  readonly items: T[]
  /** Where the next page begins; null after the last page. */
  readonly nextCursor: string | null
}

export type ListingsFilter = Omit<ListingFilter, 'kinds'> & { readonly kind?: BackscatterKind }

/**
 * A line of a list, parsed or refused; a line with a range gives several items. `attributes` is null for an exclusion, which
 * leaves a hole in the list's own prefixes.
 */
export type ImportItem =
  | RefusedLine
  | {
      readonly line: number
      readonly text: string
      readonly prefix: Prefix
      readonly attributes: EntryAttributes | null
    }

/** A fault for which the whole list is refused, such as an unknown column or an expiry time that is over. */
export interface ListFault {
  readonly line: number
  readonly fault: string
}

export interface ImportRequest {
  readonly list: string
  /** Batches of lines, each handled within milliseconds. If reading them throws, the import throws and changes nothing. */
  readonly items: AsyncIterable<readonly (ImportItem | ListFault)[]>
  /** true: one wrong line refuses the whole list. false: wrong lines are left out. */
  readonly isStrict: boolean
  /** true: the import is never refused with 'loss'. */
  readonly isForced?: boolean
  /** true: nothing is changed, and the result tells what would change. */
  readonly isDryRun?: boolean
  readonly actor: Actor
}

export interface RefusedLine {
  readonly line: number
  readonly text: string
  readonly why: string
}

export interface ImportDone {
  readonly list: string
  /** The number of new prefixes. One that had expired or been removed by hand counts as new. */
  readonly added: number
  /** The number of prefixes that the list no longer has. */
  readonly removed: number
  /** The number of prefixes that were listed before and still are. */
  readonly kept: number
  /** The first wrong lines. There may be more: see `refusedCount`. */
  readonly refused: readonly RefusedLine[]
  /** The number of all wrong lines. */
  readonly refusedCount: number
  /** For a dry run without force: why the import would be refused without force. */
  readonly needsForce?: string
}

/** What an import does, in this order; only a process with a tree publishes. */
export const importPhases = ['reading', 'sorting', 'storing', 'publishing'] as const

/** How far a running import is. */
export interface RunningImport {
  readonly list: string
  readonly phase: (typeof importPhases)[number]
  /** Lines or, when publishing, prefixes. */
  readonly done: number
  /** null while reading: the number of lines is not known yet. */
  readonly total: number | null
}

/** `line`: the wrong line because of which the list was refused. */
export type ImportOutcome = ImportDone | (Refusal & { readonly line?: RefusedLine })

export interface Export {
  /** Ends the export. It must be called only if the reader stops before the last page. May be called twice. */
  close(): void
  /** Pages of entries, each prefix once. A page may be empty. The export is closed after the last page. */
  readonly pages: Iterable<readonly ListEntry[]>
  /** Excluded and exempt prefixes. Empty unless everything is exported. */
  readonly holes: readonly Prefix[]
  /** Mask of the kinds that a zone made from this export may answer: all for a named list, else those that our zone answers. */
  readonly zoneKinds: number
  /** The serial of the zone as of which the export is. */
  readonly serial: number
  /** The zone is retired: it answers nothing, not even test entries. */
  readonly isRetired: boolean
}

/** Selects evidence by all members that are there. */
export interface PurgeRequest {
  /** A trap pattern or a trap address. */
  readonly trap?: string | undefined
  readonly mailbox?: string | undefined
  readonly collector?: string | undefined
  readonly kind?: BackscatterKind | undefined
  /** Seen at this time or later; epoch seconds. */
  readonly from?: number | undefined
  /** Seen before this time; epoch seconds. */
  readonly to?: number | undefined
}

/** What a purge did, or would do. */
export interface Purge {
  /** How many messages no longer count. */
  readonly messages: number
  /** How many listings ended. */
  readonly ended: number
  readonly shortened: number
  /** Some of these listings as they were, and when each ends now; null: at once. */
  readonly listings: readonly { readonly listing: Listing; readonly expiresAt: number | null }[]
  /** What the public is told; null for a dry run. */
  readonly notice: string | null
}

/** What DNS answers for an address. */
export interface Answered {
  readonly query: string
  /** Whether DNS answers this address as listed; false in a retired zone. */
  readonly listed: boolean
  /** The kinds answered. */
  readonly kinds: BackscatterKind[]
  /** "127.0.0.2", …; empty when not listed. */
  readonly codes: string[]
}

/** What the public may know about an address. All but `query` is the same for all addresses that are not listed. */
export interface Finding extends Answered {
  /** The prefix that decides the answer; null for a test entry, and if not listed. */
  readonly prefix: string | null
  /** 'trap' if evidence is a reason for the answer. null where `prefix` is. */
  readonly origin: ListingOrigin | null
  /** The hour in which the answered listing began to show; only the day (UTC) if no evidence is shown. null where `prefix` is. */
  readonly since: number | null
  /** A day (UTC) at whose end the listing will be over, if no more messages come; null if that is not public or is over. */
  readonly until: number | null
  readonly evidence: readonly PublicEvidence[]
}

/** Numbers of messages and of traps, as far as they are public. */
export const countClasses = ['1–2', '3–9', '10 and more'] as const
export type CountClass = (typeof countClasses)[number]

/** What is public of the messages of one kind. */
export interface PublicEvidence {
  readonly kind: BackscatterKind
  readonly certainty: Certainty
  readonly messages: CountClass
  readonly traps: CountClass
  /** Hours in which messages came, as epoch seconds of their beginning, the newest first. There may have been others. */
  readonly hours: readonly number[]
  /** The values that all the messages have. */
  readonly helo?: string
  readonly reportingMta?: string
  readonly generator?: string
  readonly status?: string
}

/** Everything known about an address. */
export interface Explanation extends Answered {
  /** When the answered listing began; null for a test entry, and if not listed. */
  readonly since: number | null
  /** The prefix that decides the answer; null if there is none. In a retired zone: the prefix that would decide. */
  readonly decidedBy: string | null
  /** When the answered listing ends; null if it is permanent, for a test entry, and if not listed. */
  readonly until: number | null
  /** The state in the database; null if never listed. While an import is being published, `listed` may lag behind it. */
  readonly state: ListingState | 'exempt' | 'excluded' | null
  readonly isTestEntry: boolean
  /** Whether a listing by trap is among those that are answered. */
  readonly isByTrap: boolean
  /** The newest messages from this address, or from the IPv6 network that would be listed with it. */
  readonly evidence: EvidenceRow[]
  /** The host's name by DNS, if it is verified and known. */
  readonly verifiedName: string | null
  /** "192.168.0.0/16 (Private-Use, RFC 1918)" if the address lies in a range that is never listed. */
  readonly specialPurpose: string | null
  /** The longest exemption that covers the address. */
  readonly exemption: Exception | null
  /** The longest exclusion that covers the address. */
  readonly exclusion: Exception | null
  /** Present listings of the address and of prefixes around it, longest first. */
  readonly listings: Listing[]
  /** Past listings of the same prefixes, latest end first. */
  readonly history: (Listing & { readonly endedAt: number; readonly isPurged: boolean })[]
}

export interface WriteFailure {
  /** When writing first failed. */
  readonly since: number
  /** The reason, from a fixed set of sentences. */
  readonly why: string
}

export interface BlocklistStatus {
  readonly serial: number
  readonly generatedAt: number
  readonly validUntil: number
  readonly entries: { readonly ipv4: number; readonly ipv6: number; readonly domains: number }
  /** Zeros if this process has no tree. */
  readonly tree: { readonly usedBytes: number; readonly capacityBytes: number }
  /** The imports that run now. */
  readonly imports: readonly RunningImport[]
  /** Present while the database cannot be written. */
  readonly writeFailure?: WriteFailure | undefined
  /** How long the last publication took, from the begin of COMMIT until DNS answered it. Undefined if there was none. */
  readonly publishedInMs?: number | undefined
  /** Free space on the database's disk, and how much mail needs. Undefined if no minimum is set. */
  readonly disk?: { readonly freeBytes: number; readonly neededBytes: number } | undefined
}

export function isRefusal(outcome: object): outcome is Refusal {
  return 'refused' in outcome && 'why' in outcome
}

export function isRequestRefusal(outcome: object): outcome is RequestRefusal {
  return 'refusals' in outcome
}

/** Converts kinds to a mask: bit i stands for backscatterKinds[i]. */
export function kindsMask(kinds: Iterable<BackscatterKind>): number {
  let mask = 0
  for (const kind of kinds) mask |= 1 << backscatterKinds.indexOf(kind)
  return mask
}

/** The mask of the kind with this name. Undefined if there is none. */
export function kindNamed(name: string): number | undefined {
  const index = (backscatterKinds as readonly string[]).indexOf(name)
  return index < 0 ? undefined : 1 << index
}

/** The kinds of a mask, in the order of their DNS codes. */
export function kindsOf(mask: number): BackscatterKind[] {
  return backscatterKinds.filter((_, index) => (mask & (1 << index)) !== 0)
}

/** Whether the listing ended because its evidence was purged. */
export function isPurged({ state, origin, evidenceMark }: ListingRow): boolean {
  return state === 'removed' && origin === 'trap' && evidenceMark === null
}

export function listingOf(row: ListingRow): Listing {
  return {
    id: row.id,
    prefix: formatPrefix(row.prefix),
    kinds: kindsOf(row.kinds),
    state: row.state,
    shadow: row.state === 'shadow' ? row.shadow : null,
    origin: row.origin,
    list: row.list,
    reason: row.reason,
    createdAt: row.createdAt,
    lastHitAt: row.lastHitAt,
    expiresAt: row.expiresAt,
    hits: row.hits,
  }
}

/** Converts an entry of a named list to a listing. */
export function listingOfEntry(
  list: string,
  { prefix, attributes, listedAt }: ListEntry,
  state: 'listed' | 'expired' | 'removed',
): Listing {
  return {
    id: entryId(list, prefix),
    prefix: formatPrefix(prefix),
    kinds: kindsOf(attributes.kinds),
    state,
    shadow: null,
    origin: 'import',
    list,
    reason: attributes.reason,
    createdAt: listedAt,
    lastHitAt: null,
    expiresAt: attributes.expiresAt,
    hits: 0,
  }
}

/** The id of an entry: "drop:192.0.2.0-24". List names have no colon. The id has no slash, since it is used in URL paths. */
export function entryId(list: string, prefix: Prefix): string {
  return `${list}:${formatAddress(prefix)}-${prefix.length}`
}

/** The list and prefix of an id from `entryId`. Undefined for any other text. */
export function readEntryId(
  id: string,
): { readonly list: string; readonly prefix: Prefix } | undefined {
  const [, list, address, length] = /^([^:]+):(.+)-(\d{1,3})$/.exec(id) ?? []
  const parsed = parsePrefix(`${address}/${length}`)
  if (list === undefined || 'why' in parsed) return undefined
  return entryId(list, parsed.value) === id ? { list, prefix: parsed.value } : undefined
}

export function exceptionOf(row: ExceptionRow): Exception {
  return { ...row, prefix: formatPrefix(row.prefix) }
}
