// What the public may see of the evidence for a listing by trap. It is a snapshot, since a look-up that followed each message
// would tell which of a sender's messages reached a trap. Nothing in it depends on one trap alone. Runs inside a transaction.
import type { BackscatterKind } from '../classify/kinds.ts'
import type { DetailedHit } from '../store/evidence.ts'
import type { ListingRow } from '../store/listings.ts'
import type { PublicEvidenceRow } from '../store/public-evidence.ts'
import { transactionMs } from './commit-queue.ts'
import type { Context } from './context.ts'
import { noOffence } from './fold.ts'
import { nextMultiple } from './policy.ts'
import { alikeHits, evidenceOf, roundDown, trapsOf } from './shown-evidence.ts'
import { trapPartFinder } from './trap-parts.ts'
import { type Decision, kindsOf, type PublicEvidence } from './types.ts'

/** The body of a row. Times in epoch seconds. */
interface Snapshot {
  /** When the listing ends, as far as the covered hits tell; rounded up to a day. */
  readonly until: number | null
  /** How long one hit listed for when DNS first answered the listing. Not public. */
  readonly termSeconds: number
  readonly evidence: readonly PublicEvidence[]
}

const hourSeconds = 3600
const daySeconds = 86_400
/** Of each kind and certainty a snapshot covers this many of the newest hits. */
const maxHits = 2000
/** So many due snapshots are looked for at once. */
const snapshotBatch = 20

/** Call it when DNS begins to answer a listing by trap. `makeFirstSnapshot` or `noteHits` must follow in the same transaction. */
export function startEvidence({ store, now }: Context, listingId: number): void {
  const row = store.publicEvidence.of(listingId)
  if (row) {
    store.publicEvidence.change({ ...row, dueAt: row.dueAt ?? nextMidnight(now) })
    return
  }
  const body = bodyOf({ until: null, termSeconds: 0, evidence: [] })
  const times = { shownAt: now, madeAt: now, dueAt: now }
  store.publicEvidence.insert({ listingId, mark: 0, body, ...times })
}

/** Makes the snapshot of a listing that DNS has just begun to answer. Does nothing if it was made before. */
export function makeFirstSnapshot(context: Context, listingId: number): void {
  const row = context.store.publicEvidence.of(listingId)
  if (row && isFirst(row)) makeSnapshot(context, row)
}

/**
 * Call it after messages are recorded. Of a listing that has just begun the snapshot is made. Of others it waits for the next
 * midnight (UTC): made at once, it would tell which message it was.
 */
export function noteHits(context: Context, decisions: readonly Decision[]): void {
  const ids = new Set(
    decisions.flatMap(({ decision, listing }) =>
      decision === 'ignored' ? [] : (listing?.id ?? []),
    ),
  )
  for (const id of ids) if (typeof id === 'number') noteHit(context, id)
}

function noteHit(context: Context, listingId: number): void {
  const { store, now } = context
  const row = store.publicEvidence.of(listingId)
  if (row && isFirst(row)) makeSnapshot(context, row)
  else if (row?.dueAt === null) store.publicEvidence.change({ ...row, dueAt: nextMidnight(now) })
}

/** Makes some of the snapshots that are due, and none after `transactionMs`. Returns how many were due; 0: none is left. */
export function makeSnapshots(context: Context): number {
  const startedMs = performance.now()
  const rows = context.store.publicEvidence.due(context.now, snapshotBatch)
  for (const row of rows) {
    makeSnapshot(context, row)
    if (performance.now() - startedMs >= transactionMs) break
  }
  return rows.length
}

/** Makes the snapshot of a listing again, since some of its evidence was purged. For a removal the host is as quiet as before. */
export function remakeSnapshot(context: Context, listingId: number): void {
  const row = context.store.publicEvidence.of(listingId)
  if (row) makeSnapshot(context, { ...row, dueAt: row.madeAt }, row.madeAt)
}

/** When DNS first answered the listing, and what the public may see of its evidence. Undefined if DNS never did. */
export function publicEvidenceOf(
  { store }: Context,
  listingId: number,
): (Snapshot & { readonly shownAt: number }) | undefined {
  const row = store.publicEvidence.of(listingId)
  return row && { ...(JSON.parse(row.body) as Snapshot), shownAt: row.shownAt }
}

/**
 * Since when a listing counts as quiet, for a removal: the end of the hour in which its snapshot was made, in epoch seconds. Anyone
 * can find out when a removal becomes possible, and the time of the newest hit would tell which message was that hit.
 */
export function quietSince(
  { store }: Context,
  { id, createdAt }: Pick<ListingRow, 'id' | 'createdAt'>,
): number {
  return nextMultiple(store.publicEvidence.of(id)?.madeAt ?? createdAt, hourSeconds)
}

function isFirst({ dueAt, madeAt }: PublicEvidenceRow): boolean {
  return dueAt !== null && dueAt <= madeAt
}

