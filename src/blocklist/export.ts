// Exports a snapshot of one list, or of everything that is listed, as pages of entries in address order. The reader may be
// slow; writing goes on meanwhile.
import { backscatterKinds } from '../classify/kinds.ts'
import type { Prefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import type { Publication } from '../store/journal.ts'
import { joined, type ListEntry } from '../store/packed-entries.ts'
import { type PrefixContents, Snapshot } from '../store/snapshot.ts'
import { type Export, kindsMask } from './types.ts'
import { changesSince, type ZoneChanges } from './zone-changes.ts'
import { isListing, listedIn, type ZoneRules, type ZoneTables, zoneEntryAt } from './zone-entry.ts'

const allKinds = kindsMask(backscatterKinds)
/** At most this many prefixes are examined for one page. */
const pagePrefixes = 1000

/** Exports a named list, or everything that is listed and not exempt. Returns undefined if the list was never imported. */
export function exportEntries(
  { path }: Pick<Store, 'path'>,
  rules: ZoneRules,
  list: string | undefined,
): Export | undefined {
  const snapshot = new Snapshot(path)
  if (list === undefined) return wholeZone(snapshot, rules, snapshot.journal.newest()?.serial ?? 0)
  const version = snapshot.lists.named(list)?.version ?? null
  if (version === null) {
    snapshot.close()
    return undefined
  }
  return {
    close: () => snapshot.close(),
    pages: inPages(snapshot, entriesOf(snapshot, version, rules.now)),
    holes: [],
    zoneKinds: allKinds,
    serial: snapshot.journal.newest()?.serial ?? 0,
    isRetired: rules.isRetired,
  }
}

export interface ZoneExport {
  readonly zone: Export
  readonly publication: Publication
  /** See zone-changes.ts. Call it before the pages of the zone are read. */
  changesSince(serial: number): Generator<undefined, ZoneChanges | undefined>
}

/**
 * Exports the zone exactly as of its newest publication. Returns undefined if it was never published, or if DNS is being
 * brought to a new list: then no serial stands for what the store has.
 */
export function exportZone(path: string): ZoneExport | undefined {
  const snapshot = new Snapshot(path)
  const publication = snapshot.journal.newest()
  if (publication === undefined || !snapshot.isSettled(publication.generatedAt)) {
    snapshot.close()
    return undefined
  }
  const { publishedKinds, isRetired, serial, generatedAt } = publication
  const rules = { publishedKinds, isRetired, now: generatedAt }
  return {
    zone: wholeZone(snapshot, rules, serial),
    publication,
    changesSince: (from) => changesSince(snapshot, rules, from),
  }
}

function wholeZone(snapshot: Snapshot, rules: ZoneRules, serial: number): Export {
  return {
    close: () => snapshot.close(),
    pages: inPages(snapshot, everything(snapshot, rules)),
    holes: [...snapshot.exclusions.prefixes(), ...snapshot.exemptions.prefixes()],
    zoneKinds: rules.publishedKinds,
    serial,
    isRetired: rules.isRetired,
  }
}

/** Collects entries into pages and closes the snapshot at the end. undefined stands for a prefix that is not listed. */
function* inPages(
  snapshot: Snapshot,
  entries: Iterable<ListEntry | undefined>,
): Generator<readonly ListEntry[]> {
  try {
    let page: ListEntry[] = []
    let lookedAt = 0
    for (const entry of entries) {
      if (entry) page.push(entry)
      if (++lookedAt % pagePrefixes > 0) continue
      yield page
      page = []
    }
    yield page
  } finally {
    snapshot.close()
  }
}

function* entriesOf(
  snapshot: Snapshot,
  version: number,
  now: number,
): Generator<ListEntry | undefined> {
  const isListed = listedIn(snapshot, version, now)
  for (const entry of snapshot.lists.entries(version)) yield isListed(entry) ? entry : undefined
}

/** One entry for each prefix that the zone answers as listed and that no exemption covers; undefined for other prefixes. */
function* everything(snapshot: Snapshot, rules: ZoneRules): Generator<ListEntry | undefined> {
  let here: PrefixContents = { prefix: noPrefix, rows: [], entries: [] }
  const { exemptions, exclusions } = snapshot
  const lists = snapshot.lists.all()
  // `zoneEntryAt` asks these tables only about the prefix that is being read.
  const tables: ZoneTables = {
    exemptions,
    exclusions,
    listings: { shownAt: () => here.rows },
    lists: {
      all: () => lists,
      find: (version) => here.entries.find((each) => each.version === version)?.entry,
    },
  }
  for (here of snapshot.all(rules.now)) {
    const isShown =
      isListing(zoneEntryAt(tables, rules, here.prefix)) && !exemptions.covering(here.prefix)
    yield isShown ? listedHere(here) : undefined
  }
}

const noPrefix: Prefix = { family: 4, w0: 0, w1: 0, w2: 0, w3: 0, length: 0 }

/** Joins all listings of a prefix to one entry. Returns undefined if there is none. */
function listedHere({ prefix, rows, entries }: PrefixContents): ListEntry | undefined {
  let listed: ListEntry | undefined
  for (const { hiddenIn, kinds, reason, expiresAt, createdAt } of rows) {
    if (hiddenIn !== null) continue
    const row = { prefix, attributes: { kinds, reason, expiresAt }, listedAt: createdAt }
    listed = listed ? united(listed, row) : row
  }
  for (const { version, entry } of entries) {
    const isHidden = rows.some(({ hiddenIn }) => hiddenIn === version)
    if (!isHidden) listed = listed ? united(listed, entry) : entry
  }
  return listed
}

function united(a: ListEntry, b: ListEntry): ListEntry {
  return {
    prefix: a.prefix,
    attributes: joined(a.attributes, b.attributes),
    listedAt: Math.min(a.listedAt, b.listedAt),
  }
}
