// DNS cookies (RFC 7873) in the interoperable form of RFC 9018: what a query's COOKIE option is worth, and the cookie
// that goes back. Pure but for the secrets, which stand in memory that the server's threads share. Called by
// respond.ts for queries that carry the option.
import type { Exchange } from './query-context.ts'
import { putSipHash } from './siphash.ts'
import { put32 } from './wire.ts'

/** Octets of the parts of a COOKIE option: RFC 7873 §4, RFC 9018 §4. */
export const clientCookieLength = 8
export const minServerCookieLength = 8
export const maxServerCookieLength = 32
const serverCookieLength = 16

/** Octets of the cookie that we send: client cookie and server cookie. */
export const fullCookieLength = clientCookieLength + serverCookieLength

/** Secrets that are held at once: the newest, by which cookies are made, and those that are still accepted. */
export const maxCookieSecrets = 4
const secretWords = 4
const bankWords = 1 + maxCookieSecrets * secretWords

/** Octets of the memory that CookieSecrets lives in: which bank is in force, and two banks (count, secrets). */
export const cookieSecretsBytes = 4 * (1 + 2 * bankWords)

/** RFC 9018 §4.3: a cookie is good for an hour, is renewed after half of it, and clocks may differ by five minutes. */
const validSeconds = 3600
const renewSeconds = 1800
const skewSeconds = 300

const version = 1

/** The secrets of server cookies in shared memory: one writer, any number of readers. */
export class CookieSecrets {
  readonly #words: Int32Array

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory)
  }

  /** Puts new secrets in force, 16 octets each, the newest first; more than `maxCookieSecrets` are left out. */
  replace(secrets: readonly Uint8Array[]): void {
    const words = this.#words
    const bank = 1 - Atomics.load(words, 0)
    const start = 1 + bank * bankWords
    const kept = secrets.slice(0, maxCookieSecrets)
    for (const [index, secret] of kept.entries()) {
      const view = new DataView(secret.buffer, secret.byteOffset, secret.byteLength)
      for (let word = 0; word < secretWords; word++) {
        words[start + 1 + index * secretWords + word] = view.getInt32(word * 4, true)
      }
    }
    words[start] = kept.length
    // Readers see either bank whole; one that is between two looks has a cookie fail once, which costs nothing.
    Atomics.store(words, 0, bank)
  }

  /** The words that `secretAt` and `count` speak of. */
  get words(): Int32Array {
    return this.#words
  }

  get count(): number {
    return this.#words[1 + this.#words[0]! * bankWords]!
  }

  secretAt(index: number): number {
    return 2 + this.#words[0]! * bankWords + index * secretWords
  }
}

/** Checks and makes cookies for one thread. */
export class Cookies {
  /** After `check`: the cookie to send back, client cookie first. */
  readonly reply = new Uint8Array(fullCookieLength)
  /** Epoch seconds; the thread's owner moves it. */
  now = 0
  readonly #secrets: CookieSecrets
  readonly #input = new Uint8Array(clientCookieLength + 8 + 16)
  readonly #hash = new Uint8Array(8)

  constructor(memory: SharedArrayBuffer) {
    this.#secrets = new CookieSecrets(memory)
  }

  /**
   * Reads the COOKIE option whose `length` octets (8, or 16 to 40) stand at `offset`, puts the cookie to send back
   * into `reply`, and answers whether the client has proved its address (RFC 7873 §5.2.5, RFC 9018 §4.3).
   */
  check(bytes: Uint8Array, offset: number, length: number, client: Exchange): boolean {
    const { reply } = this
    const input = this.#input
    for (let at = 0; at < clientCookieLength; at++) {
      reply[at] = bytes[offset + at]!
      input[at] = bytes[offset + at]!
    }
    const inputLength = this.#putAddress(client)
    const server = offset + clientCookieLength
    if (length === fullCookieLength && bytes[server] === version) {
      // What stands in the reserved octets is hashed as it came (RFC 9018 §4.2).
      for (let at = 0; at < 8; at++) input[clientCookieLength + at] = bytes[server + at]!
      const madeAt =
        (bytes[server + 4]! << 24) |
        (bytes[server + 5]! << 16) |
        (bytes[server + 6]! << 8) |
        bytes[server + 7]!
      // Serial number arithmetic (RFC 9018 §4.3, RFC 1982).
      const age = (this.now - madeAt) | 0
      if (age <= validSeconds && age >= -skewSeconds) {
        const { words, count } = this.#secrets
        for (let index = 0; index < count; index++) {
          putSipHash(this.#hash, 0, words, this.#secrets.secretAt(index), input, inputLength)
          if (!this.#hashStandsAt(bytes, server + 8)) continue
          if (index > 0 || age > renewSeconds || age < 0) {
            this.#make(inputLength)
          } else {
            for (let at = 0; at < serverCookieLength; at++) {
              reply[clientCookieLength + at] = bytes[server + at]!
            }
          }
          return true
        }
      }
    }
    this.#make(inputLength)
    return false
  }

  /** A new server cookie under the newest secret. */
  #make(inputLength: number): void {
    const input = this.#input
    put32(input, clientCookieLength, version << 24)
    put32(input, clientCookieLength + 4, this.now)
    const { reply } = this
    for (let at = 0; at < 8; at++) reply[clientCookieLength + at] = input[clientCookieLength + at]!
    const { words } = this.#secrets
    putSipHash(reply, fullCookieLength - 8, words, this.#secrets.secretAt(0), input, inputLength)
  }

  #putAddress({ family, w0, w1, w2, w3 }: Exchange): number {
    const input = this.#input
    const at = clientCookieLength + 8
    put32(input, at, w0)
    if (family === 4) return at + 4
    put32(input, at + 4, w1)
    put32(input, at + 8, w2)
    put32(input, at + 12, w3)
    return at + 16
  }

  /** Compares without telling by its time how much was right. */
  #hashStandsAt(bytes: Uint8Array, offset: number): boolean {
    let difference = 0
    for (let at = 0; at < 8; at++) difference |= bytes[offset + at]! ^ this.#hash[at]!
    return difference === 0
  }
}
