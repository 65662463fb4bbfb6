// Changes the shared tree (layout.ts). Changes are staged by copy-on-write, and `publish` shows all of them at once. There is one
// writer. Each change takes all its blocks before it writes the first word, so the staged tree stays intact if memory is full.
import { OperationalError } from '../errors.ts'
import { Blocks, type TreeStats } from './blocks.ts'
import { agreedBits, cut, innerPosition, type Key, nibbleOf, putBits } from './key.ts'
import {
  type EntryKind,
  firstAnswerOf,
  headerAt,
  headerWords,
  innerBits,
  itemBits,
  kindMask,
  layoutVersion,
  leafBit,
  leafCount,
  leafLength,
  magic,
  maxAnswers,
  maxCapacityBytes,
  maxLeafEntries,
  segmentOf,
  summaryBits,
  unitBytes,
  versionAt,
  versionUnits,
} from './layout.ts'
import { EntryList, Leaves } from './leaves.ts'
import { ItemList, Nodes } from './nodes.ts'
import { nextEpoch } from './reclaim.ts'

/** Figures of a published version: epoch seconds and counts, each an unsigned 32-bit number. */
export interface ZoneVersion {
  serial: number
  generatedAt: number
  validUntil: number
  ipv4Entries: number
  ipv6Entries: number
}

type Family = 4 | 6

/**
 * Leaves are joined if together they have at most this many entries: half a leaf, so that the joined leaf is not soon split
 * again.
 */
const joinedEntries = maxLeafEntries / 2

export class TreeWriter {
  readonly buffer: SharedArrayBuffer
  readonly #memory: Int32Array<SharedArrayBuffer>
  readonly #blocks: Blocks
  readonly #leaves: Leaves
  readonly #nodes: Nodes
  /** The answer index of each set of codes. */
  readonly #answers = new Map<number, number>()
  /** Word index of the staged version block; 0 if nothing is staged. */
  #staged = 0
  readonly #key: Key = new Int32Array(4)
  readonly #child: Key = new Int32Array(4)
  readonly #list = new EntryList()
  readonly #items = new ItemList()
  /** The slots above the change: word index and depth of each. */
  readonly #pathSlots = new Int32Array(34)
  readonly #pathDepths = new Int32Array(34)

  /**
   * Makes an empty tree, published as serial 0. `capacityBytes` is address space: pages that are never used take no memory.
   * Throws OperationalError 'config-invalid' beyond 2 GiB, and 'capacity-reached' if not even an empty tree fits.
   */
  constructor(capacityBytes: number) {
    if (capacityBytes > maxCapacityBytes) {
      throw new OperationalError('config-invalid', 'the shared tree cannot exceed 2 GiB')
    }
    const smallest = headerWords * 4 + 2 * versionUnits * unitBytes
    if (capacityBytes < smallest) {
      throw new OperationalError('capacity-reached', `the shared tree needs ${smallest} octets`)
    }
    this.buffer = new SharedArrayBuffer(capacityBytes - (capacityBytes % unitBytes))
    this.#memory = new Int32Array(this.buffer)
    this.#blocks = new Blocks(this.#memory)
    this.#leaves = new Leaves(this.#memory, this.#blocks)
    this.#nodes = new Nodes(this.#memory, this.#blocks, this.#leaves)
    this.#memory[headerAt.magic] = magic
    this.#memory[headerAt.layoutVersion] = layoutVersion
    this.publish({ serial: 0, generatedAt: 0, validUntil: 0, ipv4Entries: 0, ipv6Entries: 0 })
  }

  /**
   * The index of a set of codes (bit n: 127.0.0.n, n from 2 to 31). A set keeps its index for ever. If there is no room for
   * another set, changes nothing and throws OperationalError 'capacity-reached'.
   */
  internAnswer(codes: number): number {
    const known = this.#answers.get(codes)
    if (known !== undefined) return known
    const answer = this.#answers.size
    const segment = segmentOf(answer)
    const segmentAt = headerAt.segments + segment
    const first = firstAnswerOf(segment)
    if (answer === first) {
      const records = segment === 0 ? 64 : first
      const unit = answer < maxAnswers ? this.#blocks.takeForEver(records) : 0
      if (unit === 0) throw new OperationalError('capacity-reached', 'no room for another answer')
      this.#memory[segmentAt] = unit * 2
    }
    const record = this.#memory[segmentAt]! + (answer - first) * 2
    this.#memory[record] = codes
    this.#memory[record + 1] = 0
    this.#answers.set(codes, answer)
    return answer
  }

