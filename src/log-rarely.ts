// A fault that lasts → one log line a minute, however often it is met.

const minuteMs = 60_000

export class OncePerMinute {
  readonly #nowMs: () => number
  #ranAtMs = Number.NEGATIVE_INFINITY

  /** `nowMs`: milliseconds of a clock that only grows. @default performance.now */
  constructor(nowMs = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** Calls `log`, unless it was called less than a minute ago. */
  run(log: () => void): void {
    const now = this.#nowMs()
    if (now - this.#ranAtMs < minuteMs) return
    this.#ranAtMs = now
    log()
  }
}
