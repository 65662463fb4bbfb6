// The one door: whatever writes a listing or changes the tree comes through here, and each change is committed, published
// and only then answered. Look-ups, pages and exports are asked here too.
import type { Evidence, TrapList } from '../bounce/evidence.ts'
import type { Logger } from '../errors.ts'
import type { Address, Prefix } from '../ip/address.ts'
import { isDiskFull, type Store } from '../store/database.ts'
import type { Forger } from '../store/day-counters.ts'
import { maxReaders } from '../tree/layout.ts'
import { openReader } from '../tree/open-reader.ts'
import type { TreeReader } from '../tree/reader.ts'
import type { TreeWriter } from '../tree/writer.ts'
import { applyConfig } from './apply-config.ts'
import { CommitQueue, WriteHealth } from './commit-queue.ts'
import { addException, addTrap, removeException, removeTrap, tableOf } from './exceptions.ts'
import { explain, find } from './explain.ts'
import { exportEntries } from './export.ts'
import { ListImports } from './import.ts'
import {
  amendListing,
  type Context,
  delistAll,
  expireSome,
  listAll,
  removeListing,
} from './listings.ts'
import { exceptionsPage, listingAt, listingsPage } from './pages.ts'
import type { PolicyOptions } from './policy.ts'
import { Publisher } from './publish.ts'
import { DiskRoom, recordOne } from './record.ts'
import { trapMatcher } from './traps.ts'
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
  type TrapRow,
} from './types.ts'

export interface BlocklistOptions {
  readonly store: Store
  /** An empty tree that only this blocklist writes to. None: for a command that works on the database while no server runs. */
  readonly tree?: TreeWriter
  readonly policy: PolicyOptions
  /** Epoch seconds, whole. */
  now(): number
  /** Throws OperationalError 'clock-held' while `now` cannot be trusted. None: it always can. */
  requireClock?(): void
  readonly log: Logger
  /** How long after a publication readers may take the zone for fresh. */
  readonly validForSeconds: number
  /** Answer nothing, not even test entries. */
  readonly retired: boolean
  /** With less free space on the database's disk, or less than 5 %, no mail is recorded. None: there is always room. */
  readonly minFreeBytes?: number
}

/** Rows that one transaction deletes, in some milliseconds. */
const purgeBatch = 500

/** The reader slot for our own look-ups: the last one. The name server uses slots from the first on. */
const ownSlot = maxReaders - 1

export class Blocklist implements TrapList {
  readonly #store: Store
  readonly #tree: TreeWriter | undefined
  readonly #reader: TreeReader | undefined
  readonly #publisher: Publisher
  readonly #queue: CommitQueue
  readonly #imports: ListImports
  readonly #disk: DiskRoom
  readonly #now: () => number
  readonly #requireClock: () => void
  readonly #health: WriteHealth
  #policy: PolicyOptions
  #matchTrap: (address: string) => string | undefined = () => undefined
  #expiring: Promise<number> | undefined
  /** Whether the store is in line with the policy. */
  #isConfigApplied = false

