// Limits the memory of all messages that are being received, read and recorded.
import type { CountedClient } from './client-limits.ts'

/** One client may take this share of what the others leave. So several slow clients together leave room for the next one. */
const clientShare = 1 / 4

export class MemoryBudget {
  #freeBytes: number
  readonly #maxBytes: number
  readonly #perClient = new Map<string, number>()
  /** Calls of wait() that have no room yet, in order. */
  readonly #waiting: { readonly bytes: number; readonly begin: () => void }[] = []

  /** `maxBytes`: memory for all messages together. @default 256 MiB */
  constructor(maxBytes = 256 * 1024 ** 2) {
    this.#maxBytes = maxBytes
    this.#freeBytes = maxBytes
  }

  /** Returns a new, empty message of at most `maxBytes`. Its memory counts for that client. Dispose of it when done. */
  open(maxBytes: number, client: CountedClient): HeldMessage {
    return new HeldMessage(maxBytes, (bytes) => this.#takeFor(client, bytes))
  }

  /** Reserves room for a complete message; null if there is none. Dispose of the result when the message is committed. */
  hold(bytes: number): Disposable | null {
    return this.#take(bytes) ? this.#held(bytes) : null
  }

  /**
   * Waits until there is room, first come, first served. A message larger than the whole budget waits until it can have all of
   * it.
   */
  async wait(bytes: number): Promise<Disposable> {
    const wanted = Math.min(bytes, this.#maxBytes)
    if (this.#waiting.length > 0 || !this.#take(wanted)) {
      await new Promise<void>((begin) => this.#waiting.push({ bytes: wanted, begin }))
    }
    return this.#held(wanted)
  }

  #held(bytes: number): Disposable {
    return { [Symbol.dispose]: () => this.#take(-bytes) }
  }

  #takeFor(client: CountedClient, bytes: number): boolean {
    if (client === null) return this.#take(bytes)
    const held = this.#perClient.get(client) ?? 0
    const taken = held + bytes
    if (bytes > 0 && taken > (this.#freeBytes + held) * clientShare) return false
    if (!this.#take(bytes)) return false
    if (taken > 0) this.#perClient.set(client, taken)
    else this.#perClient.delete(client)
    return true
  }

  #take(bytes: number): boolean {
    if (bytes > this.#freeBytes) return false
    this.#freeBytes -= bytes
    if (bytes < 0) this.#admit()
    return true
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (next.bytes > this.#freeBytes) return
      this.#waiting.shift()
      this.#freeBytes -= next.bytes
      next.begin()
    }
  }
}

/**
 * A message that is being received. Its buffer doubles up to the limit. If the message is too large or memory runs out, it drops
 * the content.
 */
class HeldMessage implements Disposable {
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

  /** The message, or null if it was dropped. */
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
