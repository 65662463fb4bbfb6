// Looks addresses up in the shared tree (layout.ts draws it): longest-prefix match where an exemption wins, and
// "is anything listed under this partial name?". Called by dns for each query; after construction it neither
// allocates nor throws. Open one with openReader (open-reader.ts), which checks the buffer first.
import {
  blockOf,
  childBits,
  childSummary,
  entryKinds,
  headerAt,
  innerBits,
  innerCovering,
  innerLength,
  innerRange,
  kindMask,
  lastWordMask,
  leafInBlock,
  nibbleRange,
  popcount,
  readersAt,
  readerWords,
  restMask,
  slotListed,
  versionAt,
} from './layout.ts'

/**
 * One thread's view of the tree, through the reader slot it alone uses. Call `enter` before looking, and `leave`
 * before blocking; between them every answer comes from one version.
 */
export class TreeReader {
  /** Prefix length in bits that decided the last `find` which found a listing. */
  matchedLength = 0
  /** The pinned version's particulars, as `TreeWriter.publish` was given them; epoch seconds and counts. */
  serial = 0
  generatedAt = 0
  validUntil = 0
  ipv4Entries = 0
  ipv6Entries = 0
  readonly #memory: Int32Array<SharedArrayBuffer>
  readonly #announced: number
  #root4 = 0
  #root6 = 0

  /** @param slot 0 to maxReaders - 1; no other living reader may have it. */
  constructor(buffer: SharedArrayBuffer, slot: number) {
    this.#memory = new Int32Array(buffer)
    this.#announced = readersAt + slot * readerWords
  }

  /** Pins the newest version, letting go the one pinned before. Once for each packet or batch of packets. */
  enter(): void {
    const memory = this.#memory
    Atomics.store(memory, this.#announced, Atomics.load(memory, headerAt.epoch))
    const version = Atomics.load(memory, headerAt.current)
    this.#root4 = memory[version + versionAt.root4]!
    this.#root6 = memory[version + versionAt.root6]!
    this.serial = memory[version + versionAt.serial]! >>> 0
    this.generatedAt = memory[version + versionAt.generatedAt]! >>> 0
    this.validUntil = memory[version + versionAt.validUntil]! >>> 0
    this.ipv4Entries = memory[version + versionAt.ipv4Entries]! >>> 0
    this.ipv6Entries = memory[version + versionAt.ipv6Entries]! >>> 0
  }

  /** Goes offline: holds no memory back, and finds nothing until the next `enter`. */
  leave(): void {
    this.#root4 = 0
    this.#root6 = 0
    Atomics.store(this.#memory, this.#announced, 0)
  }

  /** The A set of an answer that `find` gave: bit n stands for 127.0.0.n. */
  answerCodes(answer: number): number {
    const segment = 26 - Math.clz32(answer | 32)
    const first = segment === 0 ? 0 : 32 << segment
    return this.#memory[this.#memory[headerAt.segments + segment]! + (answer - first) * 2]!
  }

  /**
   * The answer index of an address (four words as ip/address.ts has them), or -1 when it is not listed. An
   * exemption on its path wins at any length; else the longest listing or exclusion decides.
   */
  find(family: 4 | 6, w0: number, w1: number, w2: number, w3: number): number {
    const memory = this.#memory
    let slot = family === 4 ? this.#root4 : this.#root6
    let word = w0 | 0
    let depth = 0
    let best = 0
    let bestLength = 0
    while ((slot & kindMask) === 0) {
      if (slot === 0) return this.#answer(best, bestLength)
      let items = blockOf(slot)
      const header = memory[items++]!
      if (header < 0) {
        const skip = memory[items]!
        if (!matches(memory, items + 1, skip & 255, (skip >>> 8) & 7, w0, w1, w2, w3)) {
          return this.#answer(best, bestLength)
        }
        items += 1 + (skip >>> 8)
        depth = skip & 255
        word = keyWord(depth >>> 5, w0, w1, w2, w3) << (depth & 31)
      }
      const nibble = word >>> 28
      let inner = header & innerCovering[nibble]!
      if (inner !== 0) {
        const longest = 31 - Math.clz32(inner)
        do {
          const position = 31 - Math.clz32(inner)
          const bit = 1 << position
          const entry = memory[items + popcount(header & (bit - 1))]!
          if ((entry & kindMask) === entryKinds.exemption) return -1
          if (position === longest) {
            best = entry
            bestLength = depth + innerLength(position)
          }
          inner ^= bit
        } while (inner !== 0)
      }
      const child = 1 << nibble
      if ((header & child) === 0) return this.#answer(best, bestLength)
      slot = memory[items + popcount(header & (child - 1))]!
      depth += 4
      word = (depth & 31) === 0 ? keyWord(depth >>> 5, w0, w1, w2, w3) : word << 4
    }
    if ((slot & leafInBlock) === 0) {
      const mark = slot & restMask & -(slot & restMask)
      if (((slot ^ word) & -(mark << 1)) !== 0) return this.#answer(best, bestLength)
      best = (slot & kindMask) | (((slot >>> 3) & 0xfff) << 2)
      bestLength = depth + Math.clz32(mark)
    } else {
      const leaf = blockOf(slot)
      const fields = memory[leaf]!
      if (!matches(memory, leaf + 1, fields & 255, (fields >>> 8) & 7, w0, w1, w2, w3)) {
        return this.#answer(best, bestLength)
      }
      best = (slot & kindMask) | ((fields >>> 11) << 2)
      bestLength = fields & 255
    }
    return this.#answer(best, bestLength)
  }

  #answer(entry: number, length: number): number {
    if ((entry & kindMask) !== entryKinds.listing) return -1
    this.matchedLength = length
    return entry >>> 2
  }

  /**
   * Whether at least one address that begins with the first `length` bits of the words would be found listed:
   * holes and exemptions count. Looks at one path only, however much is below.
   */
  hasEntryUnder(
    family: 4 | 6,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
  ): boolean {
    const memory = this.#memory
    let slot = family === 4 ? this.#root4 : this.#root6
    let depth = 0
    /** Whether what covers the whole partial prefix so far is a listing. */
    let covered = false
    while ((slot & kindMask) === 0) {
      if (slot === 0) return covered
      let items = blockOf(slot)
      const header = memory[items++]!
      if (header < 0) {
        const skip = memory[items]!
        const end = Math.min(skip & 255, length)
        const words = (skip >>> 8) & 7
        if (!matchesTo(memory, items + 1, skip & 255, words, end, w0, w1, w2, w3)) return covered
        if (length < (skip & 255)) return covered || (slot & slotListed) !== 0
        items += 1 + words
        depth = skip & 255
      }
      const nibble = (keyWord(depth >>> 5, w0, w1, w2, w3) << (depth & 31)) >>> 28
      if (length < depth + 4) {
        return this.#isListedWithin(items, header, length - depth, nibble, covered)
      }
      let inner = header & innerCovering[nibble]!
      if (inner !== 0) {
        const longest = 31 - Math.clz32(inner)
        do {
          const position = 31 - Math.clz32(inner)
          const bit = 1 << position
          const kind = memory[items + popcount(header & (bit - 1))]! & kindMask
          if (kind === entryKinds.exemption) return false
          if (position === longest) covered = kind === entryKinds.listing
          inner ^= bit
        } while (inner !== 0)
      }
      const child = 1 << nibble
      if ((header & child) === 0) return covered
      slot = memory[items + popcount(header & (child - 1))]!
      depth += 4
    }
    return this.#isListedByLeaf(slot, depth, w0, w1, w2, w3, length, covered)
  }

  /** `hasEntryUnder` where the partial prefix ends `length` (0–3) bits into a node's nibble. */
  #isListedWithin(
    items: number,
    header: number,
    length: number,
    nibble: number,
    above: boolean,
  ): boolean {
    const memory = this.#memory
    const value = nibble >> (4 - length)
    const children = childSummary(memory, items, header)
    let listed = children & childBits
    let open = children >>> 16
    let covered = above
    let isDecided = false
    for (let inner = header & innerBits; inner !== 0; ) {
      const position = 31 - Math.clz32(inner)
      const bit = 1 << position
      const kind = memory[items + popcount(header & (bit - 1))]! & kindMask
      const short = length - innerLength(position)
      if (short < 0) {
        const range = innerRange(position)
        if (kind === entryKinds.listing) listed |= open & range
        else if (kind === entryKinds.exemption) listed &= ~range
        open &= ~range
      } else if ((innerCovering[nibble]! & bit) !== 0) {
        if (kind === entryKinds.exemption) return false
        if (!isDecided) covered = kind === entryKinds.listing
        isDecided = true
      }
      inner ^= bit
    }
    const range = nibbleRange(length, value)
    return (listed & range) !== 0 || (covered && (open & range) !== 0)
  }

