// The C library's socket calls, which Node has no words for: one socket made and bound here, its copies handed to
// threads, and datagrams moved many at a call. sockets.ts calls it on the main thread, udp-batch.ts in each worker.
import { type Descriptor, loadLibrary, SystemCallError } from '../libc/library.ts'
import type { ListenAddress } from './listen-address.ts'

/** Socket calls by what we use them for; a descriptor made is the caller's to close. Each throws SystemCallError. */
export interface SocketCalls {
  /** A UDP socket that shares its port with others of the same address; `port` 0: any. */
  bindUdp(address: ListenAddress): Descriptor
  /** A TCP socket that listens: connections queue up in it whether or not a thread accepts them. */
  listenTcp(address: ListenAddress): Descriptor
  /** The port a socket is bound to. */
  portOf(socket: Descriptor): number
  /**
   * Has a UDP socket take datagrams from its own address alone; it can still send to every other. Where the system
   * refuses that, nothing changes.
   */
  connectToItself(socket: Descriptor): void
  /** A second descriptor of the same socket. */
  duplicate(socket: Descriptor): Descriptor
  close(socket: Descriptor): void
  /** What the kernel granted a socket, and what it could not put into it. */
  memoryOf(socket: Descriptor): SocketMemory
}

export interface SocketMemory {
  /** Octets, as the kernel counts them: its own book-keeping for each datagram is in them. */
  readonly receiveBufferBytes: number
  readonly sendBufferBytes: number
  /** Datagrams dropped since the socket was made, for want of room mostly. */
  readonly dropped: number
}

/**
 * Calls that move datagrams by struct mmsghdr, whose addresses are given as numbers: `addressOf` the buffer that
 * holds them, which must be kept. Each answers what the system call answers, or the errno, negated. None allocates.
 */
export interface DatagramCalls {
  addressOf(buffer: Buffer): number
  receive(socket: Descriptor, headers: number, count: number, flags: number): number
  send(socket: Descriptor, headers: number, count: number): number
  /** Waits until one of the struct pollfd is readable; 0: none within the time. */
  poll(descriptors: number, count: number, timeoutMs: number): number
  /** Makes receive (when it may block) and send give up after so long. Throws SystemCallError. */
  setTimeouts(socket: Descriptor, milliseconds: number): void
  /** Has each datagram told with the address it was sent to. Throws SystemCallError. */
  tellDestination(socket: Descriptor, family: 4 | 6): void
  /** Has each datagram sent whole or not at all, whatever ICMP says of the path. Throws SystemCallError. */
  forbidFragments(socket: Descriptor, family: 4 | 6): void
  close(socket: Descriptor): void
}

/** Linux, as loadLibrary grants it. */
const familyNumbers = { 4: 2, 6: 10 } as const
const socketTypes = { stream: 1, datagram: 2, closeOnExec: 0o2000000 } as const
const options = {
  reuseAddress: { level: 1, name: 2 },
  receiveBuffer: { level: 1, name: 8 },
  sendBuffer: { level: 1, name: 7 },
  reusePort: { level: 1, name: 15 },
  receiveTimeout: { level: 1, name: 20 },
  sendTimeout: { level: 1, name: 21 },
  receiveBufferForced: { level: 1, name: 33 },
  memory: { level: 1, name: 55 },
  packetInfo: { 4: { level: 0, name: 8 }, 6: { level: 41, name: 49 } },
  pathMtu: { 4: { level: 0, name: 10 }, 6: { level: 41, name: 23 } },
  ipv6Only: { level: 41, name: 26 },
  autoFlowLabel: { level: 41, name: 70 },
} as const
/** Of pathMtu: DF is set, and no ICMP message changes what is sent (IP_PMTUDISC_PROBE, IPV6_PMTUDISC_PROBE). */
const neverFragment = 3
const duplicateCloseOnExec = 1030
/** Words of SO_MEMINFO (linux/sock_diag.h). */
const memoryWords = { receiveBuffer: 1, sendBuffer: 3, drops: 8, count: 9 } as const

/** Room for a burst while a thread is busy or starts again; without CAP_NET_ADMIN, rmem_max caps it. */
export const wantedBufferBytes = 4 << 20
const backlog = 511