  /**
   * Loads the tree from the store, brings the store into line with the policy, and publishes. If the disk is full, the tree
   * shows what the store has, and expire() tries the rest again. Throws OperationalError 'capacity-reached' or
   * 'database-failed'; the caller still has to close the store.
   */
  constructor(options: BlocklistOptions) {
    const { store, tree, policy, log, now } = options
    this.#store = store
    this.#tree = tree
    this.#reader = tree && openReader(tree.buffer, ownSlot)
    this.#policy = policy
    this.#now = now
    this.#requireClock = options.requireClock ?? (() => undefined)
    this.#health = new WriteHealth(log, now)
    this.#disk = new DiskRoom(store.path, options.minFreeBytes ?? 0, log)
    this.#publisher = new Publisher({
      store,
      tree,
      publishedKinds: kindsMask(policy.publish),
      validForSeconds: options.validForSeconds,
      isRetired: options.retired,
      log,
    })
    this.#queue = new CommitQueue(store, this.#publisher, now, this.#health)
    this.#imports = new ListImports({
      store,
      tree,
      publisher: this.#publisher,
      queue: this.#queue,
      log,
      context: () => this.#context(),
      requireClock: this.#requireClock,
    })
    this.#publisher.load(now())
    this.#begin()
    this.#readTraps()
  }

  #begin(): void {
    try {
      this.#queue.runNow(() => this.#applyConfig(), this.#tree !== undefined)
      this.#isConfigApplied = true
    } catch (error) {
      if (!this.#tree || !this.#publisher.last || !isDiskFull(error)) throw error
      this.#publisher.load(this.#now())
      this.#publisher.showLast()
    }
  }

  /** Brings the store into line with the policy. A list that the last process was still publishing is taken as it is. */
  #applyConfig(): void {
    for (const { id, version, applied } of this.#store.lists.all()) {
      if (version === applied) continue
      this.#store.lists.setVersion(id, version, version)
      this.#publisher.resetJournal()
    }
    // Entries that are over since: the loaded tree lacks them, while readers of the journal still have them.
    if (this.#store.lists.isDue(this.#now())) this.#publisher.resetJournal()
    applyConfig(this.#context())
  }

  #readTraps(): void {
    this.#matchTrap = trapMatcher(this.#store.traps.all())
  }

  /** Deletes in the background what unfinished imports of the last process left. Call it once, when the server is ready. */
  finishImports(): void {
    this.#imports.clean()
  }

  /** Lists each prefix or extends what is listed there by hand, never shortening; all of them, or none. */
  list(
    requests: readonly ListRequest[],
    actor: Actor,
    alongside?: Alongside<ListOutcome[] | RequestRefusal>,
  ): Promise<ListOutcome[] | RequestRefusal> {
    const list = (context: Context) => {
      if (requests.some(({ expiresAt }) => expiresAt !== null)) this.#requireClock()
      return listAll(context, requests, actor)
    }
    return this.#change(list, alongside)
  }

  /**
   * Removes exactly these prefixes, of every origin; all of them, or none. Answers what was removed. Evidence from before
   * no longer counts, and the next listing is a new episode.
   */
  delist(prefixes: readonly Prefix[], actor: Actor): Promise<Listing[] | RequestRefusal> {
    return this.#change((context) => delistAll(context, prefixes, actor))
  }

  /** Changes one listing if it is still as the caller expects. */
  amend(
    id: number | string,
    change: ListingChange,
    expected: Expectation,
    actor: Actor,
  ): Promise<AmendOutcome> {
    return this.#change((context) => {
      if (typeof change.expiresAt === 'number') this.#requireClock()
      return amendListing(context, id, change, expected, actor)
    })
  }

  /** Ends one listing if it is still as the caller expects, and leaves others of its prefix alone. */
  delistOne(id: number | string, expected: Expectation, actor: Actor): Promise<AmendOutcome> {
    return this.#change((context) => removeListing(context, id, expected, actor))
  }

  /** Replaces what a named list held, while all else goes on: see `ListImports.import`. */
  import(request: ImportRequest): Promise<ImportOutcome> {
    return this.#imports.import(request)
  }

  /** A named list, or all that is listed and not exempt, as of now; undefined: there is no list of that name. */
  export(list: string | undefined): Export | undefined {
    return exportEntries(this.#store, this.#publisher.rules(this.#now()), list)
  }

  /**
   * An exemption: never listed from now on, at any length; what was listed shows again once it is taken back. An
   * exclusion: a hole in what covers it; a longer listing inside it still holds.
   */
  addException(
    kind: ExceptionKind,
    prefix: Prefix,
    note: string | null,
    actor: Actor,
    alongside?: Alongside<ExceptionOutcome>,
  ): Promise<ExceptionOutcome> {
    const add = (context: Context) => addException(context, kind, prefix, note, actor)
    return this.#change(add, alongside)
  }

  removeException(kind: ExceptionKind, prefix: Prefix, actor: Actor): Promise<ExceptionOutcome> {
    return this.#change((context) => removeException(context, kind, prefix, actor))
  }

  /** Adds a spam-trap pattern; 'invalid' if it is none. */
  async addTrap(
    pattern: string,
    actor: Actor,
    alongside?: Alongside<TrapOutcome>,
  ): Promise<TrapOutcome> {
    const outcome = await this.#change((context) => addTrap(context, pattern, actor), alongside)
    this.#readTraps()
    return outcome
  }

  /** Takes back a pattern that was added by hand; 'conflict' if the configuration has it. */
  async removeTrap(pattern: string, actor: Actor): Promise<TrapOutcome> {
    const outcome = await this.#change((context) => removeTrap(context, pattern, actor))
    this.#readTraps()
    return outcome
  }

  /** All patterns, of the configuration and by hand, in the order of their text. */
  traps(): TrapRow[] {
    return this.#store.traps.all()
  }

  /** Whether an address, its domain in lower case, falls under a pattern now. */
  isTrap(address: string): boolean {
    return this.#matchTrap(address) !== undefined
  }

  /**
   * Stores evidence and acts on it, in order. The answer is on disk and in DNS. A duplicate changes nothing. Rejects with
   * OperationalError 'disk-low' while the disk has too little room for mail, and 'clock-held'.
   */
  async record(
    evidence: readonly Evidence[],
    alongside?: Alongside<Decision[]>,
  ): Promise<Decision[]> {
    this.#disk.require()
    const record = (context: Context) => {
      this.#requireClock()
      return evidence.map((each) => recordOne(context, each))
    }
    return await this.#change(record, alongside)
  }

  /**
   * Like `record`, but judges each piece as of the moment it was seen: for a dry run in a database made for it. Give them
   * in the order of `seenAt`.
   */
  replay(evidence: readonly Evidence[]): Promise<Decision[]> {
    return this.#change((context) =>
      evidence.map((each) => recordOne({ ...context, now: each.seenAt }, each)),
    )
  }

  /**
   * Ends what is over and shows what is due, in small transactions, and publishes the zone's freshness when that is due.
   * Resolves with the number of listings that changed. A call while another runs joins it.
   */
  expire(): Promise<number> {
    this.#expiring ??= this.#expireAll().finally(() => {
      this.#expiring = undefined
    })
    return this.#expiring
  }

  /**
   * Deletes evidence, and counts by day, that are older than evidence is kept, in small transactions. Resolves with the
   * number of rows of evidence.
   */
  async purgeEvidence(): Promise<number> {
    let total = 0
    for (;;) {
      const before = this.#now() - this.#policy.evidenceKeepSeconds
      const purged = await this.#queue.run(() => {
        const { evidence, evidenceCounters, forgeries } = this.#store
        return [evidence, evidenceCounters, forgeries].map((each) => each.purge(before, purgeBatch))
      })
      total += purged[0] ?? 0
      if (Math.max(...purged) < purgeBatch) return total
    }
  }

  /** Takes over a new policy: its exemptions, traps and published kinds too. */
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
    this.#readTraps()
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
  exceptions(kind: ExceptionKind, page: PageRequest): Page<Exception> | Refusal {
    return exceptionsPage(this.#store, kind, page)
  }

  exception(kind: ExceptionKind, id: number): Exception | undefined {
    const row = tableOf(this.#store, kind).byId(id)
    return row && exceptionOf(row)
  }

  /** The networks that sent most mail in the traps' names within the longest term of a listing, at most 20. */
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
      tree: { usedBytes: tree?.usedBytes ?? 0, capacityBytes: tree?.capacityBytes ?? 0 },
      writeFailure: this.#health.failure,
    }
  }

  /** Writes what still waits, and takes no more changes. */
  close(): void {
    this.#queue.close()
  }

  /** Runs `work` in the next transaction: see `CommitQueue.run`. */
  #change<T>(work: (context: Context) => T, alongside?: Alongside<T>): Promise<T> {
    return this.#queue.run(() => work(this.#context()), { alongside })
  }

  #context(): Context {
    return {
      store: this.#store,
      publisher: this.#publisher,
      policy: this.#policy,
      trapOf: this.#matchTrap,
      now: this.#now(),
    }
  }

  async #expireAll(): Promise<number> {
    if (!this.#isConfigApplied) {
      await this.#queue.run(() => this.#applyConfig(), { publishes: true })
      this.#isConfigApplied = true
      this.#readTraps()
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
