// An mbox file, plain or gzipped → its messages. The file is never changed.
//
// The kept position is an offset, and a fingerprint of the file before it. If the fingerprint no longer fits, somebody has
// rewritten the file. It is then read again from the start, and the store recognises messages that it has. The last message of a
// plain file waits until nobody has written to the file for a while. Nobody delivers mail to a gzipped file, so its last message
// is read at once.

// No lock is taken, but we wait while a mailer holds FILE.lock. Mailers only append, so a message that is followed by another one
// is complete.
import { createHash } from 'node:crypto'
import { constants, fstatSync, lstatSync, readSync, realpathSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { createGunzip } from 'node:zlib'
import {
  type Mailbox,
  type MailboxContext,
  type MailboxError,
  MailboxFault,
  type MailboxMessage,
  type MessageName,
  mailboxError,
  PassedOver,
} from './mailbox.ts'
import { isMbox, longestFromLine, type MboxMessage, MboxSplitter } from './mbox-splitter.ts'

interface MboxOptions extends MailboxContext {
  readonly name: string
  readonly path: string
  /** Larger messages are not read. */
  readonly maxBytes: number
}

interface Position {
  /** Everything before this offset is handled. Counted in the unzipped content. */
  readonly offset: number
  /** The file ended at this offset. */
  readonly isEnd: boolean
  /** The file's size when the position was kept. `fingerprint` is that of the file up to there. */
  readonly marked: number
  readonly fingerprint: string
}

const pieceBytes = 64 * 1024
/** The position of a file that was never read. */
const beginning: Position = { offset: 0, isEnd: false, marked: 0, fingerprint: fingerprintOf() }

export class MboxMailbox implements Mailbox {
  readonly #options: MboxOptions
  /** One buffer for all reads; new ones would pile up faster than they are collected. */
  readonly #piece = Buffer.allocUnsafeSlow(pieceBytes)
  readonly #closing = new AbortController()
  #isZipped = false
  /** How far this poll has read: every message before this position was found. null if reading has not begun. */
  #reached: Position | null = null
  /** Offsets of messages that were found and are not handled yet. */
  #waiting = new Set<number>()
  /** Keyed by the message's offset. */
  #passedOver = new PassedOver<number>()
  /** Recipients of passed-over messages that have become traps since. */
  #becameTraps: ReadonlySet<string> = new Set()

  constructor(options: MboxOptions) {
    this.#options = options
  }

  async *messages(position: string | undefined): AsyncGenerator<MailboxMessage> {
    try {
      const begun = await this.#begin(position)
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

  async finish(): Promise<string | null> {
    if (this.#reached === null) return null
    const { offset, isEnd, marked, fingerprint } = this.#reached
    const firstLeft = Math.min(offset, ...this.#waiting)
    try {
      await using file = await openMbox(this.#options.path)
      // The file was rewritten meanwhile: the next poll reads it from the start.
      if (fingerprintOfFile(file.fd, marked) !== fingerprint) return null
      const isRead = isEnd && firstLeft === offset
      const mark = this.#isZipped || isRead ? { marked, fingerprint } : markAt(file, firstLeft)
      const position: Position = { offset: firstLeft, isEnd: isRead, ...mark }
      return JSON.stringify(position)
    } catch (error) {
      throw this.#failed('cannot be read', error)
    }
  }

  /** Ends a wait for a lock; the poll that waits fails. */
  async close(): Promise<void> {
    this.#closing.abort()
  }

  /** Sets #reached: the kept position if the file before it is unchanged, else the start of the file. */
  async #begin(position: string | undefined): Promise<Position> {
    this.#waiting.clear()
    this.#reached = null
    this.#becameTraps = await this.#options.trapsAmong(this.#passedOver.allRecipients())
    await using file = await openMbox(this.#options.path)
    const { buffer: magic } = await file.read(Buffer.alloc(2), 0, 2, 0)
    this.#isZipped = magic.readUInt16BE() === 0x1f8b
    const kept = position === undefined ? beginning : (JSON.parse(position) as Position)
    this.#reached = await this.#startPosition(file, kept)
    return this.#reached
  }

  async #startPosition(file: FileHandle, kept: Position): Promise<Position> {
    const { log, name } = this.#options
    const { size } = await file.stat()
    if (fingerprintOfFile(file.fd, kept.marked) !== kept.fingerprint) {
      log.info({ mailbox: name }, 'mbox was rewritten; reading it again from the start')
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
    // Look once more after the wait. A message that is still being written then is read by the next poll.
    const { signal } = this.#closing
    await delay(stillMs, undefined, { signal }).catch(() => undefined)
    if (!signal.aborted) yield* this.#readExtent(this.#reached ?? begun)
  }

  /** Returns true if the last message was complete, false if the file must be read again later. */
  async *#readExtent(begun: Position): AsyncGenerator<MailboxMessage, boolean> {
    const { path, maxBytes } = this.#options
    await using extent = await findExtent(path, { signal: this.#closing.signal })
    const { file, size, fingerprint, isWhole } = extent
    if (fingerprintOfFile(file.fd, begun.marked) !== begun.fingerprint) throw rewritten()
    const splitter = new MboxSplitter(begun.offset, maxBytes, extent.isEnd)
    const seen = { marked: size, fingerprint }
    for await (const piece of extent.pieces(begun.offset, this.#piece)) {
      yield* this.#found(splitter.push(piece), seen)
    }
    if (isWhole) yield* this.#found(splitter.end(), seen, size)
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
    // When a caller stops reading early, the stream ends with an error; the file is not at fault.
    const read = pipeline(input, unzipped).catch((error) => unzipped.destroy(error))
    let at = 0
    for await (const piece of unzipped as AsyncIterable<Buffer>) {
      const found = splitter.push(piece.subarray(Math.max(0, offset - at)))
      at += piece.length
      yield* this.#found(found, seen)
    }
    await read
    const last = splitter.end()
    yield* this.#found(last, seen, Math.max(at, offset))
  }

  /** Yields the messages found. If `end` is given, they are the last ones of the file. */
  *#found(
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
        yield { id, place, raw: content, storedAt: date }
      }
    }
  }

  /** Whether the message was passed over and one of its recipients has become a trap since. */
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

/** An open mbox file. Dispose of it to close the file. */
interface MboxExtent extends AsyncDisposable {
  readonly file: FileHandle
  /** Size of the file when it was opened. */
  readonly size: number
  /** The result of fingerprintOfFile for the file up to `size`. */
  readonly fingerprint: string
  /** The last message is complete. If false, only a part of it may have been written. */
  readonly isWhole: boolean
  /**
   * Reads the file from `from` to `size`. Each piece uses the same `buffer`. Throws MailboxFault `changed` if the file was
   * rewritten.
   */
  pieces(from: number, buffer: Buffer): AsyncGenerator<Buffer>
  /**
   * Whether a message can end at that offset: a From line or the end of the file must follow, there or after one more line end.
   * Also true shortly after the end of a file that is still being written.
   */
  isEnd(at: number): boolean
}

const longestWaitMs = 10_000
const pauseMs = 100
/** If nobody has written to a file for this long, its last message is complete. */
const stillMs = 2000
/** A FILE.lock older than this was left behind by a process that died; liblockfile has the same limit. */
const staleLockMs = 5 * 60_000
/** A message that is still being written is expected to grow by at most this many octets. */
const maxUnwrittenBytes = 16 * 1024 ** 2
const fingerprintBytes = 4096

/**
 * Opens the mbox once no FILE.lock is held and, if `mustBeWhole`, its last message is complete. Throws MailboxFault `locked`
 * after 10 s of waiting, and the system's errors. `signal` ends the wait at once.
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
      // Check the lock last: a program that takes it after this also writes after this, and we notice the write.
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

/** Opens the file for reading. A FIFO does not block us. */
async function openMbox(path: string): Promise<FileHandle> {
  return await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
}

/**
 * The path of the FILE.lock that a mailer holds, or undefined. With a symbolic link, some mailers put the lock beside the link,
 * others beside its target.
 */
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
  /** Throws if the file was rewritten. If somebody is writing to it, waits for the end of the write and then checks. */
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

/** When the file was last written to, by ctime, which no program can set back. */
function changeTimeOf({ fd }: FileHandle): bigint {
  return fstatSync(fd, { bigint: true }).ctimeNs
}

/** The error of a file whose content changed under its reader. */
function rewritten(): MailboxFault {
  return new MailboxFault('changed', 'it was rewritten while it was being read')
}

/**
 * SHA-256 in hex of the first 4 KiB of the file and of the 4 KiB before the offset `end`. It changes if something before `end`
 * was removed or inserted.
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

/** Returns `length` octets from that position; fewer at the end of the file. */
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
