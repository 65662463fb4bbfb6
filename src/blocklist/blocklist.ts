// The only way to change a listing or the tree. Each change is committed and published before its caller gets the result.
// Look-ups and exports also start here.
import type {
  Evidence,
  HostFacts,
  HostList,
  HostQuestions,
  TrapList,
} from '../classify/evidence.ts'
import type { Logger } from '../errors.ts'
import type { Address, Prefix } from '../ip/address.ts'
import { isDiskFull, type Store } from '../store/database.ts'
import type { Forger } from '../store/day-counters.ts'
import { maxReaders } from '../tree/layout.ts'
import { openReader } from '../tree/open-reader.ts'
import type { TreeReader } from '../tree/reader.ts'
import type { TreeWriter } from '../tree/writer.ts'
import { applyConfig } from './apply-config.ts'
import { HostRounds, learnHost, questionsBefore } from './ask-hosts.ts'
import { CommitQueue } from './commit-queue.ts'
import type { Context } from './context.ts'
import { addException, addTrap, removeException, removeTrap } from './exceptions.ts'
import { explain, find } from './explain.ts'
import { explainPolicy, type PolicyExplanation } from './explain-policy.ts'
import { exportEntries } from './export.ts'
import { forgetSome } from './forget.ts'
import { ListImports } from './import.ts'
import { hostsKnownAfter } from './known-hosts.ts'
import { amendListing, delistAll, expireSome, listAll, removeListing } from './listings.ts'
import type { PolicyOptions } from './policy.ts'
import { makeSnapshots, noteHits } from './public-evidence.ts'
import { Publisher } from './publish.ts'
import { purge } from './purge.ts'
import { DiskRoom, recordOne } from './record.ts'
import { decideRemoval, notListed, removablePrefix, requestRemoval } from './removals.ts'
import { trapMatcher } from './traps.ts'
import {
  type Actor,
  type Alongside,
  type AmendOutcome,
  type BlocklistStatus,
  type Decision,
  type ExceptionKind,
  type ExceptionOutcome,
  type Expectation,
  type Explanation,
  type Export,
  type Finding,
  type ImportOutcome,
  type ImportRequest,
  kindsMask,
  type Listing,
  type ListingChange,
  type ListOutcome,
  type ListRequest,
  type Purge,
  type PurgeRequest,
  type Refusal,
  type Removal,
  type RemovalAnswer,
  type RequestRefusal,
  type TrapOutcome,
} from './types.ts'

export interface BlocklistOptions {
  readonly store: Store
  /** An empty tree that only this blocklist writes to. Absent if a command works on the database without a server. */
  readonly tree?: TreeWriter
  readonly policy: PolicyOptions
  /** Whole epoch seconds. */
  now(): number
  /** Throws OperationalError 'clock-held' while `now` cannot be trusted. @default never throws */
  requireClock?(): void
  readonly log: Logger
  /** How long the zone counts as fresh after a publication. */
  readonly validForSeconds: number
  /** true: the zone is empty, and not even test entries are answered. */
  readonly retired: boolean
  /**
   * Stands for the records that the configuration gives, and the form of all others. If it is another than at the last
   * publication, the journal starts over. @default that of the last publication
   */
  readonly ownRecords?: string
  /** Whether somebody asks DNS about hosts: then a new listing waits for the answers. @default false */
  readonly asksHosts?: boolean
  /** Mail is recorded only if the database's disk has this much free, or 5 % of the disk if that is less. @default 0 */
  readonly minFreeBytes?: number
  /** Called after each publication. @default does nothing */
  onPublished?(serial: number): void
}

/** The reader slot of this thread's look-ups: the last one. The name server's threads use the slots from the first on. */
const ownSlot = maxReaders - 1

