// The C library that Node itself is linked to (glibc or musl), for what Node has no words for. The only file that knows
// koffi; file-locks.ts and the name server's socket calls declare their functions with it.
import { getSystemErrorMessage, getSystemErrorName } from 'node:util'

/** A file descriptor. */
export type Descriptor = number

export interface Library {
  /** Declares a function by its C prototype. Where the prototype has `_Out_`, the argument given is filled. */
  func(prototype: string): (...args: readonly unknown[]) => number
  /** errno as the last call of this thread left it. */
  errno(): number
  /** Where a buffer's octets lie; good for as long as somebody keeps the buffer. */
  addressOf(buffer: Buffer): number
}

/** A call that failed: `code` as in `EADDRINUSE`. */
export class SystemCallError extends Error {
  readonly code: string

  constructor(call: string, errno: number) {
    super(`${call}: ${getSystemErrorMessage(-errno)} (${getSystemErrorName(-errno)})`)
    this.name = 'SystemCallError'
    this.code = getSystemErrorName(-errno)
  }
}

/**
 * undefined where koffi has no binary, or where the numbers and layouts that our callers know do not hold: they are those
 * of 64-bit Linux in its generic numbering, the same on x64 and arm64, glibc and musl.
 */
export async function loadLibrary(): Promise<Library | undefined> {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) return undefined
  const koffi = await import('koffi').then(
    (module) => module.default,
    () => undefined,
  )
  if (koffi === undefined) return undefined
  // Its symbols are in this process whatever the library's file is called.
  const library = koffi.load(null)
  return {
    func: (prototype) => library.func(prototype),
    errno: () => koffi.errno(),
    addressOf: (buffer) => Number(koffi.address(buffer)),
  }
}
