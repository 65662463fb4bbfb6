// Explains to the operator what the policy makes of an address: what counts of its messages, what does not and why, what would
// list it, and what would free it. Names no trap and quotes no message. Only reads.
import type { BackscatterKind, Certainty } from '../classify/kinds.ts'
import { type Address, formatAddress, formatPrefix, type Prefix, unmapped } from '../ip/address.ts'
import { formatTimestamp } from '../quantity.ts'
import type { CountedMessages } from '../store/day-counters.ts'
import type { EvidenceRow } from '../store/evidence.ts'
import type { CurrentListing, ListingRow, ListingState } from '../store/listings.ts'
import { comparePrefixes } from '../store/packed-entries.ts'
import type { Context } from './context.ts'
import { hasTrapListing } from './explain.ts'
import { explainFold, type FoldExplanation, type KindCount } from './explain-fold.ts'
import { formatNext } from './format-next.ts'
import { historyOf, offenderAt } from './judge.ts'
import { judgedPrefix, toldWhy, whyNeverListed } from './record.ts'
import { delayOf } from './removals.ts'
import { type BasisEntry, readBasis, whyShadow } from './trap-listing.ts'
import { isPurged, kindsOf } from './types.ts'
import { answerAt } from './zone-entry.ts'

const maxMessages = 50

/** Times are epoch seconds. */
export interface PolicyExplanation {
  readonly query: string
  /** The network that the messages of the address count for. */
  readonly prefix: string
  /** The state of its listing by trap, or why it has none. null: never listed. */
  readonly state: ListingState | 'exempt' | 'excluded' | 'special-purpose' | null
  /** The state as a sentence. */
  readonly sentence: string
  /** Whether DNS answers the address, for this or another listing. */
  readonly listed: boolean
  readonly listing: PresentListing | null
  readonly kinds: readonly ExplainedKind[]
  /** Earlier and present listings as the present policy sees them, the newest first. */
  readonly past: FoldExplanation['past']
  readonly next: FoldExplanation['next']
  /** The newest messages, the newest first. */
  readonly messages: readonly ExplainedMessage[]
  /** Messages that were not stored, since there were too many on one day. */
  readonly counted: readonly CountedMessages[]
  readonly exits: readonly Exit[]
}

interface PresentListing {
  readonly kinds: BackscatterKind[]
  readonly createdAt: number
  /** null: permanent, by the operator's will. */
  readonly expiresAt: number | null
  /** When a held listing begins to show. */
  readonly heldUntil: number | null
  /** Why it is only counted: 'kind', 'whitelist ZONE' or 'pool NAME'. */
  readonly shadow: string | null
  readonly episode: number
  readonly termSeconds: number | null
  readonly hits: number
  readonly basis: readonly BasisEntry[]
}

interface ExplainedKind extends KindCount {
  /** What would list the network, or extend its listing, as a sentence. null: nothing can list it. */
  readonly sentence: string | null
  /** Why that listing would only be counted. null: it would show. */
  readonly shadow: string | null
}

interface ExplainedMessage {
  readonly seenAt: number
  readonly kind: BackscatterKind | null
  readonly certainty: Certainty | null
  readonly rule: string
  readonly counts: boolean
  readonly why: string
  readonly did: string | null
}

/** A way off the list. */
interface Exit {
  readonly by: 'time' | 'request' | 'remove' | 'exempt'
  /** From when on it is open; null: it is not, or not without the operator. */
  readonly at: number | null
  readonly sentence: string
}

export function explainPolicy(context: Context, address: Address): PolicyExplanation {
  const { store, policy, publisher, now } = context
  const prefix = judgedPrefix(unmapped(address), policy)
  const history = historyOf(context, prefix)
  const folded = explainFold(history, offenderAt(context, prefix), policy, now)
  const row = presentRow(context, prefix)
  const barred = whyNeverListed(context, unmapped(address), prefix)
  const ended = lastEnded(context, prefix)
  const listed = answerAt(store, publisher.rules(now), address) !== undefined
  const state = barred?.state ?? row?.state ?? ended?.state ?? null
  // DNS still answers the listing by trap for some seconds after it has expired.
  const isOther = listed && !hasTrapListing(context, prefix)
  const other = isOther ? ', but another listing covers it' : ''
  const { past, next, verdicts } = folded
  return {
    query: formatAddress(address),
    prefix: formatPrefix(prefix),
    state,
    sentence: `${formatPrefix(prefix)} ${barred ? barredClause(barred) : stateClause(row, ended)}${other}`,
    listed,
    listing: row ? presentListing(row) : null,
    kinds: folded.kinds.map((each) => explainKind(context, prefix, each, barred !== undefined)),
    past,
    next,
    messages: store.evidence
      .newest(prefix, maxMessages)
      .map((message) => explainMessage(message, verdicts)),
    counted: addUp(history.sums),
    exits: row ? exitsOf(context, prefix, row) : isOther ? [otherExit(context, address)] : [],
  }
}

/** The listing by trap that has not ended. */
function presentRow({ store, now }: Context, prefix: Prefix): CurrentListing | undefined {
  return store.listings
    .currentAt(prefix)
    .find(({ origin, expiresAt }) => origin === 'trap' && (expiresAt === null || expiresAt > now))
}

interface EndedListing {
  readonly state: 'expired' | 'removed'
  readonly how: 'expired' | 'was removed' | 'was purged'
  readonly endedAt: number
}

/** How the last listing by trap ended. Its row may still have to be ended. */
function lastEnded({ store, now }: Context, prefix: Prefix): EndedListing | undefined {
  return store.listings
    .around(prefix)
    .filter((row) => row.origin === 'trap' && comparePrefixes(row.prefix, prefix) === 0)
    .flatMap((row) => endOfRow(row, now))
    .sort((a, b) => b.endedAt - a.endedAt)[0]
}

