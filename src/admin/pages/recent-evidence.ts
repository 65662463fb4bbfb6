// Evidence of the last two days: how much each source brought in each hour, and the networks that sent most of it. It reads each
// row once, as far as somebody looks at the dashboard.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { formatPrefix, networkOf } from '../../ip/address.ts'
import type { Store } from '../../store/database.ts'
import type { RecordedEvidence } from '../../store/figures.ts'

const secondsInHour = 3600
const keptHours = 48
/** So many rows are read before other work gets its turn. */
const stepRows = 5000
/** Further networks of an hour are not counted, so that the memory is limited. */
const maxNetworks = 5000

interface Hour {
  readonly bySource: Map<string, number>
  readonly byNetwork: Map<string, number>
}

export interface HourlyEvidence {
  /** When each hour began, in epoch seconds, without a gap; the last one is not over yet. */
  readonly hours: readonly number[]
  /** Sources by how much they brought, the most first, each with its number for each hour. */
  readonly sources: readonly { readonly name: string; readonly counts: readonly number[] }[]
}

export interface TopNetwork {
  readonly network: string
  readonly messages: number
}

export class RecentEvidence {
  readonly #store: Store
  readonly #now: () => number
  readonly #hours = new Map<number, Hour>()
  #last: number | undefined
  #reading: Promise<void> | undefined

  /** `now`: whole epoch seconds. */
  constructor(store: Store, now: () => number) {
    this.#store = store
    this.#now = now
  }

  /** Counts what was recorded since the last call. While a call runs, further calls wait for it. */
  refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  hourly(): HourlyEvidence {
    const current = this.#currentHour()
    const hours = Array.from({ length: keptHours }, (_, index) => current - keptHours + 1 + index)
    const totals = sumOf(hours.map((hour) => this.#hours.get(hour)?.bySource))
    const sources = ranked(totals).map(([name]) => ({
      name,
      counts: hours.map((hour) => this.#hours.get(hour)?.bySource.get(name) ?? 0),
    }))
    return { hours: hours.map((hour) => hour * secondsInHour), sources }
  }

  topNetworks(limit: number): TopNetwork[] {
    const oldest = this.#currentHour() - keptHours + 1
    const kept = [...this.#hours].filter(([hour]) => hour >= oldest)
    return ranked(sumOf(kept.map(([, { byNetwork }]) => byNetwork)))
      .slice(0, limit)
      .map(([network, messages]) => ({ network, messages }))
  }

  async #read(): Promise<void> {
    const { figures, evidence } = this.#store
    const oldest = this.#currentHour() - keptHours + 1
    for (const hour of this.#hours.keys()) if (hour < oldest) this.#hours.delete(hour)
    this.#last ??= figures.idBefore(oldest * secondsInHour, evidence.newestId())
    for (;;) {
      const rows = figures.recordedAfter(this.#last, stepRows)
      for (const row of rows) this.#count(row)
      this.#last = rows.at(-1)?.id ?? this.#last
      if (rows.length < stepRows) return
      await nextTurn()
    }
  }

  #count({ recordedAt, source, family, w0, w1, w2, w3 }: RecordedEvidence): void {
    const at = Math.floor(recordedAt / secondsInHour)
    const hour = this.#hours.get(at) ?? { bySource: new Map(), byNetwork: new Map() }
    this.#hours.set(at, hour)
    add(hour.bySource, source, 1)
    if (family === 0) return
    const network = networkOf({ family, w0, w1, w2, w3 }, family === 4 ? 24 : 48)
    const text = formatPrefix(network)
    if (hour.byNetwork.has(text) || hour.byNetwork.size < maxNetworks) add(hour.byNetwork, text, 1)
  }

  #currentHour(): number {
    return Math.floor(this.#now() / secondsInHour)
  }
}

function add(counts: Map<string, number>, name: string, count: number): void {
  counts.set(name, (counts.get(name) ?? 0) + count)
}

function sumOf(parts: readonly (ReadonlyMap<string, number> | undefined)[]): Map<string, number> {
  const sums = new Map<string, number>()
  for (const part of parts) for (const [name, count] of part ?? []) add(sums, name, count)
  return sums
}

function ranked(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
}
