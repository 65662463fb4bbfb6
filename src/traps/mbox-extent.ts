// How far an mbox can be read: the end it had while nobody wrote to it, and whether that is the end of a message. Locks
// are held only to find out; what stands before the end is read without, for mailers append. A mail client that rewrites
// the file meanwhile is noticed. Called by mbox.ts, and by the commands that read mail files.
import { createHash } from 'node:crypto'
import { constants, fstatSync, readSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { type FileLocks, loadFileLocks } from '../libc/file-locks.ts'
import { MailboxFault } from './mailbox-error.ts'
import { whileLocked } from './mbox-lock.ts'
import { isMbox, longestFromLine } from './mbox-splitter.ts'

/** Dispose of it to close the file. */
export interface MboxExtent extends AsyncDisposable {
  readonly file: FileHandle
  /** Octets of the file as it stood. */
  readonly size: number
  /** As fingerprintOfFile has it, of the file up to `size`. */
  readonly fingerprint: string
  /**
   * Its last message is complete: an empty line ends it and locks prove that nobody writes on, or the file has stood still
   * for 5 s. Else the last message may be a part of one.
   */
  readonly isWhole: boolean
  /**
   * The octets from that position to the end, in the buffer given, which is used for one piece after the other. Throws
   * MailboxFault `changed` when they turn out to have been rewritten, before the piece that may be wrong.
   */
  pieces(from: number, buffer: Buffer): AsyncGenerator<Buffer>
  /** Whether a message can end at that octet: there, or behind one line end, a From line stands or the end. */
  isEnd(at: number): boolean
}

export interface ExtentOptions {
  /** Waits for it to be whole, as long as for a lock. @default false */
  readonly mustBeWhole?: boolean
  /** Ends the waiting at once. */
  readonly signal?: AbortSignal
}

const longestWaitMs = 10_000
const firstWaitMs = 20
const longestPauseMs = 500
/** A file that has stood still for so long ends with a whole message, whoever wrote it. */
const settledMs = 5000
const fingerprintBytes = 4096

let loadingLocks: Promise<FileLocks | undefined> | undefined

/**
 * Waits up to 10 s for the locks, letting go of all of them between two tries, so that nobody waits for us who holds
 * what we wait for. Throws MailboxFault `locked` when they are held all the time, and what the system says.
 */
export async function findExtent(path: string, options: ExtentOptions = {}): Promise<MboxExtent> {
  const { mustBeWhole = false, signal } = options
  loadingLocks ??= loadFileLocks()
  const locks = await loadingLocks
  const begun = performance.now()
  for (let pauseMs = firstWaitMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    const file = await openMbox(path)
    let busy: string
    try {
      const found = whileLocked(path, file.fd, locks, (isKept) => measure(file.fd, isKept))
      if ('seen' in found && (found.seen.isWhole || !mustBeWhole)) {
        return extentOf(path, file, found.seen, signal)
      }
      busy = 'busy' in found ? found.busy : 'its last message is still being written'
    } catch (error) {
      await file.close()
      throw error
    }
    await file.close()
    if (performance.now() - begun > longestWaitMs) throw new MailboxFault('locked', busy)
    // Of a random length, or two that try at the same moments would go on doing so.
    await delay(pauseMs * (0.5 + Math.random()), undefined, signal && { signal }).catch((cause) => {
      throw new MailboxFault('locked', busy, { cause })
    })
  }
}

/** Opens for reading; a FIFO does not block us. */
export async function openMbox(path: string): Promise<FileHandle> {
  return await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
}

interface Measures extends Pick<MboxExtent, 'size' | 'fingerprint' | 'isWhole'> {
  readonly changedAt: bigint
}

function measure(file: number, isKept: boolean): Measures {
  const { size, mtimeMs } = fstatSync(file)
  const changedAt = changeOf(file)
  const isSettled = Math.abs(Date.now() - mtimeMs) > settledMs
  const isWhole = size === 0 || isSettled || (isKept && endsWithEmptyLine(file, size))
  return { size, fingerprint: fingerprintOfFile(file, size), isWhole, changedAt }
}

function endsWithEmptyLine(file: number, size: number): boolean {
  return /\n\r?\n$/.test(
    octetsAt(file, Math.max(0, size - 3), Math.min(3, size)).toString('latin1'),
  )
}

/** When the file was written to last, by the clock that nobody can put back. */
function changeOf(file: number): bigint {
  return fstatSync(file, { bigint: true }).ctimeNs
}

function extentOf(
  path: string,
  file: FileHandle,
  { size, fingerprint, isWhole, changedAt }: Measures,
  signal: AbortSignal | undefined,
): MboxExtent {
  let intactAt = changedAt
  /** Appended to, or rewritten, perhaps not to its end: that nobody writes is known under the locks alone. */
  const check = async (): Promise<void> => {
    const changedAt = changeOf(file.fd)
    if (changedAt === intactAt) return
    await using again = await findExtent(path, signal && { signal })
    if (fingerprintOfFile(again.file.fd, size) !== fingerprint) throw rewritten()
    intactAt = changedAt
  }
  return {
    ...{ file, size, fingerprint, isWhole },
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
      if (at > size) return false
      const next = octetsAt(file.fd, at, Math.min(longestFromLine, size - at))
      const line = next.subarray(/^\r?\n/.exec(next.toString('latin1', 0, 2))?.[0].length ?? 0)
      return line.length === 0 || isMbox(line)
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}

/** The error of a file whose content changed under its reader. */
export function rewritten(): MailboxFault {
  return new MailboxFault('changed', 'it was rewritten while it was read')
}

/**
 * What stands first in the file, and right before the offset: enough to tell that nothing was taken out or put in. A file
 * that does not reach so far has another.
 */
export function fingerprintOfFile(file: number, end: number): string {
  const length = Math.min(fingerprintBytes, end)
  return fingerprintOf(octetsAt(file, 0, length), octetsAt(file, end - length, length))
}

function fingerprintOf(...parts: Buffer[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** Of no octets. */
export const fingerprintOfNothing = fingerprintOf()

/** So many octets from that position, or fewer at the file's end. */
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
