// Limits the log lines of a lasting fault to one a minute.

const minuteMs = 60_000

export class OncePerMinute {
  readonly #nowMs: () => number
  #ranAtMs = Number.NEGATIVE_INFINITY

  /** `nowMs` returns milliseconds of a clock that never goes back. @default performance.now */
  constructor(nowMs = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** Calls `log`, but does nothing if the last call was less than a minute ago. */
  run(log: () => void): void {
    const now = this.#nowMs()
    if (now - this.#ranAtMs < minuteMs) return
    this.#ranAtMs = now
    log()
  }
}
