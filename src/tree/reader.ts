// Looks up addresses in the shared tree (layout.ts): the longest prefix decides, but an exemption always wins. Also tells whether
// anything is listed under a partial address. After construction it neither allocates nor throws. openReader checks the buffer
// and makes a reader. Written by hand: no package keeps a tree in memory that threads share.
import { agrees, keyWord } from './key.ts'
import {
  blockOf,
  childBits,
  childSummary,
  entryKinds,
  entryWords,
  firstAnswerOf,
  full,
  headerAt,
  headMask,
  innerAt,
  innerBits,
  innerCovering,
  innerLength,
  innerRange,
  kindMask,
  kindWord,
  leafBit,
  leafCount,
  leafForm,
  leafLength,
  listedBit,
  narrow,
  narrowLength,
  nibbleRange,
  popcount,
  readersAt,
  readerWords,
  segmentOf,
  skipWords,
  tailMask,
  versionAt,
  wideLength,
} from './layout.ts'
import { Prefetch } from './prefetch.ts'

/**
 * One thread's view of the tree, with a reader slot of its own. Call `enter` before a look-up, and `leave` before the thread
 * waits. All answers in between are from one version.
 */
export class TreeReader {
  /** After `find` has found a listing: the length of its prefix in bits. */
  matchedLength = 0
  /** Figures of the pinned version, as `TreeWriter.publish` got them. Times are epoch seconds. */
  serial = 0
  generatedAt = 0
  validUntil = 0
  ipv4Entries = 0
  ipv6Entries = 0
  readonly #memory: Int32Array<SharedArrayBuffer>
  readonly #announced: number
  readonly #prefetch: Prefetch
  #ref4 = 0
  #bits4 = 0
  #ref6 = 0
  #bits6 = 0

  /** @param slot 0 to maxReaders - 1; no other reader in use may have it */
  constructor(buffer: SharedArrayBuffer, slot: number) {
    this.#memory = new Int32Array(buffer)
    this.#announced = readersAt + slot * readerWords
    this.#prefetch = new Prefetch(this.#memory)
  }

