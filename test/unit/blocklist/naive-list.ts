// The list as the interface describes it, done in the plainest way: arrays, and a look at everything for every change.
// What the door does is compared with it after each of many random changes.
import type { PolicyOptions } from '../../../src/blocklist/policy.ts'
import type { ListRequest } from '../../../src/blocklist/types.ts'
import type { Evidence } from '../../../src/classify/evidence.ts'
import type { BackscatterKind } from '../../../src/classify/kinds.ts'
import {
  type Address,
  contains,
  formatPrefix,
  hostPrefix,
  networkOf,
  overlaps,
  type Prefix,
} from '../../../src/ip/address.ts'
import { entriesOf, type Line } from './naive-import.ts'
import {
  begin,
  foldedAnew,
  maskOf,
  type NaiveHit,
  type NaiveRemoval,
  type NaiveState,
  removed,
  shows,
  take,
  unknownNetwork,
} from './naive-judge.ts'
import {
  allListed,
  type Entry,
  isLive,
  isStanding,
  never,
  type Row,
  type Shown,
  same,
  type World,
} from './naive-zone.ts'

interface Kept {
  readonly evidence: Evidence
  readonly network: string
  readonly counts: boolean
}

/** What a list was until an import, and when what is over was ended last before that. */
interface Before {
  readonly entries: readonly Entry[]
  readonly at: number
}

export interface NaiveImport {
  readonly list: string
  readonly lines: readonly Line[]
  readonly isStrict: boolean
  readonly isForced: boolean
  readonly isDryRun: boolean
}

export interface NaiveImported {
  readonly added: number
  readonly removed: number
  readonly kept: number
  readonly refusedCount: number
}

/** The special-purpose ranges that tests come near: loopback, and IPv4-mapped addresses. */
const special: readonly Prefix[] = [
  { family: 4, w0: 0x7f00_0000, w1: 0, w2: 0, w3: 0, length: 8 },
  { family: 6, w0: 0, w1: 0, w2: 0xffff, w3: 0, length: 96 },
]

export class NaiveList {
  #policy: PolicyOptions
  #now: number
  /** What it was since what is over was ended last: at each of them DNS may have computed a prefix anew. */
  #moments: number[]
  isRetired = false
  /** When what is over was ended last: DNS may show until then what is over since. */
  #endedAt: number
  readonly #rows: Row[] = []
  readonly #lists = new Map<string, Entry[]>()
  /** Masks of kinds that were answered since then: what is over, and is not ended yet, has some of them. */
  #published: number[]
  /** What lists were that DNS may not have left behind yet. */
  readonly #before = new Map<string, Before>()
  readonly #gone: Shown[] = []
  readonly #kept: Kept[] = []
  /** By network; `kept` counts what was kept of all networks. */
  readonly #removals = new Map<string, NaiveRemoval[]>()
  readonly #states = new Map<string, NaiveState>()
  readonly #exempt = new Map<string, Prefix>()
  readonly #excluded = new Map<string, Prefix>()

  constructor(policy: PolicyOptions, now: number) {
    this.#policy = policy
    this.#now = now
    this.#moments = [now]
    this.#endedAt = now
    this.#published = [maskOf(policy.publish)]
  }

  get now(): number {
    return this.#now
  }

  set now(now: number) {
    this.#now = now
    this.#moments.push(now)
  }

  /** As everything is now. */
  world(): World {
    return this.#worldOf(this.#lists, this.now)
  }

