// Records → the messages of a zone transfer (RFC 5936 §2.2): packed, with compressed owner names.
import { classes, flags, headerLength, maxNameLength, put16, put32, types } from '../dns/wire.ts'

/** One record. The owner's labels come before the origin's; none is the origin itself. */
export interface TransferRecord {
  /** Lower case, the most specific label first. */
  readonly owner: readonly string[]
  readonly type: number
  readonly ttl: number
  readonly rdata: Uint8Array
}

/** What all messages of a transfer have in common. */
export interface TransferQuestion {
  readonly id: number
  /** The question in wire form. Its name is the zone's origin. */
  readonly question: Uint8Array
}

/**
 * Octets of a message without its TSIG record. A compression pointer reaches no further (RFC 1035 §4.1.4), so larger messages
 * would not be compressed to the end.
 */
const maxLength = 16_384
const originPointer = 0xc000 | headerLength

/** Fills one message after the other. */
export class MessagePacker {
  readonly #asked: TransferQuestion
  readonly #octets = new Uint8Array(maxLength)
  #end = 0
  #answers = 0
  /** The labels of the last owner, and the offset of each in this message. */
  #owner: readonly string[] = []
  #labelsAt: number[] = []

  constructor(asked: TransferQuestion) {
    this.#asked = asked
    this.#begin()
  }

  /** Adds a record. Returns false if this message has no room for it; then take the message and add the record again. */
  add({ owner, type, ttl, rdata }: TransferRecord): boolean {
    if (this.#end + maxNameLength + 10 + rdata.length > maxLength) return false
    this.#putOwner(owner)
    const octets = this.#octets
    put16(octets, this.#end, type)
    put16(octets, this.#end + 2, classes.IN)
    put32(octets, this.#end + 4, ttl)
    put16(octets, this.#end + 8, rdata.length)
    octets.set(rdata, this.#end + 10)
    this.#end += 10 + rdata.length
    this.#answers += 1
    return true
  }

  /** The message so far, and begins the next one. `withOpt`: answer the query's OPT record (RFC 6891 §6.1.1). */
  take({ withOpt = false } = {}): Uint8Array {
    put16(this.#octets, 6, this.#answers)
    const end = this.#end
    const message = new Uint8Array(end + (withOpt ? optRecord.length : 0))
    message.set(this.#octets.subarray(0, end))
    if (withOpt) {
      message.set(optRecord, end)
      put16(message, 10, 1)
    }
    this.#begin()
    return message
  }

  #begin(): void {
    const { id, question } = this.#asked
    const octets = this.#octets
    octets.fill(0, 0, headerLength)
    put16(octets, 0, id)
    octets[2] = flags.QR | flags.AA
    put16(octets, 4, 1)
    octets.set(question, headerLength)
    this.#end = headerLength + question.length
    this.#answers = 0
    this.#owner = []
    this.#labelsAt = []
  }

  /** Puts the owner; the labels at its end that the last owner has too become a pointer. */
  #putOwner(owner: readonly string[]): void {
    const before = this.#owner
    let same = 0
    while (
      same < owner.length &&
      same < before.length &&
      owner[owner.length - 1 - same] === before[before.length - 1 - same]
    ) {
      same += 1
    }
    const own = owner.length - same
    const labelsAt: number[] = []
    for (let index = 0; index < own; index++) {
      labelsAt.push(this.#end)
      this.#putLabel(owner[index] ?? '')
    }
    const shared = this.#labelsAt.slice(before.length - same)
    put16(this.#octets, this.#end, same === 0 ? originPointer : 0xc000 | (shared[0] ?? 0))
    this.#end += 2
    this.#owner = owner
    this.#labelsAt = [...labelsAt, ...shared]
  }

  #putLabel(label: string): void {
    this.#octets[this.#end] = label.length
    for (let at = 0; at < label.length; at++) {
      this.#octets[this.#end + 1 + at] = label.charCodeAt(at)
    }
    this.#end += 1 + label.length
  }
}

/** An OPT record without options (RFC 6891 §6.1.2). */
const optRecord = Uint8Array.from([0, 0, types.OPT, 0x04, 0xd0, 0, 0, 0, 0, 0, 0])
