// Makes and changes leaves: up to 32 entries of one prefix length in one block (layout.ts has the forms). Common changes work
// on the words in place. Rare ones (splitting a full leaf, joining leaves, changing the form) first read the entries into a
// list.
import type { Blocks } from './blocks.ts'
import { bitsFrom, cut, type Key, putBits, readWords, writeWords } from './key.ts'
import {
  blockOf,
  blockUnits,
  entryKinds,
  entryWords,
  full,
  headMask,
  kindMask,
  kindWord,
  leafBit,
  leafCount,
  leafForm,
  leafLength,
  leafSummary,
  listedBit,
  maxLeafEntries,
  maxShortAnswer,
  narrow,
  narrowLength,
  openBit,
  summaryBits,
  tailMask,
  unitWords,
  wide,
  wideLength,
} from './layout.ts'

/** Entries read from leaves, in rising order. Each has four key words, 0 beyond the prefix length, and kind | answer << 2. */
export class EntryList {
  readonly keys: Key[] = Array.from({ length: 2 * maxLeafEntries }, () => new Int32Array(4))
  readonly entries = new Int32Array(2 * maxLeafEntries)
  count = 0

  /** Makes room for one entry at `index`. */
  open(index: number): void {
    for (let i = this.count++; i > index; i--) this.#copy(i - 1, i)
  }

  /** Removes the entry at `index`. */
  close(index: number): void {
    this.count--
    for (let i = index; i < this.count; i++) this.#copy(i + 1, i)
  }

  #copy(from: number, to: number): void {
    this.keys[to]!.set(this.keys[from]!)
    this.entries[to] = this.entries[from]!
  }
}

export class Leaves {
  /** The slot's second word for the leaf that `make` made last; `make` returns the first word. */
  bits = 0
  readonly #memory: Int32Array<SharedArrayBuffer>
  readonly #blocks: Blocks

  constructor(memory: Int32Array<SharedArrayBuffer>, blocks: Blocks) {
    this.#memory = memory
    this.#blocks = blocks
  }

