// A file of Message-IDs that our own mail servers gave → whether one of them is ours. A log has millions of them, more than a
// thread's heap holds as texts: of each one a hash is kept.
import { hash } from 'node:crypto'
import { closeSync, openSync, readSync, statSync } from 'node:fs'

const chunkBytes = 1024 * 1024
/** Nothing longer is a Message-ID. */
const longestId = 1000

export class KnownMessageIds {
  readonly #path: string
  #readAt = -1
  /** In rising order. */
  #hashes = new Float64Array(0)

  constructor(path: string) {
    this.#path = path
  }

  /** Reads the file again if it has changed, for as long as that takes; one that cannot be read leaves what was read last. */
  refresh(): void {
    try {
      const found = statSync(this.#path)
      if (found.mtimeMs === this.#readAt || !found.isFile()) return
      this.#hashes = hashesIn(this.#path)
      this.#readAt = found.mtimeMs
    } catch {
      // Rotated away for the moment.
    }
  }

  /** Whether it stood in the file, with or without its angle brackets. */
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

/** Logs write Message-IDs with and without their angle brackets. */
function bare(messageId: string): string {
  return messageId.replace(/^<|>$/g, '')
}

/** 48 bits of it, which a double holds. */
function hashOf(id: string): number {
  return hash('sha256', Buffer.from(id, 'latin1'), 'buffer').readUIntBE(0, 6)
}
