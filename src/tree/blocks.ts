// Hands out and takes back the tree's blocks: a rising top, a free list for each block size, and limbo for what
// readers may still be looking at. All of its books are on the writer's side, none in shared memory. Called by
// writer.ts alone. Sizes and addresses are in units (layout.ts).
import { headerAt, headerWords, maxNodeUnits, unitBytes, unitWords } from './layout.ts'
import { nextEpoch, oldestEpoch } from './reclaim.ts'

type Words = Int32Array<SharedArrayBuffer>

const pageShift = 12

export class Blocks {
  readonly #memory: Words
  readonly #limit: number
  #top = headerWords / unitWords
  /** Free blocks by size; index 0 is not used. */
  readonly #free = Array.from({ length: maxNodeUnits + 1 }, () => new Stack())
  #freeUnits = 0
  /** Triples epoch, address, size, oldest first. What the staged change retired is after `#limboPublished`. */
  #limbo = new Int32Array(3 * 64)
  #limboFirst = 0
  #limboPublished = 0
  #limboEnd = 0
  #limboUnits = 0
  /** One bit for each unit: a block that the staged change allocated begins here. */
  readonly #owned: Int32Array
  readonly #pages = new Stack()
  readonly #isPageTouched: Uint8Array

  constructor(memory: Words) {
    this.#memory = memory
    this.#limit = memory.length / unitWords
    this.#owned = new Int32Array((this.#limit >>> 5) + 1)
    this.#isPageTouched = new Uint8Array((this.#limit >>> pageShift) + 1)
  }

  /** A block owned by the staged change, or 0 when memory is full. Its words hold what they held before. */
  allocate(units: number): number {
    const unit = this.#take(units) || this.#raise(units) || this.#split(units)
    if (unit === 0) return 0
    this.#own(unit)
    return unit
  }

  /** Memory that is never taken back, or 0. */
  allocateForEver(units: number): number {
    return this.#raise(units)
  }

  /** Whether the staged change allocated the block, so that no reader knows it. */
  isOwned(unit: number): boolean {
    return (this.#owned[unit >>> 5]! & (1 << (unit & 31))) !== 0
  }

  /** Moves an owned block's words, one unit fewer, into a smaller block; without one, cuts the block short. */
  shrink(unit: number, units: number): number {
    const smaller = this.#take(units - 1)
    if (smaller === 0) {
      this.#put(unit + units - 1, 1)
      return unit
    }
    this.#own(smaller)
    for (let i = 0; i < (units - 1) * unitWords; i++) {
      this.#memory[smaller * unitWords + i] = this.#memory[unit * unitWords + i]!
    }
    this.release(unit, units)
    return smaller
  }

  /** Gives back a block that the staged tree no longer reaches. */
  release(unit: number, units: number): void {
    if (this.isOwned(unit)) {
      this.#owned[unit >>> 5]! &= ~(1 << (unit & 31))
      this.#put(unit, units)
    } else {
      if (this.#limboEnd + 3 > this.#limbo.length) this.#growLimbo()
      this.#limbo[this.#limboEnd++] = nextEpoch(this.#memory[headerAt.epoch]!)
      this.#limbo[this.#limboEnd++] = unit
      this.#limbo[this.#limboEnd++] = units
      this.#limboUnits += units
    }
  }

  /** The staged change was published: nothing is owned any more, and what it retired waits for the readers. */
  published(): void {
    this.#disown()
    this.#limboPublished = this.#limboEnd
    this.reclaim()
  }

  /** The staged change is dropped (its blocks released already): what it retired is in use as before. */
  abandoned(): void {
    this.#disown()
    for (let at = this.#limboPublished; at < this.#limboEnd; at += 3) {
      this.#limboUnits -= this.#limbo[at + 2]!
    }
    this.#limboEnd = this.#limboPublished
  }

  /** Moves from limbo to the free lists what no reader can be looking at. */
  reclaim(): void {
    if (this.#limboFirst === this.#limboPublished) return
    const oldest = oldestEpoch(this.#memory)
    while (
      this.#limboFirst < this.#limboPublished &&
      ((oldest - this.#limbo[this.#limboFirst]!) | 0) >= 0
    ) {
      const units = this.#limbo[this.#limboFirst + 2]!
      this.#put(this.#limbo[this.#limboFirst + 1]!, units)
      this.#limboUnits -= units
      this.#limboFirst += 3
    }
  }

  /** `usedBytes`: all memory ever touched; the free and limbo parts of it. */
  stats(): { usedBytes: number; capacityBytes: number; freeBytes: number; limboBytes: number } {
    return {
      usedBytes: this.#top * unitBytes,
      capacityBytes: this.#limit * unitBytes,
      freeBytes: this.#freeUnits * unitBytes,
      limboBytes: this.#limboUnits * unitBytes,
    }
  }

  #own(unit: number): void {
    this.#owned[unit >>> 5]! |= 1 << (unit & 31)
    const page = unit >>> pageShift
    if (this.#isPageTouched[page] === 0) {
      this.#isPageTouched[page] = 1
      this.#pages.push(page + 1)
    }
  }

  #take(units: number): number {
    const unit = this.#free[units]!.pop()
    if (unit !== 0) this.#freeUnits -= units
    return unit
  }

  #put(unit: number, units: number): void {
    this.#free[units]!.push(unit)
    this.#freeUnits += units
  }

  #raise(units: number): number {
    if (this.#top + units > this.#limit) return 0
    const unit = this.#top
    this.#top += units
    return unit
  }

  #split(units: number): number {
    for (let size = units + 1; size <= maxNodeUnits; size++) {
      const unit = this.#take(size)
      if (unit === 0) continue
      this.#put(unit + units, size - units)
      return unit
    }
    return 0
  }

  #disown(): void {
    for (let page = this.#pages.pop(); page !== 0; page = this.#pages.pop()) {
      this.#clearPage(page - 1)
    }
  }

  #clearPage(page: number): void {
    this.#isPageTouched[page] = 0
    const first = page << (pageShift - 5)
    this.#owned.fill(0, first, first + (1 << (pageShift - 5)))
  }

  #growLimbo(): void {
    const used = this.#limbo.subarray(this.#limboFirst, this.#limboEnd)
    const isMostlyUsed = used.length * 2 > this.#limbo.length
    const limbo = new Int32Array(isMostlyUsed ? this.#limbo.length * 2 : this.#limbo.length)
    limbo.set(used)
    this.#limbo = limbo
    this.#limboPublished -= this.#limboFirst
    this.#limboEnd -= this.#limboFirst
    this.#limboFirst = 0
  }
}

/** Numbers above 0, last in first out; 0 when empty. */
class Stack {
  #values = new Int32Array(16)
  #length = 0

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const values = new Int32Array(this.#length * 2)
      values.set(this.#values)
      this.#values = values
    }
    this.#values[this.#length++] = value
  }

  pop(): number {
    return this.#length === 0 ? 0 : this.#values[--this.#length]!
  }
}
