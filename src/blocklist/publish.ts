// Store → tree and zone serial: the whole tree at the start, then what each transaction changed. The changes are written to
// the journal in that transaction, and shown after it.

import { type Logger, OperationalError } from '../errors.ts'
import type { Family, Prefix } from '../ip/address.ts'
import type { Store } from '../store/database.ts'
import type { Difference, Publication } from '../store/journal.ts'
import { ChangedPrefixes, type Visit } from '../store/prefix-columns.ts'
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

interface PublisherOptions {
  readonly store: Store
  /** undefined: this process answers no DNS. The serial goes on all the same. */
  readonly tree: TreeWriter | undefined
  /** Mask of the kinds that are answered. */
  readonly publishedKinds: number
  readonly validForSeconds: number
  readonly isRetired: boolean
  readonly log: Logger
}

/**
 * Bytes of unused memory that are kept for removals; of a small tree it is this share. A removal copies the path to its
 * entry first. Without a reserve it would fail in a full tree, which would then stay full.
 */
const reservedBytes = 2 ** 20
const reservedShare = 1 / 16
/** Freed memory may be in pieces too small for a removal. It replaces the reserve only from this share of the tree on. */
const muchFreeShare = 1 / 8

/** Check free space once per 16 new entries of a large change; the reserve holds far more than that. */
const entriesPerCheck = 16

/** A zone in which nothing changes is published again this often within its validity. */
const refreshesInValidity = 4

/** For each transaction: `prepare` before COMMIT, then `publish` after it, or `abandon` instead of it. */
export class Publisher {
  readonly #store: Store
  readonly #tree: TreeWriter | undefined
  readonly #validForSeconds: number
  readonly #isRetired: boolean
  readonly #log: Logger
  #publishedKinds: number
  /** The zone as it was last published; undefined: it never was. */
  #last: Publication | undefined
  #next: Publication | undefined
  /** Set if no differences lead from the last publication to the next. */
  #resetsJournal: boolean
  /** Set while the tree has the answers of other published kinds. */
  #rebuilds = false
  /** Set if what comes in was there before, and may use the memory kept for removals. */
  #usesReserve = false
  /** The mask of kinds of each answer that the tree holds. */
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

