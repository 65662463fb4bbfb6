// The UDP transport for Linux. Receives all waiting datagrams with one recvmmsg, writes each response over its query, and sends
// the responses with one sendmmsg. It blocks its thread.
//
// All that the kernel reads and writes is in one buffer for each socket, laid out once (64-bit Linux, little endian):
//
//   struct mmsghdr ×n  for receiving: name, one iovec, control      64 octets: msghdr (56), datagram length, padding
//   struct mmsghdr ×n  for sending: the same; only the first ones are used, one for each response
//   struct iovec   ×2n address and length of a datagram             16 octets
//   names          ×n  struct sockaddr_in or sockaddr_in6           32 octets
//   controls       ×n  on a wildcard address: the query's target   64 octets
//   datagrams      ×n  the query, then its response in its place
//
// Between two system calls, only these are written: lengths, the pointers of the sending headers and, on a wildcard address, the
// controls.
import { constants } from 'node:os'
import { type Octets, octetsOf } from '../dns/wire.ts'
import { type Descriptor, SystemCallError } from '../libc.ts'
import { maxBatch as batch } from '../tree/prefetch.ts'
import { readClientSockaddr } from './addresses.ts'
import { loadNativeSockets, type NativeSockets } from './native.ts'
import type { ThreadSocket } from './sockets.ts'
import { type Answering, maxQueryLength, type UdpOptions, type UdpTransport } from './transport.ts'

/** With fewer queries than this, prefetching costs more than it saves. */
const prefetchedQueries = 4
/**
 * If no response can be longer than this, none is ever fragmented, so no attacker can replace a fragment (RFC 9715 §3.1). The
 * kernel then also need not choose an identification for each packet.
 */
const wholeBytes = 1232
/** The longest wait for queries; a stop is noticed within this time. */
const waitMs = 100
/** After the stop, queries received so far are answered for at most this long. */
const drainMs = 200

/** Sizes of the structures above in octets, and positions in them in 32-bit words. */
const headerBytes = 64
const vectorBytes = 16
const nameBytes = 32
const controlBytes = 64
const headerWord = {
  name: 0,
  nameLength: 2,
  vector: 4,
  vectors: 6,
  control: 8,
  controlLength: 10,
  length: 14,
} as const
const vectorWord = { base: 0, length: 2 } as const
const headerWords = headerBytes / 4
const vectorWords = vectorBytes / 4

/** Flags of recvmmsg: wait until the first datagram has arrived; do not wait. */
const waitForOne = 0x10000
const dontWait = 0x40

const { EINTR, EAGAIN, ENOMEM, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EBADF, ENOTSOCK, EFAULT } =
  constants.errno
/**
 * Errors of a receiving socket that are not its fault: no datagram came, memory was short, or an earlier response did not
 * arrive.
 */
const passing: readonly number[] = [EINTR, EAGAIN, ENOMEM, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH]
/** Errors of a broken sending socket. All other errors concern one datagram. */
const broken: readonly number[] = [EBADF, ENOTSOCK, EFAULT]

/** Answers the sockets' queries in batches; see UdpTransport. */
export const serveByBatches: UdpTransport = async (options) => {
  const native = await loadNativeSockets()
  if (native === undefined) throw new Error('the C library cannot be called')
  const ports: Port[] = []
  try {
    for (const socket of options.sockets) ports.push(new Port(native, socket, options))
    options.onListening()
    serve(native, ports, options.stop)
  } finally {
    for (const port of ports) native.close(port.fd)
  }
}

function serve(native: NativeSockets, ports: readonly Port[], stop: Int32Array<SharedArrayBuffer>) {
  const [only] = ports
  if (ports.length === 1 && only !== undefined) {
    while (Atomics.load(stop, 0) === 0) only.serve(waitForOne)
  } else {
    const readable = new Readable(native, ports)
    while (Atomics.load(stop, 0) === 0) {
      let received = 0
      for (const port of ports) received += port.serve(dontWait)
      if (received === 0) readable.wait()
    }
  }
  const deadline = performance.now() + drainMs
  while (ports.some((port) => port.serve(dontWait) > 0)) {
    if (performance.now() > deadline) return
  }
}