/** The calls that make sockets, or undefined where they cannot be had. */
export async function loadSocketCalls(): Promise<SocketCalls | undefined> {
  const library = await loadLibrary()
  if (library === undefined) return undefined
  const socket = library.func('int socket(int domain, int type, int protocol)')
  const setsockopt = library.func(
    'int setsockopt(int fd, int level, int name, const int *value, uint32_t length)',
  )
  const getsockopt = library.func(
    'int getsockopt(int fd, int level, int name, _Out_ uint32_t *value, _Inout_ uint32_t *length)',
  )
  const bind = library.func('int bind(int fd, const uint8_t *address, uint32_t length)')
  const listen = library.func('int listen(int fd, int backlog)')
  const getsockname = library.func(
    'int getsockname(int fd, _Out_ uint8_t *address, _Inout_ uint32_t *length)',
  )
  const connect = library.func('int connect(int fd, const uint8_t *address, uint32_t length)')
  const inetPton = library.func(
    'int inet_pton(int family, const char *text, _Out_ uint8_t *octets)',
  )
  const fcntl = library.func('int fcntl(int fd, int command, int argument)')
  const close = library.func('int close(int fd)')

  const checked = (call: string, result: number): number => {
    if (result < 0) throw new SystemCallError(call, library.errno())
    return result
  }

  const setOption = (fd: Descriptor, option: { level: number; name: number }, value: number) =>
    checked('setsockopt', setsockopt(fd, option.level, option.name, [value], 4))

  const trySetOption = (
    fd: Descriptor,
    { level, name }: { level: number; name: number },
    value: number,
  ) => setsockopt(fd, level, name, [value], 4) >= 0

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
        // A response is a flow of one packet: a label of its own (RFC 6437 §3) tells nobody anything and costs a hash.
        if (address.family === 6) trySetOption(fd, options.autoFlowLabel, 0)
        setOption(fd, options.sendBuffer, wantedBufferBytes)
        // Past rmem_max for who may; the others get as much as it allows.
        if (!trySetOption(fd, options.receiveBufferForced, wantedBufferBytes)) {
          setOption(fd, options.receiveBuffer, wantedBufferBytes)
        }
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
    connectToItself(fd) {
      const bytes = Buffer.alloc(28)
      const length = [bytes.length]
      checked('getsockname', getsockname(fd, bytes, length))
      connect(fd, bytes, length[0] ?? 0)
    },
    portOf(fd) {
      const bytes = Buffer.alloc(28)
      checked('getsockname', getsockname(fd, bytes, [bytes.length]))
      return bytes.readUInt16BE(2)
    },
    duplicate: (fd) => checked('fcntl', fcntl(fd, duplicateCloseOnExec, 0)),
    close: (fd) => void close(fd),
    memoryOf(fd) {
      const words = new Uint32Array(memoryWords.count)
      const { level, name } = options.memory
      checked('getsockopt', getsockopt(fd, level, name, words, [words.byteLength]))
      return {
        receiveBufferBytes: words[memoryWords.receiveBuffer] ?? 0,
        sendBufferBytes: words[memoryWords.sendBuffer] ?? 0,
        dropped: words[memoryWords.drops] ?? 0,
      }
    },
  }
}

/** The calls that move datagrams. Throws where they cannot be had: only a thread whose socket loadSocketCalls made asks. */
export async function loadDatagramCalls(): Promise<DatagramCalls> {
  const library = await loadLibrary()
  if (library === undefined) throw new Error('there is no C library to call')
  // Pointers as plain numbers: addresses fit in 48 bits, and a BigInt costs half as much again as the call.
  const recvmmsg = library.func(
    'int recvmmsg(int fd, uintptr_t headers, uint32_t count, int flags, uintptr_t timeout)',
  )
  const sendmmsg = library.func(
    'int sendmmsg(int fd, uintptr_t headers, uint32_t count, int flags)',
  )
  const poll = library.func('int poll(uintptr_t descriptors, uint64_t count, int timeout)')
  const setsockopt = library.func(
    'int setsockopt(int fd, int level, int name, const void *value, uint32_t length)',
  )
  const close = library.func('int close(int fd)')
  const setOption = (
    fd: Descriptor,
    { level, name }: { level: number; name: number },
    value: Buffer,
  ): void => {
    if (setsockopt(fd, level, name, value, value.length) < 0) {
      throw new SystemCallError('setsockopt', library.errno())
    }
  }
  return {
    addressOf: library.addressOf,
    receive(fd, headers, count, flags) {
      const result = recvmmsg(fd, headers, count, flags, 0)
      return result < 0 ? -library.errno() : result
    },
    send(fd, headers, count) {
      const result = sendmmsg(fd, headers, count, 0)
      return result < 0 ? -library.errno() : result
    },
    poll(descriptors, count, timeoutMs) {
      const result = poll(descriptors, count, timeoutMs)
      return result < 0 ? -library.errno() : result
    },
    setTimeouts(fd, milliseconds) {
      // struct timeval: seconds and microseconds.
      const value = Buffer.alloc(16)
      value.writeBigInt64LE(BigInt(Math.floor(milliseconds / 1000)), 0)
      value.writeBigInt64LE(BigInt((milliseconds % 1000) * 1000), 8)
      setOption(fd, options.receiveTimeout, value)
      setOption(fd, options.sendTimeout, value)
    },
    tellDestination: (fd, family) =>
      setOption(fd, options.packetInfo[family], Buffer.from([1, 0, 0, 0])),
    forbidFragments: (fd, family) =>
      setOption(fd, options.pathMtu[family], Buffer.from([neverFragment, 0, 0, 0])),
    close: (fd) => void close(fd),
  }
}
