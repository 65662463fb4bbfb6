// Walks the questions and records of a message that may be anything. Answering a query does not use this: it must not allocate.
import { skipName } from './name.ts'
import { get16, headerLength, maxNameLength } from './wire.ts'

/** Octets of a record's fields between its owner and its RDATA: type, class, TTL and length (RFC 1035 §4.1.3). */
export const recordFieldsLength = 10

/** Where the parts of a record stand. */
export interface RecordPlace {
  readonly type: number
  /** Offset of the type, after the owner. */
  readonly fields: number
  /** Offsets of the RDATA and of what follows the record. */
  readonly data: number
  readonly end: number
}

/** The offset after the questions; -1 if one runs past the end. */
export function skipQuestions(message: Uint8Array): number {
  let at = headerLength
  for (let question = 0; question < get16(message, 4); question++) {
    const nameEnd = skipName(message, at, message.length)
    if (nameEnd < 0 || nameEnd + 4 > message.length) return -1
    at = nameEnd + 4
  }
  return at
}

/** The record at an offset; undefined if it runs past the end. */
export function recordAt(message: Uint8Array, at: number): RecordPlace | undefined {
  const fields = skipName(message, at, message.length)
  const data = fields + recordFieldsLength
  if (fields < 0 || data > message.length) return undefined
  const end = data + get16(message, fields + 8)
  return end > message.length ? undefined : { type: get16(message, fields), fields, data, end }
}

const nameOctets = new Uint8Array(maxNameLength)

/**
 * The name at `start`, which `skipName` has found right, without compression. It is copied octet by octet: a view of each label
 * would take longer.
 */
export function writtenOut(message: Uint8Array, start: number): Uint8Array {
  let length = 0
  for (let at = start; ; ) {
    const octet = message[at] ?? 0
    if (octet > 63) {
      at = get16(message, at) & 0x3fff
      continue
    }
    for (const end = at + octet; at <= end; at++) nameOctets[length++] = message[at] ?? 0
    if (octet === 0) return nameOctets.slice(0, length)
  }
}
