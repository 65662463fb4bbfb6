// Changes the shared tree (layout.ts draws it): copy-on-write, staged until publish shows all of it at once.
// Called by blocklist alone, on the main thread. Beside each change stands which blocks it takes: all are taken
// before the first word is written, so running out of memory leaves a staged tree that is whole.
import { OperationalError } from '../errors.ts'
import { Blocks } from './blocks.ts'
import {
  blockOf,
  type EntryKind,
  headerAt,
  itemBits,
  itemsOf,
  kindMask,
  lastWordMask,
  layoutVersion,
  leafInBlock,
  magic,
  maxAnswers,
  maxCapacityBytes,
  maxInlineAnswer,
  maxInlineRest,
  nodeSummary,
  popcount,
  restMask,
  skipBit,
  slotOpen,
  unitBytes,
  versionAt,
  versionUnits,
} from './layout.ts'
import { nextEpoch } from './reclaim.ts'

/** What a publication says of itself; epoch seconds and counts, each an unsigned 32-bit number. */
export interface ZoneVersion {
  serial: number
  generatedAt: number
  validUntil: number
  ipv4Entries: number
  ipv6Entries: number
}

export interface TreeStats {
  /** Memory ever touched, free and limbo parts included. */
  usedBytes: number
  capacityBytes: number
  /** Ready for reuse. */
  freeBytes: number
  /** Waiting for readers to pass on. */
  limboBytes: number
}

type Family = 4 | 6
type Key = Int32Array

export class TreeWriter {
  readonly buffer: SharedArrayBuffer
  readonly #memory: Int32Array<SharedArrayBuffer>
  readonly #blocks: Blocks
  readonly #answers = new Map<number, number>()
  /** Word index of the staged version block; 0: nothing is staged. */
  #staged = 0
  readonly #key: Key = new Int32Array(4)
  readonly #other: Key = new Int32Array(4)
  #otherLength = 0
  /** The slots on the path to the place of change: word index and depth of each. */
  readonly #pathSlots = new Int32Array(34)
  readonly #pathDepths = new Int32Array(34)

  /** An empty tree, published as serial 0. `capacityBytes` is address space: pages never touched cost nothing. */
  static create(options: { capacityBytes: number }): TreeWriter {
    return new TreeWriter(options.capacityBytes)
  }

  private constructor(capacityBytes: number) {
    if (capacityBytes > maxCapacityBytes) {
      throw new OperationalError('config-invalid', 'the shared tree cannot exceed 2 GiB')
    }
    this.buffer = new SharedArrayBuffer(Math.max(capacityBytes & -unitBytes, 8192))
    this.#memory = new Int32Array(this.buffer)
    this.#blocks = new Blocks(this.#memory)
    this.#memory[headerAt.magic] = magic
    this.#memory[headerAt.layoutVersion] = layoutVersion
    this.publish({ serial: 0, generatedAt: 0, validUntil: 0, ipv4Entries: 0, ipv6Entries: 0 })
  }

  /**
   * The index of an A set (bit n: 127.0.0.n, n 2–31). The same set has the same index for ever. Throws
   * OperationalError 'capacity-reached'.
   */
  internAnswer(codes: number): number {
    const known = this.#answers.get(codes)
    if (known !== undefined) return known
    const answer = this.#answers.size
    const segment = 26 - Math.clz32(answer | 32)
    const first = segment === 0 ? 0 : 32 << segment
    if (answer === first) {
      const unit =
        answer < maxAnswers ? this.#blocks.allocateForEver(segment === 0 ? 64 : first) : 0
      if (unit === 0) throw full()
      this.#memory[headerAt.segments + segment] = unit * 2
    }
    const record = this.#memory[headerAt.segments + segment]! + (answer - first) * 2
    this.#memory[record] = codes
    this.#memory[record + 1] = 0
    this.#answers.set(codes, answer)
    return answer
  }

