// The one door: whatever writes a listing or changes the tree comes through here. Mail comes in by record(), people
// and lists by the other methods; each change is committed, published, and only then answered.

import type { Evidence } from '../bounce/evidence.ts'
import type { Logger } from '../errors.ts'
import type { Address, Prefix } from '../ip/address.ts'
import { isDiskFull, type Store } from '../store/database.ts'
import type { Forger } from '../store/forgeries.ts'
import type { TrapRow } from '../store/traps.ts'
import { maxReaders } from '../tree/layout.ts'
import { openReader } from '../tree/open-reader.ts'
import type { TreeReader } from '../tree/reader.ts'
import type { TreeWriter } from '../tree/writer.ts'
import { amendListing, removeListing } from './amend.ts'
import { applyConfig } from './apply-config.ts'
import { CommitQueue } from './commit-queue.ts'
import type { Context } from './context.ts'
import { DiskRoom } from './disk-room.ts'
import { addException, removeException } from './exceptions.ts'
import { expireSome } from './expiry.ts'
import { explain, find } from './explain.ts'
import { exportEntries } from './export.ts'
import { ListImports } from './import.ts'
import { delistAll, listAll } from './listings.ts'
import { exceptionsPage, listingAt, listingsPage } from './pages.ts'
import type { PolicyOptions } from './policy.ts'
import { Publisher } from './publish.ts'
import { recordOne } from './record.ts'
import { TrapList } from './traps.ts'
import {
  type Actor,
  type Alongside,
  type AmendOutcome,
  type BlocklistStatus,
  type Decision,
  type Exception,
  type ExceptionKind,
  type ExceptionOutcome,
  type Expectation,
  type Explanation,
  type Export,
  exceptionOf,
  type Finding,
  type ImportOutcome,
  type ImportRequest,
  kindsMask,
  type Listing,
  type ListingChange,
  type ListingsFilter,
  type ListOutcome,
  type ListRequest,
  listingOf,
  type Page,
  type PageRequest,
  type Refusal,
  type RequestRefusal,
  type TrapOutcome,
} from './types.ts'
import { WriteHealth } from './write-health.ts'

export interface BlocklistOptions {
  readonly store: Store
  /** Empty, and nobody else's to write. None: a command that works on the database while no server runs. */
  readonly tree?: TreeWriter
  readonly policy: PolicyOptions
  /** Epoch seconds, whole. */
  now(): number
  /** Throws OperationalError 'clock-held' while what `now` says is not to be trusted. None: it always is. */
  requireClock?(): void
  readonly log: Logger
  /** How long after a publication readers may take it for fresh. */
  readonly validForSeconds: number
  /** Answer nothing, test entries neither. */
  readonly retired: boolean
  /** No mail is recorded with less free on the database's disk, or with less than 5 % of it. None: it always is. */
  readonly minFreeBytes?: number
}

/** Rows that one transaction deletes: some milliseconds. */
const purgeBatch = 500

/** The reader slot for look-ups of our own: it is the last one, and the name server takes its own from the first on. */
const ownSlot = maxReaders - 1

export class Blocklist {
  readonly #store: Store
  readonly #tree: TreeWriter | undefined
  readonly #reader: TreeReader | undefined
  readonly #publisher: Publisher
  readonly #queue: CommitQueue
  readonly #imports: ListImports
  readonly #traps: TrapList
  readonly #disk: DiskRoom
  readonly #now: () => number
  readonly #requireClock: () => void
  readonly #health: WriteHealth
  #policy: PolicyOptions
  #expiring: Promise<number> | undefined
  /** Whether the store is in line with the policy. */
  #isReconciled = false

  /**
   * Loads the tree from the store, brings the store into line with the policy, and publishes. Where the disk is full, the
   * tree shows what is in the store; expire() tries the rest again. Throws OperationalError 'capacity-reached' or
   * 'database-failed'; the store stays open, it is the caller's.
   */
  static open(options: BlocklistOptions): Blocklist {
    return new Blocklist(options)
  }

