// Messages held in memory while they are received and recorded, within one allowance for all of them. Called by smtp.ts.

/** The memory that messages under way may take together. */
export class HeldBytes {
  #free: number

  constructor(maxBytes: number) {
    this.#free = maxBytes
  }

  /** A new, empty message of at most so many octets; dispose of it when done. */
  open(maxBytes: number): HeldMessage {
    return new HeldMessage(maxBytes, (wanted) => {
      if (wanted > this.#free) return false
      this.#free -= wanted
      return true
    })
  }
}

/** Grows by doubling up to the limit; over it, or when memory is short, it holds nothing and says so. */
export class HeldMessage implements Disposable {
  readonly #maxBytes: number
  readonly #take: (octets: number) => boolean
  #octets = new Uint8Array()
  #length = 0
  #isDropped = false

  constructor(maxBytes: number, take: (octets: number) => boolean) {
    this.#maxBytes = maxBytes
    this.#take = take
  }

  append(chunk: Uint8Array): void {
    if (this.#isDropped) return
    const length = this.#length + chunk.length
    if (length > this.#maxBytes || !this.#makeRoom(length)) {
      this[Symbol.dispose]()
      return
    }
    this.#octets.set(chunk, this.#length)
    this.#length = length
  }

  /** The message, or null when it was dropped. */
  content(): Uint8Array | null {
    return this.#isDropped ? null : this.#octets.subarray(0, this.#length)
  }

  [Symbol.dispose](): void {
    this.#isDropped = true
    this.#take(-this.#octets.length)
    this.#octets = new Uint8Array()
  }

  #makeRoom(length: number): boolean {
    if (length <= this.#octets.length) return true
    const size = Math.min(Math.max(length, this.#octets.length * 2, 16 * 1024), this.#maxBytes)
    if (!this.#take(size - this.#octets.length)) return false
    const grown = new Uint8Array(size)
    grown.set(this.#octets.subarray(0, this.#length))
    this.#octets = grown
    return true
  }
}
