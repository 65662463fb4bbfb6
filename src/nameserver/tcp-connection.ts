// One TCP connection: queries in, responses out in the same order, in bounded memory and time (RFC 7766 §6.2).
// tcp.ts makes one for each connection it accepts.
import type { Socket } from 'node:net'
import { maxMessageLength, type Octets, octetsOf } from '../dns/wire.ts'
import type { ClientAddress } from './client-address.ts'
import { FrameReader } from './framing.ts'

export interface TcpAnswering {
  /** As in UdpTransportOptions. */
  readonly client: ClientAddress
  answer(query: Octets, queryLength: number, response: Octets): number
  enter(): void
  leave(): void
}

export interface TcpConnectionOptions extends TcpAnswering {
  /** Whose connection it is. */
  readonly address: ClientAddress
  /** A connection on which nothing was answered for so long is dropped (RFC 7766 §6.2.3), slow writers and readers too. */
  readonly idleSeconds: number
  /** Something was answered. */
  onActivity(): void
  /** Called once. */
  onClose(): void
}

const framed = new Uint8Array(2 + maxMessageLength)
const message = octetsOf(framed.subarray(2))

export class TcpConnection {
  readonly #socket: Socket
  readonly #options: TcpConnectionOptions
  readonly #frames = new FrameReader()
  readonly #idle: NodeJS.Timeout
  #isEnded = false

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
    // A peer that has finished asking still gets its answers (RFC 7766 §6.2.1.1 has pipelining clients do so).
    socket.on('end', () => {
      this.#isEnded = true
      this.#serve()
    })
    // What went wrong is the peer's or the network's affair; 'close' follows.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(this.#idle)
      options.onClose()
    })
  }

  /** Lets what was answered go out, then closes. */
  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Answers what is there, for as long as the peer takes the answers; stops reading from one that does not. */
  #serve(): void {
    const socket = this.#socket
    const { client, address, answer, enter, leave } = this.#options
    Object.assign(client, address)
    let isDry = false
    let hasAnswered = false
    socket.cork()
    enter()
    while (!socket.writableNeedDrain) {
      const query = this.#frames.next()
      if (query === undefined) {
        isDry = true
        break
      }
      const length = answer(octetsOf(query), query.length, message)
      if (length === 0) continue
      hasAnswered = true
      framed[0] = length >>> 8
      framed[1] = length
      // Prefix and message in one write (RFC 7766 §8).
      socket.write(framed.slice(0, 2 + length))
    }
    leave()
    socket.uncork()
    if (hasAnswered) this.#touch()
    if (!isDry) socket.pause()
    else if (this.#isEnded) socket.end()
    else socket.resume()
  }

  #touch(): void {
    this.#idle.refresh()
    this.#options.onActivity()
  }
}
