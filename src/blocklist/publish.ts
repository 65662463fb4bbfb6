// Store → tree and zone serial: the whole tree at the start, and from then on what each transaction changed, journalled
// with it and shown after it.

import { type Logger, OperationalError } from '../errors.ts'
import type { Family, Prefix } from '../ip/address.ts'
import type { Visit } from '../store/answered-listings.ts'
import { ChangedPrefixes } from '../store/changed-prefixes.ts'
import type { Store } from '../store/database.ts'
import type { Difference, Publication } from '../store/journal.ts'
import { Snapshot } from '../store/snapshot.ts'
import { entryKinds } from '../tree/layout.ts'
import type { TreeWriter } from '../tree/writer.ts'
import {
  codesOf,
  holdsTestEntry,
  isListing,
  kindOfEntry,
  kindsOfEntry,
  listingEntry,
  neverListed,
  noEntry,
  testEntries,
  withoutTestEntries,
  type ZoneEntry,
  type ZoneRules,
  zoneEntryAt,
} from './zone-entry.ts'

export interface PublisherOptions {
  readonly store: Store
  /** None where nobody answers DNS from this process: the serial goes on all the same. */
  readonly tree: TreeWriter | undefined
  /** Mask of the kinds that are answered. */
  readonly publishedKinds: number
  readonly validForSeconds: number
  readonly isRetired: boolean
  readonly log: Logger
}

/**
 * Octets of never used memory that are left to removals, or a sixteenth of a small tree: taking an entry away copies the
 * path to it first, and must work in a full tree, or it would stay full. Free memory beside it may be in pieces too
 * small for that, so it stands in only where there is much of it.
 */
const reservedBytes = 2 ** 20
const reservedShare = 1 / 16
const muchFreeShare = 1 / 8

/** Free space is looked at once for so many new entries: the reserve holds far more than that. */
const entriesForRoom = 16

/** How often a zone that nothing changes in is published anew: each quarter of its validity. */
const refreshesInValidity = 4

/** One at a time: `prepare` before COMMIT, then `publish` after it or `abandon` instead of it. */
export class Publisher {
  readonly #store: Store
  readonly #tree: TreeWriter | undefined
  readonly #validForSeconds: number
  readonly #isRetired: boolean
  readonly #log: Logger
  #publishedKinds: number
  /** The zone as it was last published; undefined: never yet. */
  #last: Publication | undefined
  #next: Publication | undefined
  /** Set when no differences lead from the last publication to the next. */
  #resetsJournal: boolean
  /** Set when the tree still has the answers of other kinds. */
  #rebuilds = false
  /** Set when what comes in was there before, and may take the room that is left to removals. */
  #usesReserve = false
  /** The kinds that each interned answer stands for. */
  readonly #answerKinds: number[] = []