/** `madeAt`: when a first snapshot counts as made. */
function makeSnapshot(context: Context, row: PublicEvidenceRow, madeAt = context.now): void {
  const { store, policy, now } = context
  const listing = store.listings.byId(row.listingId)
  if (listing?.state !== 'listed') {
    store.publicEvidence.change({ ...row, dueAt: null })
    return
  }
  const hits = hitsOf(context, listing)
  if (isFirst(row)) {
    const until = listing.expiresAt && nextMultiple(listing.expiresAt, daySeconds)
    const alike = [...hits].map(([kind, all]): [BackscatterKind, DetailedHit[]] => [
      kind,
      alikeHits(all, policy.evidenceMinTraps),
    ])
    const evidence = evidenceOfAll(context, new Map(alike))
    const body = bodyOf({ until, termSeconds: listing.termSeconds ?? 0, evidence })
    const mark = store.evidence.newestId()
    store.publicEvidence.change({ ...row, mark, madeAt, dueAt: null, body })
    return
  }
  const today = roundDown(now, daySeconds)
  const all = [...hits.values()].flat()
  const dueAt = all.some(({ recordedAt }) => recordedAt >= today) ? nextMidnight(now) : null
  const { shown, lastDay } = sortOut(context, row, hits, today)
  if (lastDay + daySeconds <= row.madeAt) {
    store.publicEvidence.change({ ...row, dueAt })
    return
  }
  const { termSeconds } = JSON.parse(row.body) as Snapshot
  const until = listing.expiresAt && nextMultiple(nextMidnight(lastDay) + termSeconds, daySeconds)
  const body = bodyOf({ until, termSeconds, evidence: evidenceOfAll(context, shown) })
  store.publicEvidence.change({ ...row, madeAt: today, dueAt, body })
}

function bodyOf(snapshot: Snapshot): string {
  return JSON.stringify(snapshot)
}

interface SortedHits {
  /** The hits that the snapshot covers. */
  readonly shown: Hits
  /** When the last day with such hits began; 0 if only those of the first snapshot are covered. */
  readonly lastDay: number
}

/**
 * Which hits the snapshot covers: of each kind those of the first snapshot, and those of each later day, before `today`, that
 * brought hits from enough further traps. The other days never count: if their traps added up, the day of a renewal would tell
 * that a trap was hit on that day, and a sender could try one address a day. Nor is a trap of such a day a further one later.
 */
function sortOut(
  { policy }: Context,
  { mark }: PublicEvidenceRow,
  hits: Hits,
  today: number,
): SortedHits {
  let lastDay = 0
  const shown = [...hits].map(([kind, all]): [BackscatterKind, DetailedHit[]] => {
    const batchOf = ({ id, recordedAt }: DetailedHit): number =>
      id <= mark ? 0 : roundDown(recordedAt, daySeconds)
    const batches = Map.groupBy(all, batchOf)
    const covered: DetailedHit[] = []
    const known = new Set<string>()
    for (const [day, each] of [...batches].sort(([a], [b]) => a - b)) {
      const alike = alikeHits(each, policy.evidenceMinTraps)
      const further = trapsOf(alike).difference(known)
      for (const trap of trapsOf(each)) known.add(trap)
      if (day >= today || (day > 0 && further.size < policy.evidenceMinTraps)) continue
      lastDay = Math.max(lastDay, day)
      covered.push(...alike)
    }
    return [kind, covered]
  })
  return { shown: new Map(shown), lastDay }
}

type Hits = ReadonlyMap<BackscatterKind, readonly DetailedHit[]>

/** The hits for which the network is listed, of the kinds that DNS answers. */
function hitsOf({ store, publisher, policy, now }: Context, listing: ListingRow): Hits {
  const { prefix, createdAt } = listing
  const { cutAt, cutMark } = store.offenders.at(prefix)?.offender ?? noOffence
  const kinds = kindsOf(listing.kinds & publisher.publishedKinds)
  return new Map(
    kinds.map((kind) => {
      const from = Math.max(cutAt, createdAt - policy.threshold[kind].windowSeconds + 1)
      const seen = { from, to: now, mark: cutMark }
      const hits = (certainty: DetailedHit['certainty']): DetailedHit[] =>
        store.evidence.detailedHits(prefix, { kind, certainty }, seen, maxHits)
      return [kind, [...hits('certain'), ...hits('likely')]]
    }),
  )
}

function evidenceOfAll({ store, policy }: Context, hits: Hits): PublicEvidence[] {
  const holdsTrapPart = trapPartFinder([
    ...store.traps.all().map(({ pattern }) => pattern),
    ...trapsOf([...hits.values()].flat()),
  ])
  return [...hits].flatMap(
    ([kind, each]) => evidenceOf(kind, each, policy.evidenceMinTraps, holdsTrapPart) ?? [],
  )
}

function nextMidnight(time: number): number {
  return roundDown(time, daySeconds) + daySeconds
}
