// Asks a primary for its zone (RFC 5936, RFC 1995) over one TCP connection, and checks who answers (TSIG, RFC 8945).
import { randomInt } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { classes, flags, get16, headerLength, put16, put32, types } from '../dns/wire.ts'
import { messageOf } from '../errors.ts'
import { wallClockSeconds } from '../quantity.ts'
import { ResponseVerifier, signRequest, type TsigKey } from '../transfer/tsig.ts'
import { type MirroredZone, Receiver, type ReceiverOptions } from './mirrored-zone.ts'
import { readAnswers } from './records.ts'

export interface Primary {
  readonly host: string
  readonly port: number
  /** Signs the queries, and must sign the answers; undefined: nothing is signed. */
  readonly key: TsigKey | undefined
  /** The address that queries come from; undefined: the system chooses. */
  readonly localAddress?: string | undefined
}

export interface AskOptions {
  /** The zone's name in wire form, lower case. */
  readonly origin: Uint8Array
  readonly primary: Primary
  /** Ends the transfer. */
  readonly signal: AbortSignal
}

export interface FetchOptions extends AskOptions, ReceiverOptions {
  /** Called with each message before anything of it is used. */
  onMessage?(message: Uint8Array): void
}

/** The answer to a query for differences has begun and cannot be used. The whole zone may be right (RFC 1995 §4). */
export class UselessDifferences extends Error {}

/** A primary that sends nothing for so long has failed. */
const idleMs = 30_000
/** A transfer may not take longer. */
const longestMs = 3_600_000
/** A response may not have more octets for each name that is allowed, nor more than this besides. */
const octetsPerName = 400
const moreOctets = 16_777_216

/**
 * Resolves with the newest zone, or undefined if `before` is the newest. `wantsWhole`: ask for the whole zone, not for the
 * differences. Rejects if the primary cannot be reached, refuses, or sends what must not be believed.
 */
export async function fetchZone(
  options: FetchOptions,
  before: MirroredZone | undefined,
  wantsWhole: boolean,
): Promise<{ readonly zone: MirroredZone; readonly isWhole: boolean } | undefined> {
  const receiver = new Receiver(options, before)
  const serial = wantsWhole ? undefined : before?.serial
  let octets = 0
  const take = async () => {
    for await (const { message, isCovered } of answersTo(options, serial)) {
      octets += message.length
      if (octets > options.maxNames * octetsPerName + moreOctets) {
        throw new Error('the answer has no end')
      }
      options.onMessage?.(message)
      const progress = receiver.take(readAnswers(message) ?? [])
      if (progress === 'more') continue
      if (progress !== 'current' && 'fault' in progress) throw new Error(progress.fault)
      if (!isCovered) throw new Error('the last message is not signed')
      if (progress === 'current') return undefined
      return { zone: progress.zone, isWhole: receiver.isWhole }
    }
    throw new Error('the primary closed the connection before the end of the zone')
  }
  try {
    return await take()
  } catch (cause) {
    if (serial === undefined || octets === 0) throw cause
    throw new UselessDifferences(messageOf(cause), { cause })
  }
}

/**
 * Asks for the zone and takes no more than the first message. Resolves with why that cannot be used, or undefined. Rejects as
 * `fetchZone` does.
 */
export async function tryPrimary(
  options: AskOptions & ReceiverOptions,
): Promise<string | undefined> {
  const receiver = new Receiver(options, undefined)
  for await (const { message } of answersTo(options, undefined)) {
    const progress = receiver.take(readAnswers(message) ?? [])
    return typeof progress === 'object' && 'fault' in progress ? progress.fault : undefined
  }
  throw new Error('the primary closed the connection without an answer')
}

/**
 * The messages of the answer to a query for the whole zone or, with a serial, for the differences from it. `isCovered`: a
 * signature covers all of them so far. Throws if one cannot belong to the answer.
 */
