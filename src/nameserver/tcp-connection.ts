// One TCP connection: queries in, responses out in the same order, in bounded memory and time (RFC 7766 §6.2). Messages
// have a length prefix of two octets (RFC 1035 §4.2.2), however the stream is cut into chunks.
import type { Socket } from 'node:net'
import type { ClientAddress } from '../dns/query-context.ts'
import { get16, maxMessageLength, octetsOf, put16 } from '../dns/wire.ts'
import type { Answering } from './transport.ts'

export interface TcpConnectionOptions {
  readonly answering: Answering
  /** Whose connection it is. */
  readonly address: ClientAddress
  /** A connection without an answer for this long is dropped, also if its peer is slow (RFC 7766 §6.2.3). */
  readonly idleSeconds: number
  /** Something was answered. */
  onActivity(): void
  /** Called once. */
  onClose(): void
}

/** After this many answers or octets it is another connection's turn, so that no peer can hold up the rest. */
const turnAnswers = 64
const turnBytes = 65_536

const prefixLength = 2
const firstCapacity = 512

const framed = new Uint8Array(prefixLength + maxMessageLength)
const message = octetsOf(framed.subarray(prefixLength))

export class TcpConnection {
  readonly #socket: Socket
  readonly #options: TcpConnectionOptions
  readonly #frames = new FrameReader()
  readonly #idle: NodeJS.Timeout
  #isEnded = false
  #isWaitingForTurn = false

  constructor(socket: Socket, options: TcpConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.#idle = setTimeout(() => socket.destroy(), options.idleSeconds * 1000)
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#frames.push(chunk)
      this.#serve()
    })
    socket.on('drain', () => {
      this.#touch()
      this.#serve()
    })
    // A peer that has finished asking still gets its answers (RFC 7766 §6.2.1.1).
    socket.on('end', () => {
      this.#isEnded = true
      this.#serve()
    })
    // A fault of the peer or the network; 'close' follows.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(this.#idle)
      options.onClose()
    })
  }

  /** Sends the answers that are waiting, then closes. */
  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Answers what is there, up to one turn's worth. Stops reading from a peer that does not take its answers. */
  #serve(): void {
    const socket = this.#socket
    if (socket.writableEnded) return
    if (socket.writableNeedDrain) {
      socket.pause()
      return
    }
    const { answering, address } = this.#options
    Object.assign(answering.client, address)
    const answers: Uint8Array[] = []
    let octets = 0
    let isDry = false
    answering.enter()
    for (let asked = 0; asked < turnAnswers && octets < turnBytes; asked++) {
      const query = this.#frames.next()
      if (query === undefined) {
        isDry = true
        break
      }
      const length = answering.answer(octetsOf(query), query.length, message)
      if (length === 0) continue
      put16(framed, 0, length)
      // Prefix and message in one write (RFC 7766 §8).
      answers.push(framed.slice(0, prefixLength + length))
      octets += prefixLength + length
    }
    answering.leave()
    if (answers.length > 0) {
      socket.write(Buffer.concat(answers))
      this.#touch()
    }
    if (!isDry || socket.writableNeedDrain) {
      socket.pause()
      if (!socket.writableNeedDrain) this.#waitForTurn()
    } else if (this.#isEnded) socket.end()
    else socket.resume()
  }

  #waitForTurn(): void {
    if (this.#isWaitingForTurn) return
    this.#isWaitingForTurn = true
    setImmediate(() => {
      this.#isWaitingForTurn = false
      if (!this.#socket.destroyed) this.#serve()
    })
  }

  #touch(): void {
    this.#idle.refresh()
    this.#options.onActivity()
  }
}

/** A stream's chunks → DNS messages. Keeps no more than has come in and is not read yet. */
export class FrameReader {
  #bytes: Uint8Array = new Uint8Array()
  #start = 0
  #end = 0

  /** Takes over a chunk as it came. */
  push(chunk: Uint8Array): void {
    const kept = this.#end - this.#start
    if (kept === 0) {
      this.#bytes = chunk
      this.#start = 0
      this.#end = chunk.length
      return
    }
    const needed = kept + chunk.length
    if (this.#end + chunk.length > this.#bytes.length) {
      // Doubles, so that octets that come one by one are not copied every time.
      const doubled = Math.min(Math.max(firstCapacity, needed * 2), prefixLength + maxMessageLength)
      const grown = new Uint8Array(Math.max(needed, doubled))
      grown.set(this.#bytes.subarray(this.#start, this.#end))
      this.#bytes = grown
      this.#start = 0
      this.#end = kept
    }
    this.#bytes.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /** The next whole message, good until the next push; undefined when more octets are needed. */
  next(): Uint8Array | undefined {
    const kept = this.#end - this.#start
    if (kept < prefixLength) return undefined
    const length = get16(this.#bytes, this.#start)
    if (kept < prefixLength + length) return undefined
    const from = this.#start + prefixLength
    this.#start = from + length
    return this.#bytes.subarray(from, this.#start)
  }
}