  /**
   * Pins the newest version, so that its memory is not reused before `leave`, and releases the one pinned before. Call it once
   * for each packet or batch of packets.
   */
  enter(): void {
    const memory = this.#memory
    Atomics.store(memory, this.#announced, Atomics.load(memory, headerAt.epoch))
    const version = Atomics.load(memory, headerAt.current)
    this.#ref4 = memory[version + versionAt.root4]!
    this.#bits4 = memory[version + versionAt.root4 + 1]!
    this.#ref6 = memory[version + versionAt.root6]!
    this.#bits6 = memory[version + versionAt.root6 + 1]!
    this.serial = memory[version + versionAt.serial]! >>> 0
    this.generatedAt = memory[version + versionAt.generatedAt]! >>> 0
    this.validUntil = memory[version + versionAt.validUntil]! >>> 0
    this.ipv4Entries = memory[version + versionAt.ipv4Entries]! >>> 0
    this.ipv6Entries = memory[version + versionAt.ipv6Entries]! >>> 0
  }

  /** Releases the version, so that its memory can be reused. `find` then finds nothing until the next `enter`. */
  leave(): void {
    this.#ref4 = 0
    this.#bits4 = 0
    this.#ref6 = 0
    this.#bits6 = 0
    Atomics.store(this.#memory, this.#announced, 0)
  }

  /** The codes of an answer that `find` returned: bit n stands for 127.0.0.n. */
  answerCodes(answer: number): number {
    const segment = segmentOf(answer)
    const records = this.#memory[headerAt.segments + segment]!
    return this.#memory[records + (answer - firstAnswerOf(segment)) * 2]!
  }

  /** Prefetches for the `find` of `count` addresses; see Prefetch.run. Does not change any result. */
  prefetch(words: Int32Array, families: Uint8Array, count: number): void {
    this.#prefetch.run(words, families, count, this.#ref4, this.#bits4, this.#ref6, this.#bits6)
  }

  /**
   * Looks up an address (four words, most significant first; IPv4 in the first word). Returns the answer's index, or -1 if the
   * address is not listed. If an exemption of any length covers it, it is not listed. Otherwise the longest listing or
   * exclusion decides.
   *
   * @param batchIndex the address's index in the last `prefetch`, since which `enter` must not have been called; -1 if it was
   * not prefetched
   */
  find(
    family: 4 | 6,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    batchIndex: number = -1,
  ): number {
    const memory = this.#memory
    let ref = family === 4 ? this.#ref4 : this.#ref6
    let bits = family === 4 ? this.#bits4 : this.#bits6
    /** The key from bit `depth` to the end of its word, left-aligned. */
    let word = w0 | 0
    let depth = 0
    if (batchIndex >= 0) {
      ref = this.#prefetch.refOf(batchIndex)
      bits = this.#prefetch.bitsOf(batchIndex)
      depth = this.#prefetch.depthOf(batchIndex)
      word = keyWord(depth >>> 5, w0, w1, w2, w3) << (depth & 31)
    }
    /** The longest entry found so far (kind | answer << 2). */
    let best = 0
    let bestLength = 0
    while ((ref & leafBit) === 0) {
      let children = blockOf(ref)
      if (bits >>> 16 !== 0) {
        if (bits < 0) {
          const skip = memory[children]!
          depth = skip & 255
          if (!agrees(memory, children + 1, depth, skip >>> 8, w0, w1, w2, w3)) {
            return this.#decide(best, bestLength)
          }
          children += skipWords(memory, children)
          word = keyWord(depth >>> 5, w0, w1, w2, w3) << (depth & 31)
        }
        let inner = bits & innerCovering[word >>> 28]!
        const longest = inner
        while (inner !== 0) {
          const position = 31 - Math.clz32(inner)
          const entry = memory[innerAt(children, bits, position)]!
          if ((entry & kindMask) === entryKinds.exemption) return -1
          if (inner === longest) {
            best = entry
            bestLength = depth + innerLength(position)
          }
          inner ^= 1 << position
        }
      }
      const nibble = word >>> 28
      const child = 1 << nibble
      if ((bits & child) === 0) return this.#decide(best, bestLength)
      const at = children + (popcount(bits & (child - 1)) << 1)
      ref = memory[at]!
      bits = memory[at + 1]!
      depth += 4
      word = (depth & 31) === 0 ? keyWord(depth >>> 5, w0, w1, w2, w3) : word << 4
    }
    const entry = this.#findInLeaf(blockOf(ref), bits, word >>> 24, w0, w1, w2, w3)
    if (entry === 0) return this.#decide(best, bestLength)
    return this.#decide(entry, leafLength(bits))
  }

  /**
   * The entry (kind | answer << 2) of a leaf that covers the address, or 0. `guess` (0–255) tells where in the leaf to begin the
   * search. The key's next eight bits are a good guess if the entries are evenly spread.
   */
  #findInLeaf(
    leaf: number,
    bits: number,
    guess: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
  ): number {
    const memory = this.#memory
    const length = leafLength(bits)
    const form = leafForm(bits)
    const count = leafCount(bits)
    const first = (guess * count) >>> 8
    if (form === narrow) {
      const start = length > narrowLength ? length - narrowLength : 0
      const mask = length > narrowLength ? tailMask : headMask(length)
      const sought = (bitsFrom(start, w0, w1, w2, w3) & mask) >>> 14
      const end = leaf + count
      let at = leaf + first
      if (memory[at]! >>> 14 < sought) {
        do at++
        while (at < end && memory[at]! >>> 14 < sought)
        if (at === end) return 0
      } else {
        while (at > leaf && memory[at - 1]! >>> 14 >= sought) at--
      }
      return memory[at]! >>> 14 === sought ? memory[at]! & ~tailMask : 0
    }
    if (form === full) {
      const words = entryWords(bits)
      for (let i = 0, at = leaf; i < count; i++, at += words) {
        if (agrees(memory, at + 1, length, words - 1, w0, w1, w2, w3)) return memory[at]!
      }
      return 0
    }
    const start = length > wideLength ? length - wideLength : 0
    const head = bitsFrom(start, w0, w1, w2, w3) & (length >= 32 ? -1 : headMask(length))
    const tail =
      length > 32 ? bitsFrom(start + 32, w0, w1, w2, w3) & headMask(length - start - 32) : 0
    const end = leaf + 2 * count
    let at = leaf + 2 * first
    if (memory[at]! >>> 0 < head >>> 0) {
      do at += 2
      while (at < end && memory[at]! >>> 0 < head >>> 0)
    } else {
      while (at > leaf && memory[at - 2]! >>> 0 >= head >>> 0) at -= 2
    }
    for (; at < end && memory[at] === head; at += 2) {
      if ((memory[at + 1]! & tailMask) === tail) return memory[at + 1]! & ~tailMask
    }
    return 0
  }

  #decide(entry: number, length: number): number {
    if ((entry & kindMask) !== entryKinds.listing) return -1
    this.matchedLength = length
    return entry >>> 2
  }

