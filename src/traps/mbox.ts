// An mbox file, plain or gzipped → its messages; the file is never changed.
//
// The position keeps how far it has been read: the offset, and a fingerprint of what stands before it. If the fingerprint no
// longer fits, somebody has rewritten the file. It is then read again from its beginning; the store knows what it has.
// The last message of a plain file waits until nobody has written to the file for a while. A gzipped file is nobody's
// inbox and is read as it is.
import type { FileHandle } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { createGunzip } from 'node:zlib'
import type { Logger } from '../errors.ts'
import type { Mailbox, MailboxMessage, MessageName, PositionKeeper, TrapsAmong } from './mailbox.ts'
import { type MailboxError, mailboxError } from './mailbox-error.ts'
import {
  findExtent,
  fingerprintOfFile,
  fingerprintOfNothing,
  openMbox,
  rewritten,
  stillMs,
} from './mbox-extent.ts'
import { type MboxMessage, MboxSplitter } from './mbox-splitter.ts'
import { PassedOver } from './passed-over.ts'

export interface MboxOptions {
  readonly name: string
  readonly path: string
  /** A larger message is not read. */
  readonly maxBytes: number
  readonly trapsAmong: TrapsAmong
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
const nothing: Position = {
  ...{ offset: 0, isEnd: false, marked: 0 },
  fingerprint: fingerprintOfNothing,
}

export class MboxMailbox implements Mailbox {
  readonly #options: MboxOptions
  /** Read into over and over, or gigabytes of them would wait to be collected. */
  readonly #piece = Buffer.allocUnsafeSlow(pieceBytes)
  readonly #closing = new AbortController()
  #isZipped = false
  /** Where reading has come to; everything before it has been found. null: it could not begin. */
  #reached: Position | null = null
  /** Starts of messages that were found and are not dealt with, also when reading stops before them. */
  #waiting = new Set<number>()
  /** By the start of a message. */
  #passedOver = new PassedOver<number>()
  /** Which of those recipients are traps by now. */
  #becameTraps: ReadonlySet<string> = new Set()

  constructor(options: MboxOptions) {
    this.#options = options
  }

  async *messages(): AsyncGenerator<MailboxMessage> {
    try {
      const begun = await this.#begin()
      if (begun.isEnd) return
      yield* this.#isZipped ? this.#readZipped(begun) : this.#readPlain(begun)
    } catch (error) {
      throw this.#failed('cannot be read', error)
    }
  }

  async accept({ id }: MessageName): Promise<void> {
    this.#waiting.delete(Number(id))
  }

  passOver({ id }: MessageName, recipients: readonly string[]): void {
    this.#waiting.delete(Number(id))
    this.#passedOver.add(Number(id), recipients)
  }

