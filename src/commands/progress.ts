// A progress bar for long work, on standard error. It is shown only on a terminal, so no pipe or log contains it.
import { SingleBar } from 'cli-progress'
import { roughDuration } from './format.ts'

/** How much of the work is done. */
export interface Done {
  readonly done: number
  readonly total: number
  /** What is counted beside the work, such as messages. */
  readonly pieces: number
  readonly seconds: number
}

export class Progress {
  #total: number
  #inWords: (done: Done) => string
  #isShown: boolean
  #bar: SingleBar | undefined
  /** Milliseconds of the monotonic clock; undefined until something is done. */
  #startedAt: number | undefined
  #done = 0
  #pieces = 0

  /** `total`: the size of the whole work; with 0 nothing is shown. `inWords`: what stands behind the bar, before the time. */
  constructor(total: number, inWords: (done: Done) => string) {
    this.#total = total
    this.#inWords = inWords
    this.#isShown = process.stderr.isTTY
  }

  /** Begins with other work, at a time of the monotonic clock. */
  begin(
    total: number,
    inWords: (done: Done) => string,
    startedAt: number = performance.now(),
  ): void {
    this.#clear()
    this.#total = total
    this.#inWords = inWords
    this.#done = 0
    this.#pieces = 0
    this.#startedAt = startedAt
  }

  /** Adds the work done since the last call. */
  advance(work: number, pieces = 0): void {
    this.#pieces += pieces
    this.reach(this.#done + work)
  }

  /** Sets how much of the work is done. */
  reach(done: number): void {
    if (!this.#isShown || this.#total === 0) return
    this.#startedAt ??= performance.now()
    // Unzipped mail may be larger than the file's header says.
    this.#done = Math.min(done, this.#total)
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
      this.#done = this.#total
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
    bar.start(this.#total, this.#done, this.#payload())
    return bar
  }

  #payload(): { readonly words: string } {
    const seconds = Math.max((performance.now() - (this.#startedAt ?? 0)) / 1000, 0.001)
    const left = (seconds * (this.#total - this.#done)) / Math.max(this.#done, 1)
    const words = this.#inWords({
      done: this.#done,
      total: this.#total,
      pieces: this.#pieces,
      seconds,
    })
    const time = left > 0 ? `${roughDuration(left)} left` : `in ${roughDuration(seconds)}`
    return { words: `${words}, ${time}` }
  }
}
