// Checks that a buffer holds a tree that this build can read, and makes a reader of it. In a file of its own, since reader.ts
// never throws.
import { headerAt, headerWords, layoutVersion, magic, maxReaders } from './layout.ts'
import { TreeReader } from './reader.ts'

/**
 * Makes a reader of a buffer that a TreeWriter made. Throws an Error that says why if the buffer holds no tree or has another
 * layout, or if there is no such slot. Each is a bug, since writer and readers are in one process.
 */
export function openReader(buffer: SharedArrayBuffer, slot: number): TreeReader {
  const memory = new Int32Array(buffer)
  if (memory.length < headerWords || memory[headerAt.magic] !== magic) {
    throw new Error('shared tree: wrong magic, this buffer holds no tree')
  }
  if (memory[headerAt.layoutVersion] !== layoutVersion) {
    throw new Error(
      `shared tree: layout version ${memory[headerAt.layoutVersion]}, this build reads ${layoutVersion}`,
    )
  }
  if (!Number.isInteger(slot) || slot < 0 || slot >= maxReaders) {
    throw new Error(`shared tree: no reader slot ${slot}, there are ${maxReaders}`)
  }
  return new TreeReader(buffer, slot)
}
