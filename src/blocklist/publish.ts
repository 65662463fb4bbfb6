// Store → tree and zone serial: what each prefix holds, the whole tree at the start, and from then on only what a
// transaction changed, journalled with it and shown after it. Called by the commit queue.
import { type Logger, OperationalError } from '../errors.ts'
import { addressBits, type Family, formatPrefix, type Prefix, sameAddress } from '../ip/address.ts'
import type { Visit } from '../store/answered-listings.ts'
import type { Store } from '../store/database.ts'
import type { Difference, Publication } from '../store/journal.ts'
import { entryKinds } from '../tree/layout.ts'
import type { TreeWriter } from '../tree/writer.ts'
import { codesOf } from './kinds.ts'
import {
  exclusionLeaf,
  exemptionLeaf,
  isListing,
  type Leaf,
  leafKind,
  leafKinds,
  listingLeaf,
  noLeaf,
} from './leaf.ts'
import type { ListsAhead } from './lists-ahead.ts'
import {
  exemptByParent,
  holdsTestEntry,
  neverListed,
  testEntries,
  testEntryAt,
  withoutTestEntries,
} from './test-entries.ts'

export interface PublisherOptions {
  readonly store: Store
  /** None where nobody answers DNS from this process: the journal and the serial go on all the same. */
  readonly tree: TreeWriter | undefined
  /** Lists that the tree is ahead with of the store; none without a tree. */
  readonly ahead: ListsAhead | undefined
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

/** New entries that the reserve above has room for many times over: so often is it asked for. */
const entriesForRoom = 16

/** How often a zone that nothing changes in is published anew: each quarter of its validity. */
const refreshesInValidity = 4

/** A prefix at which a list's row was added with these kinds, or changed or taken away: undefined. */
export interface ReplacedEntry {
  readonly prefix: Prefix
  readonly addedKinds: number | undefined
}

/**
 * One at a time: `touch` before each change of a prefix's rows, `prepare` before COMMIT, then `publish` after it or
 * `abandon` instead of it.
 */
export class Publisher {
  readonly #store: Store
  readonly #tree: TreeWriter | undefined
  readonly #ahead: ListsAhead | undefined
  readonly #validForSeconds: number
  readonly #isRetired: boolean
  readonly #log: Logger
  #publishedKinds: number
  /** The zone as it was last published; undefined: never yet. */
  #last: Publication | undefined
  #next: Publication | undefined
  #touched = new Map<string, { prefix: Prefix; before: Leaf }>()
  /** Set when answers change everywhere, so that no differences lead from the last publication to the next. */
  #startsAnew: boolean
  /** Set when the tree still has the answers of other kinds. */
  #restages = false
  /** Prefixes whose rows a list's replacement changed. */
  #replaced: readonly ReplacedEntry[] = []
  #recounts = false
  #lostSerials = 0
  /** The kinds that each interned answer stands for. */
  readonly #answerKinds: number[] = []