  /**
   * Whether `find` would find a listing for at least one address that begins with the first `length` bits of the words.
   * Addresses that an exclusion or exemption takes out do not count. Reads one path only, however much is below it.
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
    let ref = family === 4 ? this.#ref4 : this.#ref6
    let bits = family === 4 ? this.#bits4 : this.#bits6
    let depth = 0
    /** Whether the longest entry that covers the whole partial prefix, of those found so far, is a listing. */
    let covered = false
    while ((ref & leafBit) === 0) {
      let children = blockOf(ref)
      if (bits < 0) {
        const skip = memory[children]!
        const end = Math.min(skip & 255, length)
        if (!agreesTo(memory, children + 1, skip & 255, skip >>> 8, end, w0, w1, w2, w3)) {
          return covered
        }
        if (length < (skip & 255)) return covered || (ref & listedBit) !== 0
        children += skipWords(memory, children)
        depth = skip & 255
      }
      const nibble = (keyWord(depth >>> 5, w0, w1, w2, w3) << (depth & 31)) >>> 28
      if (length < depth + 4) {
        return this.#isListedWithin(children, bits, length - depth, nibble, covered)
      }
      let inner = bits & innerCovering[nibble]!
      const longest = inner
      while (inner !== 0) {
        const position = 31 - Math.clz32(inner)
        const kind = memory[innerAt(children, bits, position)]! & kindMask
        if (kind === entryKinds.exemption) return false
        if (inner === longest) covered = kind === entryKinds.listing
        inner ^= 1 << position
      }
      const child = 1 << nibble
      if ((bits & child) === 0) return covered
      const at = children + (popcount(bits & (child - 1)) << 1)
      ref = memory[at]!
      bits = memory[at + 1]!
      depth += 4
    }
    return this.#isListedByLeaf(blockOf(ref), bits, w0, w1, w2, w3, length, covered)
  }

  /** `hasEntryUnder` for a partial prefix that ends `length` (0–3) bits into a node's nibble. */
  #isListedWithin(
    children: number,
    bits: number,
    length: number,
    nibble: number,
    above: boolean,
  ): boolean {
    const memory = this.#memory
    const summary = childSummary(memory, children, bits)
    let listed = summary & childBits
    let open = summary >>> 16
    let covered = above
    let isDecided = false
    for (let inner = bits & innerBits; inner !== 0; ) {
      const position = 31 - Math.clz32(inner)
      const bit = 1 << position
      const kind = memory[innerAt(children, bits, position)]! & kindMask
      if (innerLength(position) > length) {
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
    const range = nibbleRange(length, nibble >> (4 - length))
    return (listed & range) !== 0 || (covered && (open & range) !== 0)
  }

  /** `hasEntryUnder` for a path that ends in a leaf. */
  #isListedByLeaf(
    leaf: number,
    bits: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    length: number,
    covered: boolean,
  ): boolean {
    const memory = this.#memory
    const entryLength = leafLength(bits)
    if (length >= entryLength) {
      const entry = this.#findInLeaf(leaf, bits, 0, w0, w1, w2, w3)
      return entry === 0 ? covered : (entry & kindMask) === entryKinds.listing
    }
    const form = leafForm(bits)
    const words = entryWords(bits)
    const end = leaf + leafCount(bits) * words
    const kept = form === narrow ? narrowLength : wideLength
    const start = entryLength > kept ? entryLength - kept : 0
    const compared = length - start
    const head = bitsFrom(start, w0, w1, w2, w3)
    const tail = bitsFrom(start + 32, w0, w1, w2, w3)
    let inside = 0
    for (let at = leaf; at < end; at += words) {
      const isInside =
        form === full
          ? agreesTo(memory, at + 1, entryLength, words - 1, length, w0, w1, w2, w3)
          : compared <= 32
            ? ((memory[at]! ^ head) & headMask(compared)) === 0
            : memory[at]! === head && ((memory[at + 1]! ^ tail) & headMask(compared - 32)) === 0
      if (!isInside) continue
      if ((memory[at + kindWord(bits)]! & kindMask) === entryKinds.listing) return true
      inside++
    }
    const free = entryLength - length
    return covered && (free > 5 || inside < 1 << free)
  }
}

/** The 32 bits of the key from `start` on; bits beyond the end are 0. */
function bitsFrom(start: number, w0: number, w1: number, w2: number, w3: number): number {
  const index = start >>> 5
  const shift = start & 31
  const next = index === 3 ? 0 : keyWord(index + 1, w0, w1, w2, w3)
  return (keyWord(index, w0, w1, w2, w3) << shift) | ((next >>> 1) >>> (31 - shift))
}

/** Like `agrees`, but compares only up to bit `upTo`, at most `end`. */
function agreesTo(
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
  return agrees(memory, at, upTo, words - missing, w0, w1, w2, w3)
}
