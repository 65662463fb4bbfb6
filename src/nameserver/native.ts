// Socket calls of the C library that Node does not have. The main thread makes and binds sockets with them and duplicates them
// for the threads. A thread receives or sends many datagrams with one call. No other file makes such calls on the name server's
// sockets.
import { type Descriptor, type Library, loadLibrary, SystemCallError } from '../libc.ts'
import type { ListenAddress } from './addresses.ts'

export interface SocketMemory {
  /** In octets as the kernel counts them: the kernel's own data for each datagram is included. */
  readonly receiveBufferBytes: number
  readonly sendBufferBytes: number
  /** Datagrams dropped since the socket was made, mostly because the buffer was full. */
  readonly dropped: number
}

/** Linux's numbers. loadLibrary refuses systems that have other ones. */
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
/** Value of `pathMtu`: sets DF and ignores the path MTU in ICMP messages (IP_PMTUDISC_PROBE, IPV6_PMTUDISC_PROBE). */
const neverFragment = 3
const duplicateCloseOnExec = 1030
/** Word indexes in SO_MEMINFO (linux/sock_diag.h). */
const memoryWords = { receiveBuffer: 1, sendBuffer: 3, drops: 8, count: 9 } as const

/**
 * Octets of each buffer: room for a burst of queries while a thread is busy or is restarted. Without CAP_NET_ADMIN, the
 * kernel's net.core.rmem_max limits the receive buffer.
 */
export const wantedBufferBytes = 4 << 20
const backlog = 511

interface SocketOption {
  readonly level: number
  readonly name: number
}

/** Returns undefined if the C library cannot be called. */
export async function loadNativeSockets(): Promise<NativeSockets | undefined> {
  const library = await loadLibrary()
  return library && new NativeSockets(library)
}

/**
 * `receive`, `send` and `poll` return what the system call returns, or the negated errno, and do not allocate. All other calls
 * throw SystemCallError. The caller owns each descriptor that is made.
 */
export class NativeSockets {
  readonly #library: Library
  readonly #socket
  readonly #bind
  readonly #listen
  readonly #connect
  readonly #getsockname
  readonly #getsockopt
  readonly #setsockopt
  readonly #fcntl
  readonly #close
  readonly #inetPton
  readonly #recvmmsg
  readonly #sendmmsg
  readonly #poll

