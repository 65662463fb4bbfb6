// The C library's socket calls, which Node has no words for: one socket made and bound here, its copies handed to
// threads. The only file that knows koffi; sockets.ts calls it on the main thread.
import { getSystemErrorMessage, getSystemErrorName } from 'node:util'
import type { ListenAddress } from './listen-address.ts'

/** A file descriptor that the caller closes. */
export type Descriptor = number

/** Socket calls by what we use them for. Each throws SocketError. */
export interface Libc {
  /** A UDP socket that shares its port with others of the same address; `port` 0: any. */
  bindUdp(address: ListenAddress): Descriptor
  /** A TCP socket that listens: connections queue up in it whether or not a thread accepts them. */
  listenTcp(address: ListenAddress): Descriptor
  /** The port a socket is bound to. */
  portOf(socket: Descriptor): number
  /** A second descriptor of the same socket. */
  duplicate(socket: Descriptor): Descriptor
  close(socket: Descriptor): void
}

/** A call that failed: `code` as in `EADDRINUSE`. */
export class SocketError extends Error {
  readonly code: string

  constructor(call: string, errno: number) {
    super(`${call}: ${getSystemErrorMessage(-errno)} (${getSystemErrorName(-errno)})`)
    this.name = 'SocketError'
    this.code = getSystemErrorName(-errno)
  }
}

/** Linux, in its generic numbering: the same on x64 and arm64, glibc and musl. */
const familyNumbers = { 4: 2, 6: 10 } as const
const socketTypes = { stream: 1, datagram: 2, closeOnExec: 0o2000000 } as const
const options = {
  reuseAddress: { level: 1, name: 2 },
  receiveBuffer: { level: 1, name: 8 },
  reusePort: { level: 1, name: 15 },
  ipv6Only: { level: 41, name: 26 },
} as const
const duplicateCloseOnExec = 1030

/** Room for a burst while a thread is busy or starts again; the kernel's rmem_max caps it. */
const receiveBufferBytes = 4 << 20
const backlog = 511

/** The calls, or undefined where koffi has no binary or the numbers above do not hold. */
export async function loadLibc(): Promise<Libc | undefined> {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) return undefined
  const koffi = await import('koffi').then(
    (module) => module.default,
    () => undefined,
  )
  if (koffi === undefined) return undefined
  // Node is linked to the C library, so its symbols are at hand whatever the file is called.
  const library = koffi.load(null)
  const socket = library.func('int socket(int domain, int type, int protocol)')
  const setsockopt = library.func(
    'int setsockopt(int fd, int level, int name, const int *value, uint32_t length)',
  )
  const bind = library.func('int bind(int fd, const uint8_t *address, uint32_t length)')
  const listen = library.func('int listen(int fd, int backlog)')
  const getsockname = library.func(
    'int getsockname(int fd, _Out_ uint8_t *address, _Inout_ uint32_t *length)',
  )
  const inetPton = library.func(
    'int inet_pton(int family, const char *text, _Out_ uint8_t *octets)',
  )
  const fcntl = library.func('int fcntl(int fd, int command, int argument)')
  const close = library.func('int close(int fd)')

  const checked = (call: string, result: number): number => {
    if (result < 0) throw new SocketError(call, koffi.errno())
    return result
  }

  const setOption = (fd: Descriptor, option: { level: number; name: number }, value: number) =>
    checked('setsockopt', setsockopt(fd, option.level, option.name, [value], 4))

  /** sockaddr_in: family, port, address; sockaddr_in6: family, port, flow, address, scope. */
  const socketAddress = ({ family, host, port }: ListenAddress): Buffer => {
    const bytes = Buffer.alloc(family === 4 ? 16 : 28)
    const octets = Buffer.alloc(16)
    if (inetPton(familyNumbers[family], host, octets) !== 1) {
      throw new Error(`${host} is no IPv${family} address`)
    }
    bytes.writeUInt16LE(familyNumbers[family], 0)
    bytes.writeUInt16BE(port, 2)
    octets.copy(bytes, family === 4 ? 4 : 8, 0, family === 4 ? 4 : 16)
    return bytes
  }

  /** Makes, prepares and binds a socket; closes it again when that fails. */
  const bound = (address: ListenAddress, type: number, prepare: (fd: Descriptor) => void) => {
    const bytes = socketAddress(address)
    const fd = checked(
      'socket',
      socket(familyNumbers[address.family], type | socketTypes.closeOnExec, 0),
    )
    try {
      // 0.0.0.0 and [::] are two listeners, each of its own family.
      if (address.family === 6) setOption(fd, options.ipv6Only, 1)
      prepare(fd)
      checked('bind', bind(fd, bytes, bytes.length))
      return fd
    } catch (error) {
      close(fd)
      throw error
    }
  }

  return {
    bindUdp: (address) =>
      bound(address, socketTypes.datagram, (fd) => {
        setOption(fd, options.reusePort, 1)
        setOption(fd, options.receiveBuffer, receiveBufferBytes)
      }),
    listenTcp(address) {
      const fd = bound(address, socketTypes.stream, (each) =>
        setOption(each, options.reuseAddress, 1),
      )
      try {
        checked('listen', listen(fd, backlog))
        return fd
      } catch (error) {
        close(fd)
        throw error
      }
    },
    portOf(fd) {
      const bytes = Buffer.alloc(28)
      checked('getsockname', getsockname(fd, bytes, [bytes.length]))
      return bytes.readUInt16BE(2)
    },
    duplicate: (fd) => checked('fcntl', fcntl(fd, duplicateCloseOnExec, 0)),
    close: (fd) => void close(fd),
  }
}
