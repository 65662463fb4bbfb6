// Random numbers that are the same in every run, so that benchmarks compare from one to the next.

/** xorshift32: unsigned 32-bit numbers from a seed other than 0. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