  constructor(library: Library) {
    this.#library = library
    this.#socket = library.func('int socket(int domain, int type, int protocol)')
    this.#bind = library.func('int bind(int fd, const uint8_t *address, uint32_t length)')
    this.#listen = library.func('int listen(int fd, int backlog)')
    this.#connect = library.func('int connect(int fd, const uint8_t *address, uint32_t length)')
    this.#getsockname = library.func(
      'int getsockname(int fd, _Out_ uint8_t *address, _Inout_ uint32_t *length)',
    )
    this.#getsockopt = library.func(
      'int getsockopt(int fd, int level, int name, _Out_ uint32_t *value, _Inout_ uint32_t *length)',
    )
    this.#setsockopt = library.func(
      'int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t length)',
    )
    this.#fcntl = library.func('int fcntl(int fd, int command, int argument)')
    this.#close = library.func('int close(int fd)')
    this.#inetPton = library.func(
      'int inet_pton(int family, const char *text, _Out_ uint8_t *octets)',
    )
    // Pointers are passed as numbers: an address has at most 48 bits, and a BigInt would be slower.
    this.#recvmmsg = library.func(
      'int recvmmsg(int fd, uintptr_t headers, uint32_t count, int flags, uintptr_t timeout)',
    )
    this.#sendmmsg = library.func(
      'int sendmmsg(int fd, uintptr_t headers, uint32_t count, int flags)',
    )
    this.#poll = library.func('int poll(uintptr_t descriptors, uint64_t count, int timeout)')
  }

  /** Makes a UDP socket that shares its port with others on the same address. `port` 0 takes a free port. */
  bindUdp(address: ListenAddress): Descriptor {
    return this.#bound(address, socketTypes.datagram, (fd) => {
      this.#setOption(fd, options.reusePort, 1)
      // Each response would be a flow of its own, so a flow label (RFC 6437 §3) is useless here and costs a hash.
      if (address.family === 6) this.#trySetOption(fd, options.autoFlowLabel, intOf(0))
      this.#setOption(fd, options.sendBuffer, wantedBufferBytes)
      // The forced form may exceed rmem_max, but only a privileged process may use it.
      if (!this.#trySetOption(fd, options.receiveBufferForced, intOf(wantedBufferBytes))) {
        this.#setOption(fd, options.receiveBuffer, wantedBufferBytes)
      }
    })
  }

  /** Makes a TCP socket that listens. Connections queue up in it also while no thread accepts them. */
  listenTcp(address: ListenAddress): Descriptor {
    const fd = this.#bound(address, socketTypes.stream, (each) =>
      this.#setOption(each, options.reuseAddress, 1),
    )
    return this.#closeOnError(fd, () => this.#check('listen', this.#listen(fd, backlog)))
  }

  /** The port that a socket is bound to. */
  portOf(fd: Descriptor): number {
    return this.#nameOf(fd).readUInt16BE(2)
  }

  /**
   * Connects a UDP socket to its own address. It then receives datagrams from no other address, but can still send to all. If the
   * system refuses this, nothing changes.
   */
  stopReceiving(fd: Descriptor): void {
    const name = this.#nameOf(fd)
    this.#connect(fd, name, name.length)
  }

  /** Makes a second descriptor of the same socket. */
  duplicate(fd: Descriptor): Descriptor {
    return this.#check('fcntl', this.#fcntl(fd, duplicateCloseOnExec, 0))
  }

  close(fd: Descriptor): void {
    this.#close(fd)
  }

  /** The buffers that the kernel granted a socket, and the datagrams that it dropped. */
  memoryOf(fd: Descriptor): SocketMemory {
    const words = new Uint32Array(memoryWords.count)
    const { level, name } = options.memory
    this.#check('getsockopt', this.#getsockopt(fd, level, name, words, [words.byteLength]))
    return {
      receiveBufferBytes: words[memoryWords.receiveBuffer] ?? 0,
      sendBufferBytes: words[memoryWords.sendBuffer] ?? 0,
      dropped: words[memoryWords.drops] ?? 0,
    }
  }

  /** Makes `send`, and `receive` if it blocks, give up after this time. */
  setTimeouts(fd: Descriptor, milliseconds: number): void {
    // A struct timeval: seconds and microseconds.
    const value = Buffer.alloc(16)
    value.writeBigInt64LE(BigInt(Math.floor(milliseconds / 1000)), 0)
    value.writeBigInt64LE(BigInt((milliseconds % 1000) * 1000), 8)
    this.#setOption(fd, options.receiveTimeout, value)
    this.#setOption(fd, options.sendTimeout, value)
  }

  /** Makes the kernel tell for each datagram the address that it was sent to. */
  enablePacketInfo(fd: Descriptor, family: 4 | 6): void {
    this.#setOption(fd, options.packetInfo[family], 1)
  }

  /** Makes the kernel send each datagram whole or not at all, whatever path MTU an ICMP message claims. */
  forbidFragments(fd: Descriptor, family: 4 | 6): void {
    this.#setOption(fd, options.pathMtu[family], neverFragment)
  }

  /** The address of a buffer, for the next three calls. The caller must keep the buffer alive while they use it. */
  addressOf(buffer: Buffer): number {
    return this.#library.addressOf(buffer)
  }

  /** Calls recvmmsg(2) with the `count` struct mmsghdr at the address `headers`. */
  receive(fd: Descriptor, headers: number, count: number, flags: number): number {
    const result = this.#recvmmsg(fd, headers, count, flags, 0)
    return result < 0 ? -this.#library.errno() : result
  }

  /** Calls sendmmsg(2) with the `count` struct mmsghdr at the address `headers`. */
  send(fd: Descriptor, headers: number, count: number): number {
    const result = this.#sendmmsg(fd, headers, count, 0)
    return result < 0 ? -this.#library.errno() : result
  }

  /** Waits until one of the `count` struct pollfd at the address `descriptors` is readable. Returns 0 if none is in time. */
  poll(descriptors: number, count: number, timeoutMs: number): number {
    const result = this.#poll(descriptors, count, timeoutMs)
    return result < 0 ? -this.#library.errno() : result
  }

  /** Makes, prepares and binds a socket; closes it again if that fails. */
  #bound(address: ListenAddress, type: number, prepare: (fd: Descriptor) => void): Descriptor {
    const bytes = this.#socketAddress(address)
    const family = familyNumbers[address.family]
    const fd = this.#check('socket', this.#socket(family, type | socketTypes.closeOnExec, 0))
    return this.#closeOnError(fd, () => {
      // 0.0.0.0 and [::] are separate listeners, each for its own family.
      if (address.family === 6) this.#setOption(fd, options.ipv6Only, 1)
      prepare(fd)
      this.#check('bind', this.#bind(fd, bytes, bytes.length))
    })
  }

  #closeOnError(fd: Descriptor, prepare: () => void): Descriptor {
    try {
      prepare()
      return fd
    } catch (error) {
      this.#close(fd)
      throw error
    }
  }

  /** A struct sockaddr_in (family, port, address) or sockaddr_in6 (family, port, flow, address, scope). */
  #socketAddress({ family, host, port }: ListenAddress): Buffer {
    const bytes = Buffer.alloc(family === 4 ? 16 : 28)
    const octets = Buffer.alloc(16)
    if (this.#inetPton(familyNumbers[family], host, octets) !== 1) {
      throw new Error(`${host} is not an IPv${family} address`)
    }
    bytes.writeUInt16LE(familyNumbers[family], 0)
    bytes.writeUInt16BE(port, 2)
    octets.copy(bytes, family === 4 ? 4 : 8, 0, family === 4 ? 4 : 16)
    return bytes
  }

  /** The address that a socket is bound to, in the form of #socketAddress. */
  #nameOf(fd: Descriptor): Buffer {
    const bytes = Buffer.alloc(28)
    const length = [bytes.length]
    this.#check('getsockname', this.#getsockname(fd, bytes, length))
    return bytes.subarray(0, length[0])
  }

  #setOption(fd: Descriptor, option: SocketOption, value: number | Buffer): void {
    const octets = typeof value === 'number' ? intOf(value) : value
    if (!this.#trySetOption(fd, option, octets)) {
      throw new SystemCallError('setsockopt', this.#library.errno())
    }
  }

  #trySetOption(fd: Descriptor, { level, name }: SocketOption, value: Buffer): boolean {
    return this.#setsockopt(fd, level, name, value, value.length) >= 0
  }

  #check(call: string, result: number): number {
    if (result < 0) throw new SystemCallError(call, this.#library.errno())
    return result
  }
}

function intOf(value: number): Buffer {
  const octets = Buffer.alloc(4)
  octets.writeInt32LE(value)
  return octets
}