  /**
   * Stages an entry: replaces whatever this exact prefix held. Bits of the words beyond `length` do not matter.
   * Throws OperationalError 'capacity-reached': then call abandon.
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
    const key = this.#setKey(w0, w1, w2, w3, length)
    let at = this.#stagedRoot(family)
    let depth = 0
    let level = 0
    for (;;) {
      const slot = memory[at]!
      if ((slot & kindMask) !== 0) {
        this.#setBesideLeaf(at, depth, length, kind, answer)
        break
      }
      if (slot === 0) {
        memory[at] = this.#newLeaf(key, length, depth, kind, answer)
        break
      }
      let node = blockOf(slot)
      let end = depth
      if (memory[node]! < 0) {
        end = memory[node + 1]! & 255
        const agreed = this.#agreedSkip(key, node, Math.min(length, end))
        if (agreed < end) {
          this.#setInSkip(at, depth, agreed & ~3, length, kind, answer)
          break
        }
      }
      node = this.#own(at)
      if (length < end + 4) {
        const position = innerPosition(key, end, length)
        const entry = kind | (answer << 2)
        const item = itemAt(memory, node, position)
        if (hasItem(memory, node, position)) memory[item] = entry
        else this.#insertItem(at, position, entry)
        this.#summarise(at, depth)
        break
      }
      const nibble = nibbleOf(key, end)
      if (!hasItem(memory, node, nibble)) {
        const leaf = this.#newLeaf(key, length, end + 4, kind, answer)
        try {
          this.#insertItem(at, nibble, leaf)
        } catch (error) {
          this.#releaseLeaf(leaf)
          throw error
        }
        this.#summarise(at, depth)
        break
      }
      this.#pathSlots[level] = at
      this.#pathDepths[level++] = depth
      at = itemAt(memory, node, nibble)
      depth = end + 4
    }
    this.#summarisePath(level)
  }

  /** Stages the removal of exactly this prefix; false when it is not there. Throws as `set` does. */
  remove(family: Family, w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    const memory = this.#memory
    const key = this.#setKey(w0, w1, w2, w3, length)
    if (this.#locate(this.#root(family), length) === 0) return false
    let at = this.#stagedRoot(family)
    let depth = 0
    let level = 0
    for (;;) {
      const slot = memory[at]!
      if ((slot & kindMask) !== 0) {
        memory[at] = 0
        this.#releaseLeaf(slot)
        return true
      }
      const node = this.#own(at)
      const end = memory[node]! < 0 ? memory[node + 1]! & 255 : depth
      const isInner = length < end + 4
      const position = isInner ? innerPosition(key, end, length) : nibbleOf(key, end)
      const item = itemAt(memory, node, position)
      if (isInner || (memory[item]! & kindMask) !== 0) {
        this.#removeItem(at, depth, end, position)
        this.#summarisePath(level)
        return true
      }
      this.#pathSlots[level] = at
      this.#pathDepths[level++] = depth
      at = item
      depth = end + 4
    }
  }

  /** What exactly this prefix holds, staged changes included. */
  get(
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
  ): { kind: EntryKind; answer: number } | undefined {
    this.#setKey(w0, w1, w2, w3, length)
    const entry = this.#locate(this.#root(family), length)
    if (entry === 0) return undefined
    return { kind: (entry & kindMask) as EntryKind, answer: entry >>> 2 }
  }

  /**
   * Makes everything staged visible, together with `version`, by one atomic store; readers see it at their next
   * enter. Throws OperationalError 'capacity-reached' only where nothing was staged.
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

  /** Forgets what was staged, after a failure in the middle too. Interned answers stay. */
  abandon(): void {
    if (this.#staged === 0) return
    this.#releaseOwned(this.#memory[this.#staged + versionAt.root4]!)
    this.#releaseOwned(this.#memory[this.#staged + versionAt.root6]!)
    this.#blocks.release(this.#staged >>> 1, versionUnits)
    this.#staged = 0
    this.#blocks.abandoned()
  }

  /** Octets of the buffer; all of it but `freeBytes` and `limboBytes` of `usedBytes` is reachable. */
  stats(): TreeStats {
    return this.#blocks.stats()
  }

  /** The staged version block, begun with the published roots if need be. */
  #stage(): number {
    if (this.#staged !== 0) return this.#staged
    this.#blocks.reclaim()
    const memory = this.#memory
    const block = this.#take(versionUnits) * 2
    const former = memory[headerAt.current]!
    memory[block + versionAt.root4] = former === 0 ? 0 : memory[former + versionAt.root4]!
    memory[block + versionAt.root6] = former === 0 ? 0 : memory[former + versionAt.root6]!
    this.#staged = block
    return block
  }

  #stagedRoot(family: Family): number {
    return this.#stage() + (family === 4 ? versionAt.root4 : versionAt.root6)
  }

  #root(family: Family): number {
    const block = this.#staged === 0 ? this.#memory[headerAt.current]! : this.#staged
    return this.#memory[block + (family === 4 ? versionAt.root4 : versionAt.root6)]!
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

  #take(units: number): number {
    const unit = this.#blocks.allocate(units)
    if (unit === 0) throw full()
    return unit
  }

