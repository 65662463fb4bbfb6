// Keeps the tree and the zone's serial up to date with the store. At the start the whole tree is built; then each transaction
// adds its changes. They are written to the journal within the transaction and become visible after its COMMIT.
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
  /** Undefined if this process answers no DNS. The serial grows all the same. */
  readonly tree: TreeWriter | undefined
  /** Mask of the kinds that are answered. */
  readonly publishedKinds: number
  readonly validForSeconds: number
  readonly isRetired: boolean
  /** See BlocklistOptions. */
  readonly ownRecords: string | undefined
  readonly log: Logger
  /** Called after each publication. */
  onPublished(serial: number): void
}

/**
 * Unused memory that only removals may take: `reservedBytes`, or `reservedShare` of the tree if that is less. A removal needs
 * memory, since it first copies the path to its entry. Without the reserve nothing could be removed from a full tree.
 */
const reservedBytes = 2 ** 20
const reservedShare = 1 / 16
/** Freed memory may be in pieces too small to use. So it counts as reserve only if it is at least this share of the tree. */
const muchFreeShare = 1 / 8

/** Check free space once per 16 new entries of a large change; the reserve holds far more than that. */
const entriesPerCheck = 16

/**
 * The first serial of a restored copy is so many seconds ahead of the clock: the original gave none of these unless it published
 * more than once a second for a day. That the copy's own serial may be ahead must not count: copies of restored copies would get
 * further ahead each time, and an older copy that is restored after them would go back.
 */
const copyAheadSeconds = 86_400

/** An unchanged zone is published again this many times within the period for which a publication is valid. */
const refreshesInValidity = 4

/** For each transaction, call `prepare` before COMMIT and `publish` after it. After a rollback, call `abandon` instead. */
export class Publisher {
  readonly #store: Store
  readonly #tree: TreeWriter | undefined
  readonly #validForSeconds: number
  readonly #isRetired: boolean
  readonly #ownRecords: string
  readonly #log: Logger
  readonly #onPublished: (serial: number) => void
  #publishedKinds: number
  /** The last publication; undefined if there was none. */
  #last: Publication | undefined
  #next: Publication | undefined
  /** Whether the next publication must empty the journal, since no differences lead from the last one to it. */
  #resetsJournal: boolean
  /** Whether nothing was published yet from this copy of a database. */
  #isCopy: boolean
  /** Whether the published kinds have changed and the whole tree must be staged again. */
  #rebuilds = false
  /** Whether the open transaction may use the memory that is reserved for removals. */
  #usesReserve = false
  /** The mask of kinds for each answer number of the tree. */
  readonly #answerKinds: number[] = []

