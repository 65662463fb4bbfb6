// Makes, reads and changes nodes. A node is given by the word index of its slot and the slot's depth in the key. Each change
// takes all its blocks before it writes a word that is part of the tree.
import type { Blocks } from './blocks.ts'
import {
  agreedBits,
  cut,
  type Key,
  nibbleOf,
  putBits,
  readWords,
  wordsBetween,
  writeWords,
} from './key.ts'
import {
  blockOf,
  blockUnits,
  childBits,
  innerAt,
  itemBits,
  itemWords,
  leafBit,
  nodeSummary,
  popcount,
  skipBit,
  skipWords,
  summaryBits,
  unitWords,
} from './layout.ts'
import type { Leaves } from './leaves.ts'

/** The items of a node that is about to be made, by position. A child has ref and bits, an inner entry only the ref. */
export class ItemList {
  readonly refs = new Int32Array(31)
  readonly bits = new Int32Array(31)
  positions = 0

  add(position: number, ref: number, bits: number): void {
    this.refs[position] = ref
    this.bits[position] = bits
    this.positions |= 1 << position
  }
}

export class Nodes {
  readonly #memory: Int32Array<SharedArrayBuffer>
  readonly #blocks: Blocks
  readonly #leaves: Leaves
  readonly #shared: Key = new Int32Array(4)

  constructor(memory: Int32Array<SharedArrayBuffer>, blocks: Blocks, leaves: Leaves) {
    this.#memory = memory
    this.#blocks = blocks
    this.#leaves = leaves
  }

  /** Makes a node at depth `end` of these items, and puts it into a slot at `depth`. Takes one block. */
  put(at: number, depth: number, end: number, key: Key, items: ItemList): void {
    const memory = this.#memory
    const bits = items.positions
    const keyWords = wordsBetween(depth, end)
    const skip = keyWords === 0 ? 0 : (keyWords + 2) & ~1
    const unit = this.#blocks.take(blockUnits(skip + itemWords(bits)))
    const node = unit * unitWords
    if (keyWords > 0) {
      memory[node] = end | (keyWords << 8)
      writeWords(memory, node + 1, end, keyWords, key)
    }
    let item = node + skip
    for (let rest = bits; rest !== 0; rest &= rest - 1) {
      const position = 31 - Math.clz32(rest & -rest)
      memory[item++] = items.refs[position]!
      if (position < 16) memory[item++] = items.bits[position]!
    }
    memory[at] = unit << 4
    memory[at + 1] = keyWords === 0 ? bits : bits | skipBit
    this.summarise(at, depth)
  }

  /** Makes sure that the staged change owns the node in a slot. Takes a block if the node is published. */
  own(at: number): void {
    this.#blocks.own(at, this.unitsAt(at))
  }

  /** Adds a child (`ref`, `bits`) or an inner entry (`ref`) to the owned node in a slot. Takes a block. */
  insertItem(at: number, position: number, ref: number, bits: number): void {
    const memory = this.#memory
    const size = position < 16 ? 2 : 1
    const before = this.itemAt(at, position) - blockOf(memory[at]!)
    const item = this.#blocks.insertWords(at, this.#words(at), before, size)
    memory[at + 1]! |= 1 << position
    memory[item] = ref
    if (size === 2) memory[item + 1] = bits
  }

  /** Removes an item from the owned node in a slot. The node must have at least three items. */
  deleteItem(at: number, depth: number, position: number): void {
    const memory = this.#memory
    const before = this.itemAt(at, position) - blockOf(memory[at]!)
    const words = this.#words(at)
    memory[at + 1]! &= ~(1 << position)
    this.#blocks.removeWords(at, words, before, position < 16 ? 2 : 1)
    this.summarise(at, depth)
  }