  /** The rules by which the zone is made, as of `now`. */
  rules(now: number): ZoneRules {
    return { publishedKinds: this.#publishedKinds, isRetired: this.#isRetired, now }
  }

  /**
   * Stages the whole zone in the empty tree, and takes its counts as those of the last publication. Throws
   * OperationalError 'capacity-reached'.
   */
  load(now: number): void {
    const counts = { 4: 0, 6: 0 }
    if (this.#tree && !this.#isRetired) this.#stageAll(this.#tree, now, counts)
    if (this.#last && this.#tree) {
      this.#last = { ...this.#last, ipv4Entries: counts[4], ipv6Entries: counts[6] }
    }
  }

  /** After `load`, while nothing can be written: shows what was loaded under the last serial. */
  showLast(): void {
    if (this.#last) this.#tree?.publish(this.#last)
  }

  /** Whether the tree has anything at exactly this prefix. */
  holds({ family, w0, w1, w2, w3, length }: Prefix): boolean {
    return this.#tree?.get(family, w0, w1, w2, w3, length) !== undefined
  }

  /** The next publication empties the journal: no differences lead to it. */
  resetJournal(): void {
    this.#resetsJournal = true
  }

  /** What the open transaction adds may use the memory kept for removals. */
  useReserve(): void {
    this.#usesReserve = true
  }

  /** The mask of kinds that are answered from the next publication on. */
  setPublishedKinds(mask: number): void {
    if (mask === this.#publishedKinds) return
    this.#publishedKinds = mask
    this.#resetsJournal = true
    this.#rebuilds = true
  }

  /** Whether the zone must be published again, even without a change, so that it stays valid. */
  isStale(now: number): boolean {
    const age = now - (this.#last?.generatedAt ?? Number.NEGATIVE_INFINITY)
    // Below 0: the clock was ahead at the last publication.
    return age < 0 || age >= this.#validForSeconds / refreshesInValidity
  }

  /**
   * Works out what the open transaction changed, stages it in the tree and writes it to the journal. False: there is nothing
   * to publish; with `always` there is. Throws OperationalError 'capacity-reached'.
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
    // If DNS is following an import, this brings it all of the list at once.
    if (this.#tree && this.#rebuilds && !this.#isRetired) this.#stageAll(this.#tree, now, counts)
    this.#next = {
      serial: Math.max((this.#last?.serial ?? 0) + 1, now),
      generatedAt: now,
      validUntil: now + this.#validForSeconds,
      ipv4Entries: counts[4],
      ipv6Entries: counts[6],
      publishedKinds: this.#publishedKinds,
      isRetired: this.#isRetired,
    }
    this.#store.journal.append(this.#next, differences, this.#resetsJournal)
    return true
  }

  /** After COMMIT: shows what was staged, under the new serial. */
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
      // This happens only if no answer changed: the answers are right, and the serial follows once there is room.
      this.#log.warn({ err: error, serial: next.serial }, 'no room in the tree for a new serial')
    }
  }

  /** Instead of COMMIT: the tree stays as it was. */
  abandon(): void {
    this.#next = undefined
    this.#usesReserve = false
    this.#tree?.abandon()
  }

  /** What stood at the changed prefixes, by the tree or else the last commit, and what should stand there, if it differs. */
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
    let untilCheck = 0
    for (const { prefix, before, after } of differences) {
      if (before === noEntry && !this.#usesReserve && untilCheck-- <= 0) {
        requireRoom(tree)
        untilCheck = differences.length > 256 ? entriesPerCheck : 0
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
   * Stages all that is listed, lists first, then what the rule says at each exception and test entry. Counts in `counts` how
   * the number of listings in the tree changes.
   */
  #stageAll(tree: TreeWriter, now: number, counts: Record<Family, number>): void {
    const { listings, listingWalks, lists, exclusions, exemptions } = this.#store
    const rules = this.rules(now)
    const answers: number[] = []
    for (let kinds = 0; kinds <= this.#publishedKinds; kinds++) {
      if ((kinds & ~this.#publishedKinds) === 0) answers[kinds] = this.#answerOf(tree, kinds)
    }
    // For a prefix that the tree has already: the rule says what all sources together come to.
    const place = (prefix: Prefix): void => {
      const before = this.#entryInTree(tree, prefix)
      const entry = zoneEntryAt(this.#store, rules, prefix)
      counts[prefix.family] += Number(isListing(entry)) - Number(isListing(before))
      if (entry !== before) this.#stage(tree, prefix, entry)
    }
    // The prefixes of one list all differ, so for the first list an empty tree need not be searched.
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
    listingWalks.eachAnswered(stage)
    for (const prefix of [...exclusions.prefixes(), ...neverListed]) place(prefix)
    for (const prefix of [...exemptions.prefixes()]) {
      for (const piece of new Set([prefix, ...withoutTestEntries(prefix)])) place(piece)
    }
    // Test entries are answered but not counted.
    for (const { prefix } of testEntries) {
      place(prefix)
      if (!this.#rebuilds) counts[prefix.family] -= 1
    }
  }
}

/** The prefixes, and the pieces in which exemptions around test entries stand in the tree; each once. */
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

/** Bytes for new entries; 0: there is no room for any. */
export function roomLeft(tree: TreeWriter): number {
  const { capacityBytes, usedBytes, freeBytes } = tree.stats()
  const unused = capacityBytes - usedBytes
  const reserved = Math.min(reservedBytes, capacityBytes * reservedShare)
  if (unused < reserved && freeBytes < capacityBytes * muchFreeShare) return 0
  return Math.max(unused - reserved, 0) + freeBytes
}
