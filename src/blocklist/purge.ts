// A purge: takes back evidence that should never have counted, such as that of a poisoned trap. The listings become what they
// would be if it had never been seen. Runs inside a transaction.
import type { Prefix } from '../ip/address.ts'
import { formatTimestamp, plural } from '../quantity.ts'
import type { SummedMessages } from '../store/day-counters.ts'
import type { StoredEvidence } from '../store/evidence.ts'
import type { CurrentListing } from '../store/listings.ts'
import { audit, type Context } from './context.ts'
import { noOffence } from './fold.ts'
import { foldWhole, historyOf } from './judge.ts'
import { standingAt } from './listings.ts'
import { remakeSnapshot } from './public-evidence.ts'
import { byNetwork } from './record.ts'
import { endOfListing, type Folded, followFold } from './trap-listing.ts'
import { parseTrapSelection } from './traps.ts'
import {
  type Actor,
  type Listing,
  listingOf,
  type Purge,
  type PurgeRequest,
  type Refusal,
} from './types.ts'

/** The answer names at most this many listings. */
const maxNamed = 1000

interface Selected {
  readonly rows: readonly StoredEvidence[]
  /** The ids of the rows. */
  readonly ids: ReadonlySet<number>
  readonly sums: readonly SummedMessages[]
  isPurged(sum: SummedMessages): boolean
  /** The networks that lose evidence. */
  readonly networks: readonly Prefix[]
}

/** What becomes of one present listing. */
interface Change {
  readonly row: CurrentListing
  readonly prefix: Prefix
  readonly folded: Folded
  /** When it will end; null: never. Not after now: it ends at once. */
  readonly expiresAt: number | null
}

/**
 * Purges the evidence that has all given properties. With `isDryRun` it changes nothing and tells what would change. Messages of
 * one day that were only counted are purged together, if any of them may lie in the time window. Refuses with 'invalid' if no
 * property is given, the trap is no address or pattern, or the time window is empty.
 */
export function purge(
  context: Context,
  request: PurgeRequest,
  isDryRun: boolean,
  actor: Actor,
): Purge | Refusal {
  const selected = select(context, request)
  if ('refused' in selected) return selected
  const changes: Change[] = []
  const others: Omit<Change, 'row' | 'expiresAt'>[] = []
  for (const prefix of selected.networks) {
    const folded = foldedWithout(context, prefix, selected)
    const row = standingAt(context, prefix).find(({ origin }) => origin === 'trap')
    if (row) changes.push({ row, prefix, folded, expiresAt: endOfListing(row, folded) })
    else others.push({ prefix, folded })
  }
  const result = resultOf(context, selected, changes)
  if (isDryRun || result.messages === 0) return { ...result, notice: null }
  const { store, now } = context
  store.evidence.delete(selected.rows)
  for (const sum of selected.sums) store.evidenceCounters.delete(sum)
  for (const { prefix, folded } of others) store.offenders.save(prefix, folded.offender)
  for (const { prefix, row, folded } of changes) {
    store.offenders.save(prefix, folded.offender)
    followFold(context, prefix, row, folded, 'removed')
    remakeSnapshot(context, row.id)
  }
  const answered = changes.filter(({ row }) => row.state === 'listed')
  const notice = noticeOf(request, resultOf(context, selected, answered), now)
  store.notices.insert(now, notice)
  const { listings: _, ...counts } = result
  audit(context, actor, 'purge', describe(request), null, counts)
  return { ...result, notice }
}

function select(context: Context, request: PurgeRequest): Selected | Refusal {
  const { store, policy } = context
  const { trap, mailbox, collector, kind, from = 0, to = Number.MAX_SAFE_INTEGER } = request
  const isEmpty = Object.values(request).every((value) => value === undefined)
  if (isEmpty) return invalid('expected a trap, mailbox, collector, kind or time window')
  if (from >= to) return invalid('to: expected a time after from')
  const sources = [mailbox, collector && `collector:${collector}`].filter(isText)
  if (sources.length > 1) return invalid('expected a mailbox or a collector, not both')
  const selection = trap === undefined ? undefined : parseTrapSelection(trap)
  if (selection && 'why' in selection) return invalid(selection.why)
  const filter = { source: sources[0], kind, from, to }
  const rows = store.evidence
    .matching(filter)
    .filter(({ recipient }) => selection?.value.includes(recipient) ?? true)
  const isPurged = (sum: SummedMessages): boolean =>
    (selection === undefined || sum.trap === selection.value.text) &&
    (filter.source === undefined || sum.source === filter.source) &&
    (kind === undefined || sum.kind === kind) &&
    sum.firstSeenAt < to &&
    sum.seenAt >= from
  const sums = store.evidenceCounters.all().filter(isPurged)
  const networks = [...byNetwork([...rows, ...sums], policy)].map(({ prefix }) => prefix)
  return { rows, ids: new Set(rows.map(({ id }) => id)), sums, isPurged, networks }
}

function foldedWithout(
  context: Context,
  prefix: Prefix,
  { ids, isPurged }: Pick<Selected, 'ids' | 'isPurged'>,
): Folded {
  const { store, policy } = context
  const history = historyOf(context, prefix)
  const kept = {
    ...history,
    hits: history.hits.filter(({ id }) => !ids.has(id)),
    sums: store.evidenceCounters.of(prefix).filter((sum) => !isPurged(sum)),
  }
  const before = store.offenders.at(prefix)?.offender ?? noOffence
  const { offender, basis } = foldWhole(kept, policy)
  return { before, offender, basis }
}

function resultOf(
  { now }: Context,
  { rows, sums }: Selected,
  changes: readonly Change[],
): Omit<Purge, 'notice'> {
  const isOver = ({ expiresAt }: Change) => expiresAt !== null && expiresAt <= now
  const ended = changes.filter(isOver)
  const isShorter = ({ row, expiresAt }: Change) =>
    expiresAt !== null && (row.expiresAt === null || expiresAt < row.expiresAt)
  const shortened = changes.filter((each) => !isOver(each) && isShorter(each))
  return {
    messages:
      new Set(rows.map(({ messageId }) => messageId)).size +
      sums.reduce((sum, { messages }) => sum + messages, 0),
    ended: ended.length,
    shortened: shortened.length,
    listings: [...ended, ...shortened]
      .slice(0, maxNamed)
      .map((each): { listing: Listing; expiresAt: number | null } => ({
        listing: listingOf(each.row),
        expiresAt: isOver(each) ? null : each.expiresAt,
      })),
  }
}

/** What the public learns: when and how much, and nothing of traps or where the messages came in. */
function noticeOf(
  { kind, from, to }: PurgeRequest,
  { ended, shortened }: Pick<Purge, 'ended' | 'shortened'>,
  now: number,
): string {
  const dayOf = (time: number) => formatTimestamp(time).slice(0, 10)
  const what = kind === undefined ? '' : ` of kind ${kind}`
  const since = from === undefined ? '' : ` from ${dayOf(from)}`
  const until = to === undefined ? '' : ` to ${dayOf(Math.min(to, now))}`
  const change = `${plural(ended, 'listing')} ended, ${plural(shortened, 'listing')} shortened`
  return `Evidence${what}${since}${until} was withdrawn, since it should not have counted: ${change}.`
}

function describe(request: PurgeRequest): string {
  const { from, to, ...rest } = request
  const times = { from: from && formatTimestamp(from), to: to && formatTimestamp(to) }
  return Object.entries({ ...rest, ...times })
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`]))
    .join(', ')
}

function isText(text: string | undefined): text is string {
  return text !== undefined
}

function invalid(why: string): Refusal {
  return { refused: 'invalid', why }
}
