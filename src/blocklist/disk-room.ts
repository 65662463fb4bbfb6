// Whether the disk has room for mail: below a least of free space none is taken, so that the list itself can go on.
import { statfsSync } from 'node:fs'
import { type Logger, OperationalError } from '../errors.ts'
import { formatSize } from '../quantity.ts'

/** Where this part of the disk is less than the configured least, it is the least. */
const leastShare = 0.05
const lookMs = 1000
const logMs = 60_000

export class DiskRoom {
  readonly #path: string
  readonly #minFreeBytes: number
  readonly #log: Logger
  #lookedAt = Number.NEGATIVE_INFINITY
  #loggedAt = Number.NEGATIVE_INFINITY
  #isLow = false

  /** `path`: a file on that disk. `minFreeBytes` 0: there always is room. */
  constructor(path: string, minFreeBytes: number, log: Logger) {
    this.#path = path
    this.#minFreeBytes = minFreeBytes
    this.#log = log
  }

  /** Throws OperationalError 'disk-low' when there is too little; the log says so once a minute. Looks once a second. */
  require(): void {
    if (this.#minFreeBytes === 0) return
    const now = performance.now()
    if (now - this.#lookedAt >= lookMs) {
      this.#lookedAt = now
      const { bavail, blocks, bsize } = statfsSync(this.#path)
      const free = bavail * bsize
      const least = Math.min(this.#minFreeBytes, blocks * bsize * leastShare)
      this.#isLow = free < least
      if (this.#isLow && now - this.#loggedAt >= logMs) {
        this.#loggedAt = now
        const fields = { freeBytes: free, neededBytes: Math.ceil(least) }
        this.#log.warn(fields, 'the disk of the database is nearly full: mail is put off')
      }
    }
    if (!this.#isLow) return
    const least = formatSize(this.#minFreeBytes)
    throw new OperationalError('disk-low', `${this.#path}: less than ${least} free on its disk`)
  }
}
