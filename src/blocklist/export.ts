// A list, or all that is listed, as of one moment → pages of entries in address order. The reader may be slow; writes go on.

import { backscatterKinds } from '../bounce/kinds.ts'
import type { Prefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import { isOver } from '../store/list-versions.ts'
import { joined, type ListEntry } from '../store/packed-entries.ts'
import { type PrefixContents, Snapshot } from '../store/snapshot.ts'
import { type Export, kindsMask } from './types.ts'
import { isListing, listedIn, type ZoneRules, type ZoneTables, zoneEntryAt } from './zone-entry.ts'

const allKinds = kindsMask(backscatterKinds)
/** Prefixes that one page looks at. */
const pagePrefixes = 1000

/** A named list, or all that is listed and not exempt. undefined: the list was never imported. */
export function exportEntries(
  { path }: Pick<Store, 'path'>,
  rules: ZoneRules,
  list: string | undefined,
): Export | undefined {
  const snapshot = new Snapshot(path)
  const close = () => snapshot.close()
  if (list === undefined) {
    const holes = [...snapshot.exclusions.prefixes(), ...snapshot.exemptions.prefixes()]
    const pages = inPages(snapshot, everything(snapshot, rules))
    return { close, pages, holes, zoneKinds: rules.publishedKinds }
  }
  const version = snapshot.lists.named(list)?.version ?? null
  if (version === null) {
    close()
    return undefined
  }
  const pages = inPages(snapshot, entriesOf(snapshot, version, rules.now))
  return { close, pages, holes: [], zoneKinds: allKinds }
}

/** Entries in pages, then closes the snapshot. undefined: a prefix that was looked at and is not listed. */
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

/** What is listed at each prefix, as one entry, if the zone has it and no exemption is around it. */
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
  for (here of snapshot.all()) {
    const isShown =
      isListing(zoneEntryAt(tables, rules, here.prefix)) && !exemptions.covering(here.prefix)
    yield isShown ? listedHere(here, rules.now) : undefined
  }
}

const noPrefix: Prefix = { family: 4, w0: 0, w1: 0, w2: 0, w3: 0, length: 0 }

/** All that is listed at a prefix, as one entry; undefined: nothing is. */
function listedHere({ prefix, rows, entries }: PrefixContents, now: number): ListEntry | undefined {
  let listed: ListEntry | undefined
  for (const { hiddenIn, kinds, reason, expiresAt, createdAt } of rows) {
    if (hiddenIn !== null) continue
    const row = { prefix, attributes: { kinds, reason, expiresAt }, listedAt: createdAt }
    listed = listed ? united(listed, row) : row
  }
  for (const { version, entry } of entries) {
    const isHidden = rows.some(({ hiddenIn }) => hiddenIn === version)
    if (!isHidden && !isOver(entry, now)) listed = listed ? united(listed, entry) : entry
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
