// The queries of the last 15 minutes, one sample a second: how many a second had which outcome, and how long publications took.
import { EventEmitter } from 'node:events'

/** What the charts show: each outcome belongs to one group. */
export const queryGroups = [
  { label: 'listed', outcomes: ['listed'] },
  { label: 'not listed', outcomes: ['notListed', 'noData'] },
  { label: 'about the zone', outcomes: ['own'] },
  { label: 'refused or failed', outcomes: ['refused', 'failed', 'malformed'] },
  { label: 'limited or dropped', outcomes: ['dropped', 'limited', 'slipped'] },
] as const

const sampleMs = 1000
const maxSamples = 900

export interface Sample {
  /** Epoch seconds, with one decimal. Each sample is later than the one before, whatever the wall clock does. */
  readonly at: number
  /** Queries a second since the sample before, in the order of `queryGroups`. */
  readonly rates: readonly number[]
  /** How long the newest publication since the sample before took; null: nothing was published. */
  readonly publishedInMs: number | null
}

export interface HistorySources {
  /** Queries with each outcome since the start. */
  outcomes(): Readonly<Record<string, number>>
  /** The last publication. */
  publication(): { readonly serial: number; readonly publishedInMs?: number | undefined }
}

/** Emits 'sample' after each sample. */
export class QueryHistory extends EventEmitter<{ sample: [Sample] }> {
  readonly #sources: HistorySources
  /** What to add to the monotonic clock, in milliseconds. */
  readonly #epochMs = Date.now() - performance.now()
  readonly #samples: Sample[] = []
  #before: { readonly ms: number; readonly counts: readonly number[]; readonly serial: number }
  #timer: NodeJS.Timeout | undefined

  constructor(sources: HistorySources) {
    super()
    // Each open dashboard waits for the next sample.
    this.setMaxListeners(0)
    this.#sources = sources
    this.#before = this.#look()
  }

  start(): void {
    this.#before = this.#look()
    this.#timer ??= setInterval(() => this.#sample(), sampleMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Oldest first. */
  get samples(): readonly Sample[] {
    return this.#samples
  }

  #look() {
    const outcomes = this.#sources.outcomes()
    const counts = queryGroups.map((group) =>
      group.outcomes.reduce((sum, outcome) => sum + (outcomes[outcome] ?? 0), 0),
    )
    return { ms: performance.now(), counts, serial: this.#sources.publication().serial }
  }

  #sample(): void {
    const before = this.#before
    const now = this.#look()
    this.#before = now
    const seconds = (now.ms - before.ms) / 1000
    const { publishedInMs = null } = this.#sources.publication()
    const sample = {
      at: Math.round((this.#epochMs + now.ms) / 100) / 10,
      rates: now.counts.map((count, group) => {
        const rate = (count - (before.counts[group] ?? 0)) / seconds
        return Math.round(rate * 10) / 10
      }),
      publishedInMs: now.serial === before.serial ? null : publishedInMs,
    }
    this.#samples.push(sample)
    if (this.#samples.length > maxSamples) this.#samples.shift()
    this.emit('sample', sample)
  }
}