  /** `hasEntryUnder` where one leaf is all there is on the path. */
  #isListedByLeaf(
    slot: number,
    depth: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    covered: boolean,
  ): boolean {
    const memory = this.#memory
    let leafLength: number
    let isOnPath: boolean
    if ((slot & leafInBlock) === 0) {
      const mark = slot & restMask & -(slot & restMask)
      const rest = Math.clz32(mark)
      const compared = Math.min(rest, length - depth)
      leafLength = depth + rest
      const word = keyWord(depth >>> 5, w0, w1, w2, w3) << (depth & 31)
      isOnPath = compared === 0 || (slot ^ word) >>> (32 - compared) === 0
    } else {
      const leaf = blockOf(slot)
      const fields = memory[leaf]!
      leafLength = fields & 255
      const end = Math.min(leafLength, length)
      const words = (fields >>> 8) & 7
      isOnPath = matchesTo(memory, leaf + 1, leafLength, words, end, w0, w1, w2, w3)
    }
    if (!isOnPath) return covered
    const kind = slot & kindMask
    if (leafLength <= length) return kind === entryKinds.listing
    return kind === entryKinds.listing || covered
  }
}

function keyWord(index: number, w0: number, w1: number, w2: number, w3: number): number {
  return (index < 2 ? (index === 0 ? w0 : w1) : index === 2 ? w2 : w3) | 0
}

/** Whether the key agrees with `words` stored key words, the last of which holds bit `end - 1`, up to `end`. */
function matches(
  memory: Int32Array,
  at: number,
  end: number,
  words: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
): boolean {
  if (words === 0) return true
  let index = (end - 1) >>> 5
  let from = at + words - 1
  if (((memory[from]! ^ keyWord(index, w0, w1, w2, w3)) & lastWordMask(end)) !== 0) return false
  while (from > at) {
    from--
    index--
    if (memory[from]! !== keyWord(index, w0, w1, w2, w3)) return false
  }
  return true
}

/** As `matches`, but only as far as `upTo` ≤ `end`. */
function matchesTo(
  memory: Int32Array,
  at: number,
  end: number,
  words: number,
  upTo: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
): boolean {
  if (words === 0 || upTo === 0) return true
  const missing = ((end - 1) >>> 5) - ((upTo - 1) >>> 5)
  if (missing >= words) return true
  return matches(memory, at, upTo, words - missing, w0, w1, w2, w3)
}
