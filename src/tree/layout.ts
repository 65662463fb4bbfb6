// The shared-memory radix tree, word by word. The writer fills one SharedArrayBuffer, and readers on other threads read it. The
// other files of this room refer to this layout.
//
// Nibble nodes lead to leaves, and a leaf holds up to 32 entries of one prefix length, side by side. With a million
// random addresses the nodes fit the processor's cache, and a look-up waits for memory once, for the leaf.
//
// All memory is 32-bit words, read through one Int32Array. Blocks begin on even words, so a block's address is
// a *unit* (two words, 8 octets): 28 bits of units reach 2 GiB.
//
//   HEADER (4,352 octets)
//   word 0  magic 'BSDT'
//        1  layout version
//        2  current: word index of the published version block      ← the one word a publication stores
//        3  epoch: number of the newest publication, never 0 (0 = reader offline), wraps
//       16  15 words: word indexes of the answer segments (0: not there yet)
//       64  64 reader slots, one cache line each; the first word is the epoch the reader announced, 0 offline
//     1088  blocks
//
//   VERSION BLOCK (10 words): serial, generatedAt, validUntil, ipv4Entries, ipv6Entries, an unused word, root slot
//   of the IPv4 tree, root slot of the IPv6 tree. A reader reaches everything through this block, so one store of
//   `current` shows a whole batch of changes or none of it.
//
//   SLOT (two words, ref and bits): what lies below a point `depth` bits into the key, a multiple of 4
//
//     ref  [ block, in units         |0|o|l|leaf]   l: an address below is listed by an entry below
//           31                      4 3 2 1 0       o: an address below is open: no entry below covers it
//     bits [ skip | inner | children           ]    a node's header. It is in the slot, so that a look-up reads
//           31     30   16 15      0                one cache line per node, and none of the node where it ends
//     bits [        | form | count | length    ]    a leaf's: prefix length of its entries, how many (1–32),
//           31       17  16 15    8 7      0        and how each is written
//
//   Both words are 0 if nothing is below; only a root slot can be so, since a node has slots only for children that
//   exist. Thanks to the l and o bits, "is anything listed under this name?" reads one path and not the subtree.
//
//   NODE (1–28 units): four bits of the key; header bits as in its slot
//
//     [skip]     only if bit 31 is set: depth of this node | number of key words << 8, then those key words (1–4).
//                They have the key bits that all entries below share: whole words up to the one that holds bit
//                depth-1, and 0 after that bit. Words that end above the slot's depth may be left out. Padded to
//                an even number of words
//     children   a slot for each set bit of 0–15: the nibbles that have anything below
//     inner      a word (kind | answer << 2) for each set bit of 16–30: prefixes that end inside this nibble. The
//                prefix of k bits (0–3) with value v has bit 15 + 2^k + v, so longer ones have higher bits
//
//   LEAF (1–80 units): entries in rising order of their bits. The forms narrow and wide keep only the last 18 or 50
//   bits of the prefix (all of it, if it has fewer), left-aligned; the path to the leaf gives the bits before
//
//     narrow  [ bits, 18 | answer, 12 | kind, 2 ]
//     wide    [ bits, 32 ] [ bits, 18 | answer, 12 | kind, 2 ]
//     full    [ answer, 20 | kind, 2 ] [ key words up to the one that holds the last bit of the prefix ]
//
//   ANSWER SEGMENT: records of two words: the set of codes (bit n: 127.0.0.n), and 0 for "the zone's own text"
//   (reserved for a text of the answer's own). Segment 0 holds answers 0–63, segment i those from 32·2^i to 64·2^i−1;
//   segments are never moved or freed, so an answer index stays valid for ever.
//
// Invariants
//   1. A node has at least two items. So a tree of n entries has fewer than n nodes, whatever its keys are.
//   2. An entry is in exactly one place: the inner entry of the node at its length rounded down to a nibble, if that
//      node exists, else a leaf below the deepest node above it. An entry's own bits lead to its place, so setting or
//      removing one entry never changes another. Entries that nest have different lengths, so they never share a leaf.
//      So at most one entry of a leaf covers an address.
//   3. A published block is never changed. A change copies the path from the root; blocks that it allocated itself
//      ("owned") it changes in place. Blocks that it replaced go to limbo, tagged with the epoch of the publication.
//      They are reused when no reader can be inside an older version (reclaim.ts has the proof).
//   4. After a change above it, a node may have a skip of no bits; readers treat it like any other.
//   5. A block's size follows from its slot alone (blockUnits of the words it holds).