  /**
   * Puts the child at `position`, which must be a node, in the place of its parent. The skip of the new node also holds the
   * parent's bits. `key` gives the bits before the parent. Takes a new block and frees the child's. The caller frees the parent's.
   */
  liftChild(at: number, depth: number, position: number, key: Key, items: ItemList): void {
    const memory = this.#memory
    const end = this.depthOf(at, depth)
    const item = this.itemAt(at, position)
    const ref = memory[item]!
    const bits = memory[item + 1]!
    const childEnd = this.depthOf(item, end + 4)
    const shared = this.#shared
    shared.set(key)
    cut(shared, end)
    putBits(shared, end, 4, position << 28)
    if (bits < 0) {
      const child = blockOf(ref)
      readWords(memory, child + 1, childEnd, memory[child]! >>> 8, shared)
    }
    items.positions = 0
    for (let rest = bits & itemBits; rest !== 0; rest &= rest - 1) {
      const child = 31 - Math.clz32(rest & -rest)
      const from = this.itemAt(item, child)
      items.add(child, memory[from]!, child < 16 ? memory[from + 1]! : 0)
    }
    const units = blockUnits(this.#words(item))
    this.put(at, depth, childEnd, shared, items)
    this.#blocks.keep()
    this.#blocks.release(ref >>> 4, units)
  }

  /** The depth of the nibble of the node in a slot: the slot's own depth, or the end of the skip. */
  depthOf(at: number, depth: number): number {
    return this.#memory[at + 1]! < 0 ? this.#memory[blockOf(this.#memory[at]!)]! & 255 : depth
  }

  hasItem(at: number, position: number): boolean {
    return (this.#memory[at + 1]! & (1 << position)) !== 0
  }

  /** Word index of an item of the node in a slot, or where it would be inserted. */
  itemAt(at: number, position: number): number {
    const bits = this.#memory[at + 1]!
    const children = this.childrenAt(at)
    if (position >= 16) return innerAt(children, bits, position)
    return children + 2 * popcount(bits & ((1 << position) - 1))
  }

  childrenAt(at: number): number {
    const node = blockOf(this.#memory[at]!)
    return this.#memory[at + 1]! < 0 ? node + skipWords(this.#memory, node) : node
  }

  /** How many leading bits of the key agree with the skip of the node in a slot. The node must have a skip. */
  agreedSkip(at: number, key: Key): number {
    return agreedBits(key, this.#readSkip(at, key))
  }

  /** The nibble at `depth` in the skip of the node in a slot. */
  skipNibble(at: number, key: Key, depth: number): number {
    return nibbleOf(this.#readSkip(at, key), depth)
  }

  /** The ref that the node in a slot would have if its slot were at `depth`, which is at most the node's own depth. */
  refAt(at: number, depth: number): number {
    const ref = this.#memory[at]!
    const summary = nodeSummary(this.#memory, blockOf(ref), this.#memory[at + 1]!, depth)
    return (ref & ~summaryBits) | summary
  }

  /** Updates the l and o bits of the node in a slot. Returns whether they changed. */
  summarise(at: number, depth: number): boolean {
    const ref = this.refAt(at, depth)
    if (ref === this.#memory[at]) return false
    this.#memory[at] = ref
    return true
  }

  /** Frees the block of the node in a slot, but not the blocks below it. */
  release(at: number): void {
    this.#blocks.release(this.#memory[at]! >>> 4, this.unitsAt(at))
  }

  /** Units of the block of the node in a slot. */
  unitsAt(at: number): number {
    return blockUnits(this.#words(at))
  }

  /** Frees all blocks below a slot that the staged change owns. All blocks below a published one are published too. */
  releaseOwned(at: number): void {
    const memory = this.#memory
    const ref = memory[at]!
    if (ref === 0 || !this.#blocks.isOwned(ref >>> 4)) return
    if ((ref & leafBit) !== 0) {
      this.#leaves.release(ref, memory[at + 1]!)
      return
    }
    const first = this.childrenAt(at)
    const children = popcount(memory[at + 1]! & childBits)
    for (let i = 0; i < children; i++) this.releaseOwned(first + 2 * i)
    this.release(at)
  }

  #readSkip(at: number, key: Key): Key {
    const node = blockOf(this.#memory[at]!)
    const fields = this.#memory[node]!
    this.#shared.set(key)
    readWords(this.#memory, node + 1, fields & 255, fields >>> 8, this.#shared)
    return this.#shared
  }

  #words(at: number): number {
    const bits = this.#memory[at + 1]!
    const skip = bits < 0 ? skipWords(this.#memory, blockOf(this.#memory[at]!)) : 0
    return skip + itemWords(bits)
  }
}
