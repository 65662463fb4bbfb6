// Builds a response in the caller's buffer and keeps it within its size limit. The records are written first, then the header,
// the question and the OPT record.
import { extendedErrors, optRoom, putOpt } from './edns.ts'
import type { Query } from './query.ts'
import { putText, type TxtTemplate } from './txt-template.ts'
import { classes, flags, headerLength, Octets, put16, put32, putWords, types } from './wire.ts'
import { type PreparedZone, questionPointer, type ReadyRrset, recordHeaderLength } from './zone.ts'

/** Octets of the longest TXT record of a listing. */
const maxTxtRecord = recordHeaderLength + 256

/** Builds one response after the other in the same object. Never allocates or throws. */
export class ResponseWriter {
  #octets = new Octets(0)
  #end = 0
  #limit = 0
  #flags = 0
  #answers = 0
  #authorities = 0
  #extendedError: number = extendedErrors.none
  readonly #scratch = new Octets(maxTxtRecord)
  readonly #nsid: Uint8Array
  readonly #cookie: Uint8Array

  /**
   * @param nsid sent to a client that asks for it; none if empty
   * @param cookie must hold the cookie to send back when `finish` is called
   */
  constructor(nsid: Uint8Array, cookie: Uint8Array) {
    this.#nsid = nsid
    this.#cookie = cookie
  }

  /** Begins a response of at most `limit` octets in `octets`. `query` has been read. */
  start(octets: Octets, query: Query, limit: number): void {
    this.#octets = octets
    this.#end = query.questionEnd
    // Reserve room for our OPT record, so that truncation cannot drop it (RFC 6891 §7).
    this.#limit = query.edns.isPresent ? limit - optRoom(query.edns, this.#nsid) : limit
    this.#flags = 0
    this.#answers = 0
    this.#authorities = 0
    this.#extendedError = extendedErrors.none
  }

  /** Sets the AA flag (RFC 1035 §4.1.1). */
  setAuthoritative(): void {
    this.#flags |= flags.AA
  }

  /** Removes all records. Sets TC if `isTruncated`. */
  clear(query: Query, isTruncated: boolean): void {
    this.#end = query.questionEnd
    this.#answers = 0
    this.#authorities = 0
    this.#flags = isTruncated ? this.#flags | flags.TC : 0
  }

  /**
   * Sets the extended error for the OPT record (RFC 8914 §2); a response without an OPT record does not carry it. No room is
   * reserved for it, so use it only in responses without other records.
   */
  setExtendedError(infoCode: number): void {
    this.#extendedError = infoCode
  }

  /** Adds an RRset of the question's name to the answer section. An SOA record gets the serial `serial`. */
  putRrset(rrset: ReadyRrset, serial: number): void {
    const { words, length, serialAt } = rrset
    if (!this.#fits(length)) return
    putWords(this.#octets, this.#end, words, length)
    if (serialAt >= 0) this.#octets.view.setInt32(this.#end + serialAt, serial)
    this.#end += length
    this.#answers = rrset.count
  }

  /**
   * Adds the SOA record of a negative answer to the authority section (RFC 2308 §2.1, §2.2). `originAt` is the offset of the
   * origin in the question.
   */
  putNegativeSoa(zone: PreparedZone, originAt: number, serial: number): void {
    const { words, length, serialAt, pointers } = zone.negativeSoa
    if (!this.#fits(length)) return
    putWords(this.#octets, this.#end, words, length)
    const { view } = this.#octets
    for (let index = 0; index < pointers.length; index++) {
      const { at, past } = pointers[index]!
      view.setInt16(this.#end + at, 0xc000 | (originAt + past))
    }
    view.setInt32(this.#end + serialAt, serial)
    this.#end += length
    this.#authorities = 1
  }

  /** Adds the TXT record of a listing. The first `length` bits of the address are filled into the template. */
  putTxt(
    template: TxtTemplate,
    ttl: number,
    length: number,
    family: 4 | 6,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
  ): void {
    // The record's length is known only when it is written. So near the limit it is written elsewhere first.
    const isRoomy = this.#end + maxTxtRecord <= this.#limit
    const bytes = isRoomy ? this.#octets : this.#scratch
    const start = isRoomy ? this.#end : 0
    put16(bytes, start, questionPointer)
    put16(bytes, start + 2, types.TXT)
    put16(bytes, start + 4, classes.IN)
    put32(bytes, start + 6, ttl)
    const after = putText(
      bytes,
      start + recordHeaderLength,
      template,
      family,
      w0 & leadingBits(length),
      w1 & leadingBits(length - 32),
      w2 & leadingBits(length - 64),
      w3 & leadingBits(length - 96),
    )
    put16(bytes, start + 10, after - start - recordHeaderLength)
    if (!isRoomy) {
      if (!this.#fits(after)) return
      for (let at = 0; at < after; at++) this.#octets[this.#end + at] = bytes[at]!
    }
    this.#end += after - start
    this.#answers = 1
  }

  /**
   * Writes header, question and OPT record (RFC 1035 §4.1.1, RFC 6891 §6.1.1). Returns the response's length. `asked` is the
   * query's buffer; if the response is built in it, ID and question stay where they are.
   */
  finish(asked: Octets, query: Query, ownPayload: number, rcode: number): number {
    const response = this.#octets
    if (response !== asked) {
      response[0] = asked[0]!
      response[1] = asked[1]!
      // The question is copied octet for octet, with its mix of cases (RFC 4343 §4.1).
      for (let at = headerLength; at < query.questionEnd; at++) response[at] = asked[at]!
    }
    const { view } = response
    // Opcode and RD are copied. RA, Z, AD and CD stay 0 (RFC 1035 §4.1.1, RFC 4035 §3.1.6).
    const copied = asked[2]! & (flags.opcode | flags.RD)
    view.setInt16(2, ((flags.QR | copied | this.#flags) << 8) | (rcode & 15))
    const questions = query.questionEnd > headerLength ? 1 : 0
    view.setInt32(4, (questions << 16) | this.#answers)
    view.setInt32(8, (this.#authorities << 16) | (query.edns.isPresent ? 1 : 0))
    if (!query.edns.isPresent) return this.#end
    return putOpt(
      response,
      this.#end,
      query.edns,
      ownPayload,
      rcode,
      this.#extendedError,
      this.#cookie,
      this.#nsid,
    )
  }

  /** Whether `length` more octets fit. If not, sets TC: an RRset is left out as a whole (RFC 2181 §9). */
  #fits(length: number): boolean {
    if (this.#end + length <= this.#limit) return true
    this.#flags |= flags.TC
    return false
  }
}

function leadingBits(length: number): number {
  if (length <= 0) return 0
  return length >= 32 ? -1 : -1 << (32 - length)
}
