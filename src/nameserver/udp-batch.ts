// The UDP transport for Linux: as many datagrams as have come are received by one recvmmsg, answered where they lie,
// and sent back by one sendmmsg. It blocks its thread. Called by worker.ts for sockets that socket-calls.ts made.
//
// All that the kernel reads and writes lies in one buffer for each socket, laid out once (64-bit Linux, little endian):
//
//   struct mmsghdr ×n  for receiving: name, one iovec, control      64 octets: msghdr (56), datagram length, padding
//   struct mmsghdr ×n  for sending: the same, responses in a row though some queries get none
//   struct iovec   ×2n address and length of a datagram             16 octets
//   names          ×n  struct sockaddr_in or sockaddr_in6           32 octets
//   controls       ×n  on a wildcard address: which one was asked   64 octets
//   datagrams      ×n  the query, and its response in its place
//
// A name's length and, but for what a wildcard address adds, the rest of a header is the same for every datagram, so
// between two system calls only lengths are touched.
import { constants } from 'node:os'
import { type Octets, octetsOf } from '../dns/wire.ts'
import { type Descriptor, SystemCallError } from '../libc/library.ts'
import { readClientSockaddr } from './client-address.ts'
import { type DatagramCalls, loadDatagramCalls } from './socket-calls.ts'
import type { ThreadSocket } from './sockets.ts'
import { maxBatch, maxQueryLength, type UdpTransport, type UdpTransportOptions } from './udp.ts'

/** Datagrams at one call. With more, the buffers leave the processor's nearer caches. */
const batch = maxBatch
/** For so many at once reading ahead saves more than it costs. */
const worthAhead = 4
/**
 * Responses of at most so many octets go as one packet, which no forged ICMP message can have cut up for the pieces to
 * be replaced (RFC 9715 §3.1); it also spares the kernel choosing each an identification. Larger ones may need pieces.
 */
const wholeBytes = 1232
/** The stop is seen within this time. */
const waitMs = 100
/** After the stop, what has been received is answered, but not for ever. */
const drainMs = 200

/** Octets of the structures above, and where in them (counted in 32-bit words) things stand. */
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

/** Flags of recvmmsg: block until the first datagram is there; not at all. */
const waitForOne = 0x10000
const dontWait = 0x40

const { EINTR, EAGAIN, ENOMEM, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EBADF, ENOTSOCK, EFAULT } =
  constants.errno
/** What a receiving socket may say without being broken: nothing came, or news of an earlier datagram's fate. */
const passing: readonly number[] = [EINTR, EAGAIN, ENOMEM, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH]
/** What says that a sending socket is broken; all else concerns the one datagram. */
const broken: readonly number[] = [EBADF, ENOTSOCK, EFAULT]

/** Serves the sockets by batches; see UdpTransport. */
export const serveByBatches: UdpTransport = async (options) => {
  const calls = await loadDatagramCalls()
  const ports: Port[] = []
  try {
    for (const socket of options.sockets) ports.push(new Port(calls, socket, options))
    options.onListening()
    serve(calls, ports, options.stop)
  } finally {
    for (const port of ports) calls.close(port.fd)
  }
}

function serve(calls: DatagramCalls, ports: readonly Port[], stop: Int32Array<SharedArrayBuffer>) {
  const [only] = ports
  if (ports.length === 1 && only !== undefined) {
    while (Atomics.load(stop, 0) === 0) only.exchange(waitForOne)
  } else {
    const readable = new Readable(calls, ports)
    while (Atomics.load(stop, 0) === 0) {
      let received = 0
      for (const port of ports) received += port.exchange(dontWait)
      if (received === 0) readable.wait()
    }
  }
  const deadline = performance.now() + drainMs
  while (ports.some((port) => port.exchange(dontWait) > 0)) {
    if (performance.now() > deadline) return
  }
}

/** One socket and its buffers. */
class Port {
  readonly fd: Descriptor
  readonly #calls: DatagramCalls
  readonly #options: UdpTransportOptions
  readonly #memory: Buffer
  readonly #view: DataView
  readonly #words: Int32Array
  /** Addresses of the headers, for the kernel. */
  readonly #received: number
  readonly #sending: number
  /** Word indexes. */
  readonly #receivedAt = 0
  readonly #sendingAt = batch * headerWords
  readonly #vectorsAt = 2 * batch * headerWords
  readonly #controlsAt: number
  /** In octets. */
  readonly #namesAt: number
  readonly #isIPv6: boolean
  readonly #isWildcard: boolean
  readonly #datagrams: readonly Octets[]
  /** Sending headers from here on are surely in their rest position: response i from datagram i. */
  #shiftedTo = 0

