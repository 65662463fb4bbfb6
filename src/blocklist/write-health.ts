// Whether what is committed can be written: since when not, and why, for the status and the log.

import type { Logger } from '../errors.ts'
import { whyNotWritten } from '../store/database.ts'
import type { WriteFailure } from './types.ts'

/** A fault that lasts is logged this often. */
const logEveryMs = 60_000

export class WriteHealth {
  readonly #log: Logger
  readonly #now: () => number
  #failure: WriteFailure | undefined
  #loggedAt = Number.NEGATIVE_INFINITY

  constructor(log: Logger, now: () => number) {
    this.#log = log
    this.#now = now
  }

  /** undefined: as far as is known, all is well. */
  get failure(): WriteFailure | undefined {
    return this.#failure
  }

  /** A transaction failed with an error of SQLite's. */
  failed(error: unknown): void {
    const why = whyNotWritten(error)
    this.#failure = { since: this.#failure?.since ?? this.#now(), why }
    if (performance.now() - this.#loggedAt < logEveryMs) return
    this.#loggedAt = performance.now()
    this.#log.error({ err: error, why }, 'the database cannot be written; tried again every second')
  }

  /** Something was written. */
  succeeded(): void {
    if (!this.#failure) return
    const { since } = this.#failure
    this.#failure = undefined
    this.#log.info({ seconds: this.#now() - since }, 'the database can be written again')
  }
}