  constructor(options: PublisherOptions) {
    this.#store = options.store
    this.#tree = options.tree
    this.#publishedKinds = options.publishedKinds
    this.#validForSeconds = options.validForSeconds
    this.#isRetired = options.isRetired
    this.#log = options.log
    this.#onPublished = options.onPublished
    this.#last = options.store.journal.newest()
    this.#ownRecords = options.ownRecords ?? this.#last?.ownRecords ?? ''
    this.#isCopy = options.store.journal.isCopy
    this.#resetsJournal =
      this.#isCopy ||
      (this.#last !== undefined &&
        (this.#last.publishedKinds !== options.publishedKinds ||
          this.#last.isRetired !== options.isRetired ||
          this.#last.ownRecords !== this.#ownRecords))
  }

  get last(): Publication | undefined {
    return this.#last
  }

  get publishedKinds(): number {
    return this.#publishedKinds
  }

  /** The rules for the content of the zone at time `now`. */
  rules(now: number): ZoneRules {
    return { publishedKinds: this.#publishedKinds, isRetired: this.#isRetired, now }
  }

  /**
   * Stages the whole zone in the empty tree, and corrects the entry counts of the last publication. Throws OperationalError
   * 'capacity-reached'.
   */
  load(now: number): void {
    const counts = { 4: 0, 6: 0 }
    if (this.#tree && !this.#isRetired) this.#stageAll(this.#tree, now, counts)
    if (this.#last && this.#tree) {
      this.#last = { ...this.#last, ipv4Entries: counts[4], ipv6Entries: counts[6] }
    }
  }

  /** Publishes the loaded tree under the last serial. Call it after `load` if the database cannot be written. */
  showLast(): void {
    if (this.#last) this.#tree?.publish(this.#last)
  }

  /** Whether the tree has anything at exactly this prefix. */
  holds({ family, w0, w1, w2, w3, length }: Prefix): boolean {
    return this.#tree?.get(family, w0, w1, w2, w3, length) !== undefined
  }

  /** Makes the next publication empty the journal. Call it for a change whose differences are not written there. */
  resetJournal(): void {
    this.#resetsJournal = true
  }

  /** Lets the open transaction use the memory that is reserved for removals. */
  useReserve(): void {
    this.#usesReserve = true
  }

  /** Sets the mask of kinds that are answered from the next publication on. */
  setPublishedKinds(mask: number): void {
    if (mask === this.#publishedKinds) return
    this.#publishedKinds = mask
    this.#resetsJournal = true
    this.#rebuilds = true
  }

  /** Whether the zone must be published again to stay valid, even if nothing has changed. */
  isStale(now: number): boolean {
    const age = now - (this.#last?.generatedAt ?? Number.NEGATIVE_INFINITY)
    // The age is negative if the clock was ahead at the last publication.
    const isOld = age < 0 || age >= this.#validForSeconds / refreshesInValidity
    return isOld || this.#isCopy
  }

  /**
   * Works out the changes of the open transaction, stages them in the tree and writes them to the journal. Returns false if
   * there is nothing to publish; with `always` there is a publication in any case. Throws OperationalError
   * 'capacity-reached'.
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
    // If an import is being published in steps, this publishes the rest of it at once.
    if (this.#tree && this.#rebuilds && !this.#isRetired) this.#stageAll(this.#tree, now, counts)
    this.#next = {
      serial: Math.max((this.#last?.serial ?? 0) + 1, this.#isCopy ? now + copyAheadSeconds : now),
      generatedAt: now,
      validUntil: now + this.#validForSeconds,
      ipv4Entries: counts[4],
      ipv6Entries: counts[6],
      publishedKinds: this.#publishedKinds,
      isRetired: this.#isRetired,
      ownRecords: this.#ownRecords,
    }
    this.#store.journal.append(this.#next, differences, this.#resetsJournal)
    return true
  }

  /** Makes the staged changes visible under the new serial. Call it after COMMIT. */
  publish(): void {
    const next = this.#next
    this.#usesReserve = false
    if (!next) return
    this.#next = undefined
    this.#last = next
    this.#resetsJournal = false
    this.#isCopy = false
    this.#rebuilds = false
    try {
      this.#tree?.publish(next)
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error
      // This happens only if no answer has changed. So the answers are right; only the serial stays old until there is room.
      this.#log.warn({ err: error, serial: next.serial }, 'no room in the tree for a new serial')
    }
    this.#onPublished(next.serial)
  }

  /** Drops the staged changes. Call it if the transaction is rolled back. */
  abandon(): void {
    this.#next = undefined
    this.#usesReserve = false
    this.#tree?.abandon()
  }

  /**
   * The changed prefixes whose zone entry differs from the one before, with both entries. The entry before is that of the tree
   * or, without a tree, that of the last commit.
   */
  #differences(now: number, changed: readonly Prefix[]): Difference[] {
    const rules = this.rules(now)
    const tree = this.#tree
    const committed = tree ? undefined : new Snapshot(this.#store.path)
    const entryBefore = (prefix: Prefix): ZoneEntry => {
      if (tree) return this.#entryInTree(tree, prefix)
      return committed ? zoneEntryAt(committed, rules, prefix) : noEntry
    }
    const differences: Difference[] = []
    const compare = (prefix: Prefix): void => {
      const before = entryBefore(prefix)
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
   * Stages everything: first the lists, then the rows, then exceptions and test entries. Adds to `counts` by how much the
   * number of listings in the tree changes.
   */
  #stageAll(tree: TreeWriter, now: number, counts: Record<Family, number>): void {
    const { listings, listingWalks, lists, exclusions, exemptions } = this.#store
    const rules = this.rules(now)
    const answers: number[] = []
    for (let kinds = 0; kinds <= this.#publishedKinds; kinds++) {
      if ((kinds & ~this.#publishedKinds) === 0) answers[kinds] = this.#answerOf(tree, kinds)
    }
    // For prefixes with several sources: `zoneEntryAt` combines them.
    const stageByRule = (prefix: Prefix): void => {
      const before = this.#entryInTree(tree, prefix)
      const entry = zoneEntryAt(this.#store, rules, prefix)
      counts[prefix.family] += Number(isListing(entry)) - Number(isListing(before))
      if (entry !== before) this.#stage(tree, prefix, entry)
    }
    // All prefixes of the first list are new to an empty tree, so they need no search.
    let isFirst = !this.#rebuilds
    const stage: Visit = (family, w0, w1, w2, w3, length, kinds) => {
      if (!isFirst && tree.get(family, w0, w1, w2, w3, length) !== undefined) {
        stageByRule({ family, w0, w1, w2, w3, length })
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
    for (const prefix of [...exclusions.prefixes(), ...neverListed]) stageByRule(prefix)
    for (const prefix of exemptions.prefixes()) {
      for (const piece of new Set([prefix, ...withoutTestEntries(prefix)])) stageByRule(piece)
    }
    // Test entries are answered but not counted.
    for (const { prefix } of testEntries) {
      stageByRule(prefix)
      if (!this.#rebuilds) counts[prefix.family] -= 1
    }
  }
}

/** The prefixes, each once. For a prefix that contains test entries, also the pieces that its exemption has in the tree. */
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

/** How many bytes are free for new entries. */
export function roomLeft(tree: TreeWriter): number {
  const { capacityBytes, usedBytes, freeBytes } = tree.stats()
  const unused = capacityBytes - usedBytes
  const reserved = Math.min(reservedBytes, capacityBytes * reservedShare)
  if (unused < reserved && freeBytes < capacityBytes * muchFreeShare) return 0
  return Math.max(unused - reserved, 0) + freeBytes
}