/**
 * Kinds of entries. A listing lists its addresses; an exclusion makes a hole in a listing (the longest match decides); an
 * exemption always wins, so its addresses are never listed.
 */
export const entryKinds = { listing: 1, exclusion: 2, exemption: 3 } as const
export type EntryKind = 1 | 2 | 3

/** Reader slots, that is, how many threads can read one tree at the same time. */
export const maxReaders = 64
/** The most different answers that one tree can hold. */
export const maxAnswers = 1 << 20
export const maxCapacityBytes = 2 ** 31

export const magic = 0x42534454
export const layoutVersion = 1

export const unitWords = 2
export const unitBytes = 8
export const maxBlockUnits = 80

export const headerAt = { magic: 0, layoutVersion: 1, current: 2, epoch: 3, segments: 16 } as const
export const readersAt = 64
export const readerWords = 16
export const headerWords = readersAt + maxReaders * readerWords

export const versionUnits = 5
export const versionAt = {
  serial: 0,
  generatedAt: 1,
  validUntil: 2,
  ipv4Entries: 3,
  ipv6Entries: 4,
  root4: 6,
  root6: 8,
} as const

/** Bits of a slot's ref. */
export const leafBit = 1
export const listedBit = 2
export const openBit = 4
export const summaryBits = listedBit | openBit

/** Bits of a slot's second word, if it leads to a node. */
export const childBits = 0xffff
export const innerBits = 0x7fff0000
export const itemBits = 0x7fffffff
export const skipBit = -0x80000000

/** Leaves: the most entries, the forms, the key bits that they keep, and the largest answer in the forms narrow and wide. */
export const maxLeafEntries = 32
export const narrow = 0
export const wide = 1
export const full = 2
export const narrowLength = 18
export const wideLength = 50
export const maxShortAnswer = 0xfff
/** In the forms narrow and wide, the bits of the word with kind and answer that belong to the key. */
export const tailMask = ~0x3fff
export const kindMask = 3

/** For each nibble, the bits of the inner entries that cover it: one of each length from 0 to 3. */
export const innerCovering: Int32Array = Int32Array.from(
  { length: 16 },
  (_, nibble) =>
    (1 << 16) |
    (1 << (17 + (nibble >> 3))) |
    (1 << (19 + (nibble >> 2))) |
    (1 << (23 + (nibble >> 1))),
)

/** Number of the segment that has this answer. */
export function segmentOf(answer: number): number {
  return 26 - Math.clz32(answer | 32)
}

/** Index of the first answer in a segment. */
export function firstAnswerOf(segment: number): number {
  return segment === 0 ? 0 : 32 << segment
}

/** Word index of a node or leaf from its slot's ref. */
export function blockOf(ref: number): number {
  return (ref >>> 4) << 1
}

export function popcount(bits: number): number {
  let n = bits - ((bits >>> 1) & 0x55555555)
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333)
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** Units of a block for this many words. Larger blocks grow in larger steps, so that not every added item moves the block. */
export function blockUnits(words: number): number {
  const units = (words + 1) >> 1
  if (units <= 4) return units
  return units <= 8 ? (units + 1) & ~1 : (units + 3) & ~3
}

/** A mask of the first `bits` (at most 32) bits of a word. */
export function headMask(bits: number): number {
  return bits === 0 ? 0 : -1 << (32 - bits)
}

/** A mask of the bits before `depth` (at least 1) in the key word that holds bit `depth - 1`. */
export function lastWordMask(depth: number): number {
  return -1 << (31 - ((depth - 1) & 31))
}