  constructor(options: PublisherOptions) {
    this.#store = options.store
    this.#tree = options.tree
    this.#publishedKinds = options.publishedKinds
    this.#validForSeconds = options.validForSeconds
    this.#isRetired = options.isRetired
    this.#log = options.log
    this.#last = options.store.journal.newest()
    this.#resetsJournal =
      this.#last !== undefined &&
      (this.#last.publishedKinds !== options.publishedKinds ||
        this.#last.isRetired !== options.isRetired)
  }

  get last(): Publication | undefined {
    return this.#last
  }

  get publishedKinds(): number {
    return this.#publishedKinds
  }

  /** What the zone is made by, as of now. */
  rules(now: number): ZoneRules {
    return { publishedKinds: this.#publishedKinds, isRetired: this.#isRetired, now }
  }

  /**
   * Stages the whole zone in the (empty) tree, and takes its counts for the last publication's. Throws OperationalError
   * 'capacity-reached'.
   */
  load(now: number): void {
    const counts = { 4: 0, 6: 0 }
    if (this.#tree && !this.#isRetired) this.#stageAll(this.#tree, now, counts)
    if (this.#last && this.#tree) {
      this.#last = { ...this.#last, ipv4Entries: counts[4], ipv6Entries: counts[6] }
    }
  }

  /** After `load`, while nothing can be written: shows what was loaded, as what was published last. */
  showLast(): void {
    if (this.#last) this.#tree?.publish(this.#last)
  }

  /** Whether the tree has anything at exactly this prefix. */
  holds({ family, w0, w1, w2, w3, length }: Prefix): boolean {
    return this.#tree?.get(family, w0, w1, w2, w3, length) !== undefined
  }

  /** Nothing leads from what was published before to the next publication. */
  resetJournal(): void {
    this.#resetsJournal = true
  }

  /** What the open transaction puts in may take the room that is left to removals. */
  useReserve(): void {
    this.#usesReserve = true
  }

  /** Kinds that are answered from now on, once `prepare` has staged it all. */
  setPublishedKinds(mask: number): void {
    if (mask === this.#publishedKinds) return
    this.#publishedKinds = mask
    this.#resetsJournal = true
    this.#rebuilds = true
  }

  /** Whether the zone's freshness is due to be published, changes or none. */
  isStale(now: number): boolean {
    const age = now - (this.#last?.generatedAt ?? Number.NEGATIVE_INFINITY)
    // Below 0: it was dated by a clock that was ahead.
    return age < 0 || age >= this.#validForSeconds / refreshesInValidity
  }

  /**
   * Works out what the open transaction changed, stages it in the tree and journals it; false when there is nothing
   * to publish. `always`: publish all the same. Throws OperationalError 'capacity-reached'.
   */
  prepare(now: number, always: boolean): boolean {
    const changed = this.#store.changed.take()
    const differences = changed.length > 0 ? this.#differences(now, changed) : []
    if (differences.length === 0 && !this.#resetsJournal && !always) return false
    const counts = {
      4: this.#last?.ipv4Entries ?? 0,
      6: this.#last?.ipv6Entries ?? 0,
    }
    for (const { prefix, before, after } of differences) {
      counts[prefix.family] += Number(isListing(after)) - Number(isListing(before))
    }
    if (this.#tree) this.#stageDifferences(this.#tree, differences)
    // DNS may be on its way to a list: then it has all of that one from here on.
    if (this.#tree && this.#rebuilds && !this.#isRetired) this.#stageAll(this.#tree, now, counts)
    this.#next = {
      serial: Math.max((this.#last?.serial ?? 0) + 1, now),
      generatedAt: now,
      validUntil: now + this.#validForSeconds,
      ...{ ipv4Entries: counts[4], ipv6Entries: counts[6] },
      publishedKinds: this.#publishedKinds,
      isRetired: this.#isRetired,
    }
    const startsAnew = this.#resetsJournal
    this.#store.journal.append(this.#next, startsAnew ? [] : differences, { startsAnew })
    return true
  }

  /** After COMMIT: shows what was staged, under its serial. */
  publish(): void {
    const next = this.#next
    this.#usesReserve = false
    if (!next) return
    this.#next = undefined
    this.#last = next
    this.#resetsJournal = false
    this.#rebuilds = false
    try {
      this.#tree?.publish(next)
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error
      // Only where nothing was staged: the answers are right, under an older serial until there is room again.
      this.#log.warn({ err: error, serial: next.serial }, 'no room in the tree for a new serial')
    }
  }

  /** Instead of COMMIT: the tree stays as it was. */
  abandon(): void {
    this.#next = undefined
    this.#usesReserve = false
    this.#tree?.abandon()
  }

  /** What stood at the changed prefixes, by the tree or, without one, by the last commit; and what should stand there. */
  #differences(now: number, changed: readonly Prefix[]): Difference[] {
    const rules = this.rules(now)
    const tree = this.#tree
    const committed = tree ? undefined : new Snapshot(this.#store.path)
    const stood = (prefix: Prefix): ZoneEntry => {
      if (tree) return this.#entryInTree(tree, prefix)
      return committed ? zoneEntryAt(committed, rules, prefix) : noEntry
    }
    const differences: Difference[] = []
    const compare = (prefix: Prefix): void => {
      const before = stood(prefix)
      const after = zoneEntryAt(this.#store, rules, prefix)
      if (after !== before) differences.push({ prefix, before, after })
    }
    for (const prefix of withPieces(changed)) compare(prefix)
    committed?.close()
    return differences
  }

  #stageDifferences(tree: TreeWriter, differences: readonly Difference[]): void {
    let untilRoomIsAsked = 0
    for (const { prefix, before, after } of differences) {
      if (before === noEntry && !this.#usesReserve && untilRoomIsAsked-- <= 0) {
        requireRoom(tree)
        untilRoomIsAsked = differences.length > 256 ? entriesForRoom : 0
      }
      this.#stage(tree, prefix, after)
    }
  }

  #stage(tree: TreeWriter, { family, w0, w1, w2, w3, length }: Prefix, entry: ZoneEntry): void {
    if (entry === noEntry) {
      tree.remove(family, w0, w1, w2, w3, length)
      return
    }
    const answer = isListing(entry) ? this.#answerOf(tree, kindsOfEntry(entry)) : 0
    tree.set(family, w0, w1, w2, w3, length, kindOfEntry(entry), answer)
  }

  #answerOf(tree: TreeWriter, kinds: number): number {
    const answer = tree.internAnswer(codesOf(kinds))
    this.#answerKinds[answer] = kinds
    return answer
  }

  #entryInTree(tree: TreeWriter, { family, w0, w1, w2, w3, length }: Prefix): ZoneEntry {
    const entry = tree.get(family, w0, w1, w2, w3, length)
    if (entry === undefined) return noEntry
    if (entry.kind !== entryKinds.listing) return entry.kind
    return listingEntry(this.#answerKinds[entry.answer] ?? 0)
  }

  /**
   * All that is listed, lists first; then what the rule says wherever there is an exception or a test entry. Adds to
   * `counts` what the tree did not have.
   */
  #stageAll(tree: TreeWriter, now: number, counts: Record<Family, number>): void {
    const { listings, lists, exclusions, exemptions } = this.#store
    const rules = this.rules(now)
    const answers: number[] = []
    for (let kinds = 0; kinds <= this.#publishedKinds; kinds++) {
      if ((kinds & ~this.#publishedKinds) === 0) answers[kinds] = this.#answerOf(tree, kinds)
    }
    // What the tree has is of another source, or of before: then the rule is asked for all of it.
    const place = (prefix: Prefix): void => {
      const before = this.#entryInTree(tree, prefix)
      const entry = zoneEntryAt(this.#store, rules, prefix)
      counts[prefix.family] += Number(isListing(entry)) - Number(isListing(before))
      if (entry !== before) this.#stage(tree, prefix, entry)
    }
    // Prefixes of one list are different ones: those of the first need no look at an empty tree.
    let isFirst = !this.#rebuilds
    const stage: Visit = (family, w0, w1, w2, w3, length, kinds) => {
      if (!isFirst && tree.get(family, w0, w1, w2, w3, length) !== undefined) {
        place({ family, w0, w1, w2, w3, length })
        return
      }
      counts[family] += 1
      const answer = answers[kinds & this.#publishedKinds] ?? 0
      tree.set(family, w0, w1, w2, w3, length, entryKinds.listing, answer)
    }
    for (const { version } of lists.all()) {
      if (version === null) continue
      lists.eachListed(version, listings.hiddenIn(version), now, stage)
      isFirst = false
    }
    listings.eachAnswered(stage)
    for (const prefix of [...exclusions.prefixes(), ...neverListed]) place(prefix)
    for (const prefix of [...exemptions.prefixes()]) {
      for (const piece of new Set([prefix, ...withoutTestEntries(prefix)])) place(piece)
    }
    // Test entries are answered and not counted.
    for (const { prefix } of testEntries) {
      place(prefix)
      if (!this.#rebuilds) counts[prefix.family] -= 1
    }
  }
}

/** An exemption around test entries stands in the tree as its pieces, which another one's may be as well. */
function withPieces(changed: readonly Prefix[]): readonly Prefix[] {
  const pieces = changed.filter(holdsTestEntry).flatMap(withoutTestEntries)
  if (pieces.length === 0) return changed
  const all = new ChangedPrefixes()
  for (const each of [...changed, ...pieces]) all.note(each)
  return all.take()
}

function requireRoom(tree: TreeWriter): void {
  if (roomLeft(tree) > 0) return
  throw new OperationalError('capacity-reached', 'the shared tree is full: raise dns.capacity')
}

/** Octets for new entries; 0: none are taken. What is free in pieces counts where there is much of it. */
export function roomLeft(tree: TreeWriter): number {
  const { capacityBytes, usedBytes, freeBytes } = tree.stats()
  const unused = capacityBytes - usedBytes
  const reserved = Math.min(reservedBytes, capacityBytes * reservedShare)
  if (unused < reserved && freeBytes < capacityBytes * muchFreeShare) return 0
  return Math.max(unused - reserved, 0) + freeBytes
}
