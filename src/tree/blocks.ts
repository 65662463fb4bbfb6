// Allocates and frees the blocks of the tree. A block may be in a free list for its size, in a run of merged free blocks, in
// limbo while readers may still use it, or above the top, where memory was never used. All this is noted in the writer's own
// memory, not in shared memory. The staged change is what the writer has built but not yet published; it owns the blocks that
// it allocated. Sizes and addresses are in units (layout.ts).
import { OperationalError } from '../errors.ts'
import {
  blockOf,
  blockUnits,
  copyWords,
  headerAt,
  headerWords,
  maxBlockUnits,
  unitBytes,
  unitWords,
} from './layout.ts'
import { nextEpoch, oldestEpoch } from './reclaim.ts'

type Words = Int32Array<SharedArrayBuffer>

/** Ownership bits are cleared one page at a time; a page has 2^pageShift units. */
const pageShift = 12
/** Free memory is merged once this share of all memory was freed since the last merge. */
const mergeShare = 1 / 4

export interface TreeStats {
  /** All memory that was ever used; what is free or in limbo now is included. */
  usedBytes: number
  capacityBytes: number
  /** Ready for reuse. */
  freeBytes: number
  /** In limbo: replaced in a newer version, but a reader may still use it. */
  limboBytes: number
}

export class Blocks {
  readonly #memory: Words
  readonly #limit: number
  #top = headerWords / unitWords
  /** Free blocks by size in units; index 0 is not used. */
  readonly #free = Array.from({ length: maxBlockUnits + 1 }, () => new Stack())
  #freeUnits = 0
  #freedSinceMerge = 0
  /** Runs of free memory, as pairs of address and size. The next two fields are the run that blocks are taken from now. */
  readonly #runs = new Stack()
  #run = 0
  #runUnits = 0
  /** Triples of epoch, address and size, oldest first. Those from `#limboPublished` on were replaced by the staged change. */
  #limbo = new Int32Array(3 * 64)
  #limboFirst = 0
  #limboPublished = 0
  #limboEnd = 0
  #limboUnits = 0
  /** One bit for each unit. It is set where a block begins that the staged change allocated. */
  readonly #owned: Int32Array
  readonly #pages = new Stack()
  readonly #isPageTouched: Uint8Array
  /** Pairs of address and size: blocks that were taken since the last `keep`. */
  readonly #pending = new Int32Array(64)
  #pendingEnd = 0

  constructor(memory: Words) {
    this.#memory = memory
    this.#limit = memory.length / unitWords
    this.#owned = new Int32Array((this.#limit >>> 5) + 1)
    this.#isPageTouched = new Uint8Array((this.#limit >>> pageShift) + 1)
  }