  /** All that DNS may have at a prefix: of each list that it follows the old state or the new one, and what is over or not. */
  worlds(): World[] {
    let lists = [this.#lists as ReadonlyMap<string, readonly Entry[]>]
    for (const [list, before] of this.#before) {
      // What was shown when it began may be, though its time is over since.
      const shown = before.entries
        .filter((entry) => isLive(entry, before.at))
        .map((entry) => ({ ...entry, expiresAt: never }))
      lists = lists.flatMap((each) => [
        each,
        new Map([...each, [list, shown]]),
        new Map([...each, [list, before.entries]]),
      ])
    }
    return lists.flatMap((each) => [
      this.#worldOf(each, this.now),
      ...this.#published.flatMap((published) => [
        { ...this.#worldOf(each, this.#endedAt), published },
        // expire() has not come to the rows.
        ...this.#moments.map((moment) => ({
          ...this.#worldOf(each, moment),
          ...{ rowsAsOf: this.#endedAt, published },
        })),
      ]),
    ])
  }

  /** Whether DNS has exactly what `world` says. */
  isExact(): boolean {
    if (this.#before.size > 0) return false
    const ends = (time: number) => time > this.#endedAt && time <= this.now
    const isLate = this.#rows.some(
      (row) =>
        isStanding(row) &&
        (row.expiresAt <= this.now || (row.state === 'held' && row.heldUntil <= this.now)),
    )
    return !isLate && ![...this.#lists.values()].flat().some(({ expiresAt }) => ends(expiresAt))
  }

  /** What holds at the address and around it: listed, held or shadow. */
  standingAround(address: Address): Shown[] {
    const held = this.#rows.filter((row) => isStanding(row) && row.state !== 'listed')
    return [...allListed(this.world()), ...held.map((row) => ({ ...row, list: null }))].filter(
      ({ prefix }) => contains(prefix, address),
    )
  }

  /** What held there once: rows that ended, entries that were removed by hand or are over. */
  endedAround(address: Address): Shown[] {
    const rows = this.#rows.filter((row) => !isStanding(row))
    const over = [...this.#lists].flatMap(([list, entries]) =>
      entries
        .filter((entry) => !entry.isHidden && entry.expiresAt <= this.now)
        .map((entry) => shownEntry(list, entry, 'expired')),
    )
    return [...rows.map((row) => ({ ...row, list: null })), ...over, ...this.#gone].filter(
      ({ prefix }) => contains(prefix, address),
    )
  }

  entriesOf(list: string): readonly Entry[] | undefined {
    return this.#lists.get(list)
  }

  list(requests: readonly (ListRequest & { readonly kinds: readonly BackscatterKind[] })[]) {
    const refused = requests.map(({ prefix, expiresAt }) =>
      this.#refusal(prefix, expiresAt ?? never),
    )
    if (refused.some((why) => why !== '')) return refused.filter((why) => why !== '')
    return requests.map(({ prefix, kinds, expiresAt, reason = null }) => {
      const until = expiresAt === null ? never : (expiresAt ?? this.#longest())
      this.#sweep(prefix)
      const row = this.#standing(prefix).find(({ origin }) => origin === 'manual')
      if (row) {
        const before = { ...row }
        row.kinds |= maskOf(kinds)
        row.expiresAt = Math.max(row.expiresAt, until)
        row.reason = reason ?? row.reason
        if (row.expiresAt > before.expiresAt) return 'extended'
        return row.kinds === before.kinds && row.reason === before.reason ? 'unchanged' : 'amended'
      }
      this.#rows.push({
        ...{ prefix, origin: 'manual', createdAt: this.now, kinds: maskOf(kinds), reason },
        ...{ state: 'listed', expiresAt: until, heldUntil: 0, lastHitAt: 0, episode: 1 },
      })
      return 'listed'
    })
  }

  delist(prefixes: readonly Prefix[]): string[] {
    const isAlive = (prefix: Prefix): boolean =>
      this.#standing(prefix).some((row) => row.expiresAt > this.now) ||
      [...this.#lists.values()]
        .flat()
        .some((entry) => same(entry.prefix, prefix) && isLive(entry, this.now))
    const refused = prefixes.map((prefix) => {
      if (isAlive(prefix)) return ''
      for (let length = prefix.length - 1; length >= 0; length--) {
        if (isAlive(networkOf(prefix, length))) return 'covered'
      }
      return 'not-listed'
    })
    if (refused.some((why) => why !== '')) return refused.filter((why) => why !== '')
    for (const prefix of prefixes) {
      this.#sweep(prefix)
      for (const row of this.#standing(prefix)) this.#remove(row)
      for (const list of this.#lists.keys()) this.delistEntry(list, prefix)
    }
    return ['removed']
  }

  /** Hides one list's entry; says whether there was one. */
  delistEntry(list: string, prefix: Prefix): boolean {
    const entry = this.#lists.get(list)?.find((each) => same(each.prefix, prefix))
    if (!entry || !isLive(entry, this.now)) return false
    this.#gone.push(shownEntry(list, entry, 'removed'))
    entry.isHidden = true
    this.#noteRemoval(prefix)
    const before = this.#before.get(list)
    // DNS has the new state of this prefix from here on.
    if (before) {
      const entries = before.entries.filter((each) => !same(each.prefix, prefix))
      this.#before.set(list, { ...before, entries })
    }
    return true
  }

  /** Where it is refused or a dry run, nothing changes. DNS follows until `follow` says that it has. */
  import({ list, lines, isStrict, isForced, isDryRun }: NaiveImport): NaiveImported | string {
    const isRefused = ({ prefix, attributes }: Line): boolean =>
      attributes !== null && this.#refusal(prefix, attributes.expiresAt ?? never) !== ''
    const taken = lines.filter((line) => !isRefused(line))
    const refusedCount = lines.length - taken.length
    if (refusedCount > 0 && (isStrict || taken.length === 0)) return 'invalid'
    const wanted = entriesOf(taken)
    if (wanted.length === 0 && !isForced && !isDryRun) return 'loss'
    const live = new Map(
      (this.#lists.get(list) ?? [])
        .filter((entry) => isLive(entry, this.now))
        .map((entry) => [formatPrefix(entry.prefix), entry]),
    )
    const lived = (prefix: Prefix) => live.get(formatPrefix(prefix))
    const kept = wanted.filter(({ prefix }) => lived(prefix)).length
    // A few exclusions can make a list of over a hundred entries.
    const isLoss = live.size > 100 && 2 * kept < live.size
    if (isLoss && !isForced && !isDryRun) return 'loss'
    if (!isDryRun) {
      this.#before.set(list, { entries: this.#lists.get(list) ?? [], at: this.#endedAt })
      this.#lists.set(
        list,
        wanted.map((entry) => ({
          ...{ ...entry, isHidden: false },
          listedAt: lived(entry.prefix)?.listedAt ?? this.now,
        })),
      )
    }
    return { added: wanted.length - kept, removed: live.size - kept, kept, refusedCount }
  }

  /** DNS has the list as it is. */
  follow(list: string): void {
    this.#before.delete(list)
  }

  /** The list did not become what was imported. */
  undo(list: string): void {
    const before = this.#before.get(list)
    if (before) this.#lists.set(list, [...before.entries])
    this.#before.delete(list)
  }

  setException(kind: 'exemption' | 'exclusion', prefix: Prefix, isOn: boolean): void {
    const map = kind === 'exemption' ? this.#exempt : this.#excluded
    const isConfigured = this.#policy.exempt.some((each) => same(each.prefix, prefix))
    if (isOn) map.set(formatPrefix(prefix), prefix)
    else if (kind === 'exclusion' || !isConfigured) map.delete(formatPrefix(prefix))
  }

  /** What a start or a configuration read again brings about. */
  configure(policy: PolicyOptions, isRetired = this.isRetired): void {
    this.#policy = policy
    this.isRetired = isRetired
    this.#published.push(maskOf(policy.publish))
    for (const row of this.#rows.filter(isStanding)) {
      const shows = (row.kinds & maskOf(policy.publish)) !== 0
      if (row.origin === 'trap' && shows !== (row.state !== 'shadow')) begin(row, this.now, policy)
      if (this.#isSpecial(row.prefix)) this.#remove(row)
    }
    for (const [list, entries] of this.#lists) {
      for (const { prefix } of entries) if (this.#isSpecial(prefix)) this.delistEntry(list, prefix)
    }
  }

  expire(): void {
    for (const row of this.#rows) {
      this.#sweep(row.prefix)
      if (row.state === 'held' && row.heldUntil <= this.now)
        row.state = shows(row.kinds, this.#policy)
    }
    this.#endedAt = this.now
    this.#moments = [this.now]
    this.#published = [maskOf(this.#policy.publish)]
  }

  record(evidence: Evidence): string {
    const { client, kind, recipient, content } = evidence
    const seenAt = Math.min(evidence.seenAt, this.now)
    const isKnown = this.#kept.some(
      ({ evidence: each }) =>
        JSON.stringify([each.client, each.recipient, each.content]) ===
        JSON.stringify([client, recipient, content]),
    )
    if (isKnown) return 'duplicate'
    const network = client && networkOf(client, client.family === 4 ? 32 : this.#policy.ipv6Prefix)
    const decision =
      client && network && kind
        ? this.#decide({ ...evidence, kind, seenAt }, client, network)
        : 'ignored'
    this.#kept.push({
      evidence: { ...evidence, seenAt },
      network: network ? formatPrefix(network) : '',
      counts: decision !== 'ignored',
    })
    return decision
  }

  #decide(
    evidence: Evidence & { kind: BackscatterKind },
    client: Address,
    network: Prefix,
  ): string {
    const text = formatPrefix(network)
    if (this.#isSpecial(network)) return 'ignored'
    if (this.#isExempt(hostPrefix(client)) || this.#excluded.has(text)) return 'ignored'
    const { seenAt } = evidence
    const removals = this.#removals.get(text) ?? []
    if (seenAt < this.now - this.#policy.longestListingSeconds) return 'ignored'
    if (removals.some(({ at }) => seenAt < at)) return 'ignored'
    this.#sweep(network)
    const own = this.#kept.flatMap(({ evidence: each, ...kept }, index) =>
      kept.counts && kept.network === text ? [{ each: each as NaiveHit, index }] : [],
    )
    const row = this.#standing(network).find(
      (each) => each.origin === 'trap' && same(each.prefix, network),
    )
    const before = { ...(this.#states.get(text) ?? unknownNetwork()) }
    let state = { ...before }
    let isTaken = true
    if (seenAt < state.seenAt) {
      const hits = [...own.map(({ each }) => each), evidence]
      const ownBefore = (kept: number) => own.filter(({ index }) => index < kept).length
      const cuts = removals.map(({ at, kept }) => ({ at, kept: ownBefore(kept) }))
      state = foldedAnew(hits, cuts, this.#policy)
    } else {
      const last = removals.at(-1) ?? { at: 0, kept: 0 }
      const others = own.filter(({ index }) => index >= last.kept).map(({ each }) => each)
      isTaken = take(
        state,
        evidence,
        others.filter((each) => each.seenAt >= last.at),
        this.#policy,
      )
    }
    this.#states.set(text, state)
    const hasGrown = state.until > before.until || state.kinds !== before.kinds
    if (row) {
      this.#follow(row, before, state)
      if (!isStanding(row)) return 'counted'
      return isTaken && (hasGrown || seenAt >= before.seenAt) ? 'extended' : 'counted'
    }
    if (state.until <= this.now || state.until === before.until) return 'counted'
    const fresh: Row = {
      ...{ prefix: network, origin: 'trap', createdAt: this.now, kinds: state.kinds },
      ...{ reason: null, state: 'listed', expiresAt: state.until, heldUntil: 0 },
      ...{ lastHitAt: state.provenAt, episode: state.episode },
    }
    begin(fresh, this.now, this.#policy)
    this.#rows.push(fresh)
    return 'listed'
  }

  #follow(row: Row, before: NaiveState, { until, kinds, provenAt, episode }: NaiveState): void {
    let { expiresAt } = row
    if (until !== before.until) {
      expiresAt = expiresAt === before.until ? until : Math.max(expiresAt, until)
    }
    if (expiresAt <= this.now) row.state = 'expired'
    if (expiresAt <= this.now || until <= this.now) return
    Object.assign(row, { kinds, expiresAt, lastHitAt: provenAt, episode })
    // Under another policy the same messages may come to other kinds.
    if (shows(row.kinds, this.#policy) === 'shadow') row.state = 'shadow'
    else if (row.state === 'shadow') begin(row, this.now, this.#policy)
  }

  #longest(): number {
    return this.now + this.#policy.longestListingSeconds
  }

  #standing(prefix: Prefix): Row[] {
    return this.#rows.filter((row) => isStanding(row) && same(row.prefix, prefix))
  }

  #sweep(prefix: Prefix): void {
    for (const row of this.#standing(prefix)) {
      if (row.expiresAt <= this.now) row.state = 'expired'
    }
  }

  #remove(row: Row): void {
    row.state = 'removed'
    this.#noteRemoval(row.prefix)
  }

  /** A listing by trap that stays keeps its evidence. */
  #noteRemoval(prefix: Prefix): void {
    this.#sweep(prefix)
    const stays = (row: Row) => row.origin === 'trap' && same(row.prefix, prefix)
    if (this.#standing(prefix).some(stays)) return
    const text = formatPrefix(prefix)
    const removal = { at: this.now, kept: this.#kept.length }
    this.#removals.set(text, [...(this.#removals.get(text) ?? []), removal])
    const state = this.#states.get(text)
    if (state) removed(state, this.now)
  }

  /** Why it may not be listed by hand or by a list; '': it may. */
  #refusal(prefix: Prefix, expiresAt: number): string {
    if (this.#isSpecial(prefix)) return 'special-purpose'
    if (this.#isExempt(prefix)) return 'exempt'
    const shortest = prefix.family === 4 ? this.#policy.shortest4 : this.#policy.shortest6
    if (prefix.length < shortest) return 'too-short'
    if (this.#excluded.has(formatPrefix(prefix))) return 'excluded'
    return expiresAt <= this.now ? 'invalid' : ''
  }

  #isSpecial(prefix: Prefix): boolean {
    const isAllowed = this.#policy.allowSpecial.some((each) => contains(each, prefix))
    return !isAllowed && special.some((each) => overlaps(each, prefix))
  }

  #isExempt(prefix: Prefix): boolean {
    return this.#exemptions().some((each) => contains(each, prefix))
  }

  #exemptions(): Prefix[] {
    return [...this.#policy.exempt.map((each) => each.prefix), ...this.#exempt.values()]
  }

  #worldOf(lists: ReadonlyMap<string, readonly Entry[]>, asOf: number): World {
    return {
      ...{ rows: this.#rows, lists, exempt: this.#exemptions() },
      excluded: [...this.#excluded.values()],
      published: maskOf(this.#policy.publish),
      ...{ isRetired: this.isRetired, rowsAsOf: asOf, asOf },
    }
  }
}

function shownEntry(list: string, entry: Entry, state: string): Shown {
  const { prefix, kinds, reason, listedAt: createdAt, expiresAt } = entry
  return { prefix, state, origin: 'import', list, kinds, reason, createdAt, expiresAt }
}
