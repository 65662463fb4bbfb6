// The shared-memory radix tree, word by word: what writer.ts writes into the one SharedArrayBuffer and what
// reader.ts reads from it on other threads. This file is the map; the code beside it has few comments because
// of it.
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
//   VERSION BLOCK (8 words): serial, generatedAt, validUntil, ipv4Entries, ipv6Entries, root slot of the IPv4
//   tree, root slot of the IPv6 tree, one word free. Everything a reader sees hangs from this block, so one
//   store of `current` shows a whole batch of changes, or none of it.
//
//   SLOT (one word): what lies below a point `depth` bits into the key; depth is always a multiple of 4
//
//     0                                           nothing (only at the root: a node lists its children)
//     31                            4  3  2  1 0
//     [ node, in units              ][ o][ l][0 0]  node; l: an address below is listed by an entry below,
//                                                   o: an address below is open (no entry below covers it)
//     [ leaf block, in units        ][ o][ 1][knd]  leaf in a block of its own; o: shorter than its entry
//     31              15 14         3  2  1 0
//     [ rest, 17 bits  ][ answer, 12 ][ 0][kind ]   leaf in the slot: the entry's bits from `depth` on, left-
//                                                   aligned, then a 1, then zeros (so up to 16 bits of rest)
//
//   A slot's l and o bits make "is anything under this name?" a walk down one path: the subtree has answered
//   already. A leaf's are implied: l by its kind, o by having any rest (an address beside it is uncovered).
//
//   NODE (2–37 words): four bits of the key
//
//     word 0  bit  0–15  children: bit n says a slot for nibble n follows
//             bit 16–30  inner entries, prefixes that end inside this nibble: the prefix of k bits (0–3) with
//                        value v has bit 15 + 2^k + v; longer ones have higher bits
//             bit 31     a skip follows
//     [skip]  depth of this node | key words << 8, then those key words (1–4) of the common run: whole words,
//             ending with the one that holds bit depth-1; bits above the slot's depth are known equal, bits
//             from the node's depth on are 0. Words before may be missing where the slot's depth starts later
//     items   one word for each bit of 0–30, in bit order: child slots, then inner entries (kind | answer << 2)
//
//   LEAF BLOCK (1–5 words): entry length | key words << 8 | answer << 11, then key words as in a skip
//
//   ANSWER SEGMENT: records of two words, the A set (bit n: 127.0.0.n) and a word that is 0 = "the zone's own
//   text" (room for a text of its own). Segment 0 holds answers 0–63, segment i those from 32·2^i to 64·2^i−1;
//   segments are never moved or freed, so an answer index stays good for ever.
//
// Invariants
//   1. A node has at least two items. One entry is a leaf, wherever it hangs; so a tree of n entries has fewer
//      than n nodes, whatever its keys.
//   2. An entry is in exactly one place: the inner entry of the node at its length rounded down to a nibble, if
//      that node exists, else a leaf below the deepest node above it. Setting and removing find it by its own
//      bits, so an entry never changes another one's identity.
//   3. A published block is never written again. A change copies the path from the root; blocks it allocated
//      itself ("owned") it changes in place. What it replaced goes to limbo, tagged with the epoch of the
//      publication, and comes back when no reader can be inside an older version (reclaim.ts has the proof).
//   4. A node may keep a skip of no bits after a change above it; readers need not know.

/** What an entry says of its addresses: listed; a hole in a listing (longest match); never listed (always wins). */
export const entryKinds = { listing: 1, exclusion: 2, exemption: 3 } as const
export type EntryKind = 1 | 2 | 3

/** Reader slots: threads that can look into one tree at a time. */
export const maxReaders = 64
/** Distinct answers that can be interned. */
export const maxAnswers = 1 << 20

export const magic = 0x42534454
export const layoutVersion = 1

export const unitWords = 2
export const unitBytes = 8
export const maxCapacityBytes = 2 ** 31

export const headerAt = { magic: 0, layoutVersion: 1, current: 2, epoch: 3, segments: 16 } as const
export const readersAt = 64
export const readerWords = 16
export const headerWords = readersAt + maxReaders * readerWords

