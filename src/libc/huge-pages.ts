// Memory in pages of 2 MiB instead of 4 KiB, where the kernel gives them on request. Called by the name server for memory
// that is read at random: with small pages nearly each read also waits until the processor knows where its page lies.
import { loadLibrary } from './library.ts'

/** MADV_HUGEPAGE, the same on every architecture that loadLibrary grants (madvise(2)). */
const adviceHugePage = 14
const hugePageBytes = 2 << 20

/**
 * Asks that what of the memory is touched from now on should lie in huge pages. Advice: where the kernel does not take it
 * (/sys/kernel/mm/transparent_hugepage/enabled is `never`) nothing changes.
 */
export async function adviseHugePages(memory: SharedArrayBuffer): Promise<void> {
  const library = await loadLibrary()
  if (library === undefined) return
  const madvise = library.func('int madvise(uintptr_t address, uintptr_t length, int advice)')
  const start = library.addressOf(Buffer.from(memory))
  const first = Math.ceil(start / hugePageBytes) * hugePageBytes
  const end = Math.floor((start + memory.byteLength) / hugePageBytes) * hugePageBytes
  if (end > first) madvise(first, end - first, adviceHugePage)
}
