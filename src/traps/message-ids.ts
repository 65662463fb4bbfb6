// A file of Message-IDs that our own mail servers gave → whether one of them is ours. A log has millions of them, more than a
// thread's heap holds as texts: of each one a hash is kept. Whose bounce should count for genuine knows one anyway.
import { closeSync, openSync, readSync, statSync } from 'node:fs'

const chunkBytes = 1024 * 1024
const [space, lessThan, greaterThan] = [0x20, 0x3c, 0x3e]

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
    const word = new Word()
    for (const octet of Buffer.from(messageId)) word.add(octet)
    const hash = word.end()
    if (hash === undefined) return false
    let [from, to] = [0, this.#hashes.length]
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((this.#hashes[middle] ?? 0) < hash) from = middle + 1
      else to = middle
    }
    return this.#hashes[from] === hash
  }
}

function hashesIn(path: string): Float64Array<ArrayBuffer> {
  let hashes = new Float64Array(1024)
  let count = 0
  const word = new Word()
  const keep = (hash: number | undefined): void => {
    if (hash === undefined) return
    if (count === hashes.length) {
      const larger = new Float64Array(2 * count)
      larger.set(hashes)
      hashes = larger
    }
    hashes[count++] = hash
  }
  const chunk = Buffer.allocUnsafe(chunkBytes)
  const file = openSync(path, 'r')
  try {
    for (let length = readSync(file, chunk); length > 0; length = readSync(file, chunk)) {
      for (let at = 0; at < length; at++) {
        const octet = chunk[at] ?? 0
        if (octet > space) word.add(octet)
        else keep(word.end())
      }
    }
  } finally {
    closeSync(file)
  }
  keep(word.end())
  return hashes.slice(0, count).sort()
}

/** The hash of a word as it comes, without one `<` in front and one `>` at its end: logs write both forms. */
class Word {
  #low = 0
  #high = 0
  #length = 0
  #hasBegun = false
  #isClosing = false

  add(octet: number): void {
    if (!this.#hasBegun) {
      this.#hasBegun = true
      if (octet === lessThan) return
    }
    if (this.#isClosing) this.#mix(greaterThan)
    this.#isClosing = octet === greaterThan
    if (!this.#isClosing) this.#mix(octet)
  }

  /** 53 bits, which a double holds; undefined: there was no word. The next one begins. */
  end(): number | undefined {
    const hash = this.#length === 0 ? undefined : (this.#high >>> 11) * 2 ** 32 + (this.#low >>> 0)
    this.#low = 0
    this.#high = 0
    this.#length = 0
    this.#hasBegun = false
    this.#isClosing = false
    return hash
  }

  /** Two multiplicative hashes side by side. */
  #mix(octet: number): void {
    this.#low = Math.imul(this.#low ^ (this.#low >>> 15) ^ (octet + 1), 0x2c1b3c6d)
    this.#high = Math.imul(this.#high ^ (this.#high >>> 13) ^ (octet + 1), 0x9e3779b1)
    this.#length += 1
  }
}
