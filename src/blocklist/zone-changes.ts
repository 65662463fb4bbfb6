// The journal's differences since an earlier publication → the names whose records they alter. Around each changed prefix the
// records are made twice, from the entries before and from those after, and compared.
import { contains, networkOf, type Prefix } from '../ip/address.ts'
import type { Difference, Publication } from '../store/journal.ts'
import { comparePrefixes } from '../store/packed-entries.ts'
import type { Snapshot } from '../store/snapshot.ts'
import {
  holdsTestEntry,
  isExemption,
  isListing,
  kindsOfEntry,
  neverListed,
  noEntry,
  testEntries,
  withoutTestEntries,
  type ZoneEntry,
  type ZoneRules,
  zoneEntryAt,
} from './zone-entry.ts'
import { labelsOf, type NamedAnswer, type ZoneItem, ZoneRecords } from './zone-records.ts'

/** What one name had and has. One of them may be missing. */
interface NameChange {
  readonly before: NamedAnswer | undefined
  readonly after: NamedAnswer | undefined
}

export interface ZoneChanges {
  /** The earlier publication. */
  readonly from: Publication
  readonly names: readonly NameChange[]
}

/** A zone's differences are looked for among this many names, or among half as many as it has entries if that is more. */
const fewNames = 20_000
/** But never among more, which limits the memory used. */
const manyNames = 200_000
/** Look-ups of changes between two yields. */
const changesInTurn = 64

/**
 * Works out which names differ between the publication with serial `from` and the newest one. Returns undefined if the journal
 * does not reach back so far, or if so many names must be compared that the whole zone is the better answer. Yields now and
 * then, so that other work can get a turn. `rules`: those of the newest publication.
 */
export function* changesSince(
  snapshot: Snapshot,
  rules: ZoneRules,
  serial: number,
): Generator<undefined, ZoneChanges | undefined> {
  const from = snapshot.journal.publication(serial)
  const newest = snapshot.journal.newest()
  if (from === undefined || newest === undefined) return undefined
  const entries = newest.ipv4Entries + newest.ipv6Entries
  const limit = Math.min(Math.max(fewNames, Math.floor(entries / 2)), manyNames)
  const changes = yield* netDifferences(snapshot, serial, newest.serial, limit)
  const names = changes && (yield* new ChangedZone(snapshot, rules, limit).compare(changes))
  return names && { from, names }
}

/** One difference for each prefix that has changed in the end, in address order. Returns undefined above the limit. */
function* netDifferences(
  { journal }: Snapshot,
  from: number,
  to: number,
  limit: number,
): Generator<undefined, Difference[] | undefined> {
  const net = new Map<string, Difference>()
  let read = 0
  for (const { prefix, before, after } of journal.changes(from, to)) {
    if (++read % changesInTurn === 0) yield
    const { family, length, w0, w1, w2, w3 } = prefix
    const key = `${family} ${length} ${w0} ${w1} ${w2} ${w3}`
    net.set(key, { prefix, before: net.get(key)?.before ?? before, after })
    if (net.size > limit) return undefined
  }
  return [...net.values()]
    .filter(({ before, after }) => before !== after)
    .sort((a, b) => comparePrefixes(a.prefix, b.prefix))
}

/** The entry of a prefix before and after. */
type Entry = Difference

class ChangedZone {
  readonly #snapshot: Snapshot
  readonly #rules: ZoneRules
  /** Prefixes that may have an entry without a listing, in address order. */
  readonly #fixed: readonly Prefix[]
  /** Prefix lengths that entries may have, shortest first. */
  readonly #lengths: Readonly<Record<4 | 6, readonly number[]>>
  /** How many more prefixes and names may be looked at. */
  #left: number