  private constructor(options: BlocklistOptions) {
    this.#store = options.store
    this.#tree = options.tree
    this.#reader = options.tree && openReader(options.tree.buffer, ownSlot)
    this.#policy = options.policy
    this.#now = options.now
    this.#requireClock = options.requireClock ?? (() => undefined)
    this.#health = new WriteHealth(options.log, options.now)
    this.#disk = new DiskRoom(options.store.path, options.minFreeBytes ?? 0, options.log)
    this.#publisher = new Publisher({
      ...{ store: options.store, tree: options.tree },
      publishedKinds: kindsMask(options.policy.publish),
      validForSeconds: options.validForSeconds,
      isRetired: options.retired,
      log: options.log,
    })
    this.#queue = new CommitQueue(options.store, this.#publisher, options.now, this.#health)
    this.#imports = new ListImports({
      ...{ store: options.store, tree: options.tree, publisher: this.#publisher },
      ...{ queue: this.#queue, log: options.log, context: () => this.#context() },
      requireClock: this.#requireClock,
    })
    this.#publisher.load(options.now())
    this.#begin()
    this.#traps = new TrapList(options.store, this.#queue, () => this.#context())
  }

  #begin(): void {
    try {
      this.#queue.runNow(() => this.#applyConfig(), { publishes: this.#tree !== undefined })
      this.#isReconciled = true
    } catch (error) {
      if (!this.#tree || !this.#publisher.last || !isDiskFull(error)) throw error
      this.#publisher.load(this.#now())
      this.#publisher.showLast()
    }
  }

  /** Brings the store into line with the policy, and takes the lists that the last process died in as they are now. */
  #applyConfig(): void {
    for (const { id, version, applied } of this.#store.lists.all()) {
      if (version === applied) continue
      this.#store.lists.setVersion(id, version, version)
      this.#publisher.resetJournal()
    }
    // The tree was loaded without them, and whoever follows the journal has them still.
    if (this.#store.lists.isDue(this.#now())) this.#publisher.resetJournal()
    applyConfig(this.#context())
  }

  /** To be called once, when there is time for it: deletes in the background what imports of the last process left. */
  finishImports(): void {
    this.#imports.clean()
  }

  /** Lists each prefix or extends what is listed there by hand, never shortening; all of them, or none. */
  list(
    requests: readonly ListRequest[],
    actor: Actor,
    alongside?: Alongside<ListOutcome[] | RequestRefusal>,
  ): Promise<ListOutcome[] | RequestRefusal> {
    const list = () => {
      if (requests.some(({ expiresAt }) => expiresAt !== null)) this.#requireClock()
      return listAll(this.#context(), requests, actor)
    }
    return this.#queue.run(list, { alongside })
  }

  /**
   * Removes exactly these prefixes, of every origin; all of them, or none. Answers what was removed. Evidence from before
   * no longer counts, and the next listing is a new episode.
   */
  delist(prefixes: readonly Prefix[], actor: Actor): Promise<Listing[] | RequestRefusal> {
    return this.#queue.run(() => delistAll(this.#context(), prefixes, actor))
  }

  /** Changes one listing, if it still is as the caller takes it. */
  amend(
    id: number | string,
    change: ListingChange,
    expected: Expectation,
    actor: Actor,
  ): Promise<AmendOutcome> {
    return this.#queue.run(() => {
      if (typeof change.expiresAt === 'number') this.#requireClock()
      return amendListing(this.#context(), id, change, expected, actor)
    })
  }

  /** Ends one listing, if it still is as the caller takes it, and leaves others of its prefix alone. */
  delistOne(id: number | string, expected: Expectation, actor: Actor): Promise<AmendOutcome> {
    return this.#queue.run(() => removeListing(this.#context(), id, expected, actor))
  }

  /**
   * Replaces what a named list held, while everything else goes on: after a crash at any moment the list is the old one
   * or the new one, whole. DNS follows within seconds, each prefix whole or not at all; resolved, it has followed.
   */
  import(request: ImportRequest): Promise<ImportOutcome> {
    return this.#imports.import(request)
  }

  /** A named list, or all that is listed and not exempt, as of now; undefined: there is no list of that name. */
  export(list: string | undefined): Export | undefined {
    return exportEntries(this.#store, this.#publisher.rules(this.#now()), list)
  }

  /** Never listed from now on, at any length; what was is shown again once it is taken back. */
  exempt(
    prefix: Prefix,
    note: string | null,
    actor: Actor,
    alongside?: Alongside<ExceptionOutcome>,
  ): Promise<ExceptionOutcome> {
    return this.#addException('exemption', prefix, note, actor, alongside)
  }

  unexempt(prefix: Prefix, actor: Actor): Promise<ExceptionOutcome> {
    return this.#removeException('exemption', prefix, actor)
  }

  /** A hole in what covers it; a longer listing inside it still holds. */
  exclude(
    prefix: Prefix,
    note: string | null,
    actor: Actor,
    alongside?: Alongside<ExceptionOutcome>,
  ): Promise<ExceptionOutcome> {
    return this.#addException('exclusion', prefix, note, actor, alongside)
  }

  include(prefix: Prefix, actor: Actor): Promise<ExceptionOutcome> {
    return this.#removeException('exclusion', prefix, actor)
  }

  /** Adds a spam-trap pattern; 'invalid' when it is none. */
  addTrap(text: string, actor: Actor, alongside?: Alongside<TrapOutcome>): Promise<TrapOutcome> {
    return this.#traps.add(text, actor, alongside)
  }

  /** Takes back a pattern added by hand; 'conflict' for the configuration's. */
  removeTrap(text: string, actor: Actor): Promise<TrapOutcome> {
    return this.#traps.remove(text, actor)
  }

  /** All patterns, of the configuration and by hand, in the order of their text. */
  traps(): TrapRow[] {
    return this.#store.traps.all()
  }

  /** The pattern an address falls under, or undefined; the function follows all later changes. */
  trapMatcher(): (address: string) => string | undefined {
    return (address) => this.#traps.match(address)
  }

  /**
   * Keeps evidence and acts on it, in order; what it answers is on disk and in DNS. Never a duplicate twice. Rejects with
   * OperationalError 'disk-low' while the disk has too little room for mail, and 'clock-held'.
   */
  async record(
    evidence: readonly Evidence[],
    alongside?: Alongside<Decision[]>,
  ): Promise<Decision[]> {
    this.#disk.require()
    const work = () => {
      this.#requireClock()
      return evidence.map((each) => recordOne(this.#context(), each))
    }
    return await this.#queue.run(work, { alongside })
  }

  /**
   * Like record, but each piece is judged as of the moment it was seen: for a rehearsal of the past in a database made
   * for it. Give them in the order of `seenAt`.
   */
  replay(evidence: readonly Evidence[]): Promise<Decision[]> {
    return this.#queue.run(() =>
      evidence.map((each) => recordOne({ ...this.#context(), now: each.seenAt }, each)),
    )
  }

  /**
   * Ends what is over and lists what is due, in transactions small enough to stand in nobody's way, and publishes the
   * zone's freshness when that is due. Resolves with the number of listings that changed; a call while another runs
   * joins it.
   */
  expire(): Promise<number> {
    this.#expiring ??= this.#expireAll().finally(() => {
      this.#expiring = undefined
    })
    return this.#expiring
  }

  /**
   * Deletes evidence that was recorded longer ago than it is kept, and what was counted on days as long ago, in transactions
   * small enough to stand in nobody's way; resolves with the number of messages, each as often as it had traps.
   */
  async purgeEvidence(): Promise<number> {
    let total = 0
    for (;;) {
      const before = this.#now() - this.#policy.evidenceKeepSeconds
      const purged = await this.#queue.run(() => {
        const { evidence, evidenceCounters, forgeries } = this.#store
        const rows = evidence.purge(before, purgeBatch)
        const counts = [evidenceCounters, forgeries].map((each) => each.purge(before, purgeBatch))
        return { rows, counts }
      })
      total += purged.rows
      if (Math.max(purged.rows, ...purged.counts) < purgeBatch) return total
    }
  }

  /** Takes over a policy read anew: its exemptions, traps and published kinds too. */
  async reconfigure(policy: PolicyOptions): Promise<void> {
    const before = this.#policy
    try {
      await this.#queue.run(() => {
        this.#policy = policy
        this.#publisher.setPublishedKinds(kindsMask(policy.publish))
        applyConfig(this.#context())
      })
    } catch (error) {
      this.#policy = before
      this.#publisher.setPublishedKinds(kindsMask(before.publish))
      throw error
    }
    this.#traps.renew()
  }

  /** What anyone may know of an address. Needs a tree: without one only the operator asks. */
  find(address: Address): Finding {
    if (!this.#reader) throw new Error('there is no tree to ask')
    return find(this.#context(), this.#reader, address)
  }

  /** Why an address is answered as it is, and all that is known of it. */
  explain(address: Address): Explanation {
    return explain(this.#context(), this.#reader, address)
  }

  /** Listings of every state: newest first, or by length and address at or inside `filter.prefix`. */
  listings(filter: ListingsFilter, page: PageRequest): Promise<Page<Listing> | Refusal> {
    return listingsPage(this.#store, filter, page, this.#now())
  }

  /** By the id of a row, or of an entry of a list's current version. */
  listing(id: number | string): Listing | undefined {
    if (typeof id === 'string') return listingAt(this.#store, id, this.#now())
    const row = this.#store.listings.byId(id)
    return row && listingOf(row)
  }

  /** Newest first. */
  exemptions(page: PageRequest): Page<Exception> | Refusal {
    return exceptionsPage(this.#store, 'exemption', page)
  }

  exemption(id: number): Exception | undefined {
    const row = this.#store.exemptions.byId(id)
    return row && exceptionOf(row)
  }

  /** Newest first. */
  exclusions(page: PageRequest): Page<Exception> | Refusal {
    return exceptionsPage(this.#store, 'exclusion', page)
  }

  exclusion(id: number): Exception | undefined {
    const row = this.#store.exclusions.byId(id)
    return row && exceptionOf(row)
  }

  /** The networks that forged the traps' domains most within the longest term of a listing, at most 20. */
  forgers(): Forger[] {
    const since = this.#now() - this.#policy.longestListingSeconds
    return this.#store.forgeries.most(since, 20)
  }

  /** The zone as it was last published. */
  status(): BlocklistStatus {
    const last = this.#publisher.last
    const tree = this.#tree?.stats()
    return {
      serial: last?.serial ?? 0,
      generatedAt: last?.generatedAt ?? 0,
      validUntil: last?.validUntil ?? 0,
      entries: { ipv4: last?.ipv4Entries ?? 0, ipv6: last?.ipv6Entries ?? 0, domains: 0 },
      tree: {
        usedBytes: tree?.usedBytes ?? 0,
        capacityBytes: tree?.capacityBytes ?? 0,
      },
      ...(this.#health.failure && { writeFailure: this.#health.failure }),
    }
  }

  /** Does what still waits to be written, and takes nothing more. */
  close(): void {
    this.#queue.close()
  }

  #context(): Context {
    return {
      store: this.#store,
      publisher: this.#publisher,
      policy: this.#policy,
      trapOf: (address) => this.#traps.match(address),
      now: this.#now(),
    }
  }

  #addException(
    kind: ExceptionKind,
    prefix: Prefix,
    note: string | null,
    actor: Actor,
    alongside: Alongside<ExceptionOutcome> | undefined,
  ): Promise<ExceptionOutcome> {
    const work = () => addException(this.#context(), kind, prefix, note || null, actor)
    return this.#queue.run(work, { alongside })
  }

  #removeException(kind: ExceptionKind, prefix: Prefix, actor: Actor): Promise<ExceptionOutcome> {
    return this.#queue.run(() => removeException(this.#context(), kind, prefix, actor))
  }

  async #expireAll(): Promise<number> {
    if (!this.#isReconciled) {
      await this.#queue.run(() => this.#applyConfig(), { publishes: true })
      this.#isReconciled = true
      this.#traps.renew()
    }
    let total = 0
    for (;;) {
      // After a failure a publication shows whether there is room again.
      const isDue = this.#publisher.isStale(this.#now()) || this.#health.failure !== undefined
      const changed = await this.#queue.run(() => expireSome(this.#context()), {
        publishes: this.#tree !== undefined && isDue,
      })
      total += changed
      if (changed === 0) return total
    }
  }
}
