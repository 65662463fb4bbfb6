// That the advice reaches the kernel: Linux tells of each mapping what was asked for it (proc_pid_smaps(5)).
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { adviseHugePages, loadLibrary } from '../../src/libc.ts'

/** VmFlags of the mapping that holds the address. */
function flagsAt(address: number): string[] {
  const mappings = readFileSync('/proc/self/smaps', 'utf8').split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)
  const mapping = mappings.find((each) => {
    const [, from = '', to = ''] = /^([0-9a-f]+)-([0-9a-f]+)/.exec(each) ?? []
    return Number(`0x${from}`) <= address && address < Number(`0x${to}`)
  })
  return (
    /VmFlags: (.*)/
      .exec(mapping ?? '')?.[1]
      ?.trim()
      .split(' ') ?? []
  )
}

test('memory is advised to lie in huge pages; less than one is left alone', async (t) => {
  const library = await loadLibrary()
  if (library === undefined) return t.skip('the C library cannot be called here')
  if (!existsSync('/sys/kernel/mm/transparent_hugepage'))
    return t.skip('the kernel has no huge pages')
  const middleOf = (memory: SharedArrayBuffer) =>
    library.addressOf(Buffer.from(memory)) + memory.byteLength / 2
  const large = new SharedArrayBuffer(16 << 20)
  assert.ok(!flagsAt(middleOf(large)).includes('hg'))
  await adviseHugePages(large)
  assert.ok(flagsAt(middleOf(large)).includes('hg'))
  new Int32Array(large).fill(7)
  assert.ok(new Int32Array(large).every((word) => word === 7))
  const small = new SharedArrayBuffer(1 << 20)
  await adviseHugePages(small)
  assert.ok(!flagsAt(middleOf(small)).includes('hg'))
})
