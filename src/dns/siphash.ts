// SipHash-2-4 (Aumasson and Bernstein, 2012), the keyed hash of server cookies (RFC 9018 §4.4). A 64-bit word is a pair of 32-bit
// integers. Written by hand: Node's crypto does not have it, and packages of it allocate.

/** Octets of a key. */
export const sipKeyLength = 16

/**
 * Hashes the first `length` octets of `bytes`. The key is the four little-endian words from `key[at]` on. Writes the hash, eight
 * octets with the least significant first, into `into` at `offset`.
 */
export function putSipHash(
  into: Uint8Array,
  offset: number,
  key: Int32Array,
  at: number,
  bytes: Uint8Array,
  length: number,
): void {
  const k0 = key[at]! | 0
  const k1 = key[at + 1]! | 0
  const k2 = key[at + 2]! | 0
  const k3 = key[at + 3]! | 0
  let v0 = k0 ^ 0x70736575
  let v0h = k1 ^ 0x736f6d65
  let v1 = k2 ^ 0x6e646f6d
  let v1h = k3 ^ 0x646f7261
  let v2 = k0 ^ 0x6e657261
  let v2h = k1 ^ 0x6c796765
  let v3 = k2 ^ 0x79746573
  let v3h = k3 ^ 0x74656462
  const blocks = length >>> 3
  // First the whole blocks, then the block that has the length at its end, then four rounds to finish.
  for (let block = 0; block <= blocks + 1; block++) {
    const isFinish = block > blocks
    const low = isFinish ? 0 : littleEndian(bytes, block * 8, length)
    const high = isFinish
      ? 0
      : littleEndian(bytes, block * 8 + 4, length) | (block === blocks ? length << 24 : 0)
    v3 ^= low
    v3h ^= high
    if (isFinish) v2 ^= 0xff
    const rounds = isFinish ? 4 : 2
    for (let round = 0; round < rounds; round++) {
      // v0 += v1; v1 = rotl(v1, 13) ^ v0; v0 = rotl(v0, 32)
      let sum = (v0 + v1) | 0
      v0h = (v0h + v1h + carry(sum, v0)) | 0
      v0 = sum
      let t = (v1 << 13) | (v1h >>> 19)
      v1h = ((v1h << 13) | (v1 >>> 19)) ^ v0h
      v1 = t ^ v0
      t = v0
      v0 = v0h
      v0h = t
      // v2 += v3; v3 = rotl(v3, 16) ^ v2
      sum = (v2 + v3) | 0
      v2h = (v2h + v3h + carry(sum, v2)) | 0
      v2 = sum
      t = (v3 << 16) | (v3h >>> 16)
      v3h = ((v3h << 16) | (v3 >>> 16)) ^ v2h
      v3 = t ^ v2
      // v0 += v3; v3 = rotl(v3, 21) ^ v0
      sum = (v0 + v3) | 0
      v0h = (v0h + v3h + carry(sum, v0)) | 0
      v0 = sum
      t = (v3 << 21) | (v3h >>> 11)
      v3h = ((v3h << 21) | (v3 >>> 11)) ^ v0h
      v3 = t ^ v0
      // v2 += v1; v1 = rotl(v1, 17) ^ v2; v2 = rotl(v2, 32)
      sum = (v2 + v1) | 0
      v2h = (v2h + v1h + carry(sum, v2)) | 0
      v2 = sum
      t = (v1 << 17) | (v1h >>> 15)
      v1h = ((v1h << 17) | (v1 >>> 15)) ^ v2h
      v1 = t ^ v2
      t = v2
      v2 = v2h
      v2h = t
    }
    v0 ^= low
    v0h ^= high
  }
  putLittleEndian(into, offset, v0 ^ v1 ^ v2 ^ v3)
  putLittleEndian(into, offset + 4, v0h ^ v1h ^ v2h ^ v3h)
}

/** Returns 1 if the 32-bit addition of `addend` that gave `sum` overflowed, else 0. */
function carry(sum: number, addend: number): number {
  // With flipped sign bits, signed integers compare like unsigned ones.
  return (sum ^ 0x80000000) < (addend ^ 0x80000000) ? 1 : 0
}

/** The word at `offset`; octets from `length` on count as 0. */
function littleEndian(bytes: Uint8Array, offset: number, length: number): number {
  if (offset + 4 <= length) {
    return (
      bytes[offset]! |
      (bytes[offset + 1]! << 8) |
      (bytes[offset + 2]! << 16) |
      (bytes[offset + 3]! << 24)
    )
  }
  let word = 0
  for (let index = Math.min(4, length - offset) - 1; index >= 0; index--) {
    word = (word << 8) | bytes[offset + index]!
  }
  return word
}

function putLittleEndian(bytes: Uint8Array, offset: number, word: number): void {
  bytes[offset] = word
  bytes[offset + 1] = word >>> 8
  bytes[offset + 2] = word >>> 16
  bytes[offset + 3] = word >>> 24
}
