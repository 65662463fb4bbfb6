// A TCP stream's chunks → DNS messages by their two-octet length prefix (RFC 1035 §4.2.2), however the stream is cut
// into chunks. Called by tcp-connection.ts; one for each connection.
import { maxMessageLength } from '../dns/wire.ts'

const prefixLength = 2
const firstCapacity = 512

/** Holds no more than came in: a peer pays for what it makes us keep. */
export class FrameReader {
  #bytes: Uint8Array = new Uint8Array()
  #start = 0
  #end = 0

  /** Takes over a chunk as it came. */
  push(chunk: Uint8Array): void {
    const kept = this.#end - this.#start
    if (kept === 0) {
      this.#bytes = chunk
      this.#start = 0
      this.#end = chunk.length
      return
    }
    const needed = kept + chunk.length
    if (this.#end + chunk.length > this.#bytes.length) {
      // Doubling, so that octets that come one by one are not copied every time.
      const doubled = Math.min(Math.max(firstCapacity, needed * 2), prefixLength + maxMessageLength)
      const grown = new Uint8Array(Math.max(needed, doubled))
      grown.set(this.#bytes.subarray(this.#start, this.#end))
      this.#bytes = grown
      this.#start = 0
      this.#end = kept
    }
    this.#bytes.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /** The next whole message, good until the next push; undefined when more octets are needed. */
  next(): Uint8Array | undefined {
    const kept = this.#end - this.#start
    if (kept < prefixLength) return undefined
    const length = ((this.#bytes[this.#start] ?? 0) << 8) | (this.#bytes[this.#start + 1] ?? 0)
    if (kept < prefixLength + length) return undefined
    const from = this.#start + prefixLength
    this.#start = from + length
    return this.#bytes.subarray(from, this.#start)
  }
}
