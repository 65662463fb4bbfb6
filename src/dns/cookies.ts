// DNS cookies (RFC 7873) in the form of RFC 9018. Checks whether the COOKIE option of a query proves the client's address, and
// makes the cookie to send back. All threads share the memory of the secrets.
import type { ClientAddress } from './query-context.ts'
import { putSipHash } from './siphash.ts'
import { get32, put32 } from './wire.ts'

/** Octets of the parts of a COOKIE option (RFC 7873 §4, RFC 9018 §4). */
export const clientCookieLength = 8
export const minServerCookieLength = 8
export const maxServerCookieLength = 32
const serverCookieLength = 16

/** Octets of the cookie that we send: client cookie and server cookie. */
export const fullCookieLength = clientCookieLength + serverCookieLength

/** Secrets in use at the same time. The newest makes cookies; older ones are still accepted. */
export const maxCookieSecrets = 4
const secretWords = 4
const bankWords = 1 + maxCookieSecrets * secretWords

/** Octets of the shared memory: a word with the number of the bank in use, then two banks, each a count and its secrets. */
export const cookieSecretsBytes = 4 * (1 + 2 * bankWords)

/** A cookie is valid for an hour and renewed after half an hour; clocks may differ by five minutes (RFC 9018 §4.3). */
const validSeconds = 3600
const renewSeconds = 1800
const skewSeconds = 300

const version = 1

/**
 * Replaces the secrets, 16 octets each, newest first; those beyond `maxCookieSecrets` are ignored. They are written into the
 * unused bank, and one atomic store then makes that the bank in use. A thread that is just checking a cookie finishes with the
 * old bank, which is not written again before the next call.
 */
export function replaceCookieSecrets(
  memory: SharedArrayBuffer,
  secrets: readonly Uint8Array[],
): void {
  const words = new Int32Array(memory)
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
  Atomics.store(words, 0, bank)
}

/** Checks and makes cookies for one thread. */
export class Cookies {
  /** After `check`: the cookie to send back, client cookie first. */
  readonly reply = new Uint8Array(fullCookieLength)
  /** Epoch seconds by the wall clock, since all servers of an anycast address must agree. The caller sets it before `check`. */
  now = 0
  readonly #words: Int32Array
  readonly #input = new Uint8Array(clientCookieLength + 8 + 16)
  readonly #hash = new Uint8Array(8)

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory)
  }

  /**
   * Reads a COOKIE option of `length` octets (8, or 16 to 40) at `offset` and puts the cookie to send back into `reply`. Returns
   * whether the client has proved its address (RFC 7873 §5.2.5, RFC 9018 §4.3).
   */
  check(bytes: Uint8Array, offset: number, length: number, client: ClientAddress): boolean {
    const { reply } = this
    const input = this.#input
    const words = this.#words
    // Read the number of the bank once, so that this whole check uses the same bank.
    const bank = 1 + Atomics.load(words, 0) * bankWords
    const newest = bank + 1
    for (let at = 0; at < clientCookieLength; at++) {
      reply[at] = bytes[offset + at]!
      input[at] = bytes[offset + at]!
    }
    const inputLength = this.#putAddress(client)
    const server = offset + clientCookieLength
    if (length === fullCookieLength && bytes[server] === version) {
      // Hash the reserved octets as they came (RFC 9018 §4.2).
      for (let at = 0; at < 8; at++) input[clientCookieLength + at] = bytes[server + at]!
      // Serial number arithmetic (RFC 9018 §4.3, RFC 1982).
      const age = (this.now - get32(bytes, server + 4)) | 0
      if (age <= validSeconds && age >= -skewSeconds) {
        const end = newest + words[bank]! * secretWords
        for (let secret = newest; secret < end; secret += secretWords) {
          putSipHash(this.#hash, 0, words, secret, input, inputLength)
          if (!this.#isHashAt(bytes, server + 8)) continue
          if (secret > newest || age > renewSeconds || age < 0) this.#make(newest, inputLength)
          else {
            for (let at = clientCookieLength; at < fullCookieLength; at++) {
              reply[at] = bytes[offset + at]!
            }
          }
          return true
        }
      }
    }
    this.#make(newest, inputLength)
    return false
  }

  /** Makes a server cookie. `secret` is the word index of the secret. */
  #make(secret: number, inputLength: number): void {
    const { reply } = this
    const input = this.#input
    put32(input, clientCookieLength, version << 24)
    put32(input, clientCookieLength + 4, this.now)
    for (let at = 0; at < 8; at++) reply[clientCookieLength + at] = input[clientCookieLength + at]!
    putSipHash(reply, fullCookieLength - 8, this.#words, secret, input, inputLength)
  }

  #putAddress({ family, w0, w1, w2, w3 }: ClientAddress): number {
    const input = this.#input
    const at = clientCookieLength + 8
    put32(input, at, w0)
    if (family === 4) return at + 4
    put32(input, at + 4, w1)
    put32(input, at + 8, w2)
    put32(input, at + 12, w3)
    return at + 16
  }

  /** Whether the octets at `offset` are the hash. The time that this takes does not depend on how many octets are right. */
  #isHashAt(bytes: Uint8Array, offset: number): boolean {
    let difference = 0
    for (let at = 0; at < 8; at++) difference |= bytes[offset + at]! ^ this.#hash[at]!
    return difference === 0
  }
}
