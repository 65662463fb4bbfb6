// The C library that Node itself is linked to (glibc or musl), for what Node cannot do: huge pages, and datagrams on Unix
// sockets. The only file that knows koffi; native.ts declares its socket calls with it.
import { getSystemErrorMessage, getSystemErrorName } from 'node:util'

/** A file descriptor. */
export type Descriptor = number

export interface Library {
  /** Declares a function by its C prototype. An argument marked `_Out_` there is filled by the call. */
  func(prototype: string): (...args: readonly unknown[]) => number
  /** errno of this thread's last call. */
  errno(): number
  /** The address of a buffer's octets, valid while something keeps the buffer. */
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
 * undefined where koffi has no binary, or where the numbers and layouts in our code do not hold. They are those of 64-bit
 * Linux in its generic numbering: the same on x64 and arm64, glibc and musl.
 */
export async function loadLibrary(): Promise<Library | undefined> {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) return undefined
  const koffi = await import('koffi').then(
    (module) => module.default,
    () => undefined,
  )
  if (koffi === undefined) return undefined
  // null stands for this process, which has the library's symbols whatever its file is called.
  const library = koffi.load(null)
  return {
    func: (prototype) => library.func(prototype),
    errno: () => koffi.errno(),
    addressOf: (buffer) => Number(koffi.address(buffer)),
  }
}

/** Numbers of madvise(2) and sysconf(3). */
const advice = { hugePage: 14, collapse: 25 } as const
const pageSizeName = 30
const hugePageBytes = 2 << 20

/**
 * Asks the kernel to keep the memory in pages of 2 MiB instead of 4 KiB. With small pages, nearly each read at random also
 * waits until the processor has found its page. Pages that were touched before are moved too, since Linux 6.1 at once.
 * Nothing changes where the kernel does not take the advice (/sys/kernel/mm/transparent_hugepage/enabled is `never`).
 */
export async function adviseHugePages(memory: SharedArrayBuffer): Promise<void> {
  if (memory.byteLength < hugePageBytes) return
  const library = await loadLibrary()
  if (library === undefined) return
  const madvise = library.func('int madvise(uintptr_t address, uintptr_t length, int advice)')
  const sysconf = library.func('long sysconf(int name)')
  const start = library.addressOf(Buffer.from(memory))
  // So large a block has a mapping of its own, a few octets of malloc in front: the whole page belongs to the buffer.
  const page = start - (start % sysconf(pageSizeName))
  const length = start + memory.byteLength - page
  madvise(page, length, advice.hugePage)
  madvise(page, length, advice.collapse)
}

const unixFamily = 1
const socketType = { datagram: 2, closeOnExec: 0o2000000 } as const
/** No SIGPIPE, and no waiting for a service manager that does not read. */
const sendFlags = { noSignal: 0x4000, dontWait: 0x40 } as const

/** Sends a state such as `READY=1` to the service manager; see sd_notify(3). */
export type Notify = (state: string) => void

/**
 * `socketPath` is the value of NOTIFY_SOCKET. undefined where no service manager waits for a state, or the C library
 * cannot be called. Notify throws SystemCallError when a state cannot be sent.
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

/** struct sockaddr_un (unix(7)); `@` stands for the leading zero octet of a name in the abstract namespace. */
function unixAddress(path: string): Buffer {
  const address = Buffer.concat([Buffer.alloc(2), Buffer.from(path), Buffer.alloc(1)])
  address.writeUInt16LE(unixFamily)
  if (!path.startsWith('@')) return address
  address[2] = 0
  return address.subarray(0, -1)
}
