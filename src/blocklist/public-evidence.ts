// What the public may see of the evidence for a listing by trap. It is a snapshot, since a look-up that followed each message
// would tell which of a sender's messages reached a trap. Nothing in it depends on one trap alone. Runs inside a transaction.
import { generators } from '../classify/classify.ts'
import type { BackscatterKind } from '../classify/kinds.ts'
import type { DetailedHit } from '../store/evidence.ts'
import type { ListingRow } from '../store/listings.ts'
import type { PublicEvidenceRow } from '../store/public-evidence.ts'
import type { Context } from './context.ts'
import { noOffence } from './fold.ts'
import { trapPartFinder } from './trap-parts.ts'
import { type CountClass, type Decision, kindsOf, type PublicEvidence } from './types.ts'

/** The body of a row. Times in epoch seconds. */
interface Snapshot {
  readonly until: number | null
  readonly evidence: readonly PublicEvidence[]
}

const hourSeconds = 3600
const daySeconds = 86_400
/** Of each kind and certainty a snapshot covers this many of the newest hits. */
const maxHits = 2000
const maxHours = 5
/** One transaction makes at most this many snapshots. */
const snapshotBatch = 20

/** Call it when DNS begins to answer a listing by trap. `makeFirstSnapshot` or `noteHits` must follow in the same transaction. */
export function startEvidence({ store, now }: Context, listingId: number): void {
  const row = store.publicEvidence.of(listingId)
  if (row) {
    store.publicEvidence.change({ ...row, dueAt: row.dueAt ?? nextMidnight(now) })
    return
  }
  const body = JSON.stringify({ until: null, evidence: [] } satisfies Snapshot)
  const times = { shownAt: now, madeAt: now, dueAt: now }
  store.publicEvidence.insert({ listingId, mark: 0, body, ...times })
}

/** Makes the snapshot of a listing that DNS has just begun to answer. Does nothing, and returns false, if it was made before. */
export function makeFirstSnapshot(context: Context, listingId: number): boolean {
  const row = context.store.publicEvidence.of(listingId)
  if (!row || !isFirst(row)) return false
  makeSnapshot(context, row)
  return true
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
  if (makeFirstSnapshot(context, listingId)) return
  const { store, now } = context
  const row = store.publicEvidence.of(listingId)
  if (!row || row.dueAt !== null) return
  store.publicEvidence.change({ ...row, dueAt: nextMidnight(now) })
}

/** Makes some of the snapshots that are due. Returns how many it looked at; 0 if none is due. */
export function makeSnapshots(context: Context): number {
  const rows = context.store.publicEvidence.due(context.now, snapshotBatch)
  for (const row of rows) makeSnapshot(context, row)
  return rows.length
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
  return roundUp(store.publicEvidence.of(id)?.madeAt ?? createdAt, hourSeconds)
}

function isFirst({ dueAt, madeAt }: PublicEvidenceRow): boolean {
  return dueAt !== null && dueAt <= madeAt
}

