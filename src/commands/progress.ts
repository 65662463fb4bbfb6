// A progress bar for long work, on standard error. It is shown only on a terminal, so no pipe or log contains it.
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

  /** `octets`: the size of the whole work. `what`: what else is counted, in the plural: "messages". */
  constructor(octets: number, what?: string) {
    this.#octets = octets
    this.#what = what
    this.#isShown = process.stderr.isTTY && octets > 0
  }

  /** Adds the work done since the last call. */
  advance(octets: number, pieces = 0): void {
    if (!this.#isShown) return
    this.#startedAt ??= performance.now()
    // Unzipped mail may be larger than the file's header says.
    this.#done = Math.min(this.#done + octets, this.#octets)
    this.#pieces += pieces
    if (this.#bar === undefined) this.#bar = this.#draw({ isLast: false })
    else this.#bar.update(this.#done, this.#payload())
  }

  /** Calls `print`, whose output then stands above the bar. */
  above(print: () => void): void {
    this.#clear()
    print()
  }

  /** Ends the bar: it stays, full, if the work is complete, and disappears otherwise. Further calls do nothing. */
  end(isComplete: boolean): void {
    this.#clear()
    if (isComplete && this.#isShown && this.#startedAt !== undefined) {
      // Octets between the messages of a file were not counted, so set it to the end.
      this.#done = this.#octets
      this.#draw({ isLast: true }).stop()
    }
    this.#isShown = false
  }

  /** Erases the bar. The next advance() draws it again, at the cursor. */
  #clear(): void {
    this.#bar?.stop()
    this.#bar = undefined
  }

  #draw({ isLast }: { readonly isLast: boolean }): SingleBar {
    const bar = new SingleBar({
      format: '{bar} {percentage}%  {words}',
      barsize: 30,
      fps: 5,
      // Do not hide the cursor: after an interrupt nobody would show it again.
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
