// Keeps the tree and the file of a mirror up to date with its primary: asks after each NOTIFY and by the timers of the SOA record
// (RFC 1034 §4.3.5, RFC 1996 §3.11). Whatever the primary does, the last zone stays until a whole newer one has come.
import { type Logger, messageOf } from '../errors.ts'
import { OncePerMinute } from '../log-rarely.ts'
import { comparePrefixes } from '../store/packed-entries.ts'
import { entryKinds } from '../tree/layout.ts'
import type { TreeWriter } from '../tree/writer.ts'
import { type FetchOptions, fetchZone, UselessDifferences } from './fetch-zone.ts'
import type { MirroredZone } from './mirrored-zone.ts'
import { entriesOf, type MirrorEntry } from './zone-entries.ts'
import { ZoneFile } from './zone-file.ts'

export interface MirrorOptions extends Omit<FetchOptions, 'signal' | 'onMessage'> {
  /** The file that keeps the zone. */
  readonly path: string
  /** An empty tree that only this mirror writes to. */
  readonly tree: TreeWriter
  readonly log: Logger
  /** Epoch seconds. */
  now(): number
  /** Called with each new zone before its entries are shown. @default does nothing */
  onZone?(zone: MirroredZone): Promise<void>
  /** Called after each change of what the tree shows. @default does nothing */
  onShown?(): void
}

/** The wait after a first failure, or while there is no zone, in seconds. */
const firstRetry = 5
/** The timers of the SOA record are kept within these seconds. */
const shortestWait = 5
const longestWait = 86_400
/** After a new zone, the next transfer begins only after so many times the processor time that it took. */
const restShare = 4
/** The tree may have more entries than the zone has names, for the holes in listings. */
const entriesPerName = 2