  /** The entry (kind | answer << 2) of the key with `length`, below a root slot; 0: none. */
  #locate(root: number, length: number): number {
    const memory = this.#memory
    const key = this.#key
    let slot = root
    let depth = 0
    while ((slot & kindMask) === 0) {
      if (slot === 0) return 0
      const node = blockOf(slot)
      let end = depth
      if (memory[node]! < 0) {
        end = memory[node + 1]! & 255
        if (length < end || this.#agreedSkip(key, node, end) < end) return 0
      }
      const isInner = length < end + 4
      const position = isInner ? innerPosition(key, end, length) : nibbleOf(key, end)
      if (!hasItem(memory, node, position)) return 0
      slot = memory[itemAt(memory, node, position)]!
      if (isInner) return slot
      depth = end + 4
    }
    this.#readLeaf(slot, depth, key)
    if (this.#otherLength !== length || agreedBits(key, this.#other) < length) return 0
    return (slot & kindMask) | (leafAnswer(memory, slot) << 2)
  }

  /** The node in a slot, copied first if it is published. Takes one block. */
  #own(at: number): number {
    const memory = this.#memory
    const slot = memory[at]!
    const unit = slot >>> 4
    if (this.#blocks.isOwned(unit)) return unit * 2
    const node = unit * 2
    const words = nodeWords(memory, node)
    const units = (words + 1) >> 1
    const copyUnit = this.#take(units)
    copyWords(memory, node, copyUnit * 2, words)
    memory[at] = (copyUnit << 4) | (slot & 15)
    this.#blocks.release(unit, units)
    return copyUnit * 2
  }

  /** Adds an item to the owned node in a slot. Takes one block, where the node outgrows its own. */
  #insertItem(at: number, position: number, word: number): void {
    const memory = this.#memory
    const slot = memory[at]!
    const node = blockOf(slot)
    const words = nodeWords(memory, node)
    const units = (words + 1) >> 1
    const before = itemAt(memory, node, position) - node
    if ((words & 1) === 1) {
      memory[node]! |= 1 << position
      for (let to = node + words; to > node + before; to--) memory[to] = memory[to - 1]!
      memory[node + before] = word
      return
    }
    const grownUnit = this.#take(units + 1)
    const grown = grownUnit * 2
    copyWords(memory, node, grown, before)
    memory[grown]! |= 1 << position
    memory[grown + before] = word
    copyWords(memory, node + before, grown + before + 1, words - before)
    memory[at] = (grownUnit << 4) | (slot & 15)
    this.#blocks.release(slot >>> 4, units)
  }

  /**
   * Takes an inner entry or a leaf out of the owned node in a slot; the last item left takes the node's place.
   * Takes at most one block.
   */
  #removeItem(at: number, depth: number, end: number, position: number): void {
    const memory = this.#memory
    const slot = memory[at]!
    const node = blockOf(slot)
    const words = nodeWords(memory, node)
    const units = (words + 1) >> 1
    const item = itemAt(memory, node, position)
    const removed = memory[item]!
    const others = memory[node]! & itemBits & ~(1 << position)
    if ((others & (others - 1)) === 0) {
      memory[at] = this.#lift(node, depth, end, 31 - Math.clz32(others))
      this.#blocks.release(slot >>> 4, units)
    } else {
      memory[node]! &= ~(1 << position)
      copyWords(memory, item + 1, item, node + words - item - 1)
      if ((words & 1) === 1)
        memory[at] = (this.#blocks.shrink(slot >>> 4, units) << 4) | (slot & 15)
      this.#summarise(at, depth)
    }
    if (position < 16) this.#releaseLeaf(removed)
  }

