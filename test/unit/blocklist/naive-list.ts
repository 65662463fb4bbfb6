// The list as the interface describes it, done in the plainest way: arrays, and a look at everything for every answer.
// What the door does is compared with it after each of many random changes.
import { kindsMask, kindsOf } from '../../../src/blocklist/kinds.ts'
import type { ListRequest } from '../../../src/blocklist/outcomes.ts'
import type { PolicyOptions } from '../../../src/blocklist/policy.ts'
import type { Evidence } from '../../../src/bounce/evidence.ts'
import type { BackscatterKind } from '../../../src/bounce/kinds.ts'
import {
  type Address,
  contains,
  formatPrefix,
  hostPrefix,
  networkOf,
  type Prefix,
} from '../../../src/ip/address.ts'

interface Row {
  readonly prefix: Prefix
  readonly origin: string
  readonly list: string
  readonly createdAt: number
  kinds: Set<BackscatterKind>
  state: 'listed' | 'held' | 'shadow' | 'expired' | 'removed'
  expiresAt: number
  heldUntil: number
  lastHitAt: number
  episode: number
}

interface Kept {
  readonly evidence: Evidence
  readonly network: string
  readonly counts: boolean
}

const day = 86_400
const never = Number.POSITIVE_INFINITY

export class NaiveList {
  readonly #policy: PolicyOptions
  now: number
  readonly #rows: Row[] = []
  readonly #kept: Kept[] = []
  readonly #removals = new Map<string, { at: number; kept: number }>()
  readonly #exempt = new Map<string, Prefix>()
  readonly #excluded = new Map<string, Prefix>()

  constructor(policy: PolicyOptions, now: number) {
    this.#policy = policy
    this.now = now
  }

  list(requests: readonly ListRequest[]): string[] {
    const refused = requests.map(({ prefix, expiresAt }) => {
      if (this.#isExempt(prefix)) return 'exempt'
      const shortest = prefix.family === 4 ? this.#policy.shortest4 : this.#policy.shortest6
      if (prefix.length < shortest) return 'too-short'
      if (this.#excluded.has(formatPrefix(prefix))) return 'excluded'
      return typeof expiresAt === 'number' && expiresAt <= this.now ? 'invalid' : ''
    })
    if (refused.some((why) => why !== '')) return refused.map((why) => why || 'withheld')
    return requests.map(({ prefix, kinds, expiresAt, origin, list = '' }) => {
      const until = expiresAt === null ? never : (expiresAt ?? this.#longest())
      this.#sweep(prefix)
      const row = this.#standing(prefix).find(
        (each) => each.origin === origin && each.list === list,
      )
      if (row) {
        for (const kind of kinds) row.kinds.add(kind)
        row.expiresAt = Math.max(row.expiresAt, until)
        return 'extended'
      }
      this.#rows.push({
        ...{ prefix, origin, list, createdAt: this.now, kinds: new Set(kinds), state: 'listed' },
        ...{ expiresAt: until, heldUntil: 0, lastHitAt: 0, episode: 1 },
      })
      return 'listed'
    })
  }

