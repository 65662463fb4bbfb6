// An mbox file, plain or gzipped → its messages, without ever changing it. Called by poller.ts.
//
// How far it has been read is remembered by the offset, and by a fingerprint of what stands before it: where that no
// longer fits, somebody has rewritten the file, and it is read again from its beginning, since the store knows what it
// has. A plain file is read a megabyte at a time, under the lock that mailers keep; a gzipped one is nobody's inbox
// and is read without.
import { createHash } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { Logger } from '../errors.ts'
import type { Mailbox, MailboxMessage, PositionKeeper } from './mailbox.ts'
import { type MailboxError, MailboxFault, mailboxError } from './mailbox-error.ts'
import { lockMbox } from './mbox-lock.ts'
import { type MboxMessage, MboxSplitter } from './mbox-splitter.ts'

export interface MboxOptions {
  readonly name: string
  readonly path: string
  /** A larger message is not read. */
  readonly maxBytes: number
  readonly isTrap: (address: string) => boolean
  readonly position: PositionKeeper
  readonly log: Logger
}

interface Position {
  /** Everything before is dealt with. Counted in the unzipped content. */
  readonly offset: number
  /** Nothing stands after it. */
  readonly isEnd: boolean
  /** So many octets of the file itself were there, and looked like this. */
  readonly marked: number
  readonly fingerprint: string
}

const pieceBytes = 64 * 1024
/** Read under one lock. */
const batchBytes = 1024 ** 2
const fingerprintBytes = 4096
/** Without a lock, a file that was written to so lately may end in the middle of a message. */
const settledMs = 5000
const maxPassedOver = 100_000
const nothing: Position = { offset: 0, isEnd: false, marked: 0, fingerprint: fingerprintOf() }

export class MboxMailbox implements Mailbox {
  readonly #options: MboxOptions
  /** Read into over and over, or gigabytes of them would wait to be collected. */
  readonly #piece = Buffer.allocUnsafeSlow(pieceBytes)
  #isZipped = false
  /** Where reading has come to; everything before it has been yielded. */
  #reached: Position = nothing
  /** Starts of messages that were yielded and are not dealt with. */
  #waiting = new Set<number>()
  /** Start of a message → the recipients that were no traps. */
  #passedOver = new Map<number, readonly string[]>()

  constructor(options: MboxOptions) {
    this.#options = options
  }