  /** The slot at `depth` for a node's item at `position`, once the node is gone. Takes at most one block. */
  #lift(node: number, depth: number, end: number, position: number): number {
    const memory = this.#memory
    const other = this.#other
    const word = memory[itemAt(memory, node, position)]!
    other.set(this.#key)
    cut(other, end)
    if (position >= 16) {
      const length = 31 - Math.clz32(position - 15)
      putBits(other, end, length, position - 15 - (1 << length))
      return this.#newLeaf(other, end + length, depth, word & kindMask, word >>> 2)
    }
    putBits(other, end, 4, position)
    if ((word & kindMask) !== 0) {
      this.#readLeaf(word, end + 4, other)
      const answer = leafAnswer(memory, word)
      const leaf = this.#newLeaf(other, this.#otherLength, depth, word & kindMask, answer)
      this.#releaseLeaf(word)
      return leaf
    }
    const child = blockOf(word)
    const header = memory[child]!
    let childEnd = end + 4
    if (header < 0) {
      childEnd = memory[child + 1]! & 255
      readWords(memory, child + 2, childEnd, memory[child + 1]! >>> 8, other)
    }
    const items = itemsOf(memory, child)
    const count = popcount(header & itemBits)
    const lifted = this.#newNode(other, depth, childEnd, header & itemBits)
    copyWords(memory, items, itemsOf(memory, lifted), count)
    this.#blocks.release(word >>> 4, (items - child + count + 1) >> 1)
    return (lifted << 3) | nodeSummary(memory, lifted, depth)
  }