export const versionUnits = 4
export const versionAt = {
  serial: 0,
  generatedAt: 1,
  validUntil: 2,
  ipv4Entries: 3,
  ipv6Entries: 4,
  root4: 5,
  root6: 6,
} as const

export const kindMask = 3
export const slotListed = 4
export const slotOpen = 8
export const leafInBlock = 4
export const restMask = ~0x7fff
export const maxInlineRest = 16
export const maxInlineAnswer = 0xfff

export const childBits = 0xffff
export const innerBits = 0x7fff0000
export const itemBits = 0x7fffffff
export const skipBit = -0x80000000
export const maxNodeUnits = 19

/** Header bits of the inner entries that cover each nibble: the lengths 0 to 3 on its path. */
export const innerCovering: Int32Array = Int32Array.from(
  { length: 16 },
  (_, nibble) =>
    (1 << 16) |
    (1 << (17 + (nibble >> 3))) |
    (1 << (19 + (nibble >> 2))) |
    (1 << (23 + (nibble >> 1))),
)

/** Word index of a node or leaf block from its slot. */
export function blockOf(slot: number): number {
  return (slot >>> 4) << 1
}

export function popcount(bits: number): number {
  let n = bits - ((bits >>> 1) & 0x55555555)
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333)
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** The bits of a key word that lie before `depth`, for the word that holds bit `depth - 1`; depth ≥ 1. */
export function lastWordMask(depth: number): number {
  return -1 << (31 - ((depth - 1) & 31))
}

/** Where a node's items begin. */
export function itemsOf(memory: Int32Array, node: number): number {
  return memory[node]! < 0 ? node + 2 + (memory[node + 1]! >>> 8) : node + 1
}

/** Length 0–3 of the inner entry with header bit `position`. */
export function innerLength(position: number): number {
  return 31 - Math.clz32(position - 15)
}

/** The children (as bits 0–15) that the inner entry with header bit `position` covers. */
export function innerRange(position: number): number {
  const length = innerLength(position)
  return nibbleRange(length, position - 15 - (1 << length))
}

/** The nibbles (as bits 0–15) that begin with the `length` bits `value`. */
export function nibbleRange(length: number, value: number): number {
  const width = 16 >> length
  return ((1 << width) - 1) << (value * width)
}

/**
 * Which children hold a listed address (bits 0–15) and which an open one (bits 16–31), inner entries left
 * aside. An absent child is open.
 */
export function childSummary(memory: Int32Array, items: number, header: number): number {
  let listed = 0
  let open = ~header & childBits
  let at = items
  for (let rest = header & childBits; rest !== 0; rest &= rest - 1) {
    const bit = rest & -rest
    const slot = memory[at++]!
    const kind = slot & kindMask
    if (kind === 0) {
      if ((slot & slotListed) !== 0) listed |= bit
      if ((slot & slotOpen) !== 0) open |= bit
    } else {
      if (kind === entryKinds.listing) listed |= bit
      if (leafIsOpen(slot)) open |= bit
    }
  }
  return listed | (open << 16)
}

/** Whether a leaf leaves addresses below its slot uncovered. */
export function leafIsOpen(slot: number): boolean {
  return (slot & leafInBlock) !== 0 ? (slot & slotOpen) !== 0 : (slot & restMask) !== skipBit
}

/** A node's l and o bits as its slot at `depth` carries them. */
export function nodeSummary(memory: Int32Array, node: number, depth: number): number {
  const header = memory[node]!
  const items = itemsOf(memory, node)
  const children = childSummary(memory, items, header)
  let listed = children & childBits
  let open = children >>> 16
  for (let inner = header & innerBits; inner !== 0; ) {
    const position = 31 - Math.clz32(inner)
    const bit = 1 << position
    const kind = memory[items + popcount(header & (bit - 1))]! & kindMask
    const range = innerRange(position)
    if (kind === entryKinds.listing) listed |= open & range
    else if (kind === entryKinds.exemption) listed &= ~range
    open &= ~range
    inner ^= bit
  }
  const skips = header < 0 && (memory[node + 1]! & 255) > depth
  return (listed !== 0 ? slotListed : 0) | (open !== 0 || skips ? slotOpen : 0)
}
