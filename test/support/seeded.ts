// Random numbers that are the same in every run: for benchmarks that compare from one to the next, and for tests.

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

/** A list of so many addresses that may be listed, one a line: seeded, in no order. */
export function randomLines(count: number): string {
  const lines: string[] = []
  const random = seeded(1)
  while (lines.length < count) {
    const word = random()
    lines.push(
      `${11 + ((word >>> 24) % 80)}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`,
    )
  }
  return `${lines.join('\n')}\n`
}
