// Memory in pages of 2 MiB instead of 4 KiB, where the kernel gives them on request. Called by the name server for memory
// that is read at random: with small pages nearly each read also waits until the processor knows where its page lies.
import { loadLibrary } from './library.ts'

/** The same on every architecture that loadLibrary grants (madvise(2), sysconf(3)). */
const advice = { hugePage: 14, collapse: 25 } as const
const pageSizeName = 30
const hugePageBytes = 2 << 20

/**
 * Asks that the memory should lie in huge pages; what of it was touched before is moved there, since Linux 6.1 at once.
 * Advice: where the kernel does not take it (/sys/kernel/mm/transparent_hugepage/enabled is `never`) nothing changes.
 */
export async function adviseHugePages(memory: SharedArrayBuffer): Promise<void> {
  if (memory.byteLength < hugePageBytes) return
  const library = await loadLibrary()
  if (library === undefined) return
  const madvise = library.func('int madvise(uintptr_t address, uintptr_t length, int advice)')
  const sysconf = library.func('long sysconf(int name)')
  const start = library.addressOf(Buffer.from(memory))
  // So large a block begins behind malloc's few octets in a mapping of its own: the page is the buffer's alone.
  const page = start - (start % sysconf(pageSizeName))
  const length = start + memory.byteLength - page
  madvise(page, length, advice.hugePage)
  madvise(page, length, advice.collapse)
}