function makeSnapshot(context: Context, row: PublicEvidenceRow): void {
  const { store, policy, now } = context
  const listing = store.listings.byId(row.listingId)
  const hits = listing?.state === 'listed' ? hitsOf(context, listing) : new Map()
  if (!listing || (!isFirst(row) && furtherTraps(hits, row.mark) < policy.evidenceMinTraps)) {
    store.publicEvidence.change({ ...row, dueAt: null })
    return
  }
  const body = JSON.stringify(snapshotOf(context, listing, hits))
  const mark = store.evidence.newestId()
  store.publicEvidence.change({ ...row, madeAt: now, mark, dueAt: null, body })
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

/** How many traps only evidence after `mark` hit. */
function furtherTraps(hits: Hits, mark: number): number {
  const all = [...hits.values()].flat()
  const known = new Set(all.filter(({ id }) => id <= mark).map(({ recipient }) => recipient))
  return trapsOf(all).difference(known).size
}

function trapsOf(hits: readonly DetailedHit[]): Set<string> {
  return new Set(hits.map(({ recipient }) => recipient))
}

/** `until` is rounded up to a day: the hour would tell the hour of the newest hit, and that may be the hit of one trap. */
function snapshotOf(context: Context, { expiresAt }: ListingRow, hits: Hits): Snapshot {
  const { store, policy } = context
  const holdsTrapPart = trapPartFinder([
    ...store.traps.all().map(({ pattern }) => pattern),
    ...trapsOf([...hits.values()].flat()),
  ])
  return {
    until: expiresAt === null ? null : roundUp(expiresAt, daySeconds),
    evidence: [...hits].flatMap(
      ([kind, each]) => evidenceOf(kind, each, policy.evidenceMinTraps, holdsTrapPart) ?? [],
    ),
  }
}

/** Undefined if the hits came from fewer than `minTraps` traps. */
function evidenceOf(
  kind: BackscatterKind,
  hits: readonly DetailedHit[],
  minTraps: number,
  holdsTrapPart: (text: string) => boolean,
): PublicEvidence | undefined {
  const traps = trapsOf(hits).size
  if (traps < minTraps) return undefined
  const certain = hits.filter(({ certainty }) => certainty === 'certain')
  const shown = shownFields.flatMap(({ name, isForm }) => {
    const value = sharedValue(hits, name)
    return value !== undefined && isForm(value) && !holdsTrapPart(value) ? [[name, value]] : []
  })
  return {
    kind,
    certainty: trapsOf(certain).size >= minTraps ? 'certain' : 'likely',
    messages: classOf(messagesOf(hits, minTraps)),
    traps: classOf(traps),
    hours: hoursOf(hits, minTraps),
    ...Object.fromEntries(shown),
  }
}

/** A trap counts for no more messages than the busiest traps have in common. Otherwise the class could tell of one trap. */
function messagesOf(hits: readonly DetailedHit[], minTraps: number): number {
  const counts = [...Map.groupBy(hits, ({ recipient }) => recipient).values()]
    .map(({ length }) => length)
    .sort((a, b) => b - a)
  const most = counts[minTraps - 1] ?? 0
  return counts.reduce((sum, count) => sum + Math.min(count, most), 0)
}

function classOf(count: number): CountClass {
  if (count >= 10) return '10 and more'
  return count >= 3 ? '3–9' : '1–2'
}

/** The newest hours in which enough traps were hit. A sender could try one address in each hour. */
function hoursOf(hits: readonly DetailedHit[], minTraps: number): number[] {
  const byHour = Map.groupBy(hits, ({ seenAt }) => roundDown(seenAt, hourSeconds))
  return [...byHour]
    .filter(([, each]) => trapsOf(each).size >= minTraps)
    .map(([hour]) => hour)
    .sort((a, b) => b - a)
    .slice(0, maxHours)
}

/** The details that may be shown, and the only form in which they are: never a free text. */
const shownFields = [
  { name: 'helo', isForm: isHostName },
  { name: 'reportingMta', isForm: isHostName },
  { name: 'generator', isForm: (text: string) => generators.has(text) },
  { name: 'status', isForm: (text: string) => /^[245]\.\d{1,3}\.\d{1,3}$/.test(text) },
] as const

function isHostName(text: string): boolean {
  return /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63}){1,10}\.?$/i.test(text)
}

/** The value that all hits have. Of several values, one that shows would tell for which addresses the sender used it. */
function sharedValue(
  hits: readonly DetailedHit[],
  name: (typeof shownFields)[number]['name'],
): string | undefined {
  const [value, ...others] = new Set(hits.map(({ details }) => details[name]))
  return others.length === 0 ? value : undefined
}

function roundDown(time: number, span: number): number {
  return time - (time % span)
}

function roundUp(time: number, span: number): number {
  return roundDown(time + span - 1, span)
}

function nextMidnight(time: number): number {
  return roundDown(time, daySeconds) + daySeconds
}