  /**
   * Stages an entry for exactly this prefix and replaces the one it had. Bits of the words beyond `length` are ignored. Throws
   * OperationalError 'capacity-reached'; the caller must then call abandon.
   */
  set(
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    kind: EntryKind,
    answer: number,
  ): void {
    const memory = this.#memory
    const nodes = this.#nodes
    const key = this.#setKey(w0, w1, w2, w3, length)
    const entry = kind | (answer << 2)
    let at = this.#stagedRoot(family)
    let depth = 0
    let level = 0
    let before: number
    for (;;) {
      const ref = memory[at]!
      before = ref & summaryBits
      if (ref === 0) {
        this.#listKey(0, entry)
        this.#putLeaf(at, depth, length)
        break
      }
      if ((ref & leafBit) !== 0) {
        if (this.#setInLeaf(at, depth, length, entry) || this.#burst(at, depth, length, entry))
          break
        continue
      }
      const end = nodes.depthOf(at, depth)
      if (end > depth) {
        const agreed = Math.min(nodes.agreedSkip(at, key), length)
        if (agreed < end) {
          this.#setInSkip(at, depth, agreed & ~3, length, entry)
          break
        }
      }
      nodes.own(at)
      const isInner = length < end + 4
      const position = isInner ? innerPosition(key, end, length) : nibbleOf(key, end)
      if (!nodes.hasItem(at, position)) {
        const child = isInner ? entry : this.#makeLeaf(0, entry, length, end + 4)
        nodes.insertItem(at, position, child, this.#leaves.bits)
        nodes.summarise(at, depth)
        break
      }
      if (isInner) {
        memory[nodes.itemAt(at, position)] = entry
        nodes.summarise(at, depth)
        break
      }
      this.#pathSlots[level] = at
      this.#pathDepths[level++] = depth
      at = nodes.itemAt(at, position)
      depth = end + 4
    }
    if ((memory[at]! & summaryBits) !== before) this.#summarisePath(level)
  }

  /** Stages the removal of the entry of exactly this prefix. Returns false if there is none. Throws as `set` does. */
  remove(family: Family, w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    const memory = this.#memory
    const nodes = this.#nodes
    const key = this.#setKey(w0, w1, w2, w3, length)
    if (this.#locate(family, length) === 0) return false
    let at = this.#stagedRoot(family)
    if ((memory[at]! & leafBit) !== 0) {
      if (leafCount(memory[at + 1]!) > 1) {
        this.#leaves.remove(at, 0, this.#leaves.search(at, 0, key))
      } else {
        this.#leaves.release(memory[at]!, memory[at + 1]!)
        memory[at] = 0
        memory[at + 1] = 0
      }
      return true
    }
    let depth = 0
    let level = 0
    for (;;) {
      nodes.own(at)
      const before = memory[at]! & summaryBits
      const end = nodes.depthOf(at, depth)
      const isInner = length < end + 4
      const position = isInner ? innerPosition(key, end, length) : nibbleOf(key, end)
      const item = nodes.itemAt(at, position)
      if (isInner || (memory[item]! & leafBit) !== 0) {
        const index = isInner ? -1 : this.#leaves.search(item, end + 4, key)
        this.#removeFrom(at, depth, position, index)
        if ((memory[at]! & summaryBits) !== before) this.#summarisePath(level)
        return true
      }
      this.#pathSlots[level] = at
      this.#pathDepths[level++] = depth
      at = item
      depth = end + 4
    }
  }

  /** The entry of exactly this prefix, with staged changes. */
  get(
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
  ): { kind: EntryKind; answer: number } | undefined {
    this.#setKey(w0, w1, w2, w3, length)
    const entry = this.#locate(family, length)
    if (entry === 0) return undefined
    return { kind: (entry & kindMask) as EntryKind, answer: entry >>> 2 }
  }

  /**
   * Makes all staged changes and `version` visible by one atomic store; readers see them when they enter next. Throws
   * OperationalError 'capacity-reached', but only if nothing was staged.
   */
  publish(version: ZoneVersion): void {
    const memory = this.#memory
    const block = this.#stage()
    memory[block + versionAt.serial] = version.serial
    memory[block + versionAt.generatedAt] = version.generatedAt
    memory[block + versionAt.validUntil] = version.validUntil
    memory[block + versionAt.ipv4Entries] = version.ipv4Entries
    memory[block + versionAt.ipv6Entries] = version.ipv6Entries
    const former = memory[headerAt.current]!
    if (former !== 0) this.#blocks.release(former >>> 1, versionUnits)
    Atomics.store(memory, headerAt.current, block)
    Atomics.store(memory, headerAt.epoch, nextEpoch(memory[headerAt.epoch]!))
    this.#staged = 0
    this.#blocks.published()
  }

  /** Drops all staged changes, also after one has failed halfway. Interned answers stay. */
  abandon(): void {
    if (this.#staged === 0) return
    this.#nodes.releaseOwned(this.#staged + versionAt.root4)
    this.#nodes.releaseOwned(this.#staged + versionAt.root6)
    this.#blocks.release(this.#staged >>> 1, versionUnits)
    this.#staged = 0
    this.#blocks.abandoned()
  }

  /** Memory in octets. The published and the staged tree take `usedBytes` less `freeBytes` and `limboBytes`. */
  stats(): TreeStats {
    return this.#blocks.stats()
  }

  /** The staged version block. If there is none, makes one that has the published roots. */
  #stage(): number {
    if (this.#staged !== 0) return this.#staged
    this.#blocks.reclaim()
    const memory = this.#memory
    const block = this.#blocks.take(versionUnits) * 2
    this.#blocks.keep()
    const former = memory[headerAt.current]!
    for (let i = versionAt.root4; i < versionUnits * 2; i++) {
      memory[block + i] = former === 0 ? 0 : memory[former + i]!
    }
    this.#staged = block
    return block
  }

  #stagedRoot(family: Family): number {
    return this.#stage() + (family === 4 ? versionAt.root4 : versionAt.root6)
  }

  #setKey(w0: number, w1: number, w2: number, w3: number, length: number): Key {
    const key = this.#key
    key[0] = w0
    key[1] = w1
    key[2] = w2
    key[3] = w3
    cut(key, length)
    return key
  }

  /** The entry (kind | answer << 2) of the key's first `length` bits; 0 if there is none. */
  #locate(family: Family, length: number): number {
    const memory = this.#memory
    const nodes = this.#nodes
    const key = this.#key
    let at = this.#staged === 0 ? memory[headerAt.current]! : this.#staged
    at += family === 4 ? versionAt.root4 : versionAt.root6
    let depth = 0
    while ((memory[at]! & leafBit) === 0) {
      const end = nodes.depthOf(at, depth)
      if (end > depth && Math.min(nodes.agreedSkip(at, key), length) < end) return 0
      const isInner = length < end + 4
      const position = isInner ? innerPosition(key, end, length) : nibbleOf(key, end)
      if (!nodes.hasItem(at, position)) return 0
      at = nodes.itemAt(at, position)
      if (isInner) return memory[at]!
      depth = end + 4
    }
    if (leafLength(memory[at + 1]!) !== length) return 0
    const index = this.#leaves.search(at, depth, key)
    return index < 0 ? 0 : this.#leaves.entry(at, index)
  }

  /** Puts the key and its entry into the list at `index` and makes it the last of the list. */
  #listKey(index: number, entry: number): void {
    const list = this.#list
    list.keys[index]!.set(this.#key)
    list.entries[index] = entry
    list.count = index + 1
  }

  /** Makes a leaf that has only the key's entry; returns its ref. Uses place `index` of the list. */
  #makeLeaf(index: number, entry: number, length: number, depth: number): number {
    this.#listKey(index, entry)
    return this.#leaves.make(this.#list, index, index + 1, length, depth)
  }

