// The zone that a mirror keeps on disk: the messages of the last whole transfer, and after them those of the differences since.
//
//   head      magic (8), when the primary was last heard of in epoch seconds (double, 8), CRC-32 of that (4)
//   response  each message behind its length, as it came over TCP; then a length of 0 and the SHA-256 of the whole response
//
// A response counts only with its digest, so that nothing torn or changed on the disk is believed. One with its digest can still
// be useless: kept under another zone.origin or zone.text than now.
import { createHash } from 'node:crypto'
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
import { crc32 } from 'node:zlib'
import { get16 } from '../dns/wire.ts'
import { codeOf } from '../errors.ts'
import { writeStoreFile } from '../store/private-file.ts'
import { framed } from './fetch-zone.ts'
import {
  type MirroredZone,
  type Progress,
  Receiver,
  type ReceiverOptions,
} from './mirrored-zone.ts'
import { readAnswers } from './records.ts'

const magic = 'bsdzone2'
const headLength = 20
const digestLength = 32
const endMark = new Uint8Array(2)

export interface KeptZone {
  /** Undefined if the file holds no whole zone. */
  readonly zone: MirroredZone | undefined
  /** Epoch seconds; 0 if it is not known. */
  readonly heardAt: number
  /** Whether something in the file is torn or was changed. */
  readonly isDamaged: boolean
  /** Why a response that is not damaged cannot be used with these settings; undefined if there is none. */
  readonly misfit: string | undefined
}

/** Takes one response at a time: `begin`, `add` for each message, then `keep`. All methods throw the system's errors. */
export class ZoneFile {
  readonly #path: string
  /** The response that is coming in. */
  readonly #incoming: string
  #descriptor: number | undefined
  #digest = createHash('sha256')
  #incomingLength = 0
  /** Octets of the head and the last whole zone, and of the whole file. */
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