  async *messages(): AsyncGenerator<MailboxMessage> {
    try {
      await this.#begin()
      if (this.#reached.isEnd) return
      yield* this.#isZipped ? this.#readZipped() : this.#readPlain()
    } catch (error) {
      throw this.#failed('cannot be read', error)
    }
  }

  async accept({ id }: MailboxMessage): Promise<void> {
    this.#waiting.delete(Number(id))
  }

  passOver({ id }: MailboxMessage, recipients: readonly string[]): void {
    this.#waiting.delete(Number(id))
    if (this.#passedOver.size < maxPassedOver) this.#passedOver.set(Number(id), recipients)
  }

  async finish(): Promise<void> {
    const { offset, marked, fingerprint } = this.#reached
    const firstLeft = Math.min(offset, ...this.#waiting)
    if (offset === 0) return
    try {
      await using file = await this.#openFile()
      // Rewritten meanwhile: the next reading begins anew.
      if ((await fingerprintOfFile(file, marked)) !== fingerprint) return
      const kept: Position =
        this.#isZipped || firstLeft === offset
          ? {
              ...this.#reached,
              offset: firstLeft,
              isEnd: this.#reached.isEnd && firstLeft === offset,
            }
          : { ...(await this.#mark(file, firstLeft)), isEnd: false }
      this.#options.position.set(JSON.stringify(kept))
    } catch (error) {
      throw this.#failed('cannot be read', error)
    }
  }

  /** Sets where to begin: the kept position if the file still has what stood before it. */
  async #begin(): Promise<void> {
    const { position, isTrap, log, name } = this.#options
    this.#waiting.clear()
    await using file = await this.#openFile()
    const { size } = await file.stat()
    const magic = await octetsAt(file, 0, 2)
    this.#isZipped = magic[0] === 0x1f && magic[1] === 0x8b
    const text = position.get()
    const kept = text === undefined ? nothing : (JSON.parse(text) as Position)
    if (size < kept.marked || (await fingerprintOfFile(file, kept.marked)) !== kept.fingerprint) {
      log.info({ mailbox: name }, 'mbox was rewritten, it is read again')
      this.#passedOver.clear()
      this.#reached = nothing
      return
    }
    this.#reached = { ...kept, isEnd: kept.isEnd && size === kept.marked }
    const becameTraps = [...this.#passedOver].filter(([, recipients]) => recipients.some(isTrap))
    const earliest = Math.min(...becameTraps.map(([start]) => start))
    if (earliest >= this.#reached.offset) return
    const mark = this.#isZipped ? kept : await this.#mark(file, earliest)
    this.#reached = { ...mark, offset: earliest, isEnd: false }
  }

  async *#readPlain(): AsyncGenerator<MailboxMessage> {
    for (;;) {
      const found = await this.#readBatch()
      // None of them counts as read before it is dealt with, also when reading stops among them.
      for (const { start } of found) this.#waiting.add(start)
      for (const message of found) yield* this.#told(message)
      if (found.length === 0 || this.#reached.isEnd) return
    }
  }

  /** The next messages of a plain file, a megabyte of them, and one at least unless the file is read to its end. */
  async #readBatch(): Promise<MboxMessage[]> {
    const { path, maxBytes } = this.#options
    await using lock = await lockMbox(path)
    await using file = await this.#openFile()
    const { offset, marked, fingerprint } = this.#reached
    if ((await fingerprintOfFile(file, marked)) !== fingerprint) {
      throw new MailboxFault('changed', 'it was rewritten while it was read')
    }
    const { size, mtimeMs } = await file.stat()
    const isSettled = lock !== null || Date.now() - mtimeMs > settledMs
    const splitter = new MboxSplitter(offset, maxBytes)
    const found: MboxMessage[] = []
    let at = offset
    while (at < size && (found.length === 0 || at - offset < batchBytes)) {
      const piece = await filled(this.#piece, file, at, Math.min(pieceBytes, size - at))
      if (piece.length === 0) break
      at += piece.length
      found.push(...splitter.push(piece))
    }
    const isEnd = at >= size && isSettled
    if (isEnd) found.push(...splitter.end())
    const reached = isEnd ? size : (found.at(-1)?.end ?? offset)
    this.#reached = { ...(await this.#mark(file, reached)), isEnd }
    return found
  }

  async *#readZipped(): AsyncGenerator<MailboxMessage> {
    const { path, maxBytes } = this.#options
    await using file = await this.#openFile()
    const { size } = await file.stat()
    const marked = { marked: size, fingerprint: await fingerprintOfFile(file, size) }
    const { offset } = this.#reached
    const splitter = new MboxSplitter(offset, maxBytes)
    const unzipped = createGunzip()
    const input = createReadStream(path, { end: Math.max(size - 1, 0), highWaterMark: pieceBytes })
    // Whoever stops reading early ends the stream, and that is no failure of the file.
    const read = pipeline(input, unzipped).catch((error) => unzipped.destroy(error))
    let at = 0
    for await (const piece of unzipped as AsyncIterable<Buffer>) {
      const unread = piece.subarray(Math.max(0, offset - at))
      at += piece.length
      for (const message of splitter.push(unread)) {
        this.#reached = { offset: message.end, isEnd: false, ...marked }
        yield* this.#told(message)
      }
    }
    await read
    const last = splitter.end()
    this.#reached = { offset: Math.max(at, offset), isEnd: true, ...marked }
    for (const message of last) yield* this.#told(message)
  }

  *#told({ start, date, size, content }: MboxMessage): Generator<MailboxMessage> {
    const { maxBytes, isTrap } = this.#options
    const known = this.#passedOver.get(start)
    if (known !== undefined && !known.some(isTrap)) {
      this.#waiting.delete(start)
      return
    }
    this.#waiting.add(start)
    const id = String(start)
    const place = `octet ${start}`
    if (content === null) {
      yield { id, place, refused: `its ${size} octets are more than the ${maxBytes} allowed` }
    } else {
      yield { id, place, raw: content, storedAt: date ?? Math.floor(Date.now() / 1000) }
    }
  }

  async #mark(file: FileHandle, offset: number): Promise<Omit<Position, 'isEnd'>> {
    return { offset, marked: offset, fingerprint: await fingerprintOfFile(file, offset) }
  }

  /** A FIFO must not block us. */
  async #openFile(): Promise<FileHandle> {
    return await open(this.#options.path, constants.O_RDONLY | constants.O_NONBLOCK)
  }

  #failed(what: string, cause: unknown): MailboxError {
    return mailboxError(this.#options.name, what, cause)
  }
}

/** What stands first in the file, and right before the offset: enough to tell that nothing was taken out or put in. */
async function fingerprintOfFile(file: FileHandle, end: number): Promise<string> {
  const length = Math.min(fingerprintBytes, end)
  return fingerprintOf(await octetsAt(file, 0, length), await octetsAt(file, end - length, length))
}

function fingerprintOf(...parts: Buffer[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

async function octetsAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  return await filled(Buffer.allocUnsafe(length), file, position, length)
}

/** So many octets from that position, or fewer at the file's end, in the given buffer. */
async function filled(
  buffer: Buffer,
  file: FileHandle,
  position: number,
  length: number,
): Promise<Buffer> {
  let count = 0
  while (count < length) {
    const { bytesRead } = await file.read(buffer, count, length - count, position + count)
    if (bytesRead === 0) break
    count += bytesRead
  }
  return buffer.subarray(0, count)
}
