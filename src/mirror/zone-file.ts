// The zone that a mirror keeps on disk: the messages of the last whole transfer, and after them those of the differences since.
// Each message stands behind its length, as it came over TCP. A head of 16 octets tells when the primary was last heard of.
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { get16 } from '../dns/wire.ts'
import { codeOf } from '../errors.ts'
import { writeStoreFile } from '../store/private-file.ts'
import { framed } from './fetch-zone.ts'
import { type MirroredZone, Receiver, type ReceiverOptions } from './mirrored-zone.ts'
import { readAnswers } from './records.ts'

const magic = 'bsdzone1'
const headLength = 16

export interface KeptZone {
  readonly zone: MirroredZone
  /** Epoch seconds. */
  readonly heardAt: number
}

/** Takes one response at a time: `begin`, `add` for each message, then `keep`. All methods throw the system's errors. */
export class ZoneFile {
  readonly #path: string
  /** The response that is coming in. */
  readonly #incoming: string
  #descriptor: number | undefined
  #incomingLength = 0
  /** Octets of the last whole zone, and of the whole file. */
  #wholeLength = 0
  #length = 0

  constructor(path: string) {
    this.#path = path
    this.#incoming = `${path}.new`
  }

  /** Whether the differences take more room than the whole zone, so that a whole one should come next. */
  get isLong(): boolean {
    return this.#length > 2 * this.#wholeLength
  }

  /** Reads the file, and cuts off what an interrupted write left at its end. Returns undefined if it holds no zone. */
  load(options: ReceiverOptions): KeptZone | undefined {
    const descriptor = openOrNone(this.#path)
    if (descriptor === undefined) return undefined
    try {
      const head = Buffer.alloc(headLength)
      readSync(descriptor, head, 0, headLength, 0)
      if (head.toString('latin1', 0, magic.length) !== magic) return undefined
      const zone = this.#readZone(descriptor, options)
      if (zone !== undefined) ftruncateSync(descriptor, this.#length)
      return zone && { zone, heardAt: head.readDoubleBE(magic.length) }
    } finally {
      closeSync(descriptor)
    }
  }

  begin(): void {
    this.close()
    rmSync(this.#incoming, { force: true })
    writeStoreFile(this.#incoming, magic.padEnd(headLength, '\0'))
    this.#descriptor = openSync(this.#incoming, 'a')
    this.#incomingLength = headLength
  }

  add(message: Uint8Array): void {
    if (this.#descriptor === undefined) return
    const octets = framed(message)
    writeSync(this.#descriptor, octets)
    this.#incomingLength += octets.length
  }

  /** Makes the response part of the zone. `isWhole`: it replaces what is there. Returns when that is on disk. */
  keep(isWhole: boolean): void {
    if (this.#descriptor === undefined) return
    if (isWhole) {
      fsyncSync(this.#descriptor)
      renameSync(this.#incoming, this.#path)
      this.#wholeLength = this.#incomingLength
      this.#length = this.#incomingLength
    } else this.#append(readFileSync(this.#incoming).subarray(headLength))
    this.close()
  }

  /** Notes when the primary was last heard of, in epoch seconds. */
  noteHeard(now: number): void {
    const descriptor = openOrNone(this.#path)
    if (descriptor === undefined) return
    const time = Buffer.alloc(8)
    time.writeDoubleBE(now)
    writeSync(descriptor, time, 0, time.length, magic.length)
    closeSync(descriptor)
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  #append(octets: Uint8Array): void {
    const descriptor = openSync(this.#path, 'r+')
    try {
      writeSync(descriptor, octets, 0, octets.length, this.#length)
      fsyncSync(descriptor)
      this.#length += octets.length
    } finally {
      closeSync(descriptor)
    }
  }

  #readZone(descriptor: number, options: ReceiverOptions): MirroredZone | undefined {
    let zone: MirroredZone | undefined
    let receiver = new Receiver(options, zone)
    for (const { message, end } of messagesIn(descriptor)) {
      const progress = receiver.take(readAnswers(message) ?? [])
      if (progress === 'more') continue
      if (progress === 'current' || 'fault' in progress) return zone
      zone = progress.zone
      if (receiver.isWhole) this.#wholeLength = end
      this.#length = end
      receiver = new Receiver(options, zone)
    }
    return zone
  }
}

/** The messages after the head, each with the offset of its end. An incomplete one ends them. */
function* messagesIn(descriptor: number): Generator<{ message: Uint8Array; end: number }> {
  const lengthOctets = new Uint8Array(2)
  for (let at = headLength; ; ) {
    if (readSync(descriptor, lengthOctets, 0, 2, at) < 2) return
    const message = new Uint8Array(get16(lengthOctets, 0))
    if (
      message.length === 0 ||
      readSync(descriptor, message, 0, message.length, at + 2) < message.length
    )
      return
    at += 2 + message.length
    yield { message, end: at }
  }
}

function openOrNone(path: string): number | undefined {
  try {
    return openSync(path, 'r+')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
