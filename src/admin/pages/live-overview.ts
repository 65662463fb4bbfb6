// Keeps the figures of the overview up to date while somebody looks, and renders its parts: for the page, and for each browser
// that follows them.
import type { AppOptions } from '../options.ts'
import { statusBody } from '../routes/stats.ts'
import { type Scope, scopeIncludes } from '../scopes.ts'
import { overviewView } from './overview-view.ts'
import { QueryHistory } from './query-history.ts'
import { RecentEvidence } from './recent-evidence.ts'
import type { PageRenderer } from './render.ts'

/** Each is a template, and the id of its element in the page. */
const partNames = [
  ...['overview-health', 'overview-numbers', 'overview-queries', 'overview-evidence'],
  ...['overview-parts', 'overview-kinds', 'overview-networks', 'overview-clients'],
]
const shownNetworks = 10
/** Counting the listings may take this share of the time. */
const countingShare = 1 / 100
const shortestCountMs = 2000

/** The HTML of each part, by its name. */
export type Parts = Readonly<Record<string, string>>

type OverviewOptions = AppOptions & { readonly renderer: PageRenderer }

export class LiveOverview {
  readonly history: QueryHistory
  readonly evidence: RecentEvidence
  readonly #options: OverviewOptions
  #listings: ReturnType<AppOptions['store']['figures']['listingCounts']> = []
  #countsAgainAtMs = Number.NEGATIVE_INFINITY
  /** What was rendered last, by whether it is for scope admin. */
  readonly #rendered = new Map<boolean, { readonly atMs: number; readonly parts: Promise<Parts> }>()

  constructor(options: OverviewOptions) {
    const { outcomes = () => ({}), blocklist, store, now } = options
    this.#options = options
    this.history = new QueryHistory({ outcomes, publication: () => blocklist.status() })
    this.evidence = new RecentEvidence(store, now)
  }

  /** The parts as a caller of this scope may see them, at most a second old. */
  parts(scope: Scope): Promise<Parts> {
    const isAdmin = scopeIncludes(scope, 'admin')
    const atMs = performance.now()
    const last = this.#rendered.get(isAdmin)
    if (last !== undefined && atMs - last.atMs < 900) return last.parts
    const parts = this.#render(scope)
    this.#rendered.set(isAdmin, { atMs, parts })
    return parts
  }

  async #render(scope: Scope): Promise<Parts> {
    const { renderer, store, origin } = this.#options
    await this.evidence.refresh()
    this.#countListings()
    const view = overviewView({
      stats: statusBody(this.#options, scope),
      samples: this.history.samples,
      evidence: this.evidence.hourly(),
      networks: this.evidence.topNetworks(shownNetworks),
      listings: this.#listings,
      lists: store.lists.summaries(),
      origin,
    })
    return Object.fromEntries(partNames.map((name) => [name, renderer.renderPart(name, view)]))
  }

  #countListings(): void {
    const startedMs = performance.now()
    if (startedMs < this.#countsAgainAtMs) return
    this.#listings = this.#options.store.figures.listingCounts()
    const endedMs = performance.now()
    this.#countsAgainAtMs =
      endedMs + Math.max(shortestCountMs, (endedMs - startedMs) / countingShare)
  }
}
