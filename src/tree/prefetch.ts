// Reads the part of the tree that the look-ups of many addresses will need, so that it is in the processor's cache when they run.
// All addresses go down the tree together, one node at a time, so that their waits for memory overlap.
import { agrees } from './key.ts'
import {
  blockOf,
  entryWords,
  innerCovering,
  leafBit,
  leafCount,
  popcount,
  skipWords,
} from './layout.ts'

/** The most addresses in a batch. */
export const maxBatch = 128
/** An address is followed only to this depth, since most IPv6 prefixes are not longer. */
const followedBits = 64

/**
 * Where each list begins in the one array that holds all state. With several arrays, the loads would be more instructions
 * apart, and fewer of them would overlap. The first four lists have, for each address on its way down: ref, bits and depth of
 * its slot, and its index in the batch. `slotsAt` and `leavesAt` begin lists of the word indexes to read next.
 */
const refsAt = 0
const bitsAt = maxBatch
const depthsAt = 2 * maxBatch
const indexesAt = 3 * maxBatch
const slotsAt = 4 * maxBatch
const leavesAt = 5 * maxBatch
/** For each address of the batch: ref, bits and depth of the slot where its look-up can begin. */
const startRefsAt = 6 * maxBatch
const startBitsAt = 7 * maxBatch
const startDepthsAt = 8 * maxBatch
const stateWords = 9 * maxBatch

export class Prefetch {
  readonly #memory: Int32Array<SharedArrayBuffer>
  readonly #state = new Int32Array(stateWords)

  constructor(memory: Int32Array<SharedArrayBuffer>) {
    this.#memory = memory
  }

  /**
   * The ref of the slot where the look-up of this address can begin, as the last `run` found it. The next two give its bits and
   * depth.
   */
  refOf(index: number): number {
    return this.#state[startRefsAt + index]!
  }

  bitsOf(index: number): number {
    return this.#state[startBitsAt + index]!
  }

  depthOf(index: number): number {
    return this.#state[startDepthsAt + index]!
  }

  /**
   * Goes down from the roots with `count` addresses, at most maxBatch.
   *
   * @param words two words for each address: an IPv4 address and 0, or the first two words of an IPv6 address
   * @param families 4 or 6 for each address; 0 if there is no address
   */
  run(
    words: Int32Array,
    families: Uint8Array,
    count: number,
    ref4: number,
    bits4: number,
    ref6: number,
    bits6: number,
  ): void {
    const memory = this.#memory
    const state = this.#state
    for (let index = 0; index < count; index++) {
      const family = families[index]!
      state[refsAt + index] = family === 4 ? ref4 : family === 6 ? ref6 : 0
      state[bitsAt + index] = family === 4 ? bits4 : family === 6 ? bits6 : 0
      state[depthsAt + index] = 0
      state[indexesAt + index] = index
      state[startRefsAt + index] = 0
    }
    let seen = 0
    for (let left = count; left > 0; ) {
      // First work out which words all addresses need. Then read them in a loop of few instructions.
      let nodes = 0
      let leaves = leavesAt
      for (let place = 0; place < left; place++) {
        const ref = state[refsAt + place]!
        const bits = state[bitsAt + place]!
        const index = state[indexesAt + place]!
        const start = state[depthsAt + place]!
        let depth = start
        let children = blockOf(ref)
        if ((ref & leafBit) !== 0) {
          // Where the search of the leaf begins; it mostly ends in the same cache line.
          const guess = (words[index * 2 + (depth >>> 5)]! << (depth & 31)) >>> 24
          state[leaves++] = children + ((guess * leafCount(bits)) >>> 8) * entryWords(bits)
          this.#beginAt(index, ref, bits, start)
          continue
        }
        if (bits < 0) {
          const skip = memory[children]!
          depth = skip & 255
          const w0 = words[index * 2]!
          const w1 = words[index * 2 + 1]!
          if (
            depth >= followedBits ||
            !agrees(memory, children + 1, depth, skip >>> 8, w0, w1, 0, 0)
          ) {
            this.#beginAt(index, ref, bits, start)
            continue
          }
          children += skipWords(memory, children)
        }
        const nibble = (words[index * 2 + (depth >>> 5)]! << (depth & 31)) >>> 28
        const child = 1 << nibble
        const isLast = (bits & child) === 0 || depth + 4 >= followedBits
        // The look-up must begin here if an inner entry covers the address.
        if (isLast || (bits & innerCovering[nibble]!) !== 0) {
          this.#beginAt(index, ref, bits, start)
          if (isLast) continue
        }
        state[slotsAt + nodes] = children + (popcount(bits & (child - 1)) << 1)
        state[depthsAt + nodes] = depth + 4
        state[indexesAt + nodes] = index
        nodes++
      }
      for (let place = 0; place < nodes; place++) {
        const slot = state[slotsAt + place]!
        state[refsAt + place] = memory[slot]!
        state[bitsAt + place] = memory[slot + 1]!
      }
      for (let place = leavesAt; place < leaves; place++) seen ^= memory[state[place]!]!
      left = nodes
    }
    // Store the result, so that no compiler drops the reads as unused.
    state[refsAt] = seen
  }

  /** Makes the look-up begin at this slot, unless it must begin at one further up. */
  #beginAt(index: number, ref: number, bits: number, depth: number): void {
    const state = this.#state
    if (state[startRefsAt + index] !== 0) return
    state[startRefsAt + index] = ref
    state[startBitsAt + index] = bits
    state[startDepthsAt + index] = depth
  }
}
