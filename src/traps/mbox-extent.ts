// An mbox file → how far it can be read, and whether that is the end of a message.
//
// The file is only read, and no lock is taken. A FILE.lock of a mailer is waited for. Mailers append, so every message that
// another one follows is complete; the last one is complete once nobody has written to the file for 2 s. A mail client that
// rewrites the file is noticed.
import { createHash } from 'node:crypto'
import { constants, fstatSync, lstatSync, readSync, realpathSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { MailboxFault } from './mailbox-error.ts'
import { isMbox, longestFromLine } from './mbox-splitter.ts'

/** Dispose of it to close the file. */
export interface MboxExtent extends AsyncDisposable {
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
/** Nobody takes longer than this between two parts of one message. */
export const stillMs = 2000
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
export async function openMbox(path: string): Promise<FileHandle> {
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
export function rewritten(): MailboxFault {
  return new MailboxFault('changed', 'it was rewritten while it was read')
}

/**
 * SHA-256 of the first 4 KiB of the file and of the 4 KiB before the offset `end`, in hex: it differs once something before
 * the offset was taken out or put in.
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