  constructor(snapshot: Snapshot, rules: ZoneRules, limit: number) {
    this.#snapshot = snapshot
    this.#rules = rules
    this.#left = limit
    const { exclusions, exemptions } = snapshot
    this.#fixed = [
      ...exclusions.prefixes(),
      ...exemptions
        .prefixes()
        .flatMap((each) => (holdsTestEntry(each) ? [each, ...withoutTestEntries(each)] : [each])),
      ...neverListed,
      ...testEntries.map(({ prefix }) => prefix),
    ].sort(comparePrefixes)
    const lengths = (family: 4 | 6): number[] => {
      const fixed = this.#fixed.filter((each) => each.family === family)
      const all = new Set([...snapshot.lengths(family), ...fixed.map(({ length }) => length)])
      return [...all].sort((a, b) => a - b)
    }
    this.#lengths = { 4: lengths(4), 6: lengths(6) }
  }

  /** `changes`: in address order. Returns undefined above the limit, or if the changes do not lead to what is there. */
  *compare(changes: readonly Difference[]): Generator<undefined, NameChange[] | undefined> {
    const regions: Prefix[] = []
    for (const [index, { prefix }] of changes.entries()) {
      if (index % changesInTurn === changesInTurn - 1) yield
      regions.push(this.#regionOf(prefix))
    }
    const names: NameChange[] = []
    let first = 0
    let done: Prefix | undefined
    for (const [index, region] of regions.sort(comparePrefixes).entries()) {
      if (index % changesInTurn === changesInTurn - 1) yield
      if (done && contains(done, region)) continue
      done = region
      let end = first
      for (let each = changes[end]; each && contains(region, each.prefix); each = changes[end]) {
        end += 1
      }
      const entries = this.#entriesIn(region, changes.slice(first, end))
      first = end
      const found = entries && this.#namesChanged(region, entries)
      if (found === undefined) return undefined
      for (const each of found) names.push(each)
    }
    return names
  }

  /**
   * The network with all names that a change of this prefix can alter. A hole in a listing may turn the wildcard of the listing
   * into explicit names. Names outside every listing depend on nothing but themselves.
   */
  #regionOf(prefix: Prefix): Prefix {
    const { bits } = labelsOf[prefix.family]
    for (const length of this.#lengths[prefix.family]) {
      if (length > prefix.length) break
      if (!isListing(this.#entryAt(networkOf(prefix, length)))) continue
      // A listing that does not end with a label is several wildcards: only the one with the prefix in it is concerned.
      const whole = Math.ceil(length / bits) * bits
      return whole <= prefix.length ? networkOf(prefix, whole) : prefix
    }
    return prefix
  }

  /** All entries of the region, in address order. `changes`: all differences in it, in address order. */
  #entriesIn(region: Prefix, changes: readonly Difference[]): Entry[] | undefined {
    const found = this.#snapshot.prefixesInside(region, this.#left)
    if (found === undefined) return undefined
    const all = [...found, ...this.#fixedIn(region), ...changes.map(({ prefix }) => prefix)]
    this.#left -= all.length
    const entries: Entry[] = []
    let last: Prefix | undefined
    let next = 0
    for (const prefix of all.sort(comparePrefixes)) {
      if (last && comparePrefixes(last, prefix) === 0) continue
      last = prefix
      const after = this.#entryAt(prefix)
      const change = changes[next]
      const isChanged = change !== undefined && comparePrefixes(change.prefix, prefix) === 0
      if (isChanged) next += 1
      if (isChanged && change.after !== after) return undefined
      entries.push({ prefix, before: isChanged ? change.before : after, after })
    }
    return entries
  }

  #fixedIn(region: Prefix): Prefix[] {
    let low = 0
    let high = this.#fixed.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const at = this.#fixed[middle]
      if (at && comparePrefixes(at, region) < 0) low = middle + 1
      else high = middle
    }
    let end = low
    for (let at = this.#fixed[end]; at && contains(region, at); at = this.#fixed[end]) end += 1
    return this.#fixed.slice(low, end)
  }

  #namesChanged(region: Prefix, entries: readonly Entry[]): NameChange[] | undefined {
    const around = this.#itemsAround(region)
    if (around === undefined) return []
    const before = this.#namesOf([...around, ...itemsOf(entries, 'before')])
    const after = this.#namesOf([...around, ...itemsOf(entries, 'after')])
    if (this.#left < 0) return undefined
    const changes: NameChange[] = []
    for (const [owner, answer] of before) {
      const now = after.get(owner)
      if (!now || !isSame(answer, now)) changes.push({ before: answer, after: now })
    }
    for (const [owner, answer] of after) {
      if (!before.has(owner)) changes.push({ before: undefined, after: answer })
    }
    return changes
  }

  /**
   * What the region has from shorter prefixes: a listing, or nothing. Returns undefined if it is exempt. No shorter prefix has
   * changed: its own region would contain this one.
   */
  #itemsAround(region: Prefix): ZoneItem[] | undefined {
    let around: ZoneItem[] = []
    for (const length of this.#lengths[region.family]) {
      if (length >= region.length) break
      const network = networkOf(region, length)
      const entry = this.#entryAt(network)
      if (isExemption(entry)) return undefined
      if (isListing(entry)) around = [{ prefix: region, kinds: kindsOfEntry(entry), network }]
      else if (entry !== noEntry) around = []
    }
    return around
  }

  #namesOf(items: readonly ZoneItem[]): Map<string, NamedAnswer> {
    const names = new Map<string, NamedAnswer>()
    const records = new ZoneRecords((answer) => names.set(answer.owner, answer))
    for (const item of items) {
      records.add(item)
      if (names.size > this.#left) break
    }
    records.end()
    this.#left -= names.size
    return names
  }

  #entryAt(prefix: Prefix): ZoneEntry {
    return zoneEntryAt(this.#snapshot, this.#rules, prefix)
  }
}

function itemsOf(entries: readonly Entry[], side: 'before' | 'after'): ZoneItem[] {
  const items: ZoneItem[] = []
  let exempt: Prefix | undefined
  for (const { prefix, [side]: entry } of entries) {
    // Nothing is answered in an exemption.
    if (entry === noEntry || (exempt && contains(exempt, prefix))) continue
    if (isExemption(entry)) exempt = prefix
    items.push({ prefix, kinds: isListing(entry) ? kindsOfEntry(entry) : null })
  }
  return items
}

function isSame(a: NamedAnswer, b: NamedAnswer): boolean {
  return a.kinds === b.kinds && comparePrefixes(withLength(a), withLength(b)) === 0
}

function withLength({ network }: NamedAnswer): Prefix {
  return { ...network, length: 0 }
}