export class Blocklist implements TrapList, HostList {
  readonly #store: Store
  readonly #tree: TreeWriter | undefined
  readonly #reader: TreeReader | undefined
  readonly #publisher: Publisher
  readonly #queue: CommitQueue
  readonly #imports: ListImports
  readonly #disk: DiskRoom
  readonly #now: () => number
  readonly #requireClock: () => void
  readonly #hostRounds = new HostRounds()
  #policy: PolicyOptions
  #asksHosts: boolean
  /** The last time that the configuration was read again. Earlier answers about hosts are not current. */
  #reconfiguredAt = 0
  #matchTrap: (address: string) => string | undefined = () => undefined
  #expiring: Promise<number> | undefined
  /** Whether the store already matches the policy. */
  #isConfigApplied = false

  /**
   * Loads the tree from the store, makes the store match the policy, and publishes. If the disk is full, the tree is shown
   * under its last serial, and expire() does the rest later. Throws OperationalError 'capacity-reached' or 'database-failed';
   * the caller still has to close the store.
   */
  constructor(options: BlocklistOptions) {
    const { store, tree, policy, log, now } = options
    this.#store = store
    this.#tree = tree
    this.#reader = tree && openReader(tree.buffer, ownSlot)
    this.#policy = policy
    this.#asksHosts = options.asksHosts ?? false
    this.#now = now
    this.#requireClock = options.requireClock ?? (() => undefined)
    this.#disk = new DiskRoom(store.path, options.minFreeBytes ?? 0, log)
    this.#publisher = new Publisher({
      store,
      tree,
      publishedKinds: kindsMask(policy.publish),
      validForSeconds: options.validForSeconds,
      isRetired: options.retired,
      ownRecords: options.ownRecords,
      log,
      onPublished: (serial) => options.onPublished?.(serial),
    })
    this.#queue = new CommitQueue(store, this.#publisher, now, log)
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

  /** Makes the store match the policy. If the last process stopped while publishing a list, the whole new list is used. */
  #applyConfig(): void {
    for (const { id, version, applied } of this.#store.lists.all()) {
      if (version === applied) continue
      this.#store.lists.setVersion(id, version, version)
      this.#publisher.resetJournal()
    }
    // The loaded tree lacks the entries that have expired since the last publication, but the journal has no differences that
    // remove them.
    if (this.#store.lists.isDue(this.#now())) this.#publisher.resetJournal()
    applyConfig(this.#context())
  }

  #readTraps(): void {
    this.#matchTrap = trapMatcher(this.#store.traps.all())
  }

  /** Deletes in the background what unfinished imports of an earlier process left. Call it once, after the start. */
  finishImports(): void {
    this.#imports.clean()
  }

  /** Lists all prefixes by hand, or none. If a prefix is listed by hand already, its listing is extended, never shortened. */
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
   * Removes all listings of exactly these prefixes, whatever their origin. If one prefix is refused, none is removed. Resolves
   * with the removed listings. Earlier evidence no longer counts, and the next listing by trap is a new episode (see `judge`).
   */
  delist(prefixes: readonly Prefix[], actor: Actor): Promise<Listing[] | RequestRefusal> {
    return this.#change((context) => delistAll(context, prefixes, actor))
  }

  /** Changes one listing, if the listing is still as the caller expects. */
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

  /** Ends one listing, if the listing is still as the caller expects. Other listings of the same prefix stay. */
  delistOne(id: number | string, expected: Expectation, actor: Actor): Promise<AmendOutcome> {
    return this.#change((context) => removeListing(context, id, expected, actor))
  }

  /** The prefix that would be listed for an address. An IPv6 network stands for itself. Undefined for one of another length. */
  removablePrefix(asked: Prefix): Prefix | undefined {
    return removablePrefix(asked, this.#policy)
  }

  /**
   * Removes the listing by trap of a prefix, or queues the request: see `requestRemoval`. Needs a tree. If DNS does not answer
   * the address, the database is not read, so that nothing tells whether it is known there.
   */
  async requestRemoval(asked: Address, prefix: Prefix): Promise<RemovalAnswer | Refusal> {
    if (!this.find(asked).listed) return notListed
    return await this.#change((context) => {
      this.#requireClock()
      return requestRemoval(context, asked, prefix)
    })
  }

  /** Carries out the operator's decision on a queued request. Resolves with undefined if there is none with this id. */
  decideRemoval(
    id: number,
    state: 'removed' | 'refused',
    why: string | undefined,
    actor: Actor,
    alongside?: Alongside<Removal | Refusal | undefined>,
  ): Promise<Removal | Refusal | undefined> {
    return this.#change((context) => decideRemoval(context, id, state, why, actor), alongside)
  }

  /** Replaces a named list while other work goes on: see `ListImports.import`. */
  import(request: ImportRequest): Promise<ImportOutcome> {
    return this.#imports.import(request)
  }

  /**
   * A snapshot of a named list or, without a name, of everything that is listed and not exempt. Returns undefined if there
   * is no list of that name.
   */
  export(list: string | undefined): Export | undefined {
    return exportEntries(this.#store, this.#publisher.rules(this.#now()), list)
  }

  /**
   * Adds an exception by hand. An exempt prefix is never listed, and nothing in it either. An excluded prefix is left out of
   * listings that cover it; longer listings inside it still apply.
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

  /** Adds a spam-trap pattern by hand. Refuses with 'invalid' if the text is no pattern. */
  async addTrap(
    pattern: string,
    actor: Actor,
    alongside?: Alongside<TrapOutcome>,
  ): Promise<TrapOutcome> {
    const outcome = await this.#change((context) => addTrap(context, pattern, actor), alongside)
    this.#readTraps()
    return outcome
  }

  /** Removes a pattern that was added by hand. Refuses with 'conflict' if it comes from the configuration. */
  async removeTrap(pattern: string, actor: Actor): Promise<TrapOutcome> {
    const outcome = await this.#change((context) => removeTrap(context, pattern, actor))
    this.#readTraps()
    return outcome
  }

  /** Whether an address is a trap now. Case does not matter. */
  isTrap(address: string): boolean {
    return this.#matchTrap(address) !== undefined
  }

  /**
   * Stores evidence and acts on it, in the order given. Resolves once the result is on disk and in DNS. A duplicate changes
   * nothing. Rejects with OperationalError 'disk-low' or 'clock-held'.
   */
  async record(
    evidence: readonly Evidence[],
    alongside?: Alongside<Decision[]>,
  ): Promise<Decision[]> {
    this.#disk.require()
    const record = (context: Context) => {
      this.#requireClock()
      const decisions = evidence.map((each) => recordOne(context, each))
      noteHits(context, decisions)
      return decisions
    }
    return await this.#change(record, alongside)
  }

  /**
   * Like `record`, but judges each message as of the time it was seen. Call it only with a database made for a dry run. The
   * evidence must be sorted by `seenAt`.
   */
  replay(evidence: readonly Evidence[]): Promise<Decision[]> {
    return this.#change((context) =>
      evidence.map((each) => recordOne({ ...context, now: each.seenAt }, each)),
    )
  }

  /**
   * Ends expired listings, publishes held listings whose time has come, renews public evidence, and republishes the zone before
   * it becomes stale. Works in small transactions. Resolves with the number of listings that changed. While a call runs, further
   * calls resolve with it.
   */
  expire(): Promise<number> {
    this.#expiring ??= this.#expireAll().finally(() => {
      this.#expiring = undefined
    })
    return this.#expiring
  }

  /**
   * Deletes evidence, daily counts and answers about hosts that are older than `evidenceKeepSeconds`, in small transactions.
   * Resolves with the number of deleted rows of evidence.
   */
  async purgeEvidence(): Promise<number> {
    let total = 0
    for (;;) {
      const { deleted, isDone } = await this.#queue.run(() => forgetSome(this.#context()))
      total += deleted
      if (isDone) return total
    }
  }

  /**
   * Takes back evidence that should not have counted, and makes the listings what they would be without it. With `isDryRun` it only
   * tells what would change. It blocks this thread for some seconds for each million messages; DNS goes on meanwhile.
   */
  purge(
    request: PurgeRequest,
    isDryRun: boolean,
    actor: Actor,
    alongside?: Alongside<Purge | Refusal>,
  ): Promise<Purge | Refusal> {
    return this.#change((context) => purge(context, request, isDryRun, actor), alongside)
  }

  /**
   * Applies a new policy, with its exemptions, traps and published kinds. DNS is asked again about the hosts of listings.
   * `asksHosts` as in the constructor's options.
   */
  async reconfigure(policy: PolicyOptions, asksHosts = this.#asksHosts): Promise<void> {
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
    this.#asksHosts = asksHosts
    this.#reconfiguredAt = this.#now()
    this.#readTraps()
  }

  questionsBefore(evidence: readonly Evidence[]): HostQuestions | undefined {
    return questionsBefore(this.#context(), evidence)
  }

  questionsDue(limit: number): HostQuestions[] {
    return this.#hostRounds.next(this.#context(), limit)
  }

  learnHost(asked: HostQuestions, facts: HostFacts): Promise<void> {
    return this.#change((context) => learnHost(context, asked, facts))
  }

  /** What the public may know about an address. Needs a tree. */
  find(address: Address): Finding {
    if (!this.#reader) throw new Error('there is no tree to ask')
    return find(this.#context(), this.#reader, address)
  }

  /** Everything known about an address, and why DNS answers as it does. For the operator. */
  explain(address: Address): Explanation {
    return explain(this.#context(), this.#reader, address)
  }

  /** What the policy makes of an address. Names no trap. */
  explainPolicy(address: Address): PolicyExplanation {
    return explainPolicy(this.#context(), address)
  }

  /** Up to 20 networks that sent the most mail with a trap as forged sender in the last `longestListingSeconds`. */
  forgers(): Forger[] {
    const since = this.#now() - this.#policy.longestListingSeconds
    return this.#store.forgeries.most(since, 20)
  }

  /** The state of the zone as last published. */
  status(): BlocklistStatus {
    const last = this.#publisher.last
    const tree = this.#tree?.stats()
    return {
      serial: last?.serial ?? 0,
      generatedAt: last?.generatedAt ?? 0,
      validUntil: last?.validUntil ?? 0,
      entries: { ipv4: last?.ipv4Entries ?? 0, ipv6: last?.ipv6Entries ?? 0, domains: 0 },
      tree: { usedBytes: tree?.usedBytes ?? 0, capacityBytes: tree?.capacityBytes ?? 0 },
      imports: this.#imports.running(),
      writeFailure: this.#queue.health.failure,
      publishedInMs: this.#queue.publishedInMs,
      disk: this.#disk.room(),
    }
  }

  /** Accepts no more work, and does the work that still waits. */
  close(): void {
    this.#queue.close()
  }

  #change<T>(work: (context: Context) => T, alongside?: Alongside<T>): Promise<T> {
    return this.#queue.run(() => work(this.#context()), { alongside })
  }

  #context(): Context {
    const now = this.#now()
    return {
      store: this.#store,
      publisher: this.#publisher,
      policy: this.#policy,
      trapOf: this.#matchTrap,
      hostsKnownAfter: this.#asksHosts
        ? hostsKnownAfter(this.#policy, this.#reconfiguredAt, now)
        : null,
      now,
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
      // After a write failure, publishing shows whether writing works again.
      const isDue = this.#publisher.isStale(this.#now()) || this.#queue.health.failure !== undefined
      const changed = await this.#queue.run(() => expireSome(this.#context()), {
        publishes: this.#tree !== undefined && isDue,
      })
      total += changed
      if (changed > 0) continue
      const made = await this.#queue.run(() => makeSnapshots(this.#context()))
      if (made === 0) return total
    }
  }
}