function endOfRow(row: ListingRow, now: number): EndedListing[] {
  const { state, expiresAt } = row
  const endedAt = row.endedAt ?? 0
  if (state === 'removed') {
    return [{ state, how: isPurged(row) ? 'was purged' : 'was removed', endedAt }]
  }
  if (state === 'expired') return [{ state, how: state, endedAt }]
  if (expiresAt === null || expiresAt > now) return []
  return [{ state: 'expired', how: 'expired', endedAt: expiresAt }]
}

function barredClause({ state, why }: NonNullable<ReturnType<typeof whyNeverListed>>): string {
  return state === 'special-purpose'
    ? `is never listed: ${why}`
    : `is not listed, whatever it sends: ${why}`
}

function stateClause(row: CurrentListing | undefined, ended: EndedListing | undefined): string {
  if (!row) {
    if (!ended) return 'was never listed for mail to a trap'
    return `is not listed for mail to a trap: its listing ${ended.how} at ${formatTimestamp(ended.endedAt)}`
  }
  const kinds = kindsOf(row.kinds).join(', ')
  const end = row.expiresAt === null ? 'permanently' : `until ${formatTimestamp(row.expiresAt)}`
  if (row.state === 'listed') return `is listed for ${kinds} ${end}`
  const shows = row.heldUntil === null ? '' : ` until ${formatTimestamp(row.heldUntil)}`
  const place =
    row.state === 'held' ? `held back${shows}` : `only counted (${row.shadow ?? 'kind'})`
  return `has a listing for ${kinds} ${end}, which is ${place}`
}

function presentListing(row: CurrentListing): PresentListing {
  const { createdAt, expiresAt, heldUntil, shadow, episode, termSeconds, hits } = row
  const columns = { createdAt, expiresAt, heldUntil, shadow, episode, termSeconds, hits }
  return { kinds: kindsOf(row.kinds), ...columns, basis: readBasis(row.basis) }
}

function explainKind(
  context: Context,
  prefix: Prefix,
  count: KindCount,
  isBarred: boolean,
): ExplainedKind {
  if (isBarred) return { ...count, sentence: null, shadow: null }
  const { kinds } = count.next.offender
  const shadow = whyShadow(context, { prefix, kinds })
  const only = shadow === null ? '' : `, but only as a listing that is not published (${shadow})`
  return { ...count, sentence: `${formatNext(count, context.policy)}${only}`, shadow }
}

function explainMessage(
  { id, seenAt, kind, certainty, rule, decision, why }: EvidenceRow,
  verdicts: FoldExplanation['verdicts'],
): ExplainedMessage {
  const ignored = { counts: false, why: toldWhy(why), did: null }
  const verdict = decision === 'ignored' ? undefined : verdicts.get(id)
  return { seenAt, kind, certainty, rule, ...(verdict ?? ignored) }
}

/** The counts of each kind and certainty, over all days. */
function addUp(sums: readonly CountedMessages[]): CountedMessages[] {
  const groups = Map.groupBy(sums, ({ kind, certainty }) => `${kind} ${certainty}`)
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (!first) return []
    const seenAt = Math.max(...group.map((each) => each.seenAt))
    const messages = group.reduce((sum, each) => sum + each.messages, 0)
    return [{ kind: first.kind, certainty: first.certainty, messages, seenAt }]
  })
}

function exitsOf(context: Context, prefix: Prefix, row: CurrentListing): Exit[] {
  const { expiresAt } = row
  const text = formatPrefix(prefix)
  return [
    {
      by: 'time',
      at: expiresAt,
      sentence:
        expiresAt === null
          ? 'it never ends by itself'
          : `it ends at ${formatTimestamp(expiresAt)} if nothing more comes that extends it`,
    },
    requestExit(context, row),
    {
      by: 'remove',
      at: context.now,
      sentence: `“backscatterd remove ${text}” ends it, and its messages up to then no longer count`,
    },
    {
      by: 'exempt',
      at: context.now,
      sentence: `“backscatterd exempt ${text}” keeps it from ever being listed`,
    },
  ]
}

/** How a listing by hand, of a named list, or of a larger prefix ends. */
function otherExit({ now }: Context, address: Address): Exit {
  const show = `“backscatterd show ${formatAddress(address)}”`
  const sentence = `${show} names the listing that covers it, and “backscatterd remove” ends that`
  return { by: 'remove', at: now, sentence }
}

/** What the rules of removal by request say now. */
function requestExit(context: Context, row: CurrentListing): Exit {
  const { store, now } = context
  if (row.state !== 'listed') {
    const sentence = 'nobody can request its removal while DNS does not answer it'
    return { by: 'request', at: null, sentence }
  }
  if (!context.policy.removal.isOpen) {
    return {
      by: 'request',
      at: null,
      sentence: 'requests for removal are not taken (admin.removal)',
    }
  }
  const delay = delayOf(context, row)
  if (!delay) {
    return {
      by: 'request',
      at: now,
      sentence: 'anyone may request its removal: the rules allow it',
    }
  }
  const { why, askAgainAt: at } = delay
  const state = store.removals.ofListing(row.id)?.state ?? 'none'
  const asked = requestWords[state] ?? 'a request for removal would wait for the operator'
  const later = at === null ? '' : `; from ${formatTimestamp(at)} on the rules allow it`
  return { by: 'request', at, sentence: `${asked}: ${why}${later}` }
}

const requestWords: Readonly<Record<string, string>> = {
  queued: 'a request for removal waits for the operator',
  refused: 'the operator refused a request for removal',
}
