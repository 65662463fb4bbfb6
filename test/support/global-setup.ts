// What all test files share: the code that Node compiled is kept from one file and run to the next, and temporary folders lie
// in memory where there is room, so that the wait of each commit for the disk is not part of the tests.
import { statfsSync } from 'node:fs'
import { resolve } from 'node:path'

const memory = '/dev/shm'
const neededBytes = 2 ** 30

export function globalSetup(): void {
  process.env['NODE_COMPILE_CACHE'] ??= resolve('node_modules/.cache/compiled')
  if (hasRoom()) process.env['TMPDIR'] ??= memory
}

function hasRoom(): boolean {
  try {
    const { bavail, bsize } = statfsSync(memory)
    return bavail * bsize >= neededBytes
  } catch {
    return false
  }
}