  /**
   * Takes a block, which the staged change then owns; its words keep their old content. Call `keep` once all blocks taken are in
   * the tree. If memory is full, frees all blocks taken since the last `keep` and throws OperationalError 'capacity-reached'. So
   * if a change takes all its blocks first, a failure leaves the staged tree intact.
   */
  take(units: number): number {
    const unit = this.#find(units)
    if (unit === 0) {
      while (this.#pendingEnd > 0) {
        const pendingUnits = this.#pending[--this.#pendingEnd]!
        this.release(this.#pending[--this.#pendingEnd]!, pendingUnits)
      }
      throw new OperationalError('capacity-reached', 'the shared tree is full: raise dns.capacity')
    }
    this.#setOwned(unit)
    this.#pending[this.#pendingEnd++] = unit
    this.#pending[this.#pendingEnd++] = units
    return unit
  }

  /** To be called when all blocks that were taken are in the tree. */
  keep(): void {
    this.#pendingEnd = 0
  }

  /** Takes memory that is never freed. Returns its address, or 0 if there is no room. */
  takeForEver(units: number): number {
    return this.#takeAboveTop(units)
  }

  /** Whether the staged change allocated the block, so that no reader can see it. */
  isOwned(unit: number): boolean {
    return (this.#owned[unit >>> 5]! & (1 << (unit & 31))) !== 0
  }

  /** Makes sure that the staged change owns the block in a slot: a published block is copied into a new one. */
  own(at: number, units: number): void {
    const unit = this.#memory[at]! >>> 4
    if (this.isOwned(unit)) return
    this.#move(at, this.take(units), units)
    this.keep()
    this.release(unit, units)
  }

  /**
   * Opens room for `words` words after the first `before` of the `used` words of the block in a slot. Returns the word index
   * of the room. Takes and keeps a larger block, unless the staged change owns this one and it has room.
   */
  insertWords(at: number, used: number, before: number, words: number): number {
    const memory = this.#memory
    const ref = memory[at]!
    const from = blockOf(ref)
    const units = blockUnits(used)
    const grownUnits = blockUnits(used + words)
    if (grownUnits === units && this.isOwned(ref >>> 4)) {
      for (let i = used - 1; i >= before; i--) memory[from + words + i] = memory[from + i]!
      return from + before
    }
    const unit = this.take(grownUnits)
    const to = unit * unitWords
    copyWords(memory, from, to, before)
    copyWords(memory, from + before, to + before + words, used - before)
    memory[at] = (unit << 4) | (ref & 15)
    this.release(ref >>> 4, units)
    this.keep()
    return to + before
  }

  /**
   * Removes `words` words after the first `before` of the `used` words of the owned block in a slot. Moves the rest to a
   * smaller block if there is one.
   */
  removeWords(at: number, used: number, before: number, words: number): void {
    const memory = this.#memory
    const removed = blockOf(memory[at]!) + before
    copyWords(memory, removed + words, removed, used - before - words)
    const units = blockUnits(used)
    const kept = blockUnits(used - words)
    if (units === kept) return
    const unit = memory[at]! >>> 4
    const smaller = this.#find(kept)
    if (smaller === 0) {
      this.#addToList(unit + kept, units - kept)
      return
    }
    this.#setOwned(smaller)
    this.#move(at, smaller, kept)
    this.release(unit, units)
  }

  /** Frees a block that the staged tree no longer uses. A published block goes to limbo. */
  release(unit: number, units: number): void {
    if (this.isOwned(unit)) {
      this.#owned[unit >>> 5]! &= ~(1 << (unit & 31))
      this.#addToList(unit, units)
    } else {
      if (this.#limboEnd + 3 > this.#limbo.length) this.#growLimbo()
      this.#limbo[this.#limboEnd++] = nextEpoch(this.#memory[headerAt.epoch]!)
      this.#limbo[this.#limboEnd++] = unit
      this.#limbo[this.#limboEnd++] = units
      this.#limboUnits += units
    }
  }

  /**
   * To be called when the staged change is published. No block is owned then, and blocks that the change replaced wait in limbo
   * until no reader uses them.
   */
  published(): void {
    this.#disown()
    this.#limboPublished = this.#limboEnd
    this.reclaim()
  }

  /**
   * To be called when the staged change is dropped and its own blocks are freed. The blocks that it replaced are in use again.
   */
  abandoned(): void {
    this.#disown()
    for (let at = this.#limboPublished; at < this.#limboEnd; at += 3) {
      this.#limboUnits -= this.#limbo[at + 2]!
    }
    this.#limboEnd = this.#limboPublished
  }

  /** Frees the blocks in limbo that no reader can still be using. */
  reclaim(): void {
    if (this.#limboFirst === this.#limboPublished) return
    const oldest = oldestEpoch(this.#memory)
    while (
      this.#limboFirst < this.#limboPublished &&
      ((oldest - this.#limbo[this.#limboFirst]!) | 0) >= 0
    ) {
      const units = this.#limbo[this.#limboFirst + 2]!
      this.#addToList(this.#limbo[this.#limboFirst + 1]!, units)
      this.#limboUnits -= units
      this.#limboFirst += 3
    }
  }

  /** All sizes in octets. */
  stats(): TreeStats {
    return {
      usedBytes: this.#top * unitBytes,
      capacityBytes: this.#limit * unitBytes,
      freeBytes: this.#freeUnits * unitBytes,
      limboBytes: this.#limboUnits * unitBytes,
    }
  }

  #find(units: number): number {
    const unit = this.#takeFromList(units) || this.#takeFromRuns(units)
    if (unit !== 0) return unit
    if (this.#freedSinceMerge > this.#top * mergeShare) {
      this.#mergeFree()
      const carved = this.#takeFromRuns(units)
      if (carved !== 0) return carved
    }
    return this.#takeAboveTop(units) || this.#takeFromLarger(units)
  }

  #takeFromList(units: number): number {
    const unit = this.#free[units]!.pop()
    if (unit !== 0) this.#freeUnits -= units
    return unit
  }

  #addToList(unit: number, units: number): void {
    this.#free[units]!.push(unit)
    this.#freeUnits += units
    this.#freedSinceMerge += units
  }

  /** Takes a block from the runs; 0 if they have no room. What remains of a run that is too short goes to the free lists. */
  #takeFromRuns(units: number): number {
    while (this.#runUnits < units) {
      if (this.#runUnits > 0) this.#free[this.#runUnits]!.push(this.#run)
      this.#runUnits = this.#runs.pop()
      if (this.#runUnits === 0) return 0
      this.#run = this.#runs.pop()
    }
    const unit = this.#run
    this.#run += units
    this.#runUnits -= units
    this.#freeUnits -= units
    return unit
  }

  #takeAboveTop(units: number): number {
    if (this.#top + units > this.#limit) return 0
    const unit = this.#top
    this.#top += units
    return unit
  }

  /** When no other memory is left: merges free memory, then splits a larger block. Returns 0 if there is none. */
  #takeFromLarger(units: number): number {
    if (this.#freedSinceMerge > 0) {
      this.#mergeFree()
      const unit = this.#takeFromRuns(units)
      if (unit !== 0) return unit
    }
    for (let size = units + 1; size <= maxBlockUnits; size++) {
      const unit = this.#takeFromList(size)
      if (unit === 0) continue
      this.#free[size - units]!.push(unit + units)
      this.#freeUnits += size - units
      return unit
    }
    return 0
  }

  /** Merges all free blocks into runs of adjacent ones, using a bit map of all units. */
  #mergeFree(): void {
    const map = new Int32Array((this.#top >>> 5) + 1)
    const mark = (unit: number, units: number): void => {
      for (let i = unit; i < unit + units; i++) map[i >>> 5]! |= 1 << (i & 31)
    }
    mark(this.#run, this.#runUnits)
    this.#runUnits = 0
    for (let units = this.#runs.pop(); units !== 0; units = this.#runs.pop()) {
      mark(this.#runs.pop(), units)
    }
    for (let units = 1; units <= maxBlockUnits; units++) {
      const blocks = this.#free[units]!
      for (let unit = blocks.pop(); unit !== 0; unit = blocks.pop()) mark(unit, units)
    }
    for (let unit = nextBit(map, 0, 0); unit < this.#top; ) {
      const end = nextBit(map, unit, -1)
      this.#runs.push(unit)
      this.#runs.push(end - unit)
      unit = nextBit(map, end, 0)
    }
    this.#freedSinceMerge = 0
  }

  /** Copies the first `units` of the block in a slot to another block, and puts that block into the slot. */
  #move(at: number, to: number, units: number): void {
    const ref = this.#memory[at]!
    copyWords(this.#memory, blockOf(ref), to * unitWords, units * unitWords)
    this.#memory[at] = (to << 4) | (ref & 15)
  }

  #setOwned(unit: number): void {
    this.#owned[unit >>> 5]! |= 1 << (unit & 31)
    const page = unit >>> pageShift
    if (this.#isPageTouched[page] === 0) {
      this.#isPageTouched[page] = 1
      this.#pages.push(page + 1)
    }
  }

  #disown(): void {
    for (let page = this.#pages.pop(); page !== 0; page = this.#pages.pop()) {
      this.#isPageTouched[page - 1] = 0
      const first = (page - 1) << (pageShift - 5)
      this.#owned.fill(0, first, first + (1 << (pageShift - 5)))
    }
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

/**
 * The first unit from `from` on whose bit is set (if `than` is 0) or clear (if `than` is -1); the end of the map if there is
 * none.
 */
function nextBit(map: Int32Array, from: number, than: number): number {
  let index = from >>> 5
  if (index >= map.length) return from
  let word = (map[index]! ^ than) & (-1 << (from & 31))
  while (word === 0) {
    index++
    if (index === map.length) return index * 32
    word = map[index]! ^ than
  }
  return index * 32 + 31 - Math.clz32(word & -word)
}

/** A stack of numbers above 0. Returns 0 when it is empty. */
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