  constructor(options: PublisherOptions) {
    this.#store = options.store
    this.#tree = options.tree
    this.#ahead = options.ahead
    this.#publishedKinds = options.publishedKinds
    this.#validForSeconds = options.validForSeconds
    this.#isRetired = options.isRetired
    this.#log = options.log
    this.#last = options.store.journal.newest()
    this.#startsAnew =
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

  /**
   * Stages the whole zone in the (empty) tree, and takes its counts for the last publication's. 1 M IPv4 addresses
   * take half a second. Throws OperationalError 'capacity-reached'.
   */
  load(): void {
    const counts = { 4: 0, 6: 0 }
    if (this.#tree && !this.#isRetired) this.#stageAll(this.#tree, counts)
    if (this.#last && this.#tree) {
      this.#last = { ...this.#last, ipv4Entries: counts[4], ipv6Entries: counts[6] }
    }
  }

  /** After `load`, while nothing can be written: shows what was loaded, as what was published last. */
  showLast(): void {
    if (this.#last) this.#tree?.publish(this.#last)
  }

  /** What the prefix holds, by the rows as they are now. */
  leafOf(prefix: Prefix): Leaf {
    if (this.#isRetired) return noLeaf
    const { exemptions, exclusions, listings } = this.#store
    const test = isHost(prefix) ? testEntryAt(prefix) : undefined
    if (test) return listingLeaf(test.kinds)
    if (isHost(prefix) && neverListed.some((each) => sameAddress(each, prefix)))
      return exemptionLeaf
    if (exemptions.has(prefix) && !holdsTestEntry(prefix)) return exemptionLeaf
    const parent = exemptByParent(prefix)
    if (parent && exemptions.covering(parent)) return exemptionLeaf
    if (exclusions.has(prefix)) return exclusionLeaf
    const kinds = listings.answeredKinds(prefix)
    return kinds === undefined ? noLeaf : listingLeaf(kinds & this.#publishedKinds)
  }

  /**
   * To be called before the rows of a prefix are read to be changed: listings, exclusions. Of a list that is answered
   * ahead of its rows they are brought to what is answered.
   */
  touch(prefix: Prefix): void {
    const { family, w0, w1, w2, w3, length } = prefix
    const key = `${family} ${w0} ${w1} ${w2} ${w3} ${length}`
    this.#ahead?.settle(prefix)
    if (this.#touched.has(key)) return
    const before = this.#tree ? this.#leafInTree(this.#tree, prefix) : this.leafOf(prefix)
    this.#touched.set(key, { prefix, before })
  }

  /** As `touch`, for exemptions: those around the test entries reach into the tree in several pieces. */
  touchExemption(prefix: Prefix): void {
    this.touch(prefix)
    for (const piece of withoutTestEntries(prefix)) this.touch(piece)
  }

  /**
   * For a whole list's rows, in a transaction of their own, in place of `touch`: what was there before is read from
   * the tree, which is many times faster. Each prefix once. Without a tree nothing is published for them; `startAnew`
   * at the end does that.
   */
  replace(entries: readonly ReplacedEntry[]): void {
    this.#replaced = entries
  }

  /**
   * Nothing leads from what was published before to the next publication. `recounts`: its entries are counted anew.
   * `lostSerials`: so many publications after the last one that is kept may have been seen.
   */
  startAnew(options: { readonly recounts: boolean; readonly lostSerials?: number }): void {
    this.#startsAnew = true
    this.#lostSerials = options.lostSerials ?? 0
    this.#recounts ||= options.recounts
  }

  /** Kinds that are answered from now on, once `prepare` has staged it all. */
  setPublishedKinds(mask: number): void {
    if (mask === this.#publishedKinds) return
    this.#publishedKinds = mask
    this.#startsAnew = true
    this.#restages = true
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
    const differences: Difference[] = []
    for (const { prefix, before } of this.#touched.values()) {
      // Once more: it is undone with the work that touched it, where that was refused.
      this.#ahead?.settle(prefix)
      const after = this.leafOf(prefix)
      if (after !== before) differences.push({ prefix, before, after })
    }
    for (const entry of this.#tree && !this.#isRetired ? this.#replaced : []) {
      const before = this.#leafInTree(this.#tree, entry.prefix)
      const after = this.#leafAfter(entry, before)
      if (after !== before) differences.push({ prefix: entry.prefix, before, after })
    }
    if (differences.length === 0 && !this.#startsAnew && !always) return false
    let { ipv4Entries, ipv6Entries } = this.#last ?? { ipv4Entries: 0, ipv6Entries: 0 }
    for (const { prefix, before, after } of differences) {
      const change = Number(isListing(after)) - Number(isListing(before))
      if (prefix.family === 4) ipv4Entries += change
      else ipv6Entries += change
    }
    if (this.#tree) {
      let untilRoomIsAsked = 0
      for (const { prefix, before, after } of differences) {
        if (before === noLeaf && untilRoomIsAsked-- <= 0) {
          requireRoom(this.#tree)
          untilRoomIsAsked = differences.length > 256 ? entriesForRoom : 0
        }
        this.#stage(this.#tree, prefix, after)
      }
      if (this.#restages && !this.#isRetired) this.#stageAll(this.#tree)
    }
    if (this.#recounts) {
      const counts = this.#countAll()
      ipv4Entries = counts[4]
      ipv6Entries = counts[6]
    }
    this.#next = {
      serial: Math.max((this.#last?.serial ?? 0) + this.#lostSerials + 1, now),
      generatedAt: now,
      validUntil: now + this.#validForSeconds,
      ...{ ipv4Entries, ipv6Entries },
      publishedKinds: this.#publishedKinds,
      isRetired: this.#isRetired,
    }
    const startsAnew = this.#startsAnew
    this.#store.journal.append(this.#next, startsAnew ? [] : differences, { startsAnew })
    return true
  }

  /** After COMMIT: shows what was staged, under its serial. */
  publish(): void {
    const next = this.#next
    this.#touched.clear()
    this.#replaced = []
    if (!next) return
    this.#next = undefined
    this.#last = next
    this.#startsAnew = false
    this.#restages = false
    this.#recounts = false
    this.#lostSerials = 0
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
    this.#touched.clear()
    this.#replaced = []
    this.#next = undefined
    this.#tree?.abandon()
  }

  #stage(tree: TreeWriter, { family, w0, w1, w2, w3, length }: Prefix, leaf: Leaf): void {
    if (leaf === noLeaf) {
      tree.remove(family, w0, w1, w2, w3, length)
      return
    }
    const answer = isListing(leaf) ? this.#answerOf(tree, leafKinds(leaf)) : 0
    tree.set(family, w0, w1, w2, w3, length, leafKind(leaf), answer)
  }

  #answerOf(tree: TreeWriter, kinds: number): number {
    const answer = tree.internAnswer(codesOf(kinds))
    this.#answerKinds[answer] = kinds
    return answer
  }

  #leafInTree(tree: TreeWriter | undefined, prefix: Prefix): Leaf {
    const { family, w0, w1, w2, w3, length } = prefix
    const entry = tree?.get(family, w0, w1, w2, w3, length)
    if (entry === undefined) return noLeaf
    if (entry.kind !== entryKinds.listing) return entry.kind
    return listingLeaf(this.#answerKinds[entry.answer] ?? 0)
  }

  /** An exemption, exclusion or test entry of exactly this prefix stays what it is; so it is in the tree. */
  #leafAfter({ prefix, addedKinds }: ReplacedEntry, before: Leaf): Leaf {
    if (before !== noLeaf && !isListing(before)) return before
    if (isHost(prefix) && testEntryAt(prefix)) return before
    if (addedKinds !== undefined) {
      const others = before === noLeaf ? 0 : leafKinds(before)
      return listingLeaf((others | addedKinds) & this.#publishedKinds)
    }
    this.#ahead?.settle(prefix)
    const kinds = this.#store.listings.answeredKinds(prefix)
    return kinds === undefined ? noLeaf : listingLeaf(kinds & this.#publishedKinds)
  }

  /** As the load counts them: answered prefixes that have no exception or test entry of their own. */
  #countAll(): Record<Family, number> {
    const { listings, exclusions, exemptions } = this.#store
    const counts = { 4: 0, 6: 0 }
    if (this.#isRetired) return counts
    listings.eachAnswered((family) => {
      counts[family] += 1
    })
    const replaced = new Map<string, Prefix>()
    const exempt = [...exemptions.prefixes()].flatMap(withoutTestEntries)
    const fixed = [...testEntries.map(({ prefix }) => prefix), ...neverListed]
    for (const each of [...exclusions.prefixes(), ...exempt, ...fixed]) {
      replaced.set(formatPrefix(each), each)
    }
    for (const each of replaced.values()) {
      if (listings.answeredKinds(each) !== undefined) counts[each.family] -= 1
    }
    return counts
  }

  #stageAll(tree: TreeWriter, counts: Record<Family, number> = { 4: 0, 6: 0 }): void {
    const { listings, exclusions, exemptions } = this.#store
    const { listing } = entryKinds
    const answers: number[] = []
    for (let kinds = 0; kinds <= this.#publishedKinds; kinds++) {
      if ((kinds & ~this.#publishedKinds) === 0) answers[kinds] = this.#answerOf(tree, kinds)
    }
    const ahead = this.#ahead?.generations ?? []
    // Prefixes of one list, or of one walk along the rows, are different ones: the first need no look at the tree.
    let isFirst = true
    const stage: Visit = (family, w0, w1, w2, w3, length, kinds) => {
      const known = isFirst ? undefined : tree.get(family, w0, w1, w2, w3, length)
      if (known?.kind !== listing) counts[family] += 1
      const all = known?.kind === listing ? kinds | (this.#answerKinds[known.answer] ?? 0) : kinds
      const answer = answers[all & this.#publishedKinds] ?? 0
      tree.set(family, w0, w1, w2, w3, length, listing, answer)
    }
    for (const generation of ahead) {
      this.#ahead?.each(generation, stage)
      isFirst = false
    }
    const listIds = ahead.map(({ listId }) => listId)
    listings.eachAnswered(stage, listIds)
    const replace = (prefix: Prefix, leaf: Leaf): void => {
      const { family, w0, w1, w2, w3, length } = prefix
      if (tree.get(family, w0, w1, w2, w3, length)?.kind === listing) counts[family] -= 1
      this.#stage(tree, prefix, leaf)
    }
    for (const prefix of exclusions.prefixes()) replace(prefix, exclusionLeaf)
    for (const prefix of exemptions.prefixes()) {
      for (const piece of withoutTestEntries(prefix)) replace(piece, exemptionLeaf)
    }
    for (const { prefix, kinds } of testEntries) replace(prefix, listingLeaf(kinds))
    for (const prefix of neverListed) replace(prefix, exemptionLeaf)
  }
}

function requireRoom(tree: TreeWriter): void {
  const { capacityBytes, usedBytes, freeBytes } = tree.stats()
  const reserved = Math.min(reservedBytes, capacityBytes * reservedShare)
  if (capacityBytes - usedBytes >= reserved || freeBytes >= capacityBytes * muchFreeShare) return
  throw new OperationalError('capacity-reached', 'the shared tree is full: raise dns.capacity')
}

function isHost(prefix: Prefix): boolean {
  return prefix.length === addressBits(prefix.family)
}