  /** Reads the file, and cuts off what cannot be used after the zone. Returns undefined if there is no file. */
  load(options: ReceiverOptions): KeptZone | undefined {
    const kept = this.read(options)
    if (kept?.zone !== undefined && (kept.isDamaged || kept.misfit !== undefined)) {
      const descriptor = openSync(this.#path, 'r+')
      ftruncateSync(descriptor, this.#length)
      closeSync(descriptor)
    }
    return kept
  }

  /** Like `load`, but changes nothing. */
  read(options: ReceiverOptions): KeptZone | undefined {
    const descriptor = openOrNone(this.#path, 'r')
    if (descriptor === undefined) return undefined
    try {
      const head = Buffer.alloc(headLength)
      readSync(descriptor, head, 0, headLength, 0)
      if (head.toString('latin1', 0, magic.length) !== magic) {
        return { zone: undefined, heardAt: 0, isDamaged: true, misfit: undefined }
      }
      const isRightHead = head.readUInt32BE(headLength - 4) === crc32(head.subarray(0, -4))
      const { zone, isWhole, misfit } = this.#readZone(descriptor, options)
      const heardAt = isRightHead ? head.readDoubleBE(magic.length) : 0
      return { zone, heardAt, isDamaged: !isRightHead || !isWhole, misfit }
    } finally {
      closeSync(descriptor)
    }
  }

  begin(): void {
    this.close()
    rmSync(this.#incoming, { force: true })
    writeStoreFile(this.#incoming, '')
    this.#descriptor = openSync(this.#incoming, 'a')
    this.#digest = createHash('sha256')
    this.#incomingLength = 0
    this.#put(headOf(0))
  }

  add(message: Uint8Array): void {
    const octets = framed(message)
    this.#digest.update(octets)
    this.#put(octets)
  }

  /**
   * Makes the response part of the zone, heard of at `now`. `isWhole`: it replaces what is there. Returns when that is on disk.
   */
  keep(isWhole: boolean, now: number): void {
    if (this.#descriptor === undefined) return
    this.#put(endMark)
    this.#put(this.#digest.digest())
    if (isWhole) {
      fsyncSync(this.#descriptor)
      writeHead(this.#incoming, now)
      renameSync(this.#incoming, this.#path)
      this.#wholeLength = this.#incomingLength
      this.#length = this.#incomingLength
    } else {
      this.#append(readFileSync(this.#incoming).subarray(headLength))
      writeHead(this.#path, now)
    }
    this.close()
  }

  /** Notes when the primary was last heard of, in epoch seconds. Does nothing if there is no file. */
  noteHeard(now: number): void {
    writeHead(this.#path, now)
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  #put(octets: Uint8Array): void {
    if (this.#descriptor === undefined) return
    writeWhole(this.#descriptor, octets, null)
    this.#incomingLength += octets.length
  }

  #append(octets: Uint8Array): void {
    const descriptor = openSync(this.#path, 'r+')
    try {
      writeWhole(descriptor, octets, this.#length)
      fsyncSync(descriptor)
      this.#length += octets.length
    } finally {
      closeSync(descriptor)
    }
  }

  /** `isWhole`: whether the file has nothing but responses with their digests. After a misfit no more are read. */
  #readZone(descriptor: number, options: ReceiverOptions) {
    let zone: MirroredZone | undefined
    let receiver = new Receiver(options, zone)
    let progress: Progress = 'more'
    let digest = createHash('sha256')
    this.#length = headLength
    for (const { octets, end } of partsOf(descriptor)) {
      if (get16(octets, 0) !== 0) {
        digest.update(octets)
        // After a fault, only the digest is of interest.
        if (progress === 'more') progress = receiver.take(readAnswers(octets.subarray(2)) ?? [])
        continue
      }
      if (digest.digest().compare(octets, 2) !== 0 || typeof progress === 'string') break
      if ('fault' in progress) return { zone, isWhole: true, misfit: progress.fault }
      zone = progress.zone
      if (receiver.isWhole) this.#wholeLength = end
      this.#length = end
      receiver = new Receiver(options, zone)
      progress = 'more'
      digest = createHash('sha256')
    }
    const isAtEnd = readSync(descriptor, new Uint8Array(1), 0, 1, this.#length) === 0
    return { zone, isWhole: isAtEnd && zone !== undefined, misfit: undefined }
  }
}

/**
 * The messages after the head with their lengths, and each end mark with its digest. `end` is the offset after them. An incomplete
 * one ends them.
 */
function* partsOf(descriptor: number): Generator<{ octets: Uint8Array; end: number }> {
  const lengthOctets = new Uint8Array(2)
  for (let at = headLength; ; ) {
    if (readSync(descriptor, lengthOctets, 0, 2, at) < 2) return
    const length = get16(lengthOctets, 0)
    const octets = new Uint8Array(2 + (length || digestLength))
    if (readSync(descriptor, octets, 0, octets.length, at) < octets.length) return
    at += octets.length
    yield { octets, end: at }
  }
}

function headOf(heardAt: number): Buffer {
  const head = Buffer.alloc(headLength)
  head.write(magic, 'latin1')
  head.writeDoubleBE(heardAt, magic.length)
  head.writeUInt32BE(crc32(head.subarray(0, -4)), headLength - 4)
  return head
}

function writeHead(path: string, heardAt: number): void {
  const descriptor = openOrNone(path, 'r+')
  if (descriptor === undefined) return
  try {
    writeWhole(descriptor, headOf(heardAt), 0)
  } finally {
    closeSync(descriptor)
  }
}

/** Writes all of it: the system may write a part, if the disk is full. Throws then. */
function writeWhole(descriptor: number, octets: Uint8Array, position: number | null): void {
  for (let done = 0; done < octets.length; ) {
    const at = position === null ? null : position + done
    done += writeSync(descriptor, octets, done, octets.length - done, at)
  }
}

function openOrNone(path: string, flags: 'r' | 'r+'): number | undefined {
  try {
    return openSync(path, flags)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
