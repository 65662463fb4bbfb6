// A progress bar on standard error during long work; only on a terminal, so that no pipe and no log contains it.
import { SingleBar } from 'cli-progress'
import { roughDuration } from './format.ts'

export class Progress {
  readonly #octets: number
  readonly #what: string | undefined
  #isShown: boolean
  #bar: SingleBar | undefined
  /** Milliseconds of the monotonic clock; undefined until something is done. */
  #startedAt: number | undefined
  #done = 0
  #pieces = 0

  /** `octets` is the size of the whole work; `what` names its pieces in the plural, if they are to be counted. */
  constructor(octets: number, what?: string) {
    this.#octets = octets
    this.#what = what
    this.#isShown = process.stderr.isTTY && octets > 0
  }

  /** Adds what has been done since the last call. */
  advance(octets: number, pieces = 0): void {
    if (!this.#isShown) return
    this.#startedAt ??= performance.now()
    // Unzipped mail may be more than its file says.
    this.#done = Math.min(this.#done + octets, this.#octets)
    this.#pieces += pieces
    if (this.#bar === undefined) this.#bar = this.#draw({ isLast: false })
    else this.#bar.update(this.#done, this.#payload())
  }

  /** Prints to the same terminal, above the bar. */
  above(print: () => void): void {
    this.#clear()
    print()
  }

  /** A full bar stays if the work is complete; else the bar disappears. Further calls do nothing. */
  end(isComplete: boolean): void {
    this.#clear()
    if (isComplete && this.#isShown && this.#startedAt !== undefined) {
      // The octets between the messages of a file were not counted.
      this.#done = this.#octets
      this.#draw({ isLast: true }).stop()
    }
    this.#isShown = false
  }

  /** The next advance() draws the bar again, where the cursor is then. */
  #clear(): void {
    this.#bar?.stop()
    this.#bar = undefined
  }

  #draw({ isLast }: { readonly isLast: boolean }): SingleBar {
    const bar = new SingleBar({
      format: '{bar} {percentage}%  {words}',
      barsize: 30,
      fps: 5,
      // The terminal's modes stay as they are: an interrupt would not restore them.
      hideCursor: false,
      linewrap: true,
      clearOnComplete: !isLast,
    })
    bar.start(this.#octets, this.#done, this.#payload())
    return bar
  }

  #payload(): { readonly words: string } {
    const seconds = Math.max((performance.now() - (this.#startedAt ?? 0)) / 1000, 0.001)
    const left = (seconds * (this.#octets - this.#done)) / Math.max(this.#done, 1)
    const rate = Math.round(this.#pieces / seconds)
    const what =
      this.#what === undefined
        ? `of ${(this.#octets / 1e6).toFixed(1)} MB`
        : `${this.#pieces} ${this.#what}, ${rate} a second`
    const time = left > 0 ? `${roughDuration(left)} left` : `in ${roughDuration(seconds)}`
    return { words: `${what}, ${time}` }
  }
}