  /** A node at `end` for a slot at `depth`, its items yet to be filled in. Takes one block. */
  #newNode(key: Key, depth: number, end: number, itemBitsSet: number): number {
    const memory = this.#memory
    const keyWords = end > depth ? ((end - 1) >> 5) - (depth >> 5) + 1 : 0
    const skipWords = keyWords === 0 ? 0 : keyWords + 1
    const unit = this.#take((2 + skipWords + popcount(itemBitsSet)) >> 1)
    const node = unit * 2
    memory[node] = itemBitsSet
    if (keyWords > 0) {
      memory[node]! |= skipBit
      memory[node + 1] = end | (keyWords << 8)
      writeWords(memory, node + 2, end, keyWords, key)
    }
    return node
  }

  /** A leaf for a slot at `depth`. Takes a block where the slot itself has no room. */
  #newLeaf(key: Key, length: number, depth: number, kind: number, answer: number): number {
    if (fitsSlot(length, depth, answer)) return inlineLeaf(key, length, depth, kind, answer)
    const memory = this.#memory
    const words = length > depth ? ((length - 1) >> 5) - (depth >> 5) + 1 : 0
    const unit = this.#take((2 + words) >> 1)
    const leaf = unit * 2
    memory[leaf] = length | (words << 8) | (answer << 11)
    writeWords(memory, leaf + 1, length, words, key)
    return (unit << 4) | (length > depth ? slotOpen : 0) | leafInBlock | kind
  }

  #releaseLeaf(slot: number): void {
    if ((slot & leafInBlock) === 0) return
    const words = 1 + ((this.#memory[blockOf(slot)]! >>> 8) & 7)
    this.#blocks.release(slot >>> 4, (words + 1) >> 1)
  }

  /** Reads a leaf's prefix into #other and #otherLength; `key` gives the bits before the slot's depth. */
  #readLeaf(slot: number, depth: number, key: Key): void {
    const memory = this.#memory
    const other = this.#other
    if (key !== other) other.set(key)
    cut(other, depth)
    if ((slot & leafInBlock) !== 0) {
      const leaf = blockOf(slot)
      const fields = memory[leaf]!
      this.#otherLength = fields & 255
      readWords(memory, leaf + 1, fields & 255, (fields >>> 8) & 7, other)
      return
    }
    const mark = slot & restMask & -(slot & restMask)
    const rest = Math.clz32(mark)
    if (rest > 0) other[depth >> 5]! |= ((slot & restMask) ^ mark) >>> (depth & 31)
    this.#otherLength = depth + rest
  }

  /** Sets an entry where a leaf hangs: in its place, or beside it in a new node. Takes at most two blocks. */
  #setBesideLeaf(at: number, depth: number, length: number, kind: EntryKind, answer: number): void {
    const memory = this.#memory
    const slot = memory[at]!
    this.#readLeaf(slot, depth, this.#key)
    const otherLength = this.#otherLength
    const agreed = Math.min(agreedBits(this.#key, this.#other), length, otherLength)
    if (agreed === length && agreed === otherLength) {
      memory[at] = this.#newLeaf(this.#key, length, depth, kind, answer)
      this.#releaseLeaf(slot)
      return
    }
    const end = agreed & ~3
    const otherAnswer = leafAnswer(memory, slot)
    let position: number
    let word: number
    let isBlockKept = false
    if (otherLength < end + 4) {
      position = innerPosition(this.#other, end, otherLength)
      word = (slot & kindMask) | (otherAnswer << 2)
    } else {
      position = nibbleOf(this.#other, end)
      isBlockKept = !fitsSlot(otherLength, end + 4, otherAnswer)
      word = isBlockKept
        ? (slot & ~slotOpen) | (otherLength > end + 4 ? slotOpen : 0)
        : inlineLeaf(this.#other, otherLength, end + 4, slot & kindMask, otherAnswer)
    }
    this.#fork(at, depth, end, position, word, length, kind, answer)
    if (!isBlockKept) this.#releaseLeaf(slot)
  }

  /** Sets an entry that leaves the skip of the node in a slot at `end`. Takes at most two blocks. */
  #setInSkip(
    at: number,
    depth: number,
    end: number,
    length: number,
    kind: EntryKind,
    answer: number,
  ): void {
    const memory = this.#memory
    const slot = memory[at]!
    const node = blockOf(slot)
    const other = this.#other
    const nodeEnd = memory[node + 1]! & 255
    other.set(this.#key)
    readWords(memory, node + 2, nodeEnd, memory[node + 1]! >>> 8, other)
    const word = (slot & ~15) | nodeSummary(memory, node, end + 4)
    this.#fork(at, depth, end, nibbleOf(other, end), word, length, kind, answer)
  }

  /** Puts a node at `end` into a slot: what hung there, as item `position`, and the key's entry. */
  #fork(
    at: number,
    depth: number,
    end: number,
    position: number,
    word: number,
    length: number,
    kind: EntryKind,
    answer: number,
  ): void {
    const memory = this.#memory
    const isInner = length < end + 4
    const own = isInner ? innerPosition(this.#key, end, length) : nibbleOf(this.#key, end)
    const entry = isInner
      ? kind | (answer << 2)
      : this.#newLeaf(this.#key, length, end + 4, kind, answer)
    let node: number
    try {
      node = this.#newNode(this.#key, depth, end, (1 << position) | (1 << own))
    } catch (error) {
      if (!isInner) this.#releaseLeaf(entry)
      throw error
    }
    memory[itemAt(memory, node, position)] = word
    memory[itemAt(memory, node, own)] = entry
    memory[at] = (node << 3) | nodeSummary(memory, node, depth)
  }

  /** Bits of the key, at most `limit`, that agree with a node's skip. */
  #agreedSkip(key: Key, node: number, limit: number): number {
    const memory = this.#memory
    const end = memory[node + 1]! & 255
    const words = memory[node + 1]! >>> 8
    let index = ((end - 1) >> 5) - words + 1
    for (let at = node + 2; at < node + 2 + words; at++, index++) {
      const difference = memory[at]! ^ key[index]!
      if (difference !== 0) return Math.min(index * 32 + Math.clz32(difference), limit)
    }
    return limit
  }

  #summarise(at: number, depth: number): void {
    const slot = this.#memory[at]!
    this.#memory[at] = (slot & ~15) | nodeSummary(this.#memory, blockOf(slot), depth)
  }

  /** Brings the l and o bits of the first `level` slots on the path up to date, from the bottom. */
  #summarisePath(level: number): void {
    for (let i = level - 1; i >= 0; i--) {
      const at = this.#pathSlots[i]!
      const before = this.#memory[at]!
      this.#summarise(at, this.#pathDepths[i]!)
      if (this.#memory[at] === before) return
    }
  }

  #releaseOwned(slot: number): void {
    if (slot === 0) return
    const unit = slot >>> 4
    if ((slot & kindMask) !== 0) {
      if ((slot & leafInBlock) !== 0 && this.#blocks.isOwned(unit)) this.#releaseLeaf(slot)
      return
    }
    if (!this.#blocks.isOwned(unit)) return
    const memory = this.#memory
    const node = blockOf(slot)
    const items = itemsOf(memory, node)
    const children = popcount(memory[node]! & 0xffff)
    for (let i = 0; i < children; i++) this.#releaseOwned(memory[items + i]!)
    this.#blocks.release(unit, (nodeWords(memory, node) + 1) >> 1)
  }
}

function full(): OperationalError {
  return new OperationalError('capacity-reached', 'the shared tree is full: raise dns.capacity')
}

function nodeWords(memory: Int32Array, node: number): number {
  return itemsOf(memory, node) - node + popcount(memory[node]! & itemBits)
}

function hasItem(memory: Int32Array, node: number, position: number): boolean {
  return (memory[node]! & (1 << position)) !== 0
}

/** Word index of a node's item, or where it would go. */
function itemAt(memory: Int32Array, node: number, position: number): number {
  return itemsOf(memory, node) + popcount(memory[node]! & ((1 << position) - 1))
}

function leafAnswer(memory: Int32Array, slot: number): number {
  return (slot & leafInBlock) === 0 ? (slot >>> 3) & maxInlineAnswer : memory[blockOf(slot)]! >>> 11
}

function fitsSlot(length: number, depth: number, answer: number): boolean {
  const rest = length - depth
  return (
    rest <= maxInlineRest && (rest === 0 || (depth & 31) + rest <= 32) && answer <= maxInlineAnswer
  )
}

function inlineLeaf(key: Key, length: number, depth: number, kind: number, answer: number): number {
  const rest = length - depth
  const bits = rest === 0 ? 0 : key[depth >> 5]! << (depth & 31)
  return bits | (1 << (31 - rest)) | (answer << 3) | kind
}

/** Header bit of the inner entry for the key with `length`, in a node at `end`. */
function innerPosition(key: Key, end: number, length: number): number {
  const bits = length - end
  return 15 + (1 << bits) + (bits === 0 ? 0 : nibbleOf(key, end) >> (4 - bits))
}

function nibbleOf(key: Key, depth: number): number {
  return (key[depth >> 5]! << (depth & 31)) >>> 28
}

/** Clears the bits from `length` on. */
function cut(key: Key, length: number): void {
  const whole = length >> 5
  if (whole > 3) return
  key[whole]! &= (length & 31) === 0 ? 0 : lastWordMask(length)
  for (let i = whole + 1; i < 4; i++) key[i] = 0
}

/** Sets `count` ≤ 4 bits, clear before, at a `depth` that is a multiple of 4. */
function putBits(key: Key, depth: number, count: number, value: number): void {
  if (count > 0) key[depth >> 5]! |= value << (32 - count - (depth & 31))
}

function agreedBits(a: Key, b: Key): number {
  for (let i = 0; i < 4; i++) {
    const difference = a[i]! ^ b[i]!
    if (difference !== 0) return i * 32 + Math.clz32(difference)
  }
  return 128
}

/** Reads `words` stored key words, the last of which holds bit `end - 1`; bits from `end` on become 0. */
function readWords(memory: Int32Array, at: number, end: number, words: number, key: Key): void {
  const last = (end - 1) >> 5
  for (let i = 0; i < words; i++) key[last - i] = memory[at + words - 1 - i]!
}

/** Stores key words as `readWords` reads them. */
function writeWords(memory: Int32Array, at: number, end: number, words: number, key: Key): void {
  const last = (end - 1) >> 5
  for (let i = 0; i < words; i++) memory[at + words - 1 - i] = key[last - i]!
  if (words > 0) memory[at + words - 1]! &= lastWordMask(end)
}

function copyWords(memory: Int32Array, from: number, to: number, count: number): void {
  for (let i = 0; i < count; i++) memory[to + i] = memory[from + i]!
}