  /** Makes a leaf of the whole list and puts it into a slot. */
  #putLeaf(at: number, depth: number, length: number): void {
    const ref = this.#leaves.make(this.#list, 0, this.#list.count, length, depth)
    this.#memory[at] = ref
    this.#memory[at + 1] = this.#leaves.bits
    this.#blocks.keep()
  }

  /** Sets the entry in the leaf in a slot. Returns false if it does not belong there or the leaf is full. */
  #setInLeaf(at: number, depth: number, length: number, entry: number): boolean {
    const leaves = this.#leaves
    const key = this.#key
    const bits = this.#memory[at + 1]!
    if (leafLength(bits) !== length) return false
    const index = leaves.search(at, depth, key)
    if (index < 0 && leafCount(bits) === maxLeafEntries) return false
    if (!leaves.takesAnswer(at, entry >>> 2)) this.#widen(at, depth, length, index, entry)
    else if (index >= 0) leaves.replace(at, depth, index, entry)
    else leaves.insert(at, depth, -1 - index, key, entry)
    return true
  }

  /** Sets the entry by making the leaf again in a wider form. `index` is what Leaves.search returned for the key. */
  #widen(at: number, depth: number, length: number, index: number, entry: number): void {
    const list = this.#list
    const ref = this.#memory[at]!
    const bits = this.#memory[at + 1]!
    list.count = 0
    this.#leaves.read(at, depth, this.#key, list)
    if (index < 0) list.open(-1 - index)
    const place = index < 0 ? -1 - index : index
    list.keys[place]!.set(this.#key)
    list.entries[place] = entry
    this.#putLeaf(at, depth, length)
    this.#leaves.release(ref, bits)
  }

  /**
   * Replaces the leaf in a slot by a node, with the leaf's entries below it. Also adds the key's entry, unless a child is in
   * its place; returns whether the entry was added. Takes a block for each child and one for the node.
   */
  #burst(at: number, depth: number, length: number, entry: number): boolean {
    const list = this.#list
    const key = this.#key
    const ref = this.#memory[at]!
    const bits = this.#memory[at + 1]!
    const oldLength = leafLength(bits)
    list.count = 0
    this.#leaves.read(at, depth, key, list)
    const count = list.count
    const first = list.keys[0]!
    const shared = agreedBits(first, list.keys[count - 1]!)
    const end = Math.min(shared, agreedBits(key, first), length, oldLength) & ~3
    const items = this.#items
    items.positions = 0
    for (let from = 0, to = 1; from < count; from = to++) {
      if (oldLength < end + 4) {
        items.add(innerPosition(list.keys[from]!, end, oldLength), list.entries[from]!, 0)
        continue
      }
      const nibble = nibbleOf(list.keys[from]!, end)
      while (to < count && nibbleOf(list.keys[to]!, end) === nibble) to++
      const child = this.#leaves.make(list, from, to, oldLength, end + 4)
      items.add(nibble, child, this.#leaves.bits)
    }
    const isVacant = this.#addKey(end, length, entry)
    this.#nodes.put(at, depth, end, key, items)
    this.#blocks.keep()
    this.#leaves.release(ref, bits)
    return isVacant
  }

  /**
   * Sets an entry whose key differs from the skip of the node in a slot, or ends inside it. A new node at depth `end`, where
   * they part, gets both. Takes at most two blocks.
   */
  #setInSkip(at: number, depth: number, end: number, length: number, entry: number): void {
    const key = this.#key
    const items = this.#items
    items.positions = 0
    items.add(
      this.#nodes.skipNibble(at, key, end),
      this.#nodes.refAt(at, end + 4),
      this.#memory[at + 1]!,
    )
    this.#list.count = 0
    this.#addKey(end, length, entry)
    this.#nodes.put(at, depth, end, key, items)
    this.#blocks.keep()
  }

  /** Adds the key's entry to the items of a node at depth `end`. Returns false if a child is in its place. */
  #addKey(end: number, length: number, entry: number): boolean {
    const items = this.#items
    const isInner = length < end + 4
    const position = isInner ? innerPosition(this.#key, end, length) : nibbleOf(this.#key, end)
    if ((items.positions & (1 << position)) !== 0) return false
    const ref = isInner ? entry : this.#makeLeaf(this.#list.count, entry, length, end + 4)
    items.add(position, ref, this.#leaves.bits)
    return true
  }

  /**
   * Removes an entry from the owned node in a slot: an inner entry (`index` is -1), or an entry of a leaf. If one item is left,
   * it takes the node's place. If only a few entries of one length are left, a leaf of them takes the node's place.
   */
  #removeFrom(at: number, depth: number, position: number, index: number): void {
    const memory = this.#memory
    const nodes = this.#nodes
    const item = nodes.itemAt(at, position)
    const leafRef = memory[item]!
    const leafBits = index < 0 ? 0 : memory[item + 1]!
    const isItemGone = index < 0 || leafCount(leafBits) === 1
    const rest = memory[at + 1]! & itemBits & (isItemGone ? ~(1 << position) : -1)
    if (this.#isJoinable(at, rest, isItemGone ? 0 : 1)) {
      this.#join(at, depth, rest, position, index)
    } else if (!isItemGone) {
      this.#leaves.remove(item, nodes.depthOf(at, depth) + 4, index)
      nodes.summarise(at, depth)
      return
    } else if ((rest & (rest - 1)) === 0) {
      this.#lift(at, depth, 31 - Math.clz32(rest))
    } else {
      nodes.deleteItem(at, depth, position)
    }
    if (index >= 0) this.#leaves.release(leafRef, leafBits)
  }

  /** Whether all of a node's `items` are leaves that can be joined to one leaf once `without` entries are removed. */
  #isJoinable(at: number, items: number, without: number): boolean {
    if ((items & innerBits) !== 0) return false
    const memory = this.#memory
    let count = -without
    let length = -1
    for (let rest = items; rest !== 0; rest &= rest - 1) {
      const item = this.#nodes.itemAt(at, 31 - Math.clz32(rest & -rest))
      const bits = memory[item + 1]!
      if ((memory[item]! & leafBit) === 0) return false
      if (length >= 0 && length !== leafLength(bits)) return false
      length = leafLength(bits)
      count += leafCount(bits)
    }
    return count <= joinedEntries || (items & (items - 1)) === 0
  }

  /**
   * Replaces a node by one leaf with all entries of its leaves `items`, except the entry at `index` of the leaf at `position`.
   */
  #join(at: number, depth: number, items: number, position: number, index: number): void {
    const memory = this.#memory
    const nodes = this.#nodes
    const list = this.#list
    const end = nodes.depthOf(at, depth)
    let length = 0
    list.count = 0
    for (let rest = items; rest !== 0; rest &= rest - 1) {
      const nibble = 31 - Math.clz32(rest & -rest)
      const item = nodes.itemAt(at, nibble)
      const from = list.count
      length = leafLength(memory[item + 1]!)
      this.#leaves.read(item, end + 4, this.#childKey(end, nibble), list)
      if (nibble === position) list.close(from + index)
    }
    const ref = this.#leaves.make(list, 0, list.count, length, depth)
    for (let rest = items & ~(1 << position); rest !== 0; rest &= rest - 1) {
      const item = nodes.itemAt(at, 31 - Math.clz32(rest & -rest))
      this.#leaves.release(memory[item]!, memory[item + 1]!)
    }
    nodes.release(at)
    memory[at] = ref
    memory[at + 1] = this.#leaves.bits
    this.#blocks.keep()
  }

  /** Replaces a node by its last item, which is a node or an inner entry. */
  #lift(at: number, depth: number, position: number): void {
    const memory = this.#memory
    const nodes = this.#nodes
    const unit = memory[at]! >>> 4
    const units = nodes.unitsAt(at)
    if (position < 16) {
      nodes.liftChild(at, depth, position, this.#key, this.#items)
    } else {
      const end = nodes.depthOf(at, depth)
      const bits = 31 - Math.clz32(position - 15)
      const list = this.#list
      const value = position - 15 - (1 << bits)
      list.keys[0]!.set(this.#childKey(end, bits === 0 ? 0 : value << (4 - bits)))
      list.entries[0] = memory[nodes.itemAt(at, position)]!
      list.count = 1
      this.#putLeaf(at, depth, end + bits)
    }
    this.#blocks.release(unit, units)
  }

  /** A key of `end` bits of the current key and then a nibble. */
  #childKey(end: number, nibble: number): Key {
    const key = this.#child
    key.set(this.#key)
    cut(key, end)
    putBits(key, end, 4, nibble << 28)
    return key
  }

  /** Updates the l and o bits of the first `level` slots on the path, from the bottom up. */
  #summarisePath(level: number): void {
    for (let i = level - 1; i >= 0; i--) {
      if (!this.#nodes.summarise(this.#pathSlots[i]!, this.#pathDepths[i]!)) return
    }
  }
}
