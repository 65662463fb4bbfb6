// Arithmetic on a key: an address as four 32-bit words, most significant first. An IPv4 address is in the first word. The writer
// keeps a key in an array, the reader in four local variables.
import { lastWordMask } from './layout.ts'

export type Key = Int32Array

/** The four bits of the key at `depth`, a multiple of 4 below 128. */
export function nibbleOf(key: Key, depth: number): number {
  return (key[depth >> 5]! << (depth & 31)) >>> 28
}

/** The 32 bits from `start` on; bits beyond the end are 0. */
export function bitsFrom(key: Key, start: number): number {
  const shift = start & 31
  const index = start >> 5
  const next = index < 3 ? key[index + 1]! : 0
  return (key[index]! << shift) | ((next >>> 1) >>> (31 - shift))
}

/** The position, in a node at depth `end`, of the inner entry for the key's first `length` bits. */
export function innerPosition(key: Key, end: number, length: number): number {
  const bits = length - end
  return 15 + (1 << bits) + (bits === 0 ? 0 : nibbleOf(key, end) >> (4 - bits))
}

/** Sets all bits from `length` on to 0. */
export function cut(key: Key, length: number): void {
  const whole = length >> 5
  if (whole > 3) return
  key[whole]! &= (length & 31) === 0 ? 0 : lastWordMask(length)
  for (let i = whole + 1; i < 4; i++) key[i] = 0
}

/**
 * Sets the first `count` bits of `word` into the key at `start`. The key must be 0 there, and so must the other bits of `word`.
 */
export function putBits(key: Key, start: number, count: number, word: number): void {
  const shift = start & 31
  const index = start >> 5
  if (count > 0) key[index]! |= word >>> shift
  if (shift + count > 32) key[index + 1]! |= word << (32 - shift)
}

/** How many leading bits the two keys share: 0 to 128. */
export function agreedBits(a: Key, b: Key): number {
  for (let i = 0; i < 4; i++) {
    const difference = a[i]! ^ b[i]!
    if (difference !== 0) return i * 32 + Math.clz32(difference)
  }
  return 128
}

/** Reads a part of a key from memory: `words` words of 32 bits. The last of them holds the key's bit `end - 1`. */
export function readWords(
  memory: Int32Array,
  at: number,
  end: number,
  words: number,
  key: Key,
): void {
  const last = (end - 1) >> 5
  for (let i = 0; i < words; i++) key[last - i] = memory[at + words - 1 - i]!
}

/** Stores key words in the form that `readWords` reads; bits from `end` on are stored as 0. */
export function writeWords(
  memory: Int32Array,
  at: number,
  end: number,
  words: number,
  key: Key,
): void {
  const last = (end - 1) >> 5
  for (let i = 0; i < words; i++) memory[at + words - 1 - i] = key[last - i]!
  if (words > 0) memory[at + words - 1]! &= lastWordMask(end)
}

/** How many key words must be stored to hold the bits from `depth` to `end`. */
export function wordsBetween(depth: number, end: number): number {
  return end > depth ? ((end - 1) >> 5) - (depth >> 5) + 1 : 0
}

/** Word number `index` of a key that is given by its four words. */
export function keyWord(index: number, w0: number, w1: number, w2: number, w3: number): number {
  return (index < 2 ? (index === 0 ? w0 : w1) : index === 2 ? w2 : w3) | 0
}

/** Whether the key is equal, up to bit `end`, to `words` stored key words. The last of them holds bit `end - 1`. */
export function agrees(
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