async function* answersTo(
  { origin, primary, signal }: AskOptions,
  serial: number | undefined,
): AsyncGenerator<{ readonly message: Uint8Array; readonly isCovered: boolean }> {
  const { host, port, key, localAddress } = primary
  const id = randomInt(65_536)
  const query = transferQuery(id, origin, serial)
  const signed = key && signRequest(query, key, wallClockSeconds())
  const verifier = key && signed && new ResponseVerifier(key, signed.mac)
  const from = localAddress === undefined ? {} : { localAddress }
  const socket = connect({ host, port, timeout: idleMs, ...from })
  const fail = (why: string): void => void socket.destroy(new Error(why))
  socket.on('timeout', () => fail(`the primary sent nothing for ${idleMs / 1000} s`))
  const onAbort = (): void => fail('the transfer was ended, or took too long')
  signal.addEventListener('abort', onAbort)
  const limit = setTimeout(onAbort, longestMs)
  try {
    socket.write(framed(signed?.message ?? query))
    for await (const message of messagesOf(socket)) {
      if (verifier?.verify(message, wallClockSeconds()) === false) {
        throw new Error('the answer is not signed with our key and a right clock')
      }
      const fault = faultOf(message, id)
      if (fault !== undefined) throw new Error(fault)
      yield { message, isCovered: verifier?.isCovered !== false }
    }
  } finally {
    clearTimeout(limit)
    signal.removeEventListener('abort', onAbort)
    socket.destroy()
  }
}

/** A query for the whole zone or, with a serial, for the differences from it (RFC 1995 §3). */
function transferQuery(id: number, origin: Uint8Array, serial: number | undefined): Uint8Array {
  const type = serial === undefined ? types.AXFR : types.IXFR
  const question = [...origin, 0, type, 0, classes.IN]
  // The SOA record of the authority section: a pointer to the zone's name, empty names, the serial, and timers of 0.
  const soa = [0xc0, headerLength, 0, types.SOA, 0, classes.IN, 0, 0, 0, 0, 0, 22, 0, 0]
  const rest = serial === undefined ? [] : [...soa, ...new Uint8Array(20)]
  const query = Uint8Array.from([...new Uint8Array(headerLength), ...question, ...rest])
  put16(query, 0, id)
  put16(query, 4, 1)
  if (serial !== undefined) {
    put16(query, 8, 1)
    put32(query, query.length - 20, serial)
  }
  return query
}

/** Why a message cannot belong to the answer. */
function faultOf(message: Uint8Array, id: number): string | undefined {
  const isAnswer = get16(message, 0) === id && ((message[2] ?? 0) & flags.QR) !== 0
  if (!isAnswer) return 'it is no answer to our query'
  const rcode = (message[3] ?? 0) & 15
  if (rcode !== 0) {
    return `the primary refused with RCODE ${rcode}: look at its dns.transfer and dns.key, and at both clocks`
  }
  return get16(message, 6) === 0 ? 'it has a message without records' : undefined
}

/** The messages that come over TCP (RFC 1035 §4.2.2). One shorter than a header ends the connection. */
async function* messagesOf(socket: Socket): AsyncGenerator<Uint8Array> {
  let waiting: Buffer = Buffer.alloc(0)
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    waiting = waiting.length === 0 ? chunk : Buffer.concat([waiting, chunk])
    let at = 0
    while (waiting.length - at >= 2) {
      const length = get16(waiting, at)
      if (length < headerLength) return
      if (waiting.length - at - 2 < length) break
      yield Uint8Array.from(waiting.subarray(at + 2, at + 2 + length))
      at += 2 + length
    }
    waiting = waiting.subarray(at)
  }
}

/** A message with its length before it (RFC 1035 §4.2.2). */
export function framed(message: Uint8Array): Uint8Array {
  const octets = new Uint8Array(message.length + 2)
  put16(octets, 0, message.length)
  octets.set(message, 2)
  return octets
}
