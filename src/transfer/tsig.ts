// Transaction signatures (RFC 8945): verifies signed queries, and signs queries, responses and the messages of a transfer.
// node:crypto computes the MACs. A message is never changed; a signed one is a copy with the TSIG record at its end.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { lowerCase, skipName } from '../dns/name.ts'
import { recordAt, recordFieldsLength, skipQuestions, writtenOut } from '../dns/record-place.ts'
import { classes, get16, put16, put32, types } from '../dns/wire.ts'

/** The algorithms that RFC 8945 §6 requires, and its longer ones. */
export const tsigAlgorithms = ['hmac-sha256', 'hmac-sha384', 'hmac-sha512'] as const
export type TsigAlgorithm = (typeof tsigAlgorithms)[number]

export interface TsigKey {
  /** Wire form, lower case, uncompressed. */
  readonly name: Uint8Array
  readonly algorithm: TsigAlgorithm
  readonly secret: Uint8Array
}

/** A name in the form of a key's name: lower case, in wire form. */
export function keyName(text: string): Uint8Array {
  const labels = text.toLowerCase().split('.')
  return Uint8Array.from([...labels.flatMap((label) => [label.length, ...Buffer.from(label)]), 0])
}

/** Values of the error field (RFC 8945 §3, §5.2). */
export const tsigErrors = { none: 0, BADSIG: 16, BADKEY: 17, BADTIME: 18, BADTRUNC: 22 } as const
type TsigError = (typeof tsigErrors)[keyof typeof tsigErrors]

/** Seconds by which two clocks may differ (RFC 8945 §10). */
const fudgeSeconds = 300

/** How a received message is signed. A message that is `refused` gets RCODE NOTAUTH and a TSIG record with the error. */
export type Signature =
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'valid'; readonly key: TsigKey; readonly mac: Uint8Array }
  | {
      readonly kind: 'refused'
      readonly error: TsigError
      readonly record: TsigRecord
      /** The key of a BADTIME, whose response is signed (RFC 8945 §5.2.3). */
      readonly key?: TsigKey
    }

interface TsigRecord {
  /** Offset of the record in its message. */
  readonly at: number
  readonly name: Uint8Array
  readonly algorithm: Uint8Array
  readonly timeSigned: number
  readonly fudge: number
  readonly mac: Uint8Array
  readonly originalId: number
  readonly error: number
  readonly other: Uint8Array
}

/** The algorithms' names in wire form. */
const algorithmNames = new Map(
  tsigAlgorithms.map((each) => [each, Uint8Array.from([each.length, ...Buffer.from(each), 0])]),
)

/** Verifies a request. The checks come in the order of RFC 8945 §5.2: key, MAC, time, length of the MAC. `now`: epoch seconds. */
export function verifyRequest(
  message: Uint8Array,
  keys: readonly TsigKey[],
  now: number,
): Signature {
  const record = readTsig(message)
  if (record === undefined || record === 'malformed') {
    return { kind: record === undefined ? 'unsigned' : 'malformed' }
  }
  const key = keys.find((each) => isBy(record, each))
  if (key === undefined) return { kind: 'refused', error: tsigErrors.BADKEY, record }
  if (!mayHaveLength(record.mac, key)) return { kind: 'malformed' }
  const error = faultOf(record, key, now, [unsignedOf(message, record), variables(record)])
  if (error === tsigErrors.none) return { kind: 'valid', key, mac: record.mac }
  const isSigned = error === tsigErrors.BADTIME
  return { kind: 'refused', error, record, ...(isSigned && { key }) }
}

/** Signs the messages of one response, or of one transfer, in order (RFC 8945 §5.3). */
export class ResponseSigner {
  readonly #key: TsigKey
  /** The MAC before this message: first the request's, then that of the last message. */
  #mac: Uint8Array
  #isFirst = true

  constructor(key: TsigKey, requestMac: Uint8Array) {
    this.#key = key
    this.#mac = requestMac
  }