  /** Makes a leaf of the list's entries `from` to `to` - 1, for a slot at `depth`. Returns its ref. Takes one block. */
  make(list: EntryList, from: number, to: number, length: number, depth: number): number {
    let form = formFor(length, depth, 0)
    for (let i = from; i < to; i++) {
      form = Math.max(form, formFor(length, depth, list.entries[i]! >>> 2))
    }
    const bits = length | ((to - from) << 8) | (form << 16)
    const words = entryWords(bits)
    const unit = this.#blocks.take(blockUnits(words * (to - from)))
    const leaf = unit * unitWords
    for (let i = from; i < to; i++) {
      this.#write(leaf + (i - from) * words, bits, list.keys[i]!, list.entries[i]!)
    }
    this.bits = bits
    return (unit << 4) | leafSummary(this.#memory, leaf, bits, depth) | leafBit
  }

  /** Adds the entries of the leaf in a slot at `depth` to the list. `key` gives the bits before `depth`. */
  read(at: number, depth: number, key: Key, list: EntryList): void {
    const memory = this.#memory
    const bits = memory[at + 1]!
    const words = entryWords(bits)
    const length = leafLength(bits)
    const form = leafForm(bits)
    let entry = blockOf(memory[at]!)
    for (let i = leafCount(bits); i > 0; i--, entry += words) {
      const read = list.keys[list.count]!
      const info = memory[entry + kindWord(bits)]!
      if (form === full) {
        read.fill(0)
        readWords(memory, entry + 1, length, words - 1, read)
        list.entries[list.count++] = info
        continue
      }
      read.set(key)
      cut(read, depth)
      const start = startOf(length, form)
      if (form === narrow) {
        putTail(read, start, depth, length - start, info & tailMask)
      } else {
        putTail(read, start, depth, Math.min(length - start, 32), memory[entry]!)
        if (length > 32) putTail(read, start + 32, depth, length - start - 32, info & tailMask)
      }
      list.entries[list.count++] = info & ~tailMask
    }
  }

  /**
   * Index of the key's entry in the leaf in a slot at `depth`. If it is not there, -1 minus the index where it belongs. The
   * search begins where the key's next bits point, as the reader's does.
   */
  search(at: number, depth: number, key: Key): number {
    const memory = this.#memory
    const bits = memory[at + 1]!
    const form = leafForm(bits)
    const count = leafCount(bits)
    if (form === full) return this.#searchFull(at, key)
    const start = startOf(leafLength(bits), form)
    const head = bitsFrom(key, start) >>> 0
    const leaf = blockOf(memory[at]!)
    let i = depth === 128 ? 0 : ((bitsFrom(key, depth) >>> 24) * count) >>> 8
    if (form === narrow) {
      const sought = head >>> 14
      while (i < count && memory[leaf + i]! >>> 14 < sought) i++
      while (i > 0 && memory[leaf + i - 1]! >>> 14 >= sought) i--
      return i < count && memory[leaf + i]! >>> 14 === sought ? i : -1 - i
    }
    const tail = bitsFrom(key, start + 32) >>> 14
    while (i < count && memory[leaf + 2 * i]! >>> 0 < head) i++
    while (i > 0 && memory[leaf + 2 * i - 2]! >>> 0 >= head) i--
    for (; i < count && memory[leaf + 2 * i]! >>> 0 === head; i++) {
      const order = (memory[leaf + 2 * i + 1]! >>> 14) - tail
      if (order === 0) return i
      if (order > 0) break
    }
    return -1 - i
  }

  /** The entry (kind | answer << 2) at `index` of the leaf in a slot. */
  entry(at: number, index: number): number {
    const bits = this.#memory[at + 1]!
    const word = this.#memory[this.#entryAt(at, index) + kindWord(bits)]!
    return leafForm(bits) === full ? word : word & ~tailMask
  }

  /** Whether the form of the leaf in a slot can hold this answer. */
  takesAnswer(at: number, answer: number): boolean {
    return answer <= maxShortAnswer || leafForm(this.#memory[at + 1]!) === full
  }

  /** Replaces the entry at `index`. The leaf's form must be able to hold its answer. Takes a block if the leaf is published. */
  replace(at: number, depth: number, index: number, entry: number): void {
    const memory = this.#memory
    this.#blocks.own(at, unitsOf(memory[at + 1]!))
    const bits = memory[at + 1]!
    const word = this.#entryAt(at, index) + kindWord(bits)
    memory[word] = leafForm(bits) === full ? entry : (memory[word]! & tailMask) | entry
    this.#summarise(at, depth)
  }

  /**
   * Adds the key's entry at `index`. The leaf must have room for it, and its form must be able to hold the answer. Takes a block.
   */
  insert(at: number, depth: number, index: number, key: Key, entry: number): void {
    const memory = this.#memory
    const bits = memory[at + 1]!
    const words = entryWords(bits)
    const count = leafCount(bits)
    const room = this.#blocks.insertWords(at, count * words, index * words, words)
    this.#write(room, bits, key, entry)
    const ref = memory[at]!
    const listed = (entry & kindMask) === entryKinds.listing ? listedBit : ref & listedBit
    const free = leafLength(bits) - depth
    const open = free > 5 || count + 1 < 1 << free ? openBit : 0
    memory[at] = (ref & ~summaryBits) | listed | open
    memory[at + 1] = bits + 256
  }

  /** Removes the entry at `index`. The leaf must have other entries. Takes a block if the leaf is published. */
  remove(at: number, depth: number, index: number): void {
    const memory = this.#memory
    this.#blocks.own(at, unitsOf(memory[at + 1]!))
    const bits = memory[at + 1]!
    const words = entryWords(bits)
    this.#blocks.removeWords(at, leafCount(bits) * words, index * words, words)
    memory[at + 1] = bits - 256
    this.#summarise(at, depth)
  }

  /** Frees the block of a leaf that is no longer in a slot. */
  release(ref: number, bits: number): void {
    this.#blocks.release(ref >>> 4, unitsOf(bits))
  }

  #entryAt(at: number, index: number): number {
    return blockOf(this.#memory[at]!) + index * entryWords(this.#memory[at + 1]!)
  }

  #summarise(at: number, depth: number): void {
    const memory = this.#memory
    const ref = memory[at]!
    memory[at] = (ref & ~summaryBits) | leafSummary(memory, blockOf(ref), memory[at + 1]!, depth)
  }

  /** Writes one entry in the form that `bits` of the leaf tells. */
  #write(at: number, bits: number, key: Key, entry: number): void {
    const memory = this.#memory
    const form = leafForm(bits)
    const length = leafLength(bits)
    if (form === full) {
      memory[at] = entry
      writeWords(memory, at + 1, length, entryWords(bits) - 1, key)
      return
    }
    const start = startOf(length, form)
    if (form === narrow) {
      memory[at] = bitsFrom(key, start) | entry
    } else {
      memory[at] = bitsFrom(key, start)
      memory[at + 1] = bitsFrom(key, start + 32) | entry
    }
  }

  #searchFull(at: number, key: Key): number {
    const memory = this.#memory
    const bits = memory[at + 1]!
    const count = leafCount(bits)
    const words = entryWords(bits)
    for (let i = 0; i < count; i++) {
      const stored = blockOf(memory[at]!) + i * words
      let word = 1
      while (word < words && memory[stored + word]! === key[word - 1]!) word++
      if (word === words) return i
      if (memory[stored + word]! >>> 0 > key[word - 1]! >>> 0) return -1 - i
    }
    return -1 - count
  }
}

/** The smallest form that can hold the entry in a leaf at `depth`. */
function formFor(length: number, depth: number, answer: number): number {
  if (answer > maxShortAnswer || depth < length - wideLength) return full
  return depth < length - narrowLength ? wide : narrow
}

/** The first bit of the prefix that the forms narrow and wide keep. */
function startOf(length: number, form: number): number {
  return Math.max(0, length - (form === narrow ? narrowLength : wideLength))
}

/** Sets `count` bits of the key at `start`, except those before `depth`, which the key already has. */
function putTail(key: Key, start: number, depth: number, count: number, word: number): void {
  const known = Math.min(Math.max(depth - start, 0), count)
  if (known < count) putBits(key, start, count, word & ~headMask(known))
}

function unitsOf(bits: number): number {
  return blockUnits(entryWords(bits) * leafCount(bits))
}
