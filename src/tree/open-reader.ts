// The check that a buffer is a tree this build can read, before a reader that never throws is made on it.
// Called by each thread of nameserver when it starts.
import { headerAt, headerWords, layoutVersion, magic, maxReaders } from './layout.ts'
import { TreeReader } from './reader.ts'

/**
 * A reader on the buffer that a TreeWriter made. Throws an Error naming what is wrong when the buffer is no
 * tree, has another layout, or there is no such slot: one process made both, so each is a bug.
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
