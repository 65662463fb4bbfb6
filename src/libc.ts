// Calls the C library that Node itself is linked to (glibc or musl), for what Node cannot do, such as huge pages and datagrams
// on Unix sockets. This is the only file that uses koffi.
import { getSystemErrorMessage, getSystemErrorName } from 'node:util'

/** A file descriptor. */
export type Descriptor = number

export interface Library {
  /** Returns the C function of this prototype. The call fills arguments that are marked `_Out_`. */
  func(prototype: string): (...args: readonly unknown[]) => number
  /** The errno of the last C call on this thread. */
  errno(): number
  /** The memory address of a buffer's octets. It is valid only while something references the buffer. */
  addressOf(buffer: Buffer): number
}

/** A system call failed. `code` is the name of the errno, such as `EADDRINUSE`. */
export class SystemCallError extends Error {
  readonly code: string

  constructor(call: string, errno: number) {
    super(`${call}: ${getSystemErrorMessage(-errno)} (${getSystemErrorName(-errno)})`)
    this.name = 'SystemCallError'
    this.code = getSystemErrorName(-errno)
  }
}

/**
 * Loads the C library. Returns undefined where koffi has no binary, and outside Linux on x64 or arm64: only there are our
 * constants and struct layouts right (with glibc and with musl).
 */
export async function loadLibrary(): Promise<Library | undefined> {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) return undefined
  const koffi = await import('koffi').then(
    (module) => module.default,
    () => undefined,
  )
  if (koffi === undefined) return undefined
  // null means this process itself. It has the library's symbols, whatever the library's file is called.
  const library = koffi.load(null)
  return {
    func: (prototype) => library.func(prototype),
    errno: () => koffi.errno(),
    addressOf: (buffer) => Number(koffi.address(buffer)),
  }
}

/** Constants of madvise(2) and sysconf(3). */
const advice = { hugePage: 14, collapse: 25 } as const
const pageSizeName = 30
const hugePageBytes = 2 << 20

/**
 * Asks the kernel to use pages of 2 MiB instead of 4 KiB for this memory. With small pages, most random reads also miss the
 * processor's cache of page addresses (TLB). Pages already in use are converted too; since Linux 6.1 that happens at once.
 * It is advice: the kernel may ignore it (/sys/kernel/mm/transparent_hugepage/enabled).
 */
export async function adviseHugePages(memory: SharedArrayBuffer): Promise<void> {
  if (memory.byteLength < hugePageBytes) return
  const library = await loadLibrary()
  if (library === undefined) return
  const madvise = library.func('int madvise(uintptr_t address, uintptr_t length, int advice)')
  const sysconf = library.func('long sysconf(int name)')
  const start = library.addressOf(Buffer.from(memory))
  // malloc gives a block of this size its own mapping and puts a few octets of its own in front. So nothing else uses the first
  // page, and the advice may cover it whole.
  const page = start - (start % sysconf(pageSizeName))
  const length = start + memory.byteLength - page
  madvise(page, length, advice.hugePage)
  madvise(page, length, advice.collapse)
}

const unixFamily = 1
const socketType = { datagram: 2, closeOnExec: 0o2000000 } as const
/** Flags of sendto(2): raise no SIGPIPE, and do not wait for a service manager that does not read. */
const sendFlags = { noSignal: 0x4000, dontWait: 0x40 } as const

/** Sends a state such as `READY=1` to the service manager (sd_notify(3)). Throws SystemCallError on failure. */
export type Notify = (state: string) => void

/**
 * Returns a function that sends states to the service manager. `socketPath` is the value of NOTIFY_SOCKET. Returns undefined if
 * that is not the path of a Unix socket or the C library cannot be called.
 */
export async function loadNotify(socketPath: string | undefined): Promise<Notify | undefined> {
  if (socketPath === undefined || !/^[/@]/.test(socketPath)) return undefined
  const library = await loadLibrary()
  if (library === undefined) return undefined
  const socket = library.func('int socket(int domain, int type, int protocol)')
  const sendto = library.func(
    'long sendto(int fd, const uint8_t *data, size_t length, int flags, const uint8_t *address, uint32_t addressLength)',
  )
  const close = library.func('int close(int fd)')
  const address = unixAddress(socketPath)
  return (state) => {
    const fd = socket(unixFamily, socketType.datagram | socketType.closeOnExec, 0)
    if (fd < 0) throw new SystemCallError('socket', library.errno())
    const data = Buffer.from(state)
    const how = sendFlags.noSignal | sendFlags.dontWait
    const sent = sendto(fd, data, data.length, how, address, address.length)
    const errno = library.errno()
    close(fd)
    if (sent < 0) throw new SystemCallError('sendto', errno)
  }
}

/** Builds a struct sockaddr_un (unix(7)). A path that begins with `@` is a name in the abstract namespace. */
function unixAddress(path: string): Buffer {
  const address = Buffer.concat([Buffer.alloc(2), Buffer.from(path), Buffer.alloc(1)])
  address.writeUInt16LE(unixFamily)
  if (!path.startsWith('@')) return address
  address[2] = 0
  return address.subarray(0, -1)
}