  async finish(): Promise<void> {
    if (this.#reached === null) return
    const { offset, isEnd, marked, fingerprint } = this.#reached
    const firstLeft = Math.min(offset, ...this.#waiting)
    try {
      await using file = await openMbox(this.#options.path)
      // Rewritten meanwhile: the next reading begins anew.
      if (fingerprintOfFile(file.fd, marked) !== fingerprint) return
      const isRead = isEnd && firstLeft === offset
      const mark = this.#isZipped || isRead ? { marked, fingerprint } : markAt(file, firstLeft)
      const kept: Position = { offset: firstLeft, isEnd: isRead, ...mark }
      this.#options.position.set(JSON.stringify(kept))
    } catch (error) {
      throw this.#failed('cannot be read', error)
    }
  }

  /** Ends a wait: a poll that waits for a lock fails. */
  async close(): Promise<void> {
    this.#closing.abort()
  }

  /** Sets where to begin: the kept position if the file still has what stood before it. */
  async #begin(): Promise<Position> {
    this.#waiting.clear()
    this.#reached = null
    this.#becameTraps = await this.#options.trapsAmong(this.#passedOver.allRecipients())
    await using file = await openMbox(this.#options.path)
    const { buffer: magic } = await file.read(Buffer.alloc(2), 0, 2, 0)
    this.#isZipped = magic.readUInt16BE() === 0x1f8b
    this.#reached = await this.#known(file)
    return this.#reached
  }

  async #known(file: FileHandle): Promise<Position> {
    const { position, log, name } = this.#options
    const { size } = await file.stat()
    const text = position.get()
    const kept = text === undefined ? nothing : (JSON.parse(text) as Position)
    if (fingerprintOfFile(file.fd, kept.marked) !== kept.fingerprint) {
      log.info({ mailbox: name }, 'mbox was rewritten, it is read again')
      this.#passedOver = new PassedOver()
      return nothing
    }
    const firsts = this.#passedOver.names().filter((start) => this.#isForTrapNow(start))
    const earliest = Math.min(...firsts)
    if (earliest >= kept.offset) return { ...kept, isEnd: kept.isEnd && size === kept.marked }
    const mark = this.#isZipped ? kept : markAt(file, earliest)
    return { ...mark, offset: earliest, isEnd: false }
  }

  async *#readPlain(begun: Position): AsyncGenerator<MailboxMessage> {
    if (yield* this.#readExtent(begun)) return
    // What comes within this time is read now, what comes later is read by the next poll.
    const { signal } = this.#closing
    await delay(stillMs, undefined, { signal }).catch(() => undefined)
    if (!signal.aborted) yield* this.#readExtent(this.#reached ?? begun)
  }

  /** Returns whether that was all: the last message was complete. */
  async *#readExtent(begun: Position): AsyncGenerator<MailboxMessage, boolean> {
    const { path, maxBytes } = this.#options
    await using extent = await findExtent(path, { signal: this.#closing.signal })
    const { file, size, fingerprint, isWhole } = extent
    if (fingerprintOfFile(file.fd, begun.marked) !== begun.fingerprint) throw rewritten()
    const splitter = new MboxSplitter(begun.offset, maxBytes, extent.isEnd)
    const seen = { marked: size, fingerprint }
    for await (const piece of extent.pieces(begun.offset, this.#piece)) {
      yield* this.#tell(splitter.push(piece), seen)
    }
    if (isWhole) yield* this.#tell(splitter.end(), seen, size)
    return isWhole
  }

  async *#readZipped({ offset }: Position): AsyncGenerator<MailboxMessage> {
    const { path, maxBytes } = this.#options
    await using file = await openMbox(path)
    const { size } = await file.stat()
    const seen = { marked: size, fingerprint: fingerprintOfFile(file.fd, size) }
    const splitter = new MboxSplitter(offset, maxBytes)
    const unzipped = createGunzip()
    const input = file.createReadStream({
      ...{ start: 0, end: Math.max(size - 1, 0), highWaterMark: pieceBytes, autoClose: false },
    })
    // Whoever stops reading early ends the stream, and that is no failure of the file.
    const read = pipeline(input, unzipped).catch((error) => unzipped.destroy(error))
    let at = 0
    for await (const piece of unzipped as AsyncIterable<Buffer>) {
      const found = splitter.push(piece.subarray(Math.max(0, offset - at)))
      at += piece.length
      yield* this.#tell(found, seen)
    }
    await read
    const last = splitter.end()
    yield* this.#tell(last, seen, Math.max(at, offset))
  }

  /** Messages found, the last ones of the file if `end` is given. */
  *#tell(
    found: readonly MboxMessage[],
    seen: Pick<Position, 'marked' | 'fingerprint'>,
    end?: number,
  ): Generator<MailboxMessage> {
    const { maxBytes } = this.#options
    for (const { start } of found) this.#waiting.add(start)
    const offset = end ?? found.at(-1)?.end
    if (offset !== undefined) this.#reached = { offset, isEnd: end !== undefined, ...seen }
    for (const { start, date, size, content } of found) {
      const id = String(start)
      const place = `octet ${start}`
      if (this.#passedOver.recipientsOf(start) && !this.#isForTrapNow(start)) {
        this.#waiting.delete(start)
      } else if (content === null) {
        yield { id, place, refused: `its ${size} octets are more than the ${maxBytes} allowed` }
      } else {
        yield { id, place, raw: content, storedAt: date ?? Math.floor(Date.now() / 1000) }
      }
    }
  }

  /** Whether a message that was passed over is for a trap by now. */
  #isForTrapNow(start: number): boolean {
    return (
      this.#passedOver.recipientsOf(start)?.some((each) => this.#becameTraps.has(each)) ?? false
    )
  }

  #failed(what: string, cause: unknown): MailboxError {
    return mailboxError(this.#options.name, what, cause)
  }
}

function markAt(file: FileHandle, offset: number): Omit<Position, 'isEnd'> {
  return { offset, marked: offset, fingerprint: fingerprintOfFile(file.fd, offset) }
}