/** Copies words in rising order, so a run may be copied to a lower index that overlaps it. */
export function copyWords(memory: Int32Array, from: number, to: number, count: number): void {
  for (let i = 0; i < count; i++) memory[to + i] = memory[from + i]!
}

/** How many words the skip takes before the node's children. Bit 31 of the node's header must be set. */
export function skipWords(memory: Int32Array, node: number): number {
  return ((memory[node]! >>> 8) + 2) & ~1
}

/** How many words the node's children and inner entries take. */
export function itemWords(bits: number): number {
  return 2 * popcount(bits & childBits) + popcount(bits & innerBits)
}

/** Length (0–3) of the inner entry with bit number `position`. */
export function innerLength(position: number): number {
  return 31 - Math.clz32(position - 15)
}

/** The children (as bits 0–15) that the inner entry with bit number `position` covers. */
export function innerRange(position: number): number {
  const length = innerLength(position)
  return nibbleRange(length, position - 15 - (1 << length))
}

/** The nibbles (as bits 0–15) whose first `length` bits are `value`. */
export function nibbleRange(length: number, value: number): number {
  const width = 16 >> length
  return ((1 << width) - 1) << (value * width)
}

/** Word index of the inner entry with bit number `position`. The node's children begin at word `children`. */
export function innerAt(children: number, bits: number, position: number): number {
  return children + itemWords((bits & ((1 << position) - 1)) | (bits & childBits))
}

export function leafLength(bits: number): number {
  return bits & 255
}

export function leafCount(bits: number): number {
  return (bits >>> 8) & 255
}

export function leafForm(bits: number): number {
  return bits >>> 16
}

/** How many words one entry of the leaf takes. */
export function entryWords(bits: number): number {
  const form = leafForm(bits)
  return form === full ? 1 + ((leafLength(bits) + 31) >> 5) : form + 1
}

/** Which word of an entry has its kind and answer. */
export function kindWord(bits: number): number {
  return leafForm(bits) === wide ? 1 : 0
}

/**
 * Which children have the l bit (as bits 0–15) and which have the o bit (as bits 16–31). Inner entries are ignored. A missing
 * child counts as open.
 */
export function childSummary(memory: Int32Array, children: number, bits: number): number {
  let listed = 0
  let open = ~bits & childBits
  let at = children
  for (let rest = bits & childBits; rest !== 0; rest &= rest - 1) {
    const child = rest & -rest
    const ref = memory[at]!
    if ((ref & listedBit) !== 0) listed |= child
    if ((ref & openBit) !== 0) open |= child
    at += 2
  }
  return listed | (open << 16)
}

/** The l and o bits of a node for its ref, if its slot is at `depth`. */
export function nodeSummary(memory: Int32Array, node: number, bits: number, depth: number): number {
  const hasSkip = bits < 0
  const children = hasSkip ? node + skipWords(memory, node) : node
  const summary = childSummary(memory, children, bits)
  let listed = summary & childBits
  let open = summary >>> 16
  for (let inner = bits & innerBits; inner !== 0; ) {
    const position = 31 - Math.clz32(inner)
    const kind = memory[innerAt(children, bits, position)]! & kindMask
    const range = innerRange(position)
    if (kind === entryKinds.listing) listed |= open & range
    else if (kind === entryKinds.exemption) listed &= ~range
    open &= ~range
    inner ^= 1 << position
  }
  const isOpen = open !== 0 || (hasSkip && (memory[node]! & 255) > depth)
  return (listed !== 0 ? listedBit : 0) | (isOpen ? openBit : 0)
}

/** The l and o bits of a leaf for its ref, if its slot is at `depth`. */
export function leafSummary(memory: Int32Array, leaf: number, bits: number, depth: number): number {
  const count = leafCount(bits)
  const words = entryWords(bits)
  const free = leafLength(bits) - depth
  const open = free > 5 || count < 1 << free ? openBit : 0
  let at = leaf + kindWord(bits)
  for (let i = 0; i < count; i++, at += words) {
    if ((memory[at]! & kindMask) === entryKinds.listing) return listedBit | open
  }
  return open
}