  /** Returns the message with its TSIG record. Every message of a transfer must pass here. */
  sign(message: Uint8Array, now: number): Uint8Array {
    const record = ownRecord(this.#key, now, get16(message, 0))
    const signed = this.#isFirst ? variables(record) : timers(record)
    this.#mac = macOf(this.#key, [withLength(this.#mac), message, signed])
    this.#isFirst = false
    return append(message, { ...record, mac: this.#mac })
  }
}

/** The most messages in a row that a transfer may leave unsigned (RFC 8945 §5.3.1). */
const maxUnsigned = 99

/** Verifies the messages of one response, or of one transfer, in order (RFC 8945 §5.3.1). */
export class ResponseVerifier {
  readonly #key: TsigKey
  /** The MAC before the next signed message: first the request's, then that of the last signed message. */
  #mac: Uint8Array
  #isFirst = true
  /** The messages since the last signed one. */
  #unsigned: Uint8Array[] = []

  constructor(key: TsigKey, requestMac: Uint8Array) {
    this.#key = key
    this.#mac = requestMac
  }

  /**
   * Returns false if the message, and with it the whole response, must not be believed. `message` must stay as it is until the
   * next signed one. `now`: epoch seconds.
   */
  verify(message: Uint8Array, now: number): boolean {
    const record = readTsig(message)
    if (record === 'malformed') return false
    if (record === undefined) {
      this.#unsigned.push(message)
      return !this.#isFirst && this.#unsigned.length <= maxUnsigned
    }
    if (!isBy(record, this.#key) || record.error !== tsigErrors.none) return false
    const signed = [
      withLength(this.#mac),
      ...this.#unsigned,
      unsignedOf(message, record),
      this.#isFirst ? variables(record) : timers(record),
    ]
    if (faultOf(record, this.#key, now, signed) !== tsigErrors.none) return false
    this.#mac = record.mac.slice()
    this.#isFirst = false
    this.#unsigned = []
    return true
  }

  /** Whether all messages so far are covered by a signature. The last message of a transfer must be signed. */
  get isCovered(): boolean {
    return !this.#isFirst && this.#unsigned.length === 0
  }
}

/** The octets that a response with a TSIG record of this key is longer. */
export function tsigLength({ name, algorithm }: TsigKey): number {
  const algorithmLength = algorithmNames.get(algorithm)?.length ?? 0
  return name.length + recordFieldsLength + algorithmLength + 16 + macLengths[algorithm]
}

/**
 * Adds the TSIG record that tells a refused requester why (RFC 8945 §5.2). It is signed only for BADTIME, and then carries our
 * clock. `response` is the whole response with RCODE NOTAUTH.
 */
export function appendRefusal(
  response: Uint8Array,
  { error, record, key }: Extract<Signature, { kind: 'refused' }>,
  now: number,
): Uint8Array {
  const { name, algorithm, timeSigned, originalId } = record
  const same = { at: 0, name, algorithm, fudge: fudgeSeconds, originalId, error }
  if (key === undefined) {
    const empty = new Uint8Array()
    return append(response, { ...same, timeSigned, mac: empty, other: empty })
  }
  const refusal = { ...same, timeSigned, mac: new Uint8Array(), other: time48(now) }
  const mac = macOf(key, [withLength(record.mac), response, variables(refusal)])
  return append(response, { ...refusal, mac })
}

/** Signs a request. Returns its MAC as well, which the response's MAC covers. */
export function signRequest(
  message: Uint8Array,
  key: TsigKey,
  now: number,
): { readonly message: Uint8Array; readonly mac: Uint8Array } {
  const record = ownRecord(key, now, get16(message, 0))
  const mac = macOf(key, [message, variables(record)])
  return { message: append(message, { ...record, mac }), mac }
}

/** Octets of the MAC of each algorithm. */
const macLengths: Readonly<Record<TsigAlgorithm, number>> = {
  'hmac-sha256': 32,
  'hmac-sha384': 48,
  'hmac-sha512': 64,
}

/** Whether a MAC is as long as one may be; any other length is a format error (RFC 8945 §5.2.2.1). */
function mayHaveLength(mac: Uint8Array, { algorithm }: TsigKey): boolean {
  const whole = macLengths[algorithm]
  return mac.length <= whole && mac.length >= Math.max(10, whole / 2)
}

/** Of a shortened MAC, RFC 8945 §5.2.2.1 lets a server demand more octets; this one takes none. */
function faultOf(
  { mac, timeSigned, fudge }: TsigRecord,
  key: TsigKey,
  now: number,
  signed: readonly Uint8Array[],
): TsigError {
  const whole = macOf(key, signed)
  const isRight = mayHaveLength(mac, key) && timingSafeEqual(mac, whole.subarray(0, mac.length))
  if (!isRight) return tsigErrors.BADSIG
  if (Math.abs(now - timeSigned) > fudge) return tsigErrors.BADTIME
  return mac.length < whole.length ? tsigErrors.BADTRUNC : tsigErrors.none
}

function macOf({ algorithm, secret }: TsigKey, pieces: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac(algorithm.replace('hmac-', ''), secret)
  for (const piece of pieces) hmac.update(piece)
  return hmac.digest()
}

/**
 * Reads the TSIG record at the end of a message. undefined: there is none. 'malformed' as in RFC 8945 §5.1: it is not the last
 * record, it stands outside the additional section, there are several, or its fields do not fit.
 */
function readTsig(message: Uint8Array): TsigRecord | 'malformed' | undefined {
  const total = get16(message, 6) + get16(message, 8) + get16(message, 10)
  const additionalFrom = total - get16(message, 10)
  let at = skipQuestions(message)
  if (at < 0) return 'malformed'
  for (let index = 0; index < total; index++) {
    const record = recordAt(message, at)
    if (record === undefined) return 'malformed'
    const { type, fields, end } = record
    if (type === types.TSIG) {
      const isLast = index === total - 1 && index >= additionalFrom && end === message.length
      return (isLast && readFields(message, at, fields)) || 'malformed'
    }
    at = end
  }
  return at === message.length ? undefined : 'malformed'
}

/**
 * The algorithm's name must not be compressed (RFC 8945 §4.2); a compressed one makes the record malformed. The key's name may be,
 * as any owner: it is if it ends like the zone's.
 */
function readFields(message: Uint8Array, at: number, fixed: number): TsigRecord | undefined {
  const view = new DataView(message.buffer, message.byteOffset, message.length)
  if (get16(message, fixed + 2) !== classes.ANY || view.getUint32(fixed + 4) !== 0) return undefined
  const data = fixed + recordFieldsLength
  const algorithmEnd = skipName(message, data, message.length)
  if (algorithmEnd < 0) return undefined
  const algorithm = plainName(message, data, algorithmEnd)
  const macAt = algorithmEnd + 10
  if (!algorithm || macAt > message.length) return undefined
  const macEnd = macAt + get16(message, algorithmEnd + 8)
  if (macEnd + 6 > message.length) return undefined
  const otherEnd = macEnd + 6 + get16(message, macEnd + 4)
  if (otherEnd !== message.length) return undefined
  return {
    at,
    name: writtenOut(message, at).map(lowerCase),
    algorithm,
    timeSigned: get16(message, algorithmEnd) * 2 ** 32 + view.getUint32(algorithmEnd + 2),
    fudge: get16(message, algorithmEnd + 6),
    mac: message.subarray(macAt, macEnd),
    originalId: get16(message, macEnd),
    error: get16(message, macEnd + 2),
    other: message.subarray(macEnd + 6),
  }
}

/** The name from `at` to `end` in lower case; undefined if it is compressed. */
function plainName(message: Uint8Array, at: number, end: number): Uint8Array | undefined {
  for (let label = at; label < end; label += (message[label] ?? 0) + 1) {
    if ((message[label] ?? 0) > 63) return undefined
  }
  return message.slice(at, end).map(lowerCase)
}

/** The message as it was before its signer added the record, with the id that it had then. */
function unsignedOf(message: Uint8Array, { at, originalId }: TsigRecord): Uint8Array {
  // A Buffer's own slice() would share the message's memory.
  const unsigned = Uint8Array.from(message.subarray(0, at))
  put16(unsigned, 0, originalId)
  put16(unsigned, 10, get16(message, 10) - 1)
  return unsigned
}

function ownRecord({ name, algorithm }: TsigKey, now: number, originalId: number): TsigRecord {
  return {
    at: 0,
    name,
    algorithm: algorithmNames.get(algorithm) ?? name,
    timeSigned: now,
    fudge: fudgeSeconds,
    mac: new Uint8Array(),
    originalId,
    error: tsigErrors.none,
    other: new Uint8Array(),
  }
}

/** The record's fields that a MAC covers (RFC 8945 §4.3.3). */
function variables(record: TsigRecord): Uint8Array {
  const { name, algorithm, error, other } = record
  const classAndTtl = [0, classes.ANY, 0, 0, 0, 0]
  const end = [error >>> 8, error & 255, other.length >>> 8, other.length & 255, ...other]
  return Uint8Array.from([...name, ...classAndTtl, ...algorithm, ...timers(record), ...end])
}

/** The fields that the MACs of a transfer's later messages cover (RFC 8945 §5.3.1). */
function timers({ timeSigned, fudge }: TsigRecord): Uint8Array {
  return Uint8Array.from([...time48(timeSigned), fudge >>> 8, fudge & 255])
}

function time48(seconds: number): Uint8Array {
  const octets = new Uint8Array(6)
  put16(octets, 0, Math.floor(seconds / 2 ** 32))
  put32(octets, 2, seconds)
  return octets
}

function withLength(mac: Uint8Array): Uint8Array {
  return Uint8Array.from([mac.length >>> 8, mac.length & 255, ...mac])
}

/** A copy of the message with the record at its end. */
function append(message: Uint8Array, record: TsigRecord): Uint8Array {
  const { name, algorithm, mac, originalId, error, other } = record
  const rdata = [
    ...algorithm,
    ...timers(record),
    ...withLength(mac),
    ...[originalId, error, other.length].flatMap((number) => [number >>> 8, number & 255]),
    ...other,
  ]
  const fixed = [0, types.TSIG, 0, classes.ANY, 0, 0, 0, 0, rdata.length >>> 8, rdata.length & 255]
  const whole = new Uint8Array(message.length + name.length + fixed.length + rdata.length)
  whole.set(message)
  whole.set([...name, ...fixed, ...rdata], message.length)
  put16(whole, 10, get16(message, 10) + 1)
  return whole
}

/** Whether the record names this key and its algorithm. */
function isBy(record: TsigRecord, { name, algorithm }: TsigKey): boolean {
  return (
    isSame(record.name, name) && isSame(record.algorithm, algorithmNames.get(algorithm) ?? name)
  )
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, index) => octet === b[index])
}
