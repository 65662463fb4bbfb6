// Sorts millions of prefixes by address; a prefix comes before those inside it. They are kept in runs of plain numbers, 25
// octets for each prefix. Each run is sorted when it is full, so that no sort blocks the event loop for long. No library
// sorts typed arrays in runs.
import type { Family, Prefix } from '../ip/address.ts'
import { comparePrefixes } from '../store/packed-entries.ts'

/** A full run has this many entries. Sorting that many takes milliseconds. */
const runSize = 8192
/** The sort key of an IPv4 entry has 51 bits: address (32), length (6), index in the run (13). A double holds 53 exactly. */
const lengthFactor = 64

/** Up to `runSize` entries, stored in columns. */
interface Run {
  readonly family: Family
  readonly words: Uint32Array
  readonly lengths: Uint8Array
  readonly tags: Uint32Array
  count: number
}

interface TaggedPrefix {
  readonly prefix: Prefix
  readonly tag: number
}

export class EntryRuns {
  readonly #open: Record<Family, Run> = { 4: emptyRun(4), 6: emptyRun(6) }
  readonly #sorted: Record<Family, Run[]> = { 4: [], 6: [] }
  /** The order of all entries, kept for the next call of `sorted`: run * runSize + index in the run. */
  readonly #places: Partial<Record<Family, Uint32Array>> = {}
  #count = 0

  /** Number of entries added. */
  get count(): number {
    return this.#count
  }

  /** `tag`: any 32-bit number that the caller wants back with the prefix. */
  add(prefix: Prefix, tag: number): void {
    const run = this.#open[prefix.family]
    const index = run.count++
    const at = index * 4
    run.words[at] = prefix.w0
    run.words[at + 1] = prefix.w1
    run.words[at + 2] = prefix.w2
    run.words[at + 3] = prefix.w3
    run.lengths[index] = prefix.length
    run.tags[index] = tag
    this.#count += 1
    if (run.count === runSize) this.#close(prefix.family)
  }

  /** All entries in order, IPv4 first. Equal prefixes keep the order in which they were added. Add nothing afterwards. */
  *sorted(): Generator<TaggedPrefix> {
    for (const family of [4, 6] as const) {
      this.#close(family)
      const runs = this.#sorted[family]
      const known = this.#places[family]
      if (known) {
        for (const place of known) {
          const run = runs[Math.floor(place / runSize)]
          if (run) yield entryAt(run, place % runSize)
        }
        continue
      }
      const places = new Uint32Array(runs.reduce((sum, { count }) => sum + count, 0))
      let at = 0
      for (const { age, next, entry } of merged(runs)) {
        places[at++] = age * runSize + next
        yield entry
      }
      this.#places[family] = places
    }
  }

  #close(family: Family): void {
    const run = this.#open[family]
    if (run.count === 0) return
    this.#sorted[family].push(inOrder(run, family === 4 ? orderOf4(run) : orderOf6(run)))
    this.#open[family] = emptyRun(family)
  }
}

function emptyRun(family: Family): Run {
  return {
    family,
    words: new Uint32Array(runSize * 4),
    lengths: new Uint8Array(runSize),
    tags: new Uint32Array(runSize),
    count: 0,
  }
}

function inOrder(run: Run, order: Uint16Array): Run {
  const sorted = emptyRun(run.family)
  for (const from of order) {
    const to = sorted.count++
    for (let word = 0; word < 4; word++) {
      sorted.words[to * 4 + word] = run.words[from * 4 + word] ?? 0
    }
    sorted.lengths[to] = run.lengths[from] ?? 0
    sorted.tags[to] = run.tags[from] ?? 0
  }
  return sorted
}

/** Sorts IPv4 entries by one number each, which needs no comparison function. */
function orderOf4({ words, lengths, count }: Run): Uint16Array {
  const keys = new Float64Array(count)
  for (let index = 0; index < count; index++) {
    const word = words[index * 4] ?? 0
    keys[index] = (word * lengthFactor + (lengths[index] ?? 0)) * runSize + index
  }
  return Uint16Array.from(keys.sort(), (key) => key % runSize)
}

function orderOf6({ words, lengths, count }: Run): Uint16Array {
  const order = Uint16Array.from({ length: count }, (_, index) => index)
  return order.sort((a, b) => {
    for (let word = 0; word < 4; word++) {
      const difference = (words[a * 4 + word] ?? 0) - (words[b * 4 + word] ?? 0)
      if (difference !== 0) return difference
    }
    return (lengths[a] ?? 0) - (lengths[b] ?? 0) || a - b
  })
}

interface Head {
  readonly run: Run
  /** The index of the run. Of equal prefixes, the one in the earlier run comes first. */
  readonly age: number
  next: number
  entry: TaggedPrefix
}

/** Merges sorted runs with a binary heap, which holds the next entry of each run. */
function* merged(runs: readonly Run[]): Generator<Head> {
  const heap: Head[] = []
  for (const [age, run] of runs.entries()) {
    heap.push({ run, age, next: 0, entry: entryAt(run, 0) })
  }
  for (let at = heap.length >> 1; at >= 0; at--) sink(heap, at)
  for (let head = heap[0]; head; head = heap[0]) {
    yield head
    head.next += 1
    if (head.next < head.run.count) head.entry = entryAt(head.run, head.next)
    else {
      const last = heap.pop()
      if (last === head || last === undefined) continue
      heap[0] = last
    }
    sink(heap, 0)
  }
}

function sink(heap: Head[], from: number): void {
  const sinking = heap[from]
  if (!sinking) return
  let at = from
  for (;;) {
    let child = 2 * at + 1
    let smaller = heap[child]
    const right = heap[child + 1]
    if (smaller && right && isBefore(right, smaller)) {
      smaller = right
      child += 1
    }
    if (!smaller || !isBefore(smaller, sinking)) break
    heap[at] = smaller
    at = child
  }
  heap[at] = sinking
}

function isBefore(a: Head, b: Head): boolean {
  return (comparePrefixes(a.entry.prefix, b.entry.prefix) || a.age - b.age) < 0
}

function entryAt({ family, words, lengths, tags }: Run, index: number): TaggedPrefix {
  const at = index * 4
  return {
    prefix: {
      family,
      w0: words[at] ?? 0,
      w1: words[at + 1] ?? 0,
      w2: words[at + 2] ?? 0,
      w3: words[at + 3] ?? 0,
      length: lengths[index] ?? 0,
    },
    tag: tags[index] ?? 0,
  }
}
