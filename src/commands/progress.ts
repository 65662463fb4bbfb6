// A progress bar on standard error while long work goes on; only on a terminal, so that a pipe or a log never sees it.
import { SingleBar } from 'cli-progress'
import { roughDuration } from './format.ts'

export interface Progress {
  /** So much of the total is done, by so many pieces. */
  advance(octets: number, pieces?: number): void
  /** What `print` writes to the same terminal stands above the bar. */
  above(print: () => void): void
  /** The bar stays, full, when the work is complete, and vanishes when it is not. Idempotent. */
  end(isComplete: boolean): void
}

const silent: Progress = {
  advance: () => undefined,
  above: (print) => print(),
  end: () => undefined,
}

/** `octets` is the whole of the work; `what` names the pieces in the plural, when they are to be counted. */
export function startProgress(octets: number, what?: string): Progress {
  return process.stderr.isTTY && octets > 0 ? new TerminalProgress(octets, what) : silent
}

class TerminalProgress implements Progress {
  readonly #octets: number
  readonly #what: string | undefined
  #bar: SingleBar | undefined
  /** Milliseconds of the monotonic clock; undefined before anything is done. */
  #startedAt: number | undefined
  #done = 0
  #pieces = 0
  #isOver = false

  constructor(octets: number, what: string | undefined) {
    this.#octets = octets
    this.#what = what
  }

  advance(octets: number, pieces = 0): void {
    if (this.#isOver) return
    this.#startedAt ??= performance.now()
    // Unzipped mail may be more than its file tells.
    this.#done = Math.min(this.#done + octets, this.#octets)
    this.#pieces += pieces
    if (this.#bar === undefined) this.#bar = this.#open({ isLast: false })
    else this.#bar.update(this.#done, this.#payload())
  }

  above(print: () => void): void {
    this.#clear()
    print()
  }

  end(isComplete: boolean): void {
    this.#clear()
    if (this.#isOver) return
    this.#isOver = true
    if (!isComplete || this.#startedAt === undefined) return
    // What stands between messages in a file was not counted.
    this.#done = this.#octets
    this.#open({ isLast: true }).stop()
  }

  /** The next advance() draws it anew, where the cursor is then. */
  #clear(): void {
    this.#bar?.stop()
    this.#bar = undefined
  }

  #open({ isLast }: { readonly isLast: boolean }): SingleBar {
    const bar = new SingleBar({
      format: '{bar} {percentage}%  {words}',
      // The terminal's modes are left alone: an interrupt ends the program without putting them back.
      ...{ barsize: 30, fps: 5, hideCursor: false, linewrap: true, clearOnComplete: !isLast },
    })
    bar.start(this.#octets, this.#done, this.#payload())
    return bar
  }

  #payload(): { readonly words: string } {
    const seconds = Math.max((performance.now() - (this.#startedAt ?? 0)) / 1000, 0.001)
    const left = (seconds * (this.#octets - this.#done)) / Math.max(this.#done, 1)
    const rate = Math.round(this.#pieces / seconds)
    const megabytes = [this.#done, this.#octets].map((each) => (each / 1e6).toFixed(1))
    const what =
      this.#what === undefined
        ? `of ${megabytes[1]} MB`
        : `${this.#pieces} ${this.#what}, ${rate} a second`
    const time = left > 0 ? `${roughDuration(left)} left` : `in ${roughDuration(seconds)}`
    return { words: `${what}, ${time}` }
  }
}