export class Mirror {
  readonly #options: MirrorOptions
  readonly #file: ZoneFile
  readonly #ending = new AbortController()
  #zone: MirroredZone | undefined
  #entries: readonly MirrorEntry[] = []
  #heardAt = 0
  /** What the tree says, in epoch seconds. */
  #validUntil = 0
  #isExpired = false
  #isAsking = false
  /** Whether to ask again once the present transfer is over. */
  #isWanted = false
  /** Transfers that have failed since the last that did not. */
  #failures = 0
  readonly #failureLog = new OncePerMinute()
  /** Whether differences could not be used, so that the next transfer is of the whole zone. */
  #wantsWhole = false
  #workBefore = 0
  #restsUntil = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: MirrorOptions) {
    this.#options = options
    this.#file = new ZoneFile(options.path)
  }

  /** Shows the zone of the file, if there is one, and returns it. Does not ask the primary yet. */
  async load(): Promise<MirroredZone | undefined> {
    this.#workBefore = workMs()
    const { log, path, now } = this.#options
    const kept = this.#file.load(this.#options)
    if (kept === undefined) log.info({ file: path }, 'there is no zone on disk yet')
    else if (kept.isDamaged) log.warn({ file: path }, damages[kept.zone ? 'part' : 'whole'])
    else if (kept.misfit !== undefined) log.warn({ file: path, why: kept.misfit }, misfit)
    if (kept?.zone === undefined) return undefined
    this.#heardAt = Math.min(kept.heardAt, now())
    await this.#show(kept.zone)
    return kept.zone
  }

  /** Asks the primary for something newer: now, or after the present transfer. */
  ask(): void {
    if (this.#ending.signal.aborted) return
    if (this.#isAsking) {
      this.#isWanted = true
      return
    }
    const rest = this.#restsUntil - performance.now()
    if (rest > 0) {
      this.#wait(rest / 1000)
      return
    }
    this.#isAsking = true
    this.#isWanted = false
    void this.#transfer()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#ending.abort()
    this.#file.close()
  }

  async #transfer(): Promise<void> {
    this.#workBefore = workMs()
    const { log } = this.#options
    let wait: number | undefined
    try {
      await this.#fetch()
      if (this.#failures > 0) log.info({}, 'the primary answers again')
      this.#failures = 0
      this.#wantsWhole = false
      this.#isExpired = false
      wait = this.#zone?.timers.refresh
    } catch (error) {
      if (this.#ending.signal.aborted) return
      this.#failureLog.run(() => log.warn({ why: messageOf(error) }, 'no zone from the primary'))
      // The first failure may be a transfer that was cut off.
      if (this.#failures > 0) wait = this.#zone?.timers.retry
      this.#failures += 1
      this.#wantsWhole ||= error instanceof UselessDifferences
    }
    this.#expire()
    this.#isAsking = false
    if (this.#isWanted) this.ask()
    else this.#wait(Math.min(Math.max(wait ?? firstRetry, shortestWait), longestWait))
  }

  async #fetch(): Promise<void> {
    const { log, now } = this.#options
    const file = this.#file
    file.begin()
    const found = await fetchZone(
      {
        ...this.#options,
        signal: this.#ending.signal,
        onMessage: (message) => file.add(message),
      },
      this.#zone,
      file.isLong || this.#wantsWhole,
    )
    this.#heardAt = now()
    if (found === undefined || found.zone.serial === this.#zone?.serial) {
      // A whole zone with the old serial was asked for only to shorten the file.
      if (found?.isWhole) file.keep(true, this.#heardAt)
      else file.noteHeard(this.#heardAt)
      if (this.#zone && this.#validOf(this.#zone) !== this.#validUntil) this.#publish(this.#zone)
      return
    }
    const { zone, isWhole } = found
    await this.#show(zone, () => file.keep(isWhole, this.#heardAt))
    log.info({ serial: zone.serial, names: zone.names.length, isWhole }, 'the zone has come')
  }

  /** Puts the zone into the tree, and makes it visible once `keep` has put it on disk. */
  async #show(zone: MirroredZone, keep?: () => void): Promise<void> {
    const { tree, onZone, maxNames } = this.#options
    const entries = entriesOf(zone.names, maxNames * entriesPerName)
    try {
      stage(tree, this.#entries, entries)
      keep?.()
    } catch (error) {
      tree.abandon()
      throw error
    }
    this.#entries = entries
    this.#zone = zone
    this.#restsUntil = performance.now() + restShare * (workMs() - this.#workBefore)
    await onZone?.(zone)
    this.#publish(zone)
  }

  #publish(zone: MirroredZone): void {
    const { serial, status } = zone
    this.#validUntil = this.#validOf(zone)
    this.#options.tree.publish({
      serial,
      generatedAt: status.generatedAt,
      validUntil: this.#validUntil,
      // The primary tells only the sum.
      ipv4Entries: status.entries,
      ipv6Entries: 0,
    })
    this.#options.onShown?.()
  }

  /** Epoch seconds: what the primary said, but at most until the SOA's expire time has passed. */
  #validOf({ status, timers }: MirroredZone): number {
    return Math.min(status.validUntil, this.#heardAt + timers.expire)
  }

  /** Tells once that the SOA's expire time has passed. */
  #expire(): void {
    const zone = this.#zone
    if (!zone || this.#isExpired || this.#options.now() < this.#heardAt + zone.timers.expire) return
    this.#isExpired = true
    this.#options.log.error(
      { serial: zone.serial },
      'the zone has expired: the primary is not heard of',
    )
  }

  #wait(seconds: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.ask(), seconds * 1000)
  }
}

const damages = {
  part: 'the zone on disk is damaged: its last part that is right is used',
  whole: 'the zone on disk is damaged; it is fetched anew',
} as const
const misfit = 'the zone on disk was kept under other settings; it is fetched anew'

/** Processor time of this thread so far. */
function workMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** Stages what differs between two lists of entries in address order. */
function stage(
  tree: TreeWriter,
  before: readonly MirrorEntry[],
  after: readonly MirrorEntry[],
): void {
  let old = 0
  for (const entry of after) {
    let next = before[old]
    while (next !== undefined && comparePrefixes(next.prefix, entry.prefix) < 0) {
      remove(tree, next)
      old += 1
      next = before[old]
    }
    const isThere = next !== undefined && comparePrefixes(next.prefix, entry.prefix) === 0
    if (isThere) old += 1
    if (!isThere || next?.codes !== entry.codes) put(tree, entry)
  }
  for (const entry of before.slice(old)) remove(tree, entry)
}

function put(tree: TreeWriter, { prefix, codes }: MirrorEntry): void {
  const { family, w0, w1, w2, w3, length } = prefix
  const kind = codes === 0 ? entryKinds.exclusion : entryKinds.listing
  tree.set(family, w0, w1, w2, w3, length, kind, codes === 0 ? 0 : tree.internAnswer(codes))
}

function remove(tree: TreeWriter, { prefix }: MirrorEntry): void {
  const { family, w0, w1, w2, w3, length } = prefix
  tree.remove(family, w0, w1, w2, w3, length)
}
