// Tells when a block that newer versions do not use may be written again. Each reader announces an epoch, and the writer asks for
// the oldest one announced.
//
// The writer, publishing number n:   current ← version n;  epoch ← n;  blocks of n-1 that n lacks: limbo(n)
// A reader, entering:                e ← epoch;  slot ← e;  v ← current
// A reader, leaving (or blocking):   slot ← 0
// The writer reuses limbo(n) when every slot holds 0 or an epoch ≥ n, read after `epoch ← n`.
//
// This is safe, though a reader may stop for any time between any two steps. All these steps are sequentially consistent atomics,
// so they happen in one order. Suppose a reader uses version v, and a block of v is in limbo(n). Then v < n.
//   - `v ← current` gave an older version than n, so it came before `current ← version n`, and the reader's
//     `slot ← e` came before that. The writer reads the slots later, so it sees e, or what the reader stored after
//     e: 0 or a newer epoch, which means that the reader has released v.
//   - `epoch` is stored after `current`, so the e read before `v ← current` is at most v: e ≤ v < n.
//     The writer sees an epoch below n and waits.
// So a reader need not read anything twice when it enters. If it stops halfway, it has announced an epoch that is too old, which
// only keeps blocks longer. Entering again without leaving releases the version before in the same way. The reader's plain reads
// come before its next store to the slot, and the writer loads the slot before its plain writes to the block, so the two do not
// race.
//
// Epochs are compared by signed difference and may wrap; 0 is skipped.
import { headerAt, maxReaders, readersAt, readerWords } from './layout.ts'

type Words = Int32Array<SharedArrayBuffer>

/**
 * Frees the slot of a dead thread's reader, so that it no longer keeps memory from reuse. Call it only after the thread has
 * emitted `exit`.
 */
export function clearReader(buffer: SharedArrayBuffer, slot: number): void {
  Atomics.store(new Int32Array(buffer), readersAt + slot * readerWords, 0)
}

/** The epoch that a reader has announced; 0 if it is offline. */
export function readerEpoch(buffer: SharedArrayBuffer, slot: number): number {
  return Atomics.load(new Int32Array(buffer), readersAt + slot * readerWords)
}

/** The epoch after `epoch`. */
export function nextEpoch(epoch: number): number {
  return (epoch + 1) | 0 || 1
}

/** The oldest epoch that a reader may be using; the current epoch if all readers are offline. */
export function oldestEpoch(memory: Words): number {
  const current = Atomics.load(memory, headerAt.epoch)
  let age = 0
  for (let slot = 0; slot < maxReaders; slot++) {
    const announced = Atomics.load(memory, readersAt + slot * readerWords)
    if (announced !== 0) age = Math.max(age, (current - announced) | 0)
  }
  return (current - age) | 0
}
