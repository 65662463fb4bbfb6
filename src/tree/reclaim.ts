// When a block that no newer version reaches may be written again: readers announce an epoch, and the writer asks for the
// oldest one announced.
//
// The writer, publishing number n:   current ← version n;  epoch ← n;  blocks of n-1 that n lacks: limbo(n)
// A reader, entering:                e ← epoch;  slot ← e;  v ← current
// A reader, leaving (or blocking):   slot ← 0
// The writer reuses limbo(n) when every slot holds 0 or an epoch ≥ n, read after `epoch ← n`.
//
// Why that is enough, though a reader may stop for any time between any two steps. All of these are sequentially
// consistent atomics, so they have one order. Suppose the reader uses version v, and a block of v is in limbo(n);
// then v < n.
//   - `v ← current` gave an older version than n, so it came before `current ← version n`, and the reader's
//     `slot ← e` came before that. The writer reads the slots after it, so it sees e (or what this reader stored
//     later: 0 or a newer entry, by which the reader has let v go).
//   - `epoch` is stored after `current`, so the e read before `v ← current` is at most v: e ≤ v < n.
//     The writer sees an epoch below n and waits.
// So nothing has to be read twice on entering; a reader that stopped halfway has announced an epoch too old, which
// only keeps blocks longer. Entering again without leaving lets the former version go in the same way. The
// reader's plain reads come before its next store to the slot, and the writer's plain writes to the block after
// its load of it, so they do not race.
//
// Epochs are compared by signed difference and may wrap; 0 is skipped.
import { headerAt, maxReaders, readersAt, readerWords } from './layout.ts'

type Words = Int32Array<SharedArrayBuffer>

/** Frees the memory that a dead thread's reader kept from reuse. Only for a thread that has emitted `exit`. */
export function clearReader(buffer: SharedArrayBuffer, slot: number): void {
  Atomics.store(new Int32Array(buffer), readersAt + slot * readerWords, 0)
}

/** The epoch that a reader has announced; 0 while it is offline. */
export function readerEpoch(buffer: SharedArrayBuffer, slot: number): number {
  return Atomics.load(new Int32Array(buffer), readersAt + slot * readerWords)
}

/** The epoch after `epoch`. */
export function nextEpoch(epoch: number): number {
  return (epoch + 1) | 0 || 1
}

/** The oldest epoch that a reader may be using; the current one when all are offline. */
export function oldestEpoch(memory: Words): number {
  const current = Atomics.load(memory, headerAt.epoch)
  let age = 0
  for (let slot = 0; slot < maxReaders; slot++) {
    const announced = Atomics.load(memory, readersAt + slot * readerWords)
    if (announced !== 0) age = Math.max(age, (current - announced) | 0)
  }
  return (current - age) | 0
}
