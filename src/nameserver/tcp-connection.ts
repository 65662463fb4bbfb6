// One TCP connection: reads queries and sends the responses in the same order, in bounded memory and time (RFC 7766 §6.2). Each
// message has a length prefix of two octets (RFC 1035 §4.2.2); the stream may be cut into chunks anywhere.
import type { Socket } from 'node:net'
import type { ClientAddress } from '../dns/query-context.ts'
import { get16, headerLength, maxMessageLength, octetsOf, put16 } from '../dns/wire.ts'
import { isTransferQuery } from '../transfer/request.ts'
import type { Transfer, Transfers } from '../transfer/transfers.ts'
import type { Answering } from './transport.ts'

export interface TcpConnectionOptions {
  readonly answering: Answering
  /** The client's address. */
  readonly address: ClientAddress
  /** A connection on which nothing was answered for this long is dropped, even if its peer is only slow (RFC 7766 §6.2.3). */
  readonly idleSeconds: number
  /** Makes zone transfers; undefined if nobody may have one. */
  readonly transfers: Transfers | undefined
  /** Called when a query was answered. */
  onActivity(): void
  /** Called once, when the connection has closed. */
  onClose(): void
}

/** After this many answers or octets another connection gets its turn, so that no peer holds up the others. */
const turnAnswers = 64
const turnBytes = 65_536

/** A transfer may take so long at most: until it ends, the database must keep old pages. */
const longestTransferMs = 3_600_000

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
  /** While it runs, no other query of this connection is answered: a client may send several, and wants them in order. */
  #transfer: Transfer | undefined
  #transferLimit: NodeJS.Timeout | undefined
  /** Messages of a transfer are being made, so it is not the client who is slow. */
  #isMaking = false

  constructor(socket: Socket, options: TcpConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.#idle = setTimeout(() => {
      if (this.#isMaking) this.#idle.refresh()
      else socket.destroy()
    }, options.idleSeconds * 1000)
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#frames.push(chunk)
      this.#serve()
    })
    socket.on('drain', () => {
      this.#touch()
      this.#serve()
    })
    // All pipelined queries are answered (RFC 7766 §6.2.1.1), also those of a peer that has shut down its sending side.
    socket.on('end', () => {
      this.#isEnded = true
      this.#serve()
    })
    // The peer or the network failed; 'close' follows.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(this.#idle)
      clearTimeout(this.#transferLimit)
      this.#transfer?.stop()
      options.onClose()
    })
  }

  /** Sends the answers that are waiting, then closes the connection. */
  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Answers the queries that have arrived, for at most one turn. Stops reading while the peer does not take its answers. */
  #serve(): void {
    const socket = this.#socket
    if (socket.writableEnded || this.#transfer !== undefined) return
    if (socket.writableNeedDrain) {
      socket.pause()
      return
    }
    const { answering, address } = this.#options
    Object.assign(answering.client, address)
    const answers: Uint8Array[] = []
    let octets = 0
    let isDry = false
    let transferQuery: Uint8Array | undefined
    answering.enter()
    for (let asked = 0; asked < turnAnswers && octets < turnBytes; asked++) {
      const query = this.#frames.next()
      if (query === undefined) {
        isDry = true
        break
      }
      if (this.#isTransfer(query)) {
        transferQuery = query.slice()
        break
      }
      const answer = this.#answer(query)
      if (answer === undefined) continue
      answers.push(answer)
      octets += answer.length
    }
    answering.leave()
    if (answers.length > 0) {
      socket.write(Buffer.concat(answers))
      this.#touch()
    }
    if (transferQuery !== undefined) {
      this.#startTransfer(transferQuery)
      return
    }
    if (!isDry || socket.writableNeedDrain) {
      socket.pause()
      if (!socket.writableNeedDrain) this.#waitForTurn()
    } else if (this.#isEnded) socket.end()
    else socket.resume()
  }

  /** The response with its length prefix, which go out in one write (RFC 7766 §8). Undefined if none is sent. */
  #answer(query: Uint8Array): Uint8Array | undefined {
    const length = this.#options.answering.answer(octetsOf(query), query.length, message)
    if (length === 0) return undefined
    put16(framed, 0, length)
    return framed.slice(0, prefixLength + length)
  }

  #isTransfer(query: Uint8Array): boolean {
    return (
      this.#options.transfers !== undefined &&
      query.length >= headerLength &&
      isTransferQuery(query)
    )
  }

  #startTransfer(query: Uint8Array): void {
    const { transfers, address, answering } = this.#options
    const socket = this.#socket
    socket.pause()
    this.#transferLimit = setTimeout(() => socket.destroy(), longestTransferMs)
    const goOn = (): void => {
      clearTimeout(this.#transferLimit)
      this.#isMaking = false
      this.#transfer = undefined
      this.#touch()
      this.#serve()
    }
    this.#isMaking = true
    this.#transfer = transfers?.start(query, address, {
      send: async (octets) => {
        this.#touch()
        if (socket.destroyed || socket.write(octets)) return
        this.#isMaking = false
        await takenOrGone(socket)
        this.#isMaking = true
      },
      end: (isAnswered) => {
        if (!isAnswered) {
          Object.assign(answering.client, address)
          answering.enter()
          const answer = this.#answer(query)
          answering.leave()
          if (answer !== undefined) socket.write(answer)
        }
        goOn()
      },
      fail: () => socket.destroy(),
    })
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

/** Resolves when the peer has taken what was written, or is gone. */
async function takenOrGone(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const go = (): void => resolve()
  socket.once('drain', go).once('close', go)
  await promise
  socket.off('drain', go).off('close', go)
}

/** Chunks of a stream → DNS messages. Keeps only octets that have not been read yet. */
export class FrameReader {
  #bytes: Uint8Array = new Uint8Array()
  #start = 0
  #end = 0

  /** Adds a chunk, which must not change afterwards. */
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
      // Double the buffer, so that octets that come one by one are not copied each time.
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

  /** The next whole message, valid until the next push; undefined if more octets are needed. */
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