/** One socket and its buffers. */
class Port {
  readonly fd: Descriptor
  readonly #native: NativeSockets
  readonly #answering: Answering
  readonly #memory: Buffer
  readonly #view: DataView
  readonly #words: Int32Array
  /** Memory addresses of the headers, for the kernel. */
  readonly #received: number
  readonly #sending: number
  /** Word indexes at which the structures begin. */
  readonly #receivedAt = 0
  readonly #sendingAt = batch * headerWords
  readonly #vectorsAt = 2 * batch * headerWords
  readonly #controlsAt: number
  /** Offset of the client addresses (msg_name), in octets. */
  readonly #namesAt: number
  readonly #isIPv6: boolean
  readonly #isWildcard: boolean
  readonly #datagrams: readonly Octets[]

  constructor(native: NativeSockets, socket: ThreadSocket, options: UdpOptions) {
    if (!('fd' in socket)) throw new Error('the batch transport needs a descriptor for each socket')
    this.fd = socket.fd
    this.#native = native
    this.#answering = options.answering
    this.#isIPv6 = socket.family === 6
    this.#isWildcard = socket.isWildcard
    native.setTimeouts(this.fd, waitMs)
    if (this.#isWildcard) native.enablePacketInfo(this.fd, socket.family)
    if (options.maxResponse <= wholeBytes) native.forbidFragments(this.fd, socket.family)

    const room = Math.max(maxQueryLength, options.maxResponse)
    // An odd number of cache lines, so that datagrams begin in all parts of the cache and not only in some.
    const stride = (Math.ceil(room / 64) | 1) * 64
    const vectors = 2 * batch * headerBytes
    const names = vectors + 2 * batch * vectorBytes
    const controls = names + batch * nameBytes
    const datagrams = controls + batch * controlBytes
    this.#memory = Buffer.allocUnsafeSlow(datagrams + batch * stride).fill(0)
    const { buffer } = this.#memory
    this.#view = new DataView(buffer)
    const address = native.addressOf(this.#memory)
    this.#received = address
    this.#sending = address + batch * headerBytes
    this.#namesAt = names
    this.#controlsAt = controls / 4
    this.#words = new Int32Array(buffer, 0, datagrams / 4)
    this.#datagrams = Array.from({ length: batch }, (_, index) => {
      const start = datagrams + index * stride
      return octetsOf(this.#memory.subarray(start, start + room))
    })
    for (let index = 0; index < batch; index++) {
      for (const side of [0, 1]) {
        const header = (side * batch + index) * headerWords
        const vector = vectors + (side * batch + index) * vectorBytes
        this.#putAddress(header + headerWord.name, address + names + index * nameBytes)
        this.#words[header + headerWord.nameLength] = this.#isIPv6 ? 28 : 16
        this.#putAddress(header + headerWord.vector, address + vector)
        this.#words[header + headerWord.vectors] = 1
        this.#putAddress(vector / 4 + vectorWord.base, address + datagrams + index * stride)
        this.#words[vector / 4 + vectorWord.length] = side === 0 ? maxQueryLength : 0
        if (!this.#isWildcard) continue
        this.#putAddress(header + headerWord.control, address + controls + index * controlBytes)
        this.#words[header + headerWord.controlLength] = controlBytes
      }
    }
  }

  /** Receives the datagrams that have arrived, answers them and sends the responses. Returns the number of datagrams. */
  serve(flags: number): number {
    const count = this.#native.receive(this.fd, this.#received, batch, flags)
    if (count <= 0) {
      if (count < 0 && !passing.includes(-count)) throw new SystemCallError('recvmmsg', -count)
      return 0
    }
    this.#answering.enter()
    const responses = this.#answer(count)
    this.#answering.leave()
    if (responses > 0) this.#send(responses)
    return count
  }

  #prefetch(count: number): void {
    for (let index = 0; index < count; index++) {
      const length = this.#words[this.#receivedAt + index * headerWords + headerWord.length]!
      this.#answering.preview(this.#datagrams[index]!, length, index)
    }
    this.#answering.prefetch(count)
  }

  /** Answers the first `count` datagrams, each in its place, and prepares the responses for sending. Returns their number. */
  #answer(count: number): number {
    const answering = this.#answering
    const { client } = answering
    const isPrefetched = count >= prefetchedQueries
    if (isPrefetched) this.#prefetch(count)
    const words = this.#words
    const family = this.#isIPv6 ? 6 : 4
    let responses = 0
    for (let index = 0; index < count; index++) {
      const datagram = this.#datagrams[index]!
      readClientSockaddr(this.#view, this.#namesAt + index * nameBytes, family, client)
      const queryLength = words[this.#receivedAt + index * headerWords + headerWord.length]!
      const length = answering.answer(datagram, queryLength, datagram, isPrefetched ? index : -1)
      if (this.#isWildcard) this.#putControl(index, responses)
      if (length === 0) continue
      this.#shift(index, responses)
      words[this.#vectorsAt + (batch + responses) * vectorWords + vectorWord.length] = length
      responses++
    }
    return responses
  }

  /** Makes sending header `to` point at the name, the datagram and the control of datagram `from`. */
  #shift(from: number, to: number): void {
    const words = this.#words
    const source = this.#receivedAt + from * headerWords
    const target = this.#sendingAt + to * headerWords
    words[target + headerWord.name] = words[source + headerWord.name]!
    words[target + headerWord.name + 1] = words[source + headerWord.name + 1]!
    words[target + headerWord.control] = words[source + headerWord.control]!
    words[target + headerWord.control + 1] = words[source + headerWord.control + 1]!
    const sourceVector = this.#vectorsAt + from * vectorWords + vectorWord.base
    const targetVector = this.#vectorsAt + (batch + to) * vectorWords + vectorWord.base
    words[targetVector] = words[sourceVector]!
    words[targetVector + 1] = words[sourceVector + 1]!
  }

  /**
   * Makes the kernel send the response from the address that the query was sent to. For that, the packet information that came
   * with the query (struct in_pktinfo or in6_pktinfo after a struct cmsghdr) is passed back. The interface is cleared, since the
   * response may take another one.
   */
  #putControl(from: number, to: number): void {
    const words = this.#words
    const received = this.#receivedAt + from * headerWords + headerWord.controlLength
    words[this.#sendingAt + to * headerWords + headerWord.controlLength] = words[received]!
    words[received] = controlBytes
    const information = this.#controlsAt + from * (controlBytes / 4) + 4
    if (!this.#isIPv6) words[information] = 0
    // A link-local address (fe80::/10) is meaningless without its interface (RFC 4007 §6).
    else if ((words[information]! & 0xc0ff) !== 0x80fe) words[information + 4] = 0
  }

  /** Sends the responses; skips one that the system refuses. */
  #send(responses: number): void {
    let sent = 0
    let unsent = 0
    while (sent < responses) {
      const address = this.#sending + sent * headerBytes
      const result = this.#native.send(this.fd, address, responses - sent)
      if (result > 0) sent += result
      else if (result !== -EINTR) {
        if (broken.includes(-result)) throw new SystemCallError('sendmmsg', -result)
        sent++
        unsent++
      }
    }
    if (unsent > 0) this.#answering.countUnsent(unsent)
  }

  #putAddress(word: number, address: number): void {
    this.#words[word] = address | 0
    this.#words[word + 1] = Math.floor(address / 2 ** 32)
  }
}

/** Waits for queries at several sockets. */
class Readable {
  readonly #native: NativeSockets
  /** A struct pollfd for each socket: descriptor, then the events to wait for and the events found, 16 bits each. */
  readonly #descriptors: Buffer
  readonly #address: number
  readonly #count: number

  constructor(native: NativeSockets, ports: readonly Port[]) {
    const readable = 1
    this.#native = native
    this.#count = ports.length
    this.#descriptors = Buffer.allocUnsafeSlow(Math.max(8, ports.length * 8)).fill(0)
    for (const [index, { fd }] of ports.entries()) {
      this.#descriptors.writeInt32LE(fd, index * 8)
      this.#descriptors.writeInt16LE(readable, index * 8 + 4)
    }
    this.#address = native.addressOf(this.#descriptors)
  }

  wait(): void {
    const result = this.#native.poll(this.#address, this.#count, waitMs)
    if (result < 0 && !passing.includes(-result)) throw new SystemCallError('poll', -result)
  }
}
