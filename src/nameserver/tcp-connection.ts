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

/**
 * So many answers at most, and not many more octets, before others have their turn: a peer that asks without end
 * shall not hold up the rest.
 */
const turnAnswers = 64
const turnBytes = 65_536

const framed = new Uint8Array(2 + maxMessageLength)
const message = octetsOf(framed.subarray(2))

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

  /** Answers a turn's worth of what is there; stops reading from a peer that does not take the answers. */
  #serve(): void {
    const socket = this.#socket
    if (socket.writableEnded) return
    if (socket.writableNeedDrain) {
      socket.pause()
      return
    }
    const { client, address, answer, enter, leave } = this.#options
    Object.assign(client, address)
    const answers: Uint8Array[] = []
    let octets = 0
    let isDry = false
    enter()
    for (let asked = 0; asked < turnAnswers && octets < turnBytes; asked++) {
      const query = this.#frames.next()
      if (query === undefined) {
        isDry = true
        break
      }
      const length = answer(octetsOf(query), query.length, message)
      if (length === 0) continue
      framed[0] = length >>> 8
      framed[1] = length
      // Prefix and message in one write (RFC 7766 §8).
      answers.push(framed.slice(0, 2 + length))
      octets += 2 + length
    }
    leave()
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
