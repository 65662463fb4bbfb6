// Reads a file of Message-IDs that our own mail servers made, and tells whether one is in it. A log has millions of them, more
// than fit as strings into a thread's heap. So only a hash of each is kept.
import { hash } from 'node:crypto'
import { closeSync, openSync, readSync, statSync } from 'node:fs'

const chunkBytes = 1024 * 1024
/** A longer line is no Message-ID. */
const longestId = 1000

export class KnownMessageIds {
  readonly #path: string
  #readAt = -1
  /** Sorted, lowest first. */
  #hashes = new Float64Array(0)

  constructor(path: string) {
    this.#path = path
  }

  /** Reads the file again if it has changed; blocks until done. If it cannot be read, the old Message-IDs stay. */
  refresh(): void {
    try {
      const found = statSync(this.#path)
      if (found.mtimeMs === this.#readAt || !found.isFile()) return
      this.#hashes = hashesIn(this.#path)
      this.#readAt = found.mtimeMs
    } catch {
      // The file may be missing for a moment, while the log is rotated.
    }
  }

  /** Whether the file has this Message-ID, with or without angle brackets. */
  has(messageId: string): boolean {
    const id = bare(messageId)
    if (id === '') return false
    const wanted = hashOf(id)
    let [from, to] = [0, this.#hashes.length]
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((this.#hashes[middle] ?? 0) < wanted) from = middle + 1
      else to = middle
    }
    return this.#hashes[from] === wanted
  }
}

function hashesIn(path: string): Float64Array<ArrayBuffer> {
  let hashes = new Float64Array(1024)
  let count = 0
  const keep = (word: string): void => {
    const id = bare(word)
    if (id === '') return
    if (count === hashes.length) {
      const larger = new Float64Array(2 * count)
      larger.set(hashes)
      hashes = larger
    }
    hashes[count++] = hashOf(id)
  }
  const chunk = Buffer.allocUnsafe(chunkBytes)
  const file = openSync(path, 'r')
  let rest = ''
  try {
    for (let length = readSync(file, chunk); length > 0; length = readSync(file, chunk)) {
      const words = (rest + chunk.toString('latin1', 0, length)).split(/\s+/)
      rest = (words.pop() ?? '').slice(0, longestId)
      for (const word of words) keep(word)
    }
  } finally {
    closeSync(file)
  }
  keep(rest)
  return hashes.slice(0, count).sort()
}

/** Removes the angle brackets: some logs write them, some do not. */
function bare(messageId: string): string {
  return messageId.replace(/^<|>$/g, '')
}

/** The first 48 bits of the Message-ID's hash, which a double holds exactly. */
function hashOf(id: string): number {
  return hash('sha256', Buffer.from(id, 'latin1'), 'buffer').readUIntBE(0, 6)
}