  delist(prefixes: readonly Prefix[]): string[] {
    const alive = (prefix: Prefix) =>
      this.#standing(prefix).filter(({ expiresAt }) => expiresAt > this.now)
    const refused = prefixes.map((prefix) => {
      if (alive(prefix).length > 0) return ''
      const isCovered = this.#rows.some(
        (row) => contains(row.prefix, prefix) && alive(row.prefix).length > 0,
      )
      return isCovered ? 'covered' : 'not-listed'
    })
    if (refused.some((why) => why !== '')) return refused.map((why) => why || 'withheld')
    for (const prefix of prefixes) {
      this.#sweep(prefix)
      for (const row of this.#standing(prefix)) {
        row.state = 'removed'
        this.#removals.set(formatPrefix(prefix), { at: this.now, kept: this.#kept.length })
      }
    }
    return prefixes.map(() => 'removed')
  }

  setException(kind: 'exemption' | 'exclusion', prefix: Prefix, isOn: boolean): void {
    const map = kind === 'exemption' ? this.#exempt : this.#excluded
    if (isOn) map.set(formatPrefix(prefix), prefix)
    else map.delete(formatPrefix(prefix))
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
        ? this.#decide({ ...evidence, seenAt }, client, network, kind)
        : 'ignored'
    this.#kept.push({
      evidence: { ...evidence, seenAt },
      network: network ? formatPrefix(network) : '',
      counts: decision !== 'ignored',
    })
    return decision
  }

  expire(): void {
    for (const row of this.#rows) {
      this.#sweep(row.prefix)
      if (row.state === 'held' && row.heldUntil <= this.now) row.state = this.#shows(row.kinds)
    }
  }

  /** The codes an address is answered with. */
  codes(address: Address): number[] {
    if (this.#isExempt(hostPrefix(address))) return []
    for (let length = address.family === 4 ? 32 : 128; length >= 0; length--) {
      const prefix = networkOf(address, length)
      if (this.#excluded.has(formatPrefix(prefix))) return []
      const rows = this.#standing(prefix).filter(({ state }) => state === 'listed')
      if (rows.length > 0) {
        const mask = kindsMask(rows.flatMap(({ kinds }) => [...kinds]))
        const shown = mask & kindsMask(this.#policy.publish)
        return [2, 3, 4, 5, 6, 7].filter((code) => code === 2 || shown & (1 << (code - 3)))
      }
    }
    return []
  }

  /** Prefixes that hold a listing and no exception of their own. */
  entries(family: 4 | 6): number {
    const texts = this.#rows
      .filter(({ state, prefix }) => state === 'listed' && prefix.family === family)
      .map(({ prefix }) => formatPrefix(prefix))
      .filter((text) => !this.#exempt.has(text) && !this.#excluded.has(text))
    return new Set(texts).size
  }

  #decide(evidence: Evidence, client: Address, network: Prefix, kind: BackscatterKind): string {
    const policy = this.#policy
    const { seenAt } = evidence
    const text = formatPrefix(network)
    if (this.#isExempt(hostPrefix(client)) || this.#excluded.has(text)) return 'ignored'
    this.#sweep(network)
    const removal = this.#removals.get(text) ?? { at: 0, kept: 0 }
    if (seenAt < removal.at || seenAt < this.now - policy.longestListingSeconds) return 'ignored'
    const row = this.#standing(network).find(({ origin }) => origin === 'trap')
    if (row?.kinds.has(kind)) {
      this.#hit(row, seenAt)
      return 'extended'
    }
    const { messages, traps, windowSeconds } = policy.threshold[kind]
    const hits = this.#kept
      .slice(removal.kept)
      .filter((each) => each.counts && each.network === text && each.evidence.kind === kind)
      .map((each) => each.evidence)
      .filter((each) => each.seenAt >= removal.at)
      .concat(evidence)
    let reachedAt = -1
    for (const { seenAt: end } of hits) {
      if (end < seenAt || end >= seenAt + windowSeconds) continue
      const inside = hits.filter((each) => each.seenAt > end - windowSeconds && each.seenAt <= end)
      const isReached =
        new Set(inside.map(({ returned }) => returned)).size >= messages &&
        new Set(inside.map(({ recipient }) => recipient)).size >= traps
      if (isReached) reachedAt = Math.max(reachedAt, end)
    }
    if (reachedAt < 0) return 'counted'
    if (row) {
      row.kinds.add(kind)
      if (row.state === 'shadow') this.#begin(row)
      this.#hit(row, reachedAt)
      return 'extended'
    }
    const last = this.#rows.findLast(
      (each) => each.origin === 'trap' && formatPrefix(each.prefix) === text,
    )
    const fresh: Row = {
      ...{ prefix: network, origin: 'trap', list: '', createdAt: this.now, kinds: new Set([kind]) },
      ...{ state: 'listed', expiresAt: 0, heldUntil: 0, lastHitAt: reachedAt },
      episode: (last?.episode ?? 0) + 1,
    }
    fresh.expiresAt = this.#rounded(reachedAt + this.#term(fresh.episode))
    if (fresh.expiresAt <= this.now) return 'counted'
    this.#begin(fresh)
    this.#rows.push(fresh)
    return 'listed'
  }

  #hit(row: Row, seenAt: number): void {
    if (seenAt - row.lastHitAt >= day) row.episode += 1
    row.lastHitAt = Math.max(row.lastHitAt, seenAt)
    row.expiresAt = Math.max(row.expiresAt, this.#rounded(seenAt + this.#term(row.episode)))
  }

  #begin(row: Row): void {
    row.state = this.#shows(row.kinds)
    if (row.state === 'listed' && this.#policy.holdForSeconds > 0) {
      row.state = 'held'
      row.heldUntil = this.#rounded(this.now + this.#policy.holdForSeconds)
    }
  }

  /** Held listings begin and end at whole multiples of the time that they are held. */
  #rounded(time: number): number {
    const { holdForSeconds } = this.#policy
    const beyond = holdForSeconds === 0 ? 0 : time % holdForSeconds
    return beyond === 0 ? time : time - beyond + holdForSeconds
  }

  #shows(kinds: Set<BackscatterKind>): 'listed' | 'shadow' {
    const published = kindsOf(kindsMask(this.#policy.publish))
    return published.some((kind) => kinds.has(kind)) ? 'listed' : 'shadow'
  }

  #term(episode: number): number {
    const { firstListingSeconds, longestListingSeconds } = this.#policy
    let term = firstListingSeconds
    for (let each = 1; each < episode; each++) term *= 2
    return Math.min(term, longestListingSeconds)
  }

  #longest(): number {
    return this.now + this.#policy.longestListingSeconds
  }

  #standing(prefix: Prefix): Row[] {
    const text = formatPrefix(prefix)
    return this.#rows.filter(
      (row) => formatPrefix(row.prefix) === text && !['expired', 'removed'].includes(row.state),
    )
  }

  #sweep(prefix: Prefix): void {
    for (const row of this.#standing(prefix)) {
      if (row.expiresAt <= this.now) row.state = 'expired'
    }
  }

  #isExempt(prefix: Prefix): boolean {
    const wider = [...this.#policy.exempt.map((each) => each.prefix), ...this.#exempt.values()]
    return wider.some((each) => contains(each, prefix))
  }
}
