// An mbox file, plain or gzipped → its messages; the file is never changed.
//
// The position keeps how far it has been read: the offset, and a fingerprint of what stands before it. If the fingerprint no
// longer fits, somebody has rewritten the file. It is then read again from its beginning; the store knows what it has.
// The last message of a plain file waits until nobody has written to the file for a while. A gzipped file is nobody's
// inbox and is read as it is.

// No lock is taken. A FILE.lock of a mailer is waited for. Mailers append, so every message that another one follows is complete.
import { createHash } from 'node:crypto'
import { constants, fstatSync, lstatSync, readSync, realpathSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { createGunzip } from 'node:zlib'
import type { Logger } from '../errors.ts'
import {
  type Mailbox,
  type MailboxError,
  MailboxFault,
  type MailboxMessage,
  type MessageName,
  mailboxError,
  PassedOver,
  type PositionKeeper,
  type TrapsAmong,
} from './mailbox.ts'
import { isMbox, longestFromLine, type MboxMessage, MboxSplitter } from './mbox-splitter.ts'

interface MboxOptions {
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
  /** The size of the file then, and its fingerprint up to there. */
  readonly marked: number
  readonly fingerprint: string
}

const pieceBytes = 64 * 1024
/** Where a file begins that was never read. */
const beginning: Position = { offset: 0, isEnd: false, marked: 0, fingerprint: fingerprintOf() }

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

  /** Sets #reached: the kept position if the file before it is unchanged, else the beginning. */
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
    const kept = text === undefined ? beginning : (JSON.parse(text) as Position)
    if (fingerprintOfFile(file.fd, kept.marked) !== kept.fingerprint) {
      log.info({ mailbox: name }, 'mbox was rewritten, it is read again')
      this.#passedOver = new PassedOver()
      return beginning
    }
    const firsts = this.#passedOver.names().filter((start) => this.#isForTrapNow(start))
    const earliest = Math.min(...firsts)
    if (earliest >= kept.offset) return { ...kept, isEnd: kept.isEnd && size === kept.marked }
    const mark = this.#isZipped ? kept : markAt(file, earliest)
    return { ...mark, offset: earliest, isEnd: false }
  }

  async *#readPlain(begun: Position): AsyncGenerator<MailboxMessage> {
    if (yield* this.#readExtent(begun)) return
    // One more look after the wait. What is then still being written is read by the next poll.
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
      start: 0,
      end: Math.max(size - 1, 0),
      highWaterMark: pieceBytes,
      autoClose: false,
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

/** Dispose of it to close the file. */
interface MboxExtent extends AsyncDisposable {
  readonly file: FileHandle
  /** Octets of the file when it was opened. */
  readonly size: number
  /** The result of fingerprintOfFile for the file up to `size`. */
  readonly fingerprint: string
  /** Its last message is complete. If not, that may be a part of a message. */
  readonly isWhole: boolean
  /** Reads from that position to `size`, each time into `buffer`. Throws MailboxFault `changed` when the file was rewritten. */
  pieces(from: number, buffer: Buffer): AsyncGenerator<Buffer>
  /**
   * Whether a message can end at that position: there, or after one more line end, comes a From line or the end of the file.
   * Also true a little after the end of a file that is still being written.
   */
  isEnd(at: number): boolean
}

const longestWaitMs = 10_000
const pauseMs = 100
/** A file that nobody has written to for this long ends with a whole message. */
const stillMs = 2000
/** A FILE.lock this old was left by a process that died; liblockfile has the same limit. */
const staleLockMs = 5 * 60_000
/** A message that is still being written is expected to grow by this much at most. */
const maxUnwrittenBytes = 16 * 1024 ** 2
const fingerprintBytes = 4096

/**
 * Opens the mbox once no FILE.lock is held, and if `mustBeWhole` once it is whole. Waits up to 10 s for that, then throws
 * MailboxFault `locked`; `signal` ends the wait at once. Throws what the system says.
 */
export async function findExtent(
  path: string,
  { mustBeWhole = false, signal }: { mustBeWhole?: boolean; signal?: AbortSignal } = {},
): Promise<MboxExtent> {
  for (let waitedMs = 0; ; waitedMs += pauseMs) {
    const file = await openMbox(path)
    let why: string
    try {
      const extent = extentOf(path, file, signal)
      // Looked for last: a program that takes the lock after this also writes after this, and that is noticed.
      const held = heldLock(path)
      if (held === undefined && (extent.isWhole || !mustBeWhole)) return extent
      why =
        held === undefined
          ? 'its last message is still being written'
          : `another program holds ${held}`
    } catch (error) {
      await file.close()
      throw error
    }
    await file.close()
    if (waitedMs >= longestWaitMs) throw new MailboxFault('locked', why)
    await delay(pauseMs, undefined, signal && { signal }).catch((cause) => {
      throw new MailboxFault('locked', why, { cause })
    })
  }
}

/** Opens for reading; a FIFO does not block us. */
async function openMbox(path: string): Promise<FileHandle> {
  return await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
}

/** The name of the FILE.lock that a mailer holds. Mailers that open a symbolic link lock beside it, or beside its target. */
function heldLock(path: string): string | undefined {
  const names = [`${path}.lock`]
  if (lstatSync(path).isSymbolicLink()) names.push(`${realpathSync(path)}.lock`)
  return names.find((name) => {
    const lock = lstatSync(name, { throwIfNoEntry: false })
    return lock !== undefined && Date.now() - lock.mtimeMs <= staleLockMs
  })
}

function extentOf(path: string, file: FileHandle, signal: AbortSignal | undefined): MboxExtent {
  const { size, mtimeMs } = fstatSync(file.fd)
  const isWhole = size === 0 || Math.abs(Date.now() - mtimeMs) >= stillMs
  const fingerprint = fingerprintOfFile(file.fd, size)
  let intactAt = changeTimeOf(file)
  /** The file was appended to, or rewritten: to look at it in between, that has to be over. */
  const check = async (): Promise<void> => {
    const changedAt = changeTimeOf(file)
    if (changedAt === intactAt) return
    await using again = await findExtent(path, signal && { signal })
    if (fingerprintOfFile(again.file.fd, size) !== fingerprint) throw rewritten()
    intactAt = changedAt
  }
  return {
    file,
    size,
    fingerprint,
    isWhole,
    async *pieces(from, buffer) {
      for (let at = from; at < size; ) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - at), at)
        await check()
        if (bytesRead === 0) throw rewritten()
        at += bytesRead
        yield buffer.subarray(0, bytesRead)
      }
    },
    isEnd(at) {
      if (at > size) return !isWhole && at - size <= maxUnwrittenBytes
      const next = octetsAt(file.fd, at, Math.min(longestFromLine, size - at))
      const line = next.subarray(/^\r?\n/.exec(next.toString('latin1', 0, 2))?.[0].length ?? 0)
      return line.length === 0 || isMbox(line)
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}

/** When the file was last written to, by the clock that no program can set back. */
function changeTimeOf({ fd }: FileHandle): bigint {
  return fstatSync(fd, { bigint: true }).ctimeNs
}

/** The error of a file whose content changed under its reader. */
function rewritten(): MailboxFault {
  return new MailboxFault('changed', 'it was rewritten while it was read')
}

/**
 * SHA-256 of the first 4 KiB of the file and of the 4 KiB before the offset `end`, in hex: it differs once something before
 * the offset was taken out or put in.
 */
function fingerprintOfFile(file: number, end: number): string {
  const length = Math.min(fingerprintBytes, end)
  return fingerprintOf(octetsAt(file, 0, length), octetsAt(file, end - length, length))
}

function fingerprintOf(...parts: Buffer[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** `length` octets from that position, or fewer at the file's end. */
function octetsAt(file: number, position: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length)
  let count = 0
  while (count < length) {
    const read = readSync(file, buffer, count, length - count, position + count)
    if (read === 0) break
    count += read
  }
  return buffer.subarray(0, count)
}