  constructor(calls: DatagramCalls, socket: ThreadSocket, options: UdpTransportOptions) {
    if (!('fd' in socket)) throw new Error('the batched transport serves descriptors')
    this.fd = socket.fd
    this.#calls = calls
    this.#options = options
    this.#isIPv6 = socket.family === 6
    this.#isWildcard = socket.isWildcard
    calls.setTimeouts(this.fd, waitMs)
    if (this.#isWildcard) calls.tellDestination(this.fd, socket.family)
    if (options.maxResponse <= wholeBytes) calls.forbidFragments(this.fd, socket.family)

    const room = Math.max(maxQueryLength, options.maxResponse)
    // Odd multiples of a cache line, so that the beginnings of the datagrams do not all compete for the same ones.
    const stride = (Math.ceil(room / 64) | 1) * 64
    const vectors = 2 * batch * headerBytes
    const names = vectors + 2 * batch * vectorBytes
    const controls = names + batch * nameBytes
    const datagrams = controls + batch * controlBytes
    this.#memory = Buffer.allocUnsafeSlow(datagrams + batch * stride).fill(0)
    const { buffer } = this.#memory
    this.#view = new DataView(buffer)
    const address = calls.addressOf(this.#memory)
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

  /** Receives what has come, answers it and sends the responses. Answers how many datagrams there were. */
  exchange(flags: number): number {
    const count = this.#calls.receive(this.fd, this.#received, batch, flags)
    if (count <= 0) {
      if (count < 0 && !passing.includes(-count)) throw new SystemCallError('recvmmsg', -count)
      return 0
    }
    const { enter, leave } = this.#options
    enter()
    const isAhead = count >= worthAhead && this.#readAhead(count)
    const responses = this.#answer(count, isAhead)
    leave()
    if (responses > 0) this.#send(responses)
    return count
  }

  #readAhead(count: number): boolean {
    const { preview, readAhead } = this.#options
    if (preview === undefined || readAhead === undefined) return false
    for (let index = 0; index < count; index++) {
      const length = this.#words[this.#receivedAt + index * headerWords + headerWord.length]!
      preview(this.#datagrams[index]!, length, index)
    }
    readAhead(count)
    return true
  }

  /** Answers the first `count` datagrams, each in its place, and lines the responses up for sending. */
  #answer(count: number, isAhead: boolean): number {
    const { answer, client } = this.#options
    const words = this.#words
    const family = this.#isIPv6 ? 6 : 4
    let responses = 0
    for (let index = 0; index < count; index++) {
      const datagram = this.#datagrams[index]!
      readClientSockaddr(this.#view, this.#namesAt + index * nameBytes, family, client)
      const queryLength = words[this.#receivedAt + index * headerWords + headerWord.length]!
      const length = answer(datagram, queryLength, datagram, isAhead ? index : -1)
      if (this.#isWildcard) this.#turnControl(index, responses)
      if (length === 0) continue
      if (index !== responses || index < this.#shiftedTo) this.#shift(index, responses)
      words[this.#vectorsAt + (batch + responses) * vectorWords + vectorWord.length] = length
      responses++
    }
    if (responses !== count) this.#shiftedTo = Math.max(this.#shiftedTo, responses)
    else if (responses >= this.#shiftedTo) this.#shiftedTo = 0
    return responses
  }

  /** Points sending header `to` at the name, the datagram and the control of datagram `from`. */
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
   * The response leaves from the address that was asked: what the kernel told (struct in_pktinfo or in6_pktinfo
   * behind a struct cmsghdr) goes back to it, but the interface is left to the route, which may lead elsewhere.
   */
  #turnControl(from: number, to: number): void {
    const words = this.#words
    const received = this.#receivedAt + from * headerWords + headerWord.controlLength
    words[this.#sendingAt + to * headerWords + headerWord.controlLength] = words[received]!
    words[received] = controlBytes
    const information = this.#controlsAt + from * (controlBytes / 4) + 4
    if (!this.#isIPv6) words[information] = 0
    // A link-local address (fe80::/10) is one of its interface's alone (RFC 4007 §6).
    else if ((words[information]! & 0xc0ff) !== 0x80fe) words[information + 4] = 0
  }

  /** Sends the responses; one that the system refuses is passed over. */
  #send(responses: number): void {
    let sent = 0
    let unsent = 0
    while (sent < responses) {
      const address = this.#sending + sent * headerBytes
      const result = this.#calls.send(this.fd, address, responses - sent)
      if (result > 0) sent += result
      else if (result !== -EINTR) {
        if (broken.includes(-result)) throw new SystemCallError('sendmmsg', -result)
        sent++
        unsent++
      }
    }
    if (unsent > 0) this.#options.onUnsent?.(unsent)
  }

  #putAddress(word: number, address: number): void {
    this.#words[word] = address | 0
    this.#words[word + 1] = Math.floor(address / 2 ** 32)
  }
}

/** Waits for any of several sockets. */
class Readable {
  readonly #calls: DatagramCalls
  /** struct pollfd: descriptor, then the events asked for and those that came, 16 bits each. */
  readonly #descriptors: Buffer
  readonly #address: number
  readonly #count: number

  constructor(calls: DatagramCalls, ports: readonly Port[]) {
    const readable = 1
    this.#calls = calls
    this.#count = ports.length
    this.#descriptors = Buffer.allocUnsafeSlow(Math.max(8, ports.length * 8)).fill(0)
    for (const [index, { fd }] of ports.entries()) {
      this.#descriptors.writeInt32LE(fd, index * 8)
      this.#descriptors.writeInt16LE(readable, index * 8 + 4)
    }
    this.#address = calls.addressOf(this.#descriptors)
  }

  wait(): void {
    const result = this.#calls.poll(this.#address, this.#count, waitMs)
    if (result < 0 && !passing.includes(-result)) throw new SystemCallError('poll', -result)
  }
}
